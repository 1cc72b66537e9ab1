"""The patches that alone keep a decision, whatever the rest of the picture shows.

M. Ribeiro, S. Singh, C. Guestrin, Anchors, AAAI 2018 (here grown greedily, checked on other images).

Letters: N samples, C channels, H W height and width, R Q rows and columns of patches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hubel.errors import UsageError
from hubel.explainers.fast.forward import Fast
from hubel.nn.scores import Target, checked_images, chosen, digest, logits_of
from hubel.runtime import generator
from hubel.views import Viewed


@dataclass(frozen=True)
class Anchor:
    """Patches that keep the decision."""

    target: int
    mask: np.ndarray
    """H W, True on the patches of the anchor."""
    precision: float
    """The share of backgrounds under which the decision stays."""
    coverage: float
    """The share of the image that the anchor takes."""


def anchor(
    model: nn.Module,
    image: torch.Tensor,
    backgrounds: torch.Tensor,
    *,
    target: Target = None,
    cells: int = 7,
    precision: float = 0.95,
    seed: int = 0,
) -> Anchor:
    """Grow a set of patches of one image C H W until it keeps the decision on `precision` of the backgrounds N C H W.

    Patches are added greedily: each time the one that raises the mean probability of the target most. The precision is
    measured on the half of the backgrounds that did not choose.
    """
    images = checked_images(model, image)
    others = checked_images(model, backgrounds)
    if others.shape[1:] != images.shape[1:] or len(others) < 2:
        raise UsageError(
            f"an anchor needs at least two backgrounds of shape {tuple(images.shape[1:])}, got {tuple(others.shape)}",
            hint="other pictures of the run's data do, prepared as the image was",
        )
    if not 1 <= cells <= min(images.shape[2:]) or not 0 < precision <= 1:
        raise UsageError(
            f"cells must be 1 to {min(images.shape[2:])} and precision in (0, 1], got {cells}, {precision}",
            hint="cells=7 and precision=0.95 are usual",
        )
    picked = int(chosen(logits_of(model, images), target)[0])
    order = torch.randperm(len(others), generator=generator(seed, digest(images[0])))
    choosing, checking = others[order[::2]][:16], others[order[1::2]][:64]
    fast = Fast(model)
    height, width = images.shape[2:]
    cell_HW = (torch.arange(height)[:, None] * cells // height * cells + torch.arange(width) * cells // width).to(
        images.device
    )
    taken: list[int] = []
    share = 0.0
    for _ in range(cells * cells):
        best = (-1.0, -1)
        for cell in range(cells * cells):
            if cell not in taken:
                mask = torch.isin(cell_HW, torch.tensor([*taken, cell], device=images.device))
                mixed = torch.where(mask, images, choosing)
                best = max(best, (float(fast(mixed).softmax(dim=1)[:, picked].mean()), cell))
        taken.append(best[1])
        mask = torch.isin(cell_HW, torch.tensor(taken, device=images.device))
        share = float((fast(torch.where(mask, images, checking)).argmax(dim=1) == picked).float().mean())
        if share >= precision:
            break
    return Anchor(picked, mask.cpu().numpy(), share, len(taken) / cells**2)


@dataclass(frozen=True, kw_only=True)
class KeptPatches(Viewed):
    """The patches of a picture that keep its class."""

    anchor: Anchor
    pixels: np.ndarray
    """C H W uint8: the picture."""
    label: str
    """The class that is kept."""

    @property
    def sentence(self) -> str:
        """The result in words."""
        return (
            f"{self.anchor.coverage:.0%} of the picture keep the decision {self.label} in {self.anchor.precision:.0%} "
            "of the cases in which the rest is another picture."
        )
