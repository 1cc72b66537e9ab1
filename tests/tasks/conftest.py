"""Small sets and small runs that the tests of tasks share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits

import hubel

QUICK: dict[str, Any] = {"threads": 1, "device": "cpu"}


def scans(folder: Path, count: int = 30, side: int = 16) -> Path:
    """Discs (1) and squares (2) on noise, with their masks: images/ and masks/."""
    draw = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for row in range(count):
        picture = Image.fromarray(draw.integers(60, 120, (side, side), dtype=np.uint8))
        mask = Image.new("L", (side, side), 0)
        x, y = draw.integers(0, side - 8, 2).tolist()
        kind = 1 + row % 2
        for board, value in ((picture, 250 if kind == 1 else 10), (mask, kind)):
            shape = ImageDraw.Draw(board).ellipse if kind == 1 else ImageDraw.Draw(board).rectangle
            shape((x, y, x + 7, y + 7), fill=value)
        picture.save(folder / "images" / f"{row:03}.png")
        mask.save(folder / "masks" / f"{row:03}.png")
    return folder


@pytest.fixture(scope="session")
def scans_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pictures with masks."""
    return scans(tmp_path_factory.mktemp("scans") / "scans")


@pytest.fixture(scope="session")
def segment_run(scans_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    """A U-Net that has learnt the discs and squares for a moment."""
    return hubel.train(
        scans_folder, out=str(tmp_path_factory.mktemp("runs")), epochs=25, batch_size=6, lr=0.1,
        model_options={"maps": 4, "levels": 2}, val_fraction=0.2, test_fraction=0.2, **QUICK,
    )  # fmt: skip


def photograph(path: Path, height: int = 12, width: int = 16) -> Path:
    """A picture in colour that changes smoothly: a hill of red, a slope of green, waves of blue."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    red, green, blue = np.exp(-8 * ((y - 0.4) ** 2 + (x - 0.6) ** 2)), y, 0.5 + 0.5 * np.sin(6 * x)
    pixels = (255 * np.stack([red, green, blue], axis=-1)).round().astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture file."""
    return photograph(tmp_path_factory.mktemp("photo") / "hill.png")


@pytest.fixture(scope="session")
def field_run(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    """A small SIREN that knows the picture by heart."""
    return hubel.train(
        photo, task="field", out=str(tmp_path_factory.mktemp("runs")), epochs=45, batch_size=64, lr=0.003,
        model_options={"hidden": [48, 48], "omega": 6}, **QUICK,
    )  # fmt: skip


def waves(path: Path, count: int = 60) -> Path:
    """Series of unequal lengths: slow or fast waves, each with noise; the class is asked for the whole series."""
    draw = np.random.default_rng(0)
    lines = ["series,time,height,side,label"]
    for row in range(count):
        steps, kind = int(draw.integers(12, 24)), ("slow", "fast")[row % 2]
        pace = 0.4 if kind == "slow" else 1.2
        heights = 5 + 3 * np.sin(pace * np.arange(steps) + draw.uniform(0, 6)) + draw.normal(0, 0.3, steps)
        lines += [
            f"w{row},{step},{height:.3f},{('left', 'right')[step % 2]},{kind}" for step, height in enumerate(heights)
        ]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def waves_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of sixty series."""
    return waves(tmp_path_factory.mktemp("waves") / "waves.csv")


@pytest.fixture(scope="session")
def waves_run(waves_table: Path, tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    """An LSTM that tells slow waves from fast ones."""
    return hubel.train(
        waves_table, task="sequence", model="lstm", out=str(tmp_path_factory.mktemp("runs")), epochs=12,
        model_options={"units": 24}, val_fraction=0.2, test_fraction=0.2, lr=0.01, **QUICK,
    )  # fmt: skip


@pytest.fixture(scope="session")
def reconstruct_run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    """An autoencoder of the digits."""
    return hubel.train(
        "digits", task="reconstruct", out=str(tmp_path_factory.mktemp("runs")), epochs=12, limit=300, **QUICK
    )


@pytest.fixture(scope="session")
def embed_run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    """Points for digits, with the middles of ten classes."""
    return hubel.train(
        "digits", task="embed", out=str(tmp_path_factory.mktemp("runs")), epochs=4, limit=300, batch_size=64,
        model_options={"backbone": "mlp", "width": 8}, **QUICK,
    )  # fmt: skip


def pairs(folder: Path, count: int = 400) -> Path:
    """Two digits of 0 to 2 side by side, their names in one cell: 0|2; nothing at all is none."""
    folder.mkdir(parents=True)
    digits, draw = load_digits(n_class=3), np.random.default_rng(0)
    lines = ["file,label"]
    for row in range(count):
        board, there = np.zeros((8, 16), np.uint8), set()
        for half in range(2):
            if draw.random() < 0.8:
                which = int(draw.integers(0, len(digits.images)))
                board[:, 8 * half : 8 * half + 8] = digits.images[which] * 15
                there.add(int(digits.target[which]))
        Image.fromarray(board).save(folder / f"{row:03}.png")
        lines.append(f"{row:03}.png,{'|'.join(f'digit {k}' for k in sorted(there)) or 'none'}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def pairs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hundred pictures of two digits, or one, or none."""
    return pairs(tmp_path_factory.mktemp("pairs") / "pairs")


@pytest.fixture(scope="session")
def pairs_run(pairs_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    """A net that says which of the digits 0 to 2 are there."""
    return hubel.train(
        pairs_folder, out=str(tmp_path_factory.mktemp("runs")), model="mlp", epochs=12, augment="none", **QUICK
    )
