"""Corruptions: a contract that all of them keep, and each kind against another implementation."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import correlate, gaussian_filter, map_coordinates
from scipy.stats import poisson

from hubel.data.draws import Draws
from hubel.errors import UnknownName, UsageError
from hubel.robustness import filters
from hubel.robustness.corruptions import CORRUPTIONS, IMAGENET_C, SEVERITIES, chosen, corrupt

NAMES = list(CORRUPTIONS)
RISES_NOT = {"glass-blur", "motion-blur", "frost", "elastic", "spatter", "saturate"}
"""Published severities that change in kind, or whose distance depends on the picture or the angle drawn."""


GOLDEN = {
    "gaussian-noise": "d9a3c874d369",
    "shot-noise": "429b4d550f1f",
    "impulse-noise": "acb7cd1462a0",
    "motion-blur": "cfe721553356",
    "fog": "096c7aa9e5e7",
    "contrast": "f8ab5d96df29",
    "pixelate": "438735a9c2b6",
    "stripe": "a790154ac5ba",
}


def made(count: int, channels: int, side: int, seed: int = 0) -> np.ndarray:
    """Pictures N C H W uint8: soft blobs over the whole range of bytes."""
    x = gaussian_filter(np.random.default_rng(seed).random((count, channels, side, side)), (0, 0, 2, 2), mode="wrap")
    x -= x.min(axis=(2, 3), keepdims=True)
    return np.uint8(255 * x / x.max(axis=(2, 3), keepdims=True))


def draws(count: int = 1) -> Draws:
    return Draws(torch.arange(count), 0)


@pytest.mark.parametrize("name", NAMES)
def test_every_corruption_keeps_shape_and_type_and_depends_on_the_sample_alone(name: str) -> None:
    for channels in (3,) if CORRUPTIONS.get(name).colour else (1, 3):
        pictures = made(7, channels, 24)
        before = pictures.copy()
        for severity in (1, 5):
            whole = corrupt(pictures, range(10, 17), name, severity, seed=3)
            assert (whole.shape, whole.dtype) == (pictures.shape, np.uint8)
            turned = corrupt(pictures[::-1].copy(), range(16, 9, -1), name, severity, seed=3)
            alone = np.concatenate([corrupt(pictures[[k]], [10 + k], name, severity, seed=3) for k in range(7)])
            assert (whole == turned[::-1]).all()
            assert (whole == alone).all()
        assert (pictures == before).all()
        assert (whole != pictures).any()


@pytest.mark.parametrize("name", NAMES)
def test_higher_severities_change_more_where_the_published_strengths_do(name: str) -> None:
    pictures = made(40, 3, 32)
    far = [np.abs(corrupt(pictures, range(40), name, s).astype(float) - pictures).mean() for s in SEVERITIES]
    assert min(far) > 0
    assert name in RISES_NOT or far == sorted(far), far


@pytest.mark.parametrize("name", NAMES)
def test_pictures_of_any_shape_can_be_spoilt(name: str) -> None:
    for height, width in ((1, 1), (2, 9), (5, 3), (40, 17)):
        pictures = np.full((2, 3, height, width), 100, np.uint8)
        for severity in (1, 5):
            assert corrupt(pictures, [0, 1], name, severity).shape == pictures.shape


STEADY = {
    "saturate", "jpeg", "brightness", "contrast", "pixelate", "gaussian-blur", "defocus-blur", "zoom-blur", "scale"
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in NAMES if name not in STEADY])
def test_what_is_random_differs_by_sample_seed_and_severity(name: str) -> None:
    same = np.repeat(made(1, 3, 32), 12, axis=0)
    some = corrupt(same, range(12), name, 4)
    assert len({picture.tobytes() for picture in some}) > 1
    assert (some != corrupt(same, range(12), name, 4, seed=1)).any()


def test_pictures_that_cannot_be_written_to_are_read() -> None:
    picture = made(1, 1, 16)
    picture.setflags(write=False)
    assert (corrupt(picture, [0], "fog") == corrupt(torch.from_numpy(picture.copy()), [0], "fog")).all()


def test_the_bytes_are_the_same_on_every_machine() -> None:
    """Golden digests of 3 grey pictures of 16 pixels at severity 3."""
    ramp = (np.arange(3 * 16 * 16).reshape(3, 1, 16, 16) * 7 % 256).astype(np.uint8)
    found = {name: hashlib.sha256(corrupt(ramp, [0, 1, 2], name, 3).tobytes()).hexdigest()[:12] for name in GOLDEN}
    assert found == GOLDEN


def test_gaussian_blur_is_that_of_scipy() -> None:
    picture = made(1, 3, 32)
    expected = gaussian_filter(picture[0] / 255, (0, 1.0, 1.0), mode="nearest", truncate=4)
    assert np.abs(corrupt(picture, [0], "gaussian-blur", 5)[0] - 255 * expected).max() <= 0.5 + 1e-4


def test_a_lens_and_a_shutter_are_correlations_as_scipy_computes_them() -> None:
    x = torch.from_numpy(made(2, 3, 20) / 255.0)
    disc, streak = filters.disc(3, 0.5), filters.streaks(torch.tensor([0.3]), 6, 2)
    for kernel in (disc, streak):
        assert float(kernel.sum()) == pytest.approx(1)
        found = filters.filtered(x, kernel)
        for picture, own in zip(x.numpy(), found.numpy(), strict=True):
            expected = np.stack([correlate(channel, kernel[0].numpy(), mode="mirror") for channel in picture])
            assert np.abs(own - expected).max() < 1e-9


def test_a_streak_points_where_the_picture_moved() -> None:
    kernel = filters.streaks(torch.tensor([0.0]), 4, 100)[0].numpy()
    middle = len(kernel) // 2
    assert kernel[middle].sum() == pytest.approx(1)
    assert kernel[middle, middle + 4] > 0
    assert kernel[middle, :middle].sum() == pytest.approx(0)


def test_pictures_are_read_off_between_pixels_as_scipy_does() -> None:
    picture = made(1, 1, 12)[0, 0] / 255
    rng = np.random.default_rng(1)
    rows, cols = rng.uniform(-3, 14, (2, 12, 12))
    expected = map_coordinates(picture, [rows, cols], order=1, mode="mirror")
    found = filters.read_at(
        torch.from_numpy(picture)[None, None], torch.from_numpy(rows)[None], torch.from_numpy(cols)[None]
    )
    assert np.abs(found[0, 0].numpy() - expected).max() < 1e-9


def test_what_is_enlarged_is_the_middle_as_scipy_reads_it() -> None:
    x = made(2, 3, 15) / 255
    found = filters.enlarged(torch.from_numpy(x), 1.2, 3.0).numpy()
    rows, cols = np.indices((15, 15))
    expected = np.zeros_like(x)
    for zoom in (1.2, 3.0):
        places = [7 + (part - 7) / zoom for part in (rows, cols)]
        expected += [[map_coordinates(channel, places, order=1) for channel in picture] for picture in x]
    assert np.abs(found - expected).max() < 1e-5


def test_elastic_displacements_are_blurred_as_scipy_does() -> None:
    field = np.random.default_rng(0).uniform(-1, 1, (1, 30, 30))
    found = filters.blurred(torch.from_numpy(field), 5.0, truncate=3, rim=filters.doubled)
    expected = gaussian_filter(field, (0, 5, 5), mode="reflect", truncate=3)
    assert np.abs(found.numpy() - expected).max() < 1e-9


def test_noise_has_the_distribution_it_says() -> None:
    grey = np.full((40, 1, 32, 32), 128, np.uint8)
    noise = corrupt(grey, range(40), "gaussian-noise", 5).astype(float) - 128
    assert abs(noise.mean()) < 0.5
    assert noise.std() == pytest.approx(25.5, rel=0.02)
    speckle = corrupt(grey, range(40), "speckle-noise", 5).astype(float) - 128
    assert speckle.std() == pytest.approx(0.2 * 128, rel=0.02)
    impulse = corrupt(grey, range(40), "impulse-noise", 5)
    assert (impulse == 0).mean() == pytest.approx(0.035, rel=0.1)
    assert (impulse == 255).mean() == pytest.approx(0.035, rel=0.1)


def test_photons_are_counted_as_poisson_says() -> None:
    pictures = torch.full((40, 1, 32, 32), 51, dtype=torch.uint8)
    counted = filters.poissons(draws(40), pictures, 50.0).numpy()
    for events in range(4, 18):
        expected = poisson.pmf(events, 10.0)
        assert (counted == events).mean() == pytest.approx(expected, abs=0.006), events
    assert not filters.poissons(draws(), torch.zeros(1, 1, 4, 4, dtype=torch.uint8), 50.0).any()


def test_boxes_are_those_of_pillow() -> None:
    picture = made(1, 3, 32)
    image = Image.fromarray(picture[0].transpose(1, 2, 0))
    small = image.resize((20, 20), Image.Resampling.BOX).resize((32, 32), Image.Resampling.BOX)
    found = corrupt(picture, [0], "pixelate", 5)[0].transpose(1, 2, 0).astype(int)
    assert CORRUPTIONS.get("pixelate").strengths(5, 32) == (0.65,)
    assert np.abs(found - np.asarray(small)).mean() < 3  # Pillow takes whole pixels into a box, or leaves them out


def test_jpeg_is_what_pillow_writes() -> None:
    picture = made(1, 3, 32)
    file = io.BytesIO()
    Image.fromarray(picture[0].transpose(1, 2, 0)).save(file, "JPEG", quality=40)
    assert (corrupt(picture, [0], "jpeg", 5)[0].transpose(1, 2, 0) == np.asarray(Image.open(file))).all()


def test_brightness_and_saturation_change_one_part_of_hsv() -> None:
    picture = made(1, 3, 32)
    before = np.asarray(Image.fromarray(picture[0].transpose(1, 2, 0)).convert("HSV")).astype(int)
    bright = corrupt(picture, [0], "brightness", 1)
    after = np.asarray(Image.fromarray(bright[0].transpose(1, 2, 0)).convert("HSV")).astype(int)
    assert np.abs(after[..., 2] - np.minimum(255, before[..., 2] + 13)).max() <= 1
    pale = corrupt(picture, [0], "saturate", 1)
    assert (pale.max(axis=1) == picture.max(axis=1)).all()
    after = np.asarray(Image.fromarray(pale[0].transpose(1, 2, 0)).convert("HSV")).astype(int)
    assert np.abs(after[..., 1] - 0.3 * before[..., 1])[before[..., 2] > 100].max() <= 4
    grey = np.full((1, 3, 4, 4), 77, np.uint8)
    assert (corrupt(grey, [0], "saturate", 5) == grey).all()


def test_contrast_keeps_the_mean_and_shrinks_the_rest() -> None:
    picture = made(1, 1, 32)
    mean = picture.mean()
    assert np.abs(corrupt(picture, [0], "contrast", 5) - (mean + 0.15 * (picture - mean))).max() <= 0.5 + 1e-4


def test_glass_moves_pixels_and_makes_none_new() -> None:
    picture = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    found = corrupt(picture, [0], "glass-blur", 1)  # a Gaussian of 0.05 pixels is none
    assert (found != picture).any()
    assert sorted(found.flatten()) == list(range(256))
    assert np.abs(found.astype(int) // 16 - picture // 16).max() <= 3


def test_clouds_fill_their_range_and_are_finer_where_small_parts_are_strong() -> None:
    soft, rough = (filters.plasma(draws(3), 32, 30, decay).numpy() for decay in (3.0, 1.4))
    assert soft.shape == (3, 32, 30)
    assert soft.min() >= 0
    assert rough.max() <= 1
    assert np.abs(np.diff(soft)).mean() < 0.5 * np.abs(np.diff(rough)).mean()


def test_strengths_are_the_published_ones_and_lie_between_them_elsewhere() -> None:
    blur = CORRUPTIONS.get("gaussian-blur")
    assert [blur.strengths(s, 224)[0] for s in SEVERITIES] == [1, 2, 3, 4, 6]
    assert [blur.strengths(s, 32)[0] for s in SEVERITIES] == [0.4, 0.6, 0.7, 0.8, 1.0]
    assert blur.strengths(3, 8) == blur.strengths(3, 32)
    assert 0.7 < blur.strengths(3, 64)[0] < 3
    assert CORRUPTIONS.get("translate").strengths(4, 16) == (2.0,)
    assert sum(each.source == IMAGENET_C for each in CORRUPTIONS.values()) == 19


def test_names_and_groups_choose_and_what_is_none_is_said() -> None:
    assert chosen(["jpeg_compression".replace("_compression", ""), "noise"], 1)[0] == "jpeg"
    assert len(chosen(["imagenet-c"], 3)) == 15
    assert "saturate" not in chosen(["all"], 1)
    with pytest.raises(UnknownName, match="did you mean 'shot-noise'"):
        chosen(["shot_nois"], 3)
    with pytest.raises(UsageError, match="saturate changes colours"):
        chosen(["saturate"], 1)
    for pictures, ids, severity in (
        (np.zeros((1, 1, 4, 4)), [0], 1),
        (np.zeros((1, 2, 4, 4), np.uint8), [0], 1),
        (np.zeros((1, 1, 4, 4), np.uint8), [], 1),
        (np.zeros((1, 1, 4, 4), np.uint8), [0], 6),
    ):
        with pytest.raises(UsageError):
            corrupt(pictures, ids, "fog", severity)
    assert corrupt(np.zeros((0, 1, 4, 4), np.uint8), [], "fog").shape == (0, 1, 4, 4)
