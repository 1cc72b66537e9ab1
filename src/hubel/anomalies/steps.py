"""What is normal of steps, learnt: windows by PCA and nearest neighbours, moving averages, and a net that foretells.

The scores are those of `hubel.metrics.surprise`, in which 1 is the threshold: an order statistic of normal steps that
were held out, passed by a stated rate of them. Letters: F features, T steps, K columns of numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hubel.anomalies.foretelling import foreteller, foretold, learn_to_foretell
from hubel.anomalies.mc_dropout import judge_dropout, learn_dropout
from hubel.anomalies.settings import Settings, State
from hubel.anomalies.step_data import ROWS, Steps
from hubel.anomalies.step_parts import OddSteps, divide_steps, find_odd
from hubel.anomalies.thresholds import check_rate, rate_interval
from hubel.data.columns import SIGNALS, Columns
from hubel.data.series import padded
from hubel.errors import ArtefactError, DataError, UsageError, unknown
from hubel.metrics.dependence import effective_count
from hubel.metrics.intervals import NOTHING, Interval
from hubel.metrics.surprise import METHODS, WINDOW, fewest_steps, learn_surprise, surprises
from hubel.watching import SILENT, Watcher
from hubel.words import plural, span

FEWEST = 40
"""Normal steps at least."""


@dataclass(frozen=True, kw_only=True)
class StepMethod:
    """One way to tell a strange step."""

    title: str
    """What people call it."""
    formula: str
    """The score in a line."""
    net: bool = False
    """Does it train a net?"""
    read: Callable[[int], int]
    """Window -> steps that are read before the first one that can be judged."""


STEP_METHODS = {
    "recurrent": StepMethod(
        title="net that foretells (GRU)", formula="error of what was foretold of the step, by the usual size of errors",
        net=True, read=lambda window: window,
    ),
    "pca": StepMethod(
        title="PCA of windows", formula="what the main directions of windows do not give back",
        read=lambda window: window - 1,
    ),
    "knn": StepMethod(
        title="nearest windows", formula="mean distance to the five nearest normal windows",
        read=lambda window: window - 1,
    ),
    "average": StepMethod(
        title="moving average", formula="distance from the mean of the steps before", read=lambda window: window
    ),
    "dropout": StepMethod(
        title="net with drop-out (GRU)",
        formula="over a window, error of the mean of several passes and how far they lie apart, by their usual sizes",
        net=True, read=lambda window: 2 * window - 1,
    ),
}  # fmt: skip
"""By name; those of `hubel.metrics.surprise` are learnt where nobody names any."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StepDetector:
    """What tells strange steps from normal ones: the method that was asked for first, and those beside it."""

    name: str
    kind: str
    """SERIES, ROWS or SIGNALS of `hubel.anomalies.step_data`."""
    columns: Columns
    said: Mapping[str, str]
    """Role -> column, where that was said."""
    methods: tuple[str, ...]
    window: int
    """Steps; 1 where each row is judged by itself."""
    asked: float
    rate: float
    """Of normal steps that pass the threshold; larger than `asked` where too few were held out to promise that."""
    learnt: int
    """Steps that were learnt from."""
    held: int
    """Steps that were held out and could be judged."""
    worth: float = 0.0
    """Independent ones that those are worth, by `hubel.metrics.dependence`; 0 where a detector does not say."""
    arrays: State
    """Of `hubel.metrics.surprise`."""
    net: State
    """Of `hubel.anomalies.foretelling`; empty where no net was asked for."""
    dropout: State = field(default_factory=dict)
    """Of `hubel.anomalies.mc_dropout`; empty where that was not asked for."""
    usual_scores: np.ndarray
    """Of the first method: scores of the steps that were held out, rising."""
    device: str = "cpu"
    folder: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Of learning, by method."""
    odd: tuple[OddSteps, ...] = ()
    """Normal steps that look like no others; known where it was learnt."""
    kept_odd: bool = False
    """Were they learnt from all the same?"""

    @property
    def interval(self) -> Interval:
        """95 % of the rate; NaN where it is not known what the steps that were held out are worth."""
        return rate_interval(self.rate, self.worth) if self.worth else NOTHING

    @property
    def places(self) -> list[int]:
        """K: rows of the columns' features that are foretold."""
        return _places(self.columns)

    @property
    def least(self) -> int:
        """Steps that a series must have for the first method to judge one of them, and a window's at least."""
        return max(self.window + (self.window > 1), STEP_METHODS[self.methods[0]].read(self.window) + 1)

    def judge(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """T scores of a series F T, or of rows, by method; NaN where a step cannot be judged.

        Raises ArtefactError where what was learnt does not fit together.
        """
        scaled = self.columns.scaled(values[None])
        series = self.columns.answered(scaled)[0]
        try:
            said = self._said(scaled[0])
            found = surprises(self.arrays, series, np.full_like(series, np.nan) if said is None else said)
            if self.dropout:
                found["dropout"] = judge_dropout(self.dropout, scaled[0], self.places, self.window, self.device)
        except (KeyError, IndexError, ValueError, RuntimeError) as error:
            raise ArtefactError(
                f"what this detector has learnt does not fit together: {str(error).splitlines()[0][:160]}",
                hint="learn it again: hubel anomaly GOOD",
            ) from error
        return {name: found[name] for name in self.methods}

    def _said(self, scaled: np.ndarray) -> np.ndarray | None:
        if not self.net:
            return None
        net = foreteller(self.net, len(scaled) - 1, len(self.columns.answers), self.device)
        return informed(foretold(net, scaled), self.window)

    @property
    def sentence(self) -> str:
        """The threshold in words."""
        what = "rows" if self.kind == ROWS else "steps"
        said = f"Of normal {what} about {100 * self.rate:.3g} % pass the threshold"
        said += f" (95 % interval {span(self.interval)})" if self.worth else ""
        said += f", by {self.held:,} that were held out"
        if self.worth and self.worth < 0.9 * self.held:
            said += f" and are worth {max(1, round(self.worth)):,}, since those that follow one another are alike"
        if self.rate > self.asked + 1e-12:
            said += f"; for the {100 * self.asked:.3g} % asked for at least {fewest_steps(self.asked):,} must be"
        return f"{said}.{'' if self.kind == ROWS else ' Alarms come in groups.'}"

    @property
    def remark(self) -> str:
        """What is odd among the normal steps, in words; "" where nothing is."""
        if not self.odd:
            return ""
        count = sum(each.steps for each in self.odd)
        several = len({each.series for each in self.odd}) > 1
        where = "step" if self.kind == SIGNALS else "line"
        named = [
            (f"{each.series}, " if several else "")
            + (f"{where} {each.first}" if each.first == each.last else f"{where}s {each.first} to {each.last}")
            for each in self.odd[:3]
        ]
        left = len(self.odd) - len(named)
        more = f" and {plural(left, 'more place')}" if left else ""
        what = plural(count, "row" if self.kind == ROWS else "step")
        return (
            f"{what} among the normal ones {'looks' if count == 1 else 'look'} like no others and "
            f"{'was' if count == 1 else 'were'} {'learnt from all the same' if self.kept_odd else 'not learnt from'}: "
            f"{'; '.join(named)}{more}."
        )


def checked_steps(names: Sequence[str], kind: str, window: int) -> tuple[str, ...]:
    """The names of methods, each once, with PCA and neighbours beside. Raises UnknownName, UsageError.

    >>> checked_steps([], "series", 8), checked_steps(["average"], "signals", 8), checked_steps([], "rows", 1)
    (('recurrent', 'pca', 'knn', 'average'), ('average', 'pca', 'knn'), ('knn', 'pca'))
    """
    alone = window == 1
    every = ("knn", "pca") if alone else tuple(STEP_METHODS)
    asked = [name for word in names for name in (every if word == "all" else (word,))]
    for name in asked:
        if name not in STEP_METHODS:
            raise unknown("method for steps", name, STEP_METHODS)
        if name not in every:
            raise UsageError(
                f"the method {name!r} needs steps that follow one another, and each "
                f"{'row' if kind == ROWS else 'step'} is taken by itself",
                hint="--window 8 looks at eight together; --column time=COLUMN says when rows were; --method knn",
            )
    return tuple(
        dict.fromkeys([*(asked or (every if alone else METHODS)), *(("knn", "pca") if alone else ("pca", "knn"))])
    )


def learn_steps(
    steps: Steps, names: Sequence[str], settings: Settings, *, name: str, rate: float, window: int | None = None,
    said: Mapping[str, str] | None = None, keep_odd: bool = False, watch: Watcher = SILENT,
) -> StepDetector:  # fmt: skip
    """Learn from normal steps, hold some out, and find the thresholds; those that look like no others are left out of
    both unless `keep_odd`. Raises UsageError, DataError.
    """
    check_rate(rate)
    if window is not None and window < 1:
        raise UsageError(f"a window holds at least one step, got {window}", hint=f"--window {WINDOW}")
    length = window or (1 if steps.kind == ROWS else WINDOW)
    methods = checked_steps(names, steps.kind, length)
    whole = _measured(steps, steps.values)
    plain, odd = find_odd(steps, [whole.answered(whole.scaled(one[None]))[0] for one in steps.values], length)
    if keep_odd:
        plain = [np.ones_like(one) for one in plain]
    fit, held = divide_steps(steps, plain, length, settings.seed)
    columns = _measured(steps, fit)
    scaled = [[columns.scaled(one[None]) for one in part] for part in (fit, held)]
    train, val = ([columns.answered(one)[0] for one in part] for part in scaled)
    read = STEP_METHODS[methods[0]].read(length)
    judged = sum(max(0, len(one) - read) for one in val)
    if steps.count < FEWEST or judged < 1 or all(len(one) < length for one in train):
        raise DataError(
            f"at least {FEWEST} normal steps are needed, in series of at least {max(length, read) + 1}, and "
            f"{plural(steps.count, 'step')} of {len(steps.values)} series came",
            hint="some hundreds are better: a rate of false alarms of 1 % needs 99 for the threshold alone",
        )
    promised = max(rate, 1 / (judged + 1))
    places = _places(columns)
    seconds: dict[str, float] = {}
    net: State = {}
    told = None
    if "recurrent" in methods:
        watch.stage(f"learning: {STEP_METHODS['recurrent'].title}")
        began = time.perf_counter()
        net = learn_to_foretell([one[0] for one in scaled[0]], places, settings, watch)
        speaker = foreteller(net, len(columns.features), len(places), settings.device)
        told = [informed(foretold(speaker, one[0]), length) for one in scaled[1]]
        seconds["recurrent"] = time.perf_counter() - began
    watch.stage("learning windows")
    began = time.perf_counter()
    arrays = learn_surprise(train, val, told, window=length, rate=promised)
    seconds |= {method: time.perf_counter() - began for method in methods if not STEP_METHODS[method].net}
    if arrays is None:
        raise DataError(
            f"no series of normal steps is as long as a window of {plural(length, 'step')}", hint="--window 4"
        )
    dropout: State = {}
    if "dropout" in methods:
        watch.stage(f"learning: {STEP_METHODS['dropout'].title}")
        dropout, seconds["dropout"] = learn_dropout(
            [one[0] for one in scaled[0]], [one[0] for one in scaled[1]], places, settings, window=length,
            rate=promised, watch=watch,
        )  # fmt: skip
    found = StepDetector(
        name=name, kind=steps.kind, columns=columns, said=dict(said or {}), methods=methods, window=length, asked=rate,
        rate=promised, learnt=sum(one.shape[1] for one in fit), held=judged, arrays=arrays,
        net=net, dropout=dropout, usual_scores=np.zeros(0), device=settings.device, seconds=seconds, odd=odd,
        kept_odd=keep_odd,
    )  # fmt: skip
    scores = [found.judge(one)[methods[0]] for one in held]
    usual = np.concatenate(scores)
    usual = np.sort(usual[np.isfinite(usual)])
    return replace(
        found, usual_scores=usual, worth=float(len(usual)) if steps.kind == ROWS else effective_count(scores)
    )


def _measured(steps: Steps, series: Sequence[np.ndarray]) -> Columns:
    """The columns with mean and deviation of these series F T; all numbers among them are what is foretold."""
    columns = steps.columns.measured(padded(list(series), np.inf))
    return Columns(columns.columns, tuple(c for c in columns.columns if not c.words), files=columns.files)


def _places(columns: Columns) -> list[int]:
    features = columns.features
    return [features.index(column.name) for column in columns.answers]


def informed(said: np.ndarray, window: int) -> np.ndarray:
    """What was foretold T K, without what was said before a window of steps was read: it could not be known."""
    found = said.copy()
    found[: window - 1] = np.nan
    return found
