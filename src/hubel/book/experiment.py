"""An experiment of the book: the claims it settles, how much it may cost, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hubel.book.plots import Plot
from hubel.book.verdicts import Finding


@dataclass(frozen=True, slots=True)
class Budget:
    """How much an experiment may use."""

    seconds: float
    """What it takes on one core of a plain machine; three times as much fails `hubel book --check`."""
    seeds: int = 1
    samples: int = 0
    """Training samples; 0 where the experiment has no data of its own."""
    steps: int = 0
    """Steps or epochs, as the experiment counts."""
    full: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an experiment measured: a finding for each of its claims, and drawings."""

    findings: Mapping[str, Finding]
    plots: tuple[Plot, ...] = ()
    note: str = ""
    """What a reader must know of the data or the way it was done."""
    data: str = "own"
    """"mnist" or "digits" where it depends on what there was; "own": made by the experiment."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """Rows of claims settled together. `quick` None: only in full."""

    number: str
    """Chapter and place, "4.1"."""
    title: str
    rows: tuple[str, ...]
    setup: str
    """Data, net and budget in a sentence or two."""
    measure: Callable[[Budget], Outcome]
    full: Budget
    quick: Budget | None = None
    rule: str = ""
    """When the claims hold, in words."""

    @property
    def chapter(self) -> int:
        """The chapter it stands in."""
        return int(self.number.partition(".")[0])
