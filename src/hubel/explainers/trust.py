"""How far can a map be trusted? Measured on the net itself, against maps that know nothing, and said in a sentence.

    deletion     remove the pixels in the order of the map, most important first: the probability should fall at once
    insertion    add them to a blurred image in that order: it should rise at once      Petsiuk et al., BMVC 2018,
                 both as area under the curve                                           arXiv 1806.07421, section 4.1
    randomised   the map of the same net with fresh random weights should be another    Adebayo et al., NeurIPS 2018,
                 map: absolute rank correlation of the two                              arXiv 1810.03292, section 3
    sensitivity  how much the map changes (relative) when the image changes a little    Yeh et al., NeurIPS 2019,
                                                                                        arXiv 1901.09392, definition 2
    pointing     does the maximum lie inside the object's box?                          Zhang et al., ECCV 2016

None of these numbers means much by itself: a net that reacts to everything has steep curves for any order, and coarse
maps are always alike. So each is held against what it would be for nothing (`Chance`): random maps from coarse to fine,
and the bare edges of the picture, measured on the same image with the same net. How often methods and such empty maps
then pass is counted in `docs/explain_planted.md`.

Letters: C channels, H W height and width, n steps, R random maps.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import nn
from torch.nn import functional as F

from hubel.anatomy.graph import record
from hubel.errors import UsageError
from hubel.explainers.fast.forward import Fast
from hubel.explainers.methods import attribute
from hubel.nn.scores import checked_images, chosen, digest, logits_of, probabilities_of
from hubel.runtime import generator, seeded
from hubel.views import Viewed
from hubel.words import short

Box = tuple[int, int, int, int]
"""(top, left, bottom, right), the last two not included."""
Maker = Callable[[nn.Module, torch.Tensor], np.ndarray]
"""(a net, an image C H W) -> the map H W that is to be judged, made for that net and image."""
Ends = tuple[float, float, float]
"""The probability of the target on the whole image, on none of it, and on the blurred one."""
RANDOM = 19
"""Random maps: to beat them all has a chance of one in twenty for a map that knows nothing."""
GRIDS = (4, 7, 14, 0)
"""Cells a side of the random maps, from as coarse as the last layer of a net to single pixels (0)."""


@dataclass(frozen=True, kw_only=True)
class Pains:
    """How much is done to measure how far a map can be trusted."""

    steps: int
    """Of a deletion or insertion curve."""
    copies: int
    """Noisy copies of the picture that a map is made of again."""


THOROUGH = Pains(steps=28, copies=3)
BRIEF = Pains(steps=7, copies=1)
"""Of large nets: a quarter of the curves' points (the same ones), and one noisy copy."""
LARGE_NET = 100_000_000
"""Multiply-accumulates a picture from which a net is large here: thorough checks take it minutes on a processor."""


def pains_for(model: nn.Module, image: torch.Tensor) -> tuple[Pains, str]:
    """What maps of one image C H W are checked with, and in words what a large net is spared; "" of others.

    >>> net = nn.Sequential(nn.Conv2d(3, 64, 7, padding=3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2))
    >>> [pains_for(net, torch.zeros(3, side, side))[0].steps for side in (32, 224)]
    [28, 7]
    """
    try:
        macs = record(model, tuple(image.shape)).macs
    except UsageError:  # a net that no shape can be followed through has no count
        return THOROUGH, ""
    if macs < LARGE_NET:
        return THOROUGH, ""
    return BRIEF, (
        f"a picture takes this net {short(macs)} multiply-accumulates: maps are checked in {BRIEF.steps} steps and on "
        f"one noisy copy, not in {THOROUGH.steps} and on {THOROUGH.copies} (--thorough)"
    )


@dataclass(frozen=True, kw_only=True)
class Chance:
    """What maps that know nothing of the net reach on one image. Serves all maps of that image."""

    target: int
    steps: int
    maps: np.ndarray
    """R H W random maps."""
    deletion: np.ndarray
    """R areas under the deletion curve."""
    insertion: np.ndarray
    edges: float
    """Insertion minus deletion of the picture's edges."""
    ends: Ends
    """Where all curves of the image begin and end."""

    @property
    def scores(self) -> np.ndarray:
        """R: insertion minus deletion; high is good."""
        return np.asarray(self.insertion - self.deletion)


@dataclass(frozen=True, kw_only=True)
class Trust(Viewed):
    """What was measured of one map."""

    method: str
    deletion: float
    """Area under the deletion curve, in [0, 1]; low is good."""
    insertion: float
    """Area under the insertion curve; high is good."""
    deletion_random: float
    """The same for random maps, their mean."""
    insertion_random: float
    beaten: int
    """How many random maps have a smaller insertion minus deletion."""
    randoms: int
    """How many random maps there were."""
    edges: float
    """Insertion minus deletion of the bare edges of the picture."""
    randomised: float
    """Absolute rank correlation with the map of a net with random weights."""
    repeated: float
    """Rank correlation with the map of a slightly noisy copy of the image, the worst of three: how alike equals are."""
    by_chance: float
    """Absolute rank correlation with random maps, the largest: how alike strangers are."""
    sensitivity: float
    """Relative change of the map under that noise; low is good."""
    pointing: bool | None
    """Is the maximum in the box? None without a box."""
    blank: bool
    """Is the map the same everywhere?"""
    deletion_curve: np.ndarray
    """n + 1 probabilities, from the whole image to none of it."""
    insertion_curve: np.ndarray

    @property
    def doubts(self) -> tuple[str, ...]:
        """What speaks against the map, in words; empty when it passes."""
        if self.blank:
            return ("it is the same everywhere",)
        found = []
        if self.beaten < self.randoms - 1:
            found.append(f"its order of pixels beats only {self.beaten} of {self.randoms} random maps")
        if self.repeated <= self.by_chance:
            found.append("noise that nobody sees makes another map of it")
        elif self.randomised > (self.by_chance + self.repeated) / 2:
            found.append("with random weights it would look much the same")
        if self.pointing is False:
            found.append("its maximum lies outside the object")
        return tuple(found)

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if self.doubts:
            return f"Do not rely on this map: {', and '.join(self.doubts)}."
        edges = "" if self.insertion - self.deletion > self.edges else "; but the bare edges of the picture do as well"
        return (
            f"This map passes its checks: its order of pixels beats {self.beaten} of {self.randoms} random maps, and "
            f"with random weights it would be another{edges}."
        )


def trust(
    model: nn.Module,
    image: torch.Tensor,
    map_: np.ndarray,
    *,
    method: str,
    target: int | None = None,
    box: Box | None = None,
    steps: int = THOROUGH.steps,
    copies: int = THOROUGH.copies,
    seed: int = 0,
    chance: Chance | None = None,
    make: Maker | None = None,
    several: bool = False,
    **settings: Any,
) -> Trust:
    """Measure one map H W of one image C H W.

    `method` and `settings` are needed to make the comparison maps; for a map that is not of `EXPLAINERS`, `make` makes
    them and `method` is only its name. They are made of so many noisy `copies` of the image. `chance` is what
    `by_chance` found for the same image, if it is at hand. `several`: the probability of a label is its own sigmoid.
    """
    batch = checked_images(model, image)
    picked = int(chosen(logits_of(model, batch), target)[0])
    if chance is None:
        chance = by_chance(model, batch[0], target=picked, steps=steps, seed=seed, several=several)
    elif chance.target != picked or chance.steps != steps:
        raise UsageError(
            f"chance was measured for class {chance.target} in {chance.steps} steps, not for {picked} in {steps}",
            hint="leave chance out, and it is measured",
        )
    deleted, inserted = curves(model, batch[0], map_, picked, steps=steps, ends=chance.ends, several=several)
    score = float(inserted.mean() - deleted.mean())

    def by_method(net: nn.Module, picture: torch.Tensor) -> np.ndarray:
        return attribute(net, picture[None], method=method, target=picked, several=several, **settings).map

    make = make or by_method
    shaken = [make(model, noisy) for noisy in noisy_copies(batch[0], samples=copies, seed=seed)]
    return Trust(
        method=method,
        deletion=float(deleted.mean()),
        insertion=float(inserted.mean()),
        deletion_random=float(chance.deletion.mean()),
        insertion_random=float(chance.insertion.mean()),
        beaten=int((chance.scores < score - 1e-9).sum()),
        randoms=len(chance.maps),
        edges=chance.edges,
        randomised=abs(rank_correlation(map_, make(randomised(model, seed), batch[0]))),
        repeated=min(rank_correlation(map_, other) for other in shaken),
        by_chance=max(abs(rank_correlation(map_, other)) for other in chance.maps),
        sensitivity=max(_change(map_, other) for other in shaken),
        pointing=None if box is None else points_into(map_, box),
        blank=bool(np.ptp(map_) == 0),
        deletion_curve=deleted,
        insertion_curve=inserted,
    )


def passes(method_passes: int, pains: Pains = THOROUGH) -> tuple[int, int]:
    """About how many passes of the net `by_chance` takes for a picture, and `trust` for a map of it.

    >>> passes(3), passes(3, BRIEF)
    ((1083, 66), (243, 18))
    """
    both = 2 * (pains.steps - 1)
    return 3 + both * (RANDOM + 1), both + (pains.copies + 1) * method_passes  # one with random weights


def by_chance(
    model: nn.Module,
    image: torch.Tensor,
    *,
    target: int | None = None,
    count: int = RANDOM,
    steps: int = THOROUGH.steps,
    seed: int = 0,
    several: bool = False,
) -> Chance:
    """What random maps and the edges of one image C H W reach; measured once for all maps of that image and target."""
    batch = checked_images(model, image)
    picked = int(chosen(logits_of(model, batch), target)[0])
    height, width = batch.shape[2:]
    fast = Fast(model)
    source = generator(seed, digest(batch[0]))
    maps = np.stack([random_map(height, width, GRIDS[row % len(GRIDS)], source) for row in range(count)])
    ends = _ends(fast, batch[0], picked, several)
    orders = (*maps, edges(batch[0]))
    same: dict[str, Any] = {"steps": steps, "fast": fast, "ends": ends, "several": several}
    both = [curves(model, batch[0], order, picked, **same) for order in orders]
    deletion, insertion = (np.array([pair[part].mean() for pair in both]) for part in (0, 1))
    return Chance(
        target=picked, steps=steps, maps=maps, deletion=deletion[:-1], insertion=insertion[:-1],
        edges=float(insertion[-1] - deletion[-1]), ends=ends,
    )  # fmt: skip


def random_map(height: int, width: int, cells: int, source: torch.Generator) -> np.ndarray:
    """H W: random cells, `cells` a side, enlarged smoothly; single pixels where that is 0 or the image is smaller."""
    tall, broad = (min(cells or length, length) for length in (height, width))
    coarse = torch.rand(1, 1, tall, broad, generator=source)
    return F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)[0, 0].numpy()


def edges(image: torch.Tensor) -> np.ndarray:
    """H W: how steep the picture C H W is at each pixel, slightly blurred: a map that knows the picture but no net."""
    down, right = torch.gradient(image.detach().float(), dim=(1, 2))
    return blurred((down.square() + right.square()).sum(dim=0, keepdim=True).sqrt())[0].cpu().numpy()


def noisy_copies(image: torch.Tensor, *, noise: float = 0.02, samples: int = 3, seed: int = 0) -> list[torch.Tensor]:
    """The image C H W with even noise of up to `noise` times its range, some times."""
    source = generator(seed, digest(image))
    size = noise * float(image.max() - image.min())
    return [image + size * (2 * torch.rand(image.shape, generator=source).to(image) - 1) for _ in range(samples)]


def curves(
    model: nn.Module,
    image: torch.Tensor,
    map_: np.ndarray,
    target: int,
    *,
    steps: int = THOROUGH.steps,
    fast: Fast | None = None,
    ends: Ends | None = None,
    several: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """(deletion, insertion): the probability of the target with 0, 1/n, ..., all of the pixels replaced, n + 1 each.

    Deletion replaces pixels by the mean colour (0 of a normalised image), insertion begins with a blurred image. Where
    they begin and end is the same for all maps of an image, and is not asked again where `ends` are given.
    """
    if steps < 1 or map_.shape != tuple(image.shape[1:]):
        raise UsageError(
            f"a map of {tuple(image.shape[1:])} and steps of at least 1 are needed, got {map_.shape}, {steps}",
            hint="a map has a value for each pixel, as attribute(…).maps[0] has",
        )
    order = np.argsort(-map_, axis=None, kind="stable")
    rank = np.empty(order.size)
    rank[order] = np.arange(order.size)
    rank_HW = torch.from_numpy(rank.reshape(map_.shape)).to(image.device)
    counts = torch.linspace(0, order.size, steps + 1, dtype=torch.float64, device=image.device)[1:-1]
    done = (rank_HW < counts[:, None, None])[:, None]  # n-1 1 H W
    fast = fast or Fast(model)
    whole, none, soft = ends or _ends(fast, image, target, several)
    results = []
    for (first, before), (last, after) in (
        ((whole, image), (none, torch.zeros_like(image))),
        ((soft, blurred(image)), (whole, image)),
    ):
        between = [_shares(fast, torch.where(part, after, before), target, several) for part in done.split(32)]
        results.append(np.concatenate([[first], *between, [last]]))
    return results[0], results[1]


def _ends(fast: Fast, image: torch.Tensor, target: int, several: bool) -> Ends:
    three = torch.stack([image, torch.zeros_like(image), blurred(image)])
    whole, none, soft = _shares(fast, three, target, several).tolist()
    return whole, none, soft


def _shares(fast: Fast, images: torch.Tensor, target: int, several: bool) -> np.ndarray:
    """B: the probability of the target."""
    if not len(images):
        return np.empty(0)
    return np.asarray(probabilities_of(fast(images), several=several)[:, target].double().cpu().numpy())


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
    return max(
        _change(map_, attribute(model, copied[None], method=method, target=target, **settings).map)
        for copied in noisy_copies(image, noise=noise, samples=samples, seed=seed)
    )


def _change(map_: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(other - map_)) / max(float(np.linalg.norm(map_)), 1e-12)


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
