"""What a search has done, line by line: all that its next step depends on, so that a search killed anywhere goes on.

{"line": "trial", "trial": 3, "values": {…}, "origin": "drawn at random", "cost": {…}, "folder": "trial-3"}
{"line": "rung", "trial": 3, "epochs": 4, "score": 0.91, "seconds": 2.1, "spent": 31.0}
{"line": "end", "trial": 3, "status": "failed", "reason": "…"}
{"line": "refused", "values": {…}, "reason": "…", "kind": "limit"}
{"line": "told", "spent": 61.0}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hubel.errors import DAMAGED, ArtefactError
from hubel.searching.limits import Cost
from hubel.store import RunStore

NAME = "journal.jsonl"
REFUSED = {"limit": "exceed a limit", "contradiction": "contradict each other", "twice": "were tried already"}
"""Why a member of the space was not tried: kind -> in words."""


@dataclass(frozen=True)
class Point:
    """How a trial stood after so many epochs."""

    epochs: int
    score: float
    """The best so far, higher is better: validation accuracy, or minus the validation loss where numbers are learnt."""
    seconds: float
    """Of training so far."""


@dataclass(kw_only=True)
class Trial:
    """One member of the space that was tried, or a finalist trained again with another seed."""

    number: int
    values: dict[str, Any]
    """What was chosen from the space; {} for the defaults."""
    origin: str
    """How it came to be tried."""
    cost: Cost
    folder: str
    """The run's folder, inside that of the search."""
    again: int = 0
    """The number of the trial that is trained again; 0 for one that is tried."""
    seed: int = 0
    points: list[Point] = field(default_factory=list)
    status: str = "under way"
    """under way, waiting (not promoted so far), finished, failed, cut (out of time)."""
    reason: str = ""

    @property
    def epochs(self) -> int:
        """Done."""
        return self.points[-1].epochs if self.points else 0

    @property
    def score(self) -> float | None:
        """The best so far; None before the first rung."""
        return self.points[-1].score if self.points else None

    @property
    def seconds(self) -> float:
        """Of training."""
        return self.points[-1].seconds if self.points else 0.0

    def at(self, epochs: int) -> float | None:
        """The score at a rung; None where it was not reached, or the trial failed."""
        if self.status == "failed":
            return None
        if self.status == "finished" and self.epochs < epochs:  # it ended by itself, its target or its patience
            return self.score
        return next((point.score for point in self.points if point.epochs == epochs), None)


@dataclass(frozen=True)
class Refused:
    """A member of the space that was never tried."""

    values: Mapping[str, Any]
    kind: str
    reason: str


class Journal:
    """The lines of a search, and what they say together."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.trials: list[Trial] = []
        self.refused: list[Refused] = []
        self.shared = 0
        """Epochs of a net that holds all nets, where weights are shared."""
        self.spent = 0.0
        """Seconds up to the last line, in all sittings."""
        for number, line in enumerate(store.read_lines(NAME), start=1):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
                raise ArtefactError(
                    f"line {number} of {store.path(NAME)} cannot be read: {error or type(error).__name__}", hint=DAMAGED
                ) from None

    def write(self, line: str, **facts: Any) -> None:
        """Append a line, and know it."""
        said = {"line": line, **facts}
        text = json.dumps(said, allow_nan=False)
        self.store.append_line(NAME, text)
        self._take(json.loads(text))  # as it will be read again, tuples having become lists

    def trial(self, number: int) -> Trial:
        """The trial of that number."""
        return next(trial for trial in self.trials if trial.number == number)

    @property
    def tried(self) -> list[Trial]:
        """Without those that were trained again."""
        return [trial for trial in self.trials if not trial.again]

    @property
    def epochs(self) -> int:
        """Of all trainings."""
        return self.shared + sum(trial.epochs for trial in self.trials)

    def seeds_of(self, number: int) -> Iterator[Trial]:
        """A trial and the same with other seeds, those that came to their end."""
        for trial in self.trials:
            if number in (trial.number, trial.again) and trial.status == "finished":
                yield trial

    def _take(self, said: Mapping[str, Any]) -> None:
        kind = said["line"]
        self.spent = max(self.spent, float(said.get("spent", 0.0)))
        if kind == "trial":
            self.trials.append(
                Trial(
                    number=said["trial"], values=dict(said["values"]), origin=said["origin"],
                    cost=Cost(**said["cost"]), folder=said["folder"], again=said.get("again", 0),
                    seed=said.get("seed", 0),
                )
            )  # fmt: skip
        elif kind == "rung":
            trial = self.trial(said["trial"])
            trial.points.append(Point(int(said["epochs"]), float(said["score"]), float(said["seconds"])))
            trial.status = str(said.get("status", "waiting"))
        elif kind == "end":
            trial = self.trial(said["trial"])
            trial.status, trial.reason = said["status"], said["reason"]
        elif kind == "shared":
            self.shared = int(said["epochs"])
        elif kind == "refused":
            self.refused.append(Refused(dict(said["values"]), said["kind"], said["reason"]))
