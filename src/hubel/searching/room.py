"""What of a budget is left: whether so many more epochs of a trial, or a new trial, end inside it.

Where time allows no more than a few whole trainings, all trials begin at the first rung, the defaults too, and as much
is kept as it takes to see the foremost of them through. Early scores tell little, since who learns fastest is not who
ends best: the defaults are that one, unless another is ahead of them by more than chance where both have come far.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hubel.searching.asking import Ask
from hubel.searching.budget import SPARE, Clock
from hubel.searching.journal import Journal, Trial

LONGER = 1.1
"""Times as long as the epochs before that further epochs may take."""
FAR = 1 / 3
"""Share of a whole training from which on trials are compared with the defaults."""
SURE = 2.0
"""Standard deviations by which another must be ahead of the defaults."""
SEVERAL = 3
"""Whole trainings, at least, that fit into a search which trains the defaults to their end before anything else."""


def is_far(epochs: int, full: int) -> bool:
    """Do so many epochs say what `full` of them will?

    >>> is_far(4, 12), is_far(4, 31)
    (True, False)
    """
    return epochs >= FAR * full


@dataclass(kw_only=True)
class Room:
    """The budget of a search under way."""

    ask: Ask
    journal: Journal
    clock: Clock
    away: dict[int, int] = field(default_factory=dict)
    """Trials that are being trained -> the epochs that are meant to be added."""
    crowd: float = 0.0
    """Seconds for a second of computing, when a training last ended; 0 before that is known."""
    samples: int = 0
    """Validation pictures, by which scores are known."""

    @property
    def roomy(self) -> bool:
        """Is there time for several whole trainings?"""
        time, ask = self.ask.budget.time, self.ask
        if time is None or ask.nets:
            return True
        return SEVERAL * ask.full * ask.epoch_seconds <= time * (1 - SPARE) - ask.after

    @property
    def epochs(self) -> int:
        """Of all trainings, those that are under way included."""
        return self.journal.epochs + sum(self.away.values())

    @property
    def after(self) -> float:
        """Seconds that measuring and reporting the winner takes, as crowded as the machine is now."""
        slower = self.crowd / self.ask.crowd if self.crowd and self.ask.crowd else 1.0
        return self.ask.after * min(2.0, max(1.0, slower))

    def left(self, *, finals: bool) -> float:
        """Seconds that may still be trained; those of the finals among them or not."""
        whole = self.ask.budget.time or 0.0
        return whole * (1 - SPARE) - self.after - self.clock.spent - (0.0 if finals else self.kept_seconds)

    def searches(self) -> bool:
        """Is there any for new trials or promotions?"""
        budget = self.ask.budget
        if budget.epochs is not None and self.epochs + self.ask.rungs[0] > budget.epochs - self.kept:
            return False
        return budget.time is None or self.left(finals=False) > 0

    @property
    def kept_seconds(self) -> float:
        """Seconds that are not for the search: those of the finals, or of the one that must be seen through."""
        if self.roomy or self.ended_well():
            return self.ask.finals
        best = self.foremost()
        an_epoch, done = self.ask.epoch_seconds, self.ask.rungs[0]
        if best is not None and best.epochs:
            an_epoch, done = best.seconds / best.epochs, best.epochs
        return max(self.ask.finals, LONGER * an_epoch * (self.ask.full - done))

    def is_kept_for(self, trial: Trial) -> bool:
        """Is it the one for whose every epoch time is kept already?"""
        best = None if self.roomy or self.ended_well() else self.foremost()
        return best is not None and best.number == trial.number

    def foremost(self) -> Trial | None:
        """The trial that is to be seen through: the best of those that came furthest and would end inside the budget,
        but the defaults where it is not ahead of them by more than chance after a third of a whole training. None
        where none waits.

        Chance is twice the deviation of a difference of two accuracies p known from N pictures: sqrt(2 p (1 - p) / N).
        """
        waiting = [trial for trial in self.journal.tried if trial.status == "waiting" and trial.score is not None]
        # Without any reserve: what is kept for the defaults must not be lost by a trial that took a little longer.
        ending = [trial for trial in waiting if self.fits(trial, self.ask.full, finals=True, longer=1.0)] or waiting
        if not ending:
            return None
        best = max(ending, key=lambda trial: (trial.epochs, trial.score or 0.0, -trial.number))
        usual = next((trial for trial in ending if not trial.values), best)
        rung = min(best.epochs, usual.epochs)
        ahead, known = best.at(rung), usual.at(rung)
        if ahead is None or known is None:
            return best
        luck = math.sqrt(2 * known * (1 - known) / max(1, self.samples)) if 0 < known < 1 else 0.0
        return best if is_far(rung, self.ask.full) and ahead - known > SURE * luck else usual

    @property
    def kept(self) -> float:
        """Epochs that are not for the search: those of the finals, or of the one that must be seen through."""
        if self.ask.budget.epochs is None:
            return 0.0
        whole = 0 if self.ended_well() else self.ask.full - self.ask.rungs[0]
        return max(self.ask.finals, whole) if self.journal.tried or self.journal.refused else 0.0

    def ended_well(self) -> bool:
        """Was any trial trained to its end, or as far as the time went?"""
        return any(trial.status in ("finished", "cut") for trial in self.journal.tried)

    def fits(
        self, trial: Trial | None, until: int, *, anew: bool = False, finals: bool = False, macs: int = 0,
        longer: float = LONGER,
    ) -> bool:  # fmt: skip
        """Would `until` epochs of a trial end inside the budget? None: of a new one, with so many MACs a picture."""
        budget, done = self.ask.budget, 0 if trial is None or anew else trial.epochs
        if budget.epochs is not None:
            kept = 0.0 if finals else self.kept
            if self.epochs + until - done > budget.epochs - kept:
                return False
        if budget.time is None:
            return True
        if trial is not None and trial.epochs:
            an_epoch = trial.seconds / trial.epochs
        else:
            times = sorted(each.seconds / each.epochs for each in self.journal.tried if each.epochs)
            an_epoch = times[len(times) // 2] if times else self.ask.epoch_seconds
            usual = next((each for each in self.journal.tried if not each.values and each.epochs), None)
            if usual is not None and macs > usual.cost.macs:
                an_epoch = max(an_epoch, usual.seconds / usual.epochs * macs / usual.cost.macs)
        return longer * an_epoch * (until - done) <= self.left(finals=finals)

    def share(self) -> tuple[int, int]:
        """Done and in all, for a bar."""
        budget = self.ask.budget
        if budget.epochs is not None:
            return min(self.journal.epochs, budget.epochs), budget.epochs
        if budget.time is not None:
            return min(int(self.clock.spent), int(budget.time)), int(budget.time)
        return len(self.journal.tried), budget.trials or len(self.journal.tried)
