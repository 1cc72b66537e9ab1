"""An exported ONNX file as it is opened again: looked over first, run in ONNX Runtime, and asked what it should answer.

Only files that hubel has written are taken. The file is one, of the standard's own operators, without functions and
without a word of other files; its metadata say what goes in and what comes out, and it must hold what they say. Two
pictures that anybody can make again (`golden_pictures`) must then get the answers that the net gave when it was
exported: whatever lost a bit, or was put in another's place, is found before it answers anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from torch import nn

from hubel.checkpoint import Classifier, Learnt, ModelSpec, Provenance
from hubel.checkpoint.trust import ACCEPTED
from hubel.data.given import read_each
from hubel.data.manifest import Problem
from hubel.data.preprocessing import Preprocessing
from hubel.deploy import onnx
from hubel.deploy.onnx_graph import PICTURES, PROBABILITIES, stated
from hubel.deploy.onnx_known import FAMILIARITY
from hubel.deploy.prediction import L, Prediction, Predictions, in_batches
from hubel.errors import ArtefactError, HubelError, missing_extra
from hubel.metrics.calibrators import Calibrator
from hubel.metrics.sets import Sets
from hubel.runtime import environment
from hubel.store import dump_json, parse_json, shown
from hubel.tasks import TASKS
from hubel.tasks.answers import Answer, say_labels
from hubel.tasks.answers import Answers as LabelAnswers
from hubel.types import Predictions as Answers
from hubel.watching import SILENT, Watcher

KEY, CARD = "hubel", "hubel.card"
"""Entries of the metadata: what the file is, and its card."""
DETECTOR = "detector"
"""What the first says of a file whose answer is how strange something is."""
VERSION, SEVERAL_VERSION, ANSWERS_VERSION = 1, 2, 3
"""Of a file that names a class; of one that says several labels, which readers of version 1 would take for one; and of
one whose outputs are those of another task (`hubel.deploy.shipped_answers`).
"""
MOST_BYTES = 1 << 30
MOST_NOTES = 16 << 20
MOST_SIDE = 8192
"""Pixels of a side of what a net takes."""
TOGETHER = 32
"""Pictures of one size that are run at once."""
TINY = 1e-38
"""A probability of nought counts as so much where its logarithm is taken."""
GOLDEN, GOLDEN_INT8 = 1e-3, 0.05
"""The largest difference of a probability from the stored one that is still rounding; whole numbers round coarsely."""
OURS = "only files written by hubel export are taken; the run itself answers too: hubel predict RUN"


def golden_pictures(preprocessing: Preprocessing) -> list[np.ndarray]:
    """Two pictures of noise, H W C uint8, one wide and one tall, the same on every machine."""
    noise = np.random.default_rng(16)
    height, width, channels = preprocessing.height, preprocessing.width, preprocessing.channels
    sizes = ((height + 3, 2 * width + 1), (3 * height + 2, width + 1))
    return [noise.integers(0, 256, (*size, channels), dtype=np.uint8) for size in sizes]


def signed(
    model: Any,
    classifier: Classifier,
    views: str,
    calibrator: Calibrator,
    card: Mapping[str, Any],
    golden: np.ndarray | None,
) -> bytes:
    """The bytes of an assembled model that say what they are: classes, preprocessing, card, golden answers.

    `golden`: the net's probabilities of `golden_pictures`; None for a file in whole numbers, which has its own.
    """
    assert classifier.preprocessing is not None
    exact = golden is not None
    if golden is None:
        session = onnx.Session(model.SerializeToString(), threads=1)
        golden = np.concatenate([session.run(each[None]) for each in golden_pictures(classifier.preprocessing)])
    says = {
        "format": "hubel-onnx",
        "version": SEVERAL_VERSION if classifier.several else VERSION,
        "class_names": list(classifier.class_names),
        "preprocessing": classifier.preprocessing.to_dict(),
        "views": views,
        "temperature": calibrator.temperature,
        "calibration": calibrator.kind,
        "architecture": classifier.spec.architecture,
        "numbers": "float32" if exact else "int8",
        "input": {"name": PICTURES, "shape": ["N", "H", "W", classifier.preprocessing.channels], "type": "uint8"},
        "output": {"name": PROBABILITIES, "shape": ["N", len(classifier.class_names)], "type": "float32"},
        "knows": any(each.name == FAMILIARITY for each in model.graph.output),
        "set_limit": classifier.trust.sets.limit if exact and classifier.trust is not None else 0.0,
        "golden": [[float(value) for value in row] for row in golden],
    }
    if classifier.threshold is not None:
        says["threshold"] = {"positive": classifier.threshold.positive, "value": classifier.threshold.value}
    more: dict[str, str] = {}
    if classifier.several:
        says |= {"task": classifier.task, "thresholds": classifier.label_thresholds.tolist()}
        says["fitted"] = classifier.learnt is not None
        more = {"thresholds": json.dumps(says["thresholds"])}
    model.producer_name, model.producer_version = "hubel", str(environment()["hubel"])
    facts = {
        KEY: dump_json(says).decode(),
        CARD: dump_json(dict(card)).decode(),
        "class_names": json.dumps(list(classifier.class_names), ensure_ascii=False),
        "licence": str(card.get("licence", "")),
    } | more
    return stated(model, facts)


class Shipped:
    """An exported file, ready to answer. Raises ArtefactError for what is none, MissingExtra without a runtime."""

    def __init__(self, data: bytes, *, name: str = "the file", threads: int = 0) -> None:
        self.name = name
        try:
            says, self.card = _read(data, name)
        except HubelError:
            raise
        except Exception as error:  # what a damaged file holds may be of any kind: bytes for text, and worse
            raise foreign(name, f"it cannot be read: {brief(error)}") from None
        self.class_names = tuple(says["class_names"])
        self.preprocessing = says["preprocessing"]
        self.views, self.temperature = str(says["views"]), float(says["temperature"])
        self.architecture = str(says["architecture"])
        self.knows, self.set_limit = bool(says.get("knows", False)), float(says.get("set_limit", 0.0))
        kept = says.get("threshold")
        self.threshold = None if kept is None else (self.class_names.index(kept["positive"]), float(kept["value"]))
        """Class, and the probability from which on it is said; None where the likeliest is."""
        limits = says.get("thresholds")
        self.limits = None if limits is None else np.array(limits, np.float64)
        """K: from which probability on each label is said, where several may be; None where one class is named."""
        self.task = "classify" if limits is None else str(says["task"])
        self.fitted = bool(says.get("fitted", False))
        """Were these thresholds found on validation samples? Else all are 0.5."""
        self.allowed = GOLDEN_INT8 if says.get("numbers") == "int8" else GOLDEN
        self.runtime = session_of(data, name, threads)
        self._ask(np.array(says["golden"], np.float64))

    @property
    def parameters(self) -> int:
        """Of the net, as the card says; 0 where it does not."""
        net = self.card.get("net")
        found = net.get("parameters") if isinstance(net, dict) else 0
        return found if isinstance(found, int) else 0

    def answer(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities N K float64 of pictures H W C uint8, upright and in the net's channels, of any sizes."""
        return self.told(pictures)[0]

    def familiarity(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """N: the share of familiar pictures that are at least as strange as each; NaN where the file cannot tell."""
        return self.told(pictures)[1]

    def told(self, pictures: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities N K and familiarity N, float64."""
        found = np.zeros((len(pictures), len(self.class_names)))
        familiar = np.full(len(pictures), np.nan)
        start = 0
        while start < len(pictures):
            end = start + 1
            shape = pictures[start].shape
            while end < min(len(pictures), start + TOGETHER) and pictures[end].shape == shape:
                end += 1
            said = self.runtime.all(np.stack(pictures[start:end]))
            found[start:end] = said[0]
            if self.knows:
                familiar[start:end] = said[1]
            start = end
        return found, familiar

    def predictions(
        self,
        pictures: Iterable[np.ndarray],
        labels: np.ndarray,
        ids: np.ndarray,
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Answers:
        """What a bench judges: logarithms of the probabilities stand for logits, since they have its softmax; where
        several labels may hold, of the odds, since they have its sigmoid.
        """
        found, waiting = [], iter(pictures)
        while some := list(islice(waiting, TOGETHER)):
            shares = self.answer(some)
            against = np.maximum(1 - shares, TINY) if self.limits is not None else 1.0
            found.append(np.log(np.maximum(shares, TINY) / against))
            progress(len(found) * TOGETHER, len(labels))
        logits = np.concatenate(found) if found else np.zeros((0, len(self.class_names)))
        return Answers(logits.astype(np.float32), labels, ids)

    def classify(
        self, pictures: Any, *, batch_size: int = 64, follow_links: bool = False, watch: Watcher = SILENT
    ) -> Predictions | LabelAnswers:
        """As `hubel.deploy.prediction.classify`, by this file: the same pictures, the same reader."""
        found: Predictions | LabelAnswers = Predictions() if self.limits is None else LabelAnswers()
        return read_and_said(
            pictures, self.preprocessing, self.named, found, batch_size=batch_size, follow_links=follow_links,
            watch=watch,
        )  # fmt: skip

    def named(self, names: Sequence[str], images: Sequence[np.ndarray]) -> list[Prediction] | list[Answer]:
        """What it says of pictures C H W uint8, each with its name."""
        shares, familiar = self.told([image.transpose(1, 2, 0) for image in images])
        if self.limits is not None:
            known = familiar if self.knows else None
            return say_labels(names, shares, self.class_names, self.limits, familiarity=known, border=1 - ACCEPTED)
        return [self._prediction(*each) for each in zip(names, shares, familiar.tolist(), strict=True)]

    def _prediction(self, name: str, shares: np.ndarray, familiar: float) -> Prediction:
        best = int(shares.argmax())
        inside = Sets(limit=self.set_limit).within(shares[None])[0]
        if self.threshold is not None:
            place, least = self.threshold
            best = place if shares[place] >= least else 1 - place
        return Prediction(
            name=name,
            label=self.class_names[best],
            probability=float(shares[best]),
            probabilities=dict(zip(self.class_names, shares.tolist(), strict=True)),
            value=float("nan"),
            known=familiar >= 1 - ACCEPTED if self.knows else None,
            familiarity=familiar,
            plausible=tuple(self.class_names[k] for k in np.argsort(-shares, kind="stable") if inside[k]),
        )

    def reader(self) -> Classifier:
        """Classes and preprocessing as a classifier, for who reads data for a net; it has no net that answers."""
        seen = self.preprocessing
        spec = ModelSpec(
            architecture=self.architecture, num_classes=len(self.class_names), in_chans=seen.channels,
            img_size=(seen.height, seen.width),
        )  # fmt: skip
        return Classifier(
            model=nn.Identity(), preprocessing=seen, class_names=self.class_names, spec=spec,
            provenance=Provenance(source=self.name, recipe={"train": {"task": self.task}}),
            learnt=Learnt(arrays={"thresholds": self.limits}) if self.limits is not None and self.fitted else None,
        )  # fmt: skip

    def _ask(self, golden: np.ndarray) -> None:
        """Does the file give the answers that its net gave?"""
        pictures = golden_pictures(self.preprocessing)
        if golden.shape != (len(pictures), len(self.class_names)):
            raise foreign(self.name, "its golden answers are not for its classes")
        try:
            self.away = away = float(np.abs(self.answer(pictures) - golden).max())
        except Exception as error:
            raise foreign(self.name, f"it fails at its golden pictures: {brief(error)}") from None
        if not away <= self.allowed:
            raise ArtefactError(
                f"{self.name} does not give the answers it gave when it was exported: a probability is off by "
                f"{away:.3g}, allowed {self.allowed:g}",
                hint="it is damaged, or this ONNX Runtime computes otherwise: export it again",
            )


def session_of(data: bytes, name: str, threads: int) -> onnx.Session:
    """The runtime with a file in it; raises ArtefactError where that does not take it."""
    try:
        return onnx.Session(data, threads=threads)
    except HubelError:
        raise
    except Exception as error:  # the runtime has many words for one thing
        raise foreign(name, f"ONNX Runtime does not take it: {brief(error)}") from None


def read_and_said(
    pictures: Any, sight: Preprocessing, named: Callable[[Sequence[str], Sequence[np.ndarray]], Sequence[Any]],
    found: L, *, batch_size: int, follow_links: bool, watch: Watcher,
) -> L:  # fmt: skip
    """`found`, with what `named` says of pictures that are read as for a run: names, pictures C H W -> answers."""
    whole = sight.whole()

    def some(items: list[Any], first: int, total: int) -> tuple[Sequence[Any], tuple[Problem, ...]]:
        names, images, bad = read_each(items, whole, first=first)
        return named(names, images), bad

    return in_batches(pictures, some, found=found, batch_size=batch_size, follow_links=follow_links, watch=watch)


def opened_model(data: bytes, name: str) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """(the model, what it says of itself, its card) of a file that hubel wrote; raises ArtefactError."""
    if onnx.absent():
        raise missing_extra(onnx.absent(), "export", "reading an exported file")
    import onnx as standard

    try:
        model = standard.load_from_string(data)
    except Exception:
        raise foreign(name, "it is no ONNX file, or is cut off") from None
    notes = {entry.key: entry.value for entry in model.metadata_props}
    if notes.get(KEY) == DETECTOR:
        raise ArtefactError(
            f"{name} is an exported detector: it gives scores to other programs, and no classes",
            hint="ask its folder: hubel predict DETECTOR new/",
        )
    if KEY not in notes:
        raise foreign(name, "it does not say that hubel wrote it")
    says = parse_json(notes[KEY].encode("utf-8", "surrogatepass"), name=f"the metadata of {name}", limit=MOST_NOTES)
    if not isinstance(says, dict) or says.get("format") != "hubel-onnx":
        raise foreign(name, "its metadata are not hubel's")
    if says.get("version") not in (VERSION, SEVERAL_VERSION, ANSWERS_VERSION):
        raise ArtefactError(
            f"{name} is of version {shown(says.get('version'))}, and this hubel reads {VERSION} to {ANSWERS_VERSION}",
            hint="export it again with this hubel, or install the newer one",
        )
    card = parse_json(notes.get(CARD, "{}").encode(), name=f"the card in {name}", limit=MOST_NOTES)
    return model, says, card if isinstance(card, dict) else {}


def sight_of(says: Mapping[str, Any], name: str) -> Preprocessing:
    """How the net of a file sees pictures; raises ArtefactError."""
    try:
        found = Preprocessing.from_dict(says["preprocessing"])
    except (HubelError, TypeError, ValueError) as error:
        raise foreign(name, f"its preprocessing cannot be read: {brief(error)}") from None
    sides = (found.height, found.width)
    if not all(isinstance(side, int) and side <= MOST_SIDE for side in sides):
        raise foreign(name, f"its preprocessing cannot be read: sides of {shown(sides)} pixels")
    return found


def _read(data: bytes, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a file says of itself, once it is known to hold that; raises ArtefactError."""
    model, says, card = opened_model(data, name)
    if says["version"] == ANSWERS_VERSION:
        raise ArtefactError(
            f"{name} was made for the task {shown(says.get('task'))}, and here a file is needed that names classes",
            hint="hubel predict FILE knows its task; its run can be measured: hubel evaluate RUN",
        )
    _understood(says, name)
    _hold(model, says, name)
    return says, card


def _understood(says: dict[str, Any], name: str) -> None:
    """Each part of what a file says of the kind it must be; raises ArtefactError."""
    names = says.get("class_names")
    numbers = says.get("golden")
    good = (
        isinstance(names, list)
        and len(names) > 0
        and all(isinstance(each, str) for each in names)
        and isinstance(says.get("preprocessing"), dict)
        and isinstance(says.get("views"), str)
        and isinstance(says.get("architecture"), str)
        and isinstance(says.get("temperature"), (int, float))
        and isinstance(says.get("knows", False), bool)
        and isinstance(says.get("set_limit", 0.0), (int, float))
        and isinstance(numbers, list)
        and all(isinstance(row, list) and all(isinstance(n, (int, float)) for n in row) for row in numbers)
        and len({len(row) for row in numbers}) == 1
    )
    if not good:
        raise foreign(name, "its metadata lack classes, preprocessing or golden answers")
    kept = says.get("threshold")
    fits = isinstance(kept, dict) and isinstance(kept.get("value"), (int, float)) and 0 < kept["value"] <= 1
    if kept is not None and not (
        fits and isinstance(names, list) and len(names) == 2 and kept.get("positive") in names
    ):
        raise foreign(name, "its threshold is none for its classes")
    if not _fit_labels(says):
        raise foreign(name, "its thresholds are none for its labels")
    says["preprocessing"] = sight_of(says, name)


def _fit_labels(says: Mapping[str, Any]) -> bool:
    """Are there thresholds, a probability for each label, exactly where the file says several labels?"""
    limits, task = says.get("thresholds"), says.get("task")
    if limits is None:
        return says["version"] == VERSION
    return (
        says["version"] == SEVERAL_VERSION
        and isinstance(limits, list)
        and len(limits) == len(says["class_names"])
        and all(isinstance(limit, (int, float)) and 0 <= limit <= 1 for limit in limits)
        and isinstance(says.get("fitted"), bool)
        and isinstance(task, str)
        and task in TASKS
        and TASKS.get(task).several
    )


def _hold(model: Any, says: Mapping[str, Any], name: str) -> None:
    """Raise ArtefactError unless a model is plain, with the inputs and outputs it says."""
    import onnx as standard

    kinds = standard.TensorProto
    second: list[Face] = [(FAMILIARITY, kinds.FLOAT, [], 1)] if says.get("knows") else []
    classes = len(says["class_names"])
    check_plain(model, [(PROBABILITIES, kinds.FLOAT, [classes], 2), *second], says["preprocessing"], name)


Face = tuple[str, int, list[int], int]
"""(name, kind, the sides that are fixed, how many sides) of an input or output."""


def check_plain(model: Any, outputs: list[Face], sight: Preprocessing, name: str) -> None:
    """Raise ArtefactError unless a model is of standard operators in one file, takes pictures and gives `outputs`."""
    import onnx as standard

    domains = {entry.domain for entry in model.opset_import} | {node.domain for node in _nodes(model.graph)}
    if domains - {"", "ai.onnx"}:
        raise foreign(
            name, f"it uses operators that are not the standard's: {shown(sorted(domains - {'', 'ai.onnx'})[0])}"
        )
    if model.functions or model.training_info:
        raise foreign(name, "it holds functions or a training")
    kinds = standard.TensorProto
    if any(tensor.data_location == kinds.EXTERNAL or tensor.external_data for tensor in _tensors(model.graph)):
        raise foreign(name, "it keeps numbers in other files")
    wanted: tuple[list[Face], list[Face]] = ([(PICTURES, kinds.UINT8, [sight.channels], 4)], outputs)
    if (_faces(model.graph.input), _faces(model.graph.output)) != wanted:
        raise foreign(name, "its inputs and outputs are not what it says")


def _faces(values: Any) -> list[Face]:
    """Of inputs or outputs."""
    found = []
    for value in values:
        kind = value.type.tensor_type
        fixed = [side.dim_value for side in kind.shape.dim if side.HasField("dim_value")]
        found.append((value.name, kind.elem_type, fixed, len(kind.shape.dim)))
    return found


def _graphs(graph: Any) -> list[Any]:
    """A graph and all graphs within it."""
    found = [graph]
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                found += _graphs(inner)
    return found


def _nodes(graph: Any) -> list[Any]:
    return [node for each in _graphs(graph) for node in each.node]


def _tensors(graph: Any) -> list[Any]:
    found = [tensor for each in _graphs(graph) for tensor in each.initializer]
    for node in _nodes(graph):
        for attribute in node.attribute:
            found += [*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors]
    return found + [
        part
        for each in _graphs(graph)
        for sparse in each.sparse_initializer
        for part in (sparse.values, sparse.indices)
    ]


def foreign(name: str, why: str) -> ArtefactError:
    """The error for a file that is none of hubel's."""
    return ArtefactError(f"{name} is no file that hubel exported: {why}", hint=OURS)


def brief(error: BaseException) -> str:
    """The beginning of what an error says."""
    return ((str(error).strip().splitlines() or [""])[0] or type(error).__name__)[:160]
