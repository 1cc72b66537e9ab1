"""Successive halving, asynchronously: who goes on, and how far (Li et al., arXiv:1810.05934, ASHA; one worker here).

Every trial trains to the first rung. A trial that is among the best third of its rung goes on to the next, with its
weights, before anything new is begun. Nobody waits for a rung to fill, so the rule serves whatever the budget is.

>>> rungs(27), rungs(40), rungs(5), rungs(1)
((3, 9, 27), (5, 14, 40), (1, 2, 5), (1,))
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hubel.searching.journal import Trial

ETA = 3
"""One in so many is promoted."""
MOST_RUNGS = 3


def rungs(full: int, most: int = MOST_RUNGS) -> tuple[int, ...]:
    """Epochs at which trials are compared: the whole training, a third, a ninth."""
    found = {full}
    for power in range(1, most):
        if full / ETA**power >= 0.5:
            found.add(max(1, -(-full // ETA**power)))
    return tuple(sorted(found))


def promotion(trials: Sequence[Trial], at: Sequence[int]) -> tuple[Trial, int] | None:
    """The trial that goes on, and to how many epochs; None where a new one is due.

    The highest rung first: what is nearly done is finished.
    """
    for low, high in reversed(list(pairwise(at))):
        scores = [(trial.at(low), trial) for trial in trials]
        known = sorted(
            ((score, trial) for score, trial in scores if score is not None),
            key=lambda pair: (-pair[0], pair[1].number),
        )
        for _, trial in known[: len(known) // ETA]:
            if trial.status == "waiting" and trial.epochs < high:
                return trial, high
    return None
