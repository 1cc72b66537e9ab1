"""Pictures that are decoded each time they are asked for.

A data set whose decoded pictures fit neither on the disk nor into memory trains all the same: every batch reads and
decodes its own pictures. They are the same bytes as those of the cache, so the weights are, too.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np

from hubel.data import cache
from hubel.data.images import BadPicture, decode, digest, read_bytes
from hubel.data.manifest import Manifest
from hubel.data.preprocessing import Preprocessing
from hubel.data.workers import default_workers
from hubel.errors import DataError

SOME = 256
"""Pictures that are decoded before the next ones are begun, where all are wanted."""


class Streamed:
    """Pictures N C H W uint8 of a scanned manifest, answered like an array: rows are decoded when they are taken.

    What is taken is checked against what was scanned, in the process that asked: a file that kills its decoder did so
    in the scan.
    """

    ndim = 4
    dtype = np.dtype(np.uint8)

    def __init__(self, manifest: Manifest, preprocessing: Preprocessing, workers: int | None = None) -> None:
        self.manifest, self.preprocessing = manifest, preprocessing
        self.workers = workers or default_workers()
        self.shape = (len(manifest), *preprocessing.shape)
        warnings.filterwarnings("ignore", module=r"PIL\.")  # remarks about odd files, which the scan has named

    @property
    def nbytes(self) -> int:
        """Bytes that all of them would take."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return self.shape[0]

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.workers, thread_name_prefix="hubel-decode")

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Some rows M C H W, the channels last in memory, as in the cache.

        Raises DataError for a file that is not what it was when it was scanned.
        """
        wanted, places = np.unique(np.asarray(rows, dtype=np.int64), return_inverse=True)
        channels, height, width = self.shape[1:]
        block = np.empty((len(wanted), height, width, channels), np.uint8)
        pieces = list(self._threads.map(self._decoded, wanted.tolist())) if len(wanted) > 1 else [
            self._decoded(row) for row in wanted.tolist()
        ]  # fmt: skip
        for place, pixels in enumerate(pieces):
            block[place] = pixels
        if len(wanted) != len(places) or (places[1:] < places[:-1]).any():
            block = block[places.reshape(-1)]
        return block.transpose(0, 3, 1, 2)

    def _decoded(self, row: int) -> np.ndarray:
        """One picture, H W C."""
        path = os.path.join(self.manifest.root, self.manifest.files[row])
        assert self.manifest.digests is not None
        try:
            data, _ = read_bytes(path)
            if digest(data) != self.manifest.digests[row]:
                raise BadPicture("changed", "its contents were changed")
            pixels = decode(data, self.preprocessing)[1]
        except BadPicture as bad:
            raise DataError(
                f"{self.manifest.name(row)} is not what it was when it was scanned: {bad.reason}",
                hint="start again to scan anew, or restore the file and go on: hubel train --resume RUN",
            ) from None
        assert pixels is not None
        return pixels

    def __getitem__(self, which: Any) -> np.ndarray:
        rows, rest = (which[0], which[1:]) if isinstance(which, tuple) else (which, ())
        if isinstance(rows, (int, np.integer)):
            one = self.take(np.arange(len(self))[rows : rows + 1 or None])[0]
            return one[rest] if rest else one
        taken = self.take(np.arange(len(self))[rows])
        return taken[(slice(None), *rest)] if rest else taken

    def __iter__(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self), SOME):
            yield from self.take(np.arange(start, min(start + SOME, len(self))))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self.whole()
        return whole if dtype is None else whole.astype(dtype)

    def whole(self, progress: cache.Progress | None = None) -> np.ndarray:
        """All rows in memory."""
        count, channels, height, width = self.shape
        block = np.empty((count, height, width, channels), np.uint8)
        for start in range(0, count, SOME):
            rows = np.arange(start, min(start + SOME, count))
            block[rows] = self.take(rows).transpose(0, 2, 3, 1)
            if progress is not None:
                progress(len(rows) + start, count)
        return block.transpose(0, 3, 1, 2)
