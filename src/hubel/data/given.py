"""Pictures as a program hands them over: paths, bytes, open files, PIL images, arrays and tensors, one or many.

Whatever it is goes through the reader of files: the same turn by EXIF, the same range of samples, the same reasons. A
PIL image that has not been loaded is read from its own file, so that its answer is that of the path.

Letters: N pictures, H W height and width, C channels (1 grey, 3 colour, 4 colour with alpha).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from hubel.data.decode import read_images
from hubel.data.images import (
    GUARDED,
    MAX_BYTES,
    READ,
    BadPicture,
    Look,
    decode,
    finish,
    pixel_limit,
    refuse_bomb,
    require_fit,
)
from hubel.data.kinds import OTHERS, WAY_OUT
from hubel.data.manifest import Problem, printable
from hubel.data.places import place_name
from hubel.data.preprocessing import Preprocessing, to_bytes
from hubel.data.shard_names import names_shards
from hubel.errors import UsageError

ACCEPTED = (
    "give a path, the bytes of a picture file, an open file, a PIL image, an array (H W, H W C, N H W C) or a tensor "
    "(C H W, B C H W) of bytes or of numbers from 0 to 1, or a list of these"
)
CHANNELS = (1, 3, 4)
RESCALE = "divide by the largest value there can be, for example array / 255; do not subtract a mean"


def spread(pictures: Any, folder: Callable[[Path], Iterable[Path]]) -> Iterator[Any]:
    """The single pictures in `pictures`: paths, bytes, PIL images and arrays H W C; `folder` lists those of a folder.

    Raises UsageError for what is no picture, and says what is.

    >>> [item.shape for item in spread([np.zeros((2, 8, 8, 3), np.uint8), np.zeros((3, 9, 9))], folder=list)]
    [(8, 8, 3), (8, 8, 3), (9, 9, 3)]
    >>> next(spread(None, folder=list))
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: a picture is needed, got None
      give a path, the bytes of a picture file, an open file, a PIL image, an array (H W, H W C, N H W C) or a tensor \
(C H W, B C H W) of bytes or of numbers from 0 to 1, or a list of these
    """
    if isinstance(pictures, (str, os.PathLike)):
        path = Path(pictures)
        # A path that cannot be is handed on, too: whoever reads it says so.
        yield from folder(path) if os.path.isdir(path) or names_shards(path) else (path,)
    elif isinstance(pictures, (bytes, bytearray, memoryview)):
        yield bytes(pictures)
    elif isinstance(pictures, Image.Image):
        yield pictures
    elif callable(getattr(pictures, "read", None)):
        yield _contents(pictures)
    elif callable(getattr(pictures, "detach", None)):  # a tensor; this room reads pictures without torch
        yield from _pictures(_as_array(pictures), channels_first=True)
    elif hasattr(pictures, "__array__"):
        array = np.asarray(pictures)
        if array.dtype == object:
            for item in array.ravel():
                yield from spread(item, folder)
        else:
            yield from _pictures(array, channels_first=False)
    elif isinstance(pictures, Iterable) and not isinstance(pictures, dict):
        for item in pictures:
            yield from spread(item, folder)
    else:
        raise UsageError(f"a picture is needed, got {_named(pictures)}", hint=ACCEPTED)


def way_out(problem: Problem, usual: str = f"{READ} files are read") -> str:
    """What to do about a file that cannot be used, as the hint of an error."""
    if problem.kind == OTHERS:
        return WAY_OUT
    return RESCALE if problem.kind == "beyond levels" else usual


def _named(thing: Any) -> str:
    if thing is None or isinstance(thing, (bool, int, float)):
        return repr(thing)
    return f"{'an' if type(thing).__name__[0] in 'aeiou' else 'a'} {type(thing).__name__}"


def _contents(file: Any) -> bytes:
    if callable(getattr(file, "seekable", None)) and file.seekable():
        file.seek(0)  # as Pillow does: a file that has just been written stands at its end
    data = file.read(MAX_BYTES + 1)
    if not isinstance(data, bytes):
        raise UsageError(f"an open file must be open for bytes, {_named(file)} gives text", hint='open(path, "rb")')
    return data


def _as_array(tensor: Any) -> np.ndarray:
    tensor = tensor.detach().cpu()
    if "bfloat16" in str(tensor.dtype):  # NumPy has no such type
        tensor = tensor.float()
    return np.asarray(tensor)


def _pictures(array: np.ndarray, *, channels_first: bool) -> Iterator[np.ndarray]:
    """Arrays H W C out of one of any accepted shape and type."""
    kind = f"shape {array.shape} of {array.dtype}"
    if array.dtype.kind != "f" and array.dtype not in (np.bool_, np.uint8, np.uint16):
        raise UsageError(
            f"pixels must be bytes (uint8), 16 bits (uint16) or floating-point numbers from 0 to 1, got {kind}",
            hint="whole numbers from 0 to 255: array.astype('uint8'), tensor.byte()",
        )
    if array.ndim == 2:
        yield array[:, :, None]
        return
    if array.ndim not in (3, 4):
        raise UsageError(f"pixels must be H W, H W C, C H W or a batch of these, got {kind}", hint=ACCEPTED)
    batch = array if array.ndim == 4 else array[None]
    first, last = batch.shape[1] in CHANNELS, batch.shape[3] in CHANNELS
    if not first and not last:
        raise UsageError(
            f"one side of pixels must be the channels (1, 3 or 4), first or last, got {kind}",
            hint="greys have one channel: array[..., None], tensor[:, None]",
        )
    # Where both sides could be the channels, custom decides: last in an array, first in a tensor.
    yield from np.moveaxis(batch, 1, 3) if first and (channels_first or not last) else batch


def read_given(
    items: Sequence[Any], preprocessing: Preprocessing, *, first: int = 0
) -> tuple[list[str], np.ndarray, tuple[Problem, ...]]:
    """The pictures that `spread` found: (names, N C H W uint8, what is wrong with those that are left out).

    What is no file is called "picture 3", counted from `first` + 1 on.
    """
    names, found, problems = read_each(items, preprocessing, first=first)
    stacked = np.stack(found) if found else np.zeros((0, *preprocessing.shape), np.uint8)
    return names, stacked, problems


def read_each(
    items: Sequence[Any], preprocessing: Preprocessing, *, first: int = 0
) -> tuple[list[str], list[np.ndarray], tuple[Problem, ...]]:
    """The same one by one, C H W uint8 each: with `Preprocessing.whole` their sizes differ."""
    names: list[str] = []
    found: list[np.ndarray] = []
    problems: list[Problem] = []
    for number, item in enumerate(items, first + 1):
        name = printable(place_name(str(item))) if isinstance(item, Path) else f"picture {number}"
        if isinstance(item, Path):
            images, _, bad = read_images([item], preprocessing)
            problems += bad
            pixels = images[0] if len(images) else None
        else:
            try:
                pixels = np.ascontiguousarray(_read(item, preprocessing).transpose(2, 0, 1))
            except BadPicture as bad_one:
                problems.append(Problem(name, bad_one.kind, bad_one.reason))
                pixels = None
        if pixels is not None:
            names.append(name)
            found.append(pixels)
    return names, found, tuple(problems)


def read_sized(data: bytes, preprocessing: Preprocessing) -> tuple[np.ndarray, tuple[int, int]]:
    """A picture file, C H W uint8, and height and width of the picture itself, upright; raises BadPicture.

    >>> from io import BytesIO
    >>> Image.new("L", (8, 4)).save(file := BytesIO(), "PNG")
    >>> pixels, size = read_sized(file.getvalue(), Preprocessing(height=2, width=2, channels=1))
    >>> pixels.shape, size
    ((1, 2, 2), (4, 8))
    """
    pixels, look = _read_file(data, preprocessing)
    return np.array(pixels.transpose(2, 0, 1), order="C"), (look.height, look.width)


def _read_file(data: bytes, preprocessing: Preprocessing) -> tuple[np.ndarray, Look]:
    """H W C uint8, and what the file is; raises BadPicture."""
    if len(data) > MAX_BYTES:
        raise BadPicture("bomb", f"more than the limit of {MAX_BYTES:,} bytes")
    look, pixels = decode(data, preprocessing)
    require_fit(look, preprocessing)
    assert pixels is not None
    return pixels, look


def _read(item: bytes | Image.Image | np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """H W C uint8; raises BadPicture."""
    data = item if isinstance(item, bytes) else _file_behind(item) if isinstance(item, Image.Image) else None
    if data is not None:
        return _read_file(data, preprocessing)[0]
    picture = item if isinstance(item, Image.Image) else _drawn(np.asarray(item), preprocessing)
    with GUARDED:
        refuse_bomb(*picture.size, pixel_limit())
        picture.load()
        look, fitted = finish(picture, picture.size, picture.format or "", preprocessing)
    require_fit(look, preprocessing)
    assert fitted is not None
    return fitted


def _file_behind(picture: Image.Image) -> bytes | None:
    """The whole file of a PIL image that nobody has loaded yet, nor moved to another frame; None for any other."""
    file = getattr(picture, "fp", None)
    if not isinstance(picture, ImageFile.ImageFile) or file is None or picture._im is not None or picture.tell():
        return None
    try:
        at = file.tell()
        file.seek(0)
        data = file.read(MAX_BYTES + 1)
        file.seek(at)
    except (OSError, ValueError):
        return None
    return data if isinstance(data, bytes) else None


def _drawn(pixels: np.ndarray, preprocessing: Preprocessing) -> Image.Image:
    """H W C of any accepted type as a PIL image."""
    height, width, channels = pixels.shape
    if not pixels.size:
        raise BadPicture("empty", f"{height} x {width} pixels")
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    if pixels.dtype.kind == "f":
        if not np.isfinite(pixels).all():
            raise BadPicture("corrupt", "some of its numbers are not finite")
        if channels > 1 or preprocessing.levels is None:
            low, high = float(pixels.min()), float(pixels.max())
            if low < 0 or high > 1:
                raise BadPicture(
                    "beyond levels",
                    f"its numbers go from {low:.4g} to {high:.4g}, and must be 0 to 1",
                )
        if channels > 1:
            pixels = (pixels.astype(np.float64) * 255 + 0.5).astype(np.uint8)
    if pixels.dtype == np.uint16 and channels > 1:
        # As colours of 16 bits are read from files: by the levels of the set, else the higher byte.
        higher = (pixels >> 8).astype(np.uint8)
        if preprocessing.levels is not None:
            higher[:, :, :3] = to_bytes(pixels[:, :, :3], preprocessing.levels)
        pixels = higher
    if channels == 1:
        pixels = pixels[:, :, 0].astype(np.float32) if pixels.dtype.kind == "f" else pixels[:, :, 0]
    return Image.fromarray(np.ascontiguousarray(pixels))
