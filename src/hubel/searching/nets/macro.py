"""Nets as lists of layers: how many, of which kinds, and what each kind may be.

>>> from dataclasses import replace
>>> space = LayerSpace.read({"depth": "2..3", "layers": {"conv": {"filters": [4, 8], "kernel": 3}, "maxpool": {}}})
>>> space = replace(space, side=8)
>>> space.draw(Random(0))
{'net': ['maxpool 2', 'conv 8 3', 'conv 8 3']}
>>> space.actions(["maxpool 2"])          # another pooling would leave 2 pixels a side
['conv 4 3', 'conv 8 3']
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from random import Random
from typing import Any, ClassVar

from hubel.searching.nets.genes import END, USUAL, NetSpace, Style, layers_of, pick, without_dense
from hubel.searching.nets.reading import choices, fault, mapping, share, span, whole

CONVOLUTIONS, POOLS = ("conv", "sep", "res"), ("maxpool", "avgpool")
KINDS = (*CONVOLUTIONS, *POOLS)
STRIDED = ("conv", "sep")
"""Kinds that may leave pixels out; a residual block adds what is as large as what came in."""
LAST = "end"
"""Said where a net ends."""
FILTERS, KERNEL, WINDOW = (8, 16, 24, 32, 48, 64), (3, 5), (2,)
"""Of a kind that says none."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of layer and what it may be."""

    filters: tuple[int, ...] = ()
    """() of a pooling."""
    windows: tuple[int, ...]
    """Of the kernel, or of the pooling, pixels a side."""
    strides: tuple[int, ...] = (1,)
    weight: int = 1

    @classmethod
    def read(cls, name: str, said: Any) -> Kind:
        """The kind `name` as a space says it. Raises UsageError."""
        at, pools = f"layers.{name}", name in POOLS
        strided = ("stride",) if name in STRIDED else ()
        given = mapping({} if said is None else said, at, ("window", "weight") if pools else
                        ("filters", "kernel", *strided, "weight"))  # fmt: skip
        weight = whole(given.get("weight", 1), f"{at}.weight", 1, 100)
        if pools:
            return cls(windows=choices(given.get("window", list(WINDOW)), f"{at}.window", 2, 64), weight=weight)
        return cls(
            filters=choices(given.get("filters", list(FILTERS)), f"{at}.filters", 1, 4096),
            windows=choices(given.get("kernel", list(KERNEL)), f"{at}.kernel", 1, 99, odd=True),
            strides=choices(given.get("stride", [1]), f"{at}.stride", 1, 4),
            weight=weight,
        )

    def plain(self, name: str) -> dict[str, Any]:
        """As a space says it."""
        if not self.filters:
            return {"window": list(self.windows), "weight": self.weight}
        stride = {"stride": list(self.strides)} if name in STRIDED else {}
        return {"filters": list(self.filters), "kernel": list(self.windows), **stride, "weight": self.weight}


@dataclass(frozen=True)
class Dense:
    """A dense layer before the last."""

    units: tuple[int, ...]
    share: Fraction
    """Of the nets drawn that have one."""

    @classmethod
    def read(cls, said: Any) -> Dense:
        """As a space says it. Raises UsageError."""
        given = mapping(said, "dense", ("units", "share"), ("units",))
        return cls(choices(given["units"], "dense.units", 1, 65_536), share(given.get("share", "1/3"), "dense.share"))


@dataclass(frozen=True, kw_only=True)
class LayerSpace(NetSpace):
    """All lists of layers of some kinds."""

    kind: ClassVar[str] = "layers"
    depth: tuple[int, int]
    """The fewest and the most layers."""
    kinds: Mapping[str, Kind]
    dense: Dense | None = None
    style: Style = USUAL
    smallest: int = 4
    """Pixels a side below which nothing shrinks any more."""

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> LayerSpace:
        """The space that a mapping says. Raises UsageError."""
        given = mapping(said, "", ("kind", "depth", "layers", "dense", "norm", "activation", "smallest"), ("layers",))
        layers = mapping(given["layers"], "layers", KINDS)
        kinds = {name: Kind.read(name, layers[name]) for name in KINDS if name in layers}
        if not any(1 in kind.strides for name, kind in kinds.items() if name in CONVOLUTIONS):
            raise fault(
                "layers", "must name a convolution with a stride of 1, with which any net can be made longer",
                "conv: {filters: [8, 16], kernel: [3]}, or sep or res",
            )  # fmt: skip
        return cls(
            depth=span(given.get("depth", "2..9"), "depth", 1, 100), kinds=kinds,
            dense=None if given.get("dense") is None else Dense.read(given["dense"]), style=Style.read(given),
            smallest=whole(given.get("smallest", 4), "smallest", 1, 4096),
        )  # fmt: skip

    def plain(self) -> dict[str, Any]:
        """As YAML holds it."""
        dense = self.dense
        return {
            "kind": self.kind, "depth": f"{self.depth[0]}..{self.depth[1]}",
            "layers": {name: kind.plain(name) for name, kind in self.kinds.items()},
            **({} if dense is None else {"dense": {"units": list(dense.units), "share": str(dense.share)}}),
            **self.style.plain(), "smallest": self.smallest,
        }  # fmt: skip

    def windows(self) -> Iterator[tuple[str, int]]:
        """Of kernels and poolings."""
        for name, kind in self.kinds.items():
            yield f"layers.{name}.{'window' if name in POOLS else 'kernel'}", kind.windows[-1]

    @property
    def strided(self) -> bool:
        """Has any convolution another stride than 1?"""
        return any(kind.strides != (1,) for name, kind in self.kinds.items() if name in STRIDED)

    def draw(self, random: Random, *, default_net: str = "") -> dict[str, Any]:
        """A net of any depth and width."""
        genes: list[str] = []
        for _ in range(random.randint(*self.depth)):
            genes.append(self.gene(random, genes))
        dense = self.dense
        return {
            "net": genes + ([f"dense {pick(random, dense.units)}"] if dense and random.random() < dense.share else [])
        }

    def layers(self, values: Mapping[str, Any]) -> list[Any]:
        """The layer list of a member."""
        layers = [layer for gene in values["net"] for layer in layers_of(gene, self.style)]
        return [*layers, *(END[1:] if "flatten" in layers else END)]

    def small_nets(self) -> Iterator[dict[str, Any]]:
        """As shallow and narrow as can be, of one or two kinds, with as many poolings as there is room for or none."""
        pools: list[str] = []
        while len(pools) < self.depth[0] and (may := [gene for gene in self._ends(pools) if "pool" in gene]):
            pools.append(max(may, key=shrinkage))
        seen = set()
        for begun in (pools, []):
            for first, other in product(self._ends(begun), repeat=2):
                genes = list(begun)
                while len(genes) < self.depth[0]:
                    gene = first if len(genes) == len(begun) else other
                    may = self._ends(genes)
                    genes.append(gene if gene in may else next(each for each in may if shrinkage(each) == 1))
                if tuple(genes) not in seen:
                    seen.add(tuple(genes))
                    yield {"net": genes}

    def _ends(self, genes: Sequence[str]) -> list[str]:
        """What may come next at its smallest: of each kind the fewest filters, with the smallest and largest stride."""
        found, room = [], self.room(genes)
        for name in ("sep", "conv", "res", *POOLS):
            if kind := self.kinds.get(name):
                if name in POOLS:
                    found += [f"{name} {window}" for window in kind.windows if window <= room]
                else:
                    strides = [stride for stride in kind.strides if stride == 1 or stride <= room]
                    ends = dict.fromkeys((strides[0], strides[-1])) if strides else ()
                    found += [named(name, kind.filters[0], kind.windows[0], stride) for stride in ends]
        return found

    def mutate(self, values: Mapping[str, Any], random: Random) -> tuple[dict[str, Any], str]:
        """A neighbour of a net: one gene more, less, other or elsewhere; and what was changed."""
        genes = without_dense(values["net"])
        last = list(values["net"])[len(genes) :]
        place = random.randrange(len(genes))
        what = random.choice(self._changes(genes))
        if what == "end" and self.dense:
            ends = [[], *([f"dense {width}"] for width in self.dense.units)]
            new = random.choice([end for end in ends if end != last])
            return {"net": genes + new}, f"{new[0]} put in at the end" if new else f"without {last[0]}"
        if what == "remove":
            gone = genes.pop(place)
            return {"net": genes + last}, f"without {gone} at {place + 1}"
        if what == "insert":
            added = self.gene(random, genes)
            genes.insert(place, added)
            return {"net": genes + last}, f"{added} put in at {place + 1}"
        old, others = genes[place], genes[:place] + genes[place + 1 :]
        genes[place] = self._changed(old, what, others, random)
        return {"net": genes + last}, f"{old} → {genes[place]} at {place + 1}"

    def _changes(self, genes: Sequence[str]) -> list[str]:
        found = ["change", "maps", "window", *(["end"] if self.dense else [])]
        found += ["insert"] if len(genes) < self.depth[1] else []
        found += ["remove"] if len(genes) > self.depth[0] else []
        return [*found, *(["stride"] if self.strided else [])]

    def _changed(self, gene: str, what: str, others: Sequence[str], random: Random) -> str:
        """One gene another; where it has no such number, or no other, a new one is drawn."""
        name = gene.split()[0]
        kind = self.kinds[name]
        if name in CONVOLUTIONS:
            maps, window, stride = numbers_of(gene)
            if what == "maps" and len(kind.filters) > 1:
                at = kind.filters.index(maps) + random.choice((-1, 1))
                return named(name, kind.filters[min(len(kind.filters) - 1, max(0, at))], window, stride)
            if what == "window" and len(kind.windows) > 1:
                return named(name, maps, random.choice(kind.windows), stride)
            if what == "stride" and len(kind.strides) > 1:
                return named(name, maps, window, pick(random, self.strides(name, others)))
        return self.gene(random, others)

    # what may stand in a net

    def room(self, genes: Sequence[str]) -> int:
        """How many times smaller the maps of a net may still become; 0 and 1 are none at all."""
        return self.side // prod(map(shrinkage, genes)) // self.smallest

    def fitting(self, genes: Sequence[str]) -> list[str]:
        """The kinds that may stand beside some genes."""
        return [
            name for name, kind in self.kinds.items()
            if (kind.windows[0] <= self.room(genes) if name in POOLS else self.strides(name, genes))
        ]  # fmt: skip

    def strides(self, name: str, others: Sequence[str]) -> list[int]:
        """Of the kind called so, those that may stand beside `others`."""
        room = self.room(others)
        return [stride for stride in self.kinds[name].strides if stride == 1 or stride <= room]

    def gene(self, random: Random, others: Sequence[str]) -> str:
        """Any layer that may stand beside `others`."""
        name = random.choice([name for name in self.fitting(others) for _ in range(self.kinds[name].weight)])
        kind = self.kinds[name]
        if name in POOLS:
            room = self.room(others)
            return f"{name} {pick(random, [window for window in kind.windows if window <= room])}"
        maps, window = pick(random, kind.filters), pick(random, kind.windows)
        return named(name, maps, window, pick(random, self.strides(name, others)))

    def actions(self, genes: Sequence[str]) -> list[str]:
        """Every layer that may follow some, and `LAST` where the net may end."""
        found, room = [], self.room(genes)
        for name, kind in self.kinds.items():
            if name in POOLS:
                found += [f"{name} {window}" for window in kind.windows if window <= room]
            else:
                each = product(kind.filters, kind.windows, self.strides(name, genes))
                found += [named(name, *numbers) for numbers in each]
        return [*found, *([LAST] if len(genes) >= self.depth[0] else [])]


def named(kind: str, maps: int, window: int, stride: int = 1) -> str:
    """A convolution as a gene.

    >>> named("conv", 8, 3), named("sep", 8, 3, 2)
    ('conv 8 3', 'sep 8 3 2')
    """
    return f"{kind} {maps} {window}{'' if stride == 1 else f' {stride}'}"


def numbers_of(gene: str) -> tuple[int, int, int]:
    """Maps, window and stride of a convolution.

    >>> numbers_of("conv 8 3"), numbers_of("sep 8 3 2")
    ((8, 3, 1), (8, 3, 2))
    """
    maps, window, *stride = map(int, gene.split()[1:])
    return maps, window, stride[0] if stride else 1


def shrinkage(gene: str) -> int:
    """How many times smaller a layer makes maps.

    >>> shrinkage("conv 8 3"), shrinkage("conv 8 3 2"), shrinkage("maxpool 3"), shrinkage("dense 32")
    (1, 2, 3, 1)
    """
    kind, *numbers = gene.split()
    if kind in POOLS:
        return int(numbers[0])
    return numbers_of(gene)[2] if kind in CONVOLUTIONS else 1
