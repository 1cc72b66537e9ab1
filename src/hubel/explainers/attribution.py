"""What an explanation is: one map per image, with the facts that are needed to read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from hubel.views import Viewed


@dataclass(frozen=True, kw_only=True)
class Attribution(Viewed):
    """How much each pixel speaks for a class, for B images. Plain data.

    `signed` maps hold evidence for the class (positive) and against it (negative); the others hold importance (>= 0).
    """

    method: str
    maps: np.ndarray
    """B H W, float32, at the size of the images."""
    signed: bool
    targets: tuple[int, ...]
    """B class indices: what the maps explain."""
    scores: tuple[float, ...]
    """B logits of those classes on the untouched images."""
    probabilities: tuple[float, ...]
    """B probabilities of those classes: their softmax, or their sigmoid where several labels may hold."""
    layer: str = ""
    """The module whose activations were read, for methods that read one."""
    seconds: float = 0.0
    """Wall time for the whole batch."""
    details: Mapping[str, float] = field(default_factory=dict)
    """Figures of the method itself: completeness error, number of forward passes, ..."""
    note: str = ""
    """What needs saying about the run of the method, in words without a full stop; else empty."""

    @property
    def map(self) -> np.ndarray:
        """H W: the map of the only image (of the first, if there are more)."""
        return np.asarray(self.maps[0])

    def __len__(self) -> int:
        return len(self.maps)


@dataclass(frozen=True, kw_only=True)
class Raw:
    """What an explainer returns to `attribute`: tensors, before they become plain data."""

    maps: torch.Tensor
    """B H W at the size of the images, or B h w at the size of a layer (`attribute` enlarges it)."""
    layer: str = ""
    details: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
