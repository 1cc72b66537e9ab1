"""A row per class, every pixel a square, every name readable."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from hubel.errors import DataError
from hubel.figures.contact_sheet import contact_sheet


def test_every_picture_is_there_enlarged_by_a_whole_factor() -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    rows = {
        "first": [
            np.full((3, 8, 8), 1, np.uint8) * np.reshape(colour, (3, 1, 1)).astype(np.uint8) for colour in colours
        ],
        "second": [np.zeros((3, 8, 8), np.uint8)],
    }
    figure = contact_sheet(rows, title="Squares")
    sheet = Image.open(io.BytesIO(figure.data)).convert("RGB")
    assert sheet.size == (figure.width, figure.height)
    counted = {colour: count for count, colour in sheet.getcolors(1 << 16)}  # type: ignore[union-attr]
    for colour in colours:
        assert counted[colour] == 64 * 64
    assert "4 pictures in 2 rows" in figure.alt


def test_large_pictures_are_not_enlarged_and_long_names_are_cut() -> None:
    figure = contact_sheet({"n" * 300: [np.zeros((1, 100, 90), np.uint8)] * 2}, title="t" * 300)
    assert figure.width < 90 * 2 + 300
    assert figure.height < 160


def test_a_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="at least one picture"):
        contact_sheet({"a": []}, title="none")
