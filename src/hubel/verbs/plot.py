"""`plot` and `kernels`: curves of activations, losses and schedules by name, and kernels on a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from hubel.data.decode import read_images
from hubel.data.preprocessing import Preprocessing
from hubel.errors import DataError, UsageError, unknown
from hubel.figures.gallery import gallery
from hubel.figures.panels import panels
from hubel.figures.theme import Figure
from hubel.lessons.approximation import approximate
from hubel.nn.activations import ACTIVATIONS
from hubel.nn.kernels import KERNELS, apply_kernel
from hubel.nn.losses import LOSSES, build_loss
from hubel.training.schedules import ALSO_CALLED, SCHEDULES, build_schedule

__all__ = ["activations", "approximation", "kernels", "losses", "plot", "schedules"]

Curve = tuple[np.ndarray, np.ndarray]


def plot(names: Sequence[str]) -> Figure:
    """Curves by name: `relu gelu`, `loss mse huber`, `lr one-cycle cosine`, `approximation "sin(2*x)"`.

    Raises UnknownName, UsageError where a curve cannot be drawn.

    >>> plot(["relu", "gelu"]).alt.startswith("Activations and their derivatives")
    True
    """
    if not names:
        raise UsageError("nothing to plot", hint="for example: hubel plot relu gelu, or hubel plot loss mse huber")
    kind, rest = names[0], list(names[1:])
    if kind in ("loss", "losses"):
        return _panels(losses(rest or ["mse", "l1", "huber"]), "Losses and their slopes", ("loss", "slope"))
    if kind in ("lr", "schedule", "schedules"):
        return _panels(schedules(rest or list(SCHEDULES)), "Schedules: factor of the base rate over 100 steps")
    if kind == "approximation":
        return approximation(rest[0] if rest else "sin(2*x)")
    known = activations(names)
    return _panels(known, "Activations and their derivatives", ("function", "derivative"))


def _panels(drawings: dict[str, list[Curve]], title: str, names: tuple[str, ...] = ()) -> Figure:
    """Few drawings are drawn large."""
    side = 260 if len(drawings) <= 3 else 180 if len(drawings) <= 8 else 130
    return panels(drawings, title=title, names=names, columns=4 if side > 130 else 6, width=side, height=side * 5 // 6)


def activations(names: Sequence[str]) -> dict[str, list[Curve]]:
    """For each activation: x and f(x), x and f'(x), on [-4, 4].

    >>> curves = activations(["relu"])["relu"]
    >>> [float(y[-1]) for _, y in curves]
    [4.0, 1.0]
    """
    found: dict[str, list[Curve]] = {}
    for name in names:
        name = {"siren": "sine", "swish": "silu"}.get(name, name)
        entry = ACTIVATIONS.get(name)
        if not entry.pointwise:
            raise UsageError(f"{name!r} looks along the channels: it has no curve of one number")
        x = torch.linspace(-4, 4, 321, dtype=torch.float64, requires_grad=True)
        # Omega 30, as in the paper, would be drawn as a black bar.
        y = (entry.build(omega=3) if name == "sine" else entry.build()).double()(x)
        slope = torch.autograd.grad(y.sum(), x)[0] if y.requires_grad else torch.zeros_like(x)
        at = x.detach().numpy()
        found[name] = [(at, y.detach().numpy()), (at, slope.numpy())]
    return found


def losses(names: Sequence[str]) -> dict[str, list[Curve]]:
    """For each loss: its value and slope over the error (regression) or over the lead of the true class (classes)."""
    found: dict[str, list[Curve]] = {}
    for name in names:
        entry = LOSSES.get(name)
        x = torch.linspace(-4, 4, 161, dtype=torch.float64, requires_grad=True)
        values = torch.stack([_at(name, point, classes=entry.classifies) for point in x])
        (slope,) = torch.autograd.grad(values.sum(), x)
        at = x.detach().numpy()
        found[name] = [(at, values.detach().numpy()), (at, slope.numpy())]
    return found


def _at(name: str, x: torch.Tensor, *, classes: bool) -> torch.Tensor:
    loss = build_loss(name).double()
    try:
        if classes and name not in ("mse", "l1", "huber", "smooth-l1"):
            return loss(torch.stack([x, torch.zeros_like(x)])[None], torch.tensor([0])).squeeze()
        return loss(x[None], torch.zeros(1, dtype=torch.float64)).squeeze()
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise UsageError(
            f"loss {name!r} takes more than one number: it has no curve ({error})", hint="hubel components losses"
        ) from error


def schedules(names: Sequence[str]) -> dict[str, list[Curve]]:
    """For each schedule: the factor at each of 100 steps."""
    found: dict[str, list[Curve]] = {}
    for name in names:
        if ALSO_CALLED.get(name, name) not in SCHEDULES:
            raise unknown("schedule", name, SCHEDULES, listing="hubel components schedules")
        schedule = build_schedule(name, total_steps=100, steps_per_epoch=10)
        history = [1.0] * 24
        values = [schedule(t, history[: t // 5]) for t in range(100)]
        found[name] = [(np.arange(100.0), np.array(values))]
    return found


def approximation(formula: str) -> Figure:
    """A curve as hidden layers of 2 to 32 ReLU units draw it, each placed by hand.

    >>> approximation("sin(2*x)").kind
    'svg'
    """
    found = {units: approximate(formula, units) for units in (2, 4, 8, 16, 32)}
    drawings = {f"{n} units, error {a.error:.2g}": [(a.x, a.curve), (a.x, a.drawn)] for n, a in found.items()}
    return _panels(drawings, f"{formula} drawn by one hidden layer", ("curve", "hidden layer"))


def kernels(path: str | Path, names: Sequence[str] = (), *, side: int = 224) -> tuple[Figure, dict[str, np.ndarray]]:
    """The picture under each kernel (all, if none is named): a contact sheet, and the arrays H W in 0..1.

    Answers of edge kernels are shown around mid-grey; blurs and sharpening as pictures.
    Raises UnknownName, DataError for a picture that cannot be read.
    """
    for name in names:
        KERNELS.get(name)  # a name that is none is told before the picture is read
    pixels, _, problems = read_images([path], Preprocessing(height=side, width=side, channels=3))
    if problems:
        raise DataError(f"{path}: {problems[0].reason}", hint="give a JPEG, PNG, GIF, BMP, TIFF or WebP file")
    image = torch.from_numpy(pixels).float() / 255
    grey = image.mean(1, keepdim=True)
    shown = {"picture": image[0].numpy().transpose(1, 2, 0)}
    arrays = {}
    for name in names or KERNELS:
        weights = KERNELS[name].weights
        around_zero = abs(float(weights.sum())) < 1e-9
        answer = apply_kernel(grey if around_zero else image, name)[0]
        scale = float(np.abs(weights).sum()) if abs(float(weights.sum())) > 1.5 else 1.0
        view = answer / 2 + 0.5 if around_zero else answer / scale
        arrays[name] = answer.mean(0).numpy()
        shown[name] = view.clamp(0, 1).numpy().transpose(1, 2, 0)
    tiles = {name: (array * 255).astype(np.uint8) for name, array in shown.items()}
    return gallery(tiles, title=f"Kernels on {Path(path).name}"), arrays
