"""Small pictures in colour for the experiments: CIFAR-10 where it is, else digits, and the book says which."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from hubel.book.bench import Digits, digits
from hubel.data.formats import CIFAR10_CLASSES, CIFAR10_FILE
from hubel.data.sources import data_folders, open_source

__all__ = ["Colours", "colours"]

ARCHIVE = "cifar10-jpeg.tar.gz"
"""train/CLASS/*.jpg and test/CLASS/*.jpg; read into memory, nothing is unpacked."""


@dataclass(frozen=True, slots=True)
class Colours(Digits):
    """Pictures, N 3 H H in [0, 1], for training and for testing."""

    @property
    def note(self) -> str:
        """What a reader must know of the data."""
        size = f"{len(self.x):,} for training, {len(self.test_x):,} for testing, {self.x.shape[-1]} px a side"
        if self.name == "cifar10":
            return f"CIFAR-10, {size}."
        return f"Digits in three equal colours: {size}; CIFAR-10 is not in HUBEL_DATA."


def colours(train: int, test: int = 2000, side: int = 32) -> Colours:
    """`train` pictures drawn once for ever (seed 7) and `test` test pictures, brought to `side` pixels by block means.

    CIFAR-10 where a folder of HUBEL_DATA has it (the binary version, or as JPEG); else handwritten digits, on which
    most of what is asked of pictures in colour is easier. Nothing is downloaded.
    """
    found = next(filter(None, (_binary(train, test), _jpeg(train, test))), None)
    if found is None:
        plain = digits(train, test)
        x, test_x = (F.pad(part, (2, 2, 2, 2)).expand(-1, 3, -1, -1) for part in (plain.x, plain.test_x))
        return Colours(plain.name, _sized(x, side), plain.y, _sized(test_x, side), plain.test_y)
    (pixels, labels), (tests, truth) = found
    x, test_x = (torch.from_numpy(part.transpose(0, 3, 1, 2).astype(np.float32) / 255) for part in (pixels, tests))
    return Colours("cifar10", _sized(x, side), torch.from_numpy(labels), _sized(test_x, side), torch.from_numpy(truth))


def _sized(x: torch.Tensor, side: int) -> torch.Tensor:
    return (x if side == 32 else F.interpolate(x, size=(side, side), mode="area")).contiguous()


Part = tuple[np.ndarray, np.ndarray]
"""Pictures N 32 32 3 and their labels N."""


def _orders(trains: int, tests: int, train: int, test: int) -> tuple[np.ndarray, np.ndarray]:
    return np.random.RandomState(7).permutation(trains)[:train], np.random.RandomState(8).permutation(tests)[:test]


def _binary(train: int, test: int) -> tuple[Part, Part] | None:
    for folder in data_folders():
        inner = (folder / "cifar-10-batches-bin", folder / "cifar10", folder / CIFAR10_FILE.name)
        if any(place.exists() for place in inner):
            whole = open_source("cifar10", data_dir=folder)
            assert whole.arrays is not None
            tests = whole.given_split == "test"
            rows = np.flatnonzero(~tests), np.flatnonzero(tests)
            orders = _orders(len(rows[0]), len(rows[1]), train, test)
            one, two = (given[order] for given, order in zip(rows, orders, strict=True))
            return (whole.arrays[one], whole.labels[one]), (whole.arrays[two], whole.labels[two])
    return None


def _jpeg(train: int, test: int) -> tuple[Part, Part] | None:
    for folder in data_folders():
        if (folder / ARCHIVE).is_file():
            files = _members(folder / ARCHIVE, os.stat(folder / ARCHIVE).st_mtime_ns)
            names = {part: sorted(name for name in files if name.startswith(f"{part}/")) for part in ("train", "test")}
            orders = _orders(len(names["train"]), len(names["test"]), train, test)
            parts = [_decoded(files, [names[part][i] for i in order])
                     for part, order in zip(("train", "test"), orders, strict=True)]  # fmt: skip
            return parts[0], parts[1]
    return None


def _decoded(files: dict[str, bytes], names: list[str]) -> Part:
    pictures = [np.asarray(Image.open(io.BytesIO(files[name])).convert("RGB")) for name in names]
    labels = [CIFAR10_CLASSES.index(name.split("/")[1]) for name in names]
    return np.stack(pictures), np.array(labels, dtype=np.int64)


@cache
def _members(archive: Path, written: int) -> dict[str, bytes]:
    """The pictures of an archive as they are, "train/cat/0001.jpg" -> its bytes; `written`: a changed file is new."""
    with tarfile.open(archive, "r|*") as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.isreg() and m.name.endswith(".jpg")}  # type: ignore[union-attr]
