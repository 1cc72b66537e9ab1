"""Reading one picture file that may be anything: bounded, checked to its last byte, with a reason when it is refused.

Needs no torch; runs in worker processes. JPEG files, whose damage decoders forgive, have a file of their own.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import PIL
from PIL import Image, ImageFile, features

from hubel.data import jpeg
from hubel.data.manifest import BadPicture
from hubel.data.preprocessing import Preprocessing

__all__ = ["BadPicture", "Look", "decode", "decoder", "digest", "open_picture", "orientation", "read_bytes"]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .gif .bmp .dib .tif .tiff".split()  # noqa: SIM905
)
MAX_BYTES = 256 << 20
MAX_PIXELS = 64_000_000
"""Above the largest common camera (50 megapixels), below what a small file can blow up to by accident or malice."""

# What Pillow raises on damaged files; its own fuzzing permits these and no others.
DAMAGE = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError,
    NotImplementedError, ZeroDivisionError, RuntimeError, AssertionError, struct.error, zlib.error,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip

_MAGIC = (
    (b"\xff\xd8", "JPEG"), (b"\x89PNG", "PNG"), (b"RIFF", "WEBP"), (b"GIF8", "GIF"), (b"BM", "BMP"),
    (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"),
)  # fmt: skip
_FOREIGN = (
    (b"%PDF", "a PDF document"), (b"PK\x03\x04", "a zip archive"), (b"\x1f\x8b", "a gzip archive"),
    (b"<", "a web page or XML text"), (b"{", "JSON text"), (b"\0\0\x01\0", "an icon"), (b"8BPS", "a Photoshop file"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture file is: width and height in pixels (upright), Pillow's mode, the format's name."""

    width: int
    height: int
    mode: str
    format: str


def read_bytes(path: str, max_bytes: int = MAX_BYTES) -> tuple[bytes, os.stat_result]:
    """The whole of a regular file, never waiting on a pipe and never following a link; raises BadPicture."""
    try:
        # O_NONBLOCK: opening a named pipe would otherwise wait for ever for somebody to write.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    except OSError as error:
        raise BadPicture("unreadable", (error.strerror or str(error)).lower()) from None
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise BadPicture("special file", "not a regular file")
        if about.st_size > max_bytes:
            raise BadPicture("bomb", f"{about.st_size:,} bytes, more than the limit of {max_bytes:,}")
        data = os.read(descriptor, about.st_size)
        while len(data) < about.st_size and (more := os.read(descriptor, about.st_size - len(data))):
            data += more
    except OSError as error:
        raise BadPicture("unreadable", (error.strerror or str(error)).lower()) from None
    finally:
        os.close(descriptor)
    return data, about


_BINARY = getattr(os, "O_BINARY", 0)


@lru_cache(maxsize=1)
def decoder() -> str:
    """What decodes here, with versions: other versions may give other pixels, so caches are keyed by it.

    >>> decoder().startswith("Pillow ")
    True
    """
    jpeg_library = features.version("libjpeg_turbo") or features.version("jpg")
    return f"Pillow {PIL.__version__}, JPEG {jpeg_library}, WebP {features.version('webp')}"


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def decode(
    data: bytes, preprocessing: Preprocessing | None = None, *, max_pixels: int = MAX_PIXELS
) -> tuple[Look, np.ndarray | None]:
    """Decode a file's bytes completely and, where `preprocessing` is given, fit it: (what it is, H W C uint8).

    Raises BadPicture for anything that is not one whole picture in one of the six formats.

    >>> buffer = io.BytesIO()
    >>> Image.new("L", (8, 4), 200).save(buffer, "PNG")
    >>> decode(buffer.getvalue())
    (Look(width=8, height=4, mode='L', format='PNG'), None)
    >>> decode(b"hello")
    Traceback (most recent call last):
        ...
    hubel.data.manifest.BadPicture: not an image: starts with 'hello', which is none of JPEG, PNG, WEBP, GIF, BMP, TIFF
    """
    try:
        plan = jpeg.layout(data)
        # Twice the size wanted, so that the last step of shrinking is always a proper filter of ours.
        side = 2 * max(preprocessing.height, preprocessing.width) if preprocessing else 0
        if plan is not None and plan.plain:
            size, form = (plan.width, plan.height), "JPEG"
            _refuse_bomb(*size, max_pixels)
            picture: Image.Image = jpeg.decode_plain(data, plan, side)
        else:
            opened = open_picture(data, max_pixels)
            size, form = opened.size, opened.format or ""
            if plan is not None:
                form = "JPEG"  # also where Pillow says MPO: several pictures in one file, of which this is the first
                jpeg.load(opened, data, plan, side)
            else:
                _check_length(data, form)
                opened.load()
            picture = opened
        mode = picture.mode
        turn = orientation(picture)
        if turn is not None:
            picture = picture.transpose(turn)
            size = size[::-1] if turn in _SIDEWAYS else size
        pixels = None if preprocessing is None else preprocessing.fitted(picture)
    except BadPicture:
        raise
    except MemoryError:
        raise BadPicture("unreadable", "not enough memory to decode it") from None
    except DAMAGE as error:
        raise BadPicture(*_classify(error)) from None
    return Look(*size, mode, form), pixels


def open_picture(data: bytes, max_pixels: int = MAX_PIXELS) -> ImageFile.ImageFile:
    """The picture behind `data` with its header read and nothing decoded; bombs are refused here."""
    if not data:
        raise BadPicture("empty", "0 bytes")
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise BadPicture("bomb", f"its header claims more than the limit of {max_pixels:,} pixels") from None
    except MemoryError:
        raise BadPicture("unreadable", "not enough memory to open it") from None
    except DAMAGE as error:
        raise BadPicture(*_foreign(data, error)) from None
    _refuse_bomb(*picture.size, max_pixels)
    return picture


def _refuse_bomb(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise BadPicture("bomb", f"its header claims {width:,} x {height:,} pixels, the limit is {max_pixels:,} in all")
    if not width or not height:
        raise BadPicture("corrupt", "its header claims a side of 0 pixels")


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_SIDEWAYS = {_TURNS[code] for code in (5, 6, 7, 8)}


def orientation(picture: Image.Image) -> Image.Transpose | None:
    """How the picture must be turned to stand upright, from its EXIF or XMP data; None when it already does."""
    if not picture.info.keys() & {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}:
        return None
    try:
        code = picture.getexif().get(0x0112)
    except DAMAGE:  # damaged notes about the picture do not spoil the picture
        return None
    return _TURNS.get(code) if isinstance(code, int) else None


def _classify(error: Exception) -> tuple[str, str]:
    text = str(error).strip().rstrip(".").lower() or type(error).__name__
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return "bomb", "its header claims too many pixels"
    if "truncated" in text or "incomplete" in text or "end of file" in text:
        return "truncated", text
    return "corrupt", text


def _foreign(data: bytes, error: Exception) -> tuple[str, str]:
    for magic, name in _MAGIC:
        if data.startswith(magic):
            text = "its header is damaged" if "cannot identify" in str(error) else str(error).strip().lower()
            return "corrupt", f"starts like {name}, but {text}"
    for magic, name in _FOREIGN:
        if data.startswith(magic):
            return "not an image", f"it is {name}"
    if data[4:8] == b"ftyp":
        return "not an image", "HEIC, AVIF or a film; convert it to JPEG or PNG"
    return "not an image", f"starts with {_printable(data[:16])}, which is none of {', '.join(FORMATS)}"


def _printable(data: bytes) -> str:
    text = data.decode("ascii", "replace").split("\n")[0].rstrip()
    return repr(text) if text.isprintable() and "\ufffd" not in text else f"the bytes {data[:8].hex(' ')}"


def _check_length(data: bytes, form: str) -> None:
    """Cuts that Pillow forgives: a WEBP shorter than its header says, a GIF without its end."""
    if form == "WEBP" and len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise BadPicture("truncated", f"{len(data):,} bytes of {8 + int.from_bytes(data[4:8], 'little'):,}")
    if form == "GIF" and not _gif_is_complete(data):
        raise BadPicture("truncated", "the end marker is missing")


def _gif_is_complete(data: bytes) -> bool:
    """Whether a walk over the blocks of a GIF arrives at its trailer."""
    flags = data[10] if len(data) > 10 else 0
    at = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    while at < len(data):
        kind = data[at]
        if kind == 0x3B:  # trailer
            return True
        if kind == 0x2C and at + 9 < len(data):  # a frame: 9 bytes, its palette, the code size
            flags = data[at + 9]
            at += 11 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
        elif kind == 0x21:  # an extension
            at += 2
        else:
            return False
        while at < len(data) and data[at]:  # sub-blocks, each with its length first
            at += 1 + data[at]
        at += 1
    return False
