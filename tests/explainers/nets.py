"""Nets and pictures for the tests of explanations: digits, marked pictures, and the naive loop."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from hubel.models import create_model
from hubel.runtime import generator, seeded

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Trained:
    """A net, and samples it has not been trained on."""

    model: nn.Module
    images: torch.Tensor
    labels: torch.Tensor
    train_images: torch.Tensor
    train_labels: torch.Tensor


def fit(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, *, epochs: int) -> nn.Module:
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(epochs):
        for rows in torch.randperm(len(images), generator=generator(0, epoch)).split(64):
            loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model.eval()


@cache
def small_digits() -> Trained:
    """The small convnet of the catalogue on scikit-learn's digits, enlarged to 16 x 16."""
    pixels = torch.from_numpy(load_digits().images).float()[:, None] / 16  # N 1 8 8
    images = nn.functional.interpolate(pixels, scale_factor=2, mode="bilinear") - 0.3
    labels = torch.from_numpy(load_digits().target)
    with seeded(0):
        net = create_model("mnist_cnn", num_classes=10, in_chans=1, img_size=16)
        model = fit(net, images[:1200], labels[:1200], epochs=12)
    return Trained(model, images[1200:], labels[1200:], images[:1200], labels[:1200])


def convnet() -> nn.Module:
    """Two stages of convolutions with a maximum behind them, for pictures with a mark."""
    with seeded(3):
        return nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(inplace=True),
            nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(inplace=True),
            nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(24, 2),
        )  # fmt: skip


MARK = 5
"""Side of the mark in pixels."""


def planted(count: int, *, seed: int) -> tuple[torch.Tensor, torch.Tensor, list[Box]]:
    """N 3 24 24 noise, where class 1 has a striped mark at a random place; labels; where the mark is."""
    source = generator(seed)
    images = 0.5 * torch.randn(count, 3, 24, 24, generator=source)
    labels = torch.arange(count) % 2
    places = torch.randint(0, 24 - MARK + 1, (count, 2), generator=source).tolist()
    stripes = torch.tensor([2.0, -2.0, 2.0, -2.0, 2.0])[:, None].expand(MARK, MARK)
    boxes = []
    for image, label, (top, left) in zip(images, labels, places, strict=True):
        if label:
            image[:, top : top + MARK, left : left + MARK] = stripes
        boxes.append((top, left, top + MARK, left + MARK))
    return images, labels, boxes


def naive_occlusion(model: nn.Module, image: torch.Tensor, target: int, patch: int, stride: int) -> np.ndarray:
    """The loop as the paper tells it: one whole pass for each patch."""
    height, width = image.shape[1:]
    total, count = np.zeros((height, width)), np.zeros((height, width))
    with torch.no_grad():
        whole = float(model(image[None].double())[0, target])
        for top in range(0, -(-(height - patch) // stride) * stride + 1, stride):
            for left in range(0, -(-(width - patch) // stride) * stride + 1, stride):
                covered = image.clone()
                covered[:, top : top + patch, left : left + patch] = 0
                drop = whole - float(model(covered[None].double())[0, target])
                total[top : top + patch, left : left + patch] += drop
                count[top : top + patch, left : left + patch] += 1
    return total / np.maximum(count, 1)
