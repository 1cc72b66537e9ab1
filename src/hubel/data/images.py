"""Reading one picture file that may be anything: bounded, checked to its last byte, with a reason when it is refused.

Needs no torch; runs in worker processes. JPEG files, whose damage decoders forgive, have a file of their own, as have
PBM, PGM and PPM, and WAV files, which are read as their spectrograms.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import sys
import zlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import PIL
from PIL import Image, ImageFile, features

from hubel.data import jpeg, pnm, sounds
from hubel.data.cells import read_cell
from hubel.data.kinds import require_taken
from hubel.data.manifest import BadPicture
from hubel.data.places import placed
from hubel.data.preprocessing import Preprocessing, to_bytes
from hubel.errors import UsageError

__all__ = ["BadPicture", "Look", "decode", "decoder", "digest", "open_picture", "orientation", "read_bytes"]

AVIF = find_spec("PIL._avif") is not None
"""Whether this Pillow reads AVIF; to load what does costs each worker ten milliseconds that few need."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", sounds.FORMAT, *(("AVIF",) if AVIF else ()))
READ = "JPEG, PNG, WEBP, GIF, BMP, TIFF, PPM, PGM, PBM" + (", AVIF and WAV" if AVIF else " and WAV")
"""The formats in words."""
SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .gif .bmp .dib .tif .tiff .ppm .pgm .pbm .pnm .wav".split()  # noqa: SIM905
) | ({".avif"} if AVIF else set())
MAX_BYTES = 256 << 20
MAX_PIXELS = 64_000_000
"""Above the largest common camera (50 megapixels), below what a small file can blow up to by accident or malice.
HUBEL_MAX_MEGAPIXELS is another one. What counts is what must be held in memory: a JPEG that is decoded at a fraction of
its size may have SHRUNK times as many."""
SHRUNK = 16
MAX_BLOCKS = 2_000_000
"""Of a GIF: as many as fit into MAX_BYTES where they are full, as every encoder makes them."""
MAX_NOTES = 1 << 20
"""Bytes of EXIF or XMP; JPEG has room for 64 KiB."""

# What Pillow raises on damaged files; its own fuzzing permits these and no others.
DAMAGE = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError,
    NotImplementedError, ZeroDivisionError, RuntimeError, AssertionError, struct.error, zlib.error,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip

_MAGIC = (
    (b"\xff\xd8", "JPEG"), (b"\x89PNG", "PNG"), (b"RIFF", "WEBP"), (b"GIF8", "GIF"), (b"BM", "BMP"),
    (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"P1", "PPM"), (b"P2", "PPM"), (b"P3", "PPM"), (b"P4", "PPM"),
    (b"P5", "PPM"), (b"P6", "PPM"),
)  # fmt: skip
_FOREIGN = (
    (b"%PDF", "a PDF document"), (b"PK\x03\x04", "a zip archive"), (b"\x1f\x8b", "a gzip archive"),
    (b"<", "a web page or XML text"), (b"{", "JSON text"), (b"\0\0\x01\0", "an icon"), (b"8BPS", "a Photoshop file"),
    (b"\x93NUMPY", "a NumPy file"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture file is: width and height in pixels (upright), Pillow's mode, the format's name."""

    width: int
    height: int
    mode: str
    format: str
    low: float = 0.0
    """The smallest sample, where samples have more than 8 bits."""
    high: float = 0.0
    """The largest; 0 where they have no more than 8."""

    @property
    def plain(self) -> tuple[int, int, str, str, float, float]:
        """The fields, for JSON."""
        return self.width, self.height, self.mode, self.format, self.low, self.high


def read_bytes(path: str, max_bytes: int = MAX_BYTES) -> tuple[bytes, tuple[int, int, int]]:
    """The whole of a regular file, or of a place in one (`hubel.data.places`): its bytes, and its size and times.

    Never waits on a pipe and never follows a link. Raises BadPicture.
    """
    place = placed(path)
    if place is not None and place.column is not None:
        return read_cell(place, max_bytes)
    try:
        # O_NONBLOCK: opening a named pipe would otherwise wait for ever for somebody to write.
        descriptor = os.open(
            path if place is None else place.file,
            os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | _BINARY,
        )
    except OSError as error:
        raise BadPicture("unreadable", (error.strerror or str(error)).lower()) from None
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise BadPicture("special file", "not a regular file")
        start, size = (0, about.st_size) if place is None else (place.first, place.second)
        if size > max_bytes:
            raise BadPicture("bomb", f"{size:,} bytes, more than the limit of {max_bytes:,}")
        if start + size > about.st_size:
            raise BadPicture("truncated", f"its archive ends {start + size - about.st_size:,} bytes before it does")
        if start:
            os.lseek(descriptor, start, os.SEEK_SET)
        data = os.read(descriptor, size)
        while len(data) < size and (more := os.read(descriptor, size - len(data))):
            data += more
    except OSError as error:
        raise BadPicture("unreadable", (error.strerror or str(error)).lower()) from None
    finally:
        os.close(descriptor)
    return data, (size, about.st_mtime_ns, about.st_ctime_ns)


_BINARY = getattr(os, "O_BINARY", 0)


@lru_cache(maxsize=1)
def decoder() -> str:
    """What decodes here, with versions: other versions may give other pixels, so caches are keyed by it.

    >>> decoder().startswith("Pillow ")
    True
    """
    jpeg_library = features.version("libjpeg_turbo") or features.version("jpg")
    others = f"WebP {features.version('webp')}, AVIF {features.version('avif') if AVIF else None}"
    return f"Pillow {PIL.__version__}, JPEG {jpeg_library}, {others}, sound {sounds.VERSION}"


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def pixel_limit() -> int:
    """Pixels that a picture may have: HUBEL_MAX_MEGAPIXELS millions, else MAX_PIXELS; UsageError for no number above 0.

    >>> pixel_limit()
    64000000
    """
    text = os.environ.get("HUBEL_MAX_MEGAPIXELS", "")
    try:
        asked = float(text or MAX_PIXELS / 1e6)
    except ValueError:
        asked = 0.0
    if not 0 < asked < 1e6:
        raise UsageError(
            f"HUBEL_MAX_MEGAPIXELS must be a number of megapixels above 0, got {text!r}", hint="for example 200"
        )
    return int(asked * 1e6)


def decode(
    data: bytes, preprocessing: Preprocessing | None = None, *, max_pixels: int | None = None
) -> tuple[Look, np.ndarray | None]:
    """Decode a file's bytes completely and, where `preprocessing` is given, fit it: (what it is, H W C uint8).

    Raises BadPicture for anything that is not one whole picture in one of FORMATS with at most `max_pixels`
    (`pixel_limit` if not given).

    >>> from io import BytesIO
    >>> buffer = BytesIO()
    >>> Image.new("L", (8, 4), 200).save(buffer, "PNG")
    >>> decode(buffer.getvalue())[0].mode
    'L'
    >>> decode(b"")
    Traceback (most recent call last):
        ...
    hubel.data.manifest.BadPicture: empty: 0 bytes
    """
    most = pixel_limit() if max_pixels is None else max_pixels
    with GUARDED:
        size, picture, form, fine = _decoded(data, preprocessing, most)
        return finish(picture, size, form, preprocessing, fine)


def finish(
    picture: Image.Image,
    size: tuple[int, int],
    form: str,
    preprocessing: Preprocessing | None,
    fine: tuple[str, float, float] | None = None,
) -> tuple[Look, np.ndarray | None]:
    """A decoded picture set upright and, where `preprocessing` is given, fitted: (what it is, H W C uint8).

    `size` is what its header said: it may have been decoded at a fraction of that. `fine` are the mode, the smallest
    and the largest sample of what had more bits before.
    """
    mode, low, high = fine or (picture.mode, *extent(picture))
    turn = orientation(picture)
    if turn is not None:
        picture = picture.transpose(turn)
        size = size[::-1] if turn in _SIDEWAYS else size
    pixels = None if preprocessing is None else preprocessing.fitted(picture)
    return Look(*size, mode, form, low, high), pixels


class _Guarded:
    """What Pillow raises on damaged pictures becomes BadPicture."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, MemoryError):
            raise BadPicture("unreadable", "not enough memory to decode it") from None
        if isinstance(error, DAMAGE):
            raise BadPicture(*_classify(error)) from None


GUARDED = _Guarded()


def require_fit(look: Look, preprocessing: Preprocessing) -> None:
    """Raise BadPicture for what a net gives no sensible answer to: a file of another kind than it learnt from, and
    samples that no rule gives a range, or that all become one shade.

    Where the preprocessing does not know the levels of the set that a net was trained on, floating point must be 0 to
    1, and whole numbers of 32 bits must use more than 8 and at most 16.
    """
    require_taken(look, preprocessing)
    if not (look.low or look.high):  # 8 bits, or nothing but black
        return
    if preprocessing.levels is not None:
        low, high = preprocessing.levels
        shade = (high - low) / 255
        expected = f"{low:g} to {high:g}"
        fits = look.low == look.high or (look.high >= low + shade and look.low <= high - shade)
    elif look.mode in ("F", "I"):
        expected = "0 to 1" if look.mode == "F" else "0 to 65535 with some above 255"
        least, most = (0, 1) if look.mode == "F" else (256, 65535)
        fits = look.low >= 0 and least <= look.high <= most
    else:
        return
    if not fits:
        raise BadPicture(
            "beyond levels",
            f"its samples go from {look.low:.4g} to {look.high:.4g}, and {expected} is expected of such pictures",
        )


def _decoded(
    data: bytes, preprocessing: Preprocessing | None, most: int
) -> tuple[tuple[int, int], Image.Image, str, tuple[str, float, float] | None]:
    """(size as the header says, the picture with all its pixels, the format, what `finish` calls fine)."""
    plan = jpeg.layout(data)
    if plan is not None:
        # Twice the size wanted, so that the last step of shrinking is always a proper filter of ours. Who wants no
        # pixels wants to know whether they are all there, which any fraction tells.
        shrink = plan.shrink(2 * max(preprocessing.height, preprocessing.width) if preprocessing else 0)
        if preprocessing is None and plan.width * plan.height > most:
            shrink = plan.shrink(1)
        refuse_bomb(plan.width, plan.height, most, shrink)
        # The format is JPEG also where Pillow says MPO: several pictures in one file, of which this is the first.
        if plan.plain:
            return (plan.width, plan.height), jpeg.decode_plain(data, plan, shrink), "JPEG", None
        opened = open_picture(data, most)
        size = opened.size
        jpeg.load(opened, data, plan, shrink)
        return size, opened, "JPEG", None
    head = pnm.header(data)
    if head is not None:
        refuse_bomb(head.width, head.height, most)
        return (head.width, head.height), pnm.load(data, head), "PPM", None
    opened = open_picture(data, most)
    form = opened.format or ""
    _check_length(data, form)
    mode = mode_of(opened)
    opened.load()
    if mode == opened.mode:
        return opened.size, opened, form, None
    picture, low, high = _sixteen_bit_colour(opened, data, most, preprocessing)
    return opened.size, picture, form, (mode, low, high)


def mode_of(picture: ImageFile.ImageFile) -> str:
    """Pillow's mode of a picture that is opened and not yet loaded, with ";16" where its colours have 16 bits."""
    return f"{picture.mode};16" if ";16" in _raw_mode(picture) and picture.mode in ("RGB", "RGBA") else picture.mode


def _raw_mode(picture: ImageFile.ImageFile) -> str:
    """How the samples lie in the file: "RGB;16B" are colours of 16 bits, the higher byte first."""
    arguments: Any = picture.tile[0].args if len(picture.tile) == 1 else ""
    raw = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return raw if isinstance(raw, str) else ""


def _sixteen_bit_colour(
    loaded: Image.Image, data: bytes, most: int, preprocessing: Preprocessing | None
) -> tuple[Image.Image, float, float]:
    """(the picture by the levels of its set, the smallest and the largest sample).

    Pillow has no mode for such colours and keeps the higher byte of each. Where that would lose something, the file is
    read again as if its bytes lay the other way round, which gives the lower ones.
    """
    levels = preprocessing.levels if preprocessing is not None else None
    higher = np.asarray(loaded)
    colours = higher[:, :, :3]
    if levels is None and int(colours.max(initial=0)) >= 128:  # all 16 bits are used: the higher byte is the picture
        return loaded, float(colours.min(initial=255)) * 256, 65535.0
    again = open_picture(data, most)
    (tile,) = again.tile
    raw = _raw_mode(again)
    other = raw[:-1] + {"B": "L", "L": "B"}.get(raw[-1], "B" if sys.byteorder == "little" else "L")
    again.tile = [tile._replace(args=(other, *tile.args[1:]) if isinstance(tile.args, tuple) else other)]
    again.load()
    samples = colours.astype(np.uint16) << 8 | np.asarray(again)[:, :, :3]
    extremes = float(samples.min(initial=65535)), float(samples.max(initial=0))
    if levels is None:
        return loaded, *extremes
    picture = Image.fromarray(np.concatenate([to_bytes(samples, levels), higher[:, :, 3:]], axis=2))
    picture.info = dict(loaded.info)
    return picture, *extremes


def open_picture(data: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """The picture behind `data` with its header read and nothing decoded; bombs are refused here."""
    if not data:
        raise BadPicture("empty", "0 bytes")
    try:
        picture = jpeg.opened(data, FORMATS)
    except MemoryError:
        raise BadPicture("unreadable", "not enough memory to open it") from None
    except DAMAGE as error:
        raise BadPicture(*_foreign(data, error)) from None
    # How much of a JPEG must be held is known to who decodes it; here only what no fraction of it would help.
    refuse_bomb(*picture.size, max_pixels, 8 if picture.format in ("JPEG", "MPO") else 1)
    return picture


def refuse_bomb(width: int, height: int, most: int, shrink: int = 1) -> None:
    """Raise BadPicture where more than `most` pixels must be held, or the header claims far more than that."""
    if width * height > most * min(SHRUNK, shrink * shrink):
        raise BadPicture(
            "bomb",
            f"its header claims {width:,} x {height:,} pixels, the limit is {most:,} in all "
            "(another one: HUBEL_MAX_MEGAPIXELS)",
        )
    if not width or not height:
        raise BadPicture("corrupt", "its header claims a side of 0 pixels")


def extent(picture: Image.Image) -> tuple[float, float]:
    """The smallest and the largest sample of a picture with more than 8 bits a sample; (0, 0) for any other.

    >>> extent(Image.new("I;16", (2, 2), 4095)), extent(Image.new("L", (2, 2), 255))
    ((4095.0, 4095.0), (0.0, 0.0))
    """
    if not picture.mode.startswith("I") and picture.mode != "F":
        return 0.0, 0.0
    samples = np.asarray(picture)
    if picture.mode == "F":
        samples = samples[np.isfinite(samples)]
    return (float(samples.min()), float(samples.max())) if samples.size else (0.0, 0.0)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_NOTES = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")
_SIDEWAYS = {_TURNS[code] for code in (5, 6, 7, 8)}


def orientation(picture: Image.Image) -> Image.Transpose | None:
    """How the picture must be turned to stand upright, from its EXIF or XMP data; None when it already does."""
    notes = [picture.info[name] for name in _NOTES if name in picture.info]
    # Entries of such notes may all point at all of it, so what is large would be copied tens of thousands of times.
    if not notes or any(len(note) > MAX_NOTES for note in notes):
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
    if data[4:12] == b"ftypavif":
        if AVIF:
            return "corrupt", "starts like AVIF, but its header is damaged"
        return (
            "not an image",
            "it is AVIF, which this Pillow does not read; update Pillow, or convert it to JPEG or PNG",
        )
    if data[4:8] == b"ftyp":
        return "not an image", "it is HEIC or a film; convert it to JPEG or PNG"
    # Never what it does begin with: it may be anything of the user's, and reasons go into reports and logs.
    return "not an image", f"it begins like none of {', '.join(FORMATS)}"


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
    blocks = 0
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
            blocks += 1
            if blocks > MAX_BLOCKS:
                raise BadPicture("bomb", f"it has more than {MAX_BLOCKS:,} blocks")
        at += 1
    return False
