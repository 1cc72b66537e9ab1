"""The Netpbm formats PBM, PGM and PPM, as text or as bytes: read with NumPy, since other decoders go sample by sample.

A header of words (magic, width, height, largest value), each behind white space or comments, then the samples row by
row; one byte each, or two (the higher first) where the largest value is above 255. The largest value says how white
white is, so samples are scaled by it. Source: the manual pages pbm(5), pgm(5) and ppm(5) of Netpbm.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from PIL import Image

from hubel.data.manifest import BadPicture

_MAGIC = re.compile(rb"P[1-6](?=[\s#])")
_WORD = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])*([0-9]{1,10})(?=[\s#])")
_COMMENT = re.compile(rb"#[^\r\n]*")
_HEADER = 1 << 16
"""Bytes that a header may take, comments and all."""


class Header(NamedTuple):
    """What stands before the samples."""

    text: bool
    channels: int
    bits: bool
    """One bit a sample, 1 is black."""
    width: int
    height: int
    largest: int
    start: int
    """Offset of the first sample."""


def header(data: bytes) -> Header | None:
    """The header of a PBM, PGM or PPM file, None for anything else; BadPicture where it breaks off or cannot be."""
    if not _MAGIC.match(data):
        return None
    kind = data[1] - ord("0")
    bits = kind in (1, 4)
    words: list[int] = []
    at = 2
    while len(words) < (2 if bits else 3):
        found = _WORD.match(data, at, _HEADER)
        if found is None:
            raise BadPicture("corrupt", "its header is damaged")
        words.append(int(found[1]))
        at = found.end()
    largest = 1 if bits else words[2]
    if not 0 < largest < 1 << 16:
        raise BadPicture("corrupt", f"its header says that the largest value is {largest}, it must be 1 to 65,535")
    return Header(kind < 4, 3 if kind in (3, 6) else 1, bits, words[0], words[1], largest, at + 1)


def load(data: bytes, head: Header) -> Image.Image:
    """The picture: L or RGB, or I;16 for greys finer than 8 bits; BadPicture where samples are missing or too large.

    >>> load(data := b"P2 3 1 15  0 5 15 ", header(data)).tobytes()
    b'\\x00U\\xff'
    """
    count = head.width * head.height * head.channels
    samples = _text(data, head, count) if head.text else _bytes(data, head, count)
    if len(samples) < count:
        raise BadPicture("truncated", f"{len(samples):,} samples of {count:,}")
    if int(samples.max(initial=0)) > head.largest:
        raise BadPicture("corrupt", f"a sample is above {head.largest}, which its header says is the largest")
    shape = (head.height, head.width, 3) if head.channels == 3 else (head.height, head.width)
    if head.largest > 255 and head.channels == 1:
        return Image.fromarray(_scaled(samples, head.largest, 65535).astype(np.uint16).reshape(shape))
    return Image.fromarray(_scaled(samples, head.largest, 255).astype(np.uint8).reshape(shape))


def _scaled(samples: np.ndarray, largest: int, top: int) -> np.ndarray:
    if largest == top:
        return samples
    return ((np.arange(largest + 1) * top + largest // 2) // largest)[samples]


def _bytes(data: bytes, head: Header, count: int) -> np.ndarray:
    body = np.frombuffer(data, np.uint8, offset=min(head.start, len(data)))
    if head.bits:
        row = -(-head.width // 8)  # rows begin at whole bytes
        whole = body[: len(body) // row * row][: head.height * row].reshape(-1, row)
        return 1 - np.unpackbits(whole, axis=1)[:, : head.width].reshape(-1)
    if head.largest > 255:
        return body[: len(body) // 2 * 2].view(">u2")[:count]
    return body[:count]


def _text(data: bytes, head: Header, count: int) -> np.ndarray:
    body = _COMMENT.sub(b"", data[head.start - 1 :])
    if head.bits:  # digits of bits need no space between them
        digits = np.frombuffer(body, np.uint8)
        digits = digits[digits > ord(" ")][:count]
        if ((digits != ord("0")) & (digits != ord("1"))).any():
            raise BadPicture("corrupt", "a sample is neither 0 nor 1")
        return (digits == ord("0")).astype(np.int64)
    if not re.fullmatch(rb"[0-9\s]*", body):
        raise BadPicture("corrupt", "a sample is no number")
    if not body.strip():
        return np.zeros(0, np.int64)
    return np.fromstring(body, dtype=np.int64, sep=" ")[
        :count
    ]  # of all there are: a wish for more is filled with noise
