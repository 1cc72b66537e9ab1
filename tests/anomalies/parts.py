"""Small pictures of one part, and the same with a planted defect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def good(count: int, *, seed: int = 0, side: int = 24, channels: int = 1) -> np.ndarray:
    """N C H W uint8: a disc that lies now here, now there, with some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    found = []
    for _ in range(count):
        dy, dx = rng.uniform(-1, 1, 2)
        disc = np.hypot(y - side / 2 - dy, x - side / 2 - dx) < side / 3
        found.append(60 + 120 * disc + rng.normal(0, 4, (channels, side, side)))
    return np.clip(np.stack(found), 0, 255).astype(np.uint8)


def scratched(images: np.ndarray, *, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The same with a bright line each, and N H W where it is."""
    rng = np.random.default_rng(seed)
    found, masks = images.copy(), np.zeros((len(images), *images.shape[2:]), bool)
    for row in range(len(images)):
        top, left = rng.integers(6, images.shape[2] - 14, 2)
        for step in range(8):
            masks[row, top + step // 2, left + step] = True
            masks[row, top + step // 2 + 1, left + step] = True
        found[row][:, masks[row]] = 250
    return found, masks


def write(images: np.ndarray, folder: Path) -> None:
    """As PNG files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for row, image in enumerate(images):
        pixels = image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)
        Image.fromarray(pixels).save(folder / f"{row:03d}.png")
