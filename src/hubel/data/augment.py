"""Augmentation of whole batches, whose parameters are functions of (seed, epoch, sample id).

A recipe says "flip,translate=2,rotate=15,erase=8"; `build_augment` checks it and makes one function for the batch. The
same sample in the same epoch is always changed in the same way: on a CPU or a GPU, in any batch, before or after a
resume. Neighbouring moves become one gather that keeps uint8, neighbouring warps one interpolation; everything else
works on [0, 1], but that a resized crop of bytes on a CPU stays bytes where nothing else computes. Mix-up and cut-mix
blend each sample with its neighbour in the batch, and the labels with them.

Choose only what may happen: a mirrored cat is a cat, a 6 upside down is a 9.

Letters: B batch, C channels, H W height and width, K classes, E epochs.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import betaincinv

from hubel.data import augment_levels as levels
from hubel.data import augment_ops as ops
from hubel.data.draws import Draws
from hubel.errors import UsageError
from hubel.registry import Component, Registry, check_options

__all__ = ["AUGMENTATIONS", "PRESETS", "Augment", "Augmentation", "build_augment", "preview"]

Kind = Literal["move", "warp", "effect", "patch", "mix"]


@dataclass(frozen=True, kw_only=True)
class Augmentation(Component[Callable[..., Any]]):
    """One way to vary an image; `build` is the function on a batch, its keywords are the options."""

    kind: Kind
    example: str
    """How it stands in a recipe."""


ONE_OF_MANY = ("trivial", "augmix")
"""Those that choose among others for each image, and so compute."""

FOLLOWED: dict[str, Callable[..., torch.Tensor]] = {
    "quarter-turns": ops.quarter_turns,
    "elastic": ops.elastic_nearest,
    "trivial": lambda maps, draws: _trivial_masks(maps, draws),
}
"""What masks do where neither a move nor a warp says where pixels come from, with the same draws and options."""

LARGE = 1 << 14
"""Bytes of an image from which on a flip by itself costs less than its share of a batch's (224 x 224: a sixth)."""

MOST_STEPS = 32
"""Augmentations in one chain: as many as there are kinds of them; each costs every batch its time."""

EXACT = 1 << 16
"""Pixels whose bytes add up in float32 without rounding, in any order: 65,536 times 255 is below 2²⁴."""

AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation", listing="hubel components augmentations")

PRESETS: dict[str, tuple[str, ...]] = {
    "none": (),
    "digits": ("affine=10:0.08:0.1:5",),
    "cifar": ("alternating-flip", "translate=2"),
    "photos": ("flip", "resized-crop=0.35", "colour=0.2"),
    "strong": ("flip", "resized-crop=0.25", "trivial", "random-erase=0.25:0.3"),
}
"""Chains that suit kinds of images; "none" is the empty one."""


def mirrors(chain: Sequence[str]) -> bool:
    """Does a chain of augmentations show mirror images, left to right?

    >>> mirrors(["alternating-flip", "translate=2"]), mirrors(["translate=2"])
    (True, False)
    """
    return any(word.partition("=")[0] in ("flip", "alternating-flip", "cifar") for word in chain)


@dataclass(frozen=True, slots=True)
class Step:
    """One augmentation with its options, at its place in the chain."""

    name: str
    kind: Kind
    place: int
    function: Callable[..., Any]


@dataclass(frozen=True)
class Augment:
    """A checked chain of augmentations. Call it with a batch; ask `mixes` whether labels are blended, and then `mix`.

    >>> augment = build_augment("flip,translate=2")
    >>> images, ids = torch.arange(48, dtype=torch.uint8).reshape(1, 3, 4, 4), torch.tensor([5])
    >>> changed = augment(images, ids, seed=0, epoch=1)
    >>> changed.dtype, bool((changed == augment(images, ids, seed=0, epoch=1)).all())
    (torch.uint8, True)
    """

    steps: tuple[Step, ...] = ()
    blend: Step | None = None
    spec: str = field(default="none", compare=True)

    def __call__(self, images: torch.Tensor, ids: torch.Tensor, *, seed: int, epoch: int) -> torch.Tensor:
        """Images (B C H W, uint8 or floating point in [0, 1]) varied; uint8 again if only moves and patches are in it.

        `ids` (B, int64) name the samples. Floating results are in [0, 1] and float32 unless `images` were otherwise.
        """
        if len(images) == 0:
            return images
        ids = ids.to(images.device)
        # what follows a resized crop may enlarge its rounding, so bytes stay bytes only where nothing else computes
        exact = ("move", "patch")
        in_bytes = all(
            step.name == "resized-crop" or (step.kind in exact and step.name not in ONE_OF_MANY) for step in self.steps
        )
        groups = [list(steps) for _, steps in itertools.groupby(self.steps, key=lambda step: step.kind)]
        mirrored = _mirrored_before_a_window(groups, images, ids, seed, epoch)
        if mirrored is not None:
            groups = groups[1:]
        copied = True  # nothing but copies of pixels so far, whose order in memory nobody can tell from the result
        for steps in groups:
            kind, window = steps[0].kind, _is_window(steps)
            if copied and not window and kind != "move" and not (in_bytes and images[0, 0].numel() <= EXACT):
                images = images.contiguous()  # sums are rounded in the order of memory: the same for every source
            copied = copied and kind == "move"
            images = images if in_bytes or kind != "warp" else as_float(images)
            images = _apply(kind, steps, images, ids, seed, epoch, mirrored)
            mirrored = None
        return images

    def masks(self, masks: torch.Tensor, ids: torch.Tensor, *, seed: int, epoch: int) -> torch.Tensor:
        """Masks (B H W, uint8) moved as the call moves their pictures, pixels taken and never blended.

        Where a picture shows nothing (a black rim) its mask is 255, which belongs to no class. Raises UsageError for
        what bends pictures without saying where to.

        >>> augment, ids = build_augment("flip"), torch.arange(4)
        >>> seen = torch.arange(48, dtype=torch.uint8).reshape(4, 1, 3, 4)
        >>> bool((augment.masks(seen[:, 0], ids, seed=0, epoch=1) == augment(seen, ids, seed=0, epoch=1)[:, 0]).all())
        True
        """
        check_moves_masks(self)
        ids, maps = ids.to(masks.device), masks[:, None]
        for kind, group in itertools.groupby(self.steps, key=lambda step: step.kind):
            steps = list(group)
            occasions = [(step.function, Draws(ids, seed, epoch, step.place)) for step in steps]
            if kind == "move":
                moves = [function(draws, *maps.shape[2:]) for function, draws in occasions]
                maps = _moved(maps + 1, moves) - 1  # black is class 0 here, and 255 after one was taken off again
            elif kind == "warp":
                first, *others = [function(draws, *maps.shape[2:]) for function, draws in occasions]
                for matrix in others:
                    first = first @ matrix
                maps = ops.warp_nearest(maps, first)
            else:
                for step, (function, draws) in zip(steps, occasions, strict=True):
                    if step.name in FOLLOWED:
                        assert isinstance(function, partial)
                        maps = FOLLOWED[step.name](maps, draws, **function.keywords)
        return maps[:, 0]

    @property
    def mixes(self) -> bool:
        """Does `mix` blend images and labels?"""
        return self.blend is not None

    def mix(
        self, images: torch.Tensor, labels: torch.Tensor, num_classes: int, ids: torch.Tensor, *, seed: int, epoch: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (B C H W) blended with their neighbours in the batch, and soft labels (B K, rows sum to 1).

        Labels that are rows of numbers already (B L) are blended as they are.

        The neighbour is the next sample in the batch, whose order is itself a function of seed and epoch; how much of
        it comes in depends on the sample's own id. Without mix-up or cut-mix images stay and labels become one-hot.
        """
        targets = labels if labels.is_floating_point() else F.one_hot(labels, num_classes).float()
        if self.blend is None:
            return images, targets
        draws = Draws(ids.to(images.device), seed, epoch, self.blend.place)
        mixed, share = self.blend.function(as_float(images), draws)  # share: B, what remains of the sample itself
        return mixed, torch.lerp(targets.roll(-1, 0), targets, share[:, None].to(targets))


def check_moves_masks(augment: Augment) -> None:
    """Raise UsageError where a chain blends pictures, or copies that were moved apart: no mask belongs to what is seen
    then.
    """
    if augment.blend is not None:
        raise UsageError(
            f"{augment.blend.name!r} blends two pictures, and a mask is that of one",
            hint=f"leave {augment.blend.name} out: moves take masks along, and effects leave them as they are",
        )
    if any(step.name == "augmix" and _said(step).get("moves", 1) for step in augment.steps):
        raise UsageError(
            "augmix blends copies of a picture that were moved apart, and no mask belongs to what is seen then",
            hint="augmix=3:3:0 leaves pictures where they are; trivial moves pictures and masks together",
        )


def _said(step: Step) -> dict[str, Any]:
    """The options that a step was given."""
    assert isinstance(step.function, partial)
    return step.function.keywords


def as_float(images: torch.Tensor) -> torch.Tensor:
    """uint8 0 … 255 as float32 0 … 1; floating point as it is."""
    return images if images.is_floating_point() else images.float() / 255


def _is_window(steps: list[Step]) -> bool:
    return [step.name for step in steps] == ["resized-crop"]


def _mirrored_before_a_window(
    groups: list[list[Step]], images: torch.Tensor, ids: torch.Tensor, seed: int, epoch: int
) -> torch.Tensor | None:
    """B, bool: which images a flip mirrors, where what comes next is a window, which can do that as well; else None."""
    if len(groups) < 2 or [step.kind for step in groups[0]] != ["move"] or not _is_window(groups[1]):
        return None
    (flip,) = groups[0]
    return _mirrored_only(images, [flip.function(Draws(ids, seed, epoch, flip.place), *images.shape[2:])])


def _apply(
    kind: Kind, steps: list[Step], images: torch.Tensor, ids: torch.Tensor, seed: int, epoch: int,
    mirrored: torch.Tensor | None = None,
) -> torch.Tensor:  # fmt: skip
    height, width = images.shape[2:]
    occasions = [(step.function, Draws(ids, seed, epoch, step.place)) for step in steps]
    if kind == "move":
        return _moved(images, [function(draws, height, width) for function, draws in occasions])
    if kind == "warp":
        # the last warp of the chain is the first to be asked where its pixels come from
        first, *others = [function(draws, height, width) for function, draws in occasions]
        if _is_window(steps):
            return ops.windows(images, first, mirrored)
        for matrix in others:
            first = first @ matrix
        return ops.warp(as_float(images), first)
    for function, draws in occasions:
        images = function(as_float(images), draws).clamp(0, 1) if kind == "effect" else function(images, draws)
    return images


def _bytes_here(images: torch.Tensor) -> bool:
    return images.dtype == torch.uint8 and images.device.type == "cpu"


def _mirrored_only(images: torch.Tensor, moves: list[ops.Move]) -> torch.Tensor | None:
    """B, bool: which images a single left-right flip mirrors; None when it is any other move."""
    if len(moves) != 1 or moves[0].inside is not None or not _bytes_here(images):
        return None
    rows, cols = moves[0].rows, moves[0].cols
    height, width = images.shape[2:]
    mirrored = cols[:, 0] != 0
    along = torch.arange(width)
    there = torch.where(mirrored[:, None], width - 1 - along, along)
    return mirrored if torch.equal(cols, there) and (rows == torch.arange(height)).all() else None


def _moved(images: torch.Tensor, moves: list[ops.Move]) -> torch.Tensor:
    """All moves as one gather: 128 images of 3×32×32 in a fifth of a millisecond."""
    mirrored = _mirrored_only(images, moves)
    if mirrored is not None:  # whole images at once, which for photographs is many times as fast as pixel by pixel
        if images[0].numel() < LARGE:
            moved = images.clone()
            moved[mirrored] = images[mirrored].flip(3)
            return moved
        moved = torch.empty_like(images)
        for index, turned in enumerate(mirrored.tolist()):
            moved[index] = images[index].flip(2) if turned else images[index]
        return moved
    rows, cols, inside = moves[0].rows, moves[0].cols, moves[0].inside
    for move in moves[1:]:
        if inside is not None:
            taken = inside.gather(1, move.rows[:, :, None].expand(-1, -1, inside.shape[2]))
            inside = taken.gather(2, move.cols[:, None, :].expand(-1, inside.shape[1], -1))
        if move.inside is not None:
            inside = move.inside if inside is None else inside & move.inside
        rows, cols = rows.gather(1, move.rows), cols.gather(1, move.cols)
    channels, width = images.shape[1], images.shape[3]
    places = (rows[:, :, None] * width + cols[:, None, :]).flatten(1)  # B HW
    if channels > 1 and images.is_contiguous(memory_format=torch.channels_last):
        pixels = images.permute(0, 2, 3, 1).flatten(1, 2).gather(1, places[:, :, None].expand(-1, -1, channels))
        moved = pixels.unflatten(1, images.shape[2:]).permute(0, 3, 1, 2)
    else:
        moved = images.flatten(2).gather(2, places[:, None].expand(-1, channels, -1)).reshape(images.shape)
    return moved if inside is None else moved * inside[:, None]


# ------------------------------------------------------------------------------------------------ blends


@lru_cache(maxsize=8)
def _beta_table(alpha: float, size: int = 4096) -> torch.Tensor:
    """Quantiles of Beta(alpha, alpha): entry i is the value that a share (i + 1/2) / size of draws stays below."""
    middles = (np.arange(size) + 0.5) / size
    return torch.from_numpy(betaincinv(alpha, alpha, middles).astype(np.float32))


def _shares(draws: Draws, alpha: float) -> torch.Tensor:
    if not alpha > 0:
        raise UsageError(f"alpha of mix-up and cut-mix must be above 0, got {alpha:g}", hint="mixup=0.2, cutmix=1")
    return _beta_table(alpha).to(draws.ids.device)[draws.integer(0, 4095)]


def mixup(images: torch.Tensor, draws: Draws, *, alpha: float = 0.2) -> tuple[torch.Tensor, torch.Tensor]:
    """λ of the sample and 1 − λ of its neighbour, λ from Beta(alpha, alpha)."""
    share = _shares(draws, alpha)
    return torch.lerp(images.roll(-1, 0), images, ops.column(share).to(images.dtype)), share


def cutmix(images: torch.Tensor, draws: Draws, *, alpha: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """A rectangle of about the share 1 − λ comes from the neighbour; labels are blended by the area it really has."""
    height, width = images.shape[2:]
    side = (1 - _shares(draws, alpha)).sqrt()
    box = ops.rectangles(draws, height, width, side * height, side * width)
    share = 1 - box.float().mean(dim=(1, 2))
    return torch.where(box[:, None], images.roll(-1, 0), images), share


# ------------------------------------------------------------------------------------------------ one of many


def trivial(images: torch.Tensor, draws: Draws) -> torch.Tensor:
    """One augmentation for each sample, out of ten, each with its full range of strengths."""
    chosen = draws.integer(0, len(_TRIVIAL))  # the last number stands for leaving the image alone
    result = as_float(images).clone()
    for index, words in enumerate(_TRIVIAL):
        mine = (chosen == index).nonzero().squeeze(1)
        if len(mine):
            step = _step(words, place=index)
            seed, epoch, place = draws.words
            result[mine] = as_float(_apply(step.kind, [step], images[mine], draws.ids[mine], seed + place, epoch))
    return result


def _trivial_masks(maps: torch.Tensor, draws: Draws) -> torch.Tensor:
    """Masks B 1 H W as `trivial` moves their pictures; what changes colours leaves them."""
    chosen = draws.integer(0, len(_TRIVIAL))
    result = maps.clone()
    for index, words in enumerate(_TRIVIAL):
        mine = (chosen == index).nonzero().squeeze(1)
        if len(mine):
            seed, epoch, place = draws.words
            alone = Augment((_step(words, place=index),))
            result[mine] = alone.masks(maps[mine, 0], draws.ids[mine], seed=seed + place, epoch=epoch)[:, None]
    return result


_TRIVIAL = (
    "shear=45", "shift=0.3", "rotate=135", "intensity=0.9", "saturation=0.9", "contrast=0.9", "sharpen=0.9",
    "posterise=2", "solarise=0", "scale=0.3",
)  # fmt: skip


def augmix(images: torch.Tensor, draws: Draws, *, chains: int = 3, depth: int = 3, moves: int = 1) -> torch.Tensor:
    """Chains of one to three changes each, blended, and that blended with the image (AugMix).

    m x + (1 − m) Σ w_i chain_i(x); m from Beta(1, 1), w from Dirichlet(1, …, 1). What is changed is not what `hubel
    robust` measures: levels and shades, and with `moves` also turns, shears and shifts.
    """
    for name, count in (("chains", chains), ("changes in a chain", depth)):
        if not 1 <= count <= 5:
            raise UsageError(f"{name} of augmix must be 1 to 5, got {count}", hint="augmix=3:3")
    if moves not in (0, 1):
        raise UsageError(f"moves of augmix is 1 or 0, got {moves}", hint="augmix=3:3:0 leaves pictures where they are")
    choice = _MIXED if moves else _MIXED[: len(_MIXED) - _MOVING]
    images = as_float(images)
    # Exponentials over their sum are Dirichlet(1, …, 1); their uniforms are never 0.
    weights = torch.stack([-torch.log(draws.uniform(2.0**-24, 1)) for _ in range(chains)]) + 1e-9
    weights = (weights / weights.sum(dim=0)).to(images.dtype)
    mixed = torch.zeros_like(images)
    for chain, weight in enumerate(weights):
        length = draws.integer(1, depth)
        changed = images.clone()
        for level in range(depth):
            chosen = torch.where(level < length, draws.integer(0, len(choice) - 1), len(choice))
            for index, words in enumerate(choice):
                mine = (chosen == index).nonzero().squeeze(1)
                if len(mine):
                    step = _step(words, place=index)
                    seed, epoch, place = draws.words
                    occasion = seed + place + 101 * (depth * chain + level + 1)
                    part = _apply(step.kind, [step], changed[mine], draws.ids[mine], occasion, epoch)
                    changed[mine] = as_float(part).to(images.dtype)
        mixed += ops.column(weight) * changed
    return torch.lerp(mixed, images, ops.column(draws.uniform()).to(images.dtype))


_MIXED = ("autocontrast", "equalise", "posterise=4", "solarise=0.7", "rotate=9", "shear=5", "shift=0.1")
"""AugMix's own, at its severity 3 of 10; those that move pictures stand last."""
_MOVING = 3


# ------------------------------------------------------------------------------------------------ from words to a chain


def build_augment(spec: str | Sequence[str] = "none", *, mixup: float = 0.0, cutmix: float = 0.0) -> Augment:
    """The chain that `spec` names: "flip,translate=2", a list of such words, or a preset ("digits", "cifar", "photos").

    A word is `name`, `name=value`, or `name=value:value:option=value`, options in the order of the listing (hubel
    components augmentations). `mixup` and `cutmix` are their alphas, for those who have them as numbers; 0 is off.

    Raises UnknownName with near names; UsageError for a value that cannot be.

    >>> build_augment("flip,translate=2").spec
    'flip,translate=2'
    >>> build_augment("trnslate=2")
    Traceback (most recent call last):
        ...
    hubel.errors.UnknownName: unknown augmentation 'trnslate'
      did you mean 'translate'? all of them: hubel components augmentations
    """
    words = [word.strip() for word in (spec.split(",") if isinstance(spec, str) else spec) if word.strip()]
    words = [part for word in words for part in PRESETS.get(word, (word,))]
    words += [f"mixup={mixup:g}"] if mixup else []
    words += [f"cutmix={cutmix:g}"] if cutmix else []
    if len(words) > MOST_STEPS:
        raise UsageError(
            f"a chain has at most {MOST_STEPS} augmentations, got {len(words):,}",
            hint="leave out what is said twice; trivial picks one of ten for each picture",
        )
    steps = [_step(word, place) for place, word in enumerate(words)]
    blends = [step for step in steps if step.kind == "mix"]
    if len(blends) > 1:
        raise UsageError("mix-up and cut-mix exclude each other", hint="leave one of them out")
    chain = tuple(step for step in steps if step.kind != "mix")
    _rehearse(chain, blends)
    return Augment(chain, blends[0] if blends else None, ",".join(words) or "none")


def _step(word: str, place: int) -> Step:
    name, _, rest = word.partition("=")
    entry = AUGMENTATIONS.get(name.strip())
    parameters = inspect.signature(entry.build).parameters.values()
    options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    given: dict[str, Any] = {}
    for index, text in enumerate(rest.split(":") if rest else []):
        key, equals, value = text.partition("=")
        if not equals:
            if index >= len(options):
                takes = ":".join(f"{option}={default:g}" if isinstance(default, float) else f"{option}={default}"
                                 for option, default in options.items())  # fmt: skip
                raise UsageError(
                    f"augmentation {name!r} takes {len(options)} values, got {rest!r}",
                    hint=f"they are {takes}" if options else f"write just {name}",
                )
            key, value = list(options)[index], text
        check_options(f"augmentation {name!r}", [key], options)
        given[key] = _value(name, key, value, options[key])
    return Step(name, entry.kind, place, partial(entry.build, **given))


def _value(name: str, key: str, text: str, default: Any) -> Any:
    if isinstance(default, str):
        return text
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not abs(number) <= 1e9:  # no option means anything beyond, and whole numbers on tensors end there
        large = " of at most a billion" if abs(number) > 1e9 else ""
        raise UsageError(
            f"{key} of augmentation {name!r} must be a number{large}, got {text!r}",
            hint=AUGMENTATIONS.get(name).example,
        )
    return int(number) if number.is_integer() and isinstance(default, int) else number


def _rehearse(chain: tuple[Step, ...], blends: list[Step]) -> None:
    """Run once over a grey image: each step checks its own options, before any data is read."""
    images, ids = torch.zeros(2, 3, 8, 8), torch.arange(2)
    for step in chain:
        _apply(step.kind, [step], images, ids, 0, 0)
    for step in blends:
        step.function(images, Draws(ids, 0, 0, step.place))


def preview(images: torch.Tensor, augment: Augment, ids: torch.Tensor, *, seed: int = 0, epochs: int = 8) -> np.ndarray:
    """What each image (B C H W, uint8 or [0, 1]) looks like in the first epochs: B E H W C, uint8 (C 1 or 3).

    >>> preview(torch.zeros(2, 3, 8, 8), build_augment("noise=0.1"), torch.arange(2), epochs=4).shape
    (2, 4, 8, 8, 3)
    """
    shown = [as_float(augment(images, ids, seed=seed, epoch=epoch)) for epoch in range(epochs)]
    stacked = torch.stack(shown, dim=1).clamp(0, 1).mul(255).round().to(torch.uint8)
    return stacked.permute(0, 1, 3, 4, 2).cpu().numpy()


for name, function, kind, title, example, formula, source, rows in (
    ("flip", ops.flip, "move", "Flip left to right", "flip", "j -> W − 1 − j with probability p", "folklore",
     ("C102",)),
    ("alternating-flip", ops.alternating_flip, "move", "Alternating flip", "alternating-flip",
     "flipped if (hash(id) + epoch) is odd", "Jordan, arXiv:2404.00498", ("C102",)),
    ("vertical-flip", ops.vertical_flip, "move", "Flip top to bottom", "vertical-flip", "i -> H − 1 − i", "folklore",
     ("C102",)),
    ("translate", ops.translate, "move", "Shift by whole pixels (pad and crop)", "translate=2",
     "(i, j) -> (i + Δy, j + Δx), |Δ| ≤ by", "LeCun et al. 1998; He et al., arXiv:1512.03385, section 4.2",
     ("C106", "C110")),
    ("rotate", ops.rotate, "warp", "Rotate", "rotate=15", "(x, y) -> R(θ) (x, y), |θ| ≤ degrees", "folklore",
     ("C104",)),
    ("scale", ops.scale, "warp", "Zoom in and out", "scale=0.1", "(x, y) -> f (x, y), f in [1/(1 + by), 1 + by]",
     "folklore", ("C103",)),
    ("shift", ops.shift, "warp", "Shift by parts of pixels", "shift=0.1", "(x, y) -> (x + Δx, y + Δy)", "folklore",
     ("C110",)),
    ("shear", ops.shear, "warp", "Shear", "shear=10", "x -> x + y tan θ", "Simard, Steinkraus, Platt, ICDAR 2003",
     ("C108",)),
    ("affine", ops.affine, "warp", "Affine", "affine=10:0.1:0.1:5", "(x, y) -> A (x, y) + b",
     "Simard, Steinkraus, Platt, ICDAR 2003", ("C108",)),
    ("perspective", ops.perspective, "warp", "Perspective", "perspective=0.2", "(x, y) -> (x, y) / (1 + ax + by)",
     "folklore", ("C109",)),
    ("resized-crop", ops.resized_crop, "warp", "Random resized crop", "resized-crop=0.35",
     "a part of the image fills it all", "Szegedy et al., arXiv:1409.4842, section 6", ("C103", "C106")),
    ("elastic", ops.elastic, "effect", "Elastic deformation", "elastic=1.5", "(x, y) -> (x, y) + smooth field",
     "Simard, Steinkraus, Platt, ICDAR 2003", ("C115",)),
    ("intensity", ops.intensity, "effect", "Brightness", "intensity=0.2", "x -> f x", "folklore", ("C105",)),
    ("contrast", ops.contrast, "effect", "Contrast", "contrast=0.2", "x -> m + f (x − m), m the mean grey", "folklore",
     ("C105",)),
    ("saturation", ops.saturation, "effect", "Saturation", "saturation=0.2", "x -> g + f (x − g), g the pixel's grey",
     "folklore", ("C105",)),
    ("hue", ops.hue, "effect", "Hue", "hue=18", "(I, Q) -> R(θ) (I, Q) in YIQ", "folklore", ("C105",)),
    ("colour", ops.colour, "effect", "Colour jitter", "colour=0.2", "intensity, contrast, saturation, hue",
     "Howard, arXiv:1312.5402", ("C105",)),
    ("gamma", ops.gamma, "effect", "Gamma", "gamma=0.3", "x -> x^f", "folklore", ("C105",)),
    ("greyscale", ops.greyscale, "effect", "Greyscale", "greyscale=0.1", "x -> 0.299 R + 0.587 G + 0.114 B",
     "Chen et al., arXiv:2002.05709", ("C105",)),
    ("invert", ops.invert, "effect", "Negative", "invert=0.1", "x -> 1 − x", "Cubuk et al., arXiv:1805.09501",
     ("C105",)),
    ("solarise", ops.solarise, "effect", "Solarise", "solarise=0.5", "x -> 1 − x where x ≥ t",
     "Cubuk et al., arXiv:1805.09501", ("C105",)),
    ("posterise", ops.posterise, "effect", "Posterise", "posterise=4", "fewer bits a channel",
     "Cubuk et al., arXiv:1805.09501", ("C105",)),
    ("noise", ops.noise, "effect", "Noise", "noise=0.05", "x -> x + σ n, n normal", "Sietsma & Dow 1991", ("C107",)),
    ("blur", ops.blur, "effect", "Gaussian blur", "blur=1", "x -> G(σ) ∗ x", "Chen et al., arXiv:2002.05709", ()),
    ("sharpen", ops.sharpen, "effect", "Sharpness", "sharpen=0.5", "x -> b + f (x − b), b a blurred copy",
     "Cubuk et al., arXiv:1805.09501", ()),
    ("autocontrast", levels.autocontrast, "effect", "Full contrast", "autocontrast=0.5",
     "each channel from its darkest to its lightest", "Cubuk et al., arXiv:1805.09501", ()),
    ("equalise", levels.equalise, "effect", "Equalise", "equalise=0.5", "each channel by its own ranks",
     "Cubuk et al., arXiv:1805.09501", ()),
    ("trivial", trivial, "patch", "TrivialAugment", "trivial", "one of ten, any strength",
     "Müller & Hutter, arXiv:2103.10158", ("C92",)),
    ("augmix", augmix, "patch", "AugMix", "augmix", "m x + (1 − m) Σ w_i chain_i(x)",
     "Hendrycks et al., arXiv:1912.02781", ()),
    ("quarter-turns", ops.quarter_turns, "patch", "Quarter turns", "quarter-turns", "θ in {0, 90, 180, 270}",
     "folklore",
     ("C104",)),
    ("erase", ops.erase, "patch", "Cut-out", "erase=8", "a square takes the mean colour",
     "DeVries & Taylor, arXiv:1708.04552", ("C94", "C113")),
    ("random-erase", ops.random_erase, "patch", "Random erasing", "random-erase=0.33",
     "a rectangle takes the mean colour",
     "Zhong et al., arXiv:1708.04896", ("C113",)),
    ("mixup", mixup, "mix", "Mix-up", "mixup=0.2", "λ x + (1 − λ) x', labels alike", "Zhang et al., arXiv:1710.09412",
     ()),
    ("cutmix", cutmix, "mix", "Cut-mix", "cutmix=1", "a rectangle comes from x', labels by area",
     "Yun et al., arXiv:1905.04899", ()),
):  # fmt: skip
    AUGMENTATIONS.add(
        name,
        Augmentation(
            title=title, build=function, formula=formula, source=source, rows=rows,
            kind=cast("Kind", kind), example=example,
            note=(function.__doc__ or "").strip().partition("\n")[0],
        ),
    )  # fmt: skip
