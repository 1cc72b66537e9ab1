"""Tasks whose target is the label: a class, a number; and what has no target, since an objective says its own losses.

Letters: N samples, B batch, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from hubel.data.manifest import Manifest
from hubel.data.preprocessing import Preprocessing
from hubel.metrics.classification import top_k
from hubel.metrics.probability import log_loss
from hubel.tasks.ending import Ending, Output
from hubel.tasks.task import Tally, Task
from hubel.types import Batch


class _Kept(Tally):
    """Answers and labels, kept until all have passed."""

    def __init__(self) -> None:
        self.answers: list[np.ndarray] = []
        self.labels: list[np.ndarray] = []

    def add(self, answers: torch.Tensor, batch: Batch) -> None:
        """Keep a batch."""
        self.answers.append(answers.float().cpu().numpy())
        self.labels.append(batch.labels.cpu().numpy())

    @property
    def both(self) -> tuple[np.ndarray, np.ndarray]:
        """Answers N K and labels N."""
        return np.concatenate(self.answers), np.concatenate(self.labels)


class _Classes(_Kept):
    def numbers(self) -> dict[str, float]:
        """Log-loss and accuracy."""
        logits, labels = self.both
        return {"loss": log_loss(logits, labels), "accuracy": top_k(logits, labels, 1)}


class _Numbers(_Kept):
    def numbers(self) -> dict[str, float]:
        """Mean squared error."""
        values, targets = self.both
        return {"loss": float(np.square(values[:, 0] - targets).mean())}


@dataclass(frozen=True, kw_only=True)
class Classify(Task):
    """Which of K classes: logits B K against labels B, or against soft labels B K."""

    counts: ClassVar[bool] = True

    def targets(self, batch: Batch) -> torch.Tensor:
        """B labels, or B K."""
        return batch.labels if batch.soft_labels is None else batch.soft_labels

    def hits(self, answers: torch.Tensor, labels: torch.Tensor) -> torch.Tensor | None:
        """Samples whose largest logit is their class."""
        return (answers.argmax(1) == labels).sum()

    def tally(self) -> Tally:
        """Log-loss and accuracy."""
        return _Classes()

    def check_data(self, manifest: Manifest) -> None:
        """Raise DataError for numbers, and for masks, of which the label is only what a split goes by."""
        if manifest.masks is not None:
            hint = "its masks: --task segment; classes stand in class folders, or in a table file,label"
            raise self.refuse(manifest, "needs a class for each picture", hint)
        if manifest.regression:
            raise self.refuse(manifest, "needs classes", "where its column holds classes: --column label=COLUMN")


class Amount(Ending):
    """What a net says, N 1 -> N numbers."""

    outputs = (Output(name="values", bounded=False, what="the number, in the target's own unit"),)

    def forward(self, images: torch.Tensor, said: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """N numbers."""
        return (said[:, 0],)


@dataclass(frozen=True, kw_only=True)
class Regress(Task):
    """A number: one output B 1 against targets B."""

    def targets(self, batch: Batch) -> torch.Tensor:
        """B 1 numbers."""
        return self.aim(batch.labels)

    def aim(self, labels: torch.Tensor) -> torch.Tensor:
        """B 1 numbers."""
        return labels.float().unsqueeze(1)

    def scale(self, labels: np.ndarray) -> tuple[float, float] | None:
        """Their mean and deviation, to six digits; a deviation of 1 where all are alike."""
        mean, deviation = (float(f"{value:.6g}") for value in (labels.mean(), labels.std()))
        return mean, deviation or 1.0

    def tally(self) -> Tally:
        """Mean squared error."""
        return _Numbers()

    def ending(
        self, sight: Preprocessing, classes: Sequence[str], arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> Ending:
        """The number."""
        return Amount()

    def check_data(self, manifest: Manifest) -> None:
        """Raise DataError for classes."""
        if not manifest.regression:
            raise self.refuse(
                manifest, "needs a number for each sample", "a table with a column target, or --column target=COLUMN"
            )


@dataclass(frozen=True, kw_only=True)
class Represent(Task):
    """Nothing but what an objective says: the answers are losses already."""

    def targets(self, batch: Batch) -> torch.Tensor:
        """B labels, which nobody looks at."""
        return batch.labels

    def tally(self) -> Tally:
        """Nothing: whoever has an objective measures by it."""
        raise NotImplementedError


CLASSIFY = Classify(
    name="classify", title="Classification", about="A picture in, one of the classes out, with probabilities.",
    score="accuracy", fits_head=True, mean="label",
)  # fmt: skip
REGRESS = Regress(
    name="regress", title="Regression", about="A picture in, a number out.", fits_head=True, mean="label"
)  # fmt: skip
REPRESENT = Represent(name="represent", title="Representation", about="Pictures in, features out: hubel pretrain.")
