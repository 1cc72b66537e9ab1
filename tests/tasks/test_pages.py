"""Every task has a page of its own, which shows what the script that makes its runs has run."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from hubel.tasks import TASKS

ROOT = Path(__file__).parents[2]
PAGES = [*(f"task-{name}" for name in TASKS.names()), "task-signals", "anomaly", "baselines"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_on_a_task_has_a_run_its_report_its_troubles_and_its_limits(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert any(head.startswith("A run") for head in heads)
    assert {"What the report shows", "When it goes wrong", "Limits"} <= set(heads)
    assert re.search(r"^hubel \w+ ", text.partition("<!-- run: ")[0], re.MULTILINE), "the command comes first"
    assert f"({page}.md)" in (ROOT / "docs" / "tasks.md").read_text(), "the overview leads to it"


def test_the_pages_show_the_runs_of_the_script_that_makes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ROOT / "benchmarks"
    monkeypatch.syspath_prepend(folder)
    for name in ("tasks", "heard"):  # the script's neighbours, and no module of these tests
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, name)
    script = importlib.util.spec_from_file_location("task_pages", folder / "task_pages.py")
    assert script is not None
    assert script.loader is not None
    task_pages = importlib.util.module_from_spec(script)
    monkeypatch.setitem(sys.modules, "task_pages", task_pages)
    script.loader.exec_module(task_pages)
    assert not task_pages.lacking()
    assert {run.page for run in task_pages.RUNS.values()} == set(PAGES)
    epochs = [f"epoch {k}/9" for k in range(1, 10)]
    assert task_pages.shortened(["data", *epochs, "test"]) == ["data", *epochs[:2], "…", *epochs[-2:], "test"]
