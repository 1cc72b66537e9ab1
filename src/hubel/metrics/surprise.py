"""Which steps of a series are strange: by how far the next step is from what a net foretold, beside simple methods.

    recurrent   the error of what was foretold, each column by the usual size of its errors
    pca         what the main directions of windows of WINDOW steps do not give back
    knn         the distance to the NEAR nearest windows of the training part
    average     how far a step is from the mean of the WINDOW steps before it

The threshold of each is an order statistic of its scores on the validation part, passed by RATE of normal steps;
scores are told so that 1 is the threshold. Steps that follow one another are alike, so that the rate is that of steps,
and alarms come in groups. Rows that do not follow one another are windows of one step: PCA and neighbours judge them.
Letters: T steps, K columns, W windows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

METHODS = ("recurrent", "pca", "knn", "average")
WINDOW = 8
"""Steps of a window."""
RATE = 0.01
"""Normal steps that pass the threshold."""
NEAR, BANK = 5, 1_000
"""Windows that are averaged over, and windows that are kept."""
KEPT = 0.9
"""Share of the variance that the main directions give back."""


def learn_surprise(
    train: Sequence[np.ndarray],
    val: Sequence[np.ndarray],
    told: Sequence[np.ndarray] | None,
    *,
    window: int = WINDOW,
    rate: float = RATE,
) -> dict[str, np.ndarray] | None:
    """What tells strange steps from usual ones, from series T K of the training part, and of the validation part with
    what was foretold after each of its steps (None where no net foretells). None where there are too few steps for the
    rate, or no series is as long as a window.

    >>> draw = np.random.default_rng(0)
    >>> some = [draw.normal(size=(200, 2)) for _ in range(4)]
    >>> found = learn_surprise(some[:2], some[2:], [np.zeros((200, 2))] * 2)
    >>> judged = surprises(found, some[3], np.zeros((200, 2)))
    >>> [round(float((judged[name] > 1).mean()), 2) <= 0.03 for name in METHODS]
    [True, True, True, True]
    """
    said = [np.full_like(one, np.nan) for one in val] if told is None else told
    errors = np.concatenate([then[:-1] - one[1:] for one, then in zip(val, said, strict=True)])
    windows = [windows_of(one, window) for one in train if len(one) >= window]
    steps = len(errors) if told is not None else sum(max(0, len(one) - window + 1) for one in val)
    if steps < fewest_steps(rate) or not windows:
        return None
    every = np.concatenate(windows)
    some = every[np.unique(np.linspace(0, len(every) - 1, min(len(every), 5 * BANK)).astype(int))]
    mean = some.mean(0)
    _, sizes, directions = np.linalg.svd(some - mean, full_matrices=False)
    share = np.cumsum(sizes**2) / max(float((sizes**2).sum()), 1e-12)
    count = min(int(np.searchsorted(share, KEPT)) + 1, max(1, len(sizes) - 1))
    spread = np.ones(errors.shape[1]) if told is None else np.sqrt(np.nanmean(np.square(errors), axis=0))
    found = {
        "spread": np.maximum(spread, 1e-6),
        "mean": mean,
        "directions": directions[:count],
        "bank": some[np.unique(np.linspace(0, len(some) - 1, min(len(some), BANK)).astype(int))],
        "limits": np.ones(len(METHODS)),
    }
    judged = [surprises(found, one, then) for one, then in zip(val, said, strict=True)]
    limits = [limit_of(np.concatenate([each[name] for each in judged]), rate) for name in METHODS]
    return {name: array.astype(np.float32) for name, array in (found | {"limits": np.array(limits)}).items()}


def fewest_steps(rate: float) -> int:
    """Validation steps that a rate of false alarms needs at least.

    >>> fewest_steps(0.01), fewest_steps(0.05)
    (99, 19)
    """
    return math.ceil(1 / rate - 1e-9) - 1


def surprises(known: Mapping[str, np.ndarray], series: np.ndarray, told: np.ndarray) -> dict[str, np.ndarray]:
    """T scores of a series T K by each of METHODS, in which 1 is the threshold; NaN where a step cannot be judged.

    `told` T K is what was foretold after each step, NaN where nothing was. Numbers that are not known are NaN, and
    count nowhere.
    """
    count, window = len(series), len(known["mean"]) // max(1, series.shape[1])
    found = {name: np.full(count, np.nan) for name in METHODS}
    parts = np.square((told[:-1] - series[1:]) / known["spread"])
    asked = np.isfinite(parts)
    sums, asked_of = np.where(asked, parts, 0).sum(1), asked.sum(1)
    found["recurrent"][1:] = np.where(asked_of > 0, np.sqrt(sums / np.maximum(asked_of, 1)), np.nan)
    if count >= window:
        windows = windows_of(series, window)
        away = windows - known["mean"]
        rest = away - away @ known["directions"].T @ known["directions"]
        found["pca"][window - 1 :] = np.sqrt(np.square(rest).mean(1))
        found["knn"][window - 1 :] = _nearest(windows, known["bank"])
    if count > window > 1:
        filled = np.nan_to_num(series)
        before = np.lib.stride_tricks.sliding_window_view(filled, window, axis=0)[:-1].mean(-1)
        found["average"][window:] = np.sqrt(np.square(filled[window:] - before).mean(1))
    return {name: found[name] / limit for name, limit in zip(METHODS, known["limits"].tolist(), strict=True)}


def windows_of(series: np.ndarray, length: int) -> np.ndarray:
    """W length·K: every window of a series T K; what is not known is the mean, 0.

    >>> windows_of(np.array([[1.0], [2.0], [np.nan]]), 2).tolist()
    [[1.0, 2.0], [2.0, 0.0]]
    """
    views = np.lib.stride_tricks.sliding_window_view(np.nan_to_num(series), length, axis=0)
    return views.reshape(len(views), -1).astype(np.float64)


def _nearest(windows: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """W: the mean distance to the nearest windows of a bank."""
    found = np.empty(len(windows))
    bank = bank.astype(np.float64)  # as they are kept their squares are too coarse for what is very near
    near = min(NEAR, len(bank))
    for start in range(0, len(windows), 512):
        some = windows[start : start + 512]
        apart = np.square(some).sum(1)[:, None] + np.square(bank).sum(1) - 2 * some @ bank.T
        found[start : start + 512] = np.sqrt(np.maximum(np.partition(apart, near - 1, axis=1)[:, :near], 0)).mean(1)
    return found / math.sqrt(windows.shape[1])


def limit_of(scores: np.ndarray, rate: float) -> float:
    """The smallest score that this share of new ones passes, by order statistics; above 0."""
    usual = np.sort(scores[np.isfinite(scores)])
    if not len(usual):
        return 1.0
    return max(float(usual[min(len(usual), math.ceil((len(usual) + 1) * (1 - rate) - 1e-9)) - 1]), 1e-9)


def stretches(strange: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) of each run of strange steps, counted from 1.

    >>> stretches(np.array([False, True, True, False, True]))
    [(2, 3), (5, 5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], strange.astype(int), [0]])))
    return [(int(first) + 1, int(after)) for first, after in edges.reshape(-1, 2)]
