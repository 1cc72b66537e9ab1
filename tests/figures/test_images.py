from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from hubel.errors import DataError
from hubel.figures.images import picture, sheet, to_hwc
from hubel.figures.theme import Figure

COLOUR = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def opened(figure: Figure) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(figure.data)))


@pytest.mark.parametrize("image", [COLOUR, COLOUR.transpose(2, 0, 1)], ids=["H W C", "C H W"])
def test_both_layouts_give_the_same_pixels(image: np.ndarray) -> None:
    figure = picture(image, alt="noise")
    assert (figure.kind, figure.width, figure.height) == ("png", 30, 20)
    np.testing.assert_array_equal(opened(figure), COLOUR)


@pytest.mark.parametrize("shape", [(8, 9), (1, 8, 9), (8, 9, 1)])
def test_grey_images_come_in_three_layouts(shape: tuple[int, ...]) -> None:
    grey = np.arange(72, dtype=np.uint8)
    np.testing.assert_array_equal(opened(picture(grey.reshape(shape), alt="grey")), grey.reshape(8, 9))


def test_large_photographs_become_jpeg() -> None:
    figure = picture(np.zeros((64, 64, 3), dtype=np.uint8), alt="black")
    assert figure.kind == "jpeg"
    assert opened(figure).shape == (64, 64, 3)


def test_a_sheet_puts_every_image_in_its_cell() -> None:
    images = [np.full((4, 6), 10 * i, dtype=np.uint8) for i in range(5)]
    board = opened(sheet(images, columns=3, alt="greys", gap=1))
    assert board.shape == (2 * 5 - 1, 3 * 7 - 1, 4)
    for i in range(5):
        row, column = divmod(i, 3)
        assert (board[5 * row : 5 * row + 4, 7 * column : 7 * column + 6, 0] == 10 * i).all()
    assert not board[5:, 14:].any()


def test_images_of_other_sizes_are_centred() -> None:
    board = opened(sheet([np.full((2, 2), 9, np.uint8), COLOUR[:4, :6]], columns=2, alt="two", gap=0))
    assert board[..., 3].sum() == 255 * (4 + 24)
    assert board[1, 2, 0] == 9


@pytest.mark.parametrize("bad", [COLOUR.astype(float), COLOUR[..., :2], COLOUR[None]])
def test_what_is_not_an_image_is_explained(bad: np.ndarray) -> None:
    with pytest.raises(DataError, match="an image must be uint8"):
        to_hwc(bad)


def test_an_empty_sheet_is_an_error() -> None:
    with pytest.raises(DataError, match="at least one image"):
        sheet([], alt="nothing")
