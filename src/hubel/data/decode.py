"""Decode once: pictures as one array of bytes, in memory or mapped from a cache file that any later run finds again.

The cache is keyed by the contents of the pictures, the geometry of the preprocessing and the version of the decoder. So
a folder that was moved or renamed finds its pixels again, and a changed picture never meets an old pixel. Nothing is
written into the data folder.

A file holds N H W C bytes, as pictures are decoded and as most nets are fed, behind the header of NumPy's format 1.0;
after them stands their CRC-32, which finds what disks and crashes do. Whoever can write there is trusted.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from hubel.data import cache
from hubel.data.choose import check_levels
from hubel.data.columns import Columns
from hubel.data.images import BadPicture, decoder, read_bytes, require_fit
from hubel.data.images import decode as decode_bytes
from hubel.data.index import Entries, Index
from hubel.data.manifest import Manifest, Problem, printable
from hubel.data.masks import decode_masks
from hubel.data.places import place_name, placed, resolved
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import Scan, conclude
from hubel.data.streamed import Streamed
from hubel.data.workers import read_pictures
from hubel.errors import DataError
from hubel.words import amount


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoded:
    """All samples of a manifest, ready to be gathered into batches. Row i is row i of the manifest."""

    images: np.ndarray
    """N C H W uint8, in memory, mapped from a file or `Streamed`, where the channels may lie last; N F float32 for
    points, N F T for series."""
    labels: np.ndarray
    """N, int64 classes or float32 targets."""
    ids: np.ndarray
    """N, int64: 0 to N-1."""
    digest: str
    """Of the manifest, the geometry and the decoder's version: features of the pictures are keyed by it."""
    targets: np.ndarray | None = None
    """N …: what is to be answered where that is more than a label: masks N H W uint8 (`hubel.data.masks`)."""
    columns: Columns | None = None
    """Of rows of a table, how they became these numbers; None for all else."""
    mapped: bool = False
    """Whether `images` lies in a file because it does not fit into memory."""

    def __len__(self) -> int:
        return len(self.labels)


def prepare(
    manifest: Manifest,
    preprocessing: Preprocessing,
    *,
    cache_dir: str | Path | None = None,
    workers: int | None = None,
    progress: cache.Progress | None = None,
    partial: bool = False,
) -> tuple[Scan, Decoded]:
    """Scan and decode in one pass over the files; nothing is read when both are known from before.

    The scan's manifest holds the usable samples, and the decoded rows are theirs. `partial` as in `hubel.data.scan`.

    >>> from hubel.data.sources import open_source
    >>> found, decoded = prepare(open_source("digits"), Preprocessing(height=8, width=8, channels=1))
    >>> decoded.images.shape, decoded.images.dtype, len(found.manifest)
    ((1797, 1, 8, 8), dtype('uint8'), 1797)
    """
    if manifest.kind != "files":
        found = conclude(manifest, None, partial=partial)
        return found, decode(found.manifest, preprocessing)
    assert manifest.paths is not None
    assert manifest.stats is not None
    folder = _cache_folder(cache_dir)
    index = Index(folder, manifest.root)
    entries, _, unknown = index.known(manifest.paths, manifest.stats)
    if not unknown:
        found = check_levels(conclude(manifest, entries, partial=partial), preprocessing.levels)
        return found, decode(found.manifest, preprocessing, cache_dir=folder, workers=workers, progress=progress)
    with _PixelFile(folder, len(manifest), preprocessing) as pixels:
        answers = read_pictures(
            manifest.root, manifest.files, preprocessing, pixels=(pixels.name, pixels.header), workers=workers,
            progress=progress, sizes=manifest.stats[:, 0],
        )  # fmt: skip
        entries = Entries.from_answers(answers)
        index.save(manifest.paths, entries)
        found = check_levels(conclude(manifest, entries, partial=partial), preprocessing.levels)
        pixels.keep_rows(found.kept)
        images = pixels.publish(_key(found.manifest, preprocessing))
    return found, _ready(found.manifest, preprocessing, images)


def decode(
    manifest: Manifest,
    preprocessing: Preprocessing,
    *,
    cache_dir: str | Path | None = None,
    workers: int | None = None,
    progress: cache.Progress | None = None,
    keep: str = "disk",
) -> Decoded:
    """The pixels of a scanned manifest, from the cache where it has them.

    `keep`: "memory" writes no cache, "none" keeps nothing, so that rows are decoded when they are taken.

    Raises DataError when a file cannot be read any more, or is not what it was when it was scanned.
    """
    if manifest.arrays is not None:
        points = manifest.kind == "points"
        return _ready(manifest, preprocessing, manifest.arrays if points else _arrays(manifest.arrays, preprocessing))
    if manifest.digests is None:
        raise DataError(f"{manifest.source} must be scanned before it is decoded", hint="use prepare or scan first")
    folder = _cache_folder(cache_dir)
    if keep == "none":
        return _ready(manifest, preprocessing, Streamed(manifest, preprocessing, workers))
    key = _key(manifest, preprocessing)
    images = _open_cached(_cache_file(folder, key), (len(manifest), *preprocessing.shape))
    if images is None and keep == "memory":
        images = Streamed(manifest, preprocessing, workers).whole(progress)
    if images is None:
        assert manifest.paths is not None
        assert manifest.stats is not None
        with _PixelFile(folder, len(manifest), preprocessing) as pixels:
            answers = read_pictures(
                manifest.root, manifest.files, preprocessing, pixels=(pixels.name, pixels.header), workers=workers,
                progress=progress, sizes=manifest.stats[:, 0],
            )  # fmt: skip
            _require_unchanged(manifest, Entries.from_answers(answers))
            images = pixels.publish(key)
    return _ready(manifest, preprocessing, images)


def is_cached(manifest: Manifest, preprocessing: Preprocessing) -> bool:
    """Whether the pixels of a scanned manifest lie on the disk already."""
    return _cache_file(cache.home(), _key(manifest, preprocessing)).is_file()


def scaled(decoded: Decoded, columns: Columns) -> Decoded:
    """Rows of a table, or series of them, as their net takes them: with the scale of its own training."""
    images, labels, targets = columns.scaled(decoded.images), decoded.labels, decoded.targets
    if targets is not None:
        targets = columns.scaled_targets(targets)
    else:
        labels = columns.scaled_targets(labels[:, None])[:, 0]
    return replace(decoded, images=images, labels=labels, targets=targets, columns=columns)


def measured(decoded: Decoded, columns: Columns, rows: np.ndarray) -> Decoded:
    """The same with the scale of some `rows`: those that are learnt from."""
    targets = decoded.labels[:, None] if decoded.targets is None else decoded.targets
    return scaled(decoded, columns.measured(decoded.images[rows], targets[rows]))


def _ready(manifest: Manifest, preprocessing: Preprocessing, images: np.ndarray | Streamed) -> Decoded:
    digest = hashlib.sha256(f"{manifest.digest} {preprocessing.geometry} {decoder()}".encode()).hexdigest()
    ids = np.arange(len(manifest))
    mapped = isinstance(images, np.memmap)
    targets = manifest.targets if manifest.masks is None else decode_masks(manifest, preprocessing)
    rows = cast(np.ndarray, images)  # what is asked of it, Streamed answers as an array does
    return Decoded(images=rows, labels=manifest.labels, ids=ids, digest=digest, targets=targets, mapped=mapped)


def read_images(
    paths: Sequence[str | Path], preprocessing: Preprocessing
) -> tuple[np.ndarray, np.ndarray, tuple[Problem, ...]]:
    """A few files, here and now: (M C H W uint8, the M rows of `paths` they are, what is wrong with the others).

    The same reader and the same geometry as in training, so that a file's prediction is the one its evaluation gave.
    """
    images, rows, problems = [], [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for row, path in enumerate(paths):
            try:
                if "\0" in str(path) and placed(str(path)) is None:
                    raise BadPicture("unreadable", "a name cannot hold a zero byte")
                # A path given by name may well be a link: the user said so.
                look, pixels = decode_bytes(read_bytes(resolved(os.fspath(path)))[0], preprocessing)
                require_fit(look, preprocessing)
            except BadPicture as bad:
                problems.append(Problem(printable(place_name(str(path))), bad.kind, bad.reason))
                continue
            assert pixels is not None
            images.append(pixels.transpose(2, 0, 1))
            rows.append(row)
    stacked = np.stack(images) if images else np.zeros((0, *preprocessing.shape), np.uint8)
    return stacked, np.array(rows, dtype=np.int64), tuple(problems)


def read_whole(manifest: Manifest, rows: np.ndarray, preprocessing: Preprocessing) -> Iterator[np.ndarray]:
    """Some samples of a manifest in their own sizes, H W C uint8: upright, in the channels of `preprocessing`.

    A JPEG is decoded at the fraction at which `preprocessing` has it decoded. Raises DataError for a file that cannot
    be read any more.

    >>> from hubel.data.sources import open_source
    >>> next(read_whole(open_source("digits"), np.array([3]), Preprocessing(height=4, width=4, channels=3))).shape
    (8, 8, 3)
    """
    whole = preprocessing.whole()
    for row in rows.tolist():
        if manifest.arrays is not None:
            yield whole.array(manifest.arrays[row]).transpose(1, 2, 0)
            continue
        images, _, problems = read_images([os.path.join(manifest.root, manifest.files[row])], whole)
        if problems:
            raise DataError(
                f"{manifest.name(row)} cannot be read any more: {problems[0].reason}", hint="restore the file"
            )
        yield images[0].transpose(1, 2, 0)


def rows_of(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Some rows of an array N C H W or N F, in memory or mapped, copied in the order in which they lie there.

    >>> last = np.zeros((9, 4, 4, 3), np.uint8).transpose(0, 3, 1, 2)
    >>> rows_of(last, np.array([7, 2])).strides == last[:2].strides
    True
    """
    if isinstance(images, Streamed):
        return images.take(rows)
    if images.ndim == 4 and not images.flags.c_contiguous and images.transpose(0, 2, 3, 1).flags.c_contiguous:
        return np.take(images.transpose(0, 2, 3, 1), rows, axis=0).transpose(0, 3, 1, 2)
    return np.take(images, rows, axis=0)


def channel_statistics(decoded: Decoded, ids: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel, of values in 0..1, over the samples `ids`: those of the training part.

    Exact: bytes are counted, not summed in floats. A constant channel has the deviation 1, so that nothing is divided
    by 0.
    """
    rows = np.sort(np.asarray(ids, dtype=np.int64))
    channels = decoded.images.shape[1]
    counts = np.zeros((channels, 256), dtype=np.int64)
    for start in range(0, len(rows), 1024):
        block = rows_of(decoded.images, rows[start : start + 1024])
        for channel in range(channels):
            counts[channel] += np.bincount(block[:, channel].reshape(-1), minlength=256)
    values = np.arange(256) / 255
    total = counts.sum(axis=1)
    mean = counts @ values / total
    std = np.sqrt(np.maximum((counts * (values - mean[:, None]) ** 2).sum(axis=1) / total, 0))
    return tuple(mean.tolist()), tuple(np.where(std > 1e-6, std, 1.0).tolist())


def _arrays(arrays: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """N H W C bytes as N C H W, fitted."""
    count, height, width, channels = arrays.shape
    if (channels, height, width) == preprocessing.shape:
        return np.ascontiguousarray(arrays.transpose(0, 3, 1, 2))
    images = np.empty((count, *preprocessing.shape), np.uint8)
    for row in range(count):
        images[row] = preprocessing.array(arrays[row])
    return images


def _key(manifest: Manifest, preprocessing: Preprocessing) -> str:
    assert manifest.digests is not None
    text = f"3 {decoder()} {preprocessing.geometry} " + "".join(manifest.digests)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _cache_folder(cache_dir: str | Path | None) -> Path:
    return Path(cache_dir).expanduser() if cache_dir else cache.home()


def _cache_file(folder: Path, key: str) -> Path:
    return folder / "decoded" / f"{key}.npy"


def _open_cached(file: Path, shape: tuple[int, ...], *, checked: bool = False) -> np.ndarray | None:
    """The array N C H W in a cache file, read where memory has room for it, else mapped; None when there is none.

    A file whose bytes are not those that were written is none, unless it has been `checked` just now.
    """
    count, channels, height, width = shape
    try:
        mapped = np.lib.format.open_memmap(file, mode="r")
        if mapped.shape != (count, height, width, channels) or mapped.dtype != np.uint8:
            return None
        os.utime(file)  # used just now: the last to be thrown out
        pixels: np.ndarray = mapped
        if mapped.nbytes <= free_memory() // 2:
            pixels = np.fromfile(file, np.uint8, mapped.size, offset=mapped.offset).reshape(mapped.shape)
        end = np.fromfile(file, np.uint8, offset=mapped.offset + mapped.size).tobytes()
        if not checked and end != _seal(pixels):
            return None
    except (OSError, ValueError):
        return None
    return pixels.transpose(0, 3, 1, 2)


def _seal(pixels: np.ndarray) -> bytes:
    """What stands behind the pixels in a cache file: their CRC-32."""
    found = 0
    for start in range(0, len(pixels), some := max(1, _AT_ONCE // max(1, pixels[:1].nbytes))):
        found = zlib.crc32(pixels[start : start + some].data, found)
    return b"crc32" + found.to_bytes(4)


_AT_ONCE = 1 << 26
"""Bytes of a mapped file that are looked at before the next ones are."""


def free_memory() -> int:
    """Bytes of memory that may still be taken, as far as the system says; else 4 GiB."""
    try:
        with open("/proc/meminfo") as info:
            for line in info:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 4 << 30


def _require_unchanged(manifest: Manifest, entries: Entries) -> None:
    assert manifest.digests is not None
    for row, digest in enumerate(entries.digests):
        if digest != manifest.digests[row]:
            why = f"{entries.bad[row][1]}" if row in entries.bad else "its contents were changed"
            raise DataError(
                f"{manifest.name(row)} is not what it was when it was scanned: {why}", hint="start again to scan anew"
            )


class _PixelFile:
    """A .npy file of N H W C bytes that appears under its name when it is complete, and else not at all."""

    def __init__(self, folder: Path, count: int, preprocessing: Preprocessing) -> None:
        self.folder = folder
        self.shape = (count, preprocessing.height, preprocessing.width, preprocessing.channels)
        self.row_bytes = int(np.prod(self.shape[1:]))
        self.header = len(_npy_header(self.shape))
        self.name = ""

    def __enter__(self) -> _PixelFile:
        need = self.header + self.shape[0] * self.row_bytes
        try:
            (self.folder / "decoded").mkdir(parents=True, exist_ok=True)
            cache.make_room(self.folder / "decoded", need, ".npy")
            descriptor, self.name = tempfile.mkstemp(suffix=".tmp", dir=self.folder / "decoded")
            os.close(descriptor)
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise cache.NoRoom(
                f"cannot keep decoded pictures in {self.folder}: {error.strerror or error}",
                hint="name a folder that can be written: HUBEL_HOME",
            ) from None
        if free < need:
            os.unlink(self.name)
            raise cache.NoRoom(
                f"decoded pictures need {amount(need)}, {self.folder} has {amount(free)} free",
                hint="free some space, use a smaller --img-size, or name another place: HUBEL_HOME",
            )
        return self

    def keep_rows(self, kept: np.ndarray) -> None:
        """Close the gaps that bad files left: only the rows `kept` (rising) remain."""
        if len(kept) == self.shape[0]:
            return
        with open(self.name, "r+b") as file:
            for new, old in enumerate(kept.tolist()):
                if new != old:
                    file.seek(self.header + old * self.row_bytes)
                    row = file.read(self.row_bytes)
                    file.seek(self.header + new * self.row_bytes)
                    file.write(row)
        self.shape = (len(kept), *self.shape[1:])

    def publish(self, key: str) -> np.ndarray:
        """Give the file its header, its exact size, its seal and its name; returns what is in it as N C H W."""
        count, height, width, channels = self.shape
        end = self.header + count * self.row_bytes
        with open(self.name, "r+b") as file:
            file.write(_npy_header(self.shape))
            file.truncate(end)
        rows = (
            np.memmap(self.name, np.uint8, "r", self.header, (count, self.row_bytes))
            if count
            else np.zeros(0, np.uint8)
        )
        seal = _seal(rows)
        del rows  # Windows gives no new name to a file that is mapped
        with open(self.name, "ab") as file:
            file.write(seal)
        # Not forced to the disk: what a power cut takes from it is found by its seal, and decoded again.
        os.replace(self.name, _cache_file(self.folder, key))
        self.name = ""
        images = _open_cached(_cache_file(self.folder, key), (count, channels, height, width), checked=True)
        if images is None:
            raise DataError(
                f"the cache folder {self.folder} lost what was just written to it", hint="is the disk full?"
            )
        return images

    def __exit__(self, *exception: object) -> None:
        if self.name:
            os.unlink(self.name)


def _npy_header(shape: tuple[int, ...]) -> bytes:
    # NumPy reserves room for a longer first dimension, so the length does not depend on the number of rows.
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()
