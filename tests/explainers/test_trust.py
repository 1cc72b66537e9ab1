"""Which methods point at the one thing a net can know a class by; and do the trust measures tell good maps from bad?"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from explainers.nets import Box, Trained
from hubel.errors import UsageError
from hubel.explainers import EXPLAINERS, attribute
from hubel.explainers.trust import (
    BRIEF,
    THOROUGH,
    blurred,
    by_chance,
    curves,
    edges,
    pains_for,
    points_into,
    randomised,
    rank_correlation,
    sensitivity,
    trust,
)
from hubel.models import create_model

FAITHFUL = {
    "grad-cam": {"layer": "6"}, "hires-cam": {"layer": "6"}, "layer-cam": {"layer": "2"}, "score-cam": {"layer": "6"},
    "gradient-x-input": {}, "smoothgrad": {}, "integrated-gradients": {}, "occlusion": {"patch": 5},
    "occlusion-fast": {"patch": 5}, "rise": {"masks": 400, "cells": 6},
}  # fmt: skip
"""Method -> settings. The others are only listed: the bare gradient peaks where the score could still change, and
guided back-propagation draws the mark because it draws every edge."""


def hits(found: np.ndarray, boxes: list[Box]) -> float:
    """The share of maps whose maximum lies on the mark, or within a pixel of it (maps of layers are coarse)."""
    near = [(t - 1, left - 1, b + 1, r + 1) for t, left, b, r in boxes]
    return float(np.mean([points_into(map_, box) for map_, box in zip(found, near, strict=True)]))


def test_the_net_knows_the_mark(marked: tuple[Trained, list[Box]]) -> None:
    net, boxes = marked
    with torch.no_grad():
        assert (net.model(net.images).argmax(1) == 1).float().mean() > 0.95
        hidden = net.images.clone()
        for image, (top, left, bottom, right) in zip(hidden, boxes, strict=True):
            image[:, top:bottom, left:right] = 0
        assert (net.model(hidden).argmax(1) == 0).float().mean() > 0.95


def test_every_faithful_method_points_at_the_mark(
    marked: tuple[Trained, list[Box]], capsys: pytest.CaptureFixture[str]
) -> None:
    net, boxes = marked
    images, boxes = net.images[:20], boxes[:20]
    table = {}
    for method in EXPLAINERS:
        if method.startswith(("attention", "deeplift")):  # no attention here; and one ReLU serves as a maximum, too
            continue
        settings = FAITHFUL.get(method, {})
        table[method] = hits(attribute(net.model, images, method=method, target=1, **settings).maps, boxes)
    chance = hits(np.random.default_rng(0).random((20, 24, 24)), boxes)
    with capsys.disabled():
        print("\n  points at the mark\n" + "\n".join(f"    {m:<22}{share:6.0%}" for m, share in table.items()))
    assert chance < 0.25
    for method in FAITHFUL:
        assert table[method] >= 0.9, f"{method} points at the mark in {table[method]:.0%} of the pictures"


def test_a_good_map_beats_a_random_one_in_every_measure(marked: tuple[Trained, list[Box]]) -> None:
    net, boxes = marked
    image = net.images[0]
    good = attribute(net.model, image, method="integrated-gradients", target=1).map
    found = trust(net.model, image, good, method="integrated-gradients", target=1, box=boxes[0])
    assert found.deletion < 0.5 * found.deletion_random
    assert found.insertion > found.insertion_random
    assert found.randomised < 0.5
    assert found.pointing
    assert found.beaten == found.randoms == 19
    assert found.randomised < found.repeated
    assert found.sentence.startswith("This map passes its checks: its order of pixels beats 19 of 19 random maps")
    noise = np.random.default_rng(1).random(good.shape)
    bad = trust(net.model, image, noise, method="integrated-gradients", target=1, box=(0, 0, 1, 1))
    assert bad.pointing is False
    assert bad.deletion > found.deletion
    assert bad.sentence.startswith("Do not rely on this map")
    assert "outside the object" in bad.sentence


def test_maps_that_know_nothing_of_the_net_do_not_pass(marked: tuple[Trained, list[Box]]) -> None:
    net, _ = marked
    image = net.images[0]
    chance = by_chance(net.model, image, target=1, steps=10)
    assert chance.maps.shape == (19, 24, 24)
    noise = np.random.default_rng(2).random((24, 24))
    for make, words in (
        (lambda net, picture: edges(picture), "with random weights it would look much the same"),
        (lambda net, picture: np.ones((24, 24)), "the same everywhere"),
        (lambda net, picture: noise, "random"),
    ):
        empty = make(net.model, image)
        found = trust(net.model, image, empty, method="empty", target=1, steps=10, chance=chance, make=make)
        assert found.sentence.startswith("Do not rely on this map")
        assert words in found.sentence
    with pytest.raises(UsageError, match="chance was measured for class 1 in 10 steps, not for 0 in 10"):
        trust(net.model, image, noise, method="saliency", target=0, steps=10, chance=chance)


def test_curves_begin_and_end_where_they_must(marked: tuple[Trained, list[Box]]) -> None:
    net, _ = marked
    image = net.images[0]
    deleted, inserted = curves(net.model, image, np.random.default_rng(0).random((24, 24)), 1, steps=6)
    with torch.no_grad():
        whole, none, soft = (
            float(net.model(x[None]).softmax(1)[0, 1]) for x in (image, torch.zeros_like(image), blurred(image))
        )
    assert np.allclose([deleted[0], deleted[-1], inserted[0], inserted[-1]], [whole, none, soft, whole], atol=1e-5)
    # Half of the pixels, most important first: step 3 of 6, done by hand.
    map_ = np.arange(576.0).reshape(24, 24)
    with torch.no_grad():
        half = image.clone()
        half[:, 12:] = 0
        wanted = float(net.model(half[None]).softmax(1)[0, 1])
    assert abs(curves(net.model, image, map_, 1, steps=6)[0][3] - wanted) < 1e-5


def test_a_large_net_is_asked_every_fourth_point_of_the_same_curves(marked: tuple[Trained, list[Box]]) -> None:
    net, _ = marked
    image, map_ = net.images[0], np.random.default_rng(0).random((24, 24))
    brief, thorough = (curves(net.model, image, map_, 1, steps=pains.steps) for pains in (BRIEF, THOROUGH))
    for few, all_ in zip(brief, thorough, strict=True):
        assert np.allclose(few, all_[::4], atol=1e-6)
    again = curves(
        net.model, image, map_, 1, steps=BRIEF.steps, ends=by_chance(net.model, image, target=1, count=1).ends
    )
    assert np.allclose(again, brief, atol=1e-6)
    assert pains_for(net.model, image) == (THOROUGH, "")
    pains, spared = pains_for(
        create_model("efficientnet_lite0", num_classes=10, img_size=224), torch.zeros(3, 224, 224)
    )
    assert pains == BRIEF
    assert "--thorough" in spared


def test_maps_of_a_trained_net_differ_from_those_of_a_random_one(digits: Trained) -> None:
    """Adebayo et al.: a method that passes depends on the weights; an edge detector would not."""
    before = {name: value.clone() for name, value in digits.model.state_dict().items()}
    for method in ("integrated-gradients", "occlusion"):
        pairs = []
        for image, label in zip(digits.images[:6], digits.labels[:6].tolist(), strict=True):
            own = attribute(digits.model, image, method=method, target=label).map
            other = attribute(randomised(digits.model, 0), image, method=method, target=label).map
            pairs.append(abs(rank_correlation(own, other)))
        assert np.mean(pairs) < 0.6, method
    assert all(torch.equal(before[name], value) for name, value in digits.model.state_dict().items())


def test_sensitivity_is_the_change_of_the_map_relative_to_its_length(digits: Trained) -> None:
    image, target = digits.images[0], int(digits.labels[0])
    map_ = attribute(digits.model, image, method="occlusion", target=target).map
    small = sensitivity(digits.model, image, map_, method="occlusion", target=target, noise=1e-6)
    large = sensitivity(digits.model, image, map_, method="occlusion", target=target, noise=0.3)
    assert small < 1e-3 < large
