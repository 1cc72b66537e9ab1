"""Metric learning: distances that mean likeness."""

from __future__ import annotations

import itertools

import pytest
import torch
from sklearn.datasets import load_digits

from hubel.errors import UsageError
from hubel.models import create_model
from hubel.models.architectures.siamese import pairs, triplets


def test_triplets_are_those_of_brute_force() -> None:
    generator = torch.Generator().manual_seed(0)
    points, labels = torch.randn(12, 3, generator=generator), torch.randint(0, 4, (12,), generator=generator)
    found = {int(a): (int(p), int(n)) for a, p, n in zip(*triplets(points, labels), strict=True)}
    for anchor in range(12):
        friends = [i for i in range(12) if i != anchor and labels[i] == labels[anchor]]
        strangers = [i for i in range(12) if labels[i] != labels[anchor]]
        if not friends:
            assert anchor not in found
            continue
        far = max(friends, key=lambda i: float((points[i] - points[anchor]).norm()))
        near = min(strangers, key=lambda i: float((points[i] - points[anchor]).norm()))
        assert found[anchor] == (far, near)


def test_pairs_are_all_of_them_once() -> None:
    labels = torch.tensor([0, 1, 0, 2])
    found = list(zip(*(part.tolist() for part in pairs(labels)), strict=True))
    assert found == [(i, j, 1 if labels[i] == labels[j] else -1) for i, j in itertools.combinations(range(4), 2)]


def test_triplet_loss_brings_friends_together_also_of_classes_never_seen() -> None:
    torch.manual_seed(0)
    digits = load_digits()
    images, labels = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16, torch.tensor(digits.target)
    images = torch.nn.functional.pad(images, (1, 1, 1, 1))
    seen = labels < 7
    net = create_model("siamese", in_chans=1, img_size=10, backbone="mlp", width=8)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)

    def nearest_is_friend(which: torch.Tensor) -> float:
        distance = net.distances(images[which], images[which]).detach()
        return float((labels[which][distance.fill_diagonal_(9).argmin(1)] == labels[which]).float().mean())

    for step in range(60):
        batch = torch.nonzero(seen).flatten()[step * 7 % 900 :][:128]
        points = net.embed(images[batch])
        anchor, friend, stranger = triplets(points, labels[batch])
        loss = torch.nn.functional.triplet_margin_loss(points[anchor], points[friend], points[stranger], margin=0.3)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert nearest_is_friend(seen) > 0.93
    assert nearest_is_friend(~seen) > 0.75  # chance is a third


def test_any_backbone_goes_under_it_but_itself() -> None:
    net = create_model("siamese", num_classes=3, in_chans=3, img_size=32, backbone="resnet20", width=16)
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 3)
    with pytest.raises(UsageError, match="cannot be siamese itself"):
        create_model("siamese", in_chans=1, backbone="siamese")
