"""Paths through one net that holds all nets: what may stand at each place of each stage.

>>> from dataclasses import replace
>>> space = PathSpace.read({"stages": [16, 32], "places": [["conv 3", "sep 5"], ["conv 3", "res 3", "none"]]})
>>> len(replace(space, side=28).places), len(replace(space, side=7).places)
(4, 2)
>>> space.genes_of(("conv 3", "none", "sep 5", "res 3"))
['conv 16 3', 'maxpool 2', 'sep 32 5', 'res 32 3']
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from hubel.searching.nets.genes import END, NetSpace, layers_of
from hubel.searching.nets.reading import fault, listed_in, mapping, told, whole

Path = tuple[str, ...]
NONE = "none"
KEEPING = ("res", NONE)
"""Kinds that hand on as many maps as they get."""


@dataclass(frozen=True, kw_only=True)
class PathSpace(NetSpace):
    """All paths of a net."""

    kind: ClassVar[str] = "paths"
    stages: tuple[int, ...]
    """Maps of each."""
    of_a_stage: tuple[tuple[str, ...], ...]
    """What may stand at each place of a stage."""
    smallest: int = 4
    """Pixels a side below which nothing is pooled any more."""

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> PathSpace:
        """The space that a mapping says. Raises UsageError."""
        given = mapping(said, "", ("kind", "stages", "places", "smallest"), ("stages", "places"))
        stages = tuple(whole(each, "stages", 1, 4096) for each in listed_in(given["stages"], "stages"))
        if not isinstance(given["places"], (list, tuple)):
            raise fault("places", f"must be a list of lists, got {told(given['places'])}", "- [conv 3, sep 3]")
        places = tuple(
            tuple(_choice(each, number) for each in listed_in(choices, f"place {number}"))
            for number, choices in enumerate(listed_in(given["places"], "places"), start=1)
        )
        if len(stages) > 6 or len(places) > 8:
            raise fault("stages", f"may be 6 with 8 places each, got {len(stages)} and {len(places)}")
        for number, choices in enumerate(places, start=1):
            if len(set(choices)) < len(choices):
                raise fault(f"place {number}", "holds a choice twice", "leave one of them out")
        return cls(
            stages=stages, of_a_stage=places, smallest=whole(given.get("smallest", 4), "smallest", 1, 4096)
        )  # fmt: skip

    def plain(self) -> dict[str, Any]:
        """As YAML holds it."""
        return {
            "kind": self.kind, "stages": list(self.stages), "places": list(map(list, self.of_a_stage)),
            "smallest": self.smallest,
        }  # fmt: skip

    def windows(self) -> Iterator[tuple[str, int]]:
        """Of the choices."""
        for number, choices in enumerate(self.of_a_stage, start=1):
            for choice in choices:
                if choice != NONE:
                    yield f"place {number}", int(choice.split()[1])

    @property
    def places(self) -> list[tuple[str, ...]]:
        """What may stand at each place of a path, for pictures of `side` pixels."""
        stages = [stage for stage in range(len(self.stages)) if not stage or self.side >> stage >= self.smallest]
        return [choices for _ in stages for choices in self.of_a_stage]

    def maps_at(self, place: int) -> int:
        """How many maps a place makes."""
        return self.stages[place // len(self.of_a_stage)]

    def pools_before(self, place: int) -> bool:
        """Does a stage other than the first begin here?"""
        return place > 0 and place % len(self.of_a_stage) == 0

    def draw_path(self, random: Random) -> Path:
        """Any path, each as likely as any other."""
        return tuple(random.choice(choices) for choices in self.places)

    def draw(self, random: Random, *, default_net: str = "") -> dict[str, Any]:
        """Any path, as a net."""
        return {"net": self.genes_of(self.draw_path(random))}

    def genes_of(self, path: Path) -> list[str]:
        """A path as a list of layers."""
        found: list[str] = []
        for place, choice in enumerate(path):
            found += ["maxpool 2"] if self.pools_before(place) else []
            kind, _, window = choice.partition(" ")
            found += [] if kind == NONE else [f"{kind} {self.maps_at(place)} {window}"]
        return found

    def layers(self, values: Mapping[str, Any]) -> list[Any]:
        """The layer list of a member."""
        return [*(layer for gene in values["net"] for layer in layers_of(gene)), *END]

    def small_nets(self) -> Iterator[dict[str, Any]]:
        """The smallest window of one kind at each place, or nothing."""
        for kinds in (("sep", "conv", "res"), ("conv", "sep", "res")):
            ranks = {NONE: -1} | {kind: rank for rank, kind in enumerate(kinds)}
            yield {
                "net": self.genes_of(tuple(min(choices, key=lambda one: _size(one, ranks)) for choices in self.places))
            }


def _size(choice: str, ranks: Mapping[str, int]) -> tuple[int, int]:
    kind, _, window = choice.partition(" ")
    return ranks[kind], int(window or 0)


def _choice(said: Any, place: int) -> str:
    kind, _, window = said.partition(" ") if isinstance(said, str) else ("", "", "")
    if place == 1 and kind in KEEPING:
        raise fault(
            "place 1", f"may not hold {said!r}: a stage begins with other maps than it gets, and {kind} keeps them",
            f"conv K and sep K may stand there; {said!r} in any other place",
        )  # fmt: skip
    if said == NONE:
        return NONE
    if kind in ("conv", "sep", "res") and window.isdigit() and 0 < int(window) < 100 and int(window) % 2:
        return f"{kind} {int(window)}"
    raise fault(f"place {place}", f"holds {told(said)}, which is no choice", "conv K, sep K, res K (K odd), or none")
