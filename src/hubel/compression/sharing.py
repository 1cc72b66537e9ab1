"""Weights that share few values: clusters of a layer's weights, and training in which a cluster moves as one.

k-means on the weights of a layer, its centroids spread evenly from the least to the largest at first, since large
weights are few and matter most (Han, Mao, Dally, arXiv:1510.00149, section 3). Zeros stay zeros. While the net is
trained further, a centroid moves by the mean of what its weights would move by: the step of the optimiser, projected
onto the nets that share so. (The paper moves it by the sum; with the mean, the learning rate means what it meant.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

Bits = tuple[int, int]
"""Of a weight in filters, and in matrices."""
USUAL: Bits = (8, 5)
"""As in the paper: filters are fewer and more sensitive than matrices."""
MOST_BITS = 8
MOST_STEPS = 60
"""Of k-means; it mostly ends long before."""


def bits_for(weight: torch.Tensor, bits: Bits) -> int:
    """Bits of a weight of a tensor, by its kind."""
    return bits[0] if weight.dim() > 2 else bits[1]


def cluster(values: np.ndarray, count: int, *, steps: int = MOST_STEPS) -> tuple[np.ndarray, np.ndarray]:
    """Centroids (at most `count`, rising, none is 0) and the number of each value's: values N -> C, N.

    >>> centroids, which = cluster(np.array([-1.0, -1.2, 0.9, 1.1]), 2)
    >>> centroids.round(3).tolist(), which.tolist()
    ([-1.1, 1.0], [0, 0, 1, 1])
    """
    order = np.argsort(values, kind="stable")
    rising = values[order].astype(np.float64)
    if not len(rising):
        return np.zeros(0), np.zeros(0, dtype=np.int64)
    sums = np.concatenate([[0.0], np.cumsum(rising)])
    centroids = np.unique(np.linspace(rising[0], rising[-1], count))
    for _ in range(steps):
        ends = np.concatenate([[0], np.searchsorted(rising, (centroids[1:] + centroids[:-1]) / 2), [len(rising)]])
        sizes = np.diff(ends)
        full = sizes > 0
        moved = np.diff(sums[ends])[full] / sizes[full]
        if len(moved) == len(centroids) and np.allclose(moved, centroids, rtol=1e-6, atol=0):
            break
        centroids = np.unique(moved)
    centroids = centroids[centroids != 0]
    which = np.empty(len(values), dtype=np.int64)
    which[order] = np.searchsorted((centroids[1:] + centroids[:-1]) / 2, rising)
    return centroids, which


class Sharing:
    """The weights of a net that share values from now on."""

    def __init__(self, weights: Mapping[str, nn.Parameter], bits: Bits) -> None:
        self.weights = weights
        self.which: dict[str, torch.Tensor] = {}
        """Of each tensor the cluster of each weight, flat: 0 for zeros, else from 1 on."""
        self.sizes: dict[str, torch.Tensor] = {}
        with torch.no_grad():
            for name, weight in weights.items():
                flat = weight.detach().cpu().reshape(-1).numpy()
                there = np.flatnonzero(flat)
                centroids, which = cluster(flat[there], 1 << bits_for(weight, bits))
                numbers = np.zeros(len(flat), dtype=np.int64)
                numbers[there] = which + 1
                self.which[name] = torch.from_numpy(numbers).to(weight.device)
                sizes = torch.bincount(self.which[name], minlength=len(centroids) + 1)
                self.sizes[name] = sizes.clamp_min(1)
        self.tie()

    @property
    def values(self) -> int:
        """Values in all tables together."""
        return sum(len(each) - 1 for each in self.sizes.values())

    def tie(self) -> None:
        """Give every weight the mean of its cluster, and zeros 0."""
        with torch.no_grad():
            for name, weight in self.weights.items():
                flat = weight.reshape(-1).double()
                sums = torch.zeros(len(self.sizes[name]), dtype=torch.float64, device=weight.device)
                means = sums.index_add_(0, self.which[name], flat) / self.sizes[name]
                means[0] = 0
                weight.copy_(means.to(weight.dtype)[self.which[name]].reshape(weight.shape))
