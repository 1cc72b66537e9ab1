"""The neocognitron learns its planes without labels, and they are worth something."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from hubel.models import create_model


def test_planes_learned_without_labels_tell_digits_apart() -> None:
    torch.manual_seed(0)
    digits = load_digits()
    images = F.interpolate(torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16, size=16, mode="bilinear")
    order = torch.randperm(len(images))
    train, test = order[:1200], order[1200:]
    net = create_model("neocognitron", in_chans=1, img_size=16)
    taken = net.organise(images[train[:300]])
    assert taken[0] == 16
    with torch.no_grad():
        found = net.features(images)
    found = (found / (found + 0.5)).numpy()
    read = LogisticRegression(max_iter=1000, C=10).fit(found[train], digits.target[train])
    assert read.score(found[test], digits.target[test]) > 0.7  # 83 % with 400 pictures; chance is 10 %


def test_a_plane_answers_most_to_what_it_was_born_from_and_wherever_that_is() -> None:
    torch.manual_seed(0)
    net = create_model("neocognitron", in_chans=1, img_size=16)
    corner = torch.zeros(1, 1, 16, 16)
    corner[0, 0, 5, 5:10] = corner[0, 0, 5:10, 5] = 1
    net.organise(corner)
    moved = corner.roll((3, 3), (2, 3))
    here, there = (net.s1(net.contrast(image))[0, 0] for image in (corner, moved))
    assert torch.allclose(here.max(), there.max(), atol=1e-4)
    assert here.max() > 0.5
