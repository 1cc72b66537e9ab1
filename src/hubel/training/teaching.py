"""A teacher's answers to the pictures another net learns from: asked once, kept on disk, handed out batch by batch.

    cache/answers/KEY.safetensors     logits: N K
    cache/answers/KEY.json            the facts the key stands for, and the digest of the tensors

Logits are kept, so that another temperature or another share of the loss costs no second look; their columns are in the
order of the learner's classes. Each picture is looked at as it is, and mirrored too where the learner's own
augmentation shows it mirrored; the logits of both are averaged. Shifts, crops and colours of the augmentation are not
shown to the teacher: what it says is of the picture, whatever the learner is shown of it. `hubel.training.kept` reads
and writes the files.

Letters: N training pictures, K classes, B batch, T temperature.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hubel.checkpoint import Classifier
from hubel.checkpoint.tensors import as_bytes
from hubel.data import cache
from hubel.data.batches import RESIDENT_SHARE, batches, reading_size
from hubel.data.decode import Decoded
from hubel.errors import ArtefactError
from hubel.inference import predict, with_views
from hubel.runtime import free_memory
from hubel.training import kept
from hubel.training.kept import Facts
from hubel.types import Batch

BATCH = 128
"""Pictures at once."""


@dataclass(frozen=True, kw_only=True)
class Question(Facts):
    """Everything that a teacher's answers depend on."""

    weights: str
    """SHA-256 of its weights file."""
    architecture: str
    """Name and options."""
    preprocessing: str
    classes: tuple[str, ...]
    """In the order of the columns."""
    views: str
    """Of each picture (`hubel.inference.VIEWS`)."""
    precision: str
    """The arithmetic of the teacher's forward pass."""
    torch: str = torch.__version__


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What a teacher says of the training pictures, on the CPU."""

    logits: torch.Tensor
    """N K float32."""
    views: str
    cached: bool
    """Whether they were on the disk already."""
    seconds: float

    @property
    def sha256(self) -> str:
        """Of the numbers: by this two trainings had the same teacher, to the bit."""
        return hashlib.sha256(as_bytes(self.logits.contiguous())).hexdigest()


class Handout:
    """The softened answers that belong to the samples of a batch.

    >>> rows = np.array([7, 3])
    >>> handout = Handout(torch.tensor([[0.9, 0.1], [0.2, 0.8]]), rows, torch.device("cpu"))
    >>> handout(torch.tensor([3, 7]))
    tensor([[0.2000, 0.8000],
            [0.9000, 0.1000]])
    """

    def __init__(self, answers: torch.Tensor, rows: np.ndarray, device: torch.device) -> None:
        """Answers N K to the samples `rows`; they lie on the device where they fit beside pictures and net."""
        place = torch.zeros(int(rows.max()) + 1, dtype=torch.int64)
        place[torch.from_numpy(rows.astype(np.int64))] = torch.arange(len(rows))
        small = device.type == "cpu" or answers.nbytes <= RESIDENT_SHARE * (free_memory(device) or 0)
        home = device if small else torch.device("cpu")
        self.answers, self.place = answers.to(home), place.to(home)

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        """B sample numbers -> B K, on their device."""
        return self.answers[self.place[ids.to(self.place.device)]].to(ids.device)


def ask(
    teacher: Classifier,
    decoded: Callable[[], Decoded],
    rows: np.ndarray,
    *,
    question: Question,
    device: torch.device,
    precision: torch.dtype = torch.float32,
    progress: Callable[[int, int], None] | None = None,
) -> Answers:
    """The teacher's logits for `rows`, from the disk or else computed in `precision`; the teacher ends on the CPU.

    `decoded` gives the pictures as the teacher sees them, and is called only where they must be looked at. Raises
    ArtefactError for answers that are not finite.
    """
    started = time.perf_counter()
    found = kept.read(folder(), question, {"logits": len(rows)})
    cached = found is not None
    if found is None:
        logits = look(teacher, decoded(), rows, classes=question.classes, views=question.views, device=device,
                      precision=precision, progress=progress)  # fmt: skip
        found = {"logits": torch.from_numpy(logits)}
        if not bool(torch.isfinite(found["logits"]).all()):
            raise ArtefactError(
                f"the answers of {teacher.provenance.source} are not finite, so that nothing can be learnt from them",
                hint="take another teacher: hubel runs",
            )
        kept.write(folder(), question, found)
    return Answers(logits=found["logits"], views=question.views, cached=cached, seconds=time.perf_counter() - started)


def look(
    teacher: Classifier,
    decoded: Decoded,
    rows: np.ndarray,
    *,
    classes: Sequence[str],
    views: str,
    device: torch.device,
    precision: torch.dtype = torch.float32,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """N K logits of `rows` in several views each, in the order of `classes`, which are the teacher's own by name."""
    model = teacher.model.to(device)
    reading = batches(
        decoded, rows, preprocessing=teacher.preprocessing, batch_size=reading_size(decoded, BATCH), device=device,
        channels_last=teacher.preprocessing is not None,
    )  # fmt: skip
    try:
        forward = _in(precision, with_views(model, views), device)
        found = predict(model, _counted(reading, len(rows), progress), forward=forward)
    finally:
        model.to("cpu")
    columns = [teacher.class_names.index(name) for name in classes]
    return np.ascontiguousarray(found.logits[:, columns])


def _in(
    precision: torch.dtype, forward: Callable[[torch.Tensor], torch.Tensor], device: torch.device
) -> Callable[[torch.Tensor], torch.Tensor]:
    """`forward` in that arithmetic; in full precision where one of its operations has no other."""
    if precision == torch.float32:
        return forward
    chosen = torch.autocast(device.type, dtype=precision)(forward)

    def answer(images: torch.Tensor) -> torch.Tensor:
        nonlocal chosen
        try:
            return chosen(images)
        except RuntimeError:
            if chosen is forward:
                raise
            chosen = forward
            return forward(images)

    return answer


def _counted(reading: Iterator[Batch], total: int, progress: Callable[[int, int], None] | None) -> Iterator[Batch]:
    done = 0
    for batch in reading:
        yield batch
        done += len(batch)
        if progress is not None:
            progress(done, total)


def folder() -> Path:
    """Where answers are kept."""
    return cache.home() / "answers"
