"""The page Evaluate: the answers of a run on one split, sample by sample, and the pictures behind each number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hubel.data.splits import NAMES
from hubel.errors import ArtefactError, UsageError
from hubel.evaluation import Evaluation, RegressionEvaluation, TaskResult
from hubel.evaluation.doubt import keep_back
from hubel.evaluation.groups import LOOKS
from hubel.evaluation.several_labels import SeveralLabels
from hubel.studio.asking import Asked, Route, Sent
from hubel.studio.jobs import spoken
from hubel.studio.seen import net, own, row_of, sent, stamp
from hubel.verbs.doubt import strangers
from hubel.verbs.evaluate import evaluate
from hubel.verbs.groups import grouped
from hubel.verbs.predict import Answer, Prediction, predict

MOST = 20_000
"""Samples that are told one by one."""
DIGITS = 5


def about(asked: Asked) -> dict[str, Any]:
    """The splits of a run, and its classes."""
    folder = asked.studio.places.run(asked.word("run"))
    found = own(asked.studio, folder)
    return {
        "run": folder.name, "added": found.added, "source": _again(asked, found.added, found.scan.manifest.source),
        "classes": list(net(asked.studio, folder).class_names),
        "splits": {name: len(found.ids(name)) for name in NAMES if len(found.ids(name))},
        "pictures": found.decoded.images.ndim == 4,
        "by": [*(LOOKS if found.decoded.images.ndim == 4 else ()), *(["folder"] if found.scan.manifest.paths else [])],
    }  # fmt: skip


def _again(asked: Asked, added: int, source: str) -> str:
    """The data of a run as a training takes them, where they have grown."""
    return asked.studio.places.spoken(Path(source)) if added else ""


def _measured(
    asked: Asked, split: str | None = None
) -> tuple[Path, str, Evaluation | RegressionEvaluation | TaskResult]:
    folder, split = asked.studio.places.run(asked.word("run")), split or asked.choice("split", NAMES, "test")

    def measure() -> Evaluation | RegressionEvaluation | TaskResult:
        with asked.studio.computing:
            return evaluate(folder, split=split, verbose=False)

    return folder, split, asked.studio.keep(("evaluation", folder, split, stamp(folder)), measure)


def result(asked: Asked) -> dict[str, Any]:
    """All numbers of one split, and each sample: its class, its answer, how sure."""
    folder, split, found = _measured(asked)
    command = spoken(_said(asked, folder, split))
    if isinstance(found, SeveralLabels):
        return {"command": command, "sentence": found.sentence, "rows": found.rows(), **_by_label(found)}
    if not isinstance(found, Evaluation):
        return {"command": command, "sentence": found.sentence, "rows": found.rows(), "number": True}
    few = slice(0, MOST)
    return {
        "command": command, "sentence": found.sentence, "rows": found.rows(), "classes": list(found.class_names),
        "confusion": found.confusion, "per_class": {
            name: getattr(found.per_class, name) for name in ("precision", "recall", "f1", "support", "predicted")
        },
        "calibration": {name: getattr(found.calibration, name) for name in ("ece", "confidence", "accuracy", "counts")},
        "samples": {
            "id": found.ids[few], "label": found.labels[few], "predicted": found.predicted[few],
            "confidence": np.round(found.confidence[few], DIGITS), "path": list(found.paths or ())[few],
        },
        "left_out": max(0, len(found.ids) - MOST),
    }  # fmt: skip


def _by_label(found: SeveralLabels) -> dict[str, Any]:
    """How well each label is found, and of each sample which labels it has and which are said, by their numbers."""
    there, said = found.truth[:MOST] > 0, found.said[:MOST]
    return {
        "several": True, "classes": list(found.class_names), "fitted": found.fitted,
        "labels": [[count, *numbers] for _, count, *numbers in found.by_class()],
        "samples": {
            "id": found.ids[:MOST], "path": list(found.paths)[:MOST],
            "confidence": np.round(found.confidence[:MOST], DIGITS), "right": found.right[:MOST],
            "there": [np.flatnonzero(row) for row in there], "said": [np.flatnonzero(row) for row in said],
        },
        "left_out": max(0, found.samples - MOST),
    }  # fmt: skip


def known(asked: Asked) -> dict[str, Any]:
    """How familiar each sample of a split is to the net; [] where it cannot tell."""
    folder, split, found = _measured(asked)
    if not isinstance(found, (Evaluation, SeveralLabels)):
        raise ArtefactError("only a run that names classes or labels says what it knows")

    def look() -> list[float | None]:
        classifier, data = net(asked.studio, folder), own(asked.studio, folder)
        rows = np.asarray(found.ids[:MOST])
        if classifier.preprocessing is None or classifier.trust is None or not classifier.trust.knows:
            return []
        pictures = np.ascontiguousarray(data.decoded.images[rows]).transpose(0, 2, 3, 1)
        with asked.studio.computing:
            answers = predict(classifier, pictures, verbose=False)
        return [round(answer.familiarity, DIGITS) for answer in answers if isinstance(answer, (Prediction, Answer))]

    return {"familiarity": asked.studio.keep(("known", folder, split, stamp(folder)), look)}


def groups(asked: Asked) -> dict[str, Any]:
    """How well each group of a split is named: by a column, a folder, or how bright pictures are."""
    folder, split, found = _measured(asked)
    by, data = asked.word("by").strip(), own(asked.studio, folder)
    pictures = data.decoded.images[found.ids] if by in LOOKS and isinstance(found, Evaluation | SeveralLabels) else None
    told = grouped(folder, found, by, pictures=pictures)
    return {
        "sentence": told.sentence, "columns": [by, *told.columns], "rows": told.rows(),
        "command": spoken([*_said(asked, folder, split), "--by", by]),
    }  # fmt: skip


def risk(asked: Asked) -> dict[str, Any]:
    """From which probability on it must answer so that at most so many of 1,000 answers are wrong."""
    folder, split, found = _measured(asked)
    fitted = _measured(asked, "val")[2]
    share, several = asked.number("wrong", most=500) / 1000, isinstance(found, SeveralLabels)
    told = keep_back(_sure(fitted), _sure(found), share, split, several=several)
    return {
        **told.to_dict(), "sentence": told.sentence,
        "command": spoken([*_said(asked, folder, split), "--risk", f"{share:g}"]),
    }  # fmt: skip


def _sure(found: Evaluation | RegressionEvaluation | TaskResult) -> tuple[np.ndarray, np.ndarray]:
    """(N: the probability of each answer, N: is it right?); of several labels an answer is all of a sample's."""
    if isinstance(found, SeveralLabels):
        return found.confidence, found.right
    if not isinstance(found, Evaluation):
        raise ArtefactError("answers of this run have no probability")
    return found.confidence, np.asarray(found.predicted == found.labels)


def strange(asked: Asked) -> dict[str, Any]:
    """How well the run tells other pictures from its own."""
    folder, split = asked.studio.places.run(asked.word("run")), asked.choice("split", NAMES, "test")
    data = asked.studio.places.source(asked.word("data"))
    with asked.studio.computing:
        told = strangers(folder, data, split=split, verbose=False)
    return {"facts": told.facts(), "command": spoken([*_said(asked, folder, split), "--strange", data])}


def _said(asked: Asked, folder: Path, split: str) -> list[str]:
    return ["evaluate", asked.studio.places.spoken(folder), *([] if split == "test" else ["--split", split])]


def shown(asked: Asked) -> Sent:
    """A sample as the net sees it."""
    data = own(asked.studio, asked.studio.places.run(asked.word("run")))
    if data.decoded.images.ndim != 4:
        raise UsageError("points have no picture")
    return sent(data.decoded.images[row_of(asked, data)])


ROUTES = [
    Route("about", about), Route("result", result), Route("known", known), Route("groups", groups),
    Route("risk", risk), Route("strange", strange), Route("picture", shown),
]  # fmt: skip
