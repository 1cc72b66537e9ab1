"""A layer list laid out: what each of its layers makes, learns, costs and sees, as far as the list fits.

>>> found = lay_out(["conv 8 3x3", "relu", {"residual": ["conv 8 3x3 padding=same"]}, "globalpool", "dense K"],
...                 in_shape=(1, 8, 8), num_classes=3)
>>> [(layer.at, layer.shape, layer.params, layer.field) for layer in found.layers][1:4]
[((1,), (8, 6, 6), 0, '3'), ((2,), (8, 6, 6), 584, '5'), ((2, 0, 0), (8, 6, 6), 584, '5')]
>>> found.params, found.unfit
(691, None)
>>> lay_out(["conv 8 9x9", "relu"], in_shape=(1, 8, 8), num_classes=3).unfit.at
(0,)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from hubel.anatomy.abstract import build
from hubel.anatomy.summary import Row, Summary, summarise
from hubel.errors import UnfitLayer, UsageError
from hubel.models.layerlist import Plan, Step, follow, opened, parse, paths_of
from hubel.models.layers import LayerNet, to_code
from hubel.models.layerwords import HOLDERS, Misfit, Shape
from hubel.models.mending import Mend, mends


@dataclass(frozen=True)
class LaidLayer:
    """One layer of the list."""

    at: tuple[int, ...]
    """Its place (see `hubel.errors.UnfitLayer`)."""
    text: str
    shape: Shape | None = None
    """C H W or F that comes out; None behind the layer that does not fit."""
    params: int | None = None
    """All that is inside it counted, and each repetition."""
    macs: int | None = None
    field: str = ""
    """How much of the picture one number of it sees."""


@dataclass(frozen=True)
class Misplaced:
    """Why the list is no net."""

    at: tuple[int, ...]
    """The layer; () is the list itself, or its end."""
    reason: str
    hint: str
    mends: tuple[Mend, ...]


@dataclass(frozen=True)
class LaidOut:
    """The whole list."""

    layers: tuple[LaidLayer, ...]
    """In the order of the list, those inside a layer behind it."""
    params: int
    macs: int
    values: int
    """Numbers that are made of one picture."""
    code: str
    """The net in plain PyTorch, "" where the list is no net."""
    unfit: Misplaced | None


def lay_out(layers: Sequence[Any], *, in_shape: Shape, num_classes: int) -> LaidOut:
    """What each layer of a list is, for pictures of `in_shape` (C H W). Nothing is run, no weights are allocated.

    A layer that does not fit is an answer, not an error. Raises UsageError where there is no list at all.
    """
    if not isinstance(layers, (list, tuple)) or not layers:
        raise UsageError("a net is a list of layers, and none came", hint="begin with: conv 16 3x3 padding=same")
    code, unfit = "", None
    steps: tuple[Step, ...] = ()
    try:
        plan = parse(layers, in_shape=in_shape, num_classes=num_classes)
        steps, code = plan.steps, to_code(plan)
    except UsageError as error:
        at = error.at if isinstance(error, UnfitLayer) else ()
        steps = _begun(layers[: at[0]] if at else layers, in_shape, num_classes)
        unfit = Misplaced(at, error.what, error.hint, mends(layers, in_shape=in_shape, num_classes=num_classes))
    table = _table(steps, in_shape, num_classes) if steps else None
    rows = table.rows if table else ()
    laid = tuple(_laid(layers, iter(steps), rows, (), ""))
    return LaidOut(
        laid, table.params if table else 0, table.macs if table else 0,
        sum(math.prod(row.output) for row in rows), code, unfit,
    )  # fmt: skip


def _begun(layers: Sequence[Any], in_shape: Shape, num_classes: int) -> tuple[Step, ...]:
    """The layers before the one that does not fit; none where it is the first."""
    try:
        return follow(layers, in_shape=in_shape, num_classes=num_classes)
    except UsageError:
        return ()


def _table(steps: tuple[Step, ...], in_shape: Shape, num_classes: int) -> Summary:
    """The table of the layers so far; where nothing has weights yet, torch still knows the shapes."""
    plan = Plan(in_shape, num_classes, steps, (), "")
    with torch.no_grad():
        return summarise(build(lambda: LayerNet(plan)), in_shape)


def _laid(
    layers: Sequence[Any], steps: Iterator[Step], rows: Sequence[Row], at: tuple[int, ...], above: str
) -> Iterator[LaidLayer]:
    """Each layer of a list with what stands inside it; steps and names are those of its place in the net."""
    for number, layer in enumerate(layers):
        place = (*at, number)
        try:
            text, inside = opened(layer)
        except Misfit:
            yield LaidLayer(place, str(layer))
            continue
        word = text.split()[0]
        if word == "repeat":
            yield from _repeated(text, inside, steps, rows, place, above)
            continue
        step = next(steps, None)
        name = f"{above}{step.name}" if step else ""
        yield _counted(place, text, step, rows, (name,))
        if word in HOLDERS or inside is not None:
            for path, chain in enumerate(paths_of(word, inside)):
                under = iter(step.branches[path]) if step and path < len(step.branches) else iter(())
                prefix = f"{name}.paths.{path}." if word == "branches" else f"{name}.body."
                if isinstance(chain, list):
                    yield from _laid(chain, under, rows, (*place, path), prefix)


def _repeated(
    text: str, inside: Any, steps: Iterator[Step], rows: Sequence[Row], at: tuple[int, ...], above: str
) -> Iterator[LaidLayer]:
    """Layers that come several times: counted together, and shown as they are the first time."""
    times = text.split()[1:]
    count = int(times[0]) if len(times) == 1 and times[0].isdigit() else 1
    chain = inside if isinstance(inside, list) else []
    first: list[LaidLayer] = []
    total = [LaidLayer(at, text, None, 0, 0)]
    for turn in range(min(count, 1000)):
        found = list(_laid(chain, steps, rows, (*at, 0), above))
        if turn == 0:
            first = found
        outer = [layer for layer in found if len(layer.at) == len(at) + 2]
        if not outer or any(layer.shape is None for layer in outer):
            total.append(LaidLayer(at, text))
            break
        params, macs = (sum(getattr(each, name) or 0 for each in (total[-1], *outer)) for name in ("params", "macs"))
        total.append(LaidLayer(at, text, outer[-1].shape, params, macs, outer[-1].field))
    yield total[-1]
    yield from first


def _counted(
    at: tuple[int, ...], text: str, step: Step | None, rows: Sequence[Row], names: tuple[str, ...]
) -> LaidLayer:
    if step is None:
        return LaidLayer(at, text)
    own = [row for row in rows if any(_within(row.name, name) for name in names)]
    field = next((row.field for row in reversed(own) if row.field), "")
    return LaidLayer(at, text, step.shape, sum(row.params for row in own), sum(row.macs for row in own), field)


def _within(row: str, name: str) -> bool:
    return row == name or row.startswith((f"{name}.", f"{name}:", f"{name}("))
