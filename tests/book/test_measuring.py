"""Experiments measured in this process, and in others beside it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from hubel.book import measuring
from hubel.book.carried import packed, unpacked
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.experiments import all_experiments
from hubel.book.plots import Bars, Cut, Lines, Listing, Pictures
from hubel.book.reading import read
from hubel.book.verdicts import Finding
from hubel.errors import HubelError
from hubel.runtime.places import Done, Here
from hubel.verbs.book import files_of
from hubel.watching import Watcher

LINE = np.linspace(0, 1, 3)
OUTCOME = Outcome(
    {"E1": Finding("confirmed", "0.1 ± 0.3 Ω")},
    (
        Lines("a", [1, 2.5], {"b": [0.1, float("inf")]}, "x", share=True), Bars("c", {"d": 1 / 3}, {"d": (0.1, 0.7)}),
        Bars("no intervals", {"d": 1}), Pictures("e", {"f": np.arange(12, dtype=np.uint8).reshape(3, 2, 2)}),
        Listing("g", ["h"], [("i", 3), (None, 0.5)]), Cut("j", LINE, LINE, np.ones((3, 3, 2), np.float32), LINE, LINE),
    ),
    "a note", "mnist",
)  # fmt: skip


def test_an_outcome_comes_back_whole() -> None:
    back = unpacked(json.loads(json.dumps(packed(OUTCOME))))
    assert repr(back) == repr(OUTCOME)
    assert back.plots[3].pictures["f"].dtype == np.uint8
    assert back.plots[5].shares.dtype == np.float32


def test_numbers_of_numpy_and_torch_lose_no_digit() -> None:
    value = np.float32(0.1)
    assert unpacked(json.loads(json.dumps(packed([value, np.int64(3)])))) == [float(value), 3]
    assert unpacked(packed(torch.tensor([0.1]))).tobytes() == torch.tensor([0.1]).numpy().tobytes()
    with pytest.raises(AssertionError, match="Budget"):
        packed(Budget(1))


def test_the_longest_is_begun_first_and_results_are_in_the_order_of_the_book(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    class Told(Watcher):
        def stage(self, text: str) -> None:
            begun.append(text.partition(" ")[0])

    monkeypatch.setattr(measuring, "_places", lambda count: Here(lambda: lambda job: plain))
    plain = {"outcome": packed(OUTCOME), "seconds": 0.5}
    wanted = [replace(all_experiments()["4.1"], number=f"4.{k}", quick=Budget(seconds))
              for k, seconds in ((1, 10), (2, 30), (3, 20))]  # fmt: skip
    with measuring.measuring(wanted, full=False, workers=None, watch=Told()) as finish:
        found = finish()
    assert begun == ["4.2", "4.3", "4.1"]
    assert list(found) == ["4.1", "4.2", "4.3"]
    assert (found["4.2"].seconds, found["4.2"].allowed, found["4.2"].late) == (0.5, 30, False)


def test_an_experiment_computes_with_one_thread_in_every_library(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def measure(_: Budget) -> Outcome:
        seen.extend([torch.get_num_threads(), *(each["num_threads"] for each in threadpool_info())])
        return OUTCOME

    one = replace(all_experiments()["4.1"], measure=measure)
    monkeypatch.setattr(measuring, "all_experiments", lambda: {"4.1": one})
    with threadpool_limits(2):
        measuring.measured({"number": "4.1", "full": False})
    assert len(seen) > 1
    assert set(seen) == {1}


def test_what_ends_other_processes_is_measured_here(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lost(Here):
        def take(self) -> Done:
            key, _ = self._waiting.popleft()
            return Done(key, error=HubelError("2 processes ended"), given_up=True)

    monkeypatch.setattr(measuring, "_places", lambda count: Lost(lambda: lambda job: job))
    book = read(["1.3"])
    assert [each.verdict for each in book.claims] == ["confirmed", "confirmed"]


def test_few_seconds_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    monkeypatch.setattr(measuring, "cores", lambda: (8, 16))
    monkeypatch.setattr(measuring, "_places", lambda count: counts.append(count) or Here(lambda: lambda job: job))
    each: Experiment = all_experiments()["4.1"]
    for seconds, number, workers in ((1.0, 9, None), (25.0, 3, None), (100.0, 9, None), (100.0, 9, 2), (100.0, 1, 6)):
        wanted = [replace(each, number=f"4.{k}", quick=Budget(seconds)) for k in range(number)]
        with measuring.measuring(wanted, full=False, workers=workers, watch=Watcher()):
            pass
    assert counts == [0, 3, 4, 2, 1]


@pytest.mark.slow
def test_two_processes_give_the_bits_of_one() -> None:
    words = ["1.1", "3.7", "4.1", "5.2", "13.4"]
    one, two = (files_of(read(words, workers=workers)) for workers in (1, 2))
    told = [json.loads(files.pop("results.json")) for files in (one, two)]
    assert told[0]["claims"] == told[1]["claims"]
    assert {name: data for name, data in one.items() if name.startswith("figures/")} == {
        name: data for name, data in two.items() if name.startswith("figures/")
    }
