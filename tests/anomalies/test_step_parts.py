"""Normal steps that are not: what looks like no others is named and not learnt from, and what it is worth is said."""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from tests.anomalies.test_steps import rhythm, written

import hubel
from hubel.anomalies.step_results import StepAnomalies
from hubel.anomalies.thresholds import rate_interval, threshold
from hubel.metrics.dependence import effective_count


def learnt(table: Path, **settings: object) -> StepAnomalies:
    found = hubel.anomaly(table, method="pca", verbose=False, device="cpu", **settings)  # type: ignore[arg-type]
    assert isinstance(found, StepAnomalies)
    return found


def test_a_pause_among_the_normal_steps_is_named_by_its_lines_and_not_learnt_from(tmp_path: Path) -> None:
    table = written(tmp_path / "normal.csv", rhythm(900, 0, range(300, 301)))
    found = learnt(table, columns={"time": "hour"}, out=tmp_path / "d")
    (odd,) = found.detector.odd
    assert (odd.first, odd.last, odd.steps) == (302, 307, 6)
    assert "6 steps among the normal ones look like no others and were not learnt from: lines 302 to 307." in (
        found.sentences
    )
    assert found.detector.learnt == 630 - 6 - 2 * 7  # nor from the windows that hold one of them
    assert found.to_dict()["suspicious"] == [vars(odd)]
    assert "lines 302 to 307" in (tmp_path / "d" / "anomaly.html").read_text()
    kept = learnt(table, columns={"time": "hour"}, out=tmp_path / "e", keep_suspicious=True)
    assert kept.detector.learnt == 630
    assert "were learnt from all the same" in kept.sentences[-1]


def test_nothing_is_odd_in_a_rhythm_nor_in_rows_of_which_some_lie_far_out_by_nature(tmp_path: Path) -> None:
    assert learnt(
        written(tmp_path / "n.csv", rhythm(900, 3)), columns={"time": "hour"}, out=tmp_path / "d"
    ).detector.odd == ()  # fmt: skip
    draw = np.random.default_rng(1)
    rows = [f"{a:.3f},{2 * a + b:.3f}" for a, b in zip(draw.normal(5, 1, 400), draw.normal(0, 0.1, 400), strict=True)]
    table = tmp_path / "parts.csv"
    table.write_text("\n".join(["length,width", *rows]) + "\n")
    assert learnt(table, out=tmp_path / "e").detector.odd == ()
    table.write_text("\n".join(["length,width", *rows, "5,90"]) + "\n")
    assert [(odd.first, odd.steps) for odd in learnt(table, out=tmp_path / "f").detector.odd] == [(402, 1)]


def walk(count: int, kept: float, draw: np.random.Generator) -> np.ndarray:
    """T: an autoregression of the first order with variance 1, each step of which keeps that share of the last."""
    found = draw.normal(size=count)
    for step in range(1, count):
        found[step] = kept * found[step - 1] + np.sqrt(1 - kept**2) * found[step]
    return found


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.8])
def test_steps_of_an_autoregression_are_worth_what_theory_says(kept: float) -> None:
    draw = np.random.default_rng(0)
    worth = effective_count([walk(1000, kept, draw) for _ in range(20)])
    theory = 20_000 * (1 - kept) / (1 + kept)
    assert 0.8 * theory < worth < 1.1 * theory


def test_the_interval_of_the_rate_holds_the_truth_where_that_of_independent_steps_does_not() -> None:
    draw, held, as_if = np.random.default_rng(0), 0, 0
    for _ in range(100):
        scores = walk(500, 0.8, draw)
        found = threshold(scores, 0.05)
        truth = 1 - NormalDist().cdf(found.score)
        low, high = rate_interval(found.rate, effective_count([scores]))
        held += low <= truth <= high
        as_if += found.interval[0] <= truth <= found.interval[1]
    assert held >= 93
    assert as_if < 80
