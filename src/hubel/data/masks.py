"""Masks: beside each picture a picture of the same size whose pixels are class numbers.

    scans/images/a.jpg   scans/masks/a.png             matched by name, to any depth; "a_mask.png" will do, too
    scans/train/images/… scans/train/masks/…           the same with given splits
    scans/classes.txt                                  optional: the name of class 0, of class 1, … one a line

A mask is grey, black and white, or has a palette; what counts is the number of each pixel. Masks of 0 and 255 alone
mean background and object. Beside other numbers 255 is a border that belongs to no class and is not learnt (as in
PASCAL VOC). Colours, JPEG files (which blur the numbers), other sizes, and masks without a picture or the other way
round are refused, by name.

Letters: N pictures, H W height and width, K classes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from hubel.data.folders import split_parts, unwrapped
from hubel.data.images import GUARDED, BadPicture, open_picture, orientation, pixel_limit, read_bytes
from hubel.data.manifest import SPLIT_RANK, Manifest, MaskFiles, Problem, printable
from hubel.data.places import place_name, resolved
from hubel.data.preprocessing import Preprocessing
from hubel.data.walk import Found, is_folder, listing, walk
from hubel.errors import DataError
from hubel.words import plural

IGNORED = 255
"""Of a pixel that belongs to no class: not learnt, not counted."""
MOST_CLASSES = 64
"""Different numbers in masks that no list of classes names; more of them are shades."""
PICTURES, MASKS = ("images", "image", "imgs", "img", "pictures"), ("masks", "mask", "segmentations", "labels")
"""What the two folders are called, without capitals."""
ENDINGS = ("_mask", "-mask", "_seg", "_labels", "_label", "_gt")
"""What the name of a mask may have more than that of its picture."""
CLASSES_FILE = "classes.txt"
AGAIN = "save it again as a PNG file whose pixels are the numbers of classes, or take the mask and its picture out"
LAYOUT = (
    "pictures in images/, masks of the same names in masks/ beside it; or a table with the columns file and mask; "
    "in a tar 1.jpg and 1.mask.png"
)
_READERS = 4
_T = TypeVar("_T")


def mask_folders(root: str, *, follow: bool = False) -> tuple[str, str] | None:
    """The names of the folders of pictures and of masks in a folder that has both; None elsewhere.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("Images", "masks"):
    ...         Path(folder, name).mkdir()
    ...     mask_folders(folder)
    ('Images', 'masks')
    """
    try:
        names = {entry.name.casefold(): entry.name for entry in listing(root) if is_folder(entry, follow=follow)}
    except OSError:
        return None
    pictures = next((names[name] for name in PICTURES if name in names), None)
    masks = next((names[name] for name in MASKS if name in names), None)
    return None if pictures is None or masks is None else (pictures, masks)


def has_masks(folder: str | os.PathLike[str], *, follow: bool = False) -> bool:
    """Do pictures and their masks lie side by side here, or in each part of a given split?"""
    root = unwrapped(os.path.realpath(folder), follow=follow)
    return bool(_parts(root, follow))


def _parts(root: str, follow: bool) -> dict[str, tuple[str, tuple[str, str]]]:
    """Folder ("" for the root) -> its split and the names of its two folders; {} where some part lacks them."""
    here = mask_folders(root, follow=follow)
    if here is not None:
        return {"": ("", here)}
    found = {}
    for part, split in split_parts(root, follow=follow).items():
        both = mask_folders(os.path.join(root, part), follow=follow)
        if both is None:
            return {}
        found[part] = (split, both)
    return found


def open_masks(folder: str | Path, *, follow_links: bool = False) -> Manifest:
    """The manifest of a folder of pictures with masks: labels are the class, besides the first, with most pixels.

    Raises DataError for pictures without a mask, masks without a picture, and for masks that are none.
    """
    root = unwrapped(os.path.realpath(folder), follow=follow_links)
    parts = _parts(root, follow_links)
    if not parts:
        raise DataError(f"{printable(str(folder))} has no masks beside its pictures", hint=LAYOUT)
    rows: list[tuple[str, str, str, tuple[int, int, int], str]] = []  # split, path, file, stat, mask
    problems = []
    for part, (split, (pictures, masks)) in sorted(parts.items(), key=lambda each: SPLIT_RANK[each[1][0]]):
        prefix = f"{part}/" if part else ""
        found, beside = Found(follow=follow_links), Found(follow=follow_links)
        walk(root, prefix + pictures, found)
        walk(root, prefix + masks, beside)
        pairs = paired(found.paths, beside.paths, prefix + pictures, prefix + masks)
        order = sorted(range(len(found.paths)), key=lambda i: found.paths[i])
        rows += [(split, found.paths[i], found.files[i], found.stats[i], pairs[found.paths[i]]) for i in order]
        problems += found.problems
    if not rows:
        raise DataError(f"{printable(str(folder))} has an empty folder of pictures", hint=LAYOUT)
    manifest = Manifest(
        source=str(folder),
        root=root,
        kind="files",
        paths=tuple(row[1] for row in rows),
        linked=tuple(row[2] for row in rows) if follow_links else None,
        labels=np.zeros(len(rows), np.int64),
        class_names=(),
        given_split=np.array([row[0] for row in rows], dtype="<U5"),
        stats=np.array([row[3] for row in rows], dtype=np.int64).reshape(-1, 3),
        problems=tuple(problems),
    )
    return with_masks(manifest, [row[4] for row in rows], names=class_list(root))


def paired(pictures: Sequence[str], masks: Sequence[str], above: str, beside: str) -> dict[str, str]:
    """Picture -> its mask: the same path below the two folders, but for the suffix. Raises DataError.

    >>> paired(["images/a.jpg", "images/b/1.png"], ["masks/a_mask.png", "masks/b/1.png"], "images", "masks")
    {'images/a.jpg': 'masks/a_mask.png', 'images/b/1.png': 'masks/b/1.png'}
    """
    by_name: dict[str, str] = {}
    for mask in masks:
        stem = os.path.splitext(os.path.relpath(mask, beside))[0]
        for name in {stem, *(stem.removesuffix(ending) for ending in ENDINGS)}:
            other = by_name.setdefault(name, mask)
            if other != mask and name == stem:
                raise DataError(
                    f"{printable(other)} and {printable(mask)} are masks of one name", hint="leave one of them"
                )
    found: dict[str, str] = {}
    taken: dict[str, str] = {}
    lonely = []
    for picture in pictures:
        mask = by_name.get(os.path.splitext(os.path.relpath(picture, above))[0], "")
        if not mask:
            lonely.append(picture)
        elif mask in taken:
            raise DataError(
                f"{printable(taken[mask])} and {printable(picture)} have one mask between them, {printable(mask)}",
                hint="names must differ in more than the suffix",
            )
        found[picture] = taken[mask] = mask
        taken[mask] = picture
    complain(lonely, len(pictures), "picture", "has no mask", "have no mask", "draw one, or take the picture out")
    over = [mask for mask in masks if mask not in taken]
    complain(over, len(masks), "mask", "belongs to no picture", "belong to no picture", "names must be the same")
    return found


def complain(which: Sequence[str], of: int, kind: str, one: str, many: str, way_out: str) -> None:
    """Raise DataError that names what has no counterpart, where anything has none."""
    if which:
        listed = ", ".join(map(printable, which[:3])) + (", …" if len(which) > 3 else "")
        raise DataError(
            f"{len(which)} of {plural(of, kind)} {one if len(which) == 1 else many}: {listed}",
            hint=f"{way_out}; {LAYOUT}",
        )


def class_list(root: str, *, most: int = IGNORED - 1) -> tuple[str, ...] | None:
    """The names in classes.txt, `most` of them at most; None where there is none."""
    try:
        text = Path(root, CLASSES_FILE).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{CLASSES_FILE} cannot be read: {error}", hint="a name a line, in UTF-8") from None
    names = tuple(printable(line.strip()) for line in text.splitlines() if line.strip())
    if len(names) < 2 or len(set(names)) < len(names) or len(names) > most:
        raise DataError(
            f"{CLASSES_FILE} must name 2 to {most:,} classes, each once, got {len(names)}",
            hint="the name of class 0, of class 1, … one a line",
        )
    return names


def with_masks(manifest: Manifest, masks: Sequence[str], names: tuple[str, ...] | None = None) -> Manifest:
    """The manifest with these masks (paths or places below its root), the classes in them, and labels after them.

    Every mask is read. Raises DataError for what is none, for numbers beyond the classes `names`, and for one class
    only.
    """
    places = [os.path.join(manifest.root, mask) for mask in masks]
    looked = _each(_looked_at, places, masks)
    counts = np.stack([found.counts for found in looked])  # N 256
    values = _values(counts, masks, names)
    if names is None:
        names = ("background", "object") if values == (0, 255) else tuple(map(str, values))
    of_class = counts[:, list(values)]  # N K
    labels = np.where(of_class[:, 1:].any(1), of_class[:, 1:].argmax(1) + 1, 0)
    files = MaskFiles(
        paths=tuple(masks), digests=tuple(found.digest for found in looked),
        sizes=np.array([found.size for found in looked], np.int64).reshape(-1, 2), values=values,
    )  # fmt: skip
    absent = [name for k, name in enumerate(names) if not of_class[:, k].any()]
    problems = (*manifest.problems, *(
        Problem(CLASSES_FILE, "empty class", f"it names {name!r}, and no mask has a pixel of it", left_out=False)
        for name in absent
    ))  # fmt: skip
    return replace(
        manifest, problems=problems, masks=files, labels=labels.astype(np.int64), class_names=names, _digest=[]
    )


@dataclass(frozen=True, slots=True)
class _Looked:
    counts: np.ndarray
    """256 numbers of pixels."""
    size: tuple[int, int]
    digest: str


def _looked_at(place: str) -> _Looked:
    data, _ = read_bytes(resolved(place))
    pixels = numbers_of(data)
    counts = np.bincount(pixels.ravel(), minlength=256)
    return _Looked(counts, (pixels.shape[0], pixels.shape[1]), hashlib.sha256(data).hexdigest())


def _values(counts: np.ndarray, masks: Sequence[str], names: tuple[str, ...] | None) -> tuple[int, ...]:
    """The number of each class, in the order of the classes."""
    present = np.flatnonzero(counts.any(0)).tolist()
    if names is not None:
        strange = [value for value in present if value >= len(names) and value != IGNORED]
        if strange:
            row = int(np.flatnonzero(counts[:, strange[0]])[0])
            listed = ", ".join(map(str, strange[:5])) + (", …" if len(strange) > 5 else "")
            raise DataError(
                f"{_named(masks[row])} has pixels of number {listed}, and {CLASSES_FILE} names classes 0 to "
                f"{len(names) - 1}",
                hint=f"add names to {CLASSES_FILE}, or mend the mask; {IGNORED} is a border that is not learnt",
            )
        return tuple(range(len(names)))
    if present == [0, IGNORED]:
        return 0, IGNORED
    values = tuple(value for value in present if value != IGNORED)
    if len(values) > MOST_CLASSES:
        raise DataError(
            f"the masks hold {len(values)} different numbers: shades, and no classes",
            hint=f"save them as PNG with the number of its class in each pixel, or name the classes in {CLASSES_FILE}",
        )
    if len(values) < 2:
        what = f"every pixel of every mask is {values[0]}" if values else f"every pixel of every mask is {IGNORED}"
        raise DataError(
            f"{what}: there is nothing to tell apart", hint="a mask needs two numbers: 0 and 1, or 0 and 255"
        )
    return values


def numbers_of(data: bytes) -> np.ndarray:
    """The number of each pixel of a mask file, H W uint8, upright. Raises BadPicture for what holds no numbers.

    >>> from io import BytesIO
    >>> buffer = BytesIO()
    >>> Image.new("L", (3, 2), 7).save(buffer, "PNG")
    >>> numbers_of(buffer.getvalue()).tolist()
    [[7, 7, 7], [7, 7, 7]]
    """
    with GUARDED:
        picture = open_picture(data, pixel_limit())
        if picture.format in ("JPEG", "MPO"):
            raise BadPicture("not a mask", "it is a JPEG file, which blurs the numbers of its pixels: save it as PNG")
        picture.load()
        turn = orientation(picture)
        found: Image.Image = picture if turn is None else picture.transpose(turn)
        pixels = np.asarray(found)
    if found.mode == "1":
        return pixels.astype(np.uint8)
    if pixels.ndim == 3:
        colours = pixels[..., : 1 if found.mode in ("LA", "PA") else 3]
        if (colours != colours[..., :1]).any():
            raise BadPicture("not a mask", f"its pixels are colours ({found.mode}), not numbers of classes")
        pixels = colours[..., 0]
    if pixels.dtype.kind == "f" and (pixels != np.round(pixels)).any():
        raise BadPicture("not a mask", "its pixels are fractions, not numbers of classes")
    if pixels.min(initial=0) < 0 or pixels.max(initial=0) > IGNORED:
        raise BadPicture("not a mask", f"it has pixels of number {pixels.max():g}, and 0 to {IGNORED} can be")
    return np.ascontiguousarray(pixels, dtype=np.uint8)


def decode_masks(manifest: Manifest, preprocessing: Preprocessing) -> np.ndarray:
    """The masks of a manifest, fitted as its pictures are: N H W uint8 of classes, IGNORED where none belongs.

    Raises DataError for a mask that cannot be read any more or was changed.
    """
    files = manifest.masks
    assert files is not None
    lookup = np.full(256, IGNORED, np.uint8)
    lookup[list(files.values)] = np.arange(len(files.values))
    places = [os.path.join(manifest.root, path) for path in files.paths]
    known = dict(zip(places, files.digests, strict=True))

    def one(place: str) -> np.ndarray:
        data, _ = read_bytes(resolved(place))
        if hashlib.sha256(data).hexdigest() != known[place]:
            raise BadPicture("changed", "it was changed since it was read first")
        return fitted(lookup[numbers_of(data)], preprocessing)

    return np.stack(_each(one, places, files.paths)) if places else np.zeros((0, *preprocessing.shape[1:]), np.uint8)


def fitted(mask: np.ndarray, seen: Preprocessing) -> np.ndarray:
    """A mask H W brought to the size of what the net sees, pixels taken and never blended; IGNORED beside it.

    >>> fitted(np.array([[1, 0]], np.uint8), Preprocessing(height=4, width=4, channels=1, fit="pad")).tolist()
    [[255, 255, 255, 255], [1, 1, 0, 0], [1, 1, 0, 0], [255, 255, 255, 255]]
    """
    picture, size = Image.fromarray(mask), (seen.width, seen.height)
    how = Image.Resampling.NEAREST
    if picture.size == size and seen.crop_share == 1:
        return mask
    if seen.fit == "squash":
        return np.asarray(picture.resize(size, how))
    if seen.fit == "crop":
        scale = seen.crop_share * min(picture.width / seen.width, picture.height / seen.height)
        wide, high = seen.width * scale, seen.height * scale
        left, top = max(0.0, (picture.width - wide) / 2), max(0.0, (picture.height - high) / 2)
        box = (left, top, min(picture.width, left + wide), min(picture.height, top + high))
        return np.asarray(picture.resize(size, how, box=box))
    scale = min(seen.width / picture.width, seen.height / picture.height)
    inner = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    canvas = Image.new("L", size, IGNORED)
    canvas.paste(picture.resize(inner, how), ((seen.width - inner[0]) // 2, (seen.height - inner[1]) // 2))
    return np.asarray(canvas)


def check_sizes(manifest: Manifest, sides: np.ndarray) -> None:
    """Raise DataError where a mask is of another size than its picture; `sides` N 2: height and width of those."""
    files = manifest.masks
    assert files is not None
    other = np.flatnonzero((files.sizes != sides).any(1))
    if len(other):
        row = int(other[0])
        (high, wide), (tall, broad) = files.sizes[row].tolist(), sides[row].tolist()
        more = f", and {len(other) - 1:,} more masks are of another size" if len(other) > 1 else ""
        raise DataError(
            f"the mask {_named(files.paths[row])} has {wide}x{high} pixels, its picture {manifest.name(row)} "
            f"{broad}x{tall}{more}",
            hint="a mask says of each pixel of its picture what it is: make them of one size",
        )


def _named(path: str) -> str:
    return printable(place_name(path))


def _each(read: Callable[[str], _T], places: Iterable[str], names: Sequence[str]) -> list[_T]:
    """`read` of every place, some at a time; the first that fails, in the order of the names, is the error."""

    def tried(place: str) -> _T | BadPicture:
        try:
            return read(place)
        except BadPicture as bad:
            return bad

    found: list[_T] = []
    with ThreadPoolExecutor(_READERS, thread_name_prefix="hubel-masks") as pool:
        for name, one in zip(names, pool.map(tried, places), strict=True):
            if isinstance(one, BadPicture):
                raise DataError(f"the mask {_named(name)} cannot be used: {one.reason}", hint=AGAIN)
            found.append(one)
    return found
