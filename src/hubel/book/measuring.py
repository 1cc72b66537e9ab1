"""Experiments measured: in this process, or in several beside it, with the same bits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from threadpoolctl import threadpool_limits

from hubel.book.carried import packed, unpacked
from hubel.book.experiment import Experiment, Outcome
from hubel.book.experiments import all_experiments
from hubel.runtime.children import Children
from hubel.runtime.places import Here, Places
from hubel.runtime.seeds import seeded
from hubel.runtime.threading import cores, threads
from hubel.watching import Watcher

SLACK = 3.0
"""How many times its budget an experiment may take before `--check` complains."""
MOST = 4
"""Processes at most: each holds up to 1 GB."""
WORTH = 20.0
"""Seconds that must be allowed for each process: one takes about five to start."""


@dataclass(frozen=True, slots=True)
class Run:
    """An experiment that was run."""

    experiment: Experiment
    outcome: Outcome
    seconds: float
    allowed: float

    @property
    def late(self) -> bool:
        """Did it take more than its budget allows?"""
        return self.seconds > SLACK * self.allowed


def measured(job: dict[str, Any]) -> dict[str, Any]:
    """One experiment, {"number", "full"}: what came out and the seconds it took, as plain data.

    It computes with one thread and from a seed of its own, so that the same machine gives the same bits.
    """
    each = all_experiments()[job["number"]]
    budget = each.full if job["full"] else each.quick
    assert budget is not None
    begun = time.process_time()
    with threads(1), threadpool_limits(1), seeded(*map(int, each.number.split("."))):
        outcome = each.measure(budget)
    return {"outcome": packed(outcome), "seconds": time.process_time() - begun}


@contextmanager
def measuring(
    wanted: Sequence[Experiment], *, full: bool, workers: int | None, watch: Watcher
) -> Iterator[Callable[[], dict[str, Run]]]:
    """Begin with them, the longest first; what is given waits for all: number -> run.

    `workers`: processes; None: as many as this machine has cores for, and as the experiments are worth.
    """
    allowed = {each.number: (each.full if full else each.quick or each.full).seconds for each in wanted}
    count = min(workers or min(cores()[1], MOST, int(sum(allowed.values()) / WORTH)), len(wanted))

    def job(each: Experiment) -> dict[str, Any]:
        watch.stage(f"{each.number}  {each.title}")
        return {"number": each.number, "full": full}

    def finish() -> dict[str, Run]:
        found: dict[str, Run] = {}
        while places.busy:
            done = places.take()
            if done.error and not done.given_up:
                raise done.error
            each = order[done.key]
            # What ended other processes is done here, where it is seen how it ends.
            result = measured(job(each)) if done.given_up else done.result
            found[each.number] = Run(each, unpacked(result["outcome"]), result["seconds"], allowed[each.number])
            watch.progress(len(found), len(wanted))
        return {each.number: found[each.number] for each in wanted}

    order = sorted(wanted, key=lambda each: -allowed[each.number]) if count > 1 else list(wanted)
    with _places(count) as places:
        for key, each in enumerate(order):
            places.give(key, lambda each=each: job(each))  # type: ignore[misc]
        yield finish


def _places(count: int) -> Places:
    return Children("hubel.book.worker", count) if count > 1 else Here(lambda: measured)
