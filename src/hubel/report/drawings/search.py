"""Trials of a search, drawn: score against what a net costs, learning curves, what mattered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate

from hubel.figures.bars import estimates
from hubel.figures.curves import curves
from hubel.figures.front import cost_front
from hubel.figures.many import many_curves
from hubel.figures.theme import Figure
from hubel.metrics.intervals import Interval, wilson
from hubel.searching.found import Search, Tried
from hubel.searching.importance import Importance
from hubel.searching.standing import front

COSTS = (
    ("params", "parameters", "by parameters"), ("macs", "MACs a picture", "by multiply-accumulates"),
    ("megabytes", "megabytes", "by size"), ("milliseconds", "milliseconds a picture here", "by time"),
)  # fmt: skip


def draw_fronts(found: Search) -> list[Figure]:
    """Score against each cost that is known of all nets and differs between them."""
    there = [trial for trial in found.trials if trial.score is not None and not trial.again]
    figures = []
    for name, x_label, title in COSTS:
        costs = [getattr(trial, name) for trial in there]
        if len(there) < 2 or any(cost is None for cost in costs) or len(set(costs)) < 2 or min(costs) <= 0:
            continue
        scores = [float(trial.score or 0.0) for trial in there]
        is_share = min(scores) >= 0
        shown = scores if is_share else [-score for score in scores]
        spans: list[Interval] = [(math.nan, math.nan)] * len(there)
        if found.score == "accuracy" and found.samples:
            spans = [wilson(round(score * found.samples), found.samples) for score in scores]
        best = [
            place for place, trial in enumerate(there) if found.finalists and trial.number == found.finalists[0].trial
        ]
        figures.append(
            cost_front(
                costs, shown, spans, front(costs, scores), title=f"Validation {title}", x_label=x_label,
                share=is_share, winner=best[0] if best else None,
            )
        )  # fmt: skip
    return figures


def draw_trials(found: Search, histories: Mapping[int, Sequence[float]]) -> Figure | None:
    """The learning curves of all trials, by number; the winner's and the defaults' named."""
    if not any(len(values) for values in histories.values()):
        return None
    winner = found.finalists[0].trial if found.finalists else 0
    named = {}
    for trial in found.trials:
        if trial.number in histories and not trial.again and len(histories[trial.number]):
            if trial.number == winner:
                named["the winner" if trial.values else "the defaults, which won"] = histories[trial.number]
            elif not trial.values:
                named["the defaults"] = histories[trial.number]
    kept = {id(values) for values in named.values()}
    rest = [values for values in histories.values() if len(values) and id(values) not in kept]
    share = all(value >= 0 for values in histories.values() for value in values) and _is_share(found.trials)
    return many_curves(rest, named, title="Validation, epoch by epoch", share=share)


def _is_share(trials: Sequence[Tried]) -> bool:
    return all(trial.score is None or trial.score >= 0 for trial in trials)


def draw_progress(found: Search) -> Figure | None:
    """The score of each net in the order in which they were tried, and the best so far."""
    scores = [trial.score for trial in found.trials if trial.values and not trial.again and trial.score is not None]
    if len(scores) < 2:
        return None
    series = {"each net": scores, "the best so far": list(accumulate(scores, max))}
    share = min(scores) >= 0
    return curves(series, title="Net after net", x_label="net", share=share, width=460)


def draw_importance(found: Sequence[Importance]) -> Figure:
    """The share of the scores' variance that each setting explains, with its interval."""
    return estimates(
        [each.setting for each in found], [each.share for each in found], [each.interval for each in found],
        title="Share of differences explained", share=True,
    )  # fmt: skip
