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

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from hubel.searching.nets.cells import OF_STAGES, Stages, operation_layers
from hubel.searching.nets.genes import USUAL, NetSpace, Style
from hubel.searching.nets.reading import fault, listed_in, mapping, told, whole

OPERATIONS: tuple[str, ...] = ("point", "conv 3", "sep 3", "sep 5", "maxpool 3", "avgpool 3", "identity")
"""Level 1, each as wide as what it gets."""
NONE, IDENTITY = "none", "identity"
MOTIFS, EDGES = 3, 3
"""Of level 2, and of each motif (6 motifs of four points, and a cell of five, in the paper). Edges stay three: a layer
list holds paths side by side, and a graph of more points is none."""
SHUFFLES = 50
"""Changes that make the first nets differ (1,000 in the paper)."""

Motif = list[str]


@dataclass(frozen=True, kw_only=True)
class MotifSpace(NetSpace):
    """All nets of a cell of motifs."""

    kind: ClassVar[str] = "motifs"
    motifs: int
    operations: tuple[str, ...]
    stages: Stages

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> MotifSpace:
        """The space that a mapping says. Raises UsageError."""
        given = mapping(said, "", ("kind", "motifs", "operations", *OF_STAGES), ("operations",))
        operations = tuple(map(_operation, listed_in(given["operations"], "operations")))
        twice = next((name for place, name in enumerate(operations) if name in operations[:place]), None)
        if twice is not None:
            raise fault("operations", f"holds {twice!r} twice", "leave one of them out")
        if IDENTITY not in operations or len(operations) < 2:
            raise fault(
                "operations",
                f"must hold identity, of which the first nets are made, and another, got {told(list(operations))}",
                "operations: [conv 3, identity]",
            )  # fmt: skip
        return cls(
            motifs=whole(given.get("motifs", MOTIFS), "motifs", 1, 16), operations=operations, stages=Stages.read(given)
        )

    def plain(self) -> dict[str, Any]:
        """As YAML holds it."""
        return {
            "kind": self.kind, "motifs": self.motifs, "operations": list(self.operations), **self.stages.plain(),
        }  # fmt: skip

    def windows(self) -> Iterator[tuple[str, int]]:
        """Of the operations."""
        for name in self.operations:
            if " " in name:
                yield "operations", int(name.split()[1])

    def draw(self, random: Random, *, default_net: str = "") -> dict[str, Any]:
        """A cell of identities (the paper's trivial genotype), changed so often that little of it is left."""
        graphs: list[Motif] = [[IDENTITY] * EDGES for _ in range(self.motifs)]
        cell = [f"motif {1 + place % self.motifs}" for place in range(EDGES)]
        for _ in range(SHUFFLES):
            graphs, cell, _ = change_edge(graphs, cell, random, self.operations)
        return {"motifs": graphs, "cell": cell, "maps": random.choice(self.stages.filters)}

    def layers(self, values: Mapping[str, Any]) -> list[Any]:
        """The layer list of a member."""
        style = self.stages.style

        def cells(maps: int) -> list[Any]:
            return cell_layers(values["motifs"], values["cell"], maps, style)

        return self.stages.layers(int(values["maps"]), self.side, cells)

    def small_nets(self) -> Iterator[dict[str, Any]]:
        """The one whose edges lead nowhere: a cell hands on what it gets."""
        nothing = [NONE] * EDGES
        yield {"motifs": [list(nothing) for _ in range(self.motifs)], "cell": nothing, "maps": self.stages.filters[0]}

    def mutate(self, values: Mapping[str, Any], random: Random) -> tuple[dict[str, Any], str]:
        """One edge other, so that the net is another; now and then the width, which the paper leaves as it is."""
        others = [maps for maps in self.stages.filters if maps != values["maps"]]
        if others and random.random() < 1 / 8:
            maps = random.choice(others)
            return {**values, "maps": maps}, f"{maps} maps"
        before, begun = self.layers(values), (values["motifs"], values["cell"])
        for turn in range(1, 10_000):  # a motif that the cell does not use may change without the net
            graphs, cell, said = change_edge(*begun, random, self.operations)
            child = {**values, "motifs": graphs, "cell": cell}
            if self.layers(child) != before:
                return child, said
            begun = (graphs, cell) if turn >= 200 else begun  # a net of identities may need several changes
        return self.draw(random), "drawn anew"


def change_edge(
    motifs: Sequence[Motif], cell: Motif, random: Random, operations: Sequence[str] = OPERATIONS
) -> tuple[list[Motif], Motif, str]:
    """Section 3.1: a level, a motif of it, an edge of that; what stands there is put in, left out or exchanged."""
    motifs, cell = [list(motif) for motif in motifs], list(cell)
    if random.random() < 0.5:
        number = random.randrange(len(motifs))
        graph, name, choices = motifs[number], f"motif {number + 1}", tuple(operations)
    else:
        graph, name, choices = cell, "the cell", (*(f"motif {k + 1}" for k in range(len(motifs))), IDENTITY)
    edge = random.randrange(len(graph))
    old = graph[edge]
    graph[edge] = random.choice([choice for choice in (*choices, NONE) if choice != old])
    return motifs, cell, f"{old} → {graph[edge]} in {name}"


def motif_layers(motif: Sequence[str], maps: int, style: Style = USUAL) -> list[Any]:
    """A motif of level 2 as a list of layers."""
    return _joined(motif, maps, style, lambda operation: operation_layers(operation, maps, style))


def cell_layers(motifs: Sequence[Motif], cell: Sequence[str], maps: int, style: Style = USUAL) -> list[Any]:
    """The cell as a list of layers."""

    def inside(edge: str) -> list[Any]:
        return [IDENTITY] if edge == IDENTITY else motif_layers(motifs[int(edge.split()[1]) - 1], maps, style)

    return _joined(cell, maps, style, inside)


def _joined(edges: Sequence[str], maps: int, style: Style, inside: Callable[[str], list[Any]]) -> list[Any]:
    first, second, across = edges
    ways = []
    if NONE not in (first, second):
        ways.append(_chain([*inside(first), *inside(second)]))
    if across != NONE:
        ways.append(_chain(inside(across)))
    if len(ways) < 2 or ways[0] == ways[1] == [IDENTITY]:
        return ways[0] if ways else [IDENTITY]
    return [{"branches": ways}, f"conv {maps} 1x1", *style.after]


def _chain(layers: Sequence[Any]) -> list[Any]:
    return [layer for layer in layers if layer != IDENTITY] or [IDENTITY]


def _operation(said: Any) -> str:
    """An operation as a space says it. Raises UsageError."""
    if isinstance(said, str):
        kind, _, window = said.partition(" ")
        if said in ("point", IDENTITY):
            return said
        if kind in ("conv", "sep", "maxpool", "avgpool") and window.isdigit() and 0 < int(window) < 100:
            if int(window) % 2:
                return said
            raise fault("operations", f"must have odd windows, got {said!r}", f"an even one has no middle: {kind} 3")
    raise fault(
        "operations", f"holds {told(said)}, which is none", "point, conv K, sep K, maxpool K, avgpool K, identity"
    )
