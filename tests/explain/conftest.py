"""Nets trained for a few seconds, once for all tests of explanations."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from explain.nets import Box, Trained, fit, planted
from hubel.models import create_model
from hubel.runtime import seeded


@pytest.fixture(scope="session")
def digits() -> Trained:
    """The small convnet of the catalogue on scikit-learn's digits, enlarged to 16 x 16."""
    pixels = torch.from_numpy(load_digits().images).float()[:, None] / 16  # N 1 8 8
    images = nn.functional.interpolate(pixels, scale_factor=2, mode="bilinear") - 0.3
    labels = torch.from_numpy(load_digits().target)
    with seeded(0):
        net = create_model("mnist_cnn", num_classes=10, in_chans=1, img_size=16)
        model = fit(net, images[:1200], labels[:1200], epochs=12)
    return Trained(model, images[1200:], labels[1200:], images[:1200], labels[:1200])


@pytest.fixture(scope="session")
def marked() -> tuple[Trained, list[Box]]:
    """A net that can know class 1 only by the mark, and 40 pictures with the mark's box each."""
    images, labels, _ = planted(600, seed=1)
    with seeded(3):
        net = nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(inplace=True),
            nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(inplace=True),
            nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(24, 2),
        )  # fmt: skip
        fit(net, images, labels, epochs=8)
    test, test_labels, boxes = planted(80, seed=2)
    kept = [row for row in range(80) if test_labels[row] == 1]
    return Trained(net, test[kept], test_labels[kept], images, labels), [boxes[row] for row in kept]
