"""Small sets in the original formats of MNIST and CIFAR: every byte where it belongs, the pictures invented."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4) for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


def mnist_parts(train: int = 40, test: int = 20, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.RandomState(seed)
    return {
        "train-images-idx3-ubyte": random.randint(0, 256, (train, 28, 28), np.uint8),
        "train-labels-idx1-ubyte": np.arange(train) % 10,
        "t10k-images-idx3-ubyte": random.randint(0, 256, (test, 28, 28), np.uint8),
        "t10k-labels-idx1-ubyte": np.arange(test) % 10,
    }


def cifar_records(count: int, classes: int, seed: int) -> tuple[bytes, np.ndarray, np.ndarray]:
    """(records of the binary format, labels, pictures N 32 32 3)."""
    random = np.random.RandomState(seed)
    pictures = random.randint(0, 256, (count, 32, 32, 3), np.uint8)
    labels = np.arange(count) % classes
    planes = pictures.transpose(0, 3, 1, 2).reshape(count, -1)
    columns = [labels[:, None]] if classes == 10 else [labels[:, None] // 5, labels[:, None]]
    return np.concatenate([*columns, planes], axis=1).astype(np.uint8).tobytes(), labels, pictures


def cifar_files(name: str) -> dict[str, bytes]:
    if name == "cifar10":
        files = {f"data_batch_{i}.bin": cifar_records(20, 10, i)[0] for i in range(1, 6)}
        return files | {"test_batch.bin": cifar_records(20, 10, 9)[0]}
    return {"train.bin": cifar_records(200, 100, 1)[0], "test.bin": cifar_records(100, 100, 9)[0]}


def tarred(files: dict[str, bytes], folder: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, contents in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(contents)
            tar.addfile(member, io.BytesIO(contents))
    return out.getvalue()


def place(name: str, folder: Path) -> None:
    """Put a small set called `name` below `folder`, as a user would have it."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    if "mnist" in name:
        for file, array in mnist_parts().items():
            (folder / name / f"{file}.gz").write_bytes(gzip.compress(idx(array)))
    else:
        archive = {"cifar10": "cifar-10-binary.tar.gz", "cifar100": "cifar-100-binary.tar.gz"}[name]
        (folder / name / archive).write_bytes(tarred(cifar_files(name), "inside"))
