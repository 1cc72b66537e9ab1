"""How much a search may take, what of it is left, and how it is shared out.

>>> Budget(epochs=216).shares(full=9)
Shares(full=9, finals=54.0, unit='epochs')
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from hubel.words import duration, plural

DEFAULT_TIME = 600.0
"""Seconds of a search whose user says nothing."""
ONE = 0.15
"""Share of the time that one whole training takes at most where there is room for many."""
WINNER = 0.6
"""Share of the time that the training of the winner takes at most where there is room for few: what nets gain by being
trained longer is more than settings tried on trainings cut short would bring."""
FINALS = 0.25
"""Share of the budget that is kept to train the finalists again with other seeds."""
SPARE = 0.03
"""Share of the time left unused, since an epoch may take longer than the one before."""


@dataclass(frozen=True)
class Shares:
    """How a budget is shared out."""

    full: int
    """Epochs of a whole training."""
    finals: float
    """Seconds or epochs for the finalists; 0 where the budget counts trials only."""
    unit: str


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The most that a search may take; None is no limit, and the first limit that is met ends it."""

    time: float | None = None
    """Seconds, reading the data and measuring the winner included."""
    trials: int | None = None
    """Settings tried; training the finalists again is not counted."""
    epochs: int | None = None
    """Epochs of all trainings together, finalists included."""

    def shares(self, full: int, epoch_seconds: float = 0.0, *, after: float = 0.0, one: bool = True) -> Shares:
        """Shared out, where a whole training would take `full` epochs if there were no limit.

        `after`: seconds that measuring and reporting the winner takes. `one`: may a single training take most of the
        time? A search of architectures trains every one of them whole.

        >>> Budget(time=600).shares(20, 3.0), Budget(time=600).shares(20, 30.0)
        (Shares(full=20, finals=150.0, unit='seconds'), Shares(full=11, finals=0.0, unit='seconds'))
        """
        if self.epochs is not None:
            full = max(1, min(full, self.epochs))
            return Shares(full, FINALS * self.epochs if self.epochs >= 6 * full else 0.0, "epochs")
        if self.time is not None and epoch_seconds > 0:
            most = ONE * self.time
            if one:
                most = max(most, WINNER * (self.time * (1 - SPARE) - after))
            full = max(1, min(full, int(most / epoch_seconds)))
            again = full * epoch_seconds <= FINALS * self.time  # else none could be trained a second time
            return Shares(full, FINALS * self.time if again else 0.0, "seconds")
        return Shares(full, 0.0, "")

    @property
    def said(self) -> str:
        """In words."""
        parts = []
        if self.time is not None:
            parts.append(duration(self.time))
        if self.trials is not None:
            parts.append(plural(self.trials, "trial"))
        if self.epochs is not None:
            parts.append(plural(self.epochs, "epoch"))
        return " and ".join(parts) or "no limit"

    @property
    def flags(self) -> str:
        """As they are given on the command line."""
        parts = [] if self.time is None else [f"--time {self.time:g}"]
        parts += [] if self.trials is None else [f"--trials {self.trials}"]
        return " ".join([*parts, *([] if self.epochs is None else [f"--epochs {self.epochs}"])])

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


class Clock:
    """Seconds that a search has taken, in all its sittings."""

    def __init__(self, before: float = 0.0, since: float | None = None) -> None:
        self.before = before
        self.started = time.perf_counter() if since is None else since

    @property
    def spent(self) -> float:
        """So far."""
        return self.before + time.perf_counter() - self.started
