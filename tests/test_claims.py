"""Lines that benchmarks printed become the rows of RESULTS.md; what people wrote around them stays."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
MACHINE = {"processor": "a processor", "cores": 2, "python": "3.11", "torch": "2.13", "numpy": "2.4"}


@pytest.fixture(scope="module")
def judge() -> ModuleType:
    """benchmarks/claims.py, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("claims", FOLDER / "claims.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["claims"] = module
    spec.loader.exec_module(module)
    return module


def printed(benchmark: str, run: str, *objects: dict[str, Any]) -> list[dict[str, Any]]:
    """Lines as `python -m benchmarks` keeps them."""
    begun = {"benchmark": benchmark, "run": run, "words": [], "machine": MACHINE}
    return [begun | {"printed": json.dumps(value)} for value in objects]


def peer(epochs: int, seconds: float, accuracy: float) -> dict[str, Any]:
    return {
        "side": "peer", "seed": 0, "device": "cpu", "images": 50_000, "epochs": epochs, "of": 8, "seconds": seconds,
        "seconds_views": 40.0, "epoch_seconds": [(seconds - 40) / epochs] * epochs, "accuracy_six_views": accuracy,
    }  # fmt: skip


def ours(seed: int, seconds: float, accuracy: float, **more: Any) -> dict[str, Any]:
    return {
        "side": "ours", "seed": seed, "device": "cpu", "settings": [], "seconds": seconds, "training": seconds - 20,
        "accuracy": accuracy, "one_view": accuracy - 0.005, **more,
    }  # fmt: skip


def test_a_race_is_judged_by_its_last_runs_and_by_the_mean_over_seeds(judge: ModuleType) -> None:
    lines = printed("airbench", "1", peer(8, 1240.0, 0.911), ours(0, 9999.0, 0.5))
    lines += printed("airbench", "2", ours(0, 600.0, 0.92), ours(1, 640.0, 0.93), ours(0, 1.0, 0.1, settings=["--lr"]))
    (claim,) = judge.claims(lines)
    assert claim.met is True
    assert claim.measured.startswith("0.50: 620 s (mean of 2 seeds, 600–640 s; training alone 600 s) to 92.50 %")


def test_a_peer_that_was_only_timed_keeps_the_accuracy_of_its_whole_run(judge: ModuleType) -> None:
    lines = printed("airbench", "1", peer(8, 1240.0, 0.915), ours(0, 600.0, 0.92)) + printed(
        "airbench", "2", peer(2, 240.0, 0.6)
    )
    (claim,) = judge.claims(lines)
    assert "0.71: 600 s" in claim.measured  # 8 epochs of 100 s and the views
    assert claim.measured.endswith("to 91.50 %")


def test_a_faster_run_that_falls_short_of_the_accuracy_has_missed(judge: ModuleType) -> None:
    (claim,) = judge.claims(printed("airbench", "1", peer(8, 1240.0, 0.911), ours(0, 300.0, 0.906)))
    assert claim.met is False
    assert claim.measured.startswith("**missed**: 0.50 points short")


def test_a_seed_that_never_gets_there_counts_as_endlessly_long(judge: ModuleType) -> None:
    rows = [
        {"side": "ours", "goal": 0.995, "seed": seed, "seconds": 30.0, "test": test}
        for seed, test in enumerate((0.9951, 0.9949, 0.9948))
    ]
    (claim,) = judge.claims(printed("mnist", "1", *rows))
    assert claim.met is False
    assert "1 of 3 get there" in claim.measured


def started(folder: str, start: str, test: float, **more: Any) -> dict[str, Any]:
    return {
        "folder": folder, "start": start, "seed": 0, "train_most": 200, "test_most": 200, "words": "", "time": "10m",
        "test": 200, "test_accuracy": test, "val_accuracy": test, "seconds": 30.0, **more,
    }  # fmt: skip


def test_what_hubel_chooses_is_held_against_the_better_start(judge: ModuleType) -> None:
    rows = [
        started(f"folder {number}", start, test)
        for number in range(12)
        for start, test in (("plain", 0.895), ("none", 0.7), ("lite0", 0.9))
    ]
    chosen, worth = judge.claims(printed("starts", "1", *rows))
    assert chosen.met is True
    assert chosen.measured.startswith("12 of 12 within a point; -0.5 points at worst")
    assert worth.measured.startswith("+20.0 points in the mean of 12, better on 12")
    worse = started("folder 3", "none", 0.95)  # a later run of one folder; the others stand
    chosen, worth = judge.claims(printed("starts", "1", *rows) + printed("starts", "2", worse))
    assert chosen.met is False
    assert chosen.measured.startswith("**missed**: 11 of 12 within a point; -5.5 points at worst (folder 3)")
    assert "folder 3 -5.0" in worth.measured


def test_too_few_folders_settle_nothing_and_other_sizes_are_not_mixed_in(judge: ModuleType) -> None:
    rows = [started("trash", start, test) for start, test in (("plain", 0.9), ("none", 0.7), ("lite0", 0.9))]
    other = started("x-rays", "none", 0.1, train_most=9), started("x-rays", "lite0", 0.2, train_most=9)
    chosen, worth = judge.claims(printed("starts", "1", *other, *rows))
    assert chosen.met is None
    assert "x-rays" not in worth.measured


def test_thaws_are_compared_where_all_were_tried(judge: ModuleType) -> None:
    rows = [started("trash", "head", 0.8), started("trash", "all", 0.9, val_accuracy=0.7)]
    (claim,) = judge.claims(printed("starts", "1", *rows, started("x-rays", "head", 0.1)))
    assert claim.measured == "mean of 1: head 80.0 (80.0), all 70.0 (90.0)"


def test_timm_beside_must_be_beaten_on_six_of_eight(judge: ModuleType) -> None:
    def rows(won: int) -> list[dict[str, Any]]:
        return [
            started(f"folder {number}", start, test, seconds=seconds)
            for number in range(8)
            for start, test, seconds in (("plain", 0.9, 30.0), ("timm", 0.85 if number < won else 0.91, 600.0))
        ]

    (claim,) = judge.claims(printed("starts", "1", *rows(6)))
    assert claim.met is True
    assert claim.measured.startswith("+3.5 points in the mean, better on 6 of 8, 20 times sooner (median)")
    (claim,) = judge.claims(printed("starts", "1", *rows(5)))
    assert claim.met is False


def test_rows_are_replaced_in_place_and_all_other_words_stay(judge: ModuleType) -> None:
    page = (
        "# Results\n\nWords.\n\n## Speed\n\n| claim | target | measured | command |\n| --- | --- | --- | --- |\n"
        "| old | 1 | 2 | `a` |\n| other | 1 | 2 | `b` |\n\nWhy.\n\n## Safety\n\nMore words.\n"
    )
    found = [
        judge.Claim(section="Speed", name="old", target="1", measured="0.5", command="`c`"),
        judge.Claim(section="Speed", name="new", target="1", measured="0.7", command="`d`"),
        judge.Claim(section="Safety", name="safe", target="1", measured="0.9", command="`e`"),
    ]
    after = judge.rewritten(page, found)
    assert after == judge.rewritten(after, found)
    assert "| old | 1 | 0.5 | `c` |\n| other | 1 | 2 | `b` |\n| new | 1 | 0.7 | `d` |\n\nWhy.\n" in after
    assert "## Safety\n\n| claim |" in after
    assert after.endswith("| safe | 1 | 0.9 | `e` |\n\nMore words.\n")


def test_the_machine_and_the_hour_of_each_benchmark_stand_below(judge: ModuleType) -> None:
    lines = printed("peak", "2026-11-21T05:20:00", {})
    page = judge.rewritten("# Results\n", [], judge.machines(lines))
    assert "| peak | 2026-11-21 05:20:00 | a processor | 2 | 3.11 | 2.13 | 2.4 |" in page


def test_every_registered_benchmark_has_a_script() -> None:
    text = (FOLDER / "__main__.py").read_text()
    names = re.findall(r'^    "(\w+)": \[', text, re.MULTILINE)
    assert len(names) > 10
    assert [name for name in names if not (FOLDER / f"{name}.py").exists()] == []
