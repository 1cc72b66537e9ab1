"""Signals, comparisons of environments, the search for a run to go on with, and T07: no loader state to get wrong."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from disks import in_child
from hubel.checkpoint import save_state
from hubel.data.augment import build_augment
from hubel.data.batches import batches
from hubel.data.decode import Decoded
from hubel.recipes.schema import compose, to_yaml
from hubel.store import RunStore
from hubel.training import resume
from hubel.training.resume import Signals, differences, latest_unfinished


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_t08_signals_only_ask_and_handlers_come_back(name: str) -> None:
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with Signals() as signals:
        assert (signals.received, signals.exit_code) == ("", 0)
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGTERM)
        assert (signals.received, signals.exit_code) == (name, 128 + number)
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_after_the_grace_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "GRACE", -1.0)
    with pytest.raises(KeyboardInterrupt), Signals():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not signals.received
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_forked_worker_dies_of_a_signal_as_it_would_have() -> None:
    def worker() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    with Signals() as signals:
        assert in_child(worker) == -signal.SIGTERM
        assert not signals.received


def test_outside_the_main_thread_the_block_does_nothing() -> None:
    seen: list[str] = []

    def work() -> None:
        with Signals() as signals:
            seen.append(signals.received)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [""]


def test_environments_differ_in_what_changes_the_bits() -> None:
    here = {"torch": "2.13.0", "threads": 2, "device": "cpu", "hubel": "1"}
    assert differences(here, {**here, "hubel": "2"}) == []
    assert differences(here, {**here, "threads": 1, "device": "cuda"}) == [
        "device: cpu when it was saved, cuda now",
        "threads: 2 when it was saved, 1 now",
    ]
    assert differences({}, here) == []


def test_the_latest_unfinished_run_is_found(tmp_path: Path) -> None:
    assert latest_unfinished(tmp_path / "nothing") == (None, "")
    stores = [RunStore.create(tmp_path, "x") for _ in range(6)]
    for age, store in enumerate(stores[:5]):
        save_state(store, {}, {})
        os.utime(store.path("state/000001.json"), (1000 + age, 1000 + age))
    stores[4].write_json("summary.json", {"status": "finished"})
    stores[3].write_text("summary.json", "damaged")
    stores[2].write_json("summary.json", {"status": "stopped"})
    stores[0].write_json("summary.json", ["not an object"])
    assert latest_unfinished(tmp_path) == (stores[2].folder, "")
    (stores[5].folder / "state").mkdir()
    assert latest_unfinished(tmp_path) == (stores[2].folder, "")


def test_only_a_run_of_the_same_data_and_recipe_is_taken(tmp_path: Path) -> None:
    asked_for = {"data": "digits", "model": "mlp", "lr": 0.1}
    stores = [RunStore.create(tmp_path, "x") for _ in range(3)]
    for age, (store, asked) in enumerate(zip(stores, (asked_for, {**asked_for, "lr": 0.3}, None), strict=True)):
        save_state(store, {}, {})
        os.utime(store.path("state/000001.json"), (1000 + age, 1000 + age))
        if asked is not None:
            store.write_json("asked.json", asked)
        else:  # an older run that did not write it down
            store.write_text("config.yaml", to_yaml(compose({**asked_for, "model": "resnet20", "epochs": 3})))
    assert latest_unfinished(tmp_path, asked_for) == (stores[0].folder, "")
    stores.append(RunStore.create(tmp_path, "damaged"))
    save_state(stores[-1], {}, {})
    stores[-1].write_text("config.yaml", "lr: [")
    found, why = latest_unfinished(tmp_path, {"data": "moons"})
    assert (found, why) == (None, f"{stores[2].folder} differs in data")
    assert latest_unfinished(tmp_path, {**asked_for, "model": "resnet20"}) == (stores[2].folder, "")


AUGMENT = build_augment(["flip", "translate=1"])


@settings(max_examples=500, deadline=None)
@given(
    size=st.integers(1, 300),
    batch=st.integers(1, 64),
    drop=st.booleans(),
    seed=st.integers(0, 3),
    epoch=st.integers(0, 3),
    part=st.floats(0, 1),
)
def test_t07_order_and_augmentation_after_a_stop_are_those_without(
    size: int, batch: int, drop: bool, seed: int, epoch: int, part: float
) -> None:
    images = np.arange(size * 12, dtype=np.int64).astype(np.uint8).reshape(size, 1, 3, 4)
    decoded = Decoded(images=images, labels=np.arange(size) % 3, ids=np.arange(size), digest="")

    def run(start: int) -> list[tuple[list[int], torch.Tensor]]:
        found = batches(
            decoded, np.arange(size), batch_size=batch, seed=seed, epoch=epoch, shuffle=True, augment=AUGMENT,
            drop_last=drop, start_step=start,
        )  # fmt: skip
        return [(b.ids.tolist(), b.images) for b in found]

    whole = run(0)
    stop = int(part * len(whole))
    rest = run(stop)
    assert [ids for ids, _ in rest] == [ids for ids, _ in whole[stop:]]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(rest, whole[stop:], strict=True))
    seen = [i for ids, _ in whole for i in ids]
    assert len(set(seen)) == len(seen) == (size // batch * batch if drop else size)


def test_t07_would_notice_another_epoch() -> None:
    decoded = Decoded(
        images=np.zeros((50, 1, 2, 2), np.uint8), labels=np.zeros(50, np.int64), ids=np.arange(50), digest=""
    )
    orders = [
        [b.ids.tolist() for b in batches(decoded, np.arange(50), batch_size=10, epoch=epoch, shuffle=True)]
        for epoch in (0, 1)
    ]
    assert orders[0] != orders[1]
