"""What server and workers tell each other: frames of JSON and bytes over a pipe. Nothing that comes is ever run.

    frame = mark (4 bytes), bytes of JSON (4), bytes of all blobs (4), JSON, blobs

The JSON is an object; its "sizes" are the bytes of each blob.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, BinaryIO

HEAD = struct.Struct(">4sII")
MARK = b"hub1"
MOST_JSON, MOST_BLOBS = 64 << 20, 1 << 30

Frame = tuple[dict[str, Any], list[bytes]]


class Garbled(Exception):
    """What came is no frame."""


def packed(said: dict[str, Any], blobs: Sequence[bytes] = ()) -> bytes:
    """A frame.

    >>> unpacked(*split(packed({"do": "predict"}, [b"one", b""])))
    ({'do': 'predict'}, [b'one', b''])
    """
    sizes = [len(blob) for blob in blobs]
    text = json.dumps({**said, "sizes": sizes}, ensure_ascii=True).encode()
    return b"".join([HEAD.pack(MARK, len(text), sum(sizes)), text, *blobs])


def lengths(head: bytes) -> tuple[int, int]:
    """Bytes of the JSON and of the blobs; raises Garbled.

    >>> lengths(b"GET / HTTP/1")
    Traceback (most recent call last):
        ...
    hubel.server.wire.Garbled: a frame must begin with b'hub1', got b'GET '
    """
    mark, text, blobs = HEAD.unpack(head)
    if mark != MARK:
        raise Garbled(f"a frame must begin with {MARK!r}, got {mark!r}")
    if text > MOST_JSON or blobs > MOST_BLOBS:
        raise Garbled(f"a frame of {text} + {blobs} bytes is too large")
    return text, blobs


def split(frame: bytes) -> tuple[bytes, bytes]:
    """The JSON and the blobs of a whole frame."""
    text, _ = lengths(frame[: HEAD.size])
    return frame[HEAD.size : HEAD.size + text], frame[HEAD.size + text :]


def unpacked(text: bytes, blobs: bytes) -> Frame:
    """What a frame says, and its blobs; raises Garbled."""
    try:
        said = json.loads(text)
        sizes = said.pop("sizes")
        ends = [0]
        for size in sizes:
            ends.append(ends[-1] + size)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Garbled(f"a frame says no JSON object with sizes: {error}") from None
    if ends[-1] != len(blobs) or min(sizes, default=0) < 0:
        raise Garbled(f"a frame has blobs of {len(blobs)} bytes, and says {ends[-1]}")
    return said, [blobs[start:end] for start, end in pairwise(ends)]


def read_frame(stream: BinaryIO) -> Frame | None:
    """The next frame; None where the stream has ended, at a frame's end or within one."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    text, blobs = lengths(head)
    body = stream.read(text + blobs)
    return None if len(body) < text + blobs else unpacked(body[:text], body[text:])


async def receive_frame(reader: asyncio.StreamReader) -> Frame | None:
    """The same, awaited."""
    try:
        text, blobs = lengths(await reader.readexactly(HEAD.size))
        body = await reader.readexactly(text + blobs)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return unpacked(body[:text], body[text:])
