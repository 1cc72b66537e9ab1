"""Small sets of points for small nets: four 2-D sets that no straight line divides, and iris.

Each returns a manifest of kind "points" with arrays N 2 (iris: N 4), standardised to mean 0 and deviation 1 per column.
The synthetic ones are made from a fixed seed: they are data sets like any other, the same on every machine.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris

from hubel.data.manifest import Manifest

COUNT = 1000
NOISE = 0.1


def _manifest(source: str, points: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...]) -> Manifest:
    scaled = (points - points.mean(axis=0)) / points.std(axis=0)
    return Manifest(
        source=source,
        kind="points",
        # Rounded, so that the last bit of a machine's sine does not decide about the digest.
        arrays=np.round(scaled, 4).astype(np.float32),
        labels=labels.astype(np.int64),
        class_names=class_names,
        given_split=np.full(len(labels), "", dtype="<U5"),
    )


def spirals(folders: list[Path]) -> Manifest:
    """Two spirals wound into each other (after Lang and Witbrock 1988), one and a half turns each.

    >>> made = spirals([])
    >>> made.arrays.shape, made.class_names, made.labels.sum()
    ((1000, 2), ('inner', 'outer'), np.int64(500))
    """
    random = np.random.RandomState(0)  # its numbers are frozen for ever, unlike those of newer generators
    labels = np.arange(COUNT) % 2
    along = np.sqrt(random.rand(COUNT))
    angle = along * 3 * np.pi + labels * np.pi
    points = np.stack([along * np.cos(angle), along * np.sin(angle)], axis=1)
    return _manifest("spirals", points + NOISE / 4 * random.randn(COUNT, 2), labels, ("inner", "outer"))


def moons(folders: list[Path]) -> Manifest:
    """Two half circles that interlock."""
    random = np.random.RandomState(1)
    labels = np.arange(COUNT) % 2
    angle = np.pi * random.rand(COUNT)
    sign = 1 - 2 * labels
    points = np.stack([sign * np.cos(angle) + labels, sign * np.sin(angle) + labels / 2], axis=1)
    return _manifest("moons", points + NOISE * random.randn(COUNT, 2), labels, ("upper", "lower"))


def circles(folders: list[Path]) -> Manifest:
    """A ring around a disc."""
    random = np.random.RandomState(2)
    labels = np.arange(COUNT) % 2
    angle = 2 * np.pi * random.rand(COUNT)
    radius = np.where(labels == 1, 1.0, 0.5 * np.sqrt(random.rand(COUNT)))
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return _manifest("circles", points + NOISE * random.randn(COUNT, 2), labels, ("disc", "ring"))


def xor(folders: list[Path]) -> Manifest:
    """Four squares, equal across the corner: what a single layer cannot learn (Minsky and Papert 1969)."""
    random = np.random.RandomState(3)
    points = random.uniform(-1, 1, (COUNT, 2))
    points += 0.08 * np.sign(points)  # a lane between the squares
    return _manifest("xor", points, (points[:, 0] > 0) ^ (points[:, 1] > 0), ("same sign", "other sign"))


def iris(folders: list[Path]) -> Manifest:
    """150 flowers of 3 species, 4 lengths each (Fisher 1936)."""
    bunch = load_iris()
    return _manifest("iris", bunch.data, bunch.target, tuple(str(name) for name in bunch.target_names))
