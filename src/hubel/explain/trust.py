"""How far can a map be trusted? Measured on the net itself, and said in a sentence.

    deletion     remove the pixels in the order of the map, most important first: the probability should fall at once
    insertion    add them to a blurred image in that order: it should rise at once      Petsiuk et al., BMVC 2018,
                 both as area under the curve, beside the same for random orders        arXiv 1806.07421, section 4.1
    randomised   the map of the same net with fresh random weights should be another    Adebayo et al., NeurIPS 2018,
                 map: absolute rank correlation of the two                              arXiv 1810.03292, section 3
    sensitivity  how much the map changes (relative) when the image changes a little    Yeh et al., NeurIPS 2019,
                                                                                        arXiv 1901.09392, definition 2
    pointing     does the maximum lie inside the object's box?                          Zhang et al., ECCV 2016

Letters: C channels, H W height and width, n steps.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import nn
from torch.nn import functional as F

from hubel.errors import UsageError
from hubel.explain.explainers import attribute
from hubel.explain.fast import Fast
from hubel.explain.gradients import digest
from hubel.explain.scores import checked_images, chosen, logits_of
from hubel.runtime import generator, seeded

Box = tuple[int, int, int, int]
"""(top, left, bottom, right), the last two not included."""


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What was measured of one map."""

    method: str
    deletion: float
    """Area under the deletion curve, in [0, 1]; low is good."""
    insertion: float
    """Area under the insertion curve; high is good."""
    deletion_random: float
    """The same for pixels in random order: what a map that knows nothing reaches."""
    insertion_random: float
    randomised: float
    """Absolute rank correlation with the map of a net with random weights; near 1 is bad."""
    sensitivity: float
    """Relative change of the map under small noise; low is good."""
    pointing: bool | None
    """Is the maximum in the box? None without a box."""
    deletion_curve: np.ndarray
    """n + 1 probabilities, from the whole image to none of it."""
    insertion_curve: np.ndarray

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        doubts = []
        if self.randomised > 0.7:
            doubts.append("it hardly depends on what the net has learned")
        if self.insertion - self.deletion <= self.insertion_random - self.deletion_random:
            doubts.append("its order of pixels is no better than a random one")
        if self.sensitivity > 1:
            doubts.append("it changes more than the image does")
        if self.pointing is False:
            doubts.append("its maximum lies outside the object")
        if doubts:
            return f"Do not rely on this map: {', and '.join(doubts)}."
        return "This map passes its checks: it finds pixels that carry the score, and it depends on the weights."


def trust(
    model: nn.Module,
    image: torch.Tensor,
    map_: np.ndarray,
    *,
    method: str,
    target: int | None = None,
    box: Box | None = None,
    steps: int = 28,
    seed: int = 0,
    **settings: Any,
) -> Trust:
    """Measure one map H W of one image C H W; `method` and `settings` are needed to make the comparison maps."""
    batch = checked_images(model, image)
    picked = int(chosen(logits_of(model, batch), target)[0])
    fast = Fast(model)
    deleted, inserted = curves(model, batch[0], map_, picked, steps=steps, fast=fast)
    noise = np.random.default_rng(seed)
    chance = [curves(model, batch[0], noise.random(map_.shape), picked, steps=steps, fast=fast) for _ in range(4)]
    again = attribute(randomised(model, seed), batch, method=method, target=picked, **settings).map
    return Trust(
        method=method,
        deletion=float(deleted.mean()),
        insertion=float(inserted.mean()),
        deletion_random=float(np.mean([curve.mean() for curve, _ in chance])),
        insertion_random=float(np.mean([curve.mean() for _, curve in chance])),
        randomised=abs(rank_correlation(map_, again)),
        sensitivity=sensitivity(model, batch[0], map_, method=method, target=picked, seed=seed, **settings),
        pointing=None if box is None else points_into(map_, box),
        deletion_curve=deleted,
        insertion_curve=inserted,
    )


def curves(
    model: nn.Module, image: torch.Tensor, map_: np.ndarray, target: int, *, steps: int = 28, fast: Fast | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(deletion, insertion): the probability of the target with 0, 1/n, ..., all of the pixels replaced, n + 1 each.

    Deletion replaces pixels by the mean colour (0 of a normalised image), insertion begins with a blurred image.
    """
    if steps < 1 or map_.shape != tuple(image.shape[1:]):
        raise UsageError(
            f"a map of {tuple(image.shape[1:])} and steps of at least 1 are needed, got {map_.shape}, {steps}"
        )
    order = np.argsort(-map_, axis=None, kind="stable")
    rank = np.empty(order.size)
    rank[order] = np.arange(order.size)
    rank_HW = torch.from_numpy(rank.reshape(map_.shape)).to(image.device)
    counts = torch.linspace(0, order.size, steps + 1, dtype=torch.float64, device=image.device)
    done = (rank_HW < counts[:, None, None])[:, None]  # n+1 1 H W
    fast = fast or Fast(model)
    results = []
    for before, after in ((image, torch.zeros_like(image)), (blurred(image), image)):
        logits = torch.cat([fast(torch.where(part, after, before)) for part in done.split(32)])
        results.append(logits.softmax(dim=1)[:, target].double().cpu().numpy())
    return results[0], results[1]


def blurred(image: torch.Tensor) -> torch.Tensor:
    """C H W under a Gaussian of a twentieth of the shorter side."""
    sigma = max(min(image.shape[1:]) / 20, 1.0)
    reach = int(3 * sigma)
    line = torch.exp(-torch.arange(-reach, reach + 1, device=image.device, dtype=image.dtype).square() / (2 * sigma**2))
    line = line / line.sum()
    x = image[:, None]
    height, width = image.shape[1:]
    down, right = min(reach, height - 1), min(reach, width - 1)
    line_h, line_w = (line[reach - r : reach + r + 1] for r in (down, right))
    x = F.conv2d(F.pad(x, (0, 0, down, down), mode="reflect"), (line_h / line_h.sum())[None, None, :, None])
    x = F.conv2d(F.pad(x, (right, right, 0, 0), mode="reflect"), (line_w / line_w.sum())[None, None, None, :])
    return x[:, 0]


def randomised(model: nn.Module, seed: int) -> nn.Module:
    """A copy with fresh weights in every module that knows how to draw them; the model itself is not touched."""
    twin = copy.deepcopy(model)
    with seeded(seed):
        for module in twin.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset) and next(module.parameters(recurse=False), None) is not None:
                reset()
    return twin


def sensitivity(
    model: nn.Module,
    image: torch.Tensor,
    map_: np.ndarray,
    *,
    method: str,
    target: int,
    noise: float = 0.02,
    samples: int = 3,
    seed: int = 0,
    **settings: Any,
) -> float:
    """The largest relative change (in the Euclidean norm) of the map over a few slightly noisy copies of the image."""
    source = generator(seed, digest(image))
    size = noise * float(image.max() - image.min())
    worst = 0.0
    for _ in range(samples):
        shaken = image + size * (2 * torch.rand(image.shape, generator=source).to(image) - 1)
        other = attribute(model, shaken[None], method=method, target=target, **settings).map
        length = max(float(np.linalg.norm(map_)), 1e-12)
        worst = max(worst, float(np.linalg.norm(other - map_)) / length)
    return worst


def points_into(map_: np.ndarray, box: Box) -> bool:
    """The pointing game: is the maximum of the map in the box?

    >>> points_into(np.eye(3) * np.array([1, 2, 3]), (2, 2, 3, 3))
    True
    """
    row, column = np.unravel_index(int(np.argmax(map_)), map_.shape)
    top, left, bottom, right = box
    return bool(top <= row < bottom and left <= column < right)


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's correlation of two maps; 0 where one of them is constant.

    >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 9.0]))
    1.0
    """
    ranks = [rankdata(part, axis=None) for part in (a, b)]
    centred = [part - part.mean() for part in ranks]
    below = np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    return float((centred[0] * centred[1]).sum() / below) if below else 0.0
