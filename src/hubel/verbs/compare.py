"""Compare: whether one run is better than another, from what their folders keep. Nothing is measured again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hubel.errors import ArtefactError, UsageError
from hubel.evaluation.comparison import Comparison, Graded, same_samples
from hubel.evaluation.comparison import compare as graded
from hubel.evaluation.spread import Difference
from hubel.records import side_by_side
from hubel.records.ledger import RunRecord, find_run
from hubel.report.pages.comparison import render_comparison
from hubel.store import RunStore
from hubel.verbs.series import Series, ratio_of, value_of
from hubel.words import percent


def weigh(names: Sequence[str | Path]) -> Comparison:
    """The test results of the runs side by side, with an exact test for each pair that saw the same samples.

    Raises ArtefactError for a run that does not exist or was not measured, UsageError for a mixture of tasks.
    """
    folders = [find_run(name) for name in names]
    return graded({title: read(folder) for title, folder in zip(side_by_side.named(folders), folders, strict=True)})


def read(folder: Path) -> Graded:
    """What a run named right; ArtefactError where it was not measured."""
    store = RunStore.open(folder)
    if not (store.exists("evaluation.json") and store.exists("predictions.csv")):
        raise ArtefactError(f"the run {folder} was never measured", hint=f"hubel evaluate {folder} --out {folder}")
    predictions = store.read_bytes("predictions.csv").decode("utf-8", errors="replace")
    return Graded.read(store.read_json("evaluation.json", limit=1 << 30), predictions)


def weigh_series(folders: Sequence[Path]) -> tuple[side_by_side.Comparison, Difference]:
    """Two series of one kind side by side, member by member, and the difference of their means.

    Members belong together that have the same fold or seed and were tested on the same samples. Raises UsageError for
    series of two kinds, of a curve, and where fewer than two members belong together.
    """
    both = [Series(folder) for folder in folders]
    kinds = [series.record.kind for series in both]
    if len(set(kinds)) > 1 or kinds[0] not in ("folds", "seeds"):
        raise UsageError(
            f"series of one kind are compared, folds or seeds, got {' and '.join(dict.fromkeys(kinds))}",
            hint="two runs of them: hubel compare SERIES/fold-1 SERIES/run-1",
        )
    members = [_members(series) for series in both]
    shared = [name for name in members[0] if name in members[1]]
    pairs = {name: (members[0][name], members[1][name]) for name in shared}
    alike = {name: pair for name, pair in pairs.items() if same_samples(*(read(run.folder) for run in pair))}
    valued = {name: (value_of(first), value_of(second)) for name, (first, second) in alike.items()}
    known = {name: (one, other) for name, (one, other) in valued.items() if one and other and one[0] == other[0]}
    metric = next((one[0] for one, _ in known.values()), "accuracy")
    titles = side_by_side.named(folders)
    used = [alike[name][0] for name in known]
    found = Difference.of(
        kinds[0], metric, (titles[0], titles[1]), {name: (one[1], other[1]) for name, (one, other) in known.items()},
        ratio_of(used) if kinds[0] == "folds" else 0.0,
    )  # fmt: skip
    return _table(titles, both, known, used[0].folder, alike[next(iter(known))][1].folder, metric), found


def _members(series: Series) -> dict[str, Any]:
    """What a member is called -> its run, of those that have finished."""
    places = series.record.runs()
    told = {
        place: " ".join(f"{name} {value}" for name, value in series.record.members[place].items()) for place in places
    }
    runs = dict(zip(sorted(places), series.runs, strict=True))
    return {told[place]: run for place, run in runs.items() if run.status == "finished"}


def _table(
    titles: tuple[str, ...], both: list[Series], known: dict[str, Any], first: Path, second: Path, metric: str
) -> side_by_side.Comparison:
    """What the two are, member by member, and the settings in which they differ."""

    def written(value: float) -> str:
        return percent(value) if metric == "accuracy" else f"{value:.4g}"

    lines = side_by_side.compare([str(first), str(second)]).lines
    own = ("status", "data", "model", "parameters", "epochs", "training time", "validation accuracy", "test accuracy")
    told = [line for line in lines if line[0] in ("data", "model", "parameters")]
    told += [(name, tuple(written(value) for _, value in pair)) for name, pair in known.items()]
    spreads = [series.spread for series in both]
    deviations = [f"{100 * s.deviation:.2f}" if metric == "accuracy" else f"{s.deviation:.3g}" for s in spreads]
    told += [("mean", tuple(written(s.mean) for s in spreads)), ("deviation", tuple(deviations))]
    told += [line for line in lines if line[0] not in own]
    return side_by_side.Comparison(titles, tuple(told))


def page(names: Sequence[str | Path], findings: Sequence[str] = ()) -> str:
    """All that can be said about the runs side by side, as one self-contained page; `findings` stand first."""
    result = weigh(names)
    histories = {title: RunRecord(find_run(name)).history for title, name in zip(result.names, names, strict=True)}
    facts = side_by_side.compare(list(map(str, names)))
    return render_comparison(result, histories=histories, settings=facts.lines, findings=findings)


def write_page(names: Sequence[str | Path], path: Path) -> None:
    """Write `page(names)` to `path`, whole or not at all; raises ArtefactError where that is not possible."""
    RunStore.open(path.parent).write_text(path.name, page(names))
