"""JPEG files that were cut: finding them, at hardly more than the cost of decoding.

Decoders fill what is missing with grey and say nothing, above all where somebody put an end marker behind the cut. But
a complete scan needs no bit beyond its end. So the scan is decoded with its end marker replaced by eight bytes, which
is as far as the decoder reads ahead; if it asks for more, the last row is never written, and the file was cut.
Progressive files, whose scans refine each other and have no last row, are decoded a second time with bytes put before
the end marker, which must make no difference. Each of their scans may visit the whole picture at the cost of a few
bytes, so scans are counted before anything is decoded.

The format is ITU-T T.81, annex B. Pillow's decoder is called directly: opening a small file costs more than decoding.
"""

from __future__ import annotations

import hashlib
import io
import re
import threading
from typing import Any, NamedTuple

from PIL import Image, ImageFile

from hubel.data.manifest import BadPicture

_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# Of all bytes these are read as the longest codes by common Huffman tables: eight of them last for less than a block,
# so a cut passes unseen only within the last few bytes (measured: 3 of 2,400 cut files, 7 bytes short at most).
_AHEAD = b"\x7f" * 8
_NO_MARKER = hashlib.shake_128(b"any bytes will do").digest(256).replace(b"\xff", b"\x7f")
_LENGTHLESS = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_EXIF = 0xE1
_FILL = re.compile(rb"\xff+(?=\xff)")

MAX_SCANS = 100
"""Encoders write about ten, and the most thorough of them a few dozen."""
MAX_VISITS = 2_000_000_000
"""Scans times pixels: three seconds of decoding, or 30 scans of the largest picture."""
MAX_SEGMENTS = 20_000
"""Before and between scans; a colour profile or a second picture takes a few dozen."""
MAX_FILL = 1 << 16
"""Bytes in a row that only fill; decoders skip them one by one."""


class Layout(NamedTuple):
    """What a walk over the segments of a JPEG file tells."""

    end: int
    """Offset of the first picture's end marker."""
    sequential: bool
    """One Huffman-coded scan of all components."""
    plain: bool
    """Sequential, 8 bits, grey or colour, and nothing (EXIF, XMP) that could say the picture lies on its side."""
    width: int
    height: int
    components: int

    def shrink(self, side: int) -> int:
        """By how much the decoder shrinks at once: 2, 4 or 8 as long as both sides keep `side` pixels, else 1.

        Progressive files are decoded whole: their last scan is too fine to show at a fraction.
        """
        fits = min(self.width, self.height) // side if side and self.sequential else 1
        return 1 if fits < 2 else 2 if fits < 4 else 4 if fits < 8 else 8


def layout(data: bytes) -> Layout | None:
    """Walk the segments; None for what is no JPEG file.

    End markers inside thumbnails, of a second picture, or in what follows the picture are not mistaken for this
    picture's own. Raises BadPicture when there is no end marker, when a progressive file ends before its scans have
    refined every coefficient they began, or when there are more scans or segments than a picture needs.
    """
    if data[:2] != b"\xff\xd8":
        return None
    at, scans, segments, sides = 2, 0, 0, False
    frame, kind, whole = b"", 0, True
    missing_bits: dict[tuple[int, int], int] = {}  # (component, first coefficient) -> bits still to come
    while at + 4 <= len(data):
        segments += 1
        if segments > MAX_SEGMENTS:
            raise BadPicture("bomb", f"it has more than {MAX_SEGMENTS:,} segments")
        marker = data[at + 1] if data[at] == 0xFF else -1
        if marker == -1:  # rubbish between segments, which decoders skip
            at = max(data.find(b"\xff", at), 0) or len(data)
        elif marker == 0xFF:  # fill bytes
            run = _FILL.match(data, at)
            at = run.end() if run else at + 1
            if run and len(run[0]) > MAX_FILL:
                raise BadPicture("bomb", f"it has more than {MAX_FILL:,} fill bytes in a row")
        elif marker == 0xD9:
            break
        elif marker in _LENGTHLESS:
            at += 2
        else:
            start, at = at + 4, at + 2 + (data[at + 2] << 8 | data[at + 3])
            sides = sides or marker == _EXIF
            if marker in _FRAMES:
                frame, kind = data[start:at], marker
            elif marker == 0xDA and at - start > 3 and at <= len(data):
                scans += 1
                if scans > 1:
                    _refuse_scans(scans, frame)
                if kind == 0xC2:
                    for component in data[start + 1 : start + 1 + 2 * data[start] : 2]:
                        missing_bits[component, data[at - 3]] = data[at - 1] & 15
                whole = frame[5:6] == data[start : start + 1]
                found = _NEXT_MARKER.search(data, at)
                at = found.start() if found else len(data)
    if len(frame) < 6:
        raise BadPicture("corrupt", "starts like JPEG, but there is no picture in it")
    if data[at : at + 2] != b"\xff\xd9":
        raise BadPicture("truncated", "the end marker is missing")
    if missing_bits and _unrefined(missing_bits):
        raise BadPicture("truncated", "the last scans of the progressive picture are missing")
    sequential = scans == 1 and whole and kind in (0xC0, 0xC1)
    height, width, components = frame[1] << 8 | frame[2], frame[3] << 8 | frame[4], frame[5]
    plain = sequential and not sides and frame[0] == 8 and components in (1, 3) and width > 0 and height > 0
    return Layout(at, sequential, plain, width, height, components)


def _refuse_scans(scans: int, frame: bytes) -> None:
    pixels = (frame[1] << 8 | frame[2]) * (frame[3] << 8 | frame[4]) if len(frame) > 4 else 0
    if scans > MAX_SCANS or scans * pixels > MAX_VISITS:
        raise BadPicture("bomb", f"{scans} scans or more of {pixels:,} pixels would take too long to decode")


def _unrefined(missing_bits: dict[tuple[int, int], int]) -> bool:
    # Encoders cut the coefficients into other bands when they refine, but never leave a component behind as a whole:
    # its last scan of the DC coefficient, and one of its scans of the others, must have brought the last bit.
    last_bit: dict[tuple[int, bool], int] = {}
    for (component, first), bits in missing_bits.items():
        band = component, first > 0
        last_bit[band] = min(bits, last_bit.get(band, bits))
    return any(last_bit.values())


def decode_plain(data: bytes, plan: Layout, shrink: int) -> Image.Image:
    """The picture of a plain file, as `load` would have it, without opening the file as Pillow does."""
    size = -(-plan.width // shrink), -(-plan.height // shrink)
    mode = "L" if plan.components == 1 else "RGB"
    return _sequential(data[: plan.end], mode, size, (mode, ""), (shrink, 0))


def load(picture: ImageFile.ImageFile, data: bytes, plan: Layout, shrink: int) -> None:
    """Decode an opened JPEG file, each side by `shrink` smaller; BadPicture where the picture data stops early."""
    if plan.sequential and len(picture.tile) == 1 and picture.tile[0].codec_name == "jpeg":
        if shrink > 1:
            picture.draft(None, (picture.width // shrink, picture.height // shrink))
        arguments: Any = picture.tile[0].args
        decoded = _sequential(data[: plan.end], picture.mode, picture.size, arguments, picture.decoderconfig)
        picture.im = decoded.im
        picture.tile = []
        picture.load_end()
        return
    picture.load()
    again = opened(data[: plan.end] + _NO_MARKER + data[plan.end :], ("JPEG", "MPO"))
    again.load()
    if again.tobytes() != picture.tobytes():
        raise BadPicture("truncated", _STOPS)


def opened(data: bytes, formats: tuple[str, ...]) -> ImageFile.ImageFile:
    """The picture behind `data` with its header read, whatever size it claims: whoever asks has a limit of its own."""
    with _LIMIT:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(data), formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = before


_LIMIT = threading.Lock()  # Pillow's own limit is one for the whole process
_STOPS = "the picture data stops before the end of the picture"


def _sequential(
    until_end: bytes, mode: str, size: tuple[int, int], arguments: tuple[Any, ...], config: tuple[Any, ...]
) -> Image.Image:
    def attempt(bits: bytes, colour: int) -> Image.Image:
        # Rows that the decoder does not reach keep the colour of the canvas.
        canvas = Image.new(mode, size, colour)
        decoder: Any = Image._getdecoder(mode, "jpeg", arguments, config)
        decoder.setimage(canvas.im, (0, 0, *size))
        try:
            _, code = decoder.decode(until_end + bits)
        finally:
            decoder.cleanup()
        if code < 0:
            raise BadPicture("corrupt", "broken JPEG data")
        return canvas

    first = attempt(_AHEAD, 0)
    # A last row that seems untouched may be black by right: over another colour a whole picture comes out the same.
    if not _last_row_has_colour(first) and attempt(_AHEAD, 255).tobytes() != first.tobytes():
        raise BadPicture("truncated", _STOPS)
    return first


def _last_row_has_colour(picture: Image.Image) -> bool:
    width, height = picture.size
    pixel: Any = picture.im.getpixel((width - 1, height - 1))  # the last to be written
    return bool(any(pixel) if isinstance(pixel, tuple) else pixel)
