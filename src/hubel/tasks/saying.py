"""What is told of a picture, from the numbers that a net, or an exported file, answers with.

Letters: N pictures, K classes, C H W channels, height and width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hubel.tasks.answers import DISTANCES, Answer
from hubel.words import percent


def say_areas(names: Sequence[str], masks: np.ndarray, classes: Sequence[str]) -> list[Answer]:
    """Masks N H W uint8: how much of the picture each class has.

    >>> print(say_areas(["a.jpg"], np.array([[[0, 0], [0, 1]]], np.uint8), ["ground", "disc"])[0])
    a.jpg: ground 75.0 %, disc 25.0 %
    """
    palette = shades(len(classes))
    found = []
    for name, mask in zip(names, masks, strict=True):
        shares = np.bincount(mask.ravel(), minlength=len(classes)) / mask.size
        order = np.argsort(-shares, kind="stable")
        told = ", ".join(f"{classes[k]} {percent(float(shares[k]), 1)}" for k in order if shares[k] > 0)
        numbers = {label: float(share) for label, share in zip(classes, shares, strict=True)}
        found.append(Answer(name, told, numbers, mask, palette, of_labels="shares"))
    return found


def say_given_back(names: Sequence[str], errors: np.ndarray, pictures: np.ndarray, seen: np.ndarray) -> list[Answer]:
    """Mean squared errors N, of pixels from 0 to 1, the pictures given back, and those that were to be: N C H W uint8.

    By how much each pixel is off stands beside: 255 is black for white.

    >>> back, seen = np.zeros((1, 1, 1, 2), np.uint8), np.array([[[[0, 255]]]], np.uint8)
    >>> say_given_back(["a.jpg"], np.array([0.5]), back, seen)[0].beside["errors"].tolist()
    [[0, 255]]
    """
    found = []
    off = np.sqrt(np.square(pictures.astype(np.float32) - seen).mean(axis=1)).round().astype(np.uint8)  # N H W
    for name, error, picture, far in zip(names, errors.tolist(), pictures, off, strict=True):
        psnr = float(-10 * np.log10(max(error, 1e-10)))
        told = f"given back to {psnr:.2f} dB (mean squared error {error:.4g})"
        found.append(Answer(name, told, {"mse": error, "psnr": psnr}, picture, beside={"errors": far}))
    return found


def say_nearest(
    names: Sequence[str], apart: np.ndarray, classes: Sequence[str], near: Sequence[bool], points: np.ndarray
) -> list[Answer]:
    """Distances N K of points N D from the middles of classes; `near` N: is the nearest near enough to be meant?

    >>> [one] = say_nearest(["a.jpg"], np.array([[1.5, 0.25]]), ["anna", "bert"], [True], np.eye(1, 3))
    >>> print(one, one.to_dict()["nearest"])
    a.jpg: bert (distance 0.25), then anna (distance 1.50) bert
    """
    found = []
    for name, row, familiar, point in zip(names, apart, near, points, strict=True):
        order = np.argsort(row, kind="stable")
        best, *others = (f"{classes[k]} (distance {row[k]:.2f})" for k in order[:3])
        told = best + (f", then {', '.join(others)}" if others else "")
        numbers = {label: float(value) for label, value in zip(classes, row, strict=True)}
        told += "" if familiar else "; no class is near: perhaps one that was never shown"
        nearest = classes[order[0]]
        facts = {"nearest": nearest, "distance": numbers[nearest], "near": bool(familiar)}
        labels = (nearest,) if familiar else ()
        found.append(Answer(name, told, numbers, labels=labels, of_labels=DISTANCES, facts=facts, point=point))
    return found


def shades(classes: int) -> np.ndarray:
    """K 3 uint8: black for the first class, colours far apart for the others, the same for every run.

    >>> shades(3).tolist()
    [[0, 0, 0], [0, 114, 178], [213, 94, 0]]
    """
    known = [(0, 0, 0), (0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233)]
    more = [((67 * k) % 200 + 40, (131 * k) % 200 + 40, (29 * k) % 200 + 40) for k in range(classes)]
    return np.array([*known, *more][:classes], dtype=np.uint8)
