"""`descent`, `landscape`, `gradient-flow`, `field`: how losses look from above, and how gradients reach the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from hubel.anatomy.effective import EffectiveField, effective_field
from hubel.errors import DataError, UsageError, unknown
from hubel.figures import landscape as pictures
from hubel.figures.theme import Figure
from hubel.lessons import descent as bench
from hubel.lessons.descent import SURFACES, Landscape, Path, Surface
from hubel.lessons.expression import parse
from hubel.lessons.flow import Flow, flow
from hubel.lessons.tape import play
from hubel.records.subjects import samples
from hubel.training.optimisers import OPTIMISERS, build_optimiser

__all__ = ["descend", "drawn_descent", "effective", "gradient_flow", "landscape", "race"]

RATES = {"rmsprop": 0.02, "adam": 0.1, "adamw": 0.1, "adagrad": 0.5, "adadelta": 10.0, "muon": 0.1}
"""Rates of the rules that measure steps in units of the window; the others get one from the steepest curvature."""


def fair_rate(name: str, surface: Surface) -> float:
    """A rate at which the optimiser runs well: for plain rules a share of 1 / the largest curvature at the start.

    >>> round(fair_rate("sgd", SURFACES["bowl"]), 3)
    0.4
    """
    if name in RATES:
        return RATES[name]
    place = torch.tensor(surface.start, dtype=torch.float64)
    curvature = torch.autograd.functional.hessian(lambda p: surface.function(p[0], p[1]), place)
    steepest = float(torch.linalg.eigvalsh(curvature).abs().max())
    return (0.3 if name in ("momentum", "nesterov") else 0.8) / steepest


def descend(text: str, start: Mapping[str, float], *, rate: float, steps: int = 20) -> Path:
    """Gradient descent on a formula, by hand.

    >>> descend("w**2", {"w": 2}, rate=1.1, steps=5).verdict
    'diverges'
    """
    return bench.descend(text, start, rate=rate, steps=steps)


def drawn_descent(text: str, path: Path) -> Figure:
    """The path on the curve (one variable) or on the contours (two)."""
    formula = parse(text)
    if len(path.variables) == 1:
        low, high = float(path.points.min()), float(path.points.max())
        span = max(high - low, 1.0)
        x = np.linspace(low - 0.3 * span, high + 0.3 * span, 241)
        known = bench.field(formula, x)
        return pictures.descent_on_curve(x, known.values, path.points[:, 0], np.array(path.values), title=text)
    if len(path.variables) != 2:
        raise UsageError(f"a picture needs one or two variables, the formula has {len(path.variables)}")
    low, high = path.points.min(0), path.points.max(0)
    span = np.maximum(high - low, 1.0)
    x, y = (np.linspace(low[i] - 0.4 * span[i], high[i] + 0.4 * span[i], 61) for i in range(2))
    known = bench.field(formula, x, y)
    return pictures.contours(
        x, y, known.values, {"descent": path.points}, title=text, names=(path.variables[0], path.variables[1])
    )


def race(
    surface: str, optimisers: Sequence[str] = (), *, steps: int = 150, rate: float | None = None
) -> tuple[tuple[Path, ...], Figure]:
    """Optimisers from the same start down a standard surface, and the picture of their paths.

    Raises UnknownName for a surface or an optimiser.
    """
    if surface not in SURFACES:
        raise unknown("surface", surface, SURFACES)
    names = list(optimisers) or ["sgd", "momentum", "rmsprop", "adam"]
    for name in names:
        OPTIMISERS.get(name)
    ground = SURFACES[surface]
    makers = {
        name: lambda module, name=name: build_optimiser(
            name, module, lr=RATES.get(name, 0.01) if rate is None else rate
        )
        for name in names
    }
    paths = bench.race(ground, makers, steps=steps)
    known = bench.surface_field(ground)
    assert known.y is not None
    figure = pictures.contours(
        known.x, known.y, known.values, {p.name: p.points for p in paths}, title=f"{surface}: {ground.source}",
        marks=ground.minima, log=True,
    )  # fmt: skip
    return paths, figure


def landscape(
    net: str, data: str, *, count: int = 128, points: int = 21, radius: float = 1.0, seed: int = 0, line: bool = False
) -> tuple[Landscape, Figure]:
    """The loss of a net around its weights on `count` samples, and its picture.

    Raises DataError if the samples have no labels.
    """
    sample = samples(net, data, count=count, seed=seed)
    if sample.labels is None:
        raise DataError(f"{data} has no labels, and a loss needs them", hint="give a labelled source: digits, photos/")
    found = bench.landscape(
        sample.model, sample.images, sample.labels, points=points, radius=radius, seed=seed, line=line
    )
    title = f"Loss around {net} on {len(sample.images)} samples of {data}"
    wide = float(found.loss.max()) > 100 * float(found.loss.min())
    if line:
        middle = len(found.x) // 2
        figure = pictures.descent_on_curve(
            found.x, found.loss, found.x[middle : middle + 1], found.loss[middle : middle + 1], title=title
        )
    else:
        assert found.y is not None
        figure = pictures.contours(
            found.x,
            found.y,
            found.loss,
            {},
            title=title,
            names=("direction 1", "direction 2"),
            marks=((0, 0),),
            log=wide,
        )
    return found, figure


def gradient_flow(net: str, data: str, *, count: int = 64, seed: int = 0) -> tuple[Flow, Figure]:
    """Activations and gradients layer by layer for one batch, and their picture."""
    sample = samples(net, data, count=count, seed=seed)
    report = flow(play(sample.model, sample.images, sample.labels, train=True, maps=0))
    layers = report.layers
    figure = pictures.layer_bars(
        [layer.module for layer in layers],
        {
            "gradient of the weights, root mean square": [layer.weight_gradient for layer in layers],
            "deviation of the activations": [layer.activation_deviation for layer in layers],
            "share of dead units": [layer.dead for layer in layers],
        },
        title=f"Gradient flow in {net}, {report.batch} samples of {data}",
        shares=["share of dead units"],
    )
    return report, figure


def effective(net: str, data: str, layer: str = "", *, seed: int = 0) -> tuple[EffectiveField, Figure]:
    """The effective receptive field of a layer's middle unit over the user's picture; "" is the deepest stage."""
    sample = samples(net, data, seed=seed)
    if not layer:
        layer = tuple(getattr(sample.model, "stages", ()))[-1]
    found = effective_field(sample.model, sample.images, layer)
    picture = sample.pixels[0].transpose(1, 2, 0).astype(np.float64) / 255
    picture = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    title = f"What {layer} sees: 95 % within {found.area:.0%}"
    shown = torch.from_numpy(found.map / max(float(found.map.max()), 1e-12)).sqrt().numpy()
    return found, pictures.heat(shown, title=title, image=picture)
