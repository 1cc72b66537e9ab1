"""Compare: whether one run is better than another, from what their folders keep. Nothing is measured again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hubel.errors import ArtefactError
from hubel.evaluation.comparison import Comparison, Graded
from hubel.evaluation.comparison import compare as graded
from hubel.records.ledger import RunRecord, find_run
from hubel.records.side_by_side import compare, named
from hubel.report.pages.comparison import render_comparison
from hubel.store import RunStore


def weigh(names: Sequence[str | Path]) -> Comparison:
    """The test results of the runs side by side, with an exact test for each pair that saw the same samples.

    Raises ArtefactError for a run that does not exist or was not measured, UsageError for a mixture of tasks.
    """
    found: dict[str, Graded] = {}
    folders = [find_run(name) for name in names]
    for title, folder in zip(named(folders), folders, strict=True):
        store = RunStore.open(folder)
        if not (store.exists("evaluation.json") and store.exists("predictions.csv")):
            raise ArtefactError(f"the run {folder} was never measured", hint=f"hubel evaluate {folder} --out {folder}")
        predictions = store.read_bytes("predictions.csv").decode("utf-8", errors="replace")
        found[title] = Graded.read(store.read_json("evaluation.json", limit=1 << 30), predictions)
    return graded(found)


def page(names: Sequence[str | Path]) -> str:
    """All that can be said about the runs side by side, as one self-contained page."""
    result = weigh(names)
    histories = {title: RunRecord(find_run(name)).history for title, name in zip(result.names, names, strict=True)}
    facts = compare(list(map(str, names)))
    return render_comparison(result, histories=histories, settings=facts.lines)


def write_page(names: Sequence[str | Path], path: Path) -> None:
    """Write `page(names)` to `path`, whole or not at all; raises ArtefactError where that is not possible."""
    RunStore.open(path.parent).write_text(path.name, page(names))
