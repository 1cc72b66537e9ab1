"""Weather between the camera and its subject. Functions as in `blurs`."""

from __future__ import annotations

import math

import torch

from hubel.data.draws import Draws
from hubel.robustness.filters import LUMA, as_shares, blurred, enlarged, filtered, normals, plasma, streaks, uniforms

WATER = (175 / 255, 238 / 255, 238 / 255)
"""Pale turquoise."""
MUD = (63 / 255, 42 / 255, 20 / 255)
"""Brown."""


def fog(pictures: torch.Tensor, draws: Draws, density: float, decay: float) -> torch.Tensor:
    """Clouds are added, and the whole brought back to the brightness it had at most."""
    x = as_shares(pictures)
    brightest = x.amax(dim=(1, 2, 3), keepdim=True)
    height, width = x.shape[2:]
    clouds = plasma(draws, height, width, decay)[:, None]
    return (x + density * clouds) * brightest / (brightest + density)


def frost(pictures: torch.Tensor, draws: Draws, kept: float, added: float) -> torch.Tensor:
    """Ice on the pane, laid over the picture: ridges where two clouds are equal, finer and finer, bluish white.

    The original lays photographs over it; these are drawn, so that numbers for frost are near theirs, not the same.
    """
    x = as_shares(pictures)
    height, width = x.shape[2:]
    ice = torch.zeros(len(x), height, width, dtype=torch.float64)
    for strength in (0.5, 0.4, 0.3):
        clouds = plasma(draws, height, width, 1.35)
        ice += strength * (1 - (2 * clouds - 1).abs() * 3).clamp(min=0) ** 2
    ice = (0.4 + 0.6 * ice.clamp(max=1)) * (0.75 + 0.5 * uniforms(draws, height, width))
    return kept * x + added * ice[:, None] * _tinted((0.86, 0.95, 1.0), x.shape[1])


def snow(
    pictures: torch.Tensor, draws: Draws, middle: float, spread: float, zoom: float, least: float, radius: float,
    sigma: float, kept: float,
) -> torch.Tensor:  # fmt: skip
    """Flakes that fall, in two directions, before a picture that is paler."""
    x = as_shares(pictures)
    flakes = enlarged((middle + spread * normals(draws, *x.shape[2:]))[:, None], max(1.0, round(zoom, 4))).double()
    flakes = torch.where(flakes < least, torch.zeros_like(flakes), flakes).clamp(0, 1)
    angles = draws.uniform(math.pi / 4, 3 * math.pi / 4)
    flakes = filtered(flakes, streaks(angles, radius, sigma))
    pale = kept * x + (1 - kept) * torch.maximum(x, _grey(x) * 1.5 + 0.5)
    return pale + flakes + flakes.flip(2, 3)


def spatter(
    pictures: torch.Tensor, draws: Draws, middle: float, spread: float, sigma: float, least: float, strength: float,
    mud: float,
) -> torch.Tensor:  # fmt: skip
    """Drops of water on the lens, lit from one side, or splashes of mud."""
    x = as_shares(pictures)
    liquid = blurred(middle + spread * normals(draws, *x.shape[2:]), sigma)[:, None]
    wet = liquid >= least
    if mud >= 0.5:
        cover = blurred(wet.double(), strength)
        cover = torch.where(cover < 0.8, torch.zeros_like(cover), cover)
        return x * (1 - cover) + cover * _tinted(MUD, x.shape[1])
    drops = torch.where(wet, liquid, torch.zeros_like(liquid))
    lit = torch.tensor([[[-2.0, -1, 0], [-1, 1, 1], [0, 1, 2]]], dtype=torch.float64)
    light = blurred(filtered(drops, lit).clamp(min=0), 0.8) * wet
    most = light.amax(dim=(1, 2, 3), keepdim=True)
    return x + strength * light / most.clamp(min=1e-12) * _tinted(WATER, x.shape[1])


def _grey(x: torch.Tensor) -> torch.Tensor:
    """N 1 H W: how bright it is."""
    return x if x.shape[1] == 1 else (x * torch.tensor(LUMA, dtype=x.dtype)[:, None, None]).sum(1, keepdim=True)


def _tinted(colour: tuple[float, float, float], channels: int) -> torch.Tensor:
    """C 1 1: the colour, or how bright it is."""
    shares = torch.tensor(colour, dtype=torch.float64)
    grey = (shares * torch.tensor(LUMA, dtype=torch.float64)).sum()[None]
    return (shares if channels == 3 else grey)[:, None, None]
