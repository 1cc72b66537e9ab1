"""Search: settings and nets tried within a budget, the best of them trained, measured and reported."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from hubel.assembly.requests import layered
from hubel.assembly.together import computing
from hubel.data.splits import NAMES
from hubel.errors import UsageError
from hubel.faces.progress import shows_progress
from hubel.recipes.schema import compose
from hubel.records.ledger import RunRecord
from hubel.records.searches import find_search
from hubel.report.pages.search import PAGE, render_search
from hubel.searching.asking import Ask, budget_of, check_nets, fixed_settings, joined, limits_of, refuse_anew
from hubel.searching.found import LAYERS, NAME, Search, conclude_search, read_search
from hubel.searching.hunt import Hunt
from hubel.searching.running import data_of
from hubel.searching.sitting import begin_search, read_words, take_up_search, usual_text
from hubel.searching.standing import Standing, stand
from hubel.store import RunStore
from hubel.verbs.conclude import conclude
from hubel.watching import SILENT, Watcher

__all__ = ["Search", "read_search", "search", "usual_text"]


@shows_progress
def search(
    data: str | Path | None = None,
    *,
    time: float | str | None = None,
    trials: int | None = None,
    epochs: int | None = None,
    space: Sequence[str] | Mapping[str, Any] | str | None = None,
    max_params: float | None = None,
    max_macs: float | None = None,
    max_mb: float | None = None,
    max_ms: float | None = None,
    engine: str = "random",
    nets: str = "",
    cells: bool = False,
    trial_epochs: int | None = None,
    seed: int = 0,
    on: str = "here",
    resume: str | PathLike[str] | None = None,
    config: str | Path | None = None,
    out: str | Path = "search",
    name: str | None = None,
    since: float | None = None,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
    **settings: Any,
) -> Search:
    """Try settings and nets within a budget; the result names the best, whose run is trained and measured.

    The budget is `time` (seconds, or "20m"), `trials` or `epochs` (of all trainings together); limits on the net are
    counted before anything is trained. `space` is {"lr": "1e-4..1e-1:log", "model": ["resnet20", "mobilenet_v2"]}, the
    same in words, or a YAML file; None searches around what `train` would choose. `trial_epochs`: those of a whole
    training. `nets` searches architectures instead: "random", "evolution", "hierarchical", "reinforce", "q-learning",
    "progressive", "morphism", "enas" or "smash", over lists of layers or, with `cells`, over cells. `settings` are the
    same for all trials. `on`: where trials are trained, "here", "local" (a cluster of Ray started here),
    "ray://HOST:PORT" or "HOST:PORT" (extra `cluster`): several at once then, each with as many cores as the setting
    `threads` says, or a GPU. `resume` goes on with a search, with more of the budget if given. `since`: of
    `time.perf_counter`, when the time began.

    Raises UsageError, DataError, ArtefactError, SaveFailed; Stopped when a signal asked for the end.
    """
    since = clock.perf_counter() if since is None else since
    allowed = budget_of(time, trials, epochs)
    if resume is not None:
        refuse_anew(
            data=data, space=space, max_params=max_params, max_macs=max_macs, max_mb=max_mb, max_ms=max_ms, nets=nets,
            cells=cells, engine=engine, trial_epochs=trial_epochs, seed=seed, config=config, out=out, name=name,
            **settings,
        )  # fmt: skip
        folder = find_search(fspath(resume))
        with computing(compose({"data": "digits"})):
            return _run(take_up_search(folder, allowed, since=since, watch=watch, on=on), watch)
    limits = limits_of(max_params, max_macs, max_mb, max_ms)
    check_nets(nets, cells=cells, engine=engine)
    asked = settings | ({"epochs": trial_epochs} if trial_epochs else {}) | ({"seed": seed} if seed else {})
    layers = layered(data, config, asked)
    if not layers.get("data"):
        raise UsageError("a data source is needed", hint="hubel search digits --time 5m, or hubel search photos/")
    given = fixed_settings(layers)
    ask = Ask(given=given, limits=limits, budget=allowed, engine=engine, seed=seed, nets=nets, cells=cells)
    with computing(compose(given)), joined(on, compose(given)):
        hunt = begin_search(
            ask, read_words(space, nets, cells=cells), out=fspath(out), name=name, since=since, watch=watch, on=on
        )
        return _run(hunt, watch)


def _run(hunt: Hunt, watch: Watcher) -> Search:
    with hunt.store.lock():
        hunt.run()
        standing = stand(hunt.journal, hunt.workshop, hunt.store.folder)
        test = "" if standing is None else _measure(hunt, standing, watch)
        watch.stage("writing the report of the search")
        hunt.journal.write("told", spent=hunt.clock.spent)
        found = conclude_search(
            hunt.store.folder, hunt.ask, hunt.journal, standing, status="finished", test=test,
            seconds=hunt.clock.spent, sight=hunt.workshop.sight,
        )  # fmt: skip
        if found.layers:
            hunt.store.write_text(LAYERS, found.layers)
        hunt.store.write_json(NAME, found.to_dict(), limit=1 << 28)
        hunt.store.write_text(PAGE, render_search(found))
    watch.done()
    return found


def _measure(hunt: Hunt, standing: Standing, watch: Watcher) -> str:
    """The winner's run on the test split, once; what it says."""
    winner = hunt.store.folder / standing.winner.folders[0]
    record = RunRecord(winner)
    if "epochs" not in record.summary:
        watch.remark(f"{winner} was not trained to its end: nothing was tested")
        return ""
    if "test" not in record.summary:
        store = RunStore.open(winner)
        watch.stage("measuring the winner")
        conclude(
            store, data_of(hunt.workshop, store), {k: v for k, v in record.summary.items() if k not in NAMES}, watch
        )
        record = RunRecord(winner)
    return str(record.summary.get("test", {}).get("sentence", ""))
