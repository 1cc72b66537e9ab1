"""Small sets and small runs that the tests of tasks share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

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
        scans_folder, out=str(tmp_path_factory.mktemp("runs")), epochs=25, batch_size=6, lr=0.01,
        model_options={"maps": 4, "levels": 2}, val_fraction=0.2, test_fraction=0.2, **QUICK,
    )  # fmt: skip


@pytest.fixture(scope="session")
def reconstruct_run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    """An autoencoder of the digits."""
    return hubel.train(
        "digits", task="reconstruct", out=str(tmp_path_factory.mktemp("runs")), epochs=12, limit=300, **QUICK
    )
