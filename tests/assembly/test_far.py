"""A training over a cluster that is played here: what it refuses, and how it goes on when a place is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import hubel
from hubel.assembly import far
from hubel.errors import DataError, HubelError, UsageError
from hubel.runtime import gang
from hubel.runtime.gang import Lost
from hubel.runtime.telling import Teller, pass_on
from hubel.verbs.train import train_as_told
from hubel.watching import SILENT, Watcher

SETTINGS: dict[str, Any] = {"model": "mlp", "limit": 100, "epochs": 3, "device": "cpu", "threads": 1}
Turn = Callable[[int, Mapping[str, Any], Watcher], Any]


class Kept(Watcher):
    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def __getattribute__(self, name: str) -> Any:
        if name in ("stage", "progress", "remark", "training", "event"):
            return lambda *what: self.told.append((name, what))
        return object.__getattribute__(self, name)

    @property
    def said(self) -> list[str]:
        return [what[0] for name, what in self.told if name == "remark"]


def play(monkeypatch: pytest.MonkeyPatch, places: int, *turns: Turn) -> list[int]:
    """A cluster with so many places, on which each attempt is one of `turns`; how many processes each had."""
    counts: list[int] = []
    left = list(turns)

    class Joined:
        cores, gpu, room = 1, False, places

        def __init__(self, on: str, **_: Any) -> None:
            pass

        def __enter__(self) -> Joined:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def told(self, count: int, what: str) -> str:
            return f"{count} times {what}"

    class Gang:
        def __init__(self, joined: Joined, watch: Watcher, between: Any) -> None:
            self.joined, self.watch = joined, watch

        def compute(self, count: int, do: Any, job: Mapping[str, Any], paths: list[str]) -> Any:
            assert all(Path(path).exists() for path in paths)
            counts.append(count)
            return left.pop(0)(count, job, self.watch)

    monkeypatch.setattr(far, "Joined", Joined)
    monkeypatch.setattr(far, "Gang", Gang)
    return counts


def trains(count: int, job: Mapping[str, Any], watch: Watcher) -> str:
    return train_as_told(job, watch)


def loses(epochs: int) -> Turn:
    """Trains so many epochs and loses a place then."""

    def turn(count: int, job: Mapping[str, Any], watch: Watcher) -> Any:
        if epochs:
            train_as_told({**job, "epochs": epochs}, watch)
        raise Lost("the node has died")

    return turn


def test_a_training_told_to_a_cluster_is_that_of_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    counts = play(monkeypatch, 2, trains)
    watch = Kept()
    run = hubel.train("digits", **SETTINGS, out=tmp_path, on="local", watch=watch)
    assert counts == [2]
    assert watch.said[0] == f"2 times process; the run is written into {tmp_path}, which all must see"
    assert run.status == "finished"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".hubel")]


def test_what_was_lost_goes_on_where_it_was_saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def again(count: int, job: Mapping[str, Any], watch: Watcher) -> str:
        assert job == {"resume": str(tmp_path / "digits-1")}
        return train_as_told({**job, "epochs": 3}, watch)

    counts = play(monkeypatch, 2, loses(1), again)
    watch = Kept()
    run = hubel.train("digits", **SETTINGS, out=tmp_path, on="local", watch=watch)
    assert counts == [2, 2]
    lost = "a place was lost (the node has died); taken up again by 2 processes from what is saved in "
    assert f"{lost}{tmp_path / 'digits-1'}" in watch.said
    assert run.history["epoch"] == [1, 2, 3]


def test_what_was_lost_before_a_save_begins_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    play(monkeypatch, 1, loses(0), trains)
    watch = Kept()
    assert hubel.train("digits", **SETTINGS, out=tmp_path, on="local", watch=watch).status == "finished"
    assert any(
        said.endswith("taken up again by 1 process from the start: nothing had been saved") for said in watch.said
    )


def test_places_that_are_lost_again_and_again_end_it_with_the_way_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    counts = play(monkeypatch, 1, loses(1), loses(0), loses(0), loses(0))
    with pytest.raises(HubelError, match="lost one after the other; the last: the node has died") as ended:
        hubel.train("digits", **SETTINGS, out=tmp_path, on="local")
    assert ended.value.hint == f"go on: hubel train --resume {tmp_path / 'digits-1'}, here or with --on"
    assert counts == [1, 1, 1]


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"processes": 2}, "--processes are those of a cluster"),
     ({"on": "local", "processes": 0}, "processes must be at least 1, got 0"),
     ({"on": "local", "processes": 3}, "3 processes asked for, and the cluster has 2 places of 1 core"),
     ({"on": "local", "folds": 3}, "--on trains one net over several machines, and --folds trains several nets"),
     ({"on": "slurm"}, "on must be here, local"),
     ({"on": "local", "model": "resnet81"}, "unknown model")],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_starts(
    settings: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    play(monkeypatch, 2)
    with pytest.raises(UsageError, match=said):
        hubel.train("digits", **{**SETTINGS, **settings}, out=tmp_path)


def test_within_torchrun_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    with pytest.raises(UsageError, match="torchrun has started this one"):
        hubel.train("digits", on="local")


def test_paths_say_the_same_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    found = far.far({"data": "photos", "epochs": 2}, None, SILENT, doctor=True)
    assert found.job == {"data": str(tmp_path / "photos"), "out": str(tmp_path / "runs"), "epochs": 2, "doctor": True}
    assert found.out == tmp_path / "runs"


def test_what_is_told_elsewhere_is_told_here(tmp_path: Path) -> None:
    teller, here, there = Teller(), Kept(), Kept()
    teller._due = lambda: True  # type: ignore[method-assign]
    teller.progress(1, 2)
    hubel.train("digits", **SETTINGS, out=tmp_path / "a", watch=teller)
    hubel.train("digits", **SETTINGS, out=tmp_path / "b", watch=there)
    pass_on(teller.take(), here)
    assert here.told[0] == ("progress", (1, 2))
    names = [[(name, type(what[0]).__name__) for name, what in kept.told] for kept in (here, there)]
    assert [one for one in names[0] if one[0] != "progress"] == [one for one in names[1] if one[0] != "progress"]
    steps = [[what[0].loss.item() for _, what in kept.told if hasattr(what[0], "loss")] for kept in (here, there)]
    assert steps[0] == steps[1]


class _TaskError(Exception):
    def as_instanceof_cause(self) -> Exception:
        return self.args[0]  # type: ignore[no-any-return]


class _Ray:
    class exceptions:
        RayError, RayTaskError = Exception, _TaskError

    util = None

    def get(self, what: Any) -> Any:
        if isinstance(what, Exception):
            raise what
        return what


@pytest.mark.parametrize(
    ("outcomes", "raises"),
    [([("runs/1", None), ("runs/1", None)], None),
     ([_TaskError(RuntimeError("Connection closed by peer")), Exception("the actor died")], Lost),
     ([_TaskError(RuntimeError("Connection closed by peer")), (None, DataError("no picture"))], DataError),
     ([_TaskError(RuntimeError("[gloo] Connection reset by peer"))], Lost),
     ([_TaskError(ZeroDivisionError("1 / 0"))], ZeroDivisionError)],
)  # fmt: skip
def test_the_error_that_explains_the_others_is_raised(outcomes: list[Any], raises: type[Exception] | None) -> None:
    class Joined:
        ray = _Ray()

    ranks = gang.Gang(Joined(), SILENT)  # type: ignore[arg-type]
    if raises is None:
        assert ranks._outcome(outcomes, []) == "runs/1"
    else:
        with pytest.raises(raises):
            ranks._outcome(outcomes, [])


def test_a_machine_that_does_not_see_the_data_is_named_with_the_way_out() -> None:
    class Joined:
        ray = _Ray()

    there = {
        "machine": "node-7", "address": "10.0.0.7", "versions": gang.versions(), "unseen": ["/nowhere/photos"],
    }  # fmt: skip
    with pytest.raises(UsageError, match=r"node-7 \(10\.0\.0\.7\) does not see /nowhere/photos") as said:
        gang.Gang(Joined(), SILENT)._check([there])  # type: ignore[arg-type]
    assert "must lie in a folder that all machines of the cluster see" in said.value.hint
    with pytest.raises(UsageError, match=r"on node-7 of the cluster hubel is 0\.1, and here it is"):
        gang.Gang(Joined(), SILENT)._check([{**there, "versions": {**gang.versions(), "hubel": "0.1"}}])  # type: ignore[arg-type]
