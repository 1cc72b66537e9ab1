"""`step`: the arithmetic of a layer, window after window, or of one unit of a real net on a real image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hubel.errors import UsageError, unknown
from hubel.lessons import arithmetic
from hubel.lessons.arithmetic import Walk, Working
from hubel.lessons.notation import kernel, matrix, vector
from hubel.records.subjects import net_and_pictures

__all__ = ["KINDS", "Walk", "Working", "kernel", "matrix", "unit", "vector", "walk", "working"]

KINDS = ("conv", "pool", "dense", "softmax", "cross-entropy", "batchnorm")


def walk(
    kind: str,
    image: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    size: int = 2,
    stride: int | None = None,
    padding: int = 0,
    how: str = "max",
    flip: bool = False,
) -> Walk:
    """Every window of a convolution or pooling on a small image.

    >>> walk("conv", matrix("4x4"), kernel("edge")).output.shape
    (2, 2)
    """
    if kind == "conv":
        if weights is None:
            raise UsageError(
                "a convolution needs a kernel", hint="--kernel edge, or --kernel '1 0 -1 / 1 0 -1 / 1 0 -1'"
            )
        return arithmetic.convolve(image, weights, stride=stride or 1, padding=padding, flip=flip)
    return arithmetic.pool(image, size, kind=how, stride=stride, padding=padding)


def working(
    kind: str, values: Sequence[float], *, weights: np.ndarray | None = None, target: Sequence[float] = ()
) -> Working:
    """A calculation without windows: dense, softmax, cross-entropy, batchnorm.

    >>> working("softmax", [0, 0]).result
    (0.5, 0.5)
    """
    if kind == "dense":
        if weights is None:
            raise UsageError("a dense layer needs weights", hint="--kernel '1 2 / 3 4', one row per output")
        return arithmetic.dense(values, weights)
    if kind == "softmax":
        return arithmetic.softmax(values)
    if kind == "batchnorm":
        return arithmetic.batch_norm(values)
    if kind == "cross-entropy":
        return arithmetic.cross_entropy(target, values)
    raise unknown("layer", kind, KINDS)


def unit(net: str, data: str, layer: str, place: Sequence[int], *, seed: int = 0) -> Working:
    """How one unit of a layer of a net came to its value on one sample."""
    sample = net_and_pictures(net, data, seed=seed)
    return arithmetic.unit(sample.model, sample.images, layer, place)
