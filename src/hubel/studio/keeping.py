"""Pictures from a page that become part of a data set: drawn anew, named by us, in the folder of their class."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

from PIL import ImageOps

from hubel.data.edits import label_names
from hubel.data.images import GUARDED, READ, open_picture, pixel_limit
from hubel.data.manifest import BadPicture, Manifest, printable
from hubel.errors import DataError, UsageError
from hubel.store import RunStore
from hubel.studio.places import Places

LONGEST = 100
"""Letters of the name of a class."""


def class_name(word: str) -> str:
    """A name that a class and its folder may have; raises UsageError for any other.

    >>> class_name("  red apples ")
    'red apples'
    """
    name = word.strip()
    bad = not name or name in (".", "..") or name.startswith(".") or any(sign in name for sign in '/\\\0:*?"<>|')
    if bad or name != printable(name) or len(name) > LONGEST:
        raise UsageError(f"a class needs a plain name, got {printable(word)[:60]!r}", hint="for example cat")
    return name


def class_folder(places: Places, manifest: Manifest, label: str) -> Path:
    """Where pictures of a class lie in a folder of class folders; a new class lies beside the others.

    Raises UsageError for data that are no such folder.
    """
    if manifest.paths is None or not os.path.isdir(manifest.source):
        raise UsageError(
            f"{printable(manifest.source)} is no folder of class folders, so nothing can be added to it from here",
            hint="the page Data makes a folder from your camera",
        )
    named = [
        Path(manifest.root, path).parent
        for path, split in zip(manifest.paths, manifest.given_split, strict=True)
        if split in ("", "train")
    ]
    own = [Path(manifest.root, path).parent for path, name in label_names(manifest).items() if name == label]
    found = next((folder for folder in (*own, *named) if folder.name == label), None)
    if found is None and own:
        found = own[0]
    if found is None:
        if not named:
            raise UsageError("the data have no part to learn from")
        found = named[0].parent / class_name(label)
    return places.inside(str(found))


def keep(folder: Path, data: bytes, *, stem: str = "studio") -> Path:
    """Write a picture into a folder as PNG (small ones) or JPEG; one that is there already is not written again.

    Raises DataError for what is no picture.
    """
    try:
        with GUARDED:
            picture = ImageOps.exif_transpose(open_picture(data, pixel_limit()))
            picture = picture.convert("L" if picture.mode in ("1", "L") else "RGB")
    except BadPicture as error:
        raise DataError(f"this is no picture that can be read: {error.reason}", hint=f"{READ} files are read") from None
    out = io.BytesIO()
    small = max(picture.size) <= 128
    picture.save(out, "PNG" if small else "JPEG", **({} if small else {"quality": 95}))
    name = f"{stem}-{hashlib.sha256(data).hexdigest()[:12]}.{'png' if small else 'jpg'}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / name).exists():
        RunStore(folder).write_bytes(name, out.getvalue())
    return folder / name
