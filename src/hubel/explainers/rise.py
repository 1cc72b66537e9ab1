"""RISE: random masks, weighed by the score of what they leave visible. No gradients, no access to the inside.

V. Petsiuk, A. Das, K. Saenko, RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018,
arXiv 1806.07421, equation 6 and section 3.2 (masks: coarse random cells, shifted and enlarged smoothly).

Letters: B batch, C channels, H W height and width, N masks, s cells a side.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from hubel.errors import UsageError
from hubel.explainers.attribution import Raw
from hubel.explainers.fast.forward import Fast
from hubel.nn.scores import digest, probabilities_of
from hubel.runtime import generator


def rise(
    model: nn.Module,
    images: torch.Tensor,
    targets: torch.Tensor,
    *,
    masks: int = 1000,
    cells: int = 7,
    keep: float = 0.5,
    seed: int = 0,
    batch_size: int = 32,
    several: bool = False,
) -> Raw:
    """The mean probability of the target over `masks` masks that show a pixel, minus the mean over all masks.

    A cell is visible with probability `keep`. The masks of an image depend on the seed and on its content only.
    `several`: the probability of a label is the sigmoid of its logit.
    """
    if masks < 1 or cells < 1 or not 0 < keep < 1:
        raise UsageError(
            f"rise needs masks >= 1, cells >= 1 and 0 < keep < 1, got {masks}, {cells} and {keep}",
            hint="masks=1000, cells=7 and keep=0.5 are usual",
        )
    fast = Fast(model)
    maps = []
    for image, target in zip(images, targets.tolist(), strict=True):
        source = generator(seed, digest(image))
        weighed, shown = torch.zeros(2, *image.shape[1:], dtype=torch.float64, device=image.device)
        total = 0.0
        for first in range(0, masks, batch_size):
            mask = draw(min(batch_size, masks - first), cells, keep, image.shape[1:], source).to(image)
            score = probabilities_of(fast(image * mask), several=several)[:, target].double()
            weighed += (score[:, None, None] * mask[:, 0]).sum(dim=0)
            shown += mask[:, 0].sum(dim=0)
            total += float(score.sum())
        maps.append(weighed / shown.clamp_min(1e-9) - total / masks)
    return Raw(maps=torch.stack(maps).float(), details={"passes": float(masks)})


def draw(count: int, cells: int, keep: float, size: torch.Size, source: torch.Generator) -> torch.Tensor:
    """N 1 H W masks in [0, 1]: a grid of random cells, one cell larger than the image, cut at a random offset."""
    height, width = size
    tall, broad = -(-height // cells), -(-width // cells)
    coarse = (torch.rand(count, 1, cells + 1, cells + 1, generator=source) < keep).float()
    fine = F.interpolate(coarse, ((cells + 1) * tall, (cells + 1) * broad), mode="bilinear", align_corners=False)
    down = torch.randint(tall, (count,), generator=source).tolist()
    right = torch.randint(broad, (count,), generator=source).tolist()
    return torch.stack([m[:, y : y + height, x : x + width] for m, y, x in zip(fine, down, right, strict=True)])
