"""Who is promoted, held against the definition; and what budgets leave for whom."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from hubel.searching.budget import Budget, Shares
from hubel.searching.halving import ETA, promotion, rungs
from hubel.searching.journal import Point, Trial
from hubel.searching.limits import Cost

COST = Cost(params=1, macs=1, megabytes=1.0)


def trial(number: int, *points: tuple[int, float], status: str = "waiting") -> Trial:
    return Trial(
        number=number, values={"lr": number}, origin="", cost=COST, folder=f"trial-{number}", status=status,
        points=[Point(epochs, score, 1.0) for epochs, score in points],
    )  # fmt: skip


def test_nobody_goes_on_before_there_are_three() -> None:
    assert promotion([trial(1, (1, 0.9)), trial(2, (1, 0.8))], (1, 3)) is None
    best = promotion([trial(1, (1, 0.7)), trial(2, (1, 0.9)), trial(3, (1, 0.8))], (1, 3))
    assert best is not None
    assert (best[0].number, best[1]) == (2, 3)


def test_the_highest_rung_is_served_first() -> None:
    trials = [trial(n, (1, n / 10), (3, n / 10)) for n in range(1, 4)] + [trial(n, (1, 0.95)) for n in range(4, 10)]
    found = promotion(trials, (1, 3, 9))
    assert found is not None
    assert (found[0].number, found[1]) == (3, 9)


def test_failed_trials_take_no_place() -> None:
    trials = [trial(1, (1, 0.99), status="failed"), trial(2, (1, 0.5)), trial(3, (1, 0.4))]
    assert promotion(trials, (1, 3)) is None
    found = promotion([*trials, trial(4, (1, 0.3))], (1, 3))
    assert found is not None, "of three that are left the best goes on"
    assert found[0].number == 2


def test_in_the_end_a_third_of_each_rung_has_gone_on() -> None:
    random, at, trials = Random(0), rungs(27), []
    while (found := promotion(trials, at)) is not None or len(trials) < 60:
        if found is None:
            trials.append(trial(len(trials) + 1, (at[0], random.random())))
        else:
            found[0].points.append(Point(found[1], random.random(), 1.0))
            if found[1] == at[-1]:
                found[0].status = "finished"
    for low, high in pairwise(at):
        reached, gone = (sum(each.at(rung) is not None for each in trials) for rung in (low, high))
        assert gone >= reached // ETA, "promoted as soon as it may"
        assert gone <= reached // ETA + reached // 5, "a few more, since who led early may not lead now"


def test_a_whole_training_takes_a_share_of_the_time_only() -> None:
    assert Budget(time=100).shares(10, epoch_seconds=1.0) == Shares(10, 25.0, "seconds")
    assert Budget(time=100).shares(40, epoch_seconds=1.0) == Shares(40, 0.0, "seconds"), "nothing to train it again"
    assert Budget(time=100).shares(90, epoch_seconds=1.0).full == 58, "most of the time is the winner's"
    assert Budget(time=100).shares(90, epoch_seconds=1.0, after=47.0).full == 30
    assert Budget(time=100).shares(40, epoch_seconds=1.0, one=False).full == 15, "each net is trained whole"
    assert Budget(time=100).shares(10, epoch_seconds=90.0).full == 1
    assert Budget(epochs=5).shares(40).full == 5
    assert Budget(trials=3).shares(40, epoch_seconds=1.0).full == 40
