"""Corruptions: what happens to pictures on the way to a net, at five severities, made on bytes and repeatable.

The fifteen of ImageNet-C and the four more it holds in reserve (Hendrycks & Dietterich, ICLR 2019, arXiv 1903.12261),
and seven of MNIST-C (Mu & Gilmer, arXiv 1906.02337) that suit grey pictures of one thing. Strengths are those published
for pictures of 32 and of 224 pixels; between those sides they are interpolated in the logarithm of the side, above them
lengths grow with it, and below only those by which things move shrink: a blur of less than a pixel is none. What a
sample draws is a function of (seed, sample id, corruption, severity): the bytes are the same in any order, in batches
of any size.

Two are not as published: frost is drawn (the original lays photographs over the picture), and so are the edges of water
in spatter. Numbers for those two are near the published benchmark's, not the same.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hubel.data.draws import Draws
from hubel.errors import UsageError, unknown
from hubel.registry import Component, Registry
from hubel.robustness import blurs, digital, weather
from hubel.robustness.filters import as_bytes

SEVERITIES = (1, 2, 3, 4, 5)
IMAGENET_C = "Hendrycks & Dietterich, ICLR 2019, arXiv 1903.12261"
MNIST_C = "Mu & Gilmer, 2019, arXiv 1906.02337"
CHUNK = 1 << 18
"""Values that are worked on at once: a few megabytes in double precision."""

Row = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Corruption(Component[Callable[..., torch.Tensor]]):
    """One way to spoil a picture; `build` takes pictures uint8 N C H W, draws, and the numbers of a row."""

    kind: str
    """noise, blur, weather, digital, moved or drawn."""
    at32: tuple[Row, ...]
    """Strengths at severities 1 to 5 for pictures of 32 pixels."""
    at224: tuple[Row, ...]
    lengths: tuple[int, ...] = ()
    """Which of the strengths are pixels."""
    shrinks: bool = False
    """Do the lengths shrink with pictures of less than 32 pixels?"""
    colour: bool = False
    """Does it do something to pictures in colour only?"""
    usual: bool = True
    """Is it among those that are taken where none are named, for pictures in colour?"""

    def strengths(self, severity: int, side: float) -> Row:
        """The numbers of one severity for pictures of `side` pixels (of height and width the geometric mean).

        >>> CORRUPTIONS.get("gaussian-blur").strengths(5, 32), CORRUPTIONS.get("gaussian-blur").strengths(5, 448)
        ((1.0,), (12.0,))
        """
        if severity not in SEVERITIES:
            raise UsageError(f"a severity is a whole number from 1 to 5, got {severity}", hint="3 is the middle")
        share = min(1.0, max(0.0, math.log(side / 32) / math.log(224 / 32)))
        beyond = side / min(224.0, max(32.0 if self.shrinks else side, side))
        pairs = zip(self.at32[severity - 1], self.at224[severity - 1], strict=True)
        mixed = [low + (high - low) * share for low, high in pairs]
        return tuple(value * beyond if index in self.lengths else value for index, value in enumerate(mixed))


CORRUPTIONS: Registry[Corruption] = Registry("corruption", listing="hubel robust --list")


def corrupt(
    pictures: np.ndarray | torch.Tensor, ids: Iterable[int], name: str, severity: int = 3, *, seed: int = 0
) -> np.ndarray:
    """Pictures N C H W uint8, spoilt: the same shape and type. `ids` (N) name the samples.

    Raises UnknownName for a corruption that is none, UsageError for a severity that is none, for pictures that are not
    bytes, and for a corruption of colours in grey pictures.

    >>> grey = np.full((2, 1, 8, 8), 128, np.uint8)
    >>> once, again = corrupt(grey, [7, 8], "gaussian-noise"), corrupt(grey[:1], [8], "gaussian-noise")
    >>> once.shape, bool((once[1] == again[0]).all())
    ((2, 1, 8, 8), True)
    """
    found = CORRUPTIONS.get(name)
    images = torch.from_numpy(np.require(pictures, requirements="W")) if isinstance(pictures, np.ndarray) else pictures
    images = images.cpu()
    names = torch.as_tensor(list(ids), dtype=torch.int64)
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or not all(images.shape[2:]):
        raise UsageError(
            f"corruptions take bytes N C H W with C 1 or 3, got {images.dtype} {tuple(images.shape)}",
            hint="pictures as uint8, 0 to 255",
        )
    if len(names) != len(images):
        raise UsageError(f"each picture needs an id, got {len(images)} pictures and {len(names)} ids", hint="range(N)")
    if found.colour and images.shape[1] == 1:
        raise UsageError(f"{name} changes colours, and these pictures are grey", hint="leave it out")
    strengths = found.strengths(severity, math.sqrt(images.shape[2] * images.shape[3]))
    some = max(1, CHUNK // images[:1].numel()) if len(images) else 1
    parts = []
    for start in range(0, len(images), some):
        draws = Draws(names[start : start + some], seed, zlib.crc32(name.encode()), severity)
        part = found.build(images[start : start + some].contiguous(), draws, *strengths)
        parts.append(part if part.dtype == torch.uint8 else as_bytes(part))
    return (torch.cat(parts) if parts else images.clone()).numpy()


def chosen(words: Iterable[str], channels: int) -> tuple[str, ...]:
    """Names of corruptions from names and groups; of none those that are usual for pictures of so many channels.

    Groups are their kinds, "imagenet-c" (the fifteen), "all". Raises UnknownName with near names, UsageError for a
    corruption of colours where pictures are grey.

    >>> chosen(["noise"], 3)
    ('gaussian-noise', 'shot-noise', 'impulse-noise', 'speckle-noise')
    >>> len(chosen([], 3)), len(chosen([], 1))
    (19, 25)
    """
    fits = {name: each for name, each in CORRUPTIONS.items() if channels == 3 or not each.colour}
    kinds = dict.fromkeys(each.kind for each in CORRUPTIONS.values())
    groups = {kind: [name for name, each in fits.items() if each.kind == kind] for kind in kinds}
    groups["imagenet-c"] = [name for name in list(fits)[:15] if CORRUPTIONS.get(name).source == IMAGENET_C]
    groups["all"] = list(fits)
    asked = [word.strip().replace("_", "-") for word in words if word.strip()]
    if not asked:
        return tuple(name for name, each in fits.items() if each.usual or channels == 1)
    found: dict[str, None] = {}
    for word in asked:
        if word in groups:
            found |= dict.fromkeys(groups[word])
        elif word in fits:
            found[word] = None
        elif word in CORRUPTIONS:
            raise UsageError(f"{word} changes colours, and these pictures are grey", hint="leave it out")
        else:
            raise unknown("corruption", word, [*CORRUPTIONS, *groups], listing=CORRUPTIONS.listing)
    return tuple(found)


def _rows(*rows: float | Row) -> tuple[Row, ...]:
    return tuple(row if isinstance(row, tuple) else (row,) for row in rows)


def _add(name: str, title: str, kind: str, build: Any, formula: str, at32: Any, at224: Any = None, **more: Any) -> None:
    more.setdefault("source", IMAGENET_C)
    CORRUPTIONS.add(
        name,
        Corruption(
            title=title, kind=kind, build=build, formula=formula, at32=_rows(*at32), at224=_rows(*(at224 or at32)),
            **more,
        ),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ the fifteen

_add("gaussian-noise", "Gaussian noise", "noise", blurs.gaussian_noise, "x + N(0, σ)",
     (0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38))  # fmt: skip
_add("shot-noise", "shot noise", "noise", blurs.shot_noise, "Poisson(rate · x) / rate",
     (500, 250, 100, 75, 50), (60, 25, 12, 5, 3))  # fmt: skip
_add("impulse-noise", "impulse noise", "noise", blurs.impulse_noise, "0 or 255 with probability p",
     (0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27))  # fmt: skip
_add("defocus-blur", "defocus blur", "blur", blurs.defocus_blur, "x weighed with a disc",
     ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
     ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)), lengths=(0,))  # fmt: skip
_add("glass-blur", "glass blur", "blur", blurs.glass_blur, "neighbours exchanged between two Gaussian blurs",
     ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
     ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)), lengths=(0, 1))  # fmt: skip
_add("motion-blur", "motion blur", "blur", blurs.motion_blur, "x weighed with a streak",
     ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
     ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)), lengths=(0, 1))  # fmt: skip
_add("zoom-blur", "zoom blur", "blur", blurs.zoom_blur, "mean of x and of its enlargements",
     ((1.05, 0.01), (1.10, 0.01), (1.15, 0.01), (1.20, 0.01), (1.25, 0.01)),
     ((1.10, 0.01), (1.15, 0.01), (1.20, 0.02), (1.24, 0.02), (1.30, 0.03)))  # fmt: skip
_add("snow", "snow", "weather", weather.snow, "x paler, and flakes in two directions",
     ((0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.1, 0.2, 1, 0.5, 10, 4, 0.9), (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
      (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85), (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8)),
     ((0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7), (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
      (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65), (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55)), lengths=(4, 5))  # fmt: skip
_add("frost", "frost", "weather", weather.frost, "a x + b ice",
     ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
     ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
     note="the ice is drawn, not photographed")  # fmt: skip
_add("fog", "fog", "weather", weather.fog, "(x + d clouds) · max / (max + d)",
     ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
     ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)))  # fmt: skip
_add("brightness", "brightness", "weather", digital.brightness, "value of HSV + b",
     (0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5))  # fmt: skip
_add("contrast", "contrast", "digital", digital.contrast, "mean + c (x − mean)",
     (0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05))  # fmt: skip
_add("elastic", "elastic transform", "digital", digital.elastic, "x at places moved by smooth numbers",
     tuple((32 * a, 32 * b, 32 * c) for a, b, c in
           ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))),
     tuple((244 * a, 244 * b, 244 * c) for a, b, c in
           ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02))),
     lengths=(0, 1, 2), shrinks=True)  # fmt: skip
_add("pixelate", "pixelation", "digital", digital.pixelate, "shrunk by area, and enlarged",
     (0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25))  # fmt: skip
_add("jpeg", "JPEG compression", "digital", digital.jpeg, "written as JPEG of quality q",
     (80, 65, 58, 50, 40), (25, 18, 15, 10, 7))  # fmt: skip

# ------------------------------------------------------------------------------------------------ four in reserve

_add("speckle-noise", "speckle noise", "noise", blurs.speckle_noise, "x + x N(0, σ)",
     (0.06, 0.1, 0.12, 0.16, 0.2), (0.15, 0.2, 0.35, 0.45, 0.6))  # fmt: skip
_add("gaussian-blur", "Gaussian blur", "blur", blurs.gaussian_blur, "x weighed with a Gaussian",
     (0.4, 0.6, 0.7, 0.8, 1.0), (1, 2, 3, 4, 6), lengths=(0,))  # fmt: skip
_add("spatter", "spatter", "weather", weather.spatter, "drops of water, or splashes of mud",
     ((0.62, 0.1, 0.7, 0.7, 0.5, 0), (0.65, 0.1, 0.8, 0.7, 0.5, 0), (0.65, 0.3, 1, 0.69, 0.5, 0),
      (0.65, 0.1, 0.7, 0.69, 0.6, 1), (0.65, 0.1, 0.5, 0.68, 0.6, 1)),
     ((0.65, 0.3, 4, 0.69, 0.6, 0), (0.65, 0.3, 3, 0.68, 0.6, 0), (0.65, 0.3, 2, 0.68, 0.5, 0),
      (0.65, 0.3, 1, 0.65, 1.5, 1), (0.67, 0.4, 1, 0.65, 1.5, 1)), lengths=(2,),
     note="the edges of the drops are drawn in our own way")  # fmt: skip
_add("saturate", "saturation", "digital", digital.saturate, "saturation of HSV · a + b",
     ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
     ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)), colour=True)  # fmt: skip

# ------------------------------------------------------------------------------------------------ of MNIST-C

_add("shear", "shear", "moved", digital.shear, "slanted by a share of the height",
     (0.1, 0.2, 0.3, 0.4, 0.6), source=MNIST_C, usual=False)  # fmt: skip
_add("scale", "scale", "moved", digital.scale, "smaller about the middle",
     (0.9, 0.8, 0.7, 0.6, 0.5), source=MNIST_C, usual=False)  # fmt: skip
_add("rotate", "rotation", "moved", digital.rotate, "turned by degrees",
     (6, 12, 20, 30, 45), source=MNIST_C, usual=False)  # fmt: skip
_add("translate", "translation", "moved", digital.translate, "moved along both axes",
     (1, 2, 3, 4, 5), (7, 14, 21, 28, 35), lengths=(0,), shrinks=True, source=MNIST_C, usual=False)  # fmt: skip
_add("stripe", "stripe", "drawn", digital.stripe, "255 − x in a band",
     (0.1, 0.15, 0.2, 0.3, 0.4), source=MNIST_C, usual=False)  # fmt: skip
_add("dotted-line", "dotted line", "drawn", digital.dotted_line, "rows of white dots",
     (1, 2, 3, 4, 5), source=MNIST_C, usual=False)  # fmt: skip
_add("zigzag", "zigzag", "drawn", digital.zigzag, "white lines that go up and down",
     (1, 2, 3, 4, 5), source=MNIST_C, usual=False)  # fmt: skip


def list_corruptions() -> list[dict[str, Any]]:
    """What can be asked for: name, title, kind, formula, source, and the strengths for 32 and 224 pixels."""
    told = ("title", "kind", "formula", "source", "note", "at32", "at224")
    return [{"name": name} | {part: getattr(each, part) for part in told} for name, each in CORRUPTIONS.items()]
