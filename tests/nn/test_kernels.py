"""Fixed kernels: the matrices of the textbooks, and scipy's correlation as the other road."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import torch
from sklearn.datasets import load_sample_image

from hubel.errors import UnknownName
from hubel.nn.kernels import KERNELS, apply_kernel


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return torch.from_numpy(load_sample_image("flower.jpg")[::8, ::8].copy()).permute(2, 0, 1)[None].double() / 255


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_laid_over_the_image_as_it_is_written(name: str, photo: torch.Tensor) -> None:
    weights = KERNELS[name].weights
    origin = [-1 if side % 2 == 0 else 0 for side in weights.shape]  # even kernels look one pixel right and down
    found = apply_kernel(photo, name)
    assert found.shape == photo.shape
    for channel in range(3):
        expected = scipy.ndimage.correlate(photo[0, channel].numpy(), weights, mode="nearest", origin=origin)
        np.testing.assert_allclose(found[0, channel].numpy(), expected, atol=1e-12)


WRITTEN = {  # as the textbooks print them, each against its own numbers
    "identity": "0 0 0 / 0 1 0 / 0 0 0",
    "edge-corners": "1 0 -1 / 0 0 0 / -1 0 1",
    "laplacian": "0 1 0 / 1 -4 1 / 0 1 0",
    "laplacian-8": "-1 -1 -1 / -1 8 -1 / -1 -1 -1",
    "sobel-x": "-1 0 1 / -2 0 2 / -1 0 1",
    "sobel-y": "-1 -2 -1 / 0 0 0 / 1 2 1",
    "sharpen": "0 -1 0 / -1 5 -1 / 0 -1 0",
    "box-blur": "1 1 1 / 1 1 1 / 1 1 1",
    "gaussian-blur": "1 2 1 / 2 4 2 / 1 2 1",
    "edge-vertical": "1 0 -1 / 1 0 -1 / 1 0 -1",
    "edge-horizontal": "1 1 1 / 0 0 0 / -1 -1 -1",
    "gradient-x": "-1 1 / -1 1",
    "gradient-y": "-1 -1 / 1 1",
    "low-pass": " / ".join(["1 1 1 1 1 1 1"] * 7),
    "plus": "0 1 0 / 1 1 1 / 0 1 0",
    "emboss": "-2 -1 0 / -1 1 1 / 0 1 2",
}
OVER = {"box-blur": 9, "gaussian-blur": 16, "low-pass": 49}


def test_every_kernel_has_the_numbers_that_are_printed_for_it() -> None:
    assert set(KERNELS) == set(WRITTEN)
    for name, text in WRITTEN.items():
        rows = [[float(number) for number in row.split()] for row in text.split(" / ")]
        np.testing.assert_array_equal(KERNELS[name].weights, np.array(rows) / OVER.get(name, 1), err_msg=name)


@pytest.mark.parametrize("name", ["identity", "sharpen", "box-blur", "gaussian-blur", "low-pass"])
def test_these_keep_the_brightness(name: str) -> None:
    assert KERNELS[name].weights.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    "name",
    ["edge-corners", "laplacian", "laplacian-8", "sobel-x", "sobel-y", "edge-vertical", "edge-horizontal", "gradient-x",
     "gradient-y"],
)  # fmt: skip
def test_these_answer_nought_to_a_plain_surface(name: str) -> None:
    assert KERNELS[name].weights.sum() == 0


def test_sharpening_is_the_image_less_its_laplacian(photo: torch.Tensor) -> None:
    torch.testing.assert_close(apply_kernel(photo, "sharpen"), photo - apply_kernel(photo, "laplacian"))


def test_an_unknown_kernel_suggests_near_ones() -> None:
    with pytest.raises(UnknownName, match="did you mean 'sharpen'"):
        apply_kernel(torch.zeros(1, 1, 3, 3), "sharpem")
