"""A detector on disk: what was learnt, its thresholds and its eyes, in one folder, without any code.

detector.safetensors     the arrays of every method, each behind the method's name: "pca.mean"
detector.json            what it is: geometry, eyes, methods, thresholds; sealed by its own digest, and that of the
                         arrays beside it
weights/eyes.*           the net that sees, where it is one: a checkpoint like any other (hubel.checkpoint)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hubel import runtime
from hubel.anomalies.detecting import Learnt
from hubel.anomalies.eyes import Eyes
from hubel.anomalies.methods import METHODS
from hubel.anomalies.settings import State
from hubel.anomalies.thresholds import Threshold
from hubel.checkpoint import Classifier
from hubel.checkpoint import load as load_checkpoint
from hubel.checkpoint.saving import save_weights
from hubel.checkpoint.tensors import first_not_finite, read_header, read_tensors, sha256_of, write_tensors
from hubel.data.preprocessing import Preprocessing
from hubel.errors import DAMAGED, ArtefactError, HubelError
from hubel.store import RunStore, opened, parse_json, read_regular, shown, unseal
from hubel.store.kinds import DETECTOR, is_detector, judges_steps

DOCUMENT, ARRAYS = DETECTOR, "detector.safetensors"
LIMIT = 16 << 20
"""Bytes of the JSON."""
AGAIN = "learn it again: hubel anomaly GOOD"
_Form = TypeVar("_Form", bound=BaseModel)


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Threshold(_Closed):
    score: float
    usual: float
    asked: float = Field(gt=0, lt=1)
    rate: float = Field(ge=0, le=1)
    interval: list[float] = Field(min_length=2, max_length=2)
    held: int = Field(ge=1)


class _Method(_Closed):
    name: str = Field(max_length=64)
    threshold: _Threshold
    map_threshold: _Threshold | None
    seconds: float
    features: str = Field(max_length=200)


class _Document(_Closed):
    format: Literal["hubel-detector"]
    version: Literal[1]
    name: str = Field(max_length=300)
    learnt: int = Field(ge=1)
    preprocessing: dict[str, Any]
    eyes: str = Field(max_length=200)
    """What sees: pixels, or the name of the net in weights/."""
    stages: list[str] = Field(max_length=64)
    methods: list[_Method] = Field(min_length=1, max_length=64)
    usual_scores: list[float] = Field(max_length=1_000_000)
    """Of the first method: scores of the held-out normal pictures, rising, in which 1 is the threshold."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    made_with: dict[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Detector:
    """What is normal, learnt: the method that was asked for first, and the others beside it."""

    name: str
    learnt: int
    methods: tuple[Learnt, ...]
    usual_scores: np.ndarray
    """Of the first method: scores of the held-out normal pictures, rising."""
    folder: str = ""

    @property
    def preprocessing(self) -> Preprocessing:
        """Size, channels and fit of the pictures."""
        return self.methods[0].eyes.preprocessing


def save(store: RunStore, detector: Detector, net: Classifier | None) -> None:
    """Write a detector, the JSON last: where it stands, all of it does. `net`: what sees, where it is a net."""
    tensors = {
        f"{each.name}.{key}": torch.from_numpy(np.ascontiguousarray(value))
        for each in detector.methods
        for key, value in each.state.items()
    }
    with store.writing(ARRAYS, read_back=True) as writer:
        write_tensors(writer, tensors)
    eyes = detector.methods[0].eyes if net is None else next(m.eyes for m in detector.methods if m.eyes.net is not None)
    if net is not None:
        save_weights(
            store, "eyes", net.model.state_dict(), spec=net.spec, preprocessing=eyes.preprocessing,
            class_names=net.class_names,
        )  # fmt: skip
    here = runtime.environment()
    document = _Document(
        format="hubel-detector", version=1, name=detector.name, learnt=detector.learnt,
        preprocessing=eyes.preprocessing.to_dict(), eyes=eyes.name if net is not None else "pixels",
        stages=list(eyes.stages), methods=[_said(each) for each in detector.methods],
        usual_scores=[float(score) for score in detector.usual_scores], sha256=writer.sha256,
        made_with={"hubel": str(here["hubel"]), "torch": str(here["torch"])},
    )  # fmt: skip
    store.write_json(DOCUMENT, document.model_dump(), sealed=True, limit=LIMIT)
    if net is None:  # those of the detector that lay here before
        for name in store.names("weights"):
            store.remove(f"weights/{name}")


def _said(each: Learnt) -> _Method:
    def plain(about: Threshold) -> _Threshold:
        return _Threshold(
            score=about.score, usual=about.usual, asked=about.asked, rate=about.rate, interval=list(about.interval),
            held=about.held,
        )  # fmt: skip

    return _Method(
        name=each.name, threshold=plain(each.threshold), seconds=each.seconds, features=each.eyes.name,
        map_threshold=None if each.map_threshold is None else plain(each.map_threshold),
    )  # fmt: skip


def load(place: str | os.PathLike[str], *, device: str = "cpu") -> Detector:
    """The detector in a folder. Raises ArtefactError for anything that is not exactly what was saved."""
    folder = Path(place)
    if not is_detector(folder):
        raise ArtefactError(
            f"there is no detector in {shown(str(folder))}: it has no {DOCUMENT}", hint="hubel anomaly GOOD makes one"
        )
    said = _read(folder / DOCUMENT)
    tensors = read_arrays(folder / ARRAYS, said.sha256)
    try:
        preprocessing = Preprocessing.from_dict(said.preprocessing)
    except (HubelError, TypeError, KeyError) as error:
        raise ArtefactError(f"the preprocessing in {DOCUMENT} cannot be: {error}", hint=DAMAGED) from None
    pixels = Eyes(preprocessing=preprocessing, device=device)
    eyes = pixels
    if said.stages:
        net = load_checkpoint(folder, "eyes")
        eyes = Eyes(
            preprocessing=net.preprocessing or preprocessing, net=net.model.to(device), stages=tuple(said.stages),
            name=said.eyes, device=device,
        )  # fmt: skip
    methods = []
    for each in said.methods:
        if each.name not in METHODS:
            raise ArtefactError(
                f"{shown(str(folder))} was made with the method {shown(each.name)}, which is not known here",
                hint=f"upgrade hubel, or {AGAIN}",
            )
        state: State = {
            key.partition(".")[2]: value.numpy() for key, value in tensors.items() if key.partition(".")[0] == each.name
        }
        seen = pixels if METHODS.get(each.name).pixels_only else eyes
        methods.append(
            Learnt(
                name=each.name, eyes=seen, state=state, threshold=_threshold(each.threshold),
                map_threshold=None if each.map_threshold is None else _threshold(each.map_threshold),
                seconds=each.seconds,
            )
        )  # fmt: skip
    return Detector(
        name=said.name, learnt=said.learnt, methods=tuple(methods), usual_scores=np.array(said.usual_scores),
        folder=str(folder),
    )  # fmt: skip


def _threshold(said: _Threshold) -> Threshold:
    return Threshold(
        score=said.score, usual=said.usual, asked=said.asked, rate=said.rate,
        interval=(said.interval[0], said.interval[1]), held=said.held,
    )  # fmt: skip


def _read(path: Path) -> _Document:
    if judges_steps(path.parent):
        raise ArtefactError(
            f"{shown(str(path))} is a detector of strange steps, and pictures are looked at here",
            hint="hubel predict DETECTOR new.csv",
        )
    return read_document(path, _Document, "a detector")


def read_document(path: Path, form: type[_Form], what: str) -> _Form:
    """What the JSON of a detector says, in its `form`, which names format and version 1.

    Raises ArtefactError for a file that is damaged, is no description of `what`, or is of another version.
    """
    name = shown(str(path))
    document = unseal(parse_json(read_regular(path, limit=LIMIT), name=name, limit=LIMIT), name=name)
    (known,) = get_args(form.model_fields["format"].annotation)
    if not isinstance(document, dict) or document.get("format") != known:
        raise ArtefactError(f"{name} is no description of {what}", hint=AGAIN)
    if document.get("version") != 1:
        raise ArtefactError(
            f"{name} has version {shown(document.get('version'))}, this hubel reads 1",
            hint="upgrade hubel: pip install -U hubel",
        )
    try:
        return form(**document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ArtefactError(
            f"{name} is no description of {what}: {shown(where)}: {first['msg']}", hint=DAMAGED
        ) from None


def read_arrays(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    """The arrays of a detector. Raises ArtefactError for a file with another digest, or with numbers that are none."""
    name = shown(str(path))
    with opened(path) as (descriptor, size):
        if sha256_of(descriptor) != sha256:
            raise ArtefactError(
                f"{name} is not the file that {DOCUMENT} describes (sha-256 differs): damaged or exchanged",
                hint=f"copy all files of the folder together, or {AGAIN}",
            )
        entries = read_header(descriptor, size, name=name)
        tensors = read_tensors(descriptor, entries, name=name)
    broken = first_not_finite(tensors)
    if broken is not None:
        raise ArtefactError(f"{name}: {broken!r} holds NaN or infinity", hint=AGAIN)
    return tensors
