"""An exported file whose task answers otherwise than by probabilities of classes: as it is written, and opened again.

The rules are those of `hubel.deploy.shipped`. Of its two golden pictures each output is kept at a few places, evenly
spread, since maps of pixels are large.

Letters: N pictures, H W C height, width and channels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from PIL import Image
from torch import nn

from hubel.checkpoint import Classifier, ModelSpec, Provenance
from hubel.deploy import shipped
from hubel.deploy.ended import described
from hubel.deploy.onnx_graph import PICTURES, stated
from hubel.deploy.prediction import Prediction, Predictions
from hubel.deploy.shipped import Face, brief, foreign
from hubel.errors import ArtefactError, HubelError
from hubel.runtime import environment
from hubel.store import dump_json, shown
from hubel.tasks import TASKS
from hubel.tasks.answers import Answer, Answers
from hubel.tasks.ending import Ending
from hubel.types import Predictions as Numbers
from hubel.watching import SILENT, Watcher
from hubel.words import in_figures

PLACES = 256
"""Of an output of a golden picture that are kept at most."""
GOLDEN, GOLDEN_SAME = 1e-3, 0.9
"""The largest difference that is still rounding, as a share of the largest number; and of maps of decisions how many
places must be the same.
"""
TOGETHER = 1 << 24
"""Numbers that come out at once."""


def signed(
    model: Any,
    classifier: Classifier,
    ending: Ending,
    shapes: Mapping[str, tuple[int, ...]],
    views: str,
    card: Mapping[str, Any],
    golden: Sequence[Mapping[str, np.ndarray]],
) -> bytes:
    """The bytes of an assembled model that say what they are. `golden`: what the net gives of `golden_pictures`."""
    assert classifier.preprocessing is not None
    says = {
        "format": "hubel-onnx",
        "version": shipped.ANSWERS_VERSION,
        "task": classifier.task,
        "class_names": list(classifier.class_names),
        "preprocessing": classifier.preprocessing.to_dict(),
        "views": views,
        "architecture": classifier.spec.architecture,
        "numbers": "float32",
        "input": {"name": PICTURES, "shape": ["N", "H", "W", classifier.preprocessing.channels], "type": "uint8"},
        "outputs": described(ending, shapes),
        "golden": [{name: _some(each).tolist() for name, each in one.items()} for one in golden],
    }
    model.producer_name, model.producer_version = "hubel", str(environment()["hubel"])
    facts = {
        shipped.KEY: dump_json(says).decode(),
        shipped.CARD: dump_json(dict(card)).decode(),
        "task": classifier.task,
        "class_names": json.dumps(list(classifier.class_names), ensure_ascii=False),
        "licence": str(card.get("licence", "")),
    }
    return stated(model, facts)


def _some(values: np.ndarray) -> np.ndarray:
    """A few of its numbers, evenly spread, flat.

    >>> _some(np.arange(1000)).shape, _some(np.array(3.5)).tolist()
    ((256,), [3.5])
    """
    flat = np.asarray(values).ravel()
    return flat[np.arange(min(PLACES, len(flat))) * len(flat) // max(1, min(PLACES, len(flat)))]


class ShippedAnswers:
    """An exported file, ready to answer. Raises ArtefactError for what is none, MissingExtra without a runtime."""

    limits = None

    def __init__(self, data: bytes, *, name: str = "the file", threads: int = 0) -> None:
        self.name = name
        try:
            model, says, self.card = shipped.opened_model(data, name)
            _check(says, name)
            self.preprocessing = shipped.sight_of(says, name)
            shipped.check_plain(model, _faces(says["outputs"]), self.preprocessing, name)
        except HubelError:
            raise
        except Exception as error:  # what a damaged file holds may be of any kind
            raise foreign(name, f"it cannot be read: {brief(error)}") from None
        self.task = TASKS.get(says["task"])
        self.class_names = tuple(says["class_names"])
        self.views, self.architecture = says["views"], says["architecture"]
        self.outputs = tuple(each["name"] for each in says["outputs"])
        self.each = sum(_size(output["shape"][1:]) for output in says["outputs"])
        self.away, self.allowed = 0.0, GOLDEN
        self.runtime = shipped.session_of(data, name, threads)
        self._ask(says["golden"])

    @property
    def parameters(self) -> int:
        """Of the net, as the card says; 0 where it does not."""
        net = self.card.get("net")
        found = net.get("parameters") if isinstance(net, dict) else 0
        return found if isinstance(found, int) else 0

    def groups(self, pictures: Sequence[np.ndarray]) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
        """Pictures H W C uint8 of one size go together: (which, what the file gives of them, N … by output)."""
        start = 0
        while start < len(pictures):
            shape, end = pictures[start].shape, start + 1
            most = max(1, min(shipped.TOGETHER, TOGETHER // (self.each + shape[0] * shape[1])))
            while end < min(len(pictures), start + most) and pictures[end].shape == shape:
                end += 1
            found = self.runtime.all(np.stack(pictures[start:end]))
            yield slice(start, end), dict(zip(self.outputs, found, strict=True))
            start = end

    def gives(self, pictures: Sequence[np.ndarray]) -> list[dict[str, np.ndarray]]:
        """Of each picture H W C uint8, upright and in the net's channels, what the file gives, by output."""
        return [
            {name: values[row] for name, values in found.items()}
            for part, found in self.groups(pictures)
            for row in range(part.stop - part.start)
        ]

    def named(self, names: Sequence[str], images: Sequence[np.ndarray]) -> list[Prediction] | list[Answer]:
        """What it says of pictures C H W uint8, each with its name."""
        pictures = [image.transpose(1, 2, 0) for image in images]
        if not self.task.labels:
            return [
                answer for part, found in self.groups(pictures)
                for answer in self.task.say(names[part], found, self.class_names, partial(self._seen, pictures[part]))
            ]  # fmt: skip
        return [
            Prediction(name, in_figures(number), float("nan"), {}, float(number))
            for name, number in zip(names, self._numbers(pictures), strict=True)
        ]

    def _seen(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """N C h w uint8: pictures H W C as the net sees them."""
        whole = [Image.fromarray(each[:, :, 0] if each.shape[2] == 1 else each) for each in pictures]
        return np.stack([self.preprocessing.image(picture) for picture in whole])

    def _numbers(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """N: what comes out first, of a task whose answers are numbers."""
        found = [given[self.outputs[0]] for _, given in self.groups(pictures)]
        return np.concatenate(found) if found else np.zeros(0, np.float32)

    def classify(
        self, pictures: Any, *, batch_size: int = 64, follow_links: bool = False, watch: Watcher = SILENT
    ) -> Predictions | Answers:
        """As `hubel predict` with its run, by this file: the same pictures, the same reader."""
        found: Predictions | Answers = Predictions() if self.task.labels else Answers()
        return shipped.read_and_said(
            pictures, self.preprocessing, self.named, found, batch_size=batch_size, follow_links=follow_links,
            watch=watch,
        )  # fmt: skip

    def predictions(
        self,
        pictures: Iterable[np.ndarray],
        labels: np.ndarray,
        ids: np.ndarray,
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Numbers:
        """What a bench judges, of a task whose answers are numbers: N 1."""
        found, waiting = [], iter(pictures)
        while some := list(islice(waiting, shipped.TOGETHER)):
            found.append(self._numbers(some)[:, None])
            progress(len(found) * shipped.TOGETHER, len(labels))
        return Numbers(np.concatenate(found) if found else np.zeros((0, 1), np.float32), labels, ids)

    def reader(self) -> Classifier:
        """Preprocessing as a classifier, for who reads data to measure it; it has no net that answers. Raises
        ArtefactError for a task that is measured by more than what a file gives.
        """
        self.require_numbers("is measured with the run, and not with its file", "hubel evaluate RUN DATA")
        seen = self.preprocessing
        spec = ModelSpec(
            architecture=self.architecture, num_classes=max(1, len(self.class_names)), in_chans=seen.channels,
            img_size=(seen.height, seen.width),
        )  # fmt: skip
        return Classifier(
            model=nn.Identity(), preprocessing=seen, class_names=self.class_names, spec=spec,
            provenance=Provenance(source=self.name, recipe={"train": {"task": self.task.name}}),
        )  # fmt: skip

    def require_numbers(self, doing: str, instead: str) -> None:
        """Raise ArtefactError for a task whose answers are no numbers."""
        if not self.task.labels:
            raise ArtefactError(f"{self.name} answers the task {self.task.name}, which {doing}", hint=instead)

    def _ask(self, golden: list[dict[str, list[float]]]) -> None:
        """Does the file give what its net gave?"""
        pictures = shipped.golden_pictures(self.preprocessing)
        if len(golden) != len(pictures) or any(set(one) != set(self.outputs) for one in golden):
            raise foreign(self.name, "its golden answers are not for its outputs")
        try:
            given = self.gives(pictures)
        except Exception as error:
            raise foreign(self.name, f"it fails at its golden pictures: {brief(error)}") from None
        for one, kept in zip(given, golden, strict=True):
            for name in self.outputs:
                self._hold(name, _some(one[name]), np.array(kept[name]))

    def _hold(self, name: str, given: np.ndarray, kept: np.ndarray) -> None:
        """Raise ArtefactError where an output of a golden picture is not what it was."""
        if given.shape != kept.shape:
            raise foreign(self.name, f"its golden answers are not for its output {name}")
        if given.dtype.kind == "f":
            away = float(np.abs(given - kept).max(initial=0.0)) / max(1.0, float(np.abs(kept).max(initial=0.0)))
            self.away = max(self.away, away)
            if away <= self.allowed:
                return
            what = f"{name} are off by {away:.3g}, allowed {self.allowed:g}"
        else:
            same = float((np.abs(given.astype(float) - kept.astype(float)) <= (given.dtype == np.uint8)).mean())
            if len(given) < PLACES or same >= GOLDEN_SAME:  # one decision of noise may be a tie
                return
            what = f"of {name} {same:.0%} are the same"
        raise ArtefactError(
            f"{self.name} does not give the answers it gave when it was exported: {what}",
            hint="it is damaged, or this ONNX Runtime computes otherwise: export it again",
        )


def _check(says: dict[str, Any], name: str) -> None:
    """Raise ArtefactError unless each part of what a file says is of the kind it must be."""
    names, outputs, golden = says.get("class_names"), says.get("outputs"), says.get("golden")
    good = (
        isinstance(names, list)
        and all(isinstance(each, str) for each in names)
        and isinstance(says.get("preprocessing"), dict)
        and isinstance(says.get("views"), str)
        and isinstance(says.get("architecture"), str)
        and isinstance(golden, list)
        and all(isinstance(one, dict) and all(isinstance(row, list) for row in one.values()) for one in golden)
        and isinstance(outputs, list)
        and len(outputs) > 0
        and all(isinstance(each, dict) and _is_output(each) for each in outputs)
    )
    if not good:
        raise foreign(name, "its metadata lack outputs, preprocessing or golden answers")
    if says.get("task") not in TASKS:
        raise ArtefactError(
            f"{name} is of the task {shown(says.get('task'))}, which this hubel does not know",
            hint="install the newer one, or export it again with this one",
        )


KINDS = ("float32", "uint8", "int64", "bool")


def _is_output(said: dict[str, Any]) -> bool:
    shape = said.get("shape")
    return (
        isinstance(said.get("name"), str)
        and said.get("type") in KINDS
        and isinstance(shape, list)
        and shape[:1] == ["N"]
        and all(side in ("H", "W") or (isinstance(side, int) and 0 < side < 1 << 24) for side in shape[1:])
    )


def _faces(outputs: list[dict[str, Any]]) -> list[Face]:
    import onnx as standard

    kinds = standard.TensorProto
    of = {"float32": kinds.FLOAT, "uint8": kinds.UINT8, "int64": kinds.INT64, "bool": kinds.BOOL}
    return [
        (each["name"], of[each["type"]], [side for side in each["shape"] if isinstance(side, int)], len(each["shape"]))
        for each in outputs
    ]


def _size(shape: list[Any]) -> int:
    return int(np.prod([side for side in shape if isinstance(side, int)]))
