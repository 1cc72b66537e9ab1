"""How samples are compared: by digests of their values, and as small vectors."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
import torch.nn.functional as F

COMPARED = 1_500
"""Samples of which nearest neighbours are looked for."""

SIDE = 16
"""Pixels of a side at which pictures are compared."""


def digests_of(images: torch.Tensor) -> list[str]:
    """A digest of each of N samples, of values to three digits."""
    values = np.ascontiguousarray((images * 1024).round().to(torch.int32).numpy())
    return [hashlib.sha1(row.tobytes(), usedforsecurity=False).hexdigest() for row in values]


def small(images: torch.Tensor) -> torch.Tensor:
    """Pictures as at most SIDE x SIDE pixels, flat; points as they are."""
    if images.ndim == 4 and max(images.shape[2:]) > SIDE:
        images = F.adaptive_avg_pool2d(images, SIDE)
    return torch.nan_to_num(images.float()).flatten(1)


def directions(images: torch.Tensor) -> torch.Tensor:
    """Samples without their mean, of length 1."""
    rows = small(images)
    return F.normalize(rows - rows.mean(1, keepdim=True), dim=1)
