"""What processing does to a picture, and what bends or moves it. Functions as in `blurs`."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
from PIL import Image

from hubel.data.draws import Draws
from hubel.robustness.filters import as_shares, blurred, doubled, grid, in_boxes, read_at, uniforms


def contrast(pictures: torch.Tensor, draws: Draws, kept: float) -> torch.Tensor:
    """Nearer to the mean of each channel."""
    x = as_shares(pictures)
    mean = x.mean(dim=(2, 3), keepdim=True)
    return mean + (x - mean) * kept


def brightness(pictures: torch.Tensor, draws: Draws, added: float) -> torch.Tensor:
    """The value of HSV raised: hue and saturation stay."""
    x = as_shares(pictures)
    value = x.amax(dim=1, keepdim=True)
    wanted = (value + added).clamp(max=1)
    return torch.where(value > 0, x * wanted / value.clamp(min=1e-12), wanted)


def saturate(pictures: torch.Tensor, draws: Draws, factor: float, added: float) -> torch.Tensor:
    """The saturation of HSV changed; hue and value stay, and what is grey has no hue and stays grey."""
    x = as_shares(pictures)
    value, least = x.amax(dim=1, keepdim=True), x.amin(dim=1, keepdim=True)
    saturation = torch.where(value > 0, (value - least) / value.clamp(min=1e-12), torch.zeros_like(value))
    wanted = (saturation * factor + added).clamp(0, 1)
    change = torch.where(saturation > 0, wanted / saturation.clamp(min=1e-12), torch.zeros_like(value))
    return value - (value - x) * change


def jpeg(pictures: torch.Tensor, draws: Draws, quality: float) -> torch.Tensor:
    """Written and read again by a real encoder (libjpeg, as Pillow calls it)."""
    found = np.empty(tuple(pictures.shape), np.uint8)
    for index, picture in enumerate(pictures.permute(0, 2, 3, 1).numpy()):
        file = io.BytesIO()
        grey = picture.shape[2] == 1
        Image.fromarray(picture[:, :, 0] if grey else np.ascontiguousarray(picture)).save(
            file, "JPEG", quality=round(quality)
        )
        with Image.open(file) as read:
            pixels = np.asarray(read)
        found[index] = pixels[None] if grey else pixels.transpose(2, 0, 1)
    return torch.from_numpy(found)


def pixelate(pictures: torch.Tensor, draws: Draws, share: float) -> torch.Tensor:
    """Shrunk to a `share` of its sides by area, and enlarged without smoothing."""
    height, width = (max(1, int(side * share)) for side in pictures.shape[2:])
    return in_boxes(as_shares(pictures), (height, width))


def elastic(pictures: torch.Tensor, draws: Draws, strength: float, sigma: float, corners: float) -> torch.Tensor:
    """Three points moved by up to `corners` pixels each way, and every pixel by smooth numbers times `strength`."""
    x = as_shares(pictures)
    N, _, height, width = x.shape
    middle = torch.tensor([height // 2, width // 2], dtype=torch.float64)
    size = min(height, width) // 3
    standing = middle + size * torch.tensor([[1, 1], [1, -1], [-1, -1]], dtype=torch.float64)
    moved = standing + corners * (2 * uniforms(draws, 3, 2) - 1)
    # Where each output pixel comes from: the affine map that takes the moved points back to where they stood.
    back = torch.linalg.solve(_with_ones(moved), standing.expand(N, -1, -1)) if size else None
    rows, cols = (places.expand(N, -1, -1) for places in grid(height, width))
    rows, cols = (
        places + strength * blurred(2 * uniforms(draws, height, width) - 1, sigma, truncate=3, rim=doubled)
        for places in (rows, cols)
    )
    if back is not None:
        rows, cols = (
            rows * back[:, 0, axis, None, None] + cols * back[:, 1, axis, None, None] + back[:, 2, axis, None, None]
            for axis in (0, 1)
        )
    return read_at(x, rows, cols)


def _with_ones(points: torch.Tensor) -> torch.Tensor:
    return torch.cat([points, torch.ones_like(points[..., :1])], dim=-1)


# ------------------------------------------------------------------------------------------------ moved, and drawn over


def shear(pictures: torch.Tensor, draws: Draws, by: float) -> torch.Tensor:
    """Slanted to one side or the other; black where nothing is."""
    return _turned(pictures, draws, 1.0, 0.0, by)


def scale(pictures: torch.Tensor, draws: Draws, by: float) -> torch.Tensor:
    """Smaller by the factor `by`, about the middle; black where nothing is."""
    return _turned(pictures, draws, by, 0.0, 0.0)


def rotate(pictures: torch.Tensor, draws: Draws, degrees: float) -> torch.Tensor:
    """Turned to one side or the other; black where nothing is."""
    return _turned(pictures, draws, 1.0, math.radians(degrees), 0.0)


def _turned(pictures: torch.Tensor, draws: Draws, size: float, angle: float, slant: float) -> torch.Tensor:
    x = as_shares(pictures)
    height, width = x.shape[2:]
    side = draws.sign().double()[:, None, None]
    y, x_ = (places - (length - 1) / 2 for places, length in zip(grid(height, width), (height, width), strict=True))
    rows = (y * math.cos(angle) + side * x_ * math.sin(angle)) / size
    cols = (x_ * math.cos(angle) - side * y * math.sin(angle) + side * slant * y) / size
    return read_at(x, rows + (height - 1) / 2, cols + (width - 1) / 2, black=True)


def translate(pictures: torch.Tensor, draws: Draws, by: float) -> torch.Tensor:
    """Moved by whole pixels along both axes, either way; black where nothing is."""
    far = max(1, round(by))
    rows, cols = grid(*pictures.shape[2:])
    dy, dx = (far * draws.sign().double()[:, None, None] for _ in range(2))
    return read_at(as_shares(pictures), rows + dy, cols + dx, black=True)


def stripe(pictures: torch.Tensor, draws: Draws, share: float) -> torch.Tensor:
    """Light and dark exchanged in a band from top to bottom, a `share` of the width."""
    width = pictures.shape[3]
    wide = max(1, round(share * width))
    left = (draws.uniform() * (width - wide + 1)).long()[:, None]
    at = torch.arange(width)
    inside = (at >= left) & (at < left + wide)
    return torch.where(inside[:, None, None], 255 - pictures, pictures)


def dotted_line(pictures: torch.Tensor, draws: Draws, lines: float) -> torch.Tensor:
    """Dots in a row from one side to the other, as many rows as `lines`."""
    return _drawn(pictures, draws, round(lines), 0.0)


def zigzag(pictures: torch.Tensor, draws: Draws, lines: float) -> torch.Tensor:
    """Lines that go up and down from one side to the other, as many as `lines`."""
    return _drawn(pictures, draws, round(lines), 0.06)


def _drawn(pictures: torch.Tensor, draws: Draws, lines: int, height_share: float) -> torch.Tensor:
    """White lines across: dots where they do not go up and down."""
    height, width = pictures.shape[2:]
    rows, cols = grid(height, width)
    thick = max(0.5, min(height, width) / 56)
    found = as_shares(pictures)
    for _ in range(lines):
        start, end = (draws.uniform(0.15, 0.85).double()[:, None, None] * height for _ in range(2))
        along = start + (end - start) * cols / max(1, width - 1)
        wave = width / 7
        there = torch.ones_like(along)
        if height_share:
            along = along + height_share * height * (4 * (cols / wave - (cols / wave + 0.5).floor()).abs() - 1)
        else:
            there = ((cols / wave * 2 + draws.uniform().double()[:, None, None]) % 1 < 0.5).double()
        ink = (thick + 0.5 - (rows - along).abs()).clamp(0, 1) * there
        found = torch.maximum(found, ink[:, None])
    return found
