"""Pictures and trees that the tests of this room make: real files, small, from a seed."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def scene(seed: int, width: int = 48, height: int = 40) -> Image.Image:
    """A smooth picture with some grain, as a photograph has: it compresses like one."""
    random = np.random.RandomState(seed)
    coarse = Image.fromarray(random.randint(0, 256, (6, 7, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    grain = random.normal(0, 6, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8))


def encoded(picture: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def tree(root: Path, files: dict[str, bytes]) -> Path:
    """Write a folder: relative path -> contents."""
    for name, contents in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
    return root


def classes(root: Path, counts: dict[str, int], *, prefix: str = "", form: str = "PNG", first: int = 0) -> Path:
    """A folder of class folders, every picture different."""
    seed = first
    for name, count in counts.items():
        for i in range(count):
            tree(root, {f"{prefix}{name}/{i:03}.{form.lower()}": encoded(scene(seed, 20, 16), form)})
            seed += 1
    return root


def png(width: int, height: int, body: bytes = b"", *, chunks: bytes = b"", grey: bool = True) -> bytes:
    """A PNG by hand, whose header may promise anything."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    head = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 0 if grey else 2, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunks + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    )


def text_chunk(data: bytes) -> bytes:
    body = b"note\0\0" + zlib.compress(data)
    return len(body).to_bytes(4) + b"zTXt" + body + zlib.crc32(b"zTXt" + body).to_bytes(4)


def deep(samples: np.ndarray) -> bytes:
    """A PNG of colours (H W 3, or 4 with alpha) of 16 bits, which Pillow reads and cannot write."""
    height, width, channels = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    head = width.to_bytes(4) + height.to_bytes(4) + bytes([16, 6 if channels == 4 else 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
