"""Signals and small volumes: folders of class folders of NumPy files, never unpickled.

    engines/good/1.npy   engines/worn/2.npy      T numbers, or C T: channels and steps; lengths may differ
    scans/cyst/1.npy     scans/none/2.npy        D H W numbers, all of one size

Classes, parts of a given split, links and oddities are those of a folder of pictures (`hubel.data.folders`). A file
that cannot be used is left out by name. Letters: N samples, C channels, T steps, D H W the sides of a volume.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np

from hubel.data.columns import SIGNALS, VOLUMES, Column, Columns
from hubel.data.folders import open_folder
from hubel.data.images import read_bytes
from hubel.data.kinds import WAY_OUT, refuse_file
from hubel.data.manifest import BadPicture, Manifest, Problem, printable
from hubel.data.series import padded
from hubel.data.walk import Found, has_pictures, walk
from hubel.errors import DataError, UsageError
from hubel.words import plural

SUFFIXES = frozenset({".npy"})
MOST_BYTES = 4 << 30
"""Of all samples of a source, once they are as long as the longest."""
LAYOUT = "class folders of .npy files: signals of T or C T numbers, or volumes of D H W"
_NUMBERS = "biuf"


def holds_arrays(folder: str | Path) -> bool:
    """Are there NumPy files below a folder, and no pictures?"""
    return has_pictures(str(folder), SUFFIXES) and not has_pictures(str(folder))


def is_array(name: str | os.PathLike[str]) -> bool:
    """Is that the name of a NumPy file?"""
    return Path(name).suffix.casefold() in SUFFIXES


def open_signals(folder: str | Path, *, follow_links: bool = False, known: Columns | None = None) -> Manifest:
    """The manifest of a folder of class folders: `arrays` N C T, infinite behind the end of a signal, or N D H W.

    `known` says what a net takes: then only such files are used. Raises DataError where fewer than two classes hold
    something usable.
    """
    listed = open_folder(folder, follow_links=follow_links, suffixes=SUFFIXES)
    found = [_read(os.path.join(listed.root, file)) for file in listed.files]
    wanted = _wanted([each for each in found if isinstance(each, np.ndarray)], known)
    problems = list(listed.problems)
    kept: list[int] = []
    for row, each in enumerate(found):
        why = each if isinstance(each, BadPicture) else _unlike(each, wanted)
        if why is None:
            kept.append(row)
        else:
            problems.append(Problem(listed.name(row), why.kind, why.reason))
    classes = set(listed.labels[kept].tolist())
    if len(classes) < 2 and known is None:
        first = next((f"; first: {p.path}: {p.reason}" for p in problems if p.left_out), "")
        raise DataError(
            f"{printable(str(folder))} has usable files of {plural(len(classes), 'class')}, and 2 are needed{first}",
            hint=LAYOUT,
        )
    arrays = [each for row in kept if isinstance(each := found[row], np.ndarray)]
    usable = listed.select(kept)
    order = sorted(classes)
    names = tuple(usable.class_names[k] for k in order)
    for k, name in enumerate(usable.class_names):
        if k not in classes:
            problems.append(Problem(printable(name), "empty class", "none of its files is usable", left_out=False))
    if wanted and len(wanted) == 1 and all(each.shape[0] > each.shape[1] for each in arrays):
        reason = f"each has more channels than steps, such as {arrays[0].shape}: are they C T, and not T C?"
        problems.append(Problem(printable(Path(folder).name), "layout", reason, left_out=False))
    return replace(
        usable,
        kind="points",
        paths=None,
        linked=None,
        stats=None,
        arrays=_stacked(arrays, str(folder)),
        labels=np.array([order.index(label) for label in usable.labels.tolist()], dtype=np.int64),
        class_names=names,
        titles=tuple(usable.name(row) for row in range(len(usable))),
        columns=known or _columns(wanted),
        problems=tuple(problems),
        _digest=[],
    )


def read_signals(given: object, known: Columns, sides: tuple[int, ...]) -> tuple[tuple[str, ...], np.ndarray]:
    """New signals or volumes for a net: what each is called, and values N C T or N D H W as `open_signals` has them.

    `given`: a .npy file, a folder of such, an array; or many of these. `sides` are those of the net's volumes. Raises
    UsageError for what is none of these, DataError for a file that the net cannot take.
    """
    names: list[str] = []
    arrays: list[np.ndarray] = []
    wanted = (len(known.columns),) if known.files == SIGNALS else sides
    for item in _each(given):
        if isinstance(item, str):
            name, array = printable(item), _read(item)
        else:
            name, array = f"array {len(names) + 1}", _usable(np.asarray(item))
        why = array if isinstance(array, BadPicture) else _unlike(array, wanted)
        if why is not None or isinstance(array, BadPicture):
            assert why is not None
            hint = f"this net takes {_in_words(wanted)}, as .npy or array"
            raise DataError(f"{name}: {why.reason}", hint=hint, reason=why.reason)
        names.append(name)
        arrays.append(array)
    if not arrays:
        raise UsageError("no signal was given", hint=LAYOUT)
    return tuple(names), _stacked(arrays, names[0])


def signal_files(folder: str) -> list[str]:
    """The NumPy files below a folder, by name."""
    found = Found(suffixes=SUFFIXES)
    walk(folder, "", found)
    return [os.path.join(folder, path) for path in sorted(found.paths)]


def read_signal(path: str, channels: int | None = None) -> np.ndarray:
    """C T float32 of a .npy file. Raises BadPicture for a file that holds no signal, or one of other channels."""
    array = _read(path)
    if isinstance(array, BadPicture):
        raise array
    why = _unlike(array, (array.shape[0],) if channels is None else (channels,))
    if why is not None:
        raise why
    return array


def _each(given: object) -> Iterator[object]:
    """Paths of files as text, and arrays."""
    if isinstance(given, (str, os.PathLike)):
        place = os.fspath(given)
        if os.path.isdir(place):
            files = signal_files(str(place))
            if not files:
                raise DataError(
                    f"{printable(str(place))} holds no .npy files, and this net learnt from those", hint=WAY_OUT
                )
            yield from files
        elif is_array(str(place)):
            yield str(place)
        else:
            refuse_file(place, "signals or volumes (.npy files)")
            raise UsageError(f"a net for signals takes .npy files, got {printable(str(place))!r}", hint=LAYOUT)
    elif isinstance(given, (list, tuple)) and not (given and all(isinstance(one, (int, float)) for one in given)):
        for item in given:
            yield from _each(item)
    elif isinstance(given, np.ndarray) or hasattr(given, "__array__") or isinstance(given, (list, tuple)):
        yield given
    else:
        raise UsageError(f"a signal is a .npy file or an array, got {type(given).__name__}", hint=LAYOUT)


# ---------------------------------------------------------------- one file


def _read(path: str) -> np.ndarray | BadPicture:
    """C T or D H W float32 of a file, or what is wrong with it."""
    try:
        return _usable(_array(read_bytes(os.path.realpath(path))[0]))
    except BadPicture as bad:
        return bad


def _array(data: bytes) -> np.ndarray:
    """What a .npy file holds; the claims of its header are checked before memory is taken for them. Raises
    BadPicture.
    """
    if not data:
        raise BadPicture("empty", "0 bytes")
    if data[:4] == b"PK\x03\x04":
        raise BadPicture("not an image", "it is an .npz archive: save each array in a file of its own")
    file = BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = reader(file)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        raise BadPicture("corrupt", "it is no whole NumPy file: its header is damaged") from None
    if dtype.hasobject:
        raise BadPicture("corrupt", "it holds Python objects, which are never unpickled: save numbers of one type")
    if dtype.kind not in _NUMBERS:
        raise BadPicture("corrupt", f"it holds {dtype}, and numbers are needed")
    claimed, there = math.prod(shape) * dtype.itemsize, len(data) - file.tell()
    if there < claimed:
        raise BadPicture("truncated", f"{there:,} bytes of numbers, its header says {claimed:,}")
    if not claimed:
        raise BadPicture("empty", f"its shape is {shape}")
    flat = np.frombuffer(data, dtype, math.prod(shape), file.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def _usable(array: np.ndarray) -> np.ndarray | BadPicture:
    """C T or D H W float32, or what is wrong with it."""
    if array.dtype.kind not in _NUMBERS:
        return BadPicture("corrupt", f"it holds {array.dtype}, and numbers are needed")
    if array.ndim not in (1, 2, 3) or not array.size:
        return BadPicture("corrupt", f"its shape is {array.shape}, and T, C T or D H W is needed")
    with np.errstate(over="ignore"):
        found = np.ascontiguousarray(array[None] if array.ndim == 1 else array, dtype=np.float32)
    odd = int((~np.isfinite(found)).sum())
    if odd:
        return BadPicture(
            "corrupt", f"{plural(odd, 'number')} of {found.size:,} {'is' if odd == 1 else 'are'} not finite"
        )
    return found


def _wanted(arrays: Sequence[np.ndarray], known: Columns | None) -> tuple[int, ...]:
    """What most files are: (C,) of signals, (D, H, W) of volumes; () where there are none."""
    if known is not None and known.files == SIGNALS:
        return (len(known.columns),)
    kinds = Counter((array.shape[0],) if array.ndim == 2 else array.shape for array in arrays)
    return max(kinds, key=lambda kind: (kinds[kind], kind)) if kinds else ()


def _unlike(array: np.ndarray, wanted: tuple[int, ...]) -> BadPicture | None:
    """Why an array is none of those that are wanted; None where it is one."""
    if ((array.shape[0],) if array.ndim == 2 else array.shape) == wanted:
        return None
    here = array.shape if array.ndim == 3 or array.shape[0] > 1 else array.shape[1:]
    return BadPicture("layout", f"its shape is {here}, and {_in_words(wanted)} are needed")


def _in_words(wanted: tuple[int, ...]) -> str:
    return f"signals of {plural(wanted[0], 'channel')}" if len(wanted) == 1 else (
        f"volumes of {' x '.join(map(str, wanted))}"
    )  # fmt: skip


def _columns(wanted: tuple[int, ...]) -> Columns:
    if len(wanted) == 1:
        return Columns(tuple(Column(name=f"channel {k}") for k in range(1, wanted[0] + 1)), files=SIGNALS)
    return Columns((Column(name="value"),), files=VOLUMES)


def _stacked(arrays: Sequence[np.ndarray], source: str) -> np.ndarray:
    if not arrays:
        return np.zeros((0, 1, 1), np.float32)
    if arrays[0].ndim == 3:
        return np.stack(arrays)
    longest = max(array.shape[1] for array in arrays)
    size = 4 * len(arrays) * arrays[0].shape[0] * longest
    if size > MOST_BYTES:
        raise DataError(
            f"{printable(source)} would take {size / 2**30:.1f} GiB: the longest signal has {longest:,} steps",
            hint="cut long signals into pieces, or take every tenth step",
        )
    return padded(arrays, math.inf).astype(np.float32, copy=False)
