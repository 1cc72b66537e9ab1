"""Noise and blur: what a sensor, a lens and a shutter do to a picture.

Each takes pictures N C H W uint8, what its samples draw, and its strengths, and gives shares 0 … 1 or bytes.
"""

from __future__ import annotations

import math

import torch

from hubel.data.draws import Draws
from hubel.robustness.filters import (
    as_shares,
    blurred,
    disc,
    enlarged,
    filtered,
    normals,
    poissons,
    streaks,
    uniforms,
)


def gaussian_noise(pictures: torch.Tensor, draws: Draws, sigma: float) -> torch.Tensor:
    """x + N(0, sigma)."""
    return as_shares(pictures) + sigma * normals(draws, *pictures.shape[1:])


def shot_noise(pictures: torch.Tensor, draws: Draws, rate: float) -> torch.Tensor:
    """Photons counted, `rate` of them where it is white."""
    return poissons(draws, pictures, rate) / rate


def impulse_noise(pictures: torch.Tensor, draws: Draws, amount: float) -> torch.Tensor:
    """A share of the values becomes 0 or 255."""
    chance = uniforms(draws, *pictures.shape[1:])
    light = chance >= 1 - amount / 2
    return torch.where(chance < amount / 2, torch.zeros_like(pictures), pictures).masked_fill(light, 255)


def speckle_noise(pictures: torch.Tensor, draws: Draws, sigma: float) -> torch.Tensor:
    """x + x N(0, sigma)."""
    x = as_shares(pictures)
    return x + x * sigma * normals(draws, *pictures.shape[1:])


def gaussian_blur(pictures: torch.Tensor, draws: Draws, sigma: float) -> torch.Tensor:
    """Weighed with a Gaussian."""
    return blurred(as_shares(pictures), sigma)


def defocus_blur(pictures: torch.Tensor, draws: Draws, radius: float, soft: float) -> torch.Tensor:
    """Every point becomes a disc."""
    return filtered(as_shares(pictures), disc(radius, soft))


def motion_blur(pictures: torch.Tensor, draws: Draws, radius: float, sigma: float) -> torch.Tensor:
    """Every point becomes a streak, up to 45 degrees off the horizontal."""
    angles = draws.uniform(-math.pi / 4, math.pi / 4)
    return filtered(as_shares(pictures), streaks(angles, radius, sigma))


def zoom_blur(pictures: torch.Tensor, draws: Draws, largest: float, step: float) -> torch.Tensor:
    """The mean of the picture and of its enlargements, `step` by `step` up to `largest`."""
    x = as_shares(pictures)
    zooms = [1 + number * step for number in range(1, math.floor((largest - 1) / step + 1e-6) + 1)]
    return (2 * x + enlarged(x, *(round(zoom, 6) for zoom in zooms))) / (len(zooms) + 2)


def glass_blur(pictures: torch.Tensor, draws: Draws, sigma: float, reach: float, turns: float) -> torch.Tensor:
    """Pixels change places with neighbours up to `reach` away, between two blurs.

    Places that are too far apart to meet change at once; the classes of such places take turns in a fixed order.
    """
    x = blurred(as_shares(pictures), sigma)
    N, _, height, width = x.shape
    far = min(max(1, round(reach)), (min(height, width) - 1) // 2)
    if far < 1:
        return blurred(x, sigma)
    period = 2 * far + 1
    order = torch.arange(height * width).repeat(N, 1)
    for _ in range(max(1, round(turns))):
        dy, dx = (
            torch.floor(uniforms(draws, height, width) * 2 * far).long().sub(far).flatten(1) for _ in range(2)
        )  # from -far to far - 1, as Hendrycks & Dietterich draw them
        for first in range(period * period):
            rows = torch.arange(height)[far + first // period : height - far : period]
            cols = torch.arange(width)[far + first % period : width - far : period]
            here = (rows[:, None] * width + cols).flatten().expand(N, -1)
            if here.shape[1]:
                there = here + dy.gather(1, here) * width + dx.gather(1, here)
                mine, other = order.gather(1, here), order.gather(1, there)
                order.scatter_(1, here, other).scatter_(1, there, mine)
    mixed = x.flatten(2).gather(2, order[:, None].expand(-1, x.shape[1], -1)).view(x.shape)
    return blurred(mixed, sigma)
