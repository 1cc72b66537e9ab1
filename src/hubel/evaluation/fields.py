"""A net that holds one picture as a function: how near it comes, and to the slopes and bends of the picture as well.

Slopes and bends of the net are exact, by automatic differentiation; those of the picture are central differences. Both
are per pixel. Letters: H W the picture, C channels, N = H·W points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from hubel.checkpoint import Classifier
from hubel.data.decode import Decoded
from hubel.data.one_picture import grid, shape_of
from hubel.data.scan import Scan
from hubel.evaluation.result import TaskResult
from hubel.nn.modes import evaluating
from hubel.tasks.answers import Answer
from hubel.words import csv_text, plain

Colours = TypeVar("Colours", torch.Tensor, np.ndarray)

AT_ONCE = 16_384
"""Points that are asked in one go."""
HARD_TO_TELL, COARSE = 35.0, 22.0
"""Decibels from which on two pictures are hard to tell apart, and below which a child sees the difference."""


@dataclass(frozen=True, kw_only=True, repr=False)
class PictureField(TaskResult):
    """How near a function comes to the picture it learnt. Errors are of colours from 0 to 1."""

    psnr: float
    """Decibel: −10 log₁₀ MSE over all pixels and channels."""
    mse: float
    slopes: float
    """Correlation of the length of its gradient with that of the picture's; NaN where either is flat."""
    bends: float
    """The same of Laplacians. A net of ReLUs has none: it is flat between its kinks."""
    picture: np.ndarray
    """H W C uint8."""
    answer: np.ndarray
    """H W C uint8."""
    gradients: tuple[np.ndarray, np.ndarray]
    """H W each: length of the gradient of brightness, the picture's and the net's."""
    laplacians: tuple[np.ndarray, np.ndarray]
    """H W each: Laplacian of brightness, the picture's and the net's."""
    errors: np.ndarray
    """H W: mean squared error of each pixel."""

    @property
    def sentence(self) -> str:
        """The result as one sentence."""
        high, wide = self.errors.shape
        how = "hard to tell from it" if self.psnr >= HARD_TO_TELL else (
            "coarse" if self.psnr < COARSE else "near it, and softer"
        )  # fmt: skip
        return (
            f"The net holds the picture of {wide}x{high} pixels to {self.psnr:.2f} dB: {how}. Its slopes agree with "
            f"those of the picture to a correlation of {_said(self.slopes)}, its bends to {_said(self.bends)}."
        )

    def rows(self) -> list[tuple[str, str, str]]:
        """The headline numbers; all pixels are there, so nothing was drawn that intervals could be of."""
        return [
            ("PSNR", f"{self.psnr:.2f} dB", ""),
            ("mean squared error", f"{self.mse:.4g}", ""),
            ("slopes (correlation)", _said(self.slopes), ""),
            ("bends (correlation)", _said(self.bends), ""),
        ]

    @property
    def headline(self) -> dict[str, float]:
        """PSNR, MSE, and how slopes and bends agree."""
        found = {"psnr": self.psnr, "mse": self.mse, "slopes": self.slopes, "bends": self.bends}
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return plain({"task": "field", "split": self.split, "samples": self.samples, **self.headline})

    def tables(self) -> Mapping[str, str]:
        """One line a pixel: where it is, its colour, what the net says, and the error."""
        high, wide, channels = self.picture.shape
        colours = ("red", "green", "blue") if channels == 3 else ("grey",)
        where = np.stack(np.meshgrid(np.arange(high), np.arange(wide), indexing="ij"), axis=-1).reshape(-1, 2)
        both = np.concatenate([self.picture.reshape(-1, channels), self.answer.reshape(-1, channels)], axis=1)
        rows = (
            [*place, *colour, f"{error:.3g}"]
            for place, colour, error in zip(where.tolist(), both.tolist(), self.errors.ravel().tolist(), strict=True)
        )
        head = ["row", "column", *colours, *(f"said_{colour}" for colour in colours), "mse"]
        return {"predictions.csv": csv_text(head, rows)}


def _said(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "none"


def judge_field(
    classifier: Classifier, scan: Scan, decoded: Decoded, rows: np.ndarray, split: str, device: torch.device
) -> PictureField:
    """Ask the net for every pixel of the picture it learnt, whichever of them `rows` are, and for its derivatives."""
    assert decoded.targets is not None
    points = np.asarray(decoded.images)
    high, wide = shape_of(points)
    picture = np.asarray(decoded.targets).reshape(high, wide, -1)
    net = classifier.model.to(device)
    with evaluating(net):
        said, gradient, laplacian = derived(net, points, device, reach=max(high, wide, 2) - 1)
    colours = ((said.clip(-1, 1) + 1) / 2).reshape(high, wide, -1)
    errors = np.square(colours - picture / 255).mean(2)
    light = _brightness(picture / 255)
    down, across = np.gradient(light)
    lengths = np.hypot(down, across), np.hypot(gradient[:, 0], gradient[:, 1]).reshape(high, wide)
    bent = np.gradient(down, axis=0) + np.gradient(across, axis=1), laplacian.reshape(high, wide)
    mse = float(errors.mean())
    return PictureField(
        split=split,
        samples=len(points),
        psnr=-10 * math.log10(max(mse, 1e-10)),
        mse=mse,
        slopes=_agree(*lengths),
        bends=_agree(*bent),
        picture=np.ascontiguousarray(picture),
        answer=(255 * colours).round().astype(np.uint8),
        gradients=lengths,
        laplacians=bent,
        errors=errors,
    )


def derived(
    net: nn.Module, points: np.ndarray, device: torch.device, *, reach: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a net says at N points (N C), and gradient N 2 and Laplacian N of its brightness, per pixel of 2 / `reach`.

    >>> class Bowl(nn.Module):
    ...     def forward(self, at):
    ...         return 2 * (at ** 2).sum(1, keepdim=True)  # brightness is half of what a net says, and a half
    >>> said, slope, bend = derived(Bowl(), np.float32([[0.5, 0.25]]), torch.device("cpu"), reach=2)
    >>> slope.tolist(), bend.tolist()
    ([[1.0, 0.5]], [4.0])
    """
    answers, slopes, bends = [], [], []
    step = 2 / reach
    for start in range(0, len(points), AT_ONCE):
        at = torch.from_numpy(points[start : start + AT_ONCE]).to(device).requires_grad_()
        with torch.enable_grad():
            said = net(at).float()
            light = _brightness((said + 1) / 2)
            slope = _slope(light, at, further=True)
            bend = sum(_slope(slope[:, axis], at)[:, axis] for axis in range(2))
        answers.append(said.detach().cpu().numpy())
        slopes.append(slope.detach().cpu().numpy() * step)
        bends.append(torch.as_tensor(bend).detach().cpu().numpy() * step * step)
    return np.concatenate(answers), np.concatenate(slopes), np.concatenate(bends)


def _slope(values: torch.Tensor, at: torch.Tensor, *, further: bool = False) -> torch.Tensor:
    """N 2: derivatives of N values by their own points; noughts where they do not depend on them."""
    if not values.requires_grad:
        return torch.zeros_like(at)
    (found,) = torch.autograd.grad(values.sum(), at, create_graph=further, retain_graph=True, allow_unused=True)
    return torch.zeros_like(at) if found is None else found


def _brightness(colours: Colours) -> Colours:
    """… C to …: grey as it is, of colours what the eye sees of each (ITU-R BT.601)."""
    if colours.shape[-1] == 1:
        return colours[..., 0]
    return 0.299 * colours[..., 0] + 0.587 * colours[..., 1] + 0.114 * colours[..., 2]


def _agree(first: np.ndarray, second: np.ndarray) -> float:
    if min(first.std(), second.std()) < 1e-9:
        return math.nan
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def rendered(classifier: Classifier, height: int, width: int, device: torch.device) -> Answer:
    """The picture that a net holds, at any size."""
    points, net, found = grid(height, width), classifier.model.to(device), []
    with evaluating(net), torch.inference_mode():
        for start in range(0, len(points), AT_ONCE):
            said = net(torch.from_numpy(points[start : start + AT_ONCE]).to(device)).float()
            found.append(said.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).cpu().numpy())
    picture = np.concatenate(found).reshape(height, width, -1).transpose(2, 0, 1)
    told = f"the picture with {height * width:,} pixels; --out FOLDER writes it"
    return Answer(f"{width}x{height}", told, {"width": width, "height": height}, np.ascontiguousarray(picture))
