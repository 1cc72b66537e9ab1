"""Motifs of motifs: small graphs of operations, then a graph of such graphs, which is the cell of a net.

H. Liu, K. Simonyan, O. Vinyals, C. Fernando, K. Kavukcuoglu, Hierarchical Representations for Efficient Architecture
Search, arXiv:1711.00436 (ICLR 2018). Level 1 are operations; a motif of level 2 joins three points by operations, and
the cell, at level 3, joins three points by motifs:

    motif    [0 → 1, 1 → 2, 0 → 2]      what arrives at 2 on both ways is laid together and brought back to its width
    edge     an operation (in the cell: `motif 1`, `motif 2`, …), `identity`, or `none`, where nothing leads

>>> motif_layers(["point", "sep 3", "none"], 8)[-3:]
['separable 8 3x3 padding=same', 'batchnorm', 'relu']
>>> motif_layers(["none", "sep 3", "none"], 8)   # nothing arrives: it hands on what it gets
['identity']
>>> cell_layers([["point", "none", "sep 3"]], ["motif 1", "identity", "identity"], 8)[0]["branches"][1]
['identity']
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

OPERATIONS: tuple[str, ...] = ("point", "conv 3", "sep 3", "sep 5", "maxpool 3", "avgpool 3", "identity")
"""Level 1, each as wide as what it gets."""
NONE = "none"
MOTIFS, EDGES = 3, 3
"""Of level 2, and of each motif (6 motifs of four points, and a cell of five, in the paper)."""
SHUFFLES = 50
"""Changes that make the first nets differ (1,000 in the paper)."""

Motif = list[str]


def draw_motifs(random: Random) -> tuple[list[Motif], Motif]:
    """Motifs and a cell of identities (the paper's trivial genotype), changed so often that little of it is left."""
    motifs: list[Motif] = [["identity"] * EDGES for _ in range(MOTIFS)]
    cell = [f"motif {1 + place % MOTIFS}" for place in range(EDGES)]
    for _ in range(SHUFFLES):
        motifs, cell, _ = change_edge(motifs, cell, random)
    return motifs, cell


def change_edge(motifs: Sequence[Motif], cell: Motif, random: Random) -> tuple[list[Motif], Motif, str]:
    """Section 3.1: a level, a motif of it, an edge of that; what stands there is put in, left out or exchanged."""
    motifs, cell = [list(motif) for motif in motifs], list(cell)
    if random.random() < 0.5:
        number = random.randrange(len(motifs))
        graph, name, choices = motifs[number], f"motif {number + 1}", OPERATIONS
    else:
        graph, name, choices = cell, "the cell", (*(f"motif {k + 1}" for k in range(len(motifs))), "identity")
    edge = random.randrange(len(graph))
    old = graph[edge]
    graph[edge] = random.choice([choice for choice in (*choices, NONE) if choice != old])
    return motifs, cell, f"{old} → {graph[edge]} in {name}"


def motif_layers(motif: Sequence[str], maps: int) -> list[Any]:
    """A motif of level 2 as a list of layers."""
    return _joined(motif, maps, lambda operation: _operation(operation, maps))


def cell_layers(motifs: Sequence[Motif], cell: Sequence[str], maps: int) -> list[Any]:
    """The cell as a list of layers."""

    def inside(edge: str) -> list[Any]:
        return ["identity"] if edge == "identity" else motif_layers(motifs[int(edge.split()[1]) - 1], maps)

    return _joined(cell, maps, inside)


def _joined(edges: Sequence[str], maps: int, inside: Callable[[str], list[Any]]) -> list[Any]:
    first, second, across = edges
    ways = []
    if NONE not in (first, second):
        ways.append(_chain([*inside(first), *inside(second)]))
    if across != NONE:
        ways.append(_chain(inside(across)))
    if len(ways) < 2 or ways[0] == ways[1] == ["identity"]:
        return ways[0] if ways else ["identity"]
    return [{"branches": ways}, f"conv {maps} 1x1", "batchnorm", "relu"]


def _chain(layers: Sequence[Any]) -> list[Any]:
    return [layer for layer in layers if layer != "identity"] or ["identity"]


def _operation(name: str, maps: int) -> list[Any]:
    kind, _, window = name.partition(" ")
    if kind == "identity":
        return ["identity"]
    if kind.endswith("pool"):
        return [f"{kind} {window} stride=1 padding=1"]
    if kind == "point":
        return [f"conv {maps} 1x1", "batchnorm", "relu"]
    word = "separable" if kind == "sep" else "conv"
    return [f"{word} {maps} {window}x{window} padding=same", "batchnorm", "relu"]
