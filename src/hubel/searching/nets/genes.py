"""A net as a short word: what is drawn, changed a little, and written out as a layer list.

    layers    net: [conv 16 3, maxpool 2, res 32 3]         macro: one layer after the other, of any kind and width
    cells     cell: [[conv 3, conv 3], [sep 5]], maps: 16   micro: paths side by side, joined, added to what came in;
                                                            the same cell again and again, doubled after each pooling
    motifs  motifs: [[sep 3, point, none], …], maps: 16,    hierarchical: a cell of motifs of operations (motifs.py)
            cell: [motif 1, identity, motif 2]

    gene         layers of it (M maps, window k)
    conv M k     conv M kxk padding=same, batchnorm, relu
    sep M k      separable M kxk padding=same, batchnorm, relu
    res M k      residual: [conv, batchnorm, relu, conv, batchnorm], relu
    maxpool 2    maxpool 2;  avgpool 2 likewise
    dense M      flatten, dense M, relu                     only as the last one

Every net ends in dense K, after globalpool where its last gene is not dense M. Nets with dense M are drawn by random
search and evolution alone: all other ways write their layers as their papers have them.

>>> NetSpace(kind="layers", side=8).settings({"net": ["conv 8 3", "maxpool 2"]}, {})["model_options"]["layers"]
['conv 8 3x3 padding=same', 'batchnorm', 'relu', 'maxpool 2', 'globalpool', 'dense K']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from hubel.searching.axes import Space
from hubel.searching.nets import motifs

KINDS = ("layers", "cells", "motifs")
MAPS = (8, 16, 24, 32, 48, 64)
WINDOWS = (3, 5)
WIDTHS = (32, 64, 128)
"""Of a dense layer before the last: next to nothing in multiply-accumulates, and most of a small net's parameters."""
DENSE = 1 / 3
"""Share of the nets drawn that have one."""
DEEPEST, SHALLOWEST = 9, 2
PATHS, STEPS = 3, 2
"""Of a cell: paths side by side, and layers of one, at most."""
CELLS = (1, 2)
"""Cells between two poolings."""
SMALLEST = 4
"""Pixels a side below which nothing is pooled any more."""
END = ("globalpool", "dense K")
"""Of a net; without its pooling where a dense layer stands before."""


@dataclass(frozen=True, kw_only=True)
class NetSpace(Space):
    """All nets of a kind for pictures of `side` pixels."""

    axes: tuple[Any, ...] = ()
    kind: str = "layers"
    side: int = 28

    def draw(self, random: Random, *, default_net: str = "") -> dict[str, Any]:
        """A net of any depth and width."""
        if self.kind == "motifs":
            graphs, top = motifs.draw_motifs(random)
            return {"motifs": graphs, "cell": top, "maps": random.choice(MAPS[:4])}
        if self.kind == "cells":
            cell = [self._path(random) for _ in range(random.randint(1, PATHS))]
            return {"cell": cell, "maps": random.choice(MAPS[:4]), "cells": random.choice(CELLS)}
        genes: list[str] = []
        for _ in range(random.randint(SHALLOWEST, DEEPEST)):
            genes.append(self._gene(random, genes))
        return {"net": genes + ([f"dense {random.choice(WIDTHS)}"] if random.random() < DENSE else [])}

    def smallest(self) -> dict[str, Any]:
        """The net of the fewest parameters and multiply-accumulates."""
        if self.kind == "motifs":
            graph = [motifs.NONE] * motifs.EDGES
            return {"motifs": [list(graph) for _ in range(motifs.MOTIFS)], "cell": graph, "maps": MAPS[0]}
        if self.kind == "cells":
            return {"cell": [["point"]], "maps": MAPS[0], "cells": CELLS[0]}
        pools = sum(self.side >> (depth + 1) >= SMALLEST for depth in range(SHALLOWEST))
        return {"net": ["maxpool 2"] * pools + [f"sep {MAPS[0]} {WINDOWS[0]}"] * (SHALLOWEST - pools)}

    def settings(self, values: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
        """The net as a layer list; {} for the defaults."""
        return {} if not values else {"model": "layers", "model_options": {"layers": self.layers(values)}}

    def layers(self, values: Mapping[str, Any]) -> list[Any]:
        """The layer list of a member."""
        if "motifs" in values:
            return [*self._stages(int(values["maps"]), lambda maps: _cell_of_motifs(values, maps)), *END]
        if "cell" in values:
            return [*self._stages(int(values["maps"]), lambda maps: _cells_of_paths(values, maps)), *END]
        layers = [layer for gene in values["net"] for layer in layers_of(gene)]
        return [*layers, *(END[1:] if "flatten" in layers else END)]

    def mutate(self, values: Mapping[str, Any], random: Random) -> tuple[dict[str, Any], str]:
        """A neighbour of a net: one gene more, less, other or elsewhere; and what was changed."""
        if "motifs" in values:
            return self._mutate_motifs(values, random)
        if "cell" in values:
            return self._mutate_cell(values, random)
        genes = without_dense(values["net"])
        last = list(values["net"])[len(genes) :]
        place = random.randrange(len(genes))
        kinds = ["change", "maps", "window", "end", *(["insert"] if len(genes) < DEEPEST else [])]
        kinds += ["remove"] if len(genes) > SHALLOWEST else []
        what = random.choice(kinds)
        if what == "end":
            ends = [[], *([f"dense {width}"] for width in WIDTHS)]
            new = random.choice([end for end in ends if end != last])
            return {"net": genes + new}, f"{new[0]} put in at the end" if new else f"without {last[0]}"
        if what == "remove":
            gone = genes.pop(place)
            return {"net": genes + last}, f"without {gone} at {place + 1}"
        if what == "insert":
            added = self._gene(random, genes)
            genes.insert(place, added)
            return {"net": genes + last}, f"{added} put in at {place + 1}"
        old, parts = genes[place], genes[place].split()
        if what == "maps" and len(parts) == 3:
            at = MAPS.index(int(parts[1])) + random.choice((-1, 1))
            genes[place] = f"{parts[0]} {MAPS[min(len(MAPS) - 1, max(0, at))]} {parts[2]}"
        elif what == "window" and len(parts) == 3:
            genes[place] = f"{parts[0]} {parts[1]} {random.choice(WINDOWS)}"
        else:
            genes[place] = self._gene(random, genes[:place] + genes[place + 1 :])
        return {"net": genes + last}, f"{old} → {genes[place]} at {place + 1}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data that `NetSpace.read` reads back."""
        return {"nets": self.kind, "side": self.side}

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Space:
        """The space that `to_dict` wrote, of nets or of settings."""
        if "nets" in found and "side" in found:
            return cls(kind=str(found["nets"]), side=int(found["side"]))
        return Space.from_dict(found)

    def _gene(self, random: Random, others: Sequence[str]) -> str:
        pools = sum("pool" in gene for gene in others)
        may_pool = self.side >> (pools + 1) >= SMALLEST
        kind = random.choice(("conv", "conv", "sep", "res", *(("maxpool", "maxpool", "avgpool") if may_pool else ())))
        return f"{kind} 2" if "pool" in kind else f"{kind} {random.choice(MAPS)} {random.choice(WINDOWS)}"

    def _path(self, random: Random) -> list[str]:
        return [self._op(random) for _ in range(random.randint(1, STEPS))]

    def _op(self, random: Random) -> str:
        kind = random.choice(("conv", "sep", "sep", "point"))
        return "point" if kind == "point" else f"{kind} {random.choice(WINDOWS)}"

    def _mutate_cell(self, values: Mapping[str, Any], random: Random) -> tuple[dict[str, Any], str]:
        cell = [list(path) for path in values["cell"]]
        maps, cells = int(values["maps"]), int(values["cells"])
        what = random.choice(("op", "op", "path", "maps", "cells"))
        said = ""
        if what == "maps":
            at = MAPS.index(maps) + random.choice((-1, 1))
            maps = MAPS[min(len(MAPS) - 1, max(0, at))]
            said = f"{maps} maps"
        elif what == "cells":
            cells = random.choice(CELLS)
            said = f"{cells} cells a stage"
        elif what == "path" and len(cell) > 1 and (len(cell) == PATHS or random.random() < 0.5):
            said = f"without the path {' '.join(cell.pop(random.randrange(len(cell))))}"
        elif what == "path":
            cell.append(self._path(random))
            said = f"a path {', '.join(cell[-1])}"
        else:
            path = random.choice(cell)
            place = random.randrange(len(path))
            old, path[place] = path[place], self._op(random)
            said = f"{old} → {path[place]}"
        return {"cell": cell, "maps": maps, "cells": cells}, said

    def _mutate_motifs(self, values: Mapping[str, Any], random: Random) -> tuple[dict[str, Any], str]:
        """One edge other, so that the net is another; now and then the width, which the paper leaves as it is."""
        if random.random() < 1 / 8:
            maps = random.choice([maps for maps in MAPS[:4] if maps != values["maps"]])
            return {**values, "maps": maps}, f"{maps} maps"
        before = self.layers(values)
        while True:  # a motif that the cell does not use may change without the net
            graphs, top, said = motifs.change_edge(values["motifs"], values["cell"], random)
            child = {**values, "motifs": graphs, "cell": top}
            if self.layers(child) != before:
                return child, said

    def _stages(self, maps: int, cells: Callable[[int], list[Any]]) -> list[Any]:
        """`cells` of a width, twice as wide after each pooling."""
        layers: list[Any] = [f"conv {maps} 3x3 padding=same", "batchnorm", "relu"]
        stages = max(1, min(3, (self.side // SMALLEST).bit_length()))
        for stage in range(stages):
            layers += cells(maps)
            if stage < stages - 1:
                maps *= 2
                layers += ["maxpool 2", f"conv {maps} 1x1", "batchnorm", "relu"]
        return layers


def _cells_of_paths(values: Mapping[str, Any], maps: int) -> list[Any]:
    return [{"residual": cell_layers(values["cell"], maps)}, "relu"] * int(values["cells"])


def _cell_of_motifs(values: Mapping[str, Any], maps: int) -> list[Any]:
    return motifs.cell_layers(values["motifs"], values["cell"], maps)


def layers_of(gene: str) -> list[Any]:
    """The layers of a gene, as the module says."""
    kind, *numbers = gene.split()
    if "pool" in kind:
        return [gene]
    if kind == "dense":
        return ["flatten", gene, "relu"]
    maps, window = numbers
    conv = f"conv {maps} {window}x{window} padding=same"
    if kind == "sep":
        return [f"separable {maps} {window}x{window} padding=same", "batchnorm", "relu"]
    if kind == "res":
        return [{"residual": [conv, "batchnorm", "relu", conv, "batchnorm"]}, "relu"]
    return [conv, "batchnorm", "relu"]


def without_dense(genes: Sequence[str]) -> list[str]:
    """The genes of a net but its dense layer, which not every way of searching knows.

    >>> without_dense(["conv 8 3", "dense 64"])
    ['conv 8 3']
    """
    return [gene for gene in genes if not gene.startswith("dense")]


def cell_layers(cell: Sequence[Sequence[str]], maps: int) -> list[Any]:
    """Paths side by side, each of its own width, joined and brought back to `maps`."""
    width = max(4, maps // len(cell))
    paths = []
    for path in cell:
        layers: list[Any] = []
        for op in path:
            kind, _, window = op.partition(" ")
            if kind == "point":
                layers += [f"conv {width} 1x1", "batchnorm", "relu"]
            else:
                word = "separable" if kind == "sep" else "conv"
                layers += [f"{word} {width} {window}x{window} padding=same", "batchnorm", "relu"]
        paths.append(layers)
    body: list[Any] = [{"branches": paths}] if len(paths) > 1 else paths[0]
    return [*body, f"conv {maps} 1x1", "batchnorm"]
