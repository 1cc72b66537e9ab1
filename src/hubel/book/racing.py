"""Nets side by side: from the same seeds, on the same batches, at a cost that is counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hubel.anatomy.summary import summarise
from hubel.book.bench import fit, right
from hubel.book.colours import Colours
from hubel.nn.blocks import conv_norm_act
from hubel.runtime.seeds import seeded

__all__ = ["Cost", "Trained", "between", "cost", "raced", "widest"]

Make = Callable[[int, int], nn.Module]
"""Maps before and behind -> a block that keeps the size of the maps."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a net holds and works: weights, and multiplications for one picture."""

    params: int
    macs: int


def between(block: Make, maps: int = 32, wide: int = 64) -> nn.Sequential:
    """Stem, block, pooling, 1 x 1, block, pooling, block, mean over the maps, classes."""
    return nn.Sequential(
        conv_norm_act(3, maps, 3), block(maps, maps), nn.MaxPool2d(2), conv_norm_act(maps, wide, 1), block(wide, wide),
        nn.MaxPool2d(2), block(wide, wide), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(wide, 10),
    )  # fmt: skip


def cost(net: nn.Module, side: int = 16) -> Cost:
    """Counted by the summary."""
    table = summarise(net, (3, side, side))
    return Cost(int(table.params), int(table.macs))


def widest(build: Callable[[int], nn.Module], at_most: int, measure: Callable[[nn.Module], int]) -> int:
    """The largest width whose net stays within a cost.

    >>> widest(lambda width: nn.Linear(width, 2, bias=False), 101, lambda net: sum(p.numel() for p in net.parameters()))
    50
    """
    width = 1
    while measure(build(width + 1)) <= at_most:
        width += 1
    return width


@dataclass(frozen=True, slots=True)
class Trained:
    """Nets of one kind, one a seed."""

    nets: tuple[nn.Module, ...]
    hits: np.ndarray
    """Right on the test pictures, S N."""

    @property
    def mean(self) -> float:
        """The share that is right."""
        return float(self.hits.mean())


def raced(
    kinds: Mapping[str, Callable[[], nn.Module]], data: Colours, *, seeds: int, steps: int, row: int, lr: float = 2e-3,
    batch: int = 64, change: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> dict[str, Trained]:  # fmt: skip
    """Every kind trained from the same seeds on the same batches."""
    found = {}
    for name, build in kinds.items():
        nets, hits = [], []
        for seed in range(seeds):
            with seeded(row, seed):
                net = build()
            fit(net, data.x, data.y, steps=steps, seed=seed, batch=batch, lr=lr, change=change)
            nets.append(net)
            hits.append(right(net, data.test_x, data.test_y))
        found[name] = Trained(tuple(nets), np.stack(hits))
    return found
