"""The original file formats, byte by byte, in every place where people keep them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from data.archives import cifar_files, cifar_records, idx, mnist_parts, tarred
from hubel.data.formats import CIFAR10_CLASSES, CIFAR100_CLASSES, FASHION_CLASSES, read_idx
from hubel.data.manifest import Manifest
from hubel.data.sources import open_source
from hubel.errors import DataError


def test_real_mnist_is_read_as_it_was_published(mnist_folder: Path) -> None:
    manifest = open_source("mnist", data_dir=mnist_folder.parent)
    assert manifest.arrays is not None
    assert manifest.arrays.shape == (70_000, 28, 28, 1)
    assert manifest.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(manifest.labels[:60_000]).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949
    ]  # fmt: skip
    assert (manifest.given_split[:60_000] == "train").all()
    assert (manifest.given_split[60_000:] == "test").all()
    # The mean and deviation that half the literature normalises with.
    pixels = manifest.arrays[:60_000].astype(np.float64) / 255
    assert (round(pixels.mean(), 4), round(pixels.std(), 4)) == (0.1307, 0.3081)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("inside", [".", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("spelling", ["-idx", ".idx"])
def test_mnist_is_found_where_people_keep_it(tmp_path: Path, packed: bool, inside: str, spelling: str) -> None:
    if packed and spelling == ".idx":
        pytest.skip("only unpacked files are spelt with a dot")
    parts = mnist_parts()
    (tmp_path / inside).mkdir(parents=True, exist_ok=True)
    for name, array in parts.items():
        data = idx(array)
        file = f"{name}.gz" if packed else name.replace("-idx", spelling)
        (tmp_path / inside / file).write_bytes(gzip.compress(data) if packed else data)
    manifest = open_source("mnist", data_dir=tmp_path)
    assert manifest.arrays is not None
    assert np.array_equal(manifest.arrays[:40, :, :, 0], parts["train-images-idx3-ubyte"])
    assert np.array_equal(manifest.labels[40:], parts["t10k-labels-idx1-ubyte"])


def test_fashion_mnist_is_never_taken_for_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBEL_OFFLINE", "1")
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HUBEL_DATA", raising=False)
    for name, array in mnist_parts().items():
        (tmp_path / name).write_bytes(idx(array))
    open_source("mnist", data_dir=tmp_path)
    with pytest.raises(DataError, match="fashion-mnist is not on this machine"):
        open_source("fashion-mnist", data_dir=tmp_path)


@pytest.mark.parametrize(("name", "classes"), [("cifar10", 10), ("cifar100", 100)])
@pytest.mark.parametrize("way", ["archive", "files", "files in a folder"])
def test_cifar_binary_is_read_plane_by_plane(tmp_path: Path, name: str, classes: int, way: str) -> None:
    files = cifar_files(name)
    inner = {"cifar10": "cifar-10-batches-bin", "cifar100": "cifar-100-binary"}[name]
    if way == "archive":
        stem = {"cifar10": "cifar-10-binary", "cifar100": "cifar-100-binary"}[name]
        (tmp_path / f"{stem}.tar.gz").write_bytes(tarred(files, inner))
    else:
        folder = tmp_path / inner if way == "files in a folder" else tmp_path
        folder.mkdir(exist_ok=True)
        for file, contents in files.items():
            (folder / file).write_bytes(contents)
    manifest = open_source(name, data_dir=tmp_path)
    count = 20 if classes == 10 else 200
    _, labels, pictures = cifar_records(count, classes, 1)
    assert manifest.arrays is not None
    assert np.array_equal(manifest.arrays[:count], pictures)
    assert np.array_equal(manifest.labels[:count], labels)
    assert manifest.given_split[-1] == "test"


def test_class_names_are_complete_and_in_order() -> None:
    assert len(set(CIFAR100_CLASSES)) == 100
    assert list(CIFAR100_CLASSES) == sorted(CIFAR100_CLASSES)
    assert list(CIFAR10_CLASSES) == sorted(CIFAR10_CLASSES)
    assert len(set(FASHION_CLASSES)) == 10


def damaged(data: bytes) -> dict[str, bytes]:
    return {
        "cut": data[:-3], "longer": data + b"\0", "another type": b"\0\0\x0d" + data[3:], "empty": b"", "cut gzip":
        gzip.compress(data)[:-20], "words": b"these are words", "huge shape": data[:4] + b"\xff" * 12 + data[16:],
    }  # fmt: skip


@pytest.mark.parametrize("how", damaged(b"0123456789abcdefgh"))
def test_a_damaged_idx_file_is_refused(tmp_path: Path, how: str) -> None:
    whole = idx(np.zeros((3, 4, 5)))
    (tmp_path / "file").write_bytes(whole)
    assert read_idx(tmp_path / "file").shape == (3, 4, 5)
    (tmp_path / "file").write_bytes(damaged(whole)[how])
    with pytest.raises(DataError, match="file") as error:
        read_idx(tmp_path / "file")
    assert "again" in error.value.hint


def test_images_and_labels_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    for name, array in (mnist_parts() | {"train-labels-idx1-ubyte": np.zeros(39)}).items():
        (tmp_path / name).write_bytes(idx(array))
    with pytest.raises(DataError, match="does not fit together"):
        open_source("mnist", data_dir=tmp_path)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_a_damaged_cifar_archive_is_refused(tmp_path: Path, name: str) -> None:
    stem = {"cifar10": "cifar-10-binary", "cifar100": "cifar-100-binary"}[name]
    whole = tarred(cifar_files(name), "x")
    without = cifar_files(name)
    without.popitem()
    short = {file: contents[:-1] for file, contents in cifar_files(name).items()}
    for data in (whole[:2000], b"words", tarred(without, "x"), tarred(short, "x")):
        (tmp_path / f"{stem}.tar.gz").write_bytes(data)
        with pytest.raises(DataError):
            open_source(name, data_dir=tmp_path)


def test_a_label_beyond_the_classes_is_refused(tmp_path: Path) -> None:
    files = {file: b"\x0b" + contents[1:] for file, contents in cifar_files("cifar10").items()}
    for file, contents in files.items():
        (tmp_path / file).write_bytes(contents)
    with pytest.raises(DataError, match="labels must be 0 to 9, got 0 to 11"):
        open_source("cifar10", data_dir=tmp_path)


def test_manifests_of_different_lengths_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="arrays has 2 entries for 3 labels"):
        Manifest(
            source="x", kind="points", arrays=np.zeros((2, 2), np.float32), labels=np.zeros(3, np.int64),
            class_names=("a",), given_split=np.array([""] * 3),
        )  # fmt: skip
