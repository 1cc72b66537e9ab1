"""The task of answering step by step: a class or numbers after each step that is asked, from all steps up to it.

Series come from a table (`hubel.data.series`): a class of the whole series is asked at its end, classes and numbers
that change are asked wherever they are known, and where there is neither, each step is asked for the next one.
Pictures are read row by row and asked for their class after the last. Letters: B series, T steps, K answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hubel.data.columns import SIGNALS
from hubel.data.manifest import Manifest
from hubel.errors import UsageError
from hubel.nn.stepwise import NUMBERS, StepLoss
from hubel.tasks.task import Tally, Task
from hubel.types import Batch


class _Steps(Tally):
    """Costs of the usual loss and right answers, over what is asked."""

    def __init__(self) -> None:
        self.total, self.series = 0.0, 0
        self.right, self.asked = 0, 0
        self.classes = False

    def add(self, answers: torch.Tensor, batch: Batch) -> None:
        """Count a batch."""
        targets, answers = SEQUENCE.targets(batch), answers.float()
        self.classes = targets.shape[2] == 1 and answers.shape[2] > 1
        self.total += float(StepLoss("cross-entropy" if self.classes else "mse")(answers, targets).double()) * len(
            batch
        )
        self.series += len(batch)
        if self.classes:
            asked = ~torch.isnan(targets[..., 0])
            self.right += int((answers.argmax(2) == targets[..., 0])[asked].sum())
            self.asked += int(asked.sum())

    def numbers(self) -> dict[str, float]:
        """Mean loss of a series; of classes also the share of right answers."""
        found = {"loss": self.total / max(1, self.series)}
        return found | ({"accuracy": self.right / max(1, self.asked)} if self.classes else {})


@dataclass(frozen=True, kw_only=True)
class Sequence(Task):
    """Series B F T, or pictures B C H W row by row -> answers B T K."""

    def targets(self, batch: Batch) -> torch.Tensor:
        """B T 1 classes or B T K numbers, NaN where nothing is asked."""
        if batch.targets is not None:
            return batch.targets
        asked = batch.images.new_full((len(batch), batch.images.shape[2], 1), torch.nan)
        last = torch.full_like(batch.labels, asked.shape[1] - 1)
        if batch.images.ndim == 3:  # signals, whose last row is 1 up to their end
            last = batch.images[:, -1].sum(1).long().clamp_min(1) - 1
        asked[torch.arange(len(asked), device=asked.device), last, 0] = batch.labels.to(asked.dtype)
        return asked

    def tally(self) -> Tally:
        """Loss, and accuracy of classes."""
        return _Steps()

    def outputs(self, manifest: Manifest) -> int:
        """A logit for each class, or as many numbers as are asked."""
        if manifest.num_classes or manifest.targets is None:
            return manifest.num_classes
        return int(manifest.targets.shape[2])

    def build_loss(self, name: str, *, label_smoothing: float = 0.0, class_weights: Any = None) -> nn.Module:
        """The loss over steps that are asked."""
        return StepLoss(name)

    def usual_loss(self, classes: int) -> str:
        """Of classes, and of numbers."""
        return "cross-entropy" if classes else "mse"

    def check_loss(self, name: str, classes: int | None = None) -> None:
        """Raise UsageError also for a loss of classes where numbers are asked, and the other way round."""
        super().check_loss(name)
        if classes is not None and (name in NUMBERS) == bool(classes):
            what = "classes" if classes else "numbers"
            raise UsageError(
                f"here {what} are asked, and the loss {name!r} is made for {'numbers' if classes else 'classes'}",
                hint=f"--loss {self.usual_loss(classes)}, or leave it out",
            )

    def check_data(self, manifest: Manifest) -> None:
        """Raise DataError for what is neither series nor pictures with a class each."""
        series = manifest.targets is not None and manifest.targets.ndim == 3
        series = series or (manifest.columns is not None and manifest.columns.files == SIGNALS)
        if not series and (manifest.kind == "points" or not manifest.labelled):
            raise self.refuse(
                manifest, "needs rows in time, or pictures with a class each",
                "a table series,time,value,…,label; class folders of .npy signals, or of pictures, read row by row",
            )  # fmt: skip


SEQUENCE = Sequence(
    name="sequence",
    title="Sequences",
    about="Steps in, one after the other, an answer after each: a class, a number, or what comes next.",
    asks="steps",
    nets="a net that reads step by step: --model lstm_rows, gru_rows, rnn_rows or tcn",
    losses=("cross-entropy", *NUMBERS),
    score="accuracy",
    labels=False,
    unstarted="whose nets read the columns of one table, each with its own meaning",
    shared=False,
    mean="steps",
    unshipped="it answers after each step, and files take whole pictures",
    unexplained="it answers after each step, and a map is of one answer to a whole picture",
    model="lstm_rows",
    why_model="a memory that lasts over hundreds of steps",
)
