"""Every augmentation in the registry, and every preset, keeps these promises."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_sample_image

from hubel.data.augment import AUGMENTATIONS, PRESETS, build_augment

CHAINS = [AUGMENTATIONS.get(name).example for name in AUGMENTATIONS if AUGMENTATIONS.get(name).kind != "mix"]
CHAINS += [*PRESETS]
BLENDS = [AUGMENTATIONS.get(name).example for name in AUGMENTATIONS if AUGMENTATIONS.get(name).kind == "mix"]


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Twelve tiles of a photograph of a temple, B 3 32 32, uint8."""
    photo = torch.tensor(load_sample_image("china.jpg")).permute(2, 0, 1)
    return torch.stack([photo[:, 32 * i : 32 * i + 32, 40 * i : 40 * i + 32] for i in range(12)])


IDS = torch.arange(100, 112)


@pytest.mark.parametrize("chain", CHAINS)
def test_what_happens_to_a_sample_does_not_depend_on_its_batch(chain: str, images: torch.Tensor) -> None:
    augment = build_augment(chain)
    whole = augment(images, IDS, seed=3, epoch=2)
    some = torch.tensor([7, 2, 11])
    torch.testing.assert_close(augment(images[some], IDS[some], seed=3, epoch=2), whole[some], rtol=0, atol=1e-6)
    alone = augment(images[5:6], IDS[5:6], seed=3, epoch=2)
    torch.testing.assert_close(alone, whole[5:6], rtol=0, atol=1e-6)


@pytest.mark.parametrize("chain", CHAINS)
def test_shape_stays_and_values_stay_in_range(chain: str, images: torch.Tensor) -> None:
    augment = build_augment(chain)
    out = augment(images, IDS, seed=0, epoch=0)
    assert out.shape == images.shape
    assert out.dtype in (torch.uint8, torch.float32)
    if out.is_floating_point():
        assert 0 <= out.min() <= out.max() <= 1


@pytest.mark.parametrize("chain", CHAINS)
def test_uint8_and_unit_floats_are_changed_alike(chain: str, images: torch.Tensor) -> None:
    augment = build_augment(chain)
    bytes_in = augment(images, IDS, seed=1, epoch=0)
    floats_in = augment(images.float() / 255, IDS, seed=1, epoch=0)
    if not bytes_in.is_floating_point():
        bytes_in = bytes_in.float() / 255
    roundings = 1.1 if chain.startswith("resized-crop") else 0.5  # rows, then columns; a mean colour is rounded once
    torch.testing.assert_close(bytes_in, floats_in, rtol=0, atol=roundings / 255 + 1e-6)


@pytest.mark.parametrize("chain", [chain for chain in CHAINS if chain != "none"])
def test_epochs_and_seeds_differ(chain: str, images: torch.Tensor) -> None:
    augment = build_augment(chain)
    one, same = (augment(images, IDS, seed=0, epoch=1) for _ in range(2))
    assert torch.equal(one, same)
    assert not torch.equal(one, augment(images, IDS, seed=0, epoch=2))
    assert not torch.equal(one, augment(images, IDS, seed=1, epoch=1))


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (2, 3, 17, 30), (1, 4, 8, 8), (0, 3, 8, 8)])
def test_it_takes_grey_images_odd_sizes_other_channels_and_nothing(chain: str, shape: tuple[int, ...]) -> None:
    if chain == "quarter-turns" and shape[2] != shape[3]:
        return
    images = torch.rand(shape)
    assert build_augment(chain)(images, torch.arange(shape[0]), seed=0, epoch=0).shape == shape


@pytest.mark.parametrize("chain", CHAINS)
def test_the_images_given_are_left_alone(chain: str, images: torch.Tensor) -> None:
    floats = images.float() / 255
    before = floats.clone()
    build_augment(chain)(floats, IDS, seed=0, epoch=0)
    assert torch.equal(floats, before)


@pytest.mark.parametrize("chain", BLENDS)
def test_blends_give_labels_that_sum_to_one_and_images_between_the_two(chain: str, images: torch.Tensor) -> None:
    augment = build_augment(chain)
    labels = torch.arange(12) % 4
    mixed, soft = augment.mix(images, labels, 4, IDS, seed=0, epoch=0)
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(12))
    floats = images.float() / 255
    low, high = torch.minimum(floats, floats.roll(-1, 0)), torch.maximum(floats, floats.roll(-1, 0))
    assert ((mixed >= low - 1e-6) & (mixed <= high + 1e-6)).all()


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_it_says_what_it_is(name: str) -> None:
    entry = AUGMENTATIONS.get(name)
    assert entry.title
    assert entry.formula
    assert entry.source
    assert entry.note
    assert entry.example.startswith(name)
