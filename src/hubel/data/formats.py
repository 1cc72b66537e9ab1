"""Named data sets in their original file formats: IDX (MNIST) and the binary version of CIFAR; no pickle.

IDX: big-endian; two zero bytes, type (8 = unsigned byte), number of dimensions, each dimension as 32 bits, then the
values (Y. LeCun, C. Cortes, C. Burges, the MNIST database). CIFAR binary: one record per picture, 1 (CIFAR-10) or 2
(CIFAR-100: coarse, fine) label bytes, then 3 x 32 x 32 bytes, plane by plane (A. Krizhevsky, 2009).
"""

from __future__ import annotations

import gzip
import math
import tarfile
import zlib
from pathlib import Path

import numpy as np

from hubel.data.cache import Remote, fetch
from hubel.data.manifest import Manifest
from hubel.errors import DataError


def read_idx(path: Path) -> np.ndarray:
    """An IDX file of unsigned bytes, gzipped or not, as an array; DataError when it is damaged."""
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}: {error}", hint="delete the file and download it again") from None
    dimensions = raw[3] if len(raw) > 3 else 0
    start = 4 + 4 * dimensions
    shape = tuple(int.from_bytes(raw[at : at + 4]) for at in range(4, start, 4))
    if raw[:3] != b"\0\0\x08" or not 0 < dimensions <= 3 or len(raw) != start + math.prod(shape):
        raise DataError(f"{path} is no whole IDX file of bytes", hint="delete the file and download it again")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def _mnist_like(name: str, remotes: tuple[Remote, ...], class_names: tuple[str, ...], folders: list[Path]) -> Manifest:
    images, labels, split = [], [], []
    for part, prefix in (("train", "train"), ("test", "t10k")):
        of = {remote.name: remote for remote in remotes}
        pixels = read_idx(_locate(of[f"{prefix}-images-idx3-ubyte.gz"], name, folders))
        target = read_idx(_locate(of[f"{prefix}-labels-idx1-ubyte.gz"], name, folders))
        if pixels.ndim != 3 or target.shape != pixels.shape[:1] or target.max(initial=0) >= len(class_names):
            raise DataError(
                f"the {part} part of {name} does not fit together: {pixels.shape} and {target.shape}",
                hint="the files are of different sets: delete them, and they are fetched again",
            )
        images.append(pixels[:, :, :, None])
        labels.append(target.astype(np.int64))
        split += [part] * len(target)
    return Manifest(
        source=name,
        kind="arrays",
        arrays=np.concatenate(images),
        labels=np.concatenate(labels),
        class_names=class_names,
        given_split=np.array(split, dtype="<U5"),
    )


def _locate(remote: Remote, name: str, folders: list[Path]) -> Path:
    """A file of a named set: in one of the folders (or in a sub-folder named like the set), else downloaded."""
    plain = remote.name.removesuffix(".gz")
    # "train-images.idx3-ubyte" is how some tools spell the unpacked file.
    spellings = (remote.name, plain, plain.replace("-idx", ".idx"))
    variants = {
        name,
        name.replace("-", ""),
        name.replace("-", "_"),
        name.upper(),
        "FashionMNIST" if "-" in name else name,
    }
    for folder in folders:
        for inside in (folder, *(folder / v for v in variants), *(folder / v / "raw" for v in variants)):
            # Fashion-MNIST and MNIST use the same file names: the folder itself counts only where it says which.
            if inside == folder and folder.name not in variants and name != "mnist":
                continue
            for spelling in spellings:
                if (inside / spelling).is_file():
                    return inside / spelling
    return fetch(remote, name)


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_CIFAR = "https://www.cs.toronto.edu/~kriz/"

MNIST_FILES = (
    Remote("train-images-idx3-ubyte.gz", _MNIST, "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9_912_422),
    Remote("train-labels-idx1-ubyte.gz", _MNIST, "d53e105ee54ea40749a09fcbcd1e9432", 28_881),
    Remote("t10k-images-idx3-ubyte.gz", _MNIST, "9fb629c4189551a2d022fa330f9573f3", 1_648_877),
    Remote("t10k-labels-idx1-ubyte.gz", _MNIST, "ec29112dd5afa0611ce80d1b7f02629c", 4_542),
)
FASHION_FILES = (
    Remote("train-images-idx3-ubyte.gz", _FASHION, "8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26_421_880),
    Remote("train-labels-idx1-ubyte.gz", _FASHION, "25c81989df183df01b3e8a0aad5dffbe", 29_515),
    Remote("t10k-images-idx3-ubyte.gz", _FASHION, "bef4ecab320f06d8554ea6380940ec79", 4_422_102),
    Remote("t10k-labels-idx1-ubyte.gz", _FASHION, "bb300cfdad3c16e7a12a480ee83cd310", 5_148),
)
CIFAR10_FILE = Remote("cifar-10-binary.tar.gz", _CIFAR, "c32a1d4ab5d03f1284b67883e8d87530", 170_052_171)
CIFAR100_FILE = Remote("cifar-100-binary.tar.gz", _CIFAR, "03b5dce01913d631647c71ecec9e9cb8", 168_513_733)

FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# In the order of fine_label_names.txt, which is alphabetical.
CIFAR100_CLASSES = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
    "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish",
    "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
    "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange",
    "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine",
    "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
    "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
    "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
)  # fmt: skip


def open_mnist(folders: list[Path]) -> Manifest:
    """MNIST: 60,000 + 10,000 digits of 28x28 pixels (LeCun, Bottou, Bengio, Haffner 1998)."""
    return _mnist_like("mnist", MNIST_FILES, tuple("0123456789"), folders)


def open_fashion_mnist(folders: list[Path]) -> Manifest:
    """Fashion-MNIST: 60,000 + 10,000 garments of 28x28 pixels (Xiao, Rasul, Vollgraf 2017)."""
    return _mnist_like("fashion-mnist", FASHION_FILES, FASHION_CLASSES, folders)


def open_cifar10(folders: list[Path]) -> Manifest:
    """CIFAR-10: 50,000 + 10,000 pictures of 32x32 pixels in colour (Krizhevsky 2009), binary version."""
    train = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
    return _cifar("cifar10", "cifar-10-batches-bin", CIFAR10_FILE, train, "test_batch.bin", 1, CIFAR10_CLASSES, folders)


def open_cifar100(folders: list[Path]) -> Manifest:
    """CIFAR-100: the same size with 100 fine classes (Krizhevsky 2009), binary version."""
    return _cifar(
        "cifar100", "cifar-100-binary", CIFAR100_FILE, ("train.bin",), "test.bin", 2, CIFAR100_CLASSES, folders
    )


def _cifar(
    name: str, inner: str, remote: Remote, train: tuple[str, ...], test: str, label_bytes: int,
    class_names: tuple[str, ...], folders: list[Path],
) -> Manifest:  # fmt: skip
    wanted = (*train, test)
    parts = _cifar_files(name, inner, remote, wanted, folders)
    pixels, labels, split = [], [], []
    record = label_bytes + 3 * 32 * 32
    for file in wanted:
        if len(parts[file]) == 0 or len(parts[file]) % record:
            raise DataError(
                f"{file} of {name} has {len(parts[file]):,} bytes, no multiple of {record:,}",
                hint="the file was cut short: delete it, and it is fetched again",
            )
        rows = np.frombuffer(parts[file], np.uint8).reshape(-1, record)
        labels.append(rows[:, label_bytes - 1].astype(np.int64))
        pixels.append(rows[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))  # N H W C
        split += ["test" if file == test else "train"] * len(rows)
    return Manifest(
        source=name,
        kind="arrays",
        arrays=np.ascontiguousarray(np.concatenate(pixels)),
        labels=np.concatenate(labels),
        class_names=class_names,
        given_split=np.array(split, dtype="<U5"),
    )


def _cifar_files(
    name: str, inner: str, remote: Remote, wanted: tuple[str, ...], folders: list[Path]
) -> dict[str, bytes]:
    for folder in folders:
        for place in (folder / inner, folder / name / inner, folder / name, folder):
            if all((place / file).is_file() for file in wanted):
                return {file: (place / file).read_bytes() for file in wanted}
        for place in (folder, folder / name):
            if (place / remote.name).is_file():
                return _members(place / remote.name, wanted)
    return _members(fetch(remote, name), wanted)


def _members(archive: Path, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """The wanted files out of a tar archive, read into memory: nothing is unpacked, so no name in it can do harm."""
    parts: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r|*") as tar:
            for member in tar:
                file = member.name.rpartition("/")[2]
                if file in wanted and member.isreg() and member.size <= 200 << 20:
                    stream = tar.extractfile(member)
                    parts[file] = stream.read() if stream else b""
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {archive}: {error}", hint="delete the file and download it again") from None
    missing = [file for file in wanted if file not in parts]
    if missing:
        raise DataError(f"{archive} has no {missing[0]}", hint="the binary version of the archive is needed")
    return parts
