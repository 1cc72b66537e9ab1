"""The task of holding one picture as a function: where a pixel lies in, its colour out (Sitzmann et al. 2020).

A sample is a pixel: coordinates B 2 in, bytes B C of its colour as what is to be said, which the net knows as numbers
from -1 to 1. All pixels are learnt; what is asked afterwards is how near the function is to them, and to the slopes
between them, which no loss has named.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from hubel.data.manifest import Manifest
from hubel.tasks.task import Tally, Task
from hubel.types import Batch


class _Colours(Tally):
    """Squared errors, summed over pixels."""

    def __init__(self) -> None:
        self.total, self.samples = 0.0, 0

    def add(self, answers: torch.Tensor, batch: Batch) -> None:
        """Count a batch of pixels."""
        each = (answers.float() - FIELD.targets(batch)).square().mean(1)
        self.total += float(each.double().sum())
        self.samples += len(batch)

    def numbers(self) -> dict[str, float]:
        """The mean squared error, of colours from -1 to 1."""
        return {"loss": self.total / max(1, self.samples)}


@dataclass(frozen=True, kw_only=True)
class Field(Task):
    """Coordinates B 2 -> colours B C."""

    def targets(self, batch: Batch) -> torch.Tensor:
        """B C, from -1 to 1."""
        assert batch.targets is not None
        return batch.targets.float() / 127.5 - 1

    def tally(self) -> Tally:
        """The mean squared error."""
        return _Colours()

    def unit(self, manifest: Manifest) -> str:
        """Pixels."""
        return "pixels"

    def outputs(self, manifest: Manifest) -> int:
        """Channels of the picture."""
        assert manifest.targets is not None
        return int(manifest.targets.shape[1])

    def check_data(self, manifest: Manifest) -> None:
        """Raise DataError for what is no picture taken as a set of pixels."""
        if manifest.kind != "points" or manifest.targets is None or not manifest.regression:
            raise self.refuse(manifest, "needs one picture", "hubel train photo.jpg --task field")


FIELD = Field(
    name="field",
    title="A picture as a function",
    about="Coordinates in, the colour there out: one net holds one picture, with its slopes, at any resolution.",
    nets="a net over two numbers: --model siren, fourier_field or mlp",
    losses=("mse", "l1", "smooth-l1", "huber"),
    labels=False,
    unshipped="its net holds one picture, and takes none",
    unserved="its net holds one picture, and takes none",
    unexplained="its net holds one picture, and takes none",
    unstarted="whose net holds one picture and nothing of any other",
    shared=False,
    mean="",
    no_mean="a net holds one picture by heart, and no pixel is held out by which members could be chosen",
    instead="train one longer: hubel train photo.jpg --task field --time 2m",
    model="siren",
    why_model="sines hold fine detail and its slopes; mlp (ReLU) and fourier_field are there to compare",
    fixed={
        "batch_size": (1024, "pixels at random, many small steps: in one minute of a core 43 dB, with 4,096 37"),
        "epochs": (100, "each pixel is seen a hundred times; --time 2m says it otherwise"),
        "lr": (0.0003, "a SIREN stays smooth between the pixels; twice as much and it does not"),
        "weight_decay": (0.0, "the picture is to be learnt by heart"),
        "schedule": ("one-cycle", "warms up, then anneals to nought by the last epoch"),
    },
    unused=dict.fromkeys(
        ("test_fraction", "val_fraction", "limit", "train_fraction"), (None, "since every pixel is learnt")
    ),
    learns_all=True,
)
