"""`plot` and `kernels`: curves of activations, losses and schedules by name, and kernels on a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from hubel.data.preprocessing import Preprocessing
from hubel.errors import UsageError
from hubel.figures.theme import Figure
from hubel.lessons.approximation import approximate
from hubel.lessons.curves import activation_curves, loss_curves, schedule_curves
from hubel.lessons.filtering import FilteredPicture, filter_picture
from hubel.lessons.scaling import speedup_curves
from hubel.nn.kernels import KERNELS
from hubel.records.pictures import one_picture
from hubel.report.drawings.lessons import draw_approximations, draw_curves
from hubel.training.schedules import SCHEDULES

__all__ = ["approximation", "kernels", "plot"]


def plot(names: Sequence[str]) -> Figure:
    """Curves by name: `relu gelu`, `loss mse huber`, `lr one-cycle cosine`, `approximation "sin(2*x)"`, `scaling`.

    Raises UnknownName, UsageError where a curve cannot be drawn.

    >>> plot(["relu", "gelu"]).alt.startswith("Activations and their derivatives")
    True
    """
    if not names:
        raise UsageError("nothing to plot", hint="for example: hubel plot relu gelu, or hubel plot loss mse huber")
    kind, rest = names[0], list(names[1:])
    if kind in ("loss", "losses"):
        return draw_curves(
            loss_curves(rest or ["mse", "l1", "huber"]), title="Losses and their slopes", names=("loss", "slope")
        )
    if kind in ("lr", "schedule", "schedules"):
        title = "Schedules: factor of the base rate over 100 steps"
        return draw_curves(schedule_curves(rest or list(SCHEDULES)), title=title)
    if kind == "scaling":
        title = "ResNet-50 in 1 to 64 processes: speed-up by what the network carries (hubel.lessons.scaling)"
        return draw_curves(speedup_curves(), title=title, names=("speed-up", "perfect"))
    if kind == "approximation":
        return approximation(rest[0] if rest else "sin(2*x)")
    curves = activation_curves(names)
    return draw_curves(curves, title="Activations and their derivatives", names=("function", "derivative"))


def approximation(formula: str) -> Figure:
    """A curve as hidden layers of 2 to 32 ReLU units draw it, each placed by hand.

    >>> approximation("sin(2*x)").kind
    'svg'
    """
    return draw_approximations(formula, {units: approximate(formula, units) for units in (2, 4, 8, 16, 32)})


def kernels(picture: str | Path, names: Sequence[str] = (), *, side: int = 224) -> FilteredPicture:
    """A picture, of a file or as a sample of a source (`digits:3`), under each kernel (all, if none is named), `side`
    pixels wide and high.

    Raises UnknownName, DataError for a picture that cannot be read.
    """
    for name in names:
        KERNELS.get(name)  # a name that is none is told before the picture is read
    pixels = one_picture(str(picture), Preprocessing(height=side, width=side, channels=3))
    return filter_picture(torch.from_numpy(pixels).float() / 255, names)
