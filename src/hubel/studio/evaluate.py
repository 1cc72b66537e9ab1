"""The page Evaluate: the answers of a run on one split, sample by sample, and the pictures behind each number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hubel.data.splits import NAMES
from hubel.errors import ArtefactError, UsageError
from hubel.evaluation import Evaluation, RegressionEvaluation, TaskResult
from hubel.studio.asking import Asked, Route, Sent
from hubel.studio.jobs import spoken
from hubel.studio.seen import net, own, row_of, sent, stamp
from hubel.verbs.evaluate import evaluate
from hubel.verbs.predict import Prediction, predict

MOST = 20_000
"""Samples that are told one by one."""
DIGITS = 5


def about(asked: Asked) -> dict[str, Any]:
    """The splits of a run, and its classes."""
    folder = asked.studio.places.run(asked.word("run"))
    found = own(asked.studio, folder)
    return {
        "run": folder.name, "classes": list(net(asked.studio, folder).class_names),
        "splits": {name: len(found.ids(name)) for name in NAMES if len(found.ids(name))},
        "pictures": found.decoded.images.ndim == 4,
    }  # fmt: skip


def _measured(asked: Asked) -> tuple[Path, str, Evaluation | RegressionEvaluation | TaskResult]:
    folder, split = asked.studio.places.run(asked.word("run")), asked.choice("split", NAMES, "test")

    def measure() -> Evaluation | RegressionEvaluation | TaskResult:
        with asked.studio.computing:
            return evaluate(folder, split=split, verbose=False)

    return folder, split, asked.studio.keep(("evaluation", folder, split, stamp(folder)), measure)


def result(asked: Asked) -> dict[str, Any]:
    """All numbers of one split, and each sample: its class, its answer, how sure."""
    folder, split, found = _measured(asked)
    command = spoken(["evaluate", asked.studio.places.spoken(folder), *([] if split == "test" else ["--split", split])])
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


def known(asked: Asked) -> dict[str, Any]:
    """How familiar each sample of a split is to the net; [] where it cannot tell."""
    folder, split, found = _measured(asked)
    if not isinstance(found, Evaluation):
        raise ArtefactError("a run that predicts a number does not say what it knows")

    def look() -> list[float | None]:
        classifier, data = net(asked.studio, folder), own(asked.studio, folder)
        rows = np.asarray(found.ids[:MOST])
        if classifier.preprocessing is None or classifier.trust is None or not classifier.trust.knows:
            return []
        pictures = np.ascontiguousarray(data.decoded.images[rows]).transpose(0, 2, 3, 1)
        with asked.studio.computing:
            answers = predict(classifier, pictures, verbose=False)
        return [round(answer.familiarity, DIGITS) for answer in answers if isinstance(answer, Prediction)]

    return {"familiarity": asked.studio.keep(("known", folder, split, stamp(folder)), look)}


def shown(asked: Asked) -> Sent:
    """A sample as the net sees it."""
    data = own(asked.studio, asked.studio.places.run(asked.word("run")))
    if data.decoded.images.ndim != 4:
        raise UsageError("points have no picture")
    return sent(data.decoded.images[row_of(asked, data)])


ROUTES = [Route("about", about), Route("result", result), Route("known", known), Route("picture", shown)]
