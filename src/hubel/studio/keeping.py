"""Pictures from a page that become part of a data set: drawn anew, named by us, in the folder of their class, or
beside those of a table, with a line in it.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

from PIL import ImageOps

from hubel.data.adding import Added, add_sample, picture_folder
from hubel.data.edits import label_names
from hubel.data.images import GUARDED, READ, decode, mode_of, open_picture, pixel_limit
from hubel.data.manifest import BadPicture, Manifest, printable
from hubel.data.places import placed
from hubel.data.preprocessing import to_channels
from hubel.data.sounds import FORMAT as SOUND
from hubel.data.tables import Table
from hubel.errors import DataError, UsageError
from hubel.store import RunStore
from hubel.studio.places import Places

LONGEST = 100
"""Letters of the name of a class."""
FINE = {"TIFF": "tif", "PPM": "pgm"}
"""How files of a format end, where not as it is called."""


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
    where = manifest.source if manifest.masks is None and os.path.isdir(manifest.source) else ""
    if not where or manifest.paths is None or any(placed(path) for path in manifest.files[:1]):
        raise UsageError(
            f"{printable(manifest.source)} is no folder of class folders and no table of files: nothing can be added "
            "to it from here",
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


def refuse_twice(manifest: Manifest, folder: Path, name: str) -> None:
    """Raise UsageError where a picture of that name lies in another folder of the data: it would be of two classes."""
    for row, path in enumerate(manifest.paths or ()):
        if Path(path).name == name and Path(manifest.root, path).parent != folder:
            raise UsageError(
                f"{printable(manifest.source)} has this picture already, as {manifest.labelled_as(row)}",
                hint="the page Data changes its label",
            )


def keep_in_table(
    places: Places, manifest: Manifest, tables: Sequence[Table], data: bytes, labels: Sequence[str], *, several: bool
) -> tuple[Path, Added]:
    """Write a picture beside those of a table, and its line into the table; neither where one of them cannot be.

    Raises DataError for what is no picture, and as `add_sample`.
    """
    folder = picture_folder(tables, manifest)
    for place in (folder, tables[0].path):
        places.inside(str(place))
    known = [label if label in manifest.class_names else class_name(label) for label in labels]
    name, drawn = as_file(data)
    fresh = not (folder / name).exists()
    kept = keep(folder, name, drawn)
    try:
        return kept, add_sample(tables, kept, known, several=several)
    except BaseException:
        if fresh:
            kept.unlink(missing_ok=True)
        raise


def keep(folder: Path, name: str, data: bytes) -> Path:
    """Write a picture into a folder, which is made if need be; one that is there already is not written again."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / name).exists():
        RunStore(folder).write_bytes(name, data)
    return folder / name


def as_file(data: bytes, *, stem: str = "studio") -> tuple[str, bytes]:
    """A picture named by its contents and drawn anew, as nets see it: PNG (small ones) or JPEG. Sounds stay as they
    came, and so do pictures whose samples have more than 8 bits, since no such drawing holds all of them. Raises
    DataError for what is neither.
    """
    name = f"{stem}-{hashlib.sha256(data).hexdigest()[:12]}"
    try:
        with GUARDED:
            opened = open_picture(data, pixel_limit())
            mode, form = mode_of(opened), opened.format or ""
            if form == SOUND or mode[0] in "IF" or ";16" in mode:
                decode(data)  # is it whole?
                return f"{name}.{FINE.get(form, form.lower())}", data
            picture = ImageOps.exif_transpose(opened)
            picture = to_channels(picture, 1 if picture.mode in ("1", "L") else 3)
    except BadPicture as error:
        raise DataError(f"this is no picture that can be read: {error.reason}", hint=f"{READ} files are read") from None
    out = io.BytesIO()
    small = max(picture.size) <= 128
    picture.save(out, "PNG" if small else "JPEG", **({} if small else {"quality": 95}))
    return f"{name}.{'png' if small else 'jpg'}", out.getvalue()
