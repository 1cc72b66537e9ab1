"""Units, the space of features, examples and attacks, each against a plain reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from explainers.nets import Trained
from hubel.errors import UsageError
from hubel.explainers.anchors import anchor
from hubel.features.prototypes import prototypes
from hubel.features.space import embed, nearest
from hubel.features.units import activations, filters, maximise, top_patches
from hubel.nn.taps import record
from hubel.robustness.attacks import Pixels, attack
from hubel.types import Batch


def in_batches(images: torch.Tensor, size: int) -> list[Batch]:
    ids = torch.arange(len(images)) + 100
    return [Batch(images[i : i + size], ids[i : i + size], ids[i : i + size]) for i in range(0, len(images), size)]


def test_top_patches_are_those_of_a_search_over_all_maps_whatever_the_batches(digits: Trained) -> None:
    images = digits.images[:50]
    found = top_patches(digits.model, in_batches(images, 7), "block1", k=4)
    with record(digits.model, "block1", copy=True) as seen, torch.no_grad():
        digits.model(images)
    highest = seen["block1"].flatten(2).amax(2).T  # U N
    values, rows = highest.sort(dim=1, descending=True, stable=True)
    assert np.allclose(found.values, values[:, :4], atol=1e-6)
    alive = found.values > 0
    assert (found.ids == rows[:, :4].numpy() + 100)[alive].mean() > 0.99
    # What the unit sees there excites it as much, when everything else is another picture.
    unit = int(np.argmax(found.values[:, 0]))
    top, left, bottom, right = found.boxes[unit, 0]
    other = torch.full_like(images[0], -0.3)
    other[:, top:bottom, left:right] = images[found.ids[unit, 0] - 100][:, top:bottom, left:right]
    with record(digits.model, "block1", copy=True) as seen, torch.no_grad():
        digits.model(other[None])
    assert float(seen["block1"][0, unit].max()) == pytest.approx(float(found.values[unit, 0]), abs=1e-5)


def test_fewer_images_than_patches_leave_gaps(digits: Trained) -> None:
    found = top_patches(digits.model, in_batches(digits.images[:2], 2), "block2", k=3)
    assert (found.ids[:, 2] == -1).all()
    assert np.isneginf(found.values[:, 2]).all()


def test_a_made_picture_excites_its_unit_more_than_any_real_one(digits: Trained) -> None:
    real = top_patches(digits.model, in_batches(digits.images, 100), "dense", k=1).values[:, 0]
    made = maximise(digits.model, "dense", [2, 7], size=(1, 16, 16), steps=80, shift=1)
    with torch.no_grad():
        scores = digits.model(torch.from_numpy(made))
    assert scores[0, 2] > real[2]
    assert scores[1, 7] > real[7]
    assert scores.argmax(1).tolist() == [2, 7]
    again = maximise(digits.model, "dense", [2, 7], size=(1, 16, 16), steps=80, shift=1)
    assert np.array_equal(made, again)
    with pytest.raises(UsageError, match="units 0 to 9, got 10"):
        maximise(digits.model, "dense", [10], size=(1, 16, 16))


def test_filters_and_activations_are_the_nets_own(digits: Trained) -> None:
    assert np.array_equal(filters(digits.model).weights, digits.model.block1[0].weight.detach().numpy())
    assert filters(digits.model, 1).layer == "block2.0"
    with pytest.raises(UsageError, match="layer 'dense' is no convolution but Linear"):
        filters(digits.model, "dense")
    with pytest.raises(UsageError, match="no two-dimensional convolution"):
        filters(nn.Linear(2, 2))
    found = activations(digits.model, digits.images[0], "block1")
    with record(digits.model, "block1", copy=True) as seen, torch.no_grad():
        digits.model(digits.images[:1])
    assert np.allclose(found.maps, seen["block1"][0].numpy()[found.units])
    assert (np.diff(found.strength) <= 0).all()


def test_nearest_samples_are_those_of_a_full_search_and_mostly_of_the_same_class(digits: Trained) -> None:
    with record(digits.model, "block2", copy=True) as seen, torch.no_grad():
        digits.model(digits.train_images)
        known = seen["block2"].flatten(1).numpy()
        digits.model(digits.images)
        asked = seen["block2"].flatten(1).numpy()
    found = nearest(asked, known, k=3)
    brute = np.linalg.norm(known[None] - asked[:5, None], axis=2)
    assert np.array_equal(found.indices[:5], np.argsort(brute, axis=1, kind="stable")[:, :3])
    assert np.allclose(found.distances[:5], np.sort(brute, axis=1)[:, :3], atol=1e-4)
    assert found.agreement(digits.train_labels.numpy(), digits.labels.numpy()) > 0.9


def test_maps_keep_neighbours_and_say_what_they_hold(digits: Trained) -> None:
    with record(digits.model, "block2", copy=True) as seen, torch.no_grad():
        digits.model(digits.images[:200])
    features, labels = seen["block2"].flatten(1).numpy(), digits.labels[:200].numpy()
    near = embed(features, method="tsne", labels=labels)
    flat = embed(features, method="pca", labels=labels)
    pixels = embed(digits.images[:200].numpy(), method="pca", labels=labels)
    assert nearest(near.points, near.points, k=4).agreement(labels, labels) > 0.85
    assert near.silhouette == flat.silhouette > pixels.silhouette
    assert 0 < flat.explained < 1
    assert np.isnan(near.explained)
    assert np.array_equal(near.points, embed(features, method="tsne", labels=labels).points)


def test_prototypes_fall_into_the_clumps_and_lower_the_discrepancy() -> None:
    noise = np.random.default_rng(0)
    clumps = np.concatenate([noise.normal(place, 0.3, (30, 2)) for place in ((0, 0), (8, 0), (0, 8))])
    samples = np.concatenate([clumps, [[30.0, 30.0]]])
    found = prototypes(samples, count=3, criticisms=1)
    assert sorted(found.prototypes // 30) == [0, 1, 2]
    assert found.discrepancy < prototypes(samples, count=1).discrepancy

    squares = ((samples[:, None] - samples) ** 2).sum(2)
    kernel = np.exp(-squares / np.median(squares[np.triu_indices(len(samples), 1)]))
    witness = np.abs(kernel.mean(1) - kernel[:, found.prototypes].mean(1))
    witness[found.prototypes] = 0
    assert found.criticisms.tolist() == [int(witness.argmax())]

    def discrepancy(chosen: np.ndarray) -> float:
        return float(kernel.mean() - 2 * kernel[chosen].mean() + kernel[np.ix_(chosen, chosen)].mean())

    assert found.discrepancy == pytest.approx(discrepancy(found.prototypes), rel=1e-6)
    assert found.discrepancy < np.mean([discrepancy(noise.permutation(91)[:3]) for _ in range(50)])


def test_an_anchor_keeps_the_decision_on_pictures_it_was_not_chosen_on(digits: Trained) -> None:
    row = int((digits.model(digits.images).softmax(1).amax(1) > 0.99).nonzero()[0, 0])
    image = digits.images[row]
    found = anchor(digits.model, image, digits.images[50:150], cells=4, precision=0.8)
    assert found.precision >= 0.8
    assert 0 < found.coverage < 1
    with torch.no_grad():
        mixed = torch.where(torch.from_numpy(found.mask), image, digits.images[200:300])
        kept = (digits.model(mixed).argmax(1) == found.target).float().mean()
        alone = (digits.model(digits.images[200:300]).argmax(1) == found.target).float().mean()
    assert kept > 0.6 > alone + 0.3


SHIFTED = Pixels(mean=(0.3,))


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_attacks_stay_within_eps_and_within_the_pixels(digits: Trained, method: str) -> None:
    images, labels = digits.images[:64], digits.labels[:64]
    done = attack(digits.model, images, method=method, eps=0.1, labels=labels, pixels=SHIFTED)
    change = done.images - images.numpy()
    assert np.abs(change).max() <= 0.1 + 1e-6
    assert done.images.min() >= -0.3 - 1e-6
    assert done.images.max() <= 0.7 + 1e-6
    assert done.largest == pytest.approx(np.abs(change).max((1, 2, 3)).tolist())
    assert done.success > 0.2


def test_pgd_is_stronger_than_fgsm_and_both_than_noise(digits: Trained) -> None:
    images, labels = digits.images[:128], digits.labels[:128]
    success = {
        method: attack(digits.model, images, method=method, eps=0.15, labels=labels, pixels=SHIFTED).success
        for method in ("fgsm", "pgd")
    }
    signs = torch.randint(0, 2, images.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    noise = SHIFTED.clamp(images + 0.15 * signs)
    with torch.no_grad():
        right = digits.model(images).argmax(1) == labels
        by_noise = float((digits.model(noise).argmax(1) != labels)[right].float().mean())
    assert success["pgd"] >= success["fgsm"] > by_noise + 0.1


def test_the_smallest_flip_is_the_distance_to_the_border_of_a_linear_net() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    net[1].weight.data = torch.tensor([[3.0, 0.0, 4.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    net[1].bias.data = torch.tensor([-2.5, 0.0])
    image = torch.tensor([[[0.5, 0.5], [0.5, 0.5]]])  # margin 3.5 x 1 - 2.5 = 1, norm 5: distance 0.2
    done = attack(net, image, method="flip")
    assert done.flipped[0]
    assert done.length[0] == pytest.approx(0.2, rel=0.02)


def test_attacks_are_scaled_by_the_normalisation(digits: Trained) -> None:
    """A net on normalised pixels, attacked with the same eps, is the plain net attacked."""
    wrapped = nn.Sequential(Scale(), digits.model)
    pixels = (digits.images[:16] + 0.3).clamp(0, 1)
    plain = attack(digits.model, pixels - 0.3, method="fgsm", eps=0.05, pixels=Pixels((0.3,), (1.0,)))
    scaled = attack(wrapped, (pixels - 0.5) / 0.25, method="fgsm", eps=0.05, pixels=Pixels((0.5,), (0.25,)))
    assert np.allclose(scaled.images * 0.25 + 0.5, plain.images + 0.3, atol=1e-5)
    assert scaled.largest == pytest.approx(plain.largest, abs=1e-5)


class Scale(nn.Module):
    """From (pixel - 0.5) / 0.25 to pixel - 0.3."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 0.25 + 0.5 - 0.3


def test_impossible_attacks_are_refused(digits: Trained) -> None:
    with pytest.raises(UsageError, match="unknown attack 'pdg'"):
        attack(digits.model, digits.images[:1], method="pdg")
    with pytest.raises(UsageError, match="eps must be above 0"):
        attack(digits.model, digits.images[:1], eps=0)
