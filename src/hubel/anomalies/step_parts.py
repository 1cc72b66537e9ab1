"""Normal steps, divided: which are learnt from, which are held out for the threshold, which look like no others.

Letters: F features, T steps, K columns of numbers, L steps of a window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hubel.anomalies.detecting import FENCE, MOST_SUSPICIOUS
from hubel.anomalies.flat import squared
from hubel.anomalies.step_data import ROWS, Steps
from hubel.metrics.surprise import stretches, windows_of

HELD = 0.3
"""Share of the normal steps that is held out for the threshold."""
SEVERAL = 8
"""Series from which on whole ones are held out, and not the end of each."""
LONELIER, LONELIEST = 1.5, 10.0
"""An odd window, and an odd row, is so many times farther from its neighbours than those are from theirs, at least:
numbers of single rows often have long tails by nature."""
BANK = 2_000
"""Windows that all others are compared with, evenly spread."""


@dataclass(frozen=True, kw_only=True)
class OddSteps:
    """Steps of a series of normal ones that look like no others."""

    series: str
    first: int
    """The line of the first in its table, or its number from 1."""
    last: int
    steps: int
    far: float
    """How many times farther its farthest window is from its neighbours than those are from theirs."""


def find_odd(steps: Steps, series: Sequence[np.ndarray], window: int) -> tuple[list[np.ndarray], tuple[OddSteps, ...]]:
    """(of each of `series` T K which steps are like others, T; what is not, the farthest first).

    A window is odd that is far lonelier than its k nearest neighbours are, and lies far out in that (Tukey's fence); k
    is large enough that windows which share a strange step do not hide each other. Odd steps are those all of whose
    windows are; a step in any odd window is not counted among those like others. None are where more than a tenth of
    all windows would be: those are a kind of their own.
    """
    views = [windows_of(one, window) for one in series if len(one) >= window]
    plain = [np.ones(len(one), dtype=bool) for one in series]
    count = sum(len(one) for one in views)
    if count < 5 * window:
        return plain, ()
    every = np.concatenate(views)
    far = _far(every, window)
    if far is None:  # most windows are copies of each other: any other stands out, which is no fault of its own
        return plain, ()
    away, lonely = far
    logs = np.log(np.maximum(away, 1e-9))
    lower, upper = np.quantile(logs, [0.25, 0.75])
    odd = (logs > upper + FENCE * (upper - lower)) & (lonely > (LONELIER if window > 1 else LONELIEST))
    if not odd.any() or odd.mean() > MOST_SUSPICIOUS:
        return plain, ()
    found: list[OddSteps] = []
    start = 0
    for row, one in enumerate(series):
        if len(one) < window:
            continue
        mine, alone = (each[start : start + len(one) - window + 1] for each in (odd, lonely))
        start += len(mine)
        held = np.convolve(mine, np.ones(window, dtype=int))
        plain[row] = held == 0
        whole = np.convolve(np.ones(len(mine), dtype=int), np.ones(window, dtype=int))
        for first, last in stretches(held == whole):
            nearby = alone[max(0, first - window) : last]
            lines = steps.lines[row]
            found.append(
                OddSteps(
                    series=steps.names[row], first=lines[first - 1], last=lines[last - 1], steps=last - first + 1,
                    far=float(nearby.max()),
                )
            )  # fmt: skip
    return plain, tuple(sorted(found, key=lambda each: -each.far))


def _far(windows: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Of each window (the distance to the k-th nearest of a bank, in usual ones; the same by that of its k neighbours
    themselves: 1 where it is as lonely as they are, the idea of the local outlier factor, Breunig et al. 2000). None
    where most are copies.

    Distances alone would call odd what lies at the thin ends of a cloud, where every normal row is far from others.
    """
    bank = windows[np.unique(np.linspace(0, len(windows) - 1, min(len(windows), BANK)).astype(int))]
    near = min(len(bank) - 1, max(5, len(bank) // 30, 2 * length if length > 1 else 0))

    def neighbours(some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        apart = squared(some, bank)
        nearest = np.argpartition(apart, near, axis=1)[:, : near + 1]
        return nearest, np.sqrt(np.take_along_axis(apart, nearest, axis=1).max(1))

    lonely = np.concatenate([neighbours(bank[start : start + 512])[1] for start in range(0, len(bank), 512)])
    usual = float(np.median(lonely))
    if usual <= 0:
        return None
    far, by_theirs = np.empty(len(windows)), np.empty(len(windows))
    for start in range(0, len(windows), 512):
        nearest, away = neighbours(windows[start : start + 512])
        far[start : start + 512] = away / usual
        by_theirs[start : start + 512] = away / np.maximum(np.median(lonely[nearest], axis=1), 1e-9 * usual)
    return far, by_theirs


def divide_steps(
    steps: Steps, plain: Sequence[np.ndarray], window: int, seed: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:  # fmt: skip
    """(pieces of series F T to learn from, pieces that are held out): whole series where there are several, else the
    end of each; of rows some by chance. Steps that are not `plain` are in neither, and no piece goes on behind one.
    """
    draw = np.random.default_rng(seed)
    if steps.kind == ROWS and window == 1:
        values = np.concatenate(steps.values, axis=1)[:, np.concatenate(plain)]
        mixed = draw.permutation(values.shape[1])
        count = round(HELD * len(mixed))
        return [values[:, np.sort(mixed[count:])]], [values[:, np.sort(mixed[:count])]] if count else []
    long = [k for k, one in enumerate(steps.values) if one.shape[1] > window]
    if len(long) >= SEVERAL:
        mixed = draw.permutation(long)
        count = max(2, round(HELD * len(long)))
        parts = [(k, 0, steps.values[k].shape[1], row < count) for row, k in enumerate(mixed)]
        parts.sort(key=lambda part: part[0])
    else:
        ends = {k: round((1 - HELD) * steps.values[k].shape[1]) for k in long}
        parts = [(k, 0, ends[k], False) for k in long]
        parts += [(k, ends[k], steps.values[k].shape[1], True) for k in long]
    fit: list[np.ndarray] = []
    held: list[np.ndarray] = []
    for k, start, end, aside in parts:
        for first, last in stretches(plain[k][start:end]):
            (held if aside else fit).append(steps.values[k][:, start + first - 1 : start + last])
    return fit, held
