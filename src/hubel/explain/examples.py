"""Explaining by examples: typical and untypical samples of a class, and the patches that alone keep a decision.

    prototypes  samples that together stand for their class; criticisms: those they represent worst
                B. Kim, R. Khanna, O. Koyejo, Examples are not Enough, Learn to Criticize!, NeurIPS 2016 (MMD-critic)
    anchor      a small set of patches that keeps the decision whatever the rest of the image shows
                M. Ribeiro, S. Singh, C. Guestrin, Anchors, AAAI 2018 (here grown greedily, checked on other images)

Letters: N samples, F features, m prototypes, c criticisms, R Q rows and columns of patches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hubel.errors import DataError, UsageError
from hubel.explain.fast import Fast
from hubel.explain.gradients import digest
from hubel.explain.scores import Target, checked_images, chosen, logits_of
from hubel.runtime import generator


@dataclass(frozen=True)
class Prototypes:
    """Rows of the samples, in the order in which they were chosen."""

    prototypes: np.ndarray
    criticisms: np.ndarray
    discrepancy: float
    """Squared maximum mean discrepancy between prototypes and samples; 0 if they are alike."""


def prototypes(samples: np.ndarray, *, count: int = 5, criticisms: int = 3) -> Prototypes:
    """Choose prototypes of samples N F so that the maximum mean discrepancy falls fastest, then the worst represented.

    The kernel is exp(-d^2 / median d^2).

    >>> found = prototypes(np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0], [30.0]]), count=2, criticisms=1)
    >>> found.prototypes, found.criticisms
    (array([3, 0]), array([6]))
    """
    if len(samples) < 1 or count < 1 or criticisms < 0:
        raise DataError(f"prototypes need samples and a count of at least 1, got {len(samples)} samples, count {count}")
    flat = samples.reshape(len(samples), -1).astype(np.float64)
    squares = (flat**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares - 2 * flat @ flat.T, 0)
    off = distances[np.triu_indices(len(flat), 1)]
    kernel = np.exp(-distances / max(float(np.median(off)) if len(off) else 1.0, 1e-12))
    mean = kernel.mean(axis=1)
    picked: list[int] = []
    inside = np.zeros(len(flat))  # sum of the kernel to those picked
    for step in range(1, min(count, len(flat)) + 1):
        # What the criterion 2/m sum(mean) - 1/m^2 sum(kernel) becomes with each candidate.
        gain = (
            2 / step * (mean[picked].sum() + mean) - (kernel[np.ix_(picked, picked)].sum() + 2 * inside + 1) / step**2
        )
        gain[picked] = -np.inf
        picked.append(int(gain.argmax()))
        inside += kernel[picked[-1]]
    witness = np.abs(mean - inside / len(picked))
    rest = [index for index in np.argsort(-witness, kind="stable").tolist() if index not in picked]
    discrepancy = kernel.mean() - 2 * mean[picked].mean() + kernel[np.ix_(picked, picked)].mean()
    return Prototypes(np.array(picked), np.array(rest[:criticisms], dtype=np.int64), float(max(discrepancy, 0)))


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
            f"an anchor needs at least two backgrounds of shape {tuple(images.shape[1:])}, got {tuple(others.shape)}"
        )
    if not 1 <= cells <= min(images.shape[2:]) or not 0 < precision <= 1:
        raise UsageError(
            f"cells must be 1 to {min(images.shape[2:])} and precision in (0, 1], got {cells}, {precision}"
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
