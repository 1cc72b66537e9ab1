"""`hubel runs` and `hubel compare`: what there is, what one is, which is better, and away with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hubel.cli import main


def typed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(map(str, words)))
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


@pytest.fixture
def shelf(digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two runs of the digits in `runs/`."""
    for name in ("one-1", "two-1"):
        shutil.copytree(digits_run, tmp_path / "runs" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def test_runs_alone_and_runs_ls_list_them(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone, listed = typed(capsys, "runs"), typed(capsys, "runs", "ls")
    assert alone == listed
    assert [line.split()[0] for line in alone[1].splitlines()] == ["run", "one-1", "two-1"]


def test_runs_show_tells_of_results_and_settings_in_eighty_columns(
    shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, _ = typed(capsys, "runs", "show", "one-1")
    assert code == 0
    assert "test accuracy" in text
    assert "optimizer=" in text
    assert max(map(len, text.splitlines())) <= 80
    assert json.loads(typed(capsys, "runs", "show", "one-1", "--json")[1])[0]["recipe"]["train"]["epochs"] > 0


def test_runs_with_names_compares_as_compare_does(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = typed(capsys, "runs", "one-1", "two-1"), typed(capsys, "compare", "one-1", "two-1")
    assert old == new
    assert "validation accuracy" in new[1]
    assert typed(capsys, "compare", "runs/*", "--out", "page.html")[0] == 0
    assert Path("page.html").read_text().startswith("<!doctype html>")
    code, _, said = typed(capsys, "compare", "one-1")
    assert (code, "got 1" in said) == (2, True)


def test_a_run_is_removed_when_it_is_meant(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = typed(capsys, "runs", "rm", "one-1")  # nobody is there to ask
    assert (code, "--yes" in said, (shelf / "one-1").is_dir()) == (2, True, True)
    assert typed(capsys, "runs", "rm", "one-1", "--yes")[0] == 0
    assert [path.name for path in shelf.iterdir()] == ["two-1"]


def test_only_runs_are_removed_and_all_or_none(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shelf / "one-1" / "thesis.tex").write_text("years of work")
    code, _, said = typed(capsys, "runs", "rm", "two-1", "one-1", "--yes")
    assert (code, "thesis.tex" in said) == (4, True)
    project = shelf / "project"
    project.mkdir()
    (project / "config.yaml").write_text("name: somebody's own project")
    assert typed(capsys, "runs", "rm", "project", "--yes")[0] == 4
    (shelf / "link").symlink_to(shelf / "two-1")
    assert typed(capsys, "runs", "rm", "link", "--yes")[0] == 4
    assert sorted(path.name for path in shelf.iterdir()) == ["link", "one-1", "project", "two-1"]
