"""Odd pictures, made here: every orientation, mode and size that a decoder meets, as the bytes of files.

What a net makes of them does not matter; that every form of it makes the same of them does.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image

SIZES = ((1, 1), (1, 4000), (4000, 1), (2, 3), (17, 64), (333, 40), (40, 333), (97, 131), (320, 240), (64, 64))
"""Height and width."""


def odd_pictures(count: int, *, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """(what it is, the bytes of a file), `count` of them, the same for the same seed.

    >>> made = dict(odd_pictures(60))
    >>> len(made), list(made)[:3]
    (60, ['1 png 1x1', '2 jpeg 1x4000 orientation 1', '3 grey png 4000x1'])
    """
    kinds = (_png, _jpeg, _grey, _alpha, _palette, _sixteen, _cmyk, _grey_alpha, _bmp, _one_bit)
    for number in range(count):
        random = np.random.default_rng((seed, number))
        # Kinds and sizes have ten each: a step more in every round of ten, or they would meet only themselves.
        size = SIZES[(number + number // len(kinds)) % len(SIZES)]
        what, data = kinds[number % len(kinds)](scene(random, *size), number // len(kinds))
        yield f"{number + 1} {what} {size[0]}x{size[1]}" + _turn(what, number // len(kinds)), data


def scene(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """H W 3 uint8: soft waves with sharp-edged boxes and a little noise, as photographs have all of these."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    channels = []
    for _ in range(3):
        a, b, c = (float(random.uniform(low, high)) for low, high in ((0.01, 0.2), (0.01, 0.2), (0, 6)))
        channels.append(127 + 90 * np.sin(a * x + b * y + c))
    picture = np.stack(channels, axis=2)
    for _ in range(4):
        top, left = random.integers(0, height), random.integers(0, width)
        picture[top : top + 1 + height // 4, left : left + 1 + width // 4] = random.uniform(0, 255, 3)
    return np.clip(picture + random.normal(0, 8, picture.shape), 0, 255).astype(np.uint8)


def _turn(what: str, round_: int) -> str:
    return f" orientation {round_ % 8 + 1}" if what == "jpeg" else ""


def _file(picture: Image.Image, form: str, **settings: object) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, form, **settings)
    return buffer.getvalue()


def _png(pixels: np.ndarray, _: int) -> tuple[str, bytes]:
    return "png", _file(Image.fromarray(pixels), "PNG", compress_level=1)


def _jpeg(pixels: np.ndarray, round_: int) -> tuple[str, bytes]:
    exif = Image.Exif()
    exif[0x0112] = round_ % 8 + 1
    return "jpeg", _file(Image.fromarray(pixels), "JPEG", quality=90, exif=exif)


def _grey(pixels: np.ndarray, _: int) -> tuple[str, bytes]:
    return "grey png", _file(Image.fromarray(pixels[:, :, 0]), "PNG", compress_level=1)


def _alpha(pixels: np.ndarray, _: int) -> tuple[str, bytes]:
    return "rgba png", _file(Image.fromarray(np.dstack([pixels, pixels[:, :, :1]])), "PNG", compress_level=1)


def _palette(pixels: np.ndarray, _: int) -> tuple[str, bytes]:
    return "palette png", _file(Image.fromarray(pixels).quantize(32), "PNG", compress_level=1)


def _sixteen(pixels: np.ndarray, _: int) -> tuple[str, bytes]:
    samples = pixels[:, :, 0].astype(np.uint16) * 256 + pixels[:, :, 1]
    samples.flat[0] = 65535  # or a dark one would count as one of fewer bits
    return "16-bit png", _file(Image.fromarray(samples), "PNG", compress_level=1)


def _cmyk(pixels: np.ndarray, _: int) -> tuple[str, bytes]:
    return "cmyk jpeg", _file(Image.fromarray(pixels).convert("CMYK"), "JPEG", quality=90)


def _grey_alpha(pixels: np.ndarray, _: int) -> tuple[str, bytes]:
    return "grey-alpha png", _file(Image.fromarray(pixels).convert("LA"), "PNG", compress_level=1)


def _bmp(pixels: np.ndarray, _: int) -> tuple[str, bytes]:
    return "bmp", _file(Image.fromarray(pixels), "BMP")


def _one_bit(pixels: np.ndarray, _: int) -> tuple[str, bytes]:
    return "1-bit png", _file(Image.fromarray(pixels).convert("1"), "PNG")
