"""Formulas, tapes, windows, curves and landscapes, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from hubel.anatomy.effective import EffectiveField
from hubel.errors import UsageError
from hubel.figures.gallery import gallery
from hubel.figures.graph import Box, graph
from hubel.figures.landscape import contours, descent_on_curve, heat, layer_bars
from hubel.figures.panels import panels
from hubel.figures.steps import window
from hubel.figures.theme import Figure
from hubel.lessons.approximation import Approximation
from hubel.lessons.arithmetic import Walk
from hubel.lessons.curves import Curve
from hubel.lessons.descent import Landscape, Path, Surface, field, surface_field
from hubel.lessons.expression import OPERATORS, Round, parse
from hubel.lessons.filtering import FilteredPicture
from hubel.lessons.flow import Flow
from hubel.lessons.tape import Note, Tape, staged
from hubel.words import plural


def draw_curves(curves: Mapping[str, Sequence[Curve]], *, title: str, names: Sequence[str] = ()) -> Figure:
    """A panel a name; few are drawn large."""
    side = 260 if len(curves) <= 3 else 180 if len(curves) <= 8 else 130
    return panels(curves, title=title, names=names, columns=4 if side > 130 else 6, width=side, height=side * 5 // 6)


def draw_approximations(formula: str, found: Mapping[int, Approximation]) -> Figure:
    """A panel for each number of hidden units: the curve, and what the layer makes of it."""
    curves = {f"{plural(n, 'unit')}, error {a.error:.2g}": [(a.x, a.curve), (a.x, a.drawn)] for n, a in found.items()}
    return draw_curves(curves, title=f"{formula} drawn by one hidden layer", names=("curve", "hidden layer"))


def draw_filtered_picture(found: FilteredPicture, *, name: str) -> Figure:
    """The picture called `name`, then a tile for each kernel."""
    tiles = {"picture": found.picture, **found.views}
    return gallery({k: (view * 255).astype(np.uint8) for k, view in tiles.items()}, title=f"Kernels on {name}")


def draw_descent(text: str, path: Path) -> Figure:
    """The path on the curve of a formula (one variable) or on its contours (two). Raises UsageError for more."""
    formula = parse(text)
    if len(path.variables) == 1:
        low, high = float(path.points.min()), float(path.points.max())
        span = max(high - low, 1.0)
        x = np.linspace(low - 0.3 * span, high + 0.3 * span, 241)
        known = field(formula, x)
        return descent_on_curve(x, known.values, path.points[:, 0], np.array(path.values), title=text)
    if len(path.variables) != 2:
        raise UsageError(
            f"a picture needs one or two variables, the formula has {len(path.variables)}",
            hint="put numbers in place of the other variables, or leave --out out",
        )
    lows, highs = path.points.min(0), path.points.max(0)
    spans = np.maximum(highs - lows, 1.0)
    x, y = (np.linspace(lows[i] - 0.4 * spans[i], highs[i] + 0.4 * spans[i], 61) for i in range(2))
    known = field(formula, x, y)
    names = (path.variables[0], path.variables[1])
    return contours(x, y, known.values, {"descent": path.points}, title=text, names=names)


def draw_race(surface: Surface, paths: Sequence[Path]) -> Figure:
    """The paths of the optimisers on the contours of the surface."""
    known = surface_field(surface)
    assert known.y is not None
    return contours(
        known.x, known.y, known.values, {path.name: path.points for path in paths},
        title=f"{surface.name}: {surface.source}", marks=surface.minima, log=True,
    )  # fmt: skip


def draw_landscape(found: Landscape, *, title: str) -> Figure:
    """The loss along a line, or its contours over a plane, with the net in the middle."""
    if found.y is None:
        middle = len(found.x) // 2
        here = slice(middle, middle + 1)
        return descent_on_curve(found.x, found.loss, found.x[here], found.loss[here], title=title)
    wide = float(found.loss.max()) > 100 * float(found.loss.min())
    names = ("direction 1", "direction 2")
    return contours(found.x, found.y, found.loss, {}, title=title, names=names, marks=((0, 0),), log=wide)


def draw_flow(report: Flow, *, title: str) -> Figure:
    """Bars for each layer: gradients, activations, dead units."""
    layers = report.layers
    return layer_bars(
        [layer.module for layer in layers],
        {
            "gradient of the weights, root mean square": [layer.weight_gradient for layer in layers],
            "deviation of the activations": [layer.activation_deviation for layer in layers],
            "share of dead units": [layer.dead for layer in layers],
        },
        title=title,
        shares=["share of dead units"],
    )


def draw_effective_field(found: EffectiveField, pixels: np.ndarray) -> Figure:
    """The field as heat over the picture C H W uint8."""
    picture = pixels.transpose(1, 2, 0).astype(np.float64) / 255
    picture = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    title = f"What {found.layer} sees: 95 % within {found.area:.0%}"
    shown = torch.from_numpy(found.map / max(float(found.map.max()), 1e-12)).sqrt().numpy()
    return heat(shown, title=title, image=picture)


def draw_walk(steps: Walk, index: int = 0) -> Figure:
    """One window: input, kernel, products, output. Raises UsageError for a window that is not there."""
    if not 0 <= index < len(steps.steps):
        raise UsageError(f"there are windows 0 to {len(steps.steps) - 1}, got {index}", hint="--at 0 is the first")
    step = steps.steps[index]
    return window(
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


def draw_round(step: Round) -> Figure:
    """The graph of one step: values green, gradients red, local derivatives on the edges."""
    nodes = step.formula.nodes
    boxes = []
    for node, value, flow in zip(nodes, step.values, step.flowing, strict=True):
        inputs = [nodes[i].name for i in node.inputs]
        title = node.name
        if node.inputs:
            joined = f" {node.operation} ".join(inputs) if node.operation in OPERATORS and len(inputs) == 2 else ""
            title = f"{node.name} = " + (joined or f"{node.operation}({', '.join(inputs)})")
        number = node.operation == "number"
        boxes.append(
            Box(
                title,
                value="" if number else f"{value:.4g}",
                gradient="" if number else f"{flow:.4g}",
                leaf=not node.inputs,
            )
        )
    edges = [
        (source, i, "" if nodes[source].operation == "number" else f"{step.local[i][k]:.4g}")
        for i, node in enumerate(nodes)
        for k, source in enumerate(node.inputs)
    ]
    return graph(
        boxes,
        edges,
        caption=f"{step.formula.text}: values in green, gradients in red, local derivatives on the arrows.",
    )


def draw_tape(tape: Tape) -> Figure:
    """The net's graph, small ones operation by operation, large ones by stage, with maps of the image in the boxes."""
    groups = staged(tape)
    home = {i: g for g, group in enumerate(groups) for i in group}
    boxes = [_box([tape.notes[i] for i in group]) for group in groups]
    edges = dict.fromkeys(
        (home[j], home[i]) for i, note in enumerate(tape.notes) for j in note.inputs if home[j] != home[i]
    )
    return graph(
        boxes,
        [(a, b, "") for a, b in edges],
        caption=f"{tape.model}: mean ± deviation of the values in green, length of the gradient in red.",
        down=True,
    )


def _box(notes: Sequence[Note]) -> Box:
    last = notes[-1]
    path = last.module
    title = last.operation if len(notes) == 1 else f"{len(notes)} operations"
    lines = [line for line in (path, "x".join(map(str, last.value.shape[1:]))) if line]
    return Box(
        title,
        tuple(lines),
        value=f"{last.value.mean:.3g} ± {last.value.deviation:.3g}" if last.value.shape else f"{last.value.mean:.4g}",
        gradient=f"{last.gradient.norm:.3g}" if last.gradient else "",
        image=last.maps[0] if last.maps is not None else None,
        leaf=last.operation == "input",
    )
