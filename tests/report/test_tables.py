from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console, RenderableType

from hubel.evaluation import assess, assess_regression, compare
from hubel.report.tables import comparison_table, evaluation_table, rows_table
from hubel.types import Predictions

LABELS = np.arange(120) % 3


def printed(table: RenderableType, width: int = 80) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    return out.getvalue().splitlines()


def predictions(noise: float) -> Predictions:
    logits = 3 * np.eye(3)[LABELS] + noise * np.random.default_rng(0).normal(size=(120, 3))
    return Predictions(logits, LABELS, np.arange(120))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_an_evaluation_fits_the_terminal(width: int) -> None:
    names = ["[red]cat[/red]", "\x1b[2Jdog", "猫" * 60]
    lines = printed(evaluation_table(assess(predictions(3), names)), width)
    assert max(map(len, lines)) <= width
    assert any("[red]cat[/red]" in line for line in lines)
    assert not any("\x1b" in line for line in lines)


def test_the_numbers_on_screen_are_those_of_the_result() -> None:
    result = assess(predictions(2), ["a", "b", "c"])
    text = "\n".join(printed(evaluation_table(result)))
    assert f"{100 * result.top1:.2f} %" in text
    assert f"{100 * result.per_class.recall[1]:.1f} %" in text
    assert "of its class" in text


def test_a_regression_and_a_comparison_have_tables() -> None:
    targets = np.arange(9.0)
    assert "R²" in "\n".join(printed(evaluation_table(assess_regression(Predictions(targets, targets, np.arange(9))))))
    both = compare({"a": assess(predictions(1), ["a", "b", "c"]), "b": assess(predictions(5), ["a", "b", "c"])})
    text = "\n".join(printed(comparison_table(both)))
    assert "a is better than b" in text
    assert "log-loss" in text


def test_rows_become_columns_with_gaps_as_dashes() -> None:
    lines = printed(rows_table([{"run": "digits-1", "val_loss": 0.25, "epochs": 12}, {"run": "x", "val_loss": None}]))
    assert lines[0].split() == ["run", "val", "loss", "epochs"]
    assert lines[2].split() == ["digits-1", "0.25", "12"]
    assert lines[3].split() == ["x", "–", "–"]
    assert printed(rows_table([])) is not None
