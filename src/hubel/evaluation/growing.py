"""What more pictures would bring: accuracy against their number, a power law with an offset, and how sure it is.

    error(n) = c + a n^-b          n pictures to learn from, c what no number of them mends

(Hestness et al., arXiv:1712.00409; Rosenfeld et al., arXiv:1909.12673.) Four sizes do not fix three numbers, so that
one fitted line would be far too sure of itself. Each of many draws takes other test pictures and other trainings
(bootstrap), and other guesses at b and c, to which the fit is held as far as the points leave them open: what the draws
say of twice as many pictures is the interval.

Letters: M members (a size and a seed each), N test pictures, U kinds of them, S sizes, K classes, D draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubel.metrics.intervals import Interval, percentiles
from hubel.views import Viewed
from hubel.words import percent, plain, plural, span

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
"""Of the training pictures."""
DRAWS = 1000
LEVEL = 0.9
SLOPE, SLOPE_SPREAD = math.log(0.5), 0.5
"""Guess at log b and its deviation: 0.3 to 0.8 are usual for pictures (arXiv:1712.00409, figure 5)."""
MISFIT = 0.05
"""How far errors lie off a power law, as a share of themselves, for each doubling away from all pictures."""
FEWEST_TESTED, FEWEST_OF_CLASS, WIDEST = 30, 2, 0.25
"""Below so many test pictures, or pictures of a class in the smallest part, and above so wide an interval, it cannot be
told."""
SHRINK = 5.0
"""Test pictures of the usual error that each class is taken to have beside its own."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What more pictures of one class would bring."""

    name: str
    count: int
    """Training pictures that it has."""
    accuracy: tuple[float, ...]
    """Share of its test pictures that is named right, at each size; NaN where it has none."""
    gain: float
    """Accuracy over all classes that `Curve.more` further pictures of it are expected to bring."""
    interval: Interval
    """90 %."""
    first: float
    """Share of the draws in which no other class would bring more."""


@dataclass(frozen=True, kw_only=True)
class Curve(Viewed):
    """Accuracy against the number of training pictures, and what it says of twice as many."""

    data: str
    folder: str
    """Where the runs are; "" where none was needed to see that it cannot be told."""
    tested: int
    sizes: tuple[int, ...]
    """Training pictures, rising."""
    accuracies: tuple[tuple[float, ...], ...]
    """For each size, one a seed."""
    fitted: tuple[float, float, float]
    """a, b, c of the median draw; NaN where nothing was fitted."""
    now: float
    """Accuracy with all pictures, the mean over the seeds."""
    twice: float
    """The same with twice as many, as predicted."""
    interval: Interval
    """90 % of it."""
    more: int
    """Pictures of a class by which classes are compared."""
    classes: tuple[Gain, ...]
    """The most to be gained first."""
    doubts: tuple[str, ...]
    """Why it cannot be told; () where it can."""
    mean_aps: tuple[tuple[float, ...], ...] = ()
    """Where pictures have several labels, and right is what has all of them right: for each size mAP, one a seed."""

    @property
    def several(self) -> bool:
        """May pictures have several labels?"""
        return bool(self.mean_aps)

    @property
    def sentence(self) -> str:
        """The answer in words."""
        count = plural(self.sizes[-1], "picture") if self.sizes else "no picture"
        if self.doubts:
            now = "" if math.isnan(self.now) else f" It names {percent(self.now)} correctly now."
            if self.several:
                now = f" All labels of {percent(self.now)} are right now."
            return f"From {count} it cannot be told what more would bring: {'; '.join(self.doubts)}.{now}"
        no_gain = ", which may be no gain at all" if self.interval[0] <= self.now else ""
        if self.several:
            return (
                f"With {count} to learn from all labels of {percent(self.now)} are right (mAP "
                f"{percent(float(np.mean(self.mean_aps[-1])))}); twice as many would bring it to "
                f"{percent(self.twice)} (90 % interval {span(self.interval)}{no_gain})."
            )
        return (
            f"With {count} to learn from it names {percent(self.now)} correctly; twice as many would bring it to "
            f"{percent(self.twice)} (90 % interval {span(self.interval)}{no_gain})."
        )

    @property
    def advice(self) -> str:
        """Which class to collect first, in words; "" where nothing can be told."""
        if self.doubts or not self.classes:
            return ""
        best = self.classes[0]
        if best.first < 0.5 or best.interval[0] <= 0:
            return "No class stands out: collect of all of them."
        low, high = (100 * end for end in best.interval)
        return (
            f"Collect {self.more:,} more of {best.name} first: {100 * best.gain:.2f} points of accuracy "
            f"(90 % interval {low:.2f} to {high:.2f})."
        )

    def facts(self) -> dict[str, str]:
        """Name -> value, as they are shown."""
        found = {"curve": self.sentence}
        if self.advice:
            found["first"] = self.advice
        for size, values in zip(self.sizes, self.accuracies, strict=False):
            spread = f"  {', '.join(percent(value) for value in values)}" if len(values) > 1 else ""
            found[f"{size:,}"] = f"{percent(float(np.mean(values)))}{spread}"
        for size, ranked in zip(self.sizes, self.mean_aps, strict=False):
            found[f"{size:,}"] += f"  mAP {percent(float(np.mean(ranked)))}"
        return found | ({"runs": self.folder} if self.folder else {})

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return dict(plain(self)) | {"sentence": self.sentence, "advice": self.advice}


def doubts_before(
    train: np.ndarray, tested: int, classes: Sequence[str], shares: Sequence[float] = SHARES
) -> list[str]:
    """Why a curve over parts of the training labels (N, or N K of 0 and 1) could tell nothing; [] where it may.

    >>> doubts_before(np.array([0, 0, 0, 1, 1, 1]), 40, ["oak", "elm"])
    ["the smallest part, 1/8, would hold fewer than 2 pictures of 'oak', which has 3"]
    """
    found = []
    if tested < FEWEST_TESTED:
        found.append(f"the test has {plural(tested, 'picture')}, of which {FEWEST_TESTED} are needed")
    counts = train.sum(axis=0, dtype=np.int64) if train.ndim == 2 else np.bincount(train, minlength=len(classes))
    least = int(counts.argmin())
    if round(counts[least] * shares[0]) < FEWEST_OF_CLASS:
        found.append(
            f"the smallest part, 1/{round(1 / shares[0])}, would hold fewer than {FEWEST_OF_CLASS} pictures of "
            f"{classes[least]!r}, which has {counts[least]}"
        )
    return found


def nothing_told(data: str, train: int, tested: int, doubts: Sequence[str]) -> Curve:
    """The answer where it is seen beforehand that it cannot be told."""
    nan = math.nan
    return Curve(
        data=data, folder="", tested=tested, sizes=(train,), accuracies=(), fitted=(nan, nan, nan), now=nan, twice=nan,
        interval=(nan, nan), more=0, classes=(), doubts=tuple(doubts),
    )  # fmt: skip


def grow(
    right_MN: np.ndarray,
    sizes_M: Sequence[int],
    labels_N: np.ndarray,
    counts_K: Sequence[int],
    class_names: Sequence[str],
    *,
    data: str = "",
    folder: str = "",
    seed: int = 0,
    mean_aps_M: Sequence[float] = (),
) -> Curve:
    """The curve from who named which test picture right: M members x N pictures, and how many each had learnt from.

    `counts_K`: training pictures of each class in the whole; none where pictures have several labels, and `mean_aps_M`
    in their place: mAP of each member. Every size has as many members.

    >>> random = np.random.default_rng(0)
    >>> sizes = [n for n in (100, 200, 400, 800) for _ in range(3)]
    >>> right = random.random((12, 2000)) > np.array([0.02 + 2.0 * n**-0.5 for n in sizes])[:, None]
    >>> found = grow(right, sizes, np.arange(2000) % 2, [400, 400], ["oak", "elm"])
    >>> truth = 1 - (0.02 + 2.0 * 1600**-0.5)
    >>> found.interval[0] < truth < found.interval[1], found.doubts
    (True, ())
    """
    random = np.random.default_rng(seed)
    sizes = np.unique(np.asarray(sizes_M))
    place = np.searchsorted(sizes, np.asarray(sizes_M))
    seeds, tested, K = len(place) // len(sizes), np.shape(right_MN)[1], len(class_names)
    # Pictures of one class that the same nets named wrong are drawn together: nearly all are right everywhere.
    kinds, alike = np.unique(np.vstack([~np.asarray(right_MN, bool), labels_N]), axis=1, return_counts=True)
    wrong, labels = kinds[:-1].astype(np.float64), kinds[-1].astype(np.int64)
    by_size = np.stack([wrong[place == s] for s in range(len(sizes))])  # S seeds U, of U kinds of pictures
    hits = random.multinomial(tested, alike / tested, size=DRAWS).astype(np.float64)  # D U
    errors_DSs = np.einsum("du,sku->dsk", hits, by_size, optimize=True) / tested
    plain_Ss = by_size @ alike / tested
    errors_DS, noise_S = _redrawn(errors_DSs, plain_Ss, random)
    a, b, c = _fitted(errors_DS, noise_S, sizes, tested, random)
    ahead = np.clip(c + a * (2.0 * sizes[-1]) ** -b, 0, 1)
    ahead *= np.exp(MISFIT * random.standard_normal(DRAWS))
    ahead = np.clip(ahead + noise_S[-1] / math.sqrt(seeds) * random.standard_normal(DRAWS), 0, 1)
    interval = percentiles(1 - ahead, level=LEVEL)
    means = plain_Ss.mean(axis=1)
    middle = int(np.argsort(ahead)[DRAWS // 2])
    more = _round(float(np.median(np.maximum(1, np.asarray([*counts_K] or [1])))))
    doubts = _doubts_after(means, errors_DS, interval, tested)
    return Curve(
        data=data,
        folder=folder,
        tested=tested,
        sizes=tuple(int(n) for n in sizes),
        accuracies=tuple(tuple((1 - row).tolist()) for row in plain_Ss),
        fitted=(float(a[middle]), float(b[middle]), float(c[middle])),
        now=float(1 - means[-1]),
        twice=float(np.median(1 - ahead)),
        interval=interval,
        more=more,
        classes=()
        if K < 2
        else _gains(by_size, hits, alike, labels, counts_K, class_names, (a, b, c), sizes, more, random),
        doubts=tuple(doubts),
        mean_aps=tuple(
            tuple(float(value) for value in np.asarray(mean_aps_M)[place == s]) for s in range(len(sizes))
        ) if len(mean_aps_M) else (),
    )  # fmt: skip


def _redrawn(
    errors_DSs: np.ndarray, plain_Ss: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """D S errors, the mean over redrawn trainings, and the deviation S of one training.

    How far trainings spread is pooled over the sizes, as a share of √(e (1 − e)): three seeds say too little alone.
    """
    draws, count, seeds = errors_DSs.shape
    means = errors_DSs.mean(axis=2)
    scale = np.sqrt(np.maximum(plain_Ss.mean(axis=1) * (1 - plain_Ss.mean(axis=1)), 1e-6))
    if seeds < 2:
        return means, 0.1 * scale
    residuals = (plain_Ss - plain_Ss.mean(axis=1, keepdims=True)) / scale[:, None] * math.sqrt(seeds / (seeds - 1))
    picked = random.choice(residuals.ravel(), size=(draws, count, seeds)).mean(axis=2)
    noise = scale * float(np.sqrt((residuals**2).mean()))
    return np.clip(means + picked * scale, 0, 1), noise


def _fitted(
    errors_DS: np.ndarray, noise_S: np.ndarray, sizes: np.ndarray, tested: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a, b, c of each draw: on a grid of b and c, a by least squares; b and c are held to guesses of that draw."""
    draws = len(errors_DS)
    slopes = np.exp(np.linspace(math.log(0.05), math.log(2.0), 24))
    floors = np.linspace(0.0, 0.96, 13)  # of the error with all pictures
    guess_b = SLOPE + SLOPE_SPREAD * random.standard_normal(draws)
    guess_c = random.beta(1.0, 2.0, size=draws)
    usual = np.maximum(errors_DS.mean(axis=0), 0.5 / tested)
    apart = np.log2(sizes[-1] / sizes)
    variance = noise_S**2 + (MISFIT * usual * apart) ** 2 + 0.25 * usual * (1 - usual) / tested + 1e-8
    weights = 1 / variance
    best = np.full(draws, np.inf)
    found = np.zeros((3, draws))
    for slope in slopes:
        powers = (sizes / sizes[-1]) ** -slope
        for floor in floors:
            offset = floor * np.maximum(errors_DS[:, -1], 0.5 / tested)
            rest = errors_DS - offset[:, None]
            scale = np.maximum(0.0, (rest * weights * powers).sum(axis=1) / (weights * powers**2).sum())
            cost = (((rest - scale[:, None] * powers) ** 2) * weights).sum(axis=1)
            cost += ((math.log(slope) - guess_b) / SLOPE_SPREAD) ** 2 + ((floor - guess_c) / 0.25) ** 2
            better = cost < best
            best[better] = cost[better]
            found[:, better] = np.stack(
                [scale[better] * float(sizes[-1]) ** slope, np.full(better.sum(), slope), offset[better]]
            )
    return found[0], found[1], found[2]


def _doubts_after(means: np.ndarray, errors_DS: np.ndarray, interval: Interval, tested: int) -> list[str]:
    found = []
    if means[-1] * tested < 1:
        found.append(f"nothing of {plural(tested, 'test picture')} is named wrong, so nothing is left to see shrink")
    elif float((errors_DS[:, -1] >= errors_DS[:, 0]).mean()) > 0.1:
        found.append("accuracy does not surely rise from the smallest part to the whole")
    elif interval[1] - interval[0] > WIDEST:
        found.append(f"the 90 % interval for twice as many is {span(interval)}")
    return found


def _gains(
    by_size: np.ndarray,
    hits: np.ndarray,
    alike: np.ndarray,
    labels: np.ndarray,
    counts: Sequence[int],
    names: Sequence[str],
    fitted: tuple[np.ndarray, np.ndarray, np.ndarray],
    sizes: np.ndarray,
    more: int,
    random: np.random.Generator,
) -> tuple[Gain, ...]:
    """Class by class: its own error, shrunk to the usual one, falls with its own number of pictures as the whole does.

    How fast it falls is its own slope over the sizes, shrunk to that of the whole.
    """
    a, b, c = fitted
    draws, K = len(hits), len(names)
    power = a * float(sizes[-1]) ** -b
    overall = power / np.maximum(power + c, 1e-9) * b  # D: the local slope of the whole on log-log paper
    member = np.eye(K)[labels]  # U K
    support = hits @ member  # D K
    wrong = np.einsum("du,su,uk->dsk", hits, by_size.mean(axis=1), member, optimize=True)  # D S K
    usual = wrong.sum(axis=2) / hits.sum(axis=1)[:, None]
    errors = (wrong + SHRINK * usual[:, :, None]) / (support[:, None] + SHRINK)
    logs, at = np.log(np.maximum(errors, 1e-6)), np.log(sizes / sizes[-1])
    centred = at - at.mean()
    own = -np.einsum("s,dsk->dk", centred, logs) / float((centred**2).sum())
    known = np.clip(support * errors[:, -1] / 20, 0, 1)  # a class with few mistakes has no slope of its own
    slopes = np.clip(known * own + (1 - known) * overall[:, None], 0.0, 2.0)
    slopes *= np.exp(0.2 * random.standard_normal((draws, K)))
    share = support / hits.sum(axis=1)[:, None]
    present = np.maximum(1, np.asarray(counts, dtype=np.float64))
    gains = share * errors[:, -1] * (1 - ((present + more) / present) ** -slopes)  # D K
    first = np.bincount(gains.argmax(axis=1), minlength=K) / draws
    plainly = (by_size.mean(axis=1) * alike) @ member  # S K, wrong ones
    totals = alike @ member
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = np.where(totals > 0, 1 - plainly / totals, np.nan)
    found = [
        Gain(
            name=names[k], count=int(counts[k]), accuracy=tuple(accuracy[:, k].tolist()),
            gain=float(np.median(gains[:, k])), interval=percentiles(gains[:, k], level=LEVEL), first=float(first[k]),
        )
        for k in range(K)
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda gain: (-gain.gain, gain.name)))


def _round(value: float) -> int:
    """To one figure.

    >>> _round(287), _round(14), _round(3), _round(0.4)
    (300, 10, 3, 1)
    """
    if value < 1:
        return 1
    unit = 10 ** math.floor(math.log10(value))
    return max(1, round(value / unit) * unit)
