"""Nets and pictures for the tests of explanations: digits, marked pictures, and the naive loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hubel.runtime import generator

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
