"""Compare: whether one run is better than another, from what their folders keep. Nothing is measured again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hubel.diagnosis.edited import graded_of
from hubel.errors import ArtefactError
from hubel.evaluation.comparison import Comparison, same_samples
from hubel.evaluation.comparison import compare as graded
from hubel.evaluation.graded import Graded
from hubel.evaluation.spread import Difference
from hubel.records import side_by_side
from hubel.records.ledger import RunRecord, find_run
from hubel.records.series import ratio_of, read_series
from hubel.report.pages.comparison import render_comparison
from hubel.store import RunStore


def weigh(names: Sequence[str | Path]) -> Comparison:
    """The test results of the runs side by side, with a test of each pair that saw the same samples.

    Raises ArtefactError for a run that does not exist or was not measured, UsageError for a mixture of tasks.
    """
    folders = [find_run(name) for name in names]
    return graded({title: _read(folder) for title, folder in zip(side_by_side.named(folders), folders, strict=True)})


def _read(folder: Path) -> Graded:
    """What a run answered; ArtefactError where it was not measured."""
    found = graded_of(folder)
    if found is None:
        raise ArtefactError(f"the run {folder} was never measured", hint=f"hubel evaluate {folder} --out {folder}")
    return found


def weigh_series(folders: Sequence[Path]) -> tuple[side_by_side.Comparison, Difference]:
    """Two series of one kind side by side, member by member, and the difference of their means.

    Members belong together that have the same fold or seed and were tested on the same samples. Raises UsageError for
    series of two kinds, of a curve, and where fewer than two members belong together.
    """
    kind, both = side_by_side.members(*map(read_series, folders))
    pairs = {name: pair for name, pair in both.items() if tested_alike(*(run.folder for run in pair))}
    first, second = side_by_side.named(folders)
    beside, metric, values = side_by_side.compare_members((first, second), pairs)
    ratio = ratio_of([pair[0].folder for pair in pairs.values()]) if kind == "folds" else 0.0
    return beside, Difference.of(kind, metric, (first, second), values, ratio)


def tested_alike(one: Path, other: Path) -> bool:
    """Were both measured on the same samples, with the same true answers?"""
    store = RunStore.open(one)
    if not store.exists("evaluation.json") or "task" not in store.read_json("evaluation.json", limit=1 << 30):
        return same_samples(_read(one), _read(other))
    parts = [RunStore.open(folder).read_json("split.json", limit=1 << 30) for folder in (one, other)]
    return all(parts[0][name] == parts[1][name] for name in ("manifest_digest", "test"))


def page(names: Sequence[str | Path], findings: Sequence[str] = ()) -> str:
    """All that can be said about the runs side by side, as one self-contained page; `findings` stand first."""
    result = weigh(names)
    histories = {title: RunRecord(find_run(name)).history for title, name in zip(result.names, names, strict=True)}
    facts = side_by_side.compare(list(map(str, names)))
    return render_comparison(result, histories=histories, settings=facts.lines, findings=findings)
