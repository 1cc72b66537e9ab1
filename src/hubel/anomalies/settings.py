"""What the methods may be told, and what they learn."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hubel.errors import UsageError

State = dict[str, np.ndarray]
"""What a method has learnt, by name: arrays of float32, float64 or int64."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Of all methods together; each takes what concerns it."""

    components: int | None = None
    """PCA: directions that are kept; by the data if None."""
    neighbours: int = 5
    """kNN: how many of the nearest are averaged."""
    bank: int = 2_000
    """kNN, one-class SVM: normal pictures that are kept at most, drawn by chance."""
    coreset: float = 0.1
    """PatchCore: share of the patches that is kept."""
    seconds: float = 60.0
    """Nets: how long they may learn at most."""
    epochs: int | None = None
    """Nets: passes over the pictures; by their number if None."""
    latent: int | None = None
    """Autoencoders, AnoGAN: numbers in the bottleneck; by the pictures if None."""
    critic: float = 0.1
    """AnoGAN: weight of what is off in the critic's inner values beside what is off in the picture, each by its usual
    deviation. Held-out training digits wanted less than the paper's 1 (docs/anomaly.md)."""
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Raises UsageError for a weight below 0, with which the farther off is the less strange."""
        if not 0 <= self.critic < math.inf:
            raise UsageError(f"critic must be a number of at least 0, got {self.critic}", hint="0.1 is usual")
