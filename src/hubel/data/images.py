"""Reading one picture file that may be anything: bounded, checked to its last byte, with a reason when it is refused.

Needs no torch; runs in worker processes. The check for cut JPEG files: a complete scan needs no bit beyond its end, so
the scan is decoded with its end marker replaced by a few one-bits. The decoder reads ahead at most eight bytes; if it
asks for more, the last row is never written, and the file was cut, whatever marker somebody put behind the cut.
Small files are decoded a second time with other bits behind the end, which must make no difference; so are progressive
ones, whose scans refine each other and have no last row.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from hubel.data.preprocessing import Preprocessing

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


class BadPicture(Exception):
    """A file that cannot be used: `kind` as in Problem, and the `reason` in words."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason


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
    hubel.data.images.BadPicture: not an image: starts with 'hello', which is none of JPEG, PNG, WEBP, GIF, BMP, TIFF
    """
    picture = open_picture(data, max_pixels)
    form, mode, size = picture.format or "", picture.mode, picture.size
    try:
        if form in ("JPEG", "MPO"):
            _load_jpeg(picture, data, preprocessing)
        else:
            _check_length(data, form)
            picture.load()
        turn = orientation(picture)
        if turn is not None:
            picture = picture.transpose(turn)
            size = size[::-1] if turn in _SIDEWAYS else size
        pixels = None if preprocessing is None else preprocessing.fitted(picture)
    except MemoryError:
        raise BadPicture("unreadable", "not enough memory to decode it") from None
    except DAMAGE as error:
        raise BadPicture(*_classify(error)) from None
    return Look(*size, mode, "JPEG" if form == "MPO" else form), pixels


def open_picture(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
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
    if picture.width * picture.height > max_pixels:
        size = f"{picture.width:,} x {picture.height:,}"
        raise BadPicture("bomb", f"its header claims {size} pixels, more than the limit of {max_pixels:,}")
    if not picture.width or not picture.height:
        raise BadPicture("corrupt", "its header claims a side of 0 pixels")
    return picture


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
    if isinstance(error, BadPicture):
        return error.kind, error.reason
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


_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_ONES = b"\xff\x00" * 8
_NO_MARKER = hashlib.shake_128(b"any bytes will do").digest(256).replace(b"\xff", b"\x7f")
SMALL = 1 << 16
"""Bytes up to which a JPEG is decoded twice."""


def _load_jpeg(picture: Image.Image, data: bytes, preprocessing: Preprocessing | None) -> None:
    """Decode, at a fraction of the size where that is ample, and refuse a file whose picture data stops early."""
    sequential, end = _jpeg_layout(data)
    if sequential and len(picture.tile) == 1 and picture.tile[0].codec_name == "jpeg":
        # Twice the size wanted, so that the last step of shrinking is always a proper filter of ours.
        side = 2 * max(preprocessing.height, preprocessing.width) if preprocessing else 0
        if side and min(picture.size) > side:
            picture.draft(None, (side, side))
        _load_sequential(picture, data[:end])
    else:
        # At full size: the last scan of a progressive file is too fine to show at a fraction of it.
        picture.load()
        again = Image.open(io.BytesIO(data[:end] + _NO_MARKER + data[end:]), formats=FORMATS)
        again.load()
        if again.tobytes() != picture.tobytes():
            raise BadPicture("truncated", "the picture data stops before the end of the picture")


def _load_sequential(picture: Image.Image, until_end: bytes) -> None:
    first = _attempt(picture, until_end + _ONES, 0)
    # Small files are worth a second look, which also finds a cut within the last bytes. And a last row that seems
    # untouched may be black by right: over another colour, with other bits behind the end, a whole picture is the same.
    doubtful = len(until_end) < SMALL or not any(_last_row(first))
    if doubtful and _attempt(picture, until_end + _NO_MARKER, 255).tobytes() != first.tobytes():
        raise BadPicture("truncated", "the picture data stops before the end of the picture")
    picture.im = first.im
    picture.tile = []
    picture.load_end()


def _last_row(picture: Image.Image) -> bytes:
    return picture.crop((0, picture.height - 1, *picture.size)).tobytes()


def _attempt(picture: Image.Image, data: bytes, colour: int) -> Image.Image:
    """What the decoder makes of `data` on a canvas of one colour; rows it does not reach keep that colour."""
    tile = picture.tile[0]
    decoder = Image._getdecoder(picture.mode, tile.codec_name, tile.args, picture.decoderconfig)
    canvas = Image.new(picture.mode, picture.size, colour)
    decoder.setimage(canvas.im, tile.extents)
    try:
        _, code = decoder.decode(data)
    finally:
        decoder.cleanup()
    if code < 0:
        raise BadPicture("corrupt", "broken JPEG data")
    return canvas


def _jpeg_layout(data: bytes) -> tuple[bool, int]:
    """(is it one sequential scan of all components?, offset of the first picture's end marker).

    Walks the segments (ITU-T T.81, annex B), so end markers inside thumbnails, of a second picture, or in what follows
    the picture are not mistaken for this picture's own. Raises BadPicture when there is no end marker, or when a
    progressive file ends before its scans have refined every coefficient they began.
    """
    at, components, scans, frame = 2, 0, 0, 0
    missing_bits: dict[tuple[int, int], int] = {}  # (component, first coefficient) -> bits still to come
    while at + 4 <= len(data):
        marker = data[at + 1] if data[at] == 0xFF else -1
        if marker == -1:  # rubbish between segments, which decoders skip
            at = max(data.find(b"\xff", at), 0) or len(data)
        elif marker == 0xFF:  # a fill byte
            at += 1
        elif marker == 0xD9:
            break
        elif marker <= 0x01 or 0xD0 <= marker <= 0xD8:  # no length follows
            at += 2
        else:
            segment = data[at + 4 : at + 2 + int.from_bytes(data[at + 2 : at + 4])]
            at += 4 + len(segment)
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(segment) > 5:
                frame, components = marker, segment[5]
            elif marker == 0xDA and len(segment) > 3:
                scans += 1
                if frame == 0xC2:
                    for component in segment[1 : 1 + 2 * segment[0] : 2]:
                        missing_bits[component, segment[-3]] = segment[-1] & 15
                elif segment[0] != components:
                    frame = 0
                found = _NEXT_MARKER.search(data, at)
                at = found.start() if found else len(data)
    if data[at : at + 2] != b"\xff\xd9":
        raise BadPicture("truncated", "the end marker is missing")
    if _unrefined(missing_bits):
        raise BadPicture("truncated", "the last scans of the progressive picture are missing")
    return scans == 1 and frame in (0xC0, 0xC1), at


def _unrefined(missing_bits: dict[tuple[int, int], int]) -> bool:
    # Encoders cut the coefficients into other bands when they refine, but never leave a component behind as a whole:
    # its last scan of the DC coefficient, and one of its scans of the others, must have brought the last bit.
    last_bit: dict[tuple[int, bool], int] = {}
    for (component, first), bits in missing_bits.items():
        band = component, first > 0
        last_bit[band] = min(bits, last_bit.get(band, bits))
    return any(last_bit.values())
