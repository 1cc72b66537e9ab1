"""When a picture was taken and by which camera, as its file says; nothing is decoded."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from hubel.data.images import DAMAGE, MAX_NOTES, open_picture
from hubel.data.manifest import BadPicture

_EXIF, _TAKEN, _PART, _MAKE, _MODEL, _SERIAL = 0x8769, 0x9003, 0x9291, 0x010F, 0x0110, 0xA431
_READ = 1 << 17
"""Bytes of a file that are read: its notes stand at the beginning."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When and by what."""

    seconds: float
    """Since 1970, by the camera's own clock."""
    camera: str
    """Make, model and serial number, as far as they are known."""


TELLING = ("JPEG", "MPO", "TIFF", "WEBP", "AVIF")
"""Formats whose files may say it."""


def moment_of(path: str | Path) -> Moment | None:
    """When the picture in a file was taken; None where the file does not say, or cannot be read."""
    try:
        with open(path, "rb") as file:
            picture = open_picture(file.read(_READ), 1 << 40)
        notes = picture.info.get("exif", b"")
        if not notes or len(notes) > MAX_NOTES:
            return None
        exif = picture.getexif()
        inner = exif.get_ifd(_EXIF)
        text = str(inner.get(_TAKEN, "")).strip("\0 ")
        taken = datetime.datetime.strptime(text, "%Y:%m:%d %H:%M:%S").replace(tzinfo=datetime.UTC)
        part = str(inner.get(_PART, "")).strip("\0 ")
        seconds = taken.timestamp() + (float(f"0.{part}") if part.isdecimal() and len(part) < 10 else 0.0)
        names = (exif.get(_MAKE), exif.get(_MODEL), inner.get(_SERIAL))
        return Moment(seconds=seconds, camera=" ".join(str(name).strip("\0 ") for name in names if name)[:200])
    except (OSError, BadPicture, Image.DecompressionBombError, *DAMAGE):
        return None
