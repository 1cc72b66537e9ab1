"""`trace`: a formula or a net as a computation graph with the actual values, forward, then backward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hubel.figures.graph import Box, graph
from hubel.figures.theme import Figure
from hubel.lessons import expression
from hubel.lessons.expression import Step
from hubel.lessons.tape import Note, Tape, play
from hubel.records.subjects import samples

__all__ = ["Tape", "drawn", "drawn_net", "formula", "net", "staged"]

MOST_BOXES = 48
"""A net with more operations is drawn by stage."""


def formula(text: str, values: Mapping[str, float], *, steps: int = 1, rate: float | None = None) -> tuple[Step, ...]:
    """Forward, every local derivative, backward and update of a formula, `steps` times.

    >>> [step.value for step in formula("L = w**2", {"w": 2}, steps=3, rate=0.25)]
    [4.0, 1.0, 0.25]
    """
    return expression.trace(text, values, steps=steps, rate=rate)


def drawn(step: Step) -> Figure:
    """The graph of one step: values green, gradients red, local derivatives on the edges."""
    nodes = step.formula.nodes
    boxes = []
    for node, value, flow in zip(nodes, step.values, step.flowing, strict=True):
        inputs = [nodes[i].name for i in node.inputs]
        title = node.name
        if node.inputs:
            joined = (
                f" {node.operation} ".join(inputs)
                if node.operation in expression.OPERATORS and len(inputs) == 2
                else ""
            )
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


def net(target: str, data: str, *, seed: int = 0, maps: int = 1) -> Tape:
    """Run a net forward and backward on one sample and write down every operation.

    `target`: a run, a name or a layer list; `data`: "digits:3" or a picture file.
    """
    sample = samples(target, data, seed=seed)
    return play(sample.model, sample.images, sample.labels, maps=maps)


def staged(tape: Tape, most: int = MOST_BOXES) -> list[list[int]]:
    """Indices of notes, grouped by module path at the greatest depth that gives at most `most` groups."""
    groups = [[i] for i in range(len(tape.notes))]
    depth = max((note.module.count(".") + 1 for note in tape.notes if note.module), default=1)
    while len(groups) > most and depth > 0:
        groups = []
        last = None
        for i, note in enumerate(tape.notes):
            path = ".".join(note.module.split(".")[:depth])
            if groups and path and path == last:
                groups[-1].append(i)
            else:
                groups.append([i])
            last = path
        depth -= 1
    return groups


def drawn_net(tape: Tape) -> Figure:
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
