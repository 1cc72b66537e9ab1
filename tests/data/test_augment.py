"""What each augmentation does to the pixels, and how chains are written."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch

from hubel.data import augment_ops as ops
from hubel.data.augment import AUGMENTATIONS, Augment, build_augment, preview
from hubel.data.draws import Draws
from hubel.errors import UnknownName, UsageError

IDS = torch.arange(64)


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    torch.manual_seed(0)


def counted(batch: int = 64, channels: int = 1, side: int = 6) -> torch.Tensor:
    """Images whose every pixel is different: uint8."""
    return (
        torch.arange(channels * side * side, dtype=torch.uint8).reshape(1, channels, side, side).repeat(batch, 1, 1, 1)
    )


# ------------------------------------------------------------------------------------------------ moves


def test_about_half_the_images_are_mirrored_and_the_others_untouched() -> None:
    images = counted()
    out = build_augment("flip")(images, IDS, seed=0, epoch=0)
    mirrored = torch.tensor([torch.equal(a, b.flip(2)) for a, b in zip(out, images, strict=True)])
    assert 20 < mirrored.sum() < 44
    assert torch.equal(out[~mirrored], images[~mirrored])


def test_alternating_flips_show_both_sides_in_any_two_epochs_in_a_row() -> None:
    images, augment = counted(), build_augment("alternating-flip")
    epochs = [augment(images, IDS, seed=0, epoch=epoch) for epoch in range(4)]
    for one, next_one in itertools.pairwise(epochs):
        assert torch.equal(one, next_one.flip(3))
    first = torch.tensor([torch.equal(a, b) for a, b in zip(epochs[0], images, strict=True)])
    assert 20 < first.sum() < 44


@pytest.mark.parametrize(("rim", "numpy_rim"), [("mirror", "reflect"), ("edge", "edge"), ("black", "constant")])
def test_translation_is_a_pad_and_a_crop(rim: str, numpy_rim: str) -> None:
    images = counted(channels=2) + 1
    out = build_augment(f"translate=2:{rim}")(images, IDS, seed=0, epoch=0)
    draws = Draws(IDS, 0, 0, 0)
    dy, dx = draws.integer(-2, 2).tolist(), draws.integer(-2, 2).tolist()
    assert len(set(zip(dy, dx, strict=True))) > 15
    for index, (y, x) in enumerate(zip(dy, dx, strict=True)):
        padded = np.pad(images[index].numpy(), ((0, 0), (2, 2), (2, 2)), mode=numpy_rim)
        np.testing.assert_array_equal(out[index].numpy(), padded[:, 2 + y : 8 + y, 2 + x : 8 + x])


def test_a_shift_farther_than_the_image_is_wide_is_still_a_mirror() -> None:
    assert ops.mirrored(torch.arange(-9, 12), 4).tolist() == [*np.pad(np.arange(4), (9, 8), mode="reflect")]
    images = counted()
    assert build_augment("translate=30")(images, IDS, seed=0, epoch=0).shape == images.shape


@pytest.mark.parametrize(
    "chain", ["flip,translate=2", "translate=2:black,flip", "translate=1:black,translate=2,vertical-flip"]
)
def test_a_chain_of_moves_is_its_moves_one_after_the_other(chain: str) -> None:
    images = counted(channels=3)
    augment = build_augment(chain)
    out = images
    for step in augment.steps:
        out = Augment((step,))(out, IDS, seed=5, epoch=6)
    assert torch.equal(augment(images, IDS, seed=5, epoch=6), out)


# ------------------------------------------------------------------------------------------------ warps


def warped_by_scipy(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The same by another road: scipy's interpolation at the places the matrix gives."""
    height, width = image.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    points = np.stack([x - (width - 1) / 2, y - (height - 1) / 2, np.ones_like(x)]).reshape(3, -1)
    at = matrix @ points
    at = at[:2] / at[2] + np.array([[(width - 1) / 2], [(height - 1) / 2]])
    return scipy.ndimage.map_coordinates(image, at[::-1], order=1, mode="reflect").reshape(height, width)


@pytest.mark.parametrize(
    "chain",
    ["rotate=40", "scale=0.5", "shift=0.3", "shear=30", "affine=20:0.1:0.2:10", "perspective=0.3"],
)
def test_warps_interpolate_like_scipy(chain: str) -> None:
    images = torch.rand(8, 1, 11, 16, generator=torch.Generator().manual_seed(1))
    ids = torch.arange(8)
    augment = build_augment(chain)
    out = augment(images, ids, seed=0, epoch=0)
    matrices = augment.steps[0].function(Draws(ids, 0, 0, 0), 11, 16).double().numpy()
    for index in range(8):
        expected = warped_by_scipy(images[index, 0].double().numpy(), matrices[index])
        np.testing.assert_allclose(out[index, 0].numpy(), expected, atol=2e-4)


def test_a_resized_crop_is_a_part_enlarged_as_scipy_does_it() -> None:
    images = torch.rand(12, 3, 11, 16, generator=torch.Generator().manual_seed(1))
    ids = torch.arange(12)
    augment = build_augment("resized-crop=0.1")
    out = augment(images, ids, seed=0, epoch=0)
    matrices = augment.steps[0].function(Draws(ids, 0, 0, 0), 11, 16).double().numpy()
    for image, seen, matrix in zip(images.double().numpy(), out.numpy(), matrices, strict=True):
        rows, cols = 11 * matrix[1, 1], 16 * matrix[0, 0]
        top, left = matrix[1, 2] + (11 - rows) / 2, matrix[0, 2] + (16 - cols) / 2
        box = [round(side, 3) for side in (top, left, rows, cols)]
        assert all(side.is_integer() for side in box)  # between pixels, inside the image
        y0, x0, height, width = map(int, box)
        assert 0 <= y0 <= 11 - height
        assert 0 <= x0 <= 16 - width
        part = image[:, y0 : y0 + height, x0 : x0 + width]
        y, x = np.mgrid[0:11, 0:16]
        places = [(y + 0.5) * height / 11 - 0.5, (x + 0.5) * width / 16 - 0.5]
        expected = [scipy.ndimage.map_coordinates(channel, places, order=1, mode="nearest") for channel in part]
        np.testing.assert_allclose(seen, expected, atol=1e-5)


def test_a_resized_crop_of_bytes_stays_bytes_and_is_the_same_but_for_rounding() -> None:
    images = torch.randint(0, 256, (32, 3, 40, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    for chain, together in (("flip,resized-crop=0.08,erase=4", False), ("resized-crop=0.2,flip", True)):
        augment = build_augment(chain)
        seen = augment(images, torch.arange(32), seed=3, epoch=1)
        assert seen.dtype == torch.uint8
        if together:
            floats = augment(images.float() / 255, torch.arange(32), seed=3, epoch=1)
            assert (seen.float() - floats * 255).abs().max() < 1.1
            last = augment(images.contiguous(memory_format=torch.channels_last), torch.arange(32), seed=3, epoch=1)
            assert torch.equal(last, seen)
    assert build_augment("resized-crop,contrast=0.5")(images, torch.arange(32), seed=0, epoch=0).dtype == torch.float32


@pytest.mark.parametrize("size", [(20, 30), (80, 75)])
def test_a_flip_before_a_window_is_taken_with_it_and_is_the_same_bits(size: tuple[int, int]) -> None:
    ids = torch.arange(32)
    images = torch.randint(0, 256, (32, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    chain = build_augment("flip,resized-crop=0.1")
    window = chain.steps[1].function(Draws(ids, 3, 1, 1), *size)
    before = images.clone()
    expected = ops.windows(build_augment("flip")(images, ids, seed=3, epoch=1), window)
    assert torch.equal(chain(images, ids, seed=3, epoch=1), expected)
    assert torch.equal(images, before)


def test_a_chain_gives_the_same_bits_whether_channels_lie_first_or_last() -> None:
    ids = torch.arange(6)
    images = torch.randint(0, 256, (6, 3, 12, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    last = images.contiguous(memory_format=torch.channels_last)
    words = [entry.example for name in AUGMENTATIONS if (entry := AUGMENTATIONS.get(name)).kind != "mix"]
    for chain in (*words, *(f"{a},{b}" for a in words[::3] for b in words[1::4])):
        one, other = (build_augment(chain)(source, ids, seed=0, epoch=0) for source in (images, last))
        assert torch.equal(one, other), chain


def test_a_resized_crop_elsewhere_than_on_a_cpu_shows_the_same() -> None:
    draws = Draws(torch.arange(20), 0, 0, 0)
    images = torch.rand(20, 3, 12, 17, generator=torch.Generator().manual_seed(4))
    matrices = ops.resized_crop(draws, 12, 17, area=0.1)
    torch.testing.assert_close(ops.windows_sampled(images, matrices), ops.windows(images, matrices), atol=1e-5, rtol=0)


@pytest.mark.parametrize("chain", ["flip", "alternating-flip", "flip=1", "flip=0"])
@pytest.mark.parametrize("size", [(6, 7), (80, 75)])
def test_a_flip_of_whole_images_is_the_flip_of_single_pixels(chain: str, size: tuple[int, int]) -> None:
    images = torch.randint(0, 256, (40, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    augment = build_augment(chain)
    for epoch in range(3):
        before = images.clone()
        whole = augment(images, torch.arange(40), seed=1, epoch=epoch)
        single = augment(images.float() / 255, torch.arange(40), seed=1, epoch=epoch)  # floats take the general way
        assert torch.equal(whole.float() / 255, single)
        assert torch.equal(images, before)


def test_a_quarter_turn_of_a_square_is_exact() -> None:
    image = torch.rand(1, 3, 9, 9)
    quarter = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
    torch.testing.assert_close(ops.warp(image, quarter), image.rot90(1, (2, 3)), atol=1e-5, rtol=0)


def test_warps_in_a_row_are_one_interpolation_with_the_product_of_their_matrices() -> None:
    ids, image = torch.arange(4), torch.rand(4, 3, 20, 20)
    chain = build_augment("rotate=30,shear=30")
    first, second = (step.function(Draws(ids, 0, 0, step.place), 20, 20) for step in chain.steps)
    torch.testing.assert_close(chain(image, ids, seed=0, epoch=0), ops.warp(image, first @ second))
    twice = ops.warp(ops.warp(image, first), second)  # the same geometry, blurred twice
    smooth = torch.linspace(0, 1, 20).expand(4, 3, 20, 20)
    torch.testing.assert_close(
        ops.warp(smooth, first @ second)[..., 6:14, 6:14], ops.warp(ops.warp(smooth, first), second)[..., 6:14, 6:14],
        atol=1e-5, rtol=0,
    )  # fmt: skip
    assert not torch.allclose(chain(image, ids, seed=0, epoch=0), twice, atol=1e-3)


@pytest.mark.parametrize(
    "name", ["rotate=0", "scale=0", "shift=0", "shear=0", "perspective=0", "resized-crop=1:1", "elastic=0"]
)
def test_a_warp_of_strength_nought_changes_nothing(name: str) -> None:
    images = torch.rand(5, 3, 9, 13)
    torch.testing.assert_close(build_augment(name)(images, torch.arange(5), seed=0, epoch=0), images, atol=1e-5, rtol=0)


def test_a_resized_crop_never_shows_less_than_the_area_asked_for() -> None:
    draws = Draws(torch.arange(500), 0, 0)
    matrices = ops.resized_crop(draws, 32, 32, area=0.25, ratio=4 / 3)
    areas = matrices[:, 0, 0] * matrices[:, 1, 1]
    assert areas.min() >= 0.22  # a side that would stick out is cut
    assert (matrices[:, 0, 2].abs() + matrices[:, 0, 0] * 16 <= 16 + 1e-4).all()


# ------------------------------------------------------------------------------------------------ effects


@pytest.mark.parametrize(
    "name", ["intensity", "contrast", "saturation", "hue", "colour", "gamma", "noise", "blur", "sharpen"]
)
def test_an_effect_of_strength_nought_changes_nothing(name: str) -> None:
    images = torch.rand(5, 3, 9, 13)
    out = build_augment(f"{name}=0")(images, torch.arange(5), seed=0, epoch=0)
    torch.testing.assert_close(out, images, atol=1e-3 if name == "hue" else 1e-6, rtol=0)


def test_contrast_keeps_the_mean_grey_and_saturation_keeps_every_grey() -> None:
    images = torch.rand(5, 3, 9, 13) * 0.2 + 0.4
    draws = Draws(torch.arange(5), 0, 0)
    torch.testing.assert_close(
        ops.grey(ops.contrast(images, draws, by=0.9)).mean((1, 2, 3)), ops.grey(images).mean((1, 2, 3))
    )
    torch.testing.assert_close(ops.grey(ops.saturation(images, draws, by=0.9)), ops.grey(images))


def test_a_turn_of_the_hue_keeps_greys_and_brightness_and_comes_round() -> None:
    greys = torch.rand(4, 1, 5, 5).expand(4, 3, 5, 5)
    draws = Draws(torch.arange(4), 0, 0)
    torch.testing.assert_close(ops.hue(greys, draws, degrees=180), greys, atol=2e-3, rtol=0)
    colours = torch.rand(4, 3, 5, 5)
    torch.testing.assert_close(ops.grey(ops.hue(colours, draws, degrees=90)), ops.grey(colours), atol=1e-3, rtol=0)


def test_blur_is_scipy_s_gaussian_filter() -> None:
    images = torch.rand(3, 2, 12, 15)
    sigma = torch.tensor([0.5, 1.0, 1.7])
    out = ops.gaussian(images, sigma, widest=2.0)
    for index in range(3):
        expected = scipy.ndimage.gaussian_filter(
            images[index].numpy(), sigma[index].item(), mode="nearest", axes=(1, 2), radius=6
        )
        np.testing.assert_allclose(out[index].numpy(), expected, atol=1e-5)


def test_posterising_to_one_bit_leaves_black_and_white() -> None:
    images = torch.rand(200, 1, 4, 4)
    out = build_augment("posterise=1")(images, torch.arange(200), seed=0, epoch=0)
    shades = sorted({len(image.unique()) for image in out})
    assert shades[0] <= 2
    assert out.min() == 0
    assert out.max() == 1


def test_solarising_from_nought_can_invert_everything_and_keeps_what_is_dark() -> None:
    images = torch.full((50, 1, 2, 2), 0.3)
    out = build_augment("solarise=0")(images, torch.arange(50), seed=0, epoch=0)
    torch.testing.assert_close(out.unique(), torch.tensor([0.3, 0.7]))


def test_noise_is_as_strong_as_asked() -> None:
    images = torch.full((400, 1, 8, 8), 0.5)
    out = build_augment("noise=0.1")(images, torch.arange(400), seed=0, epoch=0)
    spread = (out - 0.5).std(dim=(1, 2, 3))
    assert spread.max() < 0.13
    assert spread.mean().item() == pytest.approx(0.05, abs=0.01)


# ------------------------------------------------------------------------------------------------ patches


def test_cut_out_fills_a_square_with_the_mean_colour() -> None:
    images = torch.rand(64, 3, 16, 16)
    out = build_augment("erase=6")(images, IDS, seed=0, epoch=0)
    for before, after in zip(images, out, strict=True):
        hit = (before != after).any(dim=0)
        rows, cols = hit.any(dim=1).nonzero(), hit.any(dim=0).nonzero()
        assert 3 <= len(rows) <= 6  # the middle may lie at the border
        assert 3 <= len(cols) <= 6
        assert hit.sum() == len(rows) * len(cols)
        torch.testing.assert_close(after[:, hit], before.mean(dim=(1, 2))[:, None].expand(-1, int(hit.sum())))


def test_quarter_turns_are_all_four_and_keep_bytes() -> None:
    images = counted(channels=3)
    out = build_augment("quarter-turns")(images, IDS, seed=0, epoch=0)
    turns = [next(k for k in range(4) if torch.equal(o, i.rot90(k, (1, 2)))) for o, i in zip(out, images, strict=True)]
    assert set(turns) == {0, 1, 2, 3}
    assert out.dtype == torch.uint8


def test_trivial_changes_each_image_by_one_thing_and_some_by_nothing() -> None:
    images = torch.rand(300, 3, 8, 8)
    out = build_augment("trivial")(images, torch.arange(300), seed=0, epoch=0)
    same = torch.tensor([torch.equal(a, b) for a, b in zip(out, images, strict=True)])
    assert 10 < same.sum() < 60


# ------------------------------------------------------------------------------------------------ blends


def test_mix_up_blends_images_and_labels_by_the_same_share() -> None:
    images, labels = torch.eye(4).reshape(4, 1, 2, 2), torch.tensor([0, 1, 2, 3])  # image k is a light at place k
    mixed, soft = build_augment("mixup=1").mix(images, labels, 4, torch.arange(4), seed=0, epoch=0)
    torch.testing.assert_close(mixed.reshape(4, 4), soft)
    assert ((soft > 0.02).sum(dim=1) == 2).any()


def test_cut_mix_labels_are_areas() -> None:
    images = torch.stack([torch.full((1, 10, 10), float(k)) for k in (0, 1, 0, 1)])
    mixed, soft = build_augment("cutmix=1").mix(images, torch.tensor([0, 1, 0, 1]), 2, torch.arange(4), seed=0, epoch=3)
    torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), soft[:, 1])
    assert set(mixed.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("blend", ["mixup=1", "cutmix=1"])
def test_rows_that_belong_to_the_images_are_blended_by_the_shares_of_the_labels(blend: str) -> None:
    images, labels, augment = torch.rand(4, 1, 6, 6), torch.tensor([0, 1, 2, 3]), build_augment(blend)
    rows = torch.cat([torch.eye(4), 10 * torch.eye(4)], dim=1)
    mixed, soft = augment.mix(images, labels, 4, torch.arange(4), seed=0, epoch=0)
    same, blended = augment.mix(images, rows, 4, torch.arange(4), seed=0, epoch=0)
    assert torch.equal(mixed, same)
    torch.testing.assert_close(blended, torch.cat([soft, 10 * soft], dim=1))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_follow_the_beta_distribution(alpha: float) -> None:
    images, labels = torch.zeros(4000, 1, 1, 1), torch.arange(4000) % 2
    _, soft = build_augment("none", mixup=alpha).mix(images, labels, 2, torch.arange(4000), seed=0, epoch=0)
    own = soft[torch.arange(4000), labels].numpy()
    assert scipy.stats.kstest(own, scipy.stats.beta(alpha, alpha).cdf).statistic < 0.03


def test_without_a_blend_labels_become_one_hot() -> None:
    images = torch.rand(3, 1, 2, 2)
    same, soft = build_augment("flip").mix(images, torch.tensor([2, 0, 1]), 3, torch.arange(3), seed=0, epoch=0)
    assert same is images
    assert soft.argmax(dim=1).tolist() == [2, 0, 1]


# ------------------------------------------------------------------------------------------------ words


@pytest.mark.parametrize(
    ("spec", "same"),
    [
        ("flip,translate=2", ["flip", "translate=2"]),
        ("rotate=10", "rotate=degrees=10"),
        ("affine=10:0.2", "affine=degrees=10:by=0.2"),
        ("cifar", "alternating-flip,translate=2"),
        ("none", ""),
        ("", []),
    ],
)
def test_the_same_chain_can_be_written_in_several_ways(spec, same) -> None:
    images = counted(channels=3).float() / 255
    one, other = (build_augment(s)(images, IDS, seed=0, epoch=0) for s in (spec, same))
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("flip,rotatee=3", "did you mean 'rotate'"),
        ("rotate=fast", "degrees of augmentation 'rotate' must be a number, got 'fast'"),
        ("rotate=200", "the angle must be from 0 to 180, got 200"),
        ("flip=0.5:3", "takes 1 values"),
        ("alternating-flip=1", "write just alternating-flip"),
        ("translate=2:gray", "the rim must be mirror, edge or black, got 'gray'"),
        ("translate=-2", "must not be negative"),
        ("affine=zom=3", "did you mean 'zoom'"),
        ("erase=0", "must be above 0"),
        ("noise=nan", "must be a number"),
        ("translate=1e30", "must be a number of at most a billion, got '1e30'"),
        ("translate=99999999999999999999", "must be a number of at most a billion"),
        (",".join(["flip"] * 100_000), "a chain has at most 32 augmentations, got 100,000"),
        ("mixup=1,cutmix=1", "exclude each other"),
        ("mixup=0", "alpha of mix-up and cut-mix must be above 0"),
    ],
)
def test_a_word_that_cannot_be_is_refused_before_any_data_is_read(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_augment(spec)


def test_an_unknown_name_says_where_the_list_is() -> None:
    with pytest.raises(UnknownName, match="hubel components augmentations"):
        build_augment("qwertz")


def test_a_preview_shows_each_image_in_each_epoch() -> None:
    images = counted(batch=2, channels=3, side=5)
    augment = build_augment("flip")
    shown = preview(images, augment, torch.tensor([3, 4]), seed=1, epochs=6)
    assert shown.shape == (2, 6, 5, 5, 3)
    for epoch in range(6):
        expected = augment(images, torch.tensor([3, 4]), seed=1, epoch=epoch).permute(0, 2, 3, 1).numpy()
        np.testing.assert_array_equal(shown[:, epoch], expected)


def test_levels_are_spread_as_pillow_spreads_them() -> None:
    from PIL import Image, ImageOps

    draw = np.random.default_rng(0)
    pictures = (draw.integers(40, 200, (6, 3, 256, 256)) * draw.uniform(0.3, 1, (6, 3, 1, 1))).astype(np.uint8)
    images, ids = torch.from_numpy(pictures), torch.arange(6)
    for name, own in (("autocontrast", ImageOps.autocontrast), ("equalise", ImageOps.equalize)):
        found = build_augment(name)(images, ids, seed=0, epoch=0).mul(255).round().numpy()
        expected = np.stack(
            [np.asarray(own(Image.fromarray(p.transpose(1, 2, 0)))).transpose(2, 0, 1) for p in pictures]
        )
        assert np.abs(found - expected).max() <= 3, name
        flat = torch.full((1, 1, 4, 4), 77, dtype=torch.uint8)
        assert (build_augment(name)(flat, ids[:1], seed=0, epoch=0) * 255).round().unique().tolist() == [77]


def test_augmix_is_a_function_of_seed_epoch_and_sample_and_stays_between_black_and_white() -> None:
    images, ids = torch.randint(0, 256, (40, 3, 12, 12), dtype=torch.uint8), torch.arange(40) + 7
    augment = build_augment("augmix")
    whole = augment(images, ids, seed=3, epoch=2)
    assert whole.dtype == torch.float32
    assert 0 <= float(whole.min()) <= float(whole.max()) <= 1
    torch.testing.assert_close(augment(images[5:9], ids[5:9], seed=3, epoch=2), whole[5:9], rtol=0, atol=1e-6)
    assert (augment(images, ids, seed=3, epoch=3) - whole).abs().mean() > 0.01
    away = (whole - images / 255).abs().mean(dim=(1, 2, 3))
    assert away.min() < 0.02 < away.max(), "some are nearly as they were, some are not"
    still = build_augment("augmix=3:3:0")(images * 0 + 90, ids, seed=0, epoch=0)
    assert still.amax(dim=(2, 3)).sub(still.amin(dim=(2, 3))).max() < 1e-6, "without moves no rim comes in"


@pytest.mark.parametrize(
    "chain", ["augmix=0", "augmix=9", "augmix=3:6", "augmix=3:3:2", "equalise=2", "autocontrast=-1"]
)
def test_augmix_and_levels_refuse_what_cannot_be(chain: str) -> None:
    with pytest.raises(UsageError):
        build_augment(chain)
