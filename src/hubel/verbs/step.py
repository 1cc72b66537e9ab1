"""`step`: the arithmetic of a layer, window after window, or of one unit of a real net on a real image."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from hubel.errors import UsageError, unknown
from hubel.figures import steps as pictures
from hubel.figures.theme import Figure
from hubel.lessons import arithmetic
from hubel.lessons.arithmetic import Walk, Working
from hubel.nn.kernels import KERNELS
from hubel.records.subjects import samples

__all__ = ["KINDS", "Walk", "Working", "drawn", "kernel", "matrix", "unit", "vector", "walk", "working"]

KINDS = ("conv", "pool", "dense", "softmax", "cross-entropy", "batchnorm")
_NICKNAMES = {"edge": "edge-vertical", "blur": "box-blur", "gaussian": "gaussian-blur", "sobel": "sobel-x"}


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
    sample = samples(net, data, seed=seed)
    return arithmetic.unit(sample.model, sample.images, layer, place)


def drawn(steps: Walk, index: int = 0) -> Figure:
    """The picture of one window: input, kernel, products, output."""
    if not 0 <= index < len(steps.steps):
        raise UsageError(f"there are windows 0 to {len(steps.steps) - 1}, got {index}")
    step = steps.steps[index]
    return pictures.window(
        steps.input,
        (step.corner[0] + steps.padding, step.corner[1] + steps.padding),
        (step.values.shape[0], step.values.shape[1]),
        steps.output,
        (step.place[0], step.place[1]),
        weights=steps.weights,
        padding=steps.padding,
        text=str(step),
        title=f"{steps.layer}, window {index + 1} of {len(steps.steps)}",
    )


def matrix(text: str, seed: int = 0) -> np.ndarray:
    """A table of numbers: "1 2 / 3 4" row by row, or "6x6" for digits drawn from a seed.

    >>> matrix("1 2 / 3 4").tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    >>> matrix("2x3", seed=1).shape
    (2, 3)
    """
    size = re.fullmatch(r"\s*(\d{1,3})\s*[x×]\s*(\d{1,3})\s*", text)
    if size:
        rows, columns = int(size[1]), int(size[2])
        if not 1 <= rows * columns <= 4096:
            raise UsageError(f"a small image must have 1 to 4,096 pixels, got {text}")
        return np.random.default_rng(seed).integers(0, 10, (rows, columns)).astype(np.float64)
    rows_of = [vector(row) for row in re.split(r"[/;]", text)]
    if len({len(row) for row in rows_of}) != 1:
        raise UsageError(f"all rows must be equally long, got {text!r}", hint="write rows like '1 2 3 / 4 5 6'")
    return np.array(rows_of)


def vector(text: str) -> list[float]:
    """Numbers with blanks or commas between them.

    >>> vector("5, 2 1")
    [5.0, 2.0, 1.0]
    """
    try:
        return [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        raise UsageError(f"these must be numbers: {text!r}", hint="for example '5 2 1'") from None


def kernel(text: str) -> np.ndarray:
    """A kernel by name (edge, sharpen, gaussian, …) or as rows of numbers.

    >>> kernel("sharpen").tolist()
    [[0.0, -1.0, 0.0], [-1.0, 5.0, -1.0], [0.0, -1.0, 0.0]]
    """
    name = _NICKNAMES.get(text, text)
    if name in KERNELS:
        return KERNELS[name].weights
    if any(c.isalpha() for c in text):
        raise unknown("kernel", text, [*KERNELS, *_NICKNAMES], listing="hubel components kernels")
    return matrix(text)
