"""Overlays, tiles and maps as pixels: what is important is coloured, what is not stays grey."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from hubel.errors import DataError
from hubel.figures.embedding import embedding
from hubel.figures.overlay import WIDTH, coloured, overlay
from hubel.figures.theme import Figure
from hubel.figures.tiles import as_bytes, tiles


def pixels(figure: Figure) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(figure.data)).convert("RGB")).astype(int)


def test_colour_means_importance_and_grey_means_none() -> None:
    map_ = np.zeros((8, 8))
    map_[2, 5] = 1.0
    shown = pixels(overlay(np.full((3, 8, 8), 128, np.uint8), map_, signed=False))
    cell = WIDTH // 8
    inside, outside = shown[2 * cell + 9, 5 * cell + 9], shown[5 * cell, 2 * cell]
    assert np.ptp(outside) == 0
    assert np.ptp(inside) > 60


def test_evidence_for_and_against_differ_in_colour_and_the_scale_is_shared() -> None:
    values = coloured(np.array([[-1.0, -0.5, 0.0, 0.5, 1.0]]), signed=True)[0]
    assert values[0, 2] > values[0, 0]  # blue
    assert values[4, 0] > values[4, 2]  # vermillion
    assert values[1, 3] == pytest.approx(values[3, 3])
    assert values[2, 3] == 0


def test_one_extreme_pixel_does_not_dim_the_rest() -> None:
    map_ = np.random.default_rng(0).random((20, 20))
    map_[0, 0] = 1e6
    assert coloured(map_, signed=False)[5:, 5:, 3].max() > 0.8


def test_an_empty_map_is_a_grey_picture() -> None:
    shown = pixels(overlay(np.full((8, 8), 90, np.uint8), np.zeros((8, 8)), signed=True))
    assert (np.ptp(shown[:WIDTH], axis=2) == 0).all()


@pytest.mark.parametrize("map_", [np.zeros((7, 8)), np.full((8, 8), np.nan)])
def test_maps_that_do_not_fit_are_refused(map_: np.ndarray) -> None:
    with pytest.raises(DataError, match="a finite map of"):
        overlay(np.zeros((8, 8), np.uint8), map_, signed=False)


def test_tiles_are_laid_out_in_rows_and_stretched_one_by_one() -> None:
    parts = [np.array([[0.0, 1.0]]), np.array([[0.0, 100.0]]), np.zeros((3, 4, 4), np.uint8)]
    shown = pixels(tiles(parts, side=20, columns=2, alt="three"))
    assert shown.shape == (44, 44, 3)
    assert (shown[10, 19] == shown[10, 43]).all()
    assert (shown[30, 10] == 0).all()
    assert (shown[30, 34] == 255).all()  # no fourth tile
    assert as_bytes(np.array([[-2.0, 0.0]]), signed=True).tolist() == [[0, 128]]
    with pytest.raises(DataError, match="nothing to show"):
        tiles([], alt="none")


def test_a_map_of_samples_names_classes_and_mistakes() -> None:
    points = np.random.default_rng(0).normal(size=(30, 2))
    wrong = np.arange(30) == 3
    names = ["<cat>", "dog & co", "$5"]
    figure = embedding(
        points, np.arange(30) % 3, names, wrong=wrong, pictures=[np.zeros((1, 8, 8), np.uint8)] * 30, title="Map"
    )
    text = figure.data.decode()
    for word in ("&lt;cat&gt;", "dog &amp; co", "$5", "mistaken", "<image"):
        assert word in text
    assert figure.alt == "Map: 30 samples of 3 classes: <cat>, dog & co, $5."
