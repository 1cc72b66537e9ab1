"""`descent`, `landscape`, `gradient-flow`, `field`: how losses look from above, and how gradients reach the weights."""

from __future__ import annotations

from collections.abc import Sequence

from hubel.anatomy.effective import EffectiveField, effective_field
from hubel.errors import DataError, unknown
from hubel.figures.theme import Figure
from hubel.lessons import descent as bench
from hubel.lessons.descent import SURFACES, Landscape, Path, descend
from hubel.lessons.flow import Flow, flow
from hubel.lessons.tape import play
from hubel.nn.optimisers import OPTIMISERS, build_optimiser
from hubel.records.nets import last_stage
from hubel.records.subjects import net_and_pictures
from hubel.report.drawings.lessons import draw_effective_field, draw_flow, draw_landscape, draw_race
from hubel.words import plural

__all__ = ["descend", "effective", "gradient_flow", "landscape", "race"]


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
    makers = {
        name: lambda module, name=name: build_optimiser(
            name, module, lr=bench.RATES.get(name, 0.01) if rate is None else rate
        )
        for name in names
    }
    paths = bench.race(SURFACES[surface], makers, steps=steps)
    return paths, draw_race(SURFACES[surface], paths)


def landscape(
    net: str, data: str, *, count: int = 128, points: int = 21, radius: float = 1.0, seed: int = 0, line: bool = False
) -> tuple[Landscape, Figure]:
    """The loss of a net around its weights on `count` samples, and its picture.

    Raises DataError if the samples have no labels, or others than the net.
    """
    sample = net_and_pictures(net, data, count=count, seed=seed, points=True)
    if sample.labels is None:
        raise DataError(
            f"{data} has no labels of classes that {net} knows, and a loss needs them",
            hint="give a labelled source: digits, photos/",
        )
    found = bench.landscape(
        sample.model, sample.images, sample.labels, points=points, radius=radius, seed=seed, line=line
    )
    return found, draw_landscape(found, title=f"Loss around {net} on {plural(len(sample.images), 'sample')} of {data}")


def gradient_flow(net: str, data: str, *, count: int = 64, seed: int = 0) -> tuple[Flow, Figure]:
    """Activations and gradients layer by layer for one batch, and their picture."""
    sample = net_and_pictures(net, data, count=count, seed=seed, points=True)
    report = flow(play(sample.model, sample.images, sample.labels, train=True, maps=0))
    return report, draw_flow(report, title=f"Gradient flow in {net}, {plural(report.batch, 'sample')} of {data}")


def effective(net: str, data: str, layer: str = "", *, seed: int = 0) -> tuple[EffectiveField, Figure]:
    """The effective receptive field of a layer's middle unit over the user's picture; "" is the deepest stage."""
    sample = net_and_pictures(net, data, seed=seed)
    found = effective_field(sample.model, sample.images, layer or last_stage(sample.model))
    return found, draw_effective_field(found, sample.pixels[0])
