"""The task of giving pictures back through a narrow waist: what passes is what the net found worth keeping.

Answers and targets are pictures as the net sees them (B C H W, normalised): a mean squared error of 1 is that of
answering with the mean picture's grey everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hubel.data.manifest import Manifest
from hubel.data.preprocessing import Preprocessing
from hubel.tasks.answers import Answer
from hubel.tasks.ending import Ending, Output, Seen
from hubel.tasks.saying import say_given_back
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


class GivenBack(Ending):
    """Pictures N C h w, and as they are given back -> by how much they are off, and the pictures as bytes."""

    outputs = (
        Output(name="errors", what="the mean squared error of a picture, of pixels from 0 to 1"),
        Output(
            name="given_back", letters=("h", "w", "C"), kind="uint8", step=1,
            what="the picture as the net sees it, given back",
        ),
    )  # fmt: skip

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, sight: Preprocessing) -> None:
        super().__init__()
        for name, values in (("mean", sight.mean or (0.0,)), ("std", sight.std or (1.0,))):
            self.register_buffer(name, torch.tensor(values).reshape(-1, 1, 1))

    def forward(self, images: torch.Tensor, said: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """N, and N h w C uint8."""
        truth, given = images * self.std + self.mean, (said * self.std + self.mean).clamp(0, 1)
        errors = (given - truth).square().flatten(1).mean(1)
        return errors, given.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1)


@dataclass(frozen=True, kw_only=True)
class Reconstruct(Task):
    """Pictures B C H W, and the same pictures given back."""

    def targets(self, batch: Batch) -> torch.Tensor:
        """The pictures themselves, varied as the net saw them."""
        return batch.images

    def tally(self) -> Tally:
        """The mean squared error."""
        return _Squares()

    def ending(
        self, sight: Preprocessing, classes: Sequence[str], arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> Ending:
        """The picture given back."""
        return GivenBack(sight)

    def say(
        self, names: Sequence[str], found: Mapping[str, np.ndarray], classes: Sequence[str], seen: Seen
    ) -> list[Answer]:
        """How well it was given back."""
        back = found["given_back"].transpose(0, 3, 1, 2)
        return say_given_back(names, found["errors"].astype(np.float64), back, seen())

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
    unexplained="by how much each pixel is off explains its error: no map is needed",
    shown_by="hubel predict RUN PICTURE --out FOLDER draws it into FOLDER/errors",
    fixed={"augment": (("none",), "what is to be given back is the picture as it is")},
)
