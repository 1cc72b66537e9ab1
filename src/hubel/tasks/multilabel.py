"""The task of saying of each of K labels whether it is there: logits B K against 0 and 1, B K.

A label is said where its probability, the sigmoid of its logit, reaches its threshold; thresholds are found after the
training, on the validation split, each the one with the highest F1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from hubel.data.manifest import Manifest
from hubel.metrics.several import mean_precision
from hubel.tasks.task import Tally, Task
from hubel.types import Batch


class _Precision(Tally):
    """Logits and truth, kept until all have passed."""

    def __init__(self) -> None:
        self.logits: list[torch.Tensor] = []
        self.truth: list[torch.Tensor] = []

    def add(self, answers: torch.Tensor, batch: Batch) -> None:
        """Keep a batch."""
        assert batch.targets is not None
        self.logits.append(answers.float().cpu())
        self.truth.append(batch.targets.cpu())

    def numbers(self) -> dict[str, float]:
        """Binary cross-entropy and mean average precision."""
        logits, truth = torch.cat(self.logits), torch.cat(self.truth)
        loss = float(F.binary_cross_entropy_with_logits(logits.double(), truth.double()))
        return {"loss": loss, "map": mean_precision(np.asarray(logits.numpy()), np.asarray(truth.numpy()))}


@dataclass(frozen=True, kw_only=True)
class MultiLabel(Task):
    """Pictures, and which of K labels are there."""

    def targets(self, batch: Batch) -> torch.Tensor:
        """B K, 0 or 1."""
        assert batch.targets is not None
        return self.aim(batch.targets)

    def aim(self, labels: torch.Tensor) -> torch.Tensor:
        """B K, 0 or 1, as numbers."""
        return labels.float()

    def tally(self) -> Tally:
        """Cross-entropy and mAP."""
        return _Precision()

    def check_data(self, manifest: Manifest) -> None:
        """Raise DataError where samples have one label each."""
        if manifest.targets is None:
            raise self.refuse(
                manifest, "needs a table whose label column lists labels",
                "file,label with labels such as cat|dog; none for a picture that has none",
            )  # fmt: skip


MULTILABEL = MultiLabel(
    name="multilabel",
    title="Several labels",
    about="A picture in, every label that is there out, with a probability for each.",
    losses=("bce-with-logits", "asymmetric"),
    score="map",
    labels=False,
    fits_head=True,
    several=True,
    mean="label",
    shared=False,
)
