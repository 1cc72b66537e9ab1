"""Where a run was told to go on otherwise: written down in its folder, and marks in the curves of its report."""

from __future__ import annotations

from pathlib import Path

from hubel.figures.curves import curves
from hubel.records.folder import altered
from hubel.report.pages.training import TrainingReport, figures, render
from hubel.store import RunStore

SEGMENTS = [
    {"epoch": 2, "step": 55, "steps": 22, "changed": {"lr": [0.1, 0.01]}},
    {"epoch": 4, "step": 88, "changed": {"epochs": [8, 16]}},
    {"epoch": 5, "step": 110, "steps": 22, "changed": {}},
]


def test_the_place_is_told_in_epochs_and_the_change_in_words(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    assert altered(store) == []
    store.write_json("segments.json", SEGMENTS)
    # The second was written by an earlier hubel, without the steps of an epoch; the third changed nothing.
    assert altered(store) == [(2.5, "lr 0.1 → 0.01"), (4.0, "epochs 8 → 16")]


def test_a_damaged_list_costs_the_marks_and_no_report(tmp_path: Path) -> None:
    (tmp_path / "segments.json").write_text("[{")
    assert altered(RunStore(tmp_path)) == []


def test_each_change_is_a_numbered_line_in_the_curves_and_a_line_of_the_list() -> None:
    history = [{"train_loss": 2.0 - epoch / 10, "val_loss": 2.1 - epoch / 10} for epoch in range(8)]
    plain = TrainingReport(title="digits-1", history=history)
    marked = TrainingReport(title="digits-1", history=history, altered=[(2.5, "lr 0.1 → 0.01"), (4.0, "epochs 8 → 16")])
    page = render(marked)
    assert "<li>after 2.5 epochs: lr 0.1 → 0.01</li><li>after 4 epochs: epochs 8 → 16</li>" in page
    assert "go on otherwise" not in render(plain)
    lines = [figures(report)["loss"].data.decode().count("line2d") for report in (plain, marked)]
    assert lines[1] - lines[0] == 2


def test_notes_stand_where_they_were_asked_for() -> None:
    drawn = [curves({"a": [1.0, 2.0, 3.0]}, title="t", notes=notes).data for notes in ((), (1.5,), (2.5,))]
    assert len(set(drawn)) == 3
