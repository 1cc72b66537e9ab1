"""The page of `hubel search`: who won, what nets cost, what mattered, how trials went, and all of them in a table."""

from __future__ import annotations

from collections.abc import Sequence

from hubel.errors import HubelError
from hubel.events import SCORES
from hubel.records.ledger import RunRecord
from hubel.report.drawings.search import draw_fronts, draw_importance, draw_progress, draw_trials
from hubel.report.page import page
from hubel.searching.axes import in_words
from hubel.searching.found import Search, Tried, gap_words, rows_of
from hubel.searching.hunt import score_words
from hubel.searching.importance import Importance
from hubel.searching.journal import REFUSED
from hubel.searching.nets.methods import PAPERS, Phase, phases
from hubel.words import amount, duration, percent, plural, short, span

PAGE = "search.html"


def render_search(found: Search) -> str:
    """The page as text, self-contained."""
    curves = {trial.number: curve_of(found, trial) for trial in found.trials if not trial.again}
    return page(
        "search.html.j2",
        title=f"The search of {found.data}" if not found.nets else f"Nets for {found.data}",
        found=found,
        tiles=_tiles(found),
        fronts=draw_fronts(found),
        curves=draw_trials(found, curves),
        importance=draw_importance(found.importance) if found.importance else None,
        mattered=[
            (each.setting, percent(each.share, 0), span(each.interval, 0), _luck(each), each.best)
            for each in found.importance
        ],
        finalists=_finalists(found),
        rows=_rows(found),
        refused=[(REFUSED.get(kind, kind), count) for kind, count in found.refused.items()],
        method=PAPERS.get(found.nets),
        progress=draw_progress(found) if found.nets else None,
        phases=[
            (each.name, str(each.nets), score_words(each.mean), score_words(each.best)) for each in phases_of(found)
        ],
        score_name=SCORES.get(found.score, "the loss"),
        has_time=any(trial.milliseconds is not None for trial in found.trials),
    )  # fmt: skip


def phases_of(found: Search) -> list[Phase]:
    """The parts of a search of nets, by which one sees whether it learns; [] of settings."""
    scored = [(t.origin, t.score) for t in found.trials if t.values and not t.again and t.score is not None]
    return phases(found.nets, scored) if found.nets else []


def curve_of(found: Search, trial: Tried) -> Sequence[float]:
    """What trials are compared by, of each epoch; () where the run's table cannot be read."""
    try:
        history = RunRecord(found.folder / trial.folder).history
    except HubelError:
        return ()
    return history.get(f"val_{found.score or 'loss'}") or ()


def _tiles(found: Search) -> list[tuple[str, str, str]]:
    """Name, value, note."""
    tried = [trial for trial in found.trials if not trial.again]
    tiles = []
    if found.finalists:
        winner = found.finalists[0]
        seeds = f"mean of {plural(len(winner.scores), 'seed')}" if len(winner.scores) > 1 else "one seed"
        inner = "" if winner.interval[0] != winner.interval[0] else f", 95 % interval {span(winner.interval)}"
        tiles.append((f"validation{named(found)}", score_words(winner.mean), seeds + inner))
        first = next(trial for trial in found.trials if trial.number == winner.trial)
        tiles.append(("parameters", f"{first.params:,}", f"{short(first.macs)} MACs, {amount(first.megabytes * 1e6)}"))
    tiles.append(("trials", f"{len(tried)}", f"{plural(found.epochs, 'epoch')} in all"))
    tiles.append(("time", duration(found.seconds), f"allowed: {found.budget}"))
    return tiles


def _finalists(found: Search) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for place, each in enumerate(found.finalists):
        values = in_words(each.values)
        scores = ", ".join(map(score_words, each.scores))
        beside = "–" if place == 0 else _difference(found, each.trial)
        rows.append((f"trial {each.trial}", values, score_words(each.mean), scores, beside))
    return rows


def _difference(found: Search, trial: int) -> str:
    one = next((each for each in found.beside if each.trial == trial), None)
    if one is None:
        return ""
    told = "luck is not known" if not one.known else "within noise" if one.is_noise else "not noise"
    return f"{told}: {gap_words(one, found.score, sign=-1)}"


def named(found: Search) -> str:
    """The score after a word, where it is no accuracy."""
    return "" if found.score == "accuracy" else f" {SCORES.get(found.score, 'loss')}"


def _luck(each: Importance) -> str:
    return f"p = {each.p:.2g}" + ("" if each.is_sure else ", may be luck")


def _rows(found: Search) -> list[list[tuple[object, str]]]:
    """Cells as (value to sort by, text)."""
    lines = []
    for trial in rows_of(found.trials):
        what = in_words(trial.values) + (f" (trial {trial.again} again, seed {trial.seed})" if trial.again else "")
        score = "–" if trial.score is None else score_words(trial.score)
        cells: list[tuple[object, str]] = [
            (trial.number, str(trial.number)), (trial.score if trial.score is not None else -1e9, score),
            (trial.epochs, str(trial.epochs)), (trial.params, f"{trial.params:,}"), (trial.macs, short(trial.macs)),
            (trial.megabytes, f"{trial.megabytes:.3g}"),
        ]  # fmt: skip
        if any(each.milliseconds is not None for each in found.trials):
            cells.append((trial.milliseconds or -1, "–" if trial.milliseconds is None else f"{trial.milliseconds:.3g}"))
        cells += [(trial.seconds, f"{trial.seconds:.1f}"), ("", what), ("", _status(trial)), ("", trial.origin)]
        lines.append(cells)
    return lines


def _status(trial: Tried) -> str:
    return f"{trial.status}: {trial.reason}" if trial.reason else trial.status
