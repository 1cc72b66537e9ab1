"""Pictures as numbers without a net, against the slow way of counting."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hubel.classical.describing import colours, describe, fitting, gradients, pixels, shrunken


def some(count: int, channels: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, channels, height, width), dtype=np.uint8)


def slow_hog(picture: np.ndarray) -> np.ndarray:
    """The paper, pixel by pixel."""
    channels, height, width = picture.shape
    cell = max(1, min(8, height // 4, width // 4))
    down, across = height // cell, width // cell
    grid = np.zeros((down, across, 9))
    for y in range(down * cell):
        for x in range(across * cell):
            best = (-1.0, 0.0, 0.0)
            for c in range(channels):
                inside_y, inside_x = 0 < y < height - 1, 0 < x < width - 1
                dy = float(picture[c, y + 1, x]) - float(picture[c, y - 1, x]) if inside_y else 0.0
                dx = float(picture[c, y, x + 1]) - float(picture[c, y, x - 1]) if inside_x else 0.0
                if dx * dx + dy * dy > best[0]:
                    best = (dx * dx + dy * dy, dy, dx)
            length = math.sqrt(best[0])
            place = (math.degrees(math.atan2(best[1], best[2])) % 180) / 20
            lower = math.floor(place)
            grid[y // cell, x // cell, lower % 9] += length * (1 - (place - lower))
            grid[y // cell, x // cell, (lower + 1) % 9] += length * (place - lower)
    found = []
    for y in range(down - 1):
        for x in range(across - 1):
            block = np.concatenate([grid[y, x], grid[y, x + 1], grid[y + 1, x], grid[y + 1, x + 1]])
            block = np.minimum(block / (math.sqrt((block**2).sum()) + 1e-6), 0.2)
            found.append(block / (math.sqrt((block**2).sum()) + 1e-6))
    return np.concatenate(found)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 17, 12), (1, 28, 28)])
def test_gradients_are_counted_as_the_paper_says(shape: tuple[int, int, int]) -> None:
    pictures = some(2, *shape)
    found = gradients(pictures)
    for row, picture in zip(found, pictures, strict=True):
        np.testing.assert_allclose(row, slow_hog(picture), atol=1e-5)


def test_an_edge_counts_for_its_direction_and_not_for_its_sign() -> None:
    step = np.zeros((1, 1, 8, 8), np.uint8)
    step[..., 4:] = 255
    np.testing.assert_allclose(gradients(step), gradients(255 - step), atol=1e-6)
    assert not np.allclose(gradients(step), gradients(step.transpose(0, 1, 3, 2)))


def test_a_picture_without_edges_has_no_direction_at_all() -> None:
    assert not gradients(np.full((1, 3, 16, 16), 77, np.uint8)).any()


def test_colours_are_counted_in_the_whole_and_in_its_quarters() -> None:
    (picture,) = some(1, 3, 9, 6)
    slow = []
    for part in (picture, picture[:, :4, :3], picture[:, :4, 3:], picture[:, 4:, :3], picture[:, 4:, 3:]):
        counts = np.zeros(64)
        for y in range(part.shape[1]):
            for x in range(part.shape[2]):
                red, green, blue = (int(value) // 64 for value in part[:, y, x])
                counts[16 * red + 4 * green + blue] += 1
        slow.append(np.sqrt(counts / counts.sum()))
    np.testing.assert_allclose(colours(picture[None])[0], np.concatenate(slow), atol=1e-6)


def test_large_pictures_are_averaged_over_whole_blocks() -> None:
    pictures = some(1, 1, 100, 70)
    small = shrunken(pictures)
    assert small.shape == (1, 1, 25, 17)
    assert small[0, 0, 3, 2] == pytest.approx(pictures[0, 0, 12:16, 8:12].mean() / 255)
    assert pixels(some(2, 3, 8, 8)).shape == (2, 192)


def test_in_parts_the_answer_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, rows = some(7, 3, 12, 12), np.array([5, 0, 3])
    whole = {name: describe(name, pictures, rows) for name in fitting(pictures)}
    monkeypatch.setattr("hubel.classical.describing._AT_ONCE", 1)
    for name, expected in whole.items():
        np.testing.assert_array_equal(describe(name, pictures, rows), expected)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 9), (1, 4, 4), (3, 300, 200)])
def test_pictures_of_any_size_can_be_described(shape: tuple[int, int, int]) -> None:
    pictures = some(2, *shape)
    for name in fitting(pictures):
        assert np.isfinite(describe(name, pictures, np.arange(2))).all()
