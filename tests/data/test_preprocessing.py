"""One description of how a picture becomes a tensor, whatever mode and shape the picture has."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.pictures import encoded, scene
from hubel.data.images import decode
from hubel.data.preprocessing import FITS, INTERPOLATIONS, Preprocessing, to_channels
from hubel.errors import UsageError

MODES = ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "I;16"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_becomes_bytes_in_our_channels(mode: str, channels: int) -> None:
    fine = {"I;16": (np.uint16, 257), "I": (np.int32, 257), "F": (np.float32, 1 / 255)}
    if mode in fine:
        kind, scale = fine[mode]
        picture = Image.fromarray((np.asarray(scene(0).convert("L"), dtype=np.float64) * scale).astype(kind))
    else:
        picture = (scene(0).convert("L") if mode == "LA" else scene(0)).convert(mode)
    assert picture.mode == mode
    image = Preprocessing(height=20, width=24, channels=channels, fit="squash").image(picture)
    assert image.shape == (channels, 20, 24)
    assert image.dtype == np.uint8
    assert image.std() > 5


@pytest.mark.parametrize(
    ("form", "picture"),
    [
        ("PNG", Image.fromarray(np.full((4, 4), 40_000, np.uint16))),
        ("TIFF", Image.fromarray(np.full((4, 4), 40_000, np.uint16))),
        ("TIFF", Image.fromarray(np.full((4, 4), 40_000 / 65_535, np.float32))),
    ],
)
def test_sixteen_bits_and_floats_keep_their_brightness(form: str, picture: Image.Image) -> None:
    _, pixels = decode(encoded(picture, form), Preprocessing(height=4, width=4, channels=1))
    assert np.unique(pixels).tolist() == [round(40_000 / 257)]


def test_what_is_transparent_is_white_in_every_mode_that_has_it() -> None:
    clear = Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([200, 0, 0])
    for picture, options in (
        (clear, {}),
        (Image.new("LA", (4, 4), (10, 0)), {}),
        (palette, {"transparency": 0}),
    ):
        _, pixels = decode(encoded(picture, "PNG", **options), Preprocessing(height=4, width=4))
        assert (pixels == 255).all()
    half = to_channels(Image.new("RGBA", (1, 1), (0, 0, 0, 128)), 1)
    assert half.getpixel((0, 0)) == 127


def test_a_picture_of_the_right_size_is_not_resampled() -> None:
    for fit in FITS:
        for how in INTERPOLATIONS:
            p = Preprocessing(height=40, width=48, fit=fit, interpolation=how)
            assert np.array_equal(p.fitted(scene(1)), np.asarray(scene(1)))


def test_crop_cuts_the_middle_pad_keeps_all_squash_fills() -> None:
    bars = Image.new("RGB", (60, 20), "red")
    bars.paste("blue", (20, 0, 40, 20))
    crop, pad, squash = (Preprocessing(height=20, width=20, fit=fit).fitted(bars) for fit in ("crop", "pad", "squash"))
    blue, red, grey = (0, 0, 255), (255, 0, 0), (128, 128, 128)
    assert (crop[:, 1:-1] == blue).all()
    assert tuple(pad[0, 10]) == tuple(pad[-1, 10]) == grey
    assert tuple(pad[10, 1]) == tuple(pad[10, -2]) == red
    assert tuple(pad[10, 10]) == blue
    assert tuple(squash[0, 0]) == red
    assert tuple(squash[-1, 10]) == blue


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.integers(1, 40), st.sampled_from(FITS))
def test_any_size_fits_any_size(width: int, height: int, to_width: int, to_height: int, fit: str) -> None:
    p = Preprocessing(height=to_height, width=to_width, fit=fit)
    assert p.image(Image.new("RGB", (width, height), (9, 9, 9))).shape == (3, to_height, to_width)
    if fit != "pad":
        assert np.unique(p.image(Image.new("L", (width, height), 9))).tolist() == [9]


def test_a_photo_of_one_colour_is_not_darkened_at_the_rim() -> None:
    image = Preprocessing(height=16, width=16, fit="squash").image(Image.new("RGB", (333, 77), (250, 1, 77)))
    assert np.unique(image.reshape(3, -1), axis=1).ravel().tolist() == [250, 1, 77]


def test_normalise_is_the_same_for_bytes_floats_tensors_and_arrays() -> None:
    p = Preprocessing(height=5, width=4, mean=(0.1, 0.5, 0.9), std=(0.2, 0.3, 0.4))
    images = np.random.RandomState(0).randint(0, 256, (6, 3, 5, 4), np.uint8)
    reference = (images.astype(np.float64) / 255 - np.reshape(p.mean, (3, 1, 1))) / np.reshape(p.std, (3, 1, 1))
    tensor = torch.from_numpy(images.copy())
    fractions = tensor.float() / 255
    before = fractions.clone()
    for got in (
        p.normalise(images),
        p.normalise(tensor).numpy(),
        p.normalise(fractions).numpy(),
        p.normalise(tensor.to(memory_format=torch.channels_last)).numpy(),
    ):
        assert got.dtype == np.float32
        assert np.allclose(got, reference, atol=2e-6)
    assert torch.equal(fractions, before)
    assert np.array_equal(tensor.numpy(), images)
    assert np.allclose(p.denormalise(p.normalise(images)), images / 255, atol=1e-6)


def test_grey_is_normalised_too() -> None:
    p = Preprocessing(height=1, width=2, channels=1, mean=(0.5,), std=(0.25,))
    assert p.normalise(torch.tensor([[[[0, 255]]]], dtype=torch.uint8)).tolist() == [[[[-2.0, 2.0]]]]


def test_it_survives_the_way_through_json() -> None:
    p = Preprocessing(height=3, width=4, channels=1, fit="pad", mean=(0.1,), std=(0.7,), interpolation="lanczos")
    assert Preprocessing.from_dict(p.to_dict()) == p


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"height": 0, "width": 4}, "at least 1x1"),
        ({"height": 4, "width": 4, "channels": 2}, "1 .grey. or 3"),
        ({"height": 4, "width": 4, "fit": "stretch"}, "pad, crop, squash"),
        ({"height": 4, "width": 4, "interpolation": "magic"}, "nearest"),
        ({"height": 4, "width": 4, "mean": (0.5,)}, "3 values"),
        ({"height": 4, "width": 4, "std": (0.5, 0.0, 1.0)}, "above 0"),
        ({"height": 4, "width": 4, "std": (0.5, float("nan"), 1.0)}, "above 0"),
        ({"height": 4, "width": 4, "colour": 3}, "no 'colour'"),
        ({"height": 4}, "needs 'width'"),
    ],
)
def test_impossible_settings_are_refused_in_words(values: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Preprocessing.from_dict(values)


def test_levels_travel_with_the_description_and_decide_about_the_cached_pixels() -> None:
    plain, twelve = (Preprocessing(height=4, width=4, levels=levels) for levels in (None, (0, 4095)))
    assert "levels" not in plain.to_dict()
    assert Preprocessing.from_dict(twelve.to_dict()) == twelve
    assert plain.geometry != twelve.geometry
    for wrong in ((5, 5), (0, float("inf")), (float("nan"), 1), (1,)):
        with pytest.raises(UsageError, match="levels must be two numbers, the second above the first"):
            Preprocessing(height=4, width=4, levels=wrong)  # type: ignore[arg-type]
