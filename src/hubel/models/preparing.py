"""Nets that take a part of their weights from the pictures themselves, before any step by gradients.

QuickNet whitens the patches of its stem, the neocognitron organises itself without labels. One contract for both.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch


@runtime_checkable
class Prepares(Protocol):
    """Whoever starts a training from random weights calls `prepare_from` once, and never after weights were loaded.

    >>> from hubel.models import create_model
    >>> isinstance(create_model("quicknet", img_size=32), Prepares), isinstance(create_model("mnist_cnn"), Prepares)
    (True, False)
    """

    prepares_from: int
    """How many training pictures are enough."""

    def prepare_from(self, images: torch.Tensor) -> None:
        """Set those weights from pictures N C H W, normalised as for training; labels are not needed."""
