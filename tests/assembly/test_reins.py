"""A training that is paused, stepped, altered and stopped from outside, and resumes to the same bits."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import hubel
from hubel.cli import main
from hubel.errors import ArtefactError, UnknownName, UsageError
from hubel.events import Event, Finished, StepDone
from hubel.records.control import FILE, Answer, Log, give, reply
from hubel.records.following import Following
from hubel.store import RunStore
from hubel.verbs.control import control
from hubel.verbs.train import Stopped
from hubel.watching import Plan, Watcher
from trainers import SETTINGS, fingerprint

Orders = Mapping[int, Callable[[RunStore], object]]


class Ordering(Watcher):
    """Gives orders after certain steps of the run."""

    def __init__(self, out: Path, orders: Orders) -> None:
        self.store, self.orders = RunStore(out / "digits-1"), orders
        self.remarks: list[str] = []

    def event(self, event: Event) -> None:
        if isinstance(event, StepDone):
            self.orders.get(event.epoch * event.steps + event.step, bool)(self.store)

    def remark(self, text: str) -> None:
        self.remarks.append(text)


def trained(out: Path, orders: Orders | None = None, **more: Any) -> tuple[hubel.Run, Ordering]:
    watch = Ordering(out, orders or {})
    return hubel.train("digits", **SETTINGS | more, out=str(out), watch=watch), watch


def answers(out: Path) -> list[Answer]:
    log = Log(RunStore(out / "digits-1"))
    log.new()
    return list(log.answered.values())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return fingerprint(trained(tmp_path_factory.mktemp("undisturbed"))[0].folder)


def test_pausing_stepping_and_saving_change_no_bit(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    def later(store: RunStore) -> None:
        give(store, "pause")
        threading.Timer(0.1, lambda: give(store, "step", steps=3)).start()

    def once_more(store: RunStore) -> None:  # after the third of those steps: it waits again
        threading.Timer(0.1, lambda: give(store, "resume")).start()

    run, watch = trained(tmp_path, {4: later, 7: once_more, 9: lambda store: give(store, "save")})
    assert fingerprint(run.folder) == undisturbed
    assert [answer.step for answer in answers(tmp_path)] == [4, 4, 7, 9]
    assert watch.remarks.count(f"paused; it goes on with: hubel control {run.folder} resume") == 2
    assert "going on" in watch.remarks


def test_waiting_is_no_time_of_training(tmp_path: Path) -> None:
    def pause(store: RunStore) -> None:
        give(store, "pause")
        threading.Timer(0.6, lambda: give(store, "resume")).start()

    class Clock(Ordering):
        def training(self, plan: Plan) -> None:
            self.began = time.perf_counter()

        def event(self, event: Event) -> None:
            super().event(event)
            if isinstance(event, Finished):
                self.lasted, self.counted = time.perf_counter() - self.began, event.seconds

    clock = Clock(tmp_path, {2: pause})
    hubel.train("digits", **SETTINGS, out=str(tmp_path), watch=clock)
    assert clock.counted + 0.5 <= clock.lasted


ALTERING: Orders = {
    5: lambda store: give(store, "set", settings={"lr": 0.02, "weight_decay": 0.1}),
    11: lambda store: give(store, "set", settings={"epochs": 5, "label_smoothing": 0.05}),
}


@pytest.fixture(scope="module")
def altered(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    return trained(tmp_path_factory.mktemp("altered"), ALTERING)[0]


def test_what_was_altered_stands_in_the_run(altered: hubel.Run) -> None:
    assert altered.recipe["optimizer"]["lr"] == 0.02
    segments = json.loads((altered.folder / "segments.json").read_text())
    assert [row["step"] for row in segments] == [5, 11]
    assert set(segments[1]["changed"]) == {"epochs", "label_smoothing"}
    told = [json.loads(line) for line in (altered.folder / "events.jsonl").read_text().splitlines()]
    assert [line["updates"] for line in told if line["event"] == "set"] == [5, 11]


@pytest.mark.parametrize("dies", [6, 9, 12, 20])
def test_a_run_that_was_altered_and_killed_has_the_bits_of_the_one_that_was_not(
    tmp_path: Path, altered: hubel.Run, dies: int
) -> None:
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            trained(tmp_path, {**ALTERING, dies: lambda store: os._exit(9)})
        finally:
            os._exit(70)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    still = {step: order for step, order in ALTERING.items() if step > dies}  # was not asked yet when it died
    again = hubel.train(resume=str(tmp_path / "digits-1"), watch=Ordering(tmp_path, still))
    assert fingerprint(again.folder) == fingerprint(altered.folder)


def test_an_order_to_set_that_was_not_obeyed_when_the_run_died_is_obeyed_by_the_next_sitting(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        trained(tmp_path, {6: lambda store: give(store, "stop")})
    store = RunStore(tmp_path / "digits-1")
    give(store, "set", settings={"lr": 0.03})
    give(store, "pause")
    run = hubel.train(resume=str(store.folder))
    assert run.recipe["optimizer"]["lr"] == 0.03
    assert sorted(answer.refused for answer in answers(tmp_path)) == ["", "", "it came when nothing was training here"]


def test_stopping_by_an_order_leaves_a_run_that_goes_on(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    with pytest.raises(Stopped, match="stopped by an order") as stop:
        trained(tmp_path, {8: lambda store: give(store, "stop")})
    assert stop.value.exit_code == 130
    assert hubel.Run(tmp_path / "digits-1").summary["reason"] == "order"
    assert fingerprint(hubel.train(resume=str(tmp_path / "digits-1")).folder) == undisturbed


def test_what_cannot_be_taken_up_is_refused_in_words_and_the_run_goes_on(
    tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    wrong = [{"model": "resnet20"}, {"lr": -1}, {"no_such": 1}]
    orders = {4 + k: lambda store, s=settings: give(store, "set", settings=s) for k, settings in enumerate(wrong)}
    orders[20] = lambda store: give(store, "set", settings={"epochs": 1})  # two epochs are done
    orders[21] = lambda store: give(store, "set", settings={"epochs": 4})  # as it is
    run, watch = trained(tmp_path, orders)
    assert fingerprint(run.folder) == undisturbed
    refused = [answer.refused for answer in answers(tmp_path)]
    assert refused[0].startswith("a run keeps the model it was begun with")
    assert "no_such" in refused[2]
    assert refused[3].startswith("nothing would be left to train")
    assert refused[4] == ""
    assert sum(text.startswith("not taken up") for text in watch.remarks) == 4


def test_the_verb_waits_for_the_answer(tmp_path: Path) -> None:
    found: list[Any] = []

    def ask(store: RunStore) -> None:
        def words() -> None:
            run = hubel.Run(store.folder)
            found.append(run.control("pause"))
            found.append(run.control("set", lr=0.015))
            with pytest.raises(UsageError, match="a run keeps the seed"):
                run.control("set", seed=9)
            found.append(run.control("step"))
            found.append(run.control("resume"))

        threading.Thread(target=words).start()

    run, _ = trained(tmp_path, {3: ask}, epochs=6)
    assert [answer.command for answer in found] == ["pause", "set", "step", "resume"]
    assert "done after" in str(found[0])
    assert str(found[2]).startswith("step: it goes on and pauses again")
    assert run.recipe["optimizer"]["lr"] == 0.015


def test_what_does_not_train_takes_no_orders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, _ = trained(tmp_path, epochs=1)
    with pytest.raises(ArtefactError, match=r"nothing trains in .* now: it is finished"):
        control(run.folder, "pause")
    with pytest.raises(UnknownName, match="did you mean 'pause'"):
        control(run.folder, "pouse")
    with pytest.raises(UsageError, match="set needs a setting"):
        control(run.folder, "set")
    with pytest.raises(SystemExit, match="2"):
        main(["control", str(run.folder)])
    assert "what to do is needed" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        main(["watch", str(run.folder), "--once"])
    shown = capsys.readouterr().out
    assert "finished (epochs)" in shown
    assert "loss  " in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_lines_that_are_none_are_passed_over_and_half_a_line_is_waited_for(tmp_path: Path) -> None:
    store = RunStore.open(tmp_path)
    path = tmp_path / FILE
    path.write_bytes(b'no json\n[1]\n{"order": 3, "command": "pause"}\n{"order": "a", "command": "fly"}\n{"order": "b"')
    log = Log(store)
    assert log.new() == []
    with open(path, "ab") as file:
        file.write(b', "command": "step", "steps": 2}\n')
    (order,) = log.new()
    assert (order.command, order.steps) == ("step", 2)
    reply(store, Answer(id="b", step=7))
    assert Log(store).new() == []
    assert log.new() == []
    assert log.answered["b"].step == 7


def test_a_log_that_is_cut_back_is_read_anew(tmp_path: Path) -> None:
    store = RunStore.open(tmp_path)
    for step in range(1, 4):
        store.append_line("events.jsonl", json.dumps({"event": "step", "epoch": 1, "step": step, "loss": 1 / step}))
    size = store.mark("events.jsonl")
    store.append_line(
        "events.jsonl", json.dumps({"event": "epoch", "epoch": 1, "train_loss": 0.5, "val_accuracy": 0.9})
    )
    seen = Following(store)
    assert seen.look() == 4
    assert (seen.epoch, len(seen.losses), len(seen.rows)) == (2, 3, 1)
    store.rewind("events.jsonl", size)
    seen.look()
    assert (seen.epoch, seen.step, len(seen.losses), len(seen.rows)) == (1, 3, 3, 0)
