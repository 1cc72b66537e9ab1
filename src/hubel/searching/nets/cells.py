"""Nets of one cell that comes again and again, wider in each stage: the stages, and cells of paths side by side.

>>> from dataclasses import replace
>>> space = replace(CellSpace.read({"operations": {"sep": {"kernel": 3}}, "filters": 8, "stages": 2}), side=8)
>>> space.draw(Random(0))
{'cell': [['sep 3', 'sep 3'], ['sep 3', 'sep 3']], 'maps': 8, 'cells': 2}
>>> layers = space.layers({"cell": [["sep 3"]], "maps": 8, "cells": 1})
>>> layers[layers.index("maxpool 2") :][:2]
['maxpool 2', 'conv 16 1x1']
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from hubel.searching.nets.genes import END, USUAL, NetSpace, Style, pick
from hubel.searching.nets.reading import choices, fault, mapping, one_of, span, whole

OPERATIONS = ("conv", "sep", "point")
REDUCTIONS = ("maxpool", "avgpool", "conv")
OF_STAGES = ("filters", "stages", "reduction", "widen", "norm", "activation", "smallest")
"""What a space says of stages."""
FILTERS = (8, 16, 24, 32)


@dataclass(frozen=True, kw_only=True)
class Stages:
    """Cells of a width, wider after each reduction."""

    filters: tuple[int, ...]
    """Of the first stage: what may be chosen."""
    most: int = 3
    reduction: str = "maxpool"
    widen: int = 2
    smallest: int = 4
    """Pixels a side below which nothing is reduced any more."""
    style: Style = USUAL

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Stages:
        """As a space says it. Raises UsageError."""
        return cls(
            filters=choices(given.get("filters", list(FILTERS)), "filters", 1, 4096),
            most=whole(given.get("stages", 3), "stages", 1, 8),
            reduction=one_of(given.get("reduction", "maxpool"), "reduction", REDUCTIONS),
            widen=whole(given.get("widen", 2), "widen", 1, 8),
            smallest=whole(given.get("smallest", 4), "smallest", 1, 4096),
            style=Style.read(given),
        )

    def plain(self) -> dict[str, Any]:
        """As a space says it."""
        return {
            "filters": list(self.filters), "stages": self.most, "reduction": self.reduction, "widen": self.widen,
            **self.style.plain(), "smallest": self.smallest,
        }  # fmt: skip

    def layers(self, maps: int, side: int, cells: Callable[[int], list[Any]]) -> list[Any]:
        """`cells` of a width, stage upon stage, for pictures of `side` pixels."""
        layers: list[Any] = [f"conv {maps} 3x3 padding=same", *self.style.after]
        stages = max(1, min(self.most, (side // self.smallest).bit_length()))
        for stage in range(stages):
            layers += cells(maps)
            if stage < stages - 1:
                maps *= self.widen
                layers += self._reduced(maps)
        return [*layers, *END]

    def _reduced(self, maps: int) -> list[Any]:
        if self.reduction == "conv":
            return [f"conv {maps} 3x3 stride=2 padding=1", *self.style.after]
        return [f"{self.reduction} 2", f"conv {maps} 1x1", *self.style.after]


@dataclass(frozen=True, kw_only=True)
class CellSpace(NetSpace):
    """All nets of a cell of paths."""

    kind: ClassVar[str] = "cells"
    paths: tuple[int, int]
    """The fewest and the most side by side."""
    steps: tuple[int, int]
    """Operations of a path."""
    operations: Mapping[str, tuple[tuple[int, ...], int]]
    """Name -> its windows (() of `point`), and how often it is drawn."""
    stages: Stages
    drawn: tuple[int, ...]
    """Filters of the nets that are drawn."""
    cells: tuple[int, ...]
    """In each stage: what may be chosen."""

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> CellSpace:
        """The space that a mapping says. Raises UsageError."""
        own = ("kind", "paths", "steps", "operations", "drawn", "cells")
        given = mapping(said, "", (*own, *OF_STAGES), ("operations",))
        operations = mapping(given["operations"], "operations", OPERATIONS)
        if not operations:
            raise fault("operations", "must name at least one, got none", f"what it may hold: {', '.join(OPERATIONS)}")
        stages = Stages.read(given)
        drawn = choices(given.get("drawn", list(stages.filters)), "drawn", 1, 4096)
        if other := [maps for maps in drawn if maps not in stages.filters]:
            raise fault("drawn", f"must hold some of filters, got {other[0]}", f"put {other[0]} into filters, too")
        return cls(
            paths=span(given.get("paths", "1..3"), "paths", 1, 8),
            steps=span(given.get("steps", "1..2"), "steps", 1, 8),
            operations={name: _operation(name, operations[name]) for name in OPERATIONS if name in operations},
            stages=stages,
            drawn=drawn,
            cells=choices(given.get("cells", [1, 2]), "cells", 1, 16),
        )

    def plain(self) -> dict[str, Any]:
        """As YAML holds it."""
        return {
            "kind": self.kind, "paths": "{}..{}".format(*self.paths), "steps": "{}..{}".format(*self.steps),
            "operations": {
                name: {**({"kernel": list(windows)} if windows else {}), "weight": weight}
                for name, (windows, weight) in self.operations.items()
            },
            "drawn": list(self.drawn), "cells": list(self.cells), **self.stages.plain(),
        }  # fmt: skip

    def windows(self) -> Iterator[tuple[str, int]]:
        """Of the operations."""
        for name, (windows, _) in self.operations.items():
            if windows:
                yield f"operations.{name}.kernel", windows[-1]

    def draw(self, random: Random, *, default_net: str = "") -> dict[str, Any]:
        """A cell, its width and how often it comes."""
        cell = [self._path(random) for _ in range(random.randint(*self.paths))]
        return {"cell": cell, "maps": pick(random, self.drawn), "cells": pick(random, self.cells)}

    def layers(self, values: Mapping[str, Any]) -> list[Any]:
        """The layer list of a member."""
        style = self.stages.style

        def cells(maps: int) -> list[Any]:
            return [{"residual": cell_layers(values["cell"], maps, style)}, style.activation] * int(values["cells"])

        return self.stages.layers(int(values["maps"]), self.side, cells)

    def small_nets(self) -> Iterator[dict[str, Any]]:
        """Of one operation each, at its smallest, with any number of paths."""
        for name in reversed([name for name in OPERATIONS if name in self.operations]):
            windows, _ = self.operations[name]
            path = [f"{name} {windows[0]}" if windows else name] * self.steps[0]
            for many in range(self.paths[0], self.paths[1] + 1):
                yield {"cell": [path] * many, "maps": self.stages.filters[0], "cells": self.cells[0]}

    def mutate(self, values: Mapping[str, Any], random: Random) -> tuple[dict[str, Any], str]:
        """A neighbour of a net: another operation, a path more or less, another width or number of cells."""
        cell = [list(path) for path in values["cell"]]
        maps, cells = int(values["maps"]), int(values["cells"])
        filters = self.stages.filters
        what = random.choice(
            ("op", "op", "path", *(["maps"] if filters[1:] else []), *(["cells"] if self.cells[1:] else []))
        )
        if what == "maps":
            at = filters.index(maps) + random.choice((-1, 1))
            maps = filters[min(len(filters) - 1, max(0, at))]
            said = f"{maps} maps"
        elif what == "cells":
            cells = random.choice(self.cells)
            said = f"{cells} cells a stage"
        elif what == "path":
            said = self._change_path(cell, random)
        else:
            path = random.choice(cell)
            place = random.randrange(len(path))
            old, path[place] = path[place], self._op(random)
            said = f"{old} → {path[place]}"
        return {"cell": cell, "maps": maps, "cells": cells}, said

    def _change_path(self, cell: list[list[str]], random: Random) -> str:
        """A path less, more, or where there must be so many another one."""
        fewest, most = self.paths
        if len(cell) > fewest and (len(cell) == most or random.random() < 0.5):
            return f"without the path {' '.join(cell.pop(random.randrange(len(cell))))}"
        if len(cell) == most:
            place = random.randrange(len(cell))
            cell[place] = self._path(random)
            return f"path {place + 1} is {', '.join(cell[place])}"
        cell.append(self._path(random))
        return f"a path {', '.join(cell[-1])}"

    def _path(self, random: Random) -> list[str]:
        return [self._op(random) for _ in range(random.randint(*self.steps))]

    def _op(self, random: Random) -> str:
        name = random.choice([name for name, (_, weight) in self.operations.items() for _ in range(weight)])
        windows, _ = self.operations[name]
        return f"{name} {pick(random, windows)}" if windows else name


def cell_layers(cell: Sequence[Sequence[str]], maps: int, style: Style = USUAL) -> list[Any]:
    """Paths side by side, each of its own width, joined and brought back to `maps`."""
    width = max(4, maps // len(cell))
    paths = [[layer for operation in path for layer in operation_layers(operation, width, style)] for path in cell]
    body: list[Any] = [{"branches": paths}] if len(paths) > 1 else paths[0]
    return [*body, f"conv {maps} 1x1", *style.normed]


def operation_layers(name: str, maps: int, style: Style = USUAL) -> list[Any]:
    """An operation that keeps the side.

    >>> operation_layers("sep 5", 8), operation_layers("maxpool 3", 8)
    (['separable 8 5x5 padding=same', 'batchnorm', 'relu'], ['maxpool 3 stride=1 padding=1'])
    """
    kind, _, window = name.partition(" ")
    if kind == "identity":
        return ["identity"]
    if kind.endswith("pool"):
        return [f"{kind} {window} stride=1 padding={int(window) // 2}"]
    if kind == "point":
        return [f"conv {maps} 1x1", *style.after]
    return [f"{'separable' if kind == 'sep' else 'conv'} {maps} {window}x{window} padding=same", *style.after]


def _operation(name: str, said: Any) -> tuple[tuple[int, ...], int]:
    at = f"operations.{name}"
    kernel = () if name == "point" else ("kernel",)
    given = mapping({} if said is None else said, at, (*kernel, "weight"))
    weight = whole(given.get("weight", 1), f"{at}.weight", 1, 100)
    return choices(given.get("kernel", [3, 5]), f"{at}.kernel", 1, 99, odd=True) if kernel else (), weight
