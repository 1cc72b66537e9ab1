"""Augmentations that spread the levels of an image: nothing to draw but whether. Letters: B batch, C channels."""

from __future__ import annotations

import torch

from hubel.data.augment_ops import column
from hubel.data.draws import Draws
from hubel.errors import UsageError

LEVELS = 256


def autocontrast(images: torch.Tensor, draws: Draws, *, p: float = 1.0) -> torch.Tensor:
    """Each channel stretched from its darkest to its lightest value to all of [0, 1], with probability p.

    >>> autocontrast(torch.tensor([[[[0.2, 0.4, 0.6]]]]), Draws(torch.tensor([0]), 0)).round(decimals=4)
    tensor([[[[0.0000, 0.5000, 1.0000]]]])
    """
    _check(p)
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    span = high - low
    stretched = torch.where(span > 0, (images - low) / span.clamp(min=1e-6), images)
    return stretched if p == 1 else torch.where(column(draws.chance(p)), stretched, images)


def equalise(images: torch.Tensor, draws: Draws, *, p: float = 1.0) -> torch.Tensor:
    """Each channel's values by their ranks, as Pillow does up to its rounding, in 256 levels, with probability p.

    >>> equalise(torch.tensor([[[[0.1, 0.2, 0.2, 0.9]]]]), Draws(torch.tensor([0]), 0)).round(decimals=2)
    tensor([[[[0.0000, 0.3300, 0.3300, 1.0000]]]])
    """
    _check(p)
    B, C = images.shape[:2]
    bytes_of = (images.clamp(0, 1) * (LEVELS - 1)).round().long().reshape(B * C, -1)
    counts = torch.zeros(B * C, LEVELS, device=images.device)
    counts.scatter_add_(1, bytes_of, torch.ones_like(bytes_of, dtype=torch.float32))
    below = counts.cumsum(dim=1) - counts
    # Those at the lightest level are not counted: so the darkest becomes 0 and the lightest 1.
    lightest = counts.gather(1, bytes_of.amax(dim=1, keepdim=True))
    total = bytes_of.shape[1] - lightest
    ranks = below / total.clamp(min=1)
    levelled = ranks.clamp(max=1).gather(1, bytes_of).reshape(images.shape).to(images.dtype)
    one = (total > 0).reshape(B, C, 1, 1)
    levelled = torch.where(one, levelled, images)
    return levelled if p == 1 else torch.where(column(draws.chance(p)), levelled, images)


def _check(p: float) -> None:
    if not 0 <= p <= 1:
        raise UsageError(f"the probability must be 0 to 1, got {p:g}", hint="autocontrast=0.5, equalise=0.5")
