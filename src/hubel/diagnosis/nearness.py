"""Which classes the nearest training samples have: a look at the labels that needs no net.

Letters: N samples, F numbers of a sample as it is compared, K classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

from hubel.diagnosis.copies import COMPARED, small
from hubel.diagnosis.patient import Patient

NEIGHBOURS = 5


class Nearness:
    """Which classes the nearest training samples of a sample have."""

    def __init__(self, images: torch.Tensor, classes: torch.Tensor) -> None:
        rows = torch.from_numpy(np.random.default_rng(0).permutation(len(images))[:COMPARED])
        self.shape = images.shape[1:]
        rows_of = small(images[rows])
        self.centre, self.spread = rows_of.mean(0), rows_of.std(0).clamp_min(1e-4).mean()
        if images[0].numel() <= 16:
            self.spread = rows_of.std(0).clamp_min(1e-4)
        self.samples, self.classes = self._scaled(rows_of), classes[rows]
        self.count = int(self.classes.max()) + 1

    def _scaled(self, flat: torch.Tensor) -> torch.Tensor:
        return (flat - self.centre) / self.spread

    def of_itself(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Classes (N, k) of the nearest others, and the distance to the nearest."""
        return self._nearest(self.samples, own=True)

    def of(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The same for other samples."""
        return self._nearest(self._scaled(small(images[:COMPARED])), own=False)

    def _nearest(self, rows: torch.Tensor, *, own: bool) -> tuple[torch.Tensor, torch.Tensor]:
        apart = torch.cdist(rows, self.samples)
        if own:
            apart.fill_diagonal_(torch.inf)
        far, places = apart.topk(min(NEIGHBOURS, len(self.samples) - 1), largest=False)
        return self.classes[places], far[:, 0]

    def vote(self, near: torch.Tensor) -> torch.Tensor:
        """The class that most neighbours have; the nearest wins a tie."""
        votes = F.one_hot(near, self.count).float()
        votes[torch.arange(len(near)), 0, near[:, 0]] += 0.5
        return votes.sum(1).argmax(1)


def nearness(patient: Patient) -> Nearness | None:
    """Nearest neighbours among the training samples, computed once; None where there are too few, or no classes."""
    known: dict[str, Any] = patient.__dict__.setdefault("_nearness", {})
    if "it" not in known:
        part, classes = patient.train, patient.train.classes
        fit = classes is not None and len(classes) >= 60 and len(classes.unique()) > 1
        fit = fit and bool(torch.isfinite(part.images).all()) and int(classes.max()) < 2_000 and int(classes.min()) >= 0  # type: ignore[union-attr]
        known["it"] = Nearness(part.images, classes) if fit and classes is not None else None
    it: Nearness | None = known["it"]
    return it


def relabelled(said: np.ndarray, given: np.ndarray) -> tuple[float, float, dict[int, int]]:
    """Agreement as it is, under the best one-to-one relabelling, and that relabelling (said -> given) where it differs.

    >>> relabelled(np.array([0, 1, 2, 0]), np.array([1, 2, 0, 1]))
    (0.0, 1.0, {0: 1, 1: 2, 2: 0})
    """
    count = int(max(said.max(), given.max())) + 1
    table = np.zeros((count, count))
    np.add.at(table, (said, given), 1)
    rows, columns = linear_sum_assignment(-table)
    moved = {int(r): int(c) for r, c in zip(rows, columns, strict=True) if r != c and table[r, c] > 0}
    return float((said == given).mean()), float(table[rows, columns].sum() / len(said)), moved
