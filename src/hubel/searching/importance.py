"""Which settings mattered, and how sure is that? Each by itself, on the rung that most trials reached.

ε² of a setting is the share of the scores' variance that its values explain, less what as many groups would explain by
luck (Kelley 1935): with N trials in G groups, SS the sums of squares,

    ε² = (SS_between - (G - 1) SS_within / (N - G)) / SS_total

Ranges are cut into groups of equal size. What two settings do only together is not seen. The interval is the middle
90 % of 300 bootstraps over trials, which are too bold where trials are few; p is how often scores dealt out at random
explain as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubel.searching.axes import Axis, Space, shown_value
from hubel.searching.journal import Trial

FEWEST = 8
"""Trials below which nothing is said."""
DRAWS = 300


@dataclass(frozen=True, kw_only=True)
class Importance:
    """How much one setting mattered."""

    setting: str
    share: float
    """ε², 0 to 1."""
    interval: tuple[float, float]
    p: float
    """How often scores dealt out at random explain as much."""
    best: str
    """The value, or the part of the range, with the best scores in the mean."""

    @property
    def is_sure(self) -> bool:
        """Would luck explain as much in fewer than one of twenty cases?"""
        return self.p < 0.05


def importances(space: Space, trials: Sequence[Trial], rung: int, seed: int = 0) -> tuple[Importance, ...]:
    """Of each setting, the most important first; () where too few trials reached the rung."""
    scored = [(trial, score) for trial in trials if trial.values and (score := trial.at(rung)) is not None]
    if len(scored) < FEWEST:
        return ()
    found = []
    random = np.random.default_rng(seed)
    for axis in space.axes:
        there = [(trial.values[axis.name], score) for trial, score in scored if axis.name in trial.values]
        if len(there) < FEWEST:
            continue
        groups, names = grouped(axis, [value for value, _ in there])
        scores = np.array([score for _, score in there])
        drawn = random.integers(0, len(scores), (DRAWS, len(scores)))
        shares = np.array([epsilon_squared(groups[rows], scores[rows]) for rows in drawn])
        share = epsilon_squared(groups, scores)
        lucky = [epsilon_squared(groups, random.permutation(scores)) for _ in range(DRAWS)]
        low, high = np.quantile(shares, [0.05, 0.95])
        means = {group: scores[groups == group].mean() for group in np.unique(groups)}
        found.append(
            Importance(
                setting=axis.name, share=max(0.0, share), p=(1 + sum(luck >= share for luck in lucky)) / (1 + DRAWS),
                interval=(max(0.0, float(low)), max(0.0, float(high))), best=names[max(means, key=lambda g: means[g])],
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda each: -each.share))


def grouped(axis: Axis, values: Sequence[Any]) -> tuple[np.ndarray, list[str]]:
    """The group of each value, N, and the names of the groups.

    >>> grouped(Axis(name="lr", low=1e-4, high=0.1, log=True), [1e-4, 2e-4, 1e-2, 5e-2] * 3)[1]
    ['0.0001 to 0.0002', '0.01 to 0.05']
    """
    if axis.choices:
        frozen = [tuple(value) if isinstance(value, list) else value for value in values]
        there = [choice for choice in axis.choices if choice in frozen]
        return np.array([there.index(value) for value in frozen]), [shown_value(choice) for choice in there]
    numbers = np.array(values, dtype=np.float64)
    many = int(np.clip(len(numbers) // 6, 2, 5))
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, many + 1)[1:-1]))
    groups = np.searchsorted(edges, numbers, side="left")
    present = np.unique(groups)
    names = [f"{numbers[groups == g].min():.3g} to {numbers[groups == g].max():.3g}" for g in present]
    return np.searchsorted(present, groups), names


def epsilon_squared(groups: np.ndarray, scores: np.ndarray) -> float:
    """Share of the variance that the groups explain beyond luck; may be a little below 0.

    >>> epsilon_squared(np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 2.0, 2.0]))
    1.0
    """
    total = float(np.square(scores - scores.mean()).sum())
    kinds = np.unique(groups)
    if total <= 0 or len(kinds) < 2 or len(scores) <= len(kinds):
        return 0.0
    within = sum(float(np.square(scores[groups == k] - scores[groups == k].mean()).sum()) for k in kinds)
    return (total - within - (len(kinds) - 1) * within / (len(scores) - len(kinds))) / total
