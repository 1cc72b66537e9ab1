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
