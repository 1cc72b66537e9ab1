"""What a training run tells the world, one event after the other. Plain data; nothing here computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class StepDone:
    """One update of the weights."""

    epoch: int
    """The epoch it belongs to, from 0."""
    step: int
    """Updates done in this epoch so far, this one included."""
    steps: int
    """Updates an epoch has."""
    images: int
    """Samples in this step, over all processes."""
    loss: torch.Tensor
    """Mean loss of the batch, still on the device: reading it waits for the device, so read it rarely."""
    lr: float


@dataclass(frozen=True, slots=True)
class EpochDone:
    """One pass over the training data, and the measurement after it."""

    epoch: int
    row: dict[str, float]
    """What goes into metrics.csv: epoch, train_loss, train_accuracy, val_loss, val_accuracy, lr, seconds, …"""
    best: bool
    """Is this the best epoch so far?"""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A step whose loss or gradient was not finite, left out as the recipe asks."""

    epoch: int
    step: int
    ids: tuple[int, ...]
    """Samples of the batch."""
    reason: str

    @property
    def told(self) -> str:
        """As a remark."""
        return f"epoch {self.epoch + 1}, step {self.step} was left out: {self.reason}"


@dataclass(frozen=True, slots=True)
class ThreadsChanged:
    """Another number of threads makes steps faster now; the bits of what follows may differ in the last place."""

    epoch: int
    step: int
    threads: int
    reason: str

    @property
    def told(self) -> str:
        """As a remark."""
        return self.reason


@dataclass(frozen=True, slots=True)
class MicroBatchHalved:
    """Memory ran out; the step was taken again in smaller parts, with the same result."""

    epoch: int
    step: int
    micro_batch: int

    @property
    def told(self) -> str:
        """As a remark."""
        return f"memory ran out: the batch is now taken in parts of {self.micro_batch}, with the same result"


@dataclass(frozen=True, slots=True)
class Collapsed:
    """A net that learns without labels begins to see all pictures alike, which costs it nothing and teaches nothing."""

    epoch: int
    spread: float
    """Of its features: 1 where they point everywhere alike, 0 where all point the same way."""

    @property
    def told(self) -> str:
        """As a remark."""
        return (
            f"epoch {self.epoch + 1}: the net collapses, it sees all pictures nearly alike (spread {self.spread:.3f} "
            "of 1): a lower --lr, larger batches or --target-decay 0.99 may help; --method rotation cannot collapse"
        )


@dataclass(frozen=True, slots=True)
class Vitals:
    """How each part of the net was at one step (`hubel.training.vitals`)."""

    epoch: int
    step: int
    """Updates in all, the one that was looked at included."""
    parts: dict[str, dict[str, float]]
    """Part -> gradient (its length), weight (length), update (length of the change over that of the weights), and where
    there is such a thing: silent (share of units at nought for every picture), saturated (share of values at an end of
    their range), drift (of the running means of its batch norms since the last look, in deviations)."""
    whole: dict[str, float] = field(default_factory=dict)
    """At some looks, of all of the net: signal and noise of the gradient, the batch it is taken from, loss of the same
    samples augmented and clean (`hubel.training.deeper`)."""


@dataclass(frozen=True, slots=True)
class Overflowed:
    """fp16: steps of an epoch that the scaler left out, since the scaled gradient was too large; told at its end."""

    epoch: int
    steps: int
    of: int
    """Steps of the epoch."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of the run, and why."""

    reason: str
    """"epochs", "time", "target" or "patience"."""
    epochs: int
    """Epochs done in all."""
    seconds: float
    """Time spent training and validating, earlier sittings of a resumed run counted in."""
    best: dict[str, float] = field(default_factory=dict)
    """The row of the best epoch."""


SCORES = {"accuracy": "accuracy", "iou": "mean IoU", "map": "mAP", "recall": "recall@1"}
"""Numbers, larger is better, by which a task compares epochs: name -> what it is called; a row has them as val_NAME."""


def scored(row: dict[str, float]) -> str:
    """The score of an epoch's validation part as it is told; "" where it has none.

    >>> scored({"val_loss": 0.2, "val_iou": 0.9012}), scored({"val_loss": 0.2})
    ('mean IoU 90.12%', '')
    """
    return next((f"{said} {row[f'val_{name}']:.2%}" for name, said in SCORES.items() if f"val_{name}" in row), "")


Event = StepDone | EpochDone | Skipped | MicroBatchHalved | ThreadsChanged | Collapsed | Vitals | Overflowed | Finished
