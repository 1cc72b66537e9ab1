"""Pictures like none that a net should know, made from those it does: to learn what being strange looks like.

Each kind takes pictures N C H W uint8 and a generator, and gives as many of the same shape. They keep something of the
original (its colours, its texture, its parts) and lose what makes it one thing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Kind = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def shuffled(pictures: np.ndarray, draw: np.random.Generator, parts: int = 4) -> np.ndarray:
    """Cut into 4 x 4 patches, and put together in another order.

    >>> shuffled(np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4), np.random.default_rng(0)).sum()
    np.uint64(120)
    """
    height, width = (side // parts * parts for side in pictures.shape[2:])
    if not height or not width:
        return noise(pictures, draw)
    N, C = pictures.shape[:2]
    cut = pictures[:, :, :height, :width].reshape(N, C, parts, height // parts, parts, width // parts)
    flat = cut.transpose(0, 2, 4, 1, 3, 5).reshape(N, parts * parts, C, height // parts, width // parts)
    mixed = np.stack([own[draw.permutation(parts * parts)] for own in flat])
    whole = mixed.reshape(N, parts, parts, C, height // parts, width // parts).transpose(0, 3, 1, 4, 2, 5)
    found = pictures.copy()
    found[:, :, :height, :width] = whole.reshape(N, C, height, width)
    return found


def blended(pictures: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """The mean of each picture and another."""
    others = pictures[(np.arange(len(pictures)) + draw.integers(1, max(2, len(pictures)))) % len(pictures)]
    return ((pictures.astype(np.uint16) + others + 1) // 2).astype(np.uint8)


def inverted(pictures: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Light and dark exchanged, and colours, where there are any, in another order."""
    channels = np.roll(np.arange(pictures.shape[1]), int(draw.integers(0, 3)))
    return 255 - pictures[:, channels]


def noise(pictures: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Every pixel the value of another pixel of the same picture."""
    flat = pictures.reshape(*pictures.shape[:2], -1)
    order = np.argsort(draw.random((len(flat), flat.shape[2])), axis=1)
    return np.take_along_axis(flat, order[:, None, :], axis=2).reshape(pictures.shape)


def uniform(pictures: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Every value by chance."""
    return draw.integers(0, 256, pictures.shape, dtype=np.uint8)


def scrambled(pictures: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """The same waves at other places: the spectrum's size kept, its phase drawn, as clouds of the same grain."""
    waves = np.fft.rfft2(pictures.astype(np.float32))
    # The phase of what is never negative is 0 at wave 0: the mean stays.
    phase = np.angle(np.fft.rfft2(draw.random((len(pictures), 1, *pictures.shape[2:]), dtype=np.float32)))
    size = np.abs(waves)
    return np.clip(np.fft.irfft2(size * np.exp(1j * phase), s=pictures.shape[2:]), 0, 255).astype(np.uint8)


def striped(pictures: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Stripes of any width and direction, soft or hard, between two colours."""
    N, C, height, width = pictures.shape
    angle, wave, sharp = draw.random((3, N, 1, 1))
    across = np.arange(height)[:, None] * np.sin(np.pi * angle) + np.arange(width) * np.cos(np.pi * angle)
    light = np.sin(2 * np.pi * across / (2 + wave * max(height, width)) + 6 * draw.random((N, 1, 1)))
    light = 0.5 + 0.5 * np.where(sharp > 0.5, np.sign(light), light)
    first, second = 255 * draw.random((2, N, C, 1, 1))
    return (first + (second - first) * light[:, None]).astype(np.uint8)


def flat(pictures: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """One colour, a little brighter towards one side."""
    N, C, height, width = pictures.shape
    slope = 40 * draw.random((N, C, 1, 1)) * np.linspace(-1, 1, width)[None, None, None, :]
    return np.clip(255 * draw.random((N, C, 1, 1)) + slope + np.zeros((height, 1)), 0, 255).astype(np.uint8)


WORDS = {
    "shuffled": "cut into patches, and put together in another order",
    "blended": "two at once, each at half strength",
    "inverted": "light and dark exchanged, colours in another order",
    "noise": "its pixels in any order",
    "uniform": "noise",
    "scrambled": "clouds of the same grain and colour",
    "striped": "stripes",
    "flat": "one colour",
}
"""What each kind is, for reports."""

CORRUPTED = "corrupted"
"""What a kind is called that is made elsewhere: held-out pictures, spoilt as `hubel robust` spoils them."""

BLENDED = "blended"
"""The kind that shows two pictures at once."""

KINDS: dict[str, Kind] = {
    "shuffled": shuffled,
    BLENDED: blended,
    "inverted": inverted,
    "noise": noise,
    "uniform": uniform,
    "scrambled": scrambled,
    "striped": striped,
    "flat": flat,
}
