"""The task of giving pictures back through a narrow waist: what passes is what the net found worth keeping.

Answers and targets are pictures as the net sees them (B C H W, normalised): a mean squared error of 1 is that of
answering with the mean picture's grey everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from hubel.data.manifest import Manifest
from hubel.tasks.task import Tally, Task
from hubel.types import Batch


class _Squares(Tally):
    """Squared errors, summed over samples."""

    def __init__(self) -> None:
        self.total, self.samples = 0.0, 0

    def add(self, answers: torch.Tensor, batch: Batch) -> None:
        """Count a batch of pictures given back."""
        each = (answers.float() - batch.images.float()).square().flatten(1).mean(1)
        self.total += float(each.double().sum())
        self.samples += len(batch)

    def numbers(self) -> dict[str, float]:
        """The mean squared error."""
        return {"loss": self.total / max(1, self.samples)}


@dataclass(frozen=True, kw_only=True)
class Reconstruct(Task):
    """Pictures B C H W, and the same pictures given back."""

    def targets(self, batch: Batch) -> torch.Tensor:
        """The pictures themselves, varied as the net saw them."""
        return batch.images

    def tally(self) -> Tally:
        """The mean squared error."""
        return _Squares()

    def check_data(self, manifest: Manifest) -> None:
        """Raise DataError for what is no picture."""
        if manifest.kind == "points":
            raise self.refuse(manifest, "needs pictures", "a folder of pictures, in class folders or not")


RECONSTRUCT = Reconstruct(
    name="reconstruct",
    title="Reconstruction",
    about="A picture in, the same picture out, through a code of a few numbers; no label is looked at.",
    asks="reconstruct",
    nets="a net that gives pictures back: --model autoencoder, vae or neural_process",
    losses=("mse", "l1", "smooth-l1", "huber", "elbo", "gaussian-nll"),
    labels=False,
    unstarted="since the way back from a code is learnt with the code, and no head can be put anew",
    shared=False,
    mean="pictures",
    model="autoencoder",
    why_model="two convolutions down, a code of 32 numbers, and the same way back",
    fixed={"augment": (("none",), "what is to be given back is the picture as it is")},
)
