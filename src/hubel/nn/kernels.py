"""Fixed kernels of image processing, as data: what a convolution does before anything is learnt.

Each is written as it is laid over the image (cross-correlation, as every library computes it); letters as in the row.

>>> KERNELS["sharpen"].weights.sum()
np.float64(1.0)
>>> filtered = apply_kernel(torch.ones(1, 1, 4, 4), "edge-vertical")
>>> filtered.shape, float(filtered[0, 0, 1, 1])
(torch.Size([1, 1, 4, 4]), 0.0)
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F

from hubel.registry import Registry

__all__ = ["KERNELS", "Kernel", "apply_kernel"]


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A small matrix with a name."""

    title: str
    weights: np.ndarray
    """kh kw, float64."""
    note: str
    rows: tuple[str, ...] = field(default=())


def _kernel(title: str, weights: list[list[float]], note: str, *rows: str, over: float = 1.0) -> Kernel:
    return Kernel(title=title, weights=np.asarray(weights, dtype=np.float64) / over, note=note, rows=rows)


KERNELS: Registry[Kernel] = Registry("kernel", listing="hubel components kernels")
for _name, _found in {
    "identity": _kernel("Identity", [[0, 0, 0], [0, 1, 0], [0, 0, 0]], "Leaves the image as it is.", "C127"),
    "edge-corners": _kernel(
        "Edges, diagonal", [[1, 0, -1], [0, 0, 0], [-1, 0, 1]], "A mixed second derivative: answers to corners.", "C128"
    ),
    "laplacian": _kernel(
        "Laplacian, 4 neighbours", [[0, 1, 0], [1, -4, 1], [0, 1, 0]], "Second derivative: edges of any direction.",
        "C128"
    ),
    "laplacian-8": _kernel(
        "Laplacian, 8 neighbours",
        [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
        "Edges of any direction, diagonals too. Often miscalled Sobel.",
        "C128",
    ),
    "sobel-x": _kernel(
        "Sobel, horizontal gradient", [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "A derivative to the right, smoothed down."
    ),
    "sobel-y": _kernel(
        "Sobel, vertical gradient", [[-1, -2, -1], [0, 0, 0], [1, 2, 1]], "A derivative down, smoothed to the right."
    ),
    "sharpen": _kernel(
        "Sharpen", [[0, -1, 0], [-1, 5, -1], [0, -1, 0]], "The image less its Laplacian.", "C129"
    ),
    "box-blur": _kernel("Box blur 3×3", [[1] * 3] * 3, "The mean of nine.", "C130", over=9),
    "gaussian-blur": _kernel(
        "Gaussian blur 3×3", [[1, 2, 1], [2, 4, 2], [1, 2, 1]], "A rounder mean: binomial weights.", "C130", over=16
    ),
    "edge-vertical": _kernel(
        "Vertical edge", [[1, 0, -1], [1, 0, -1], [1, 0, -1]], "Bright left of dark gives a positive answer.", "C131"
    ),
    "edge-horizontal": _kernel(
        "Horizontal edge", [[1, 1, 1], [0, 0, 0], [-1, -1, -1]], "Bright above dark gives a positive answer.", "C131"
    ),
    "gradient-x": _kernel("Gradient to the right, 2×2", [[-1, 1], [-1, 1]], "Differences of columns.", "C132"),
    "gradient-y": _kernel("Gradient down, 2×2", [[-1, -1], [1, 1]], "Differences of rows.", "C132"),
    "low-pass": _kernel("Low-pass 7×7", [[1] * 7] * 7, "A wide mean, divided by its area.", "C133", over=49),
    "plus": _kernel("Plus sign", [[0, 1, 0], [1, 1, 1], [0, 1, 0]], "Answers most to a plus of its size.", "C134"),
    "emboss": _kernel("Emboss", [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], "Light from the top left."),
}.items():  # fmt: skip
    KERNELS.add(_name, _found)


def apply_kernel(images: torch.Tensor, name: str) -> torch.Tensor:
    """Images (B C H W, floating point) with the kernel laid over every channel; the rim continues the border pixels.

    The result has the size of the input; a kernel of even size looks one pixel further right and down.
    Raises UnknownName.
    """
    weights = torch.as_tensor(KERNELS.get(name).weights, dtype=images.dtype, device=images.device)
    height, width = weights.shape
    top, left = (height - 1) // 2, (width - 1) // 2
    padded = F.pad(images, (left, width - 1 - left, top, height - 1 - top), mode="replicate")
    channels = images.shape[1]
    return F.conv2d(padded, weights.expand(channels, 1, height, width), groups=channels)
