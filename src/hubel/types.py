"""The currency between rooms. Shape letters: B batch, C channels, H height, W width, K classes, N samples.

This module imports nothing of ours, so that every room may use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a model eats: images, their labels, and which samples of the manifest they are."""

    images: torch.Tensor
    """B C H W, floating point, normalised (B F for point sets)."""
    labels: torch.Tensor
    """B, int64 class indices (B floats in regression)."""
    ids: torch.Tensor
    """B, int64 row numbers in the manifest: stable names of samples across epochs and runs."""
    soft_labels: torch.Tensor | None = None
    """B K, rows sum to 1, when mix-up or cut-mix blended the labels; else None."""
    answers: torch.Tensor | None = None
    """B K, rows sum to 1: what a teacher says of these pictures, softened; None where there is no teacher."""

    targets: torch.Tensor | None = None
    """B …: what is to be answered where that is more than a label: a mask for each picture (B H W, uint8)."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model answered for a whole data set, as plain arrays."""

    logits: np.ndarray
    """N K, float32."""
    labels: np.ndarray
    """N, int64 (-1 where the label is not known)."""
    ids: np.ndarray
    """N, int64 row numbers in the manifest."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def probabilities(self) -> np.ndarray:
        """N K, softmax of the logits in float64 (rows sum to 1)."""
        import numpy as np

        shifted = self.logits.astype(np.float64) - self.logits.max(axis=1, keepdims=True)
        powers = np.exp(shifted)
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    @property
    def predicted(self) -> np.ndarray:
        """N, the class with the largest logit (the lowest index wins a tie)."""
        import numpy as np

        return np.asarray(self.logits.argmax(axis=1))
