"""Methods that see a picture as one row of numbers, as nets that exporters can follow.

Each takes pictures B C H W uint8 of the detector's size and gives what its method in `hubel.anomalies.flat` gives.
Letters: F numbers a picture, D directions, M pictures that are kept, T trees, S nodes of a tree.
"""

from __future__ import annotations

import numpy as np
import torch

from hubel.anomalies.eyes import Eyes
from hubel.anomalies.flat import expected_depth, small_shape
from hubel.anomalies.graph_parts import Kept, Raw, Sight, apart
from hubel.anomalies.settings import State
from hubel.errors import UsageError


class _Flat(Kept):
    def __init__(self, eyes: Eyes, state: State) -> None:
        super().__init__({name: array for name, array in state.items() if name != "neighbours"})
        self.sight = Sight(eyes)


class Plane(_Flat):
    """The distance to the hyperplane of PCA; of pixels also where."""

    def __init__(self, eyes: Eyes, state: State) -> None:
        super().__init__(eyes, state)
        self.small = small_shape(eyes.preprocessing.shape) if eyes.net is None else None

    def forward(self, images: torch.Tensor) -> Raw:
        """Scores and maps."""
        centred = self.sight.vectors(images).double() - self.numbers("mean")
        off = (centred - (centred @ self.numbers("basis")) @ self.numbers("basis").T) ** 2
        where = None if self.small is None else off.reshape(-1, *self.small).mean(dim=1)
        return off.mean(dim=1), where


class Neighbours(_Flat):
    """The mean distance to the nearest pictures that are kept."""

    def __init__(self, eyes: Eyes, state: State) -> None:
        super().__init__(eyes, state)
        self.count = int(state["neighbours"][0])

    def forward(self, images: torch.Tensor) -> Raw:
        """Scores and maps."""
        found = apart(self.sight.vectors(images).double(), self.numbers("bank"))
        return found.topk(self.count, dim=1, largest=False).values.sqrt().mean(dim=1), None


class Gaussian(_Flat):
    """The squared Mahalanobis distance."""

    def forward(self, images: torch.Tensor) -> Raw:
        """Scores and maps."""
        off = self.sight.vectors(images).double() - self.numbers("mean")
        along = off @ self.numbers("basis")
        outside = ((off**2).sum(dim=1) - (along**2).sum(dim=1)).clamp(min=0)
        scaled = (along**2 / self.numbers("variance")).sum(dim=1) + outside / self.numbers("outside")
        return scaled / off.shape[1], None


class Machine(_Flat):
    """The kernel expansion of a one-class SVM."""

    def forward(self, images: torch.Tensor) -> Raw:
        """Scores and maps."""
        found = apart(self.sight.vectors(images).double(), self.numbers("support"))
        return self.numbers("rho") - torch.exp(-self.numbers("gamma") * found) @ self.numbers("weights"), None


class Forest(Kept):
    """An isolation forest: all trees are gone down at once, as many steps as the deepest one has.

    Raises UsageError for what a net sees: where a cut lies next to a number, the last digit decides, and two programs
    round those of a net differently.
    """

    def __init__(self, eyes: Eyes, state: State) -> None:
        if eyes.net is not None:
            raise UsageError(
                f"an isolation forest on {eyes.name} cannot be exported: a cut of a tree turns on the last digit of a "
                "feature, and two programs round those of a net differently",
                hint=f"--method knn --features {eyes.name} of hubel anomaly; or --method forest --features pixels",
            )
        trees, nodes = state["left"].shape
        first = np.arange(trees)[:, None] * nodes
        super().__init__({
            "left": (state["left"] + first).ravel(), "right": (state["right"] + first).ravel(),
            "feature": np.maximum(state["feature"], 0).ravel(), "cut": state["cut"].ravel(),
            "leaf": (state["left"] < 0).ravel(), "below": expected_depth(state["samples"]).ravel(),
            "first": first[:, 0],
        })  # fmt: skip
        self.sight, self.steps = Sight(eyes), _deepest(state["left"], state["right"])
        self.usual = max(float(expected_depth(state["drawn"])[0]), 1e-12)

    def forward(self, images: torch.Tensor) -> Raw:
        """Scores and maps."""
        values = self.sight.vectors(images)
        node = self.get_buffer("first") + torch.zeros_like(values[:, :1], dtype=torch.int64)
        depth = torch.zeros_like(node, dtype=torch.float64)
        for _ in range(self.steps):
            ends = self.get_buffer("leaf")[node]
            seen = values.gather(1, self.get_buffer("feature")[node]).double()
            left = seen <= self.numbers("cut")[node]
            after = torch.where(left, self.get_buffer("left")[node], self.get_buffer("right")[node])
            node = torch.where(ends, node, after)
            depth = depth + (~ends).double()
        depth = depth + self.numbers("below")[node]
        return torch.exp2(-depth.mean(dim=1) / self.usual), None


def _deepest(left: np.ndarray, right: np.ndarray) -> int:
    """Cuts on the longest way down of all trees T S."""
    at, count = np.zeros((len(left), 1), np.int64), 0
    while True:
        inner = np.take_along_axis(left, at, axis=1) >= 0
        if not inner.any():
            return count
        both = [np.where(inner, np.take_along_axis(side, at, axis=1), at) for side in (left, right)]
        at, count = np.unique(np.concatenate(both, axis=1), axis=1), count + 1
