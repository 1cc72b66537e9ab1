"""Where time allows few whole trainings: who is seen through, and what is kept for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hubel
from hubel.searching.asking import Ask
from hubel.searching.budget import Budget, Clock
from hubel.searching.found import cut_short, seen_early
from hubel.searching.journal import Journal, Point
from hubel.searching.room import Room
from hubel.searching.standing import Finalist, Standing
from hubel.searching.workshop import Workshop
from hubel.store import RunStore

COST = {"params": 1, "macs": 1, "megabytes": 1.0, "milliseconds": None}


def room_of(folder: Path, early: dict[int, float], epochs: int = 2, **ask: object) -> Room:
    """A search of 200 seconds whose trials (1: the defaults) have these accuracies on 200 pictures after so many of 12
    epochs, each of which takes ten seconds.
    """
    journal = Journal(RunStore.create(str(folder), "search"))
    for number, score in early.items():
        values = {} if number == 1 else {"lr": number / 100}
        journal.write("trial", trial=number, values=values, origin="", cost=COST, folder=f"trial-{number}")
        journal.write("rung", trial=number, epochs=epochs, score=score, seconds=10.0 * epochs, status="waiting")
    said = {"full": 12, "rungs": (2, 4, 12), "epoch_seconds": 10.0, "budget": Budget(time=200.0), **ask}
    return Room(ask=Ask(given={"data": "digits"}, **said), journal=journal, clock=Clock(40.0), samples=200)


def test_the_defaults_are_seen_through_unless_another_is_ahead_by_more_than_chance(tmp_path: Path) -> None:
    best = room_of(tmp_path / "level", {1: 0.70, 2: 0.78, 3: 0.60}, epochs=4).foremost()
    assert best is not None
    assert best.number == 1, "of 200 pictures each, 9.2 points are chance"
    best = room_of(tmp_path / "ahead", {1: 0.70, 2: 0.80, 3: 0.60}, epochs=4).foremost()
    assert best is not None
    assert best.number == 2
    assert room_of(tmp_path / "none", {}).foremost() is None


def test_who_learns_fastest_at_first_is_not_who_ends_best(tmp_path: Path) -> None:
    room = room_of(tmp_path, {1: 0.70, 2: 0.90})
    best = room.foremost()
    assert best is not None
    assert best.number == 1, "two epochs of twelve say little"
    room.journal.write("rung", trial=2, epochs=4, score=0.95, seconds=40.0, status="waiting")
    best = room.foremost()
    assert best is not None
    assert best.number == 1, "the defaults have not come so far"


def test_a_trial_that_would_not_end_is_seen_through_only_where_none_would(tmp_path: Path) -> None:
    room = room_of(tmp_path, {1: 0.70, 2: 0.90}, epochs=4)
    slow = room.journal.trial(2)
    slow.points[0] = type(slow.points[0])(4, 0.90, 120.0)  # thirty seconds an epoch: 240 more, and 154 are left
    best = room.foremost()
    assert best is not None
    assert best.number == 1


def test_what_the_foremost_needs_is_kept_from_the_search(tmp_path: Path) -> None:
    room = room_of(tmp_path / "few", {1: 0.70, 2: 0.71})
    assert not room.roomy
    assert room.kept_seconds == pytest.approx(1.1 * 10 * 10)
    assert room.left(finals=True) - room.left(finals=False) == pytest.approx(110, abs=0.1)
    assert room.fits(None, 2)
    assert not room.fits(None, 5), "so long a trial would take from what is kept"
    assert room.fits(room.journal.trial(1), 12, finals=True)
    roomy = room_of(tmp_path / "many", {1: 0.70}, full=5, rungs=(1, 2, 5), finals=50.0)
    assert roomy.roomy
    assert roomy.kept_seconds == 50.0


def test_a_trial_that_took_longer_takes_nothing_of_what_is_kept_for_the_defaults(tmp_path: Path) -> None:
    room = room_of(tmp_path, {1: 0.70, 2: 0.72}, epochs=4)
    room.journal.trial(2).points[0] = Point(4, 0.72, 8.0)  # two seconds an epoch
    room.clock = Clock(110.0)  # of 194 seconds: 84 are left, the defaults need 80, and 88 with a reserve
    best = room.foremost()
    assert best is not None
    assert best.number == 1
    assert room.left(finals=False) < 0
    assert not room.searches()


def test_time_is_kept_for_the_one_that_is_seen_through_and_for_nobody_where_finalists_are_trained(
    tmp_path: Path,
) -> None:
    few = room_of(tmp_path / "few", {1: 0.70, 2: 0.71})
    assert few.is_kept_for(few.journal.trial(1))
    assert not few.is_kept_for(few.journal.trial(2))
    many = room_of(tmp_path / "many", {1: 0.70}, full=5, rungs=(1, 2, 5), finals=50.0)
    assert not many.is_kept_for(many.journal.trial(1)), "what is kept is the finalists'"


def test_a_new_net_is_not_begun_where_its_arithmetic_says_that_it_will_not_end(tmp_path: Path) -> None:
    room = room_of(tmp_path, {1: 0.70, 2: 0.71})
    room.clock = Clock(37.0)  # of 194 seconds: 157 are left, 47 without what is kept
    assert room.left(finals=False) == pytest.approx(47, abs=0.5)
    assert room.fits(None, 2, macs=1)
    assert room.fits(None, 2, macs=2), "twice the ten seconds of the defaults, two epochs, a tenth more: 44"
    assert not room.fits(None, 2, macs=3)


def test_a_proposal_too_slow_for_what_is_left_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = Room.fits

    def fits_if_small(self: Room, *given: Any, macs: int = 0, **more: Any) -> bool:
        return macs < 10_000 and fits(self, *given, macs=macs, **more)

    monkeypatch.setattr(Room, "fits", fits_if_small)
    found = hubel.search(
        "digits", trials=4, trial_epochs=1, model="mlp", space={"mlp.hidden": [[16], [512]], "lr": "1e-3..1e-1:log"},
        out=str(tmp_path), threads=1, device="cpu", verbose=False,
    )  # fmt: skip
    tried = [trial for trial in found.trials if trial.values and not trial.again]
    assert len(tried) == 3
    assert all(trial.macs < 10_000 for trial in tried)
    assert not found.refused, "it may fit yet, so it is not counted among those never tried"


def test_a_search_without_time_for_many_compares_before_it_trains_any_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workshop, "settle", lambda self: (30.0, 1.0))  # as on a machine a thousand times slower
    found = hubel.search(
        "digits", time=300, trials=3, model="mlp", space={"lr": "1e-3..1e-1:log"}, out=str(tmp_path), threads=1,
        device="cpu", verbose=False,
    )  # fmt: skip
    lines = map(json.loads, (found.folder / "journal.jsonl").read_text().splitlines())
    reached = [(line["trial"], line["epochs"]) for line in lines if line["line"] == "rung"]
    assert reached[:3] == [(1, 1), (2, 1), (3, 1)]
    assert max(epochs for _, epochs in reached) == 5, "six tenths of the time, at thirty seconds an epoch"
    others = [place for place, (trial, epochs) in enumerate(reached) if trial != 1 and epochs == 2]
    assert all((1, 2) in reached[:place] for place in others), "the defaults go first, to be compared there"
    assert found.test


@pytest.mark.parametrize(
    ("winner", "epochs", "said"),
    [
        (1, 2, "No other came so far that its score would say more than that of the defaults."),
        (1, 4, "After 4 epochs of 12 nothing was ahead of the defaults by more than chance."),
        (2, 4, "After 4 epochs of 12 it had 80.00 %, the defaults 70.00 %."),
    ],
)
def test_it_is_told_by_what_the_only_one_was_chosen(tmp_path: Path, winner: int, epochs: int, said: str) -> None:
    room = room_of(tmp_path, {1: 0.70, 2: 0.80}, epochs)
    journal = room.journal
    journal.write("rung", trial=winner, epochs=12, score=0.90, seconds=120.0, status="finished")
    alone = Finalist(trial=winner, values=journal.trial(winner).values, folders=(f"trial-{winner}",), scores=(0.9,),
                     mean=0.9, interval=(0.85, 0.94))  # fmt: skip
    standing = Standing(finalists=(alone,), beside=(), samples=200, score="accuracy")
    assert seen_early(standing, journal, room.ask) == (f"There was time to train one net to its end. {said}",)
    journal.trial(winner).status = "cut"
    assert seen_early(standing, journal, room.ask) == (said,)
    journal.trial(winner).status = "finished"
    journal.trials[:] = [journal.trial(winner)]
    assert seen_early(standing, journal, room.ask) == (
        "Nothing else was tried: there was no time for more than one training.",
    )
    assert cut_short(standing, journal, room.ask) == ()
    journal.write("rung", trial=winner, epochs=7, score=0.85, seconds=70.0, status="cut")
    assert cut_short(standing, journal, room.ask) == ("Its training ran out of time after 7 epochs of 12.",)
