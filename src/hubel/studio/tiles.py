"""What flows through a net as small maps, one byte a value: how the studio sends pictures of numbers to its pages.

A message is a header of JSON, whose length stands in its first four bytes, and then the bytes: 128 is zero, 1 and 255
the scale of a map.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import torch
import torch.nn.functional as F

from hubel.studio.asking import Sent


def maps_of(values: torch.Tensor, batched: bool) -> torch.Tensor:
    """Anything a part gives as maps N H W: channels as they are, vectors as one line, tokens as one map.

    >>> [tuple(maps_of(torch.ones(s), True).shape) for s in ((1, 3, 4, 4), (1, 10), (1, 5, 8), (1, 2, 3, 5, 5))]
    [(3, 4, 4), (1, 1, 10), (1, 5, 8), (6, 5, 5)]
    """
    inner = values[0] if batched else values
    if inner.dim() < 2:
        return inner.reshape(1, 1, -1)
    return inner[None] if inner.dim() == 2 else inner.reshape(-1, *inner.shape[-2:])


def smaller(maps: torch.Tensor, side: int) -> torch.Tensor:
    """Maps shrunk so that no side is longer than `side`."""
    h, w = maps.shape[-2:]
    if max(h, w) <= side:
        return maps
    return F.adaptive_avg_pool2d(maps[None], (max(1, min(h, side)), max(1, min(w, side))))[0]


def as_bytes(maps: torch.Tensor, scales: torch.Tensor) -> bytes:
    """One byte a value: 128 is zero, 1 and 255 the scale of its map; 0 is no number."""
    shares = maps / scales.clamp_min(1e-12)[:, None, None]
    levels = (shares.clamp(-1, 1) * 127).round() + 128
    return bytes(levels.nan_to_num(0.0).to(torch.uint8).numpy())


def scales_of(maps: torch.Tensor, how: str, largest: float) -> torch.Tensor:
    """What stands for full colour in each map."""
    finite = maps.nan_to_num(0.0, 0.0, 0.0).abs()
    if how == "unit":
        return finite.amax(dim=(-2, -1))
    return torch.full((len(maps),), largest if how == "net" else float(finite.max()))


def packed(header: dict[str, Any], data: bytes) -> Sent:
    """A header and bytes, as the page reads them."""
    text = json.dumps(header).encode()
    return Sent(struct.pack("<I", len(text)) + text + data)


def tiled(
    values: torch.Tensor, batched: bool, how: str, largest: float, most: int, side: int
) -> tuple[bytes, dict[str, Any]]:
    """Maps of what a part gave: at most `most` of them, at most `side` pixels; their bytes, and what they are."""
    maps = maps_of(values, batched)
    scales = scales_of(maps, how, largest)[:most]
    small = smaller(maps[:most], side)
    about = {"count": len(small), "of": len(maps), "size": list(small.shape[-2:]), "full": list(maps.shape[-2:])}
    return as_bytes(small, scales), {**about, "scales": [float(s) for s in scales]}
