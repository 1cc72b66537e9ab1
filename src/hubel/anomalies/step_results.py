"""What a search for strange steps found, as plain data: series by series, step by step."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np

from hubel.anomalies.step_data import ROWS, Steps
from hubel.anomalies.steps import STEP_METHODS, StepDetector
from hubel.data.columns import SIGNALS
from hubel.data.manifest import Problem
from hubel.metrics.intervals import NOTHING, Interval, wilson
from hubel.metrics.roc import auroc
from hubel.metrics.surprise import stretches
from hubel.views import Viewed
from hubel.words import csv_text, duration, in_columns, number, percent, plain, plural

SHOWN = 3
"""Stretches of strange steps of a series that are named."""


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedSeries(Viewed):
    """What a detector says of one series."""

    name: str
    scores: Mapping[str, np.ndarray]
    """By method, the first one first: T, in which 1 is the threshold; NaN where a step cannot be judged."""
    lines: tuple[int, ...]
    """Of each step its line in the table, or its number from 1."""
    truth: np.ndarray
    """T: -1 unknown, 0 normal, 1 strange."""

    @property
    def first(self) -> np.ndarray:
        """T: the scores of the method that was asked for."""
        return next(iter(self.scores.values()))

    @property
    def strange(self) -> np.ndarray:
        """T: is a step beyond the threshold?"""
        return np.asarray(np.nan_to_num(self.first) > 1)

    @property
    def worst(self) -> float:
        """The largest score; 0 where no step can be judged."""
        return float(np.nan_to_num(self.first).max(initial=0.0))

    @property
    def told(self) -> str:
        """Where it is strange, in words."""
        groups = stretches(self.strange)
        if not groups:
            return "nothing strange"
        groups.sort(key=lambda pair: -float(np.nan_to_num(self.first)[pair[0] - 1 : pair[1]].max()))
        named = [
            f"{self.lines[a - 1]}" if a == b else f"{self.lines[a - 1]} to {self.lines[b - 1]}"
            for a, b in sorted(groups[:SHOWN])
        ]
        left = len(groups) - SHOWN
        more = f" and {plural(left, 'more place')}" if left > 0 else ""
        return f"{int(self.strange.sum()):,} strange: {', '.join(named)}{more}"

    def facts(self) -> dict[str, str]:
        """Name -> value, as they are shown."""
        return {"series": self.name, "steps": f"{len(self.first):,}", "said": self.told, "worst": f"{self.worst:.2f}"}

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON: the strange steps, and counts by method."""
        rows = np.flatnonzero(self.strange).tolist()
        return plain({
            "file": self.name, "steps": len(self.first), "worst": self.worst,
            "strange": [{"step": row + 1, "line": self.lines[row], "score": float(self.first[row])} for row in rows],
            "strange_steps": {name: int((np.nan_to_num(each) > 1).sum()) for name, each in self.scores.items()},
        })  # fmt: skip


class JudgedSteps(list[JudgedSeries]):
    """What a detector says of several series, and what could not be read."""

    problems: tuple[Problem, ...] = ()
    kind: str = ""

    @property
    def strange(self) -> int:
        """Steps of all series that are beyond the threshold."""
        return sum(int(one.strange.sum()) for one in self)

    def to_csv(self) -> str:
        """A line a step; an empty cell where a step cannot be judged."""
        names = list(self[0].scores) if self else []
        rows = [
            [one.name, step + 1, one.lines[step], int(one.strange[step]), *(_cell(one.scores[m][step]) for m in names)]
            for one in self
            for step in range(len(one.first))
        ]  # fmt: skip
        return csv_text(["series", "step", "line", "strange", *(f"score_{name}" for name in names)], rows)

    def __str__(self) -> str:
        lost = [f"{problem.path}: not read, {problem.reason}" for problem in self.problems]
        return "\n".join([*(f"{one.name}: {one.told}" for one in self), *lost])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(line)}</p>" for line in str(self).splitlines())

    def lines(self, most: int = 10) -> list[str]:
        """In lines of 80 columns: of several series those with the strangest steps first; of rows the strangest."""
        if self.kind == ROWS:
            return self._rows(most)
        order = sorted(self, key=lambda one: -one.worst)
        found = [f"  {'series':<26}{'steps':>7}{'worst':>8}  strange {'steps' if self.kind == SIGNALS else 'lines'}"]
        found += [
            f"  {in_columns(one.name, 26)}{len(one.first):>7,}{one.worst:>8.2f}  {in_columns(one.told, 35)}".rstrip()
            for one in order[:most]
        ]
        return found + ([f"  and {len(order) - most:,} more"] if len(order) > most else [])

    def _rows(self, most: int) -> list[str]:
        (one,) = self
        others = list(one.scores)[1:]
        order = np.argsort(-np.nan_to_num(one.first), kind="stable")[:most].tolist()
        found = [f"  {'row':<26}{'score':>8}  verdict " + "".join(f"{name:>8}" for name in others)]
        found += [
            f"  {f'line {one.lines[row]}':<26}{one.first[row]:>8.2f}  {'strange' if one.strange[row] else 'normal':<8}"
            + "".join(f"{one.scores[name][row]:>8.2f}" for name in others)
            for row in order
        ]
        left = len(one.first) - len(order)
        return found + ([f"  and {left:,} more rows"] if left else [])


def judge_steps(detector: StepDetector, steps: Steps) -> JudgedSteps:
    """What a detector says of series, or of rows."""
    found = JudgedSteps(
        JudgedSeries(name=name, scores=detector.judge(values), lines=lines, truth=truth)
        for name, values, lines, truth in zip(steps.names, steps.values, steps.lines, steps.truth, strict=True)
    )
    found.problems, found.kind = tuple(p for p in steps.problems if p.left_out), steps.kind
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class MethodOfSteps(Viewed):
    """How well one method tells strange steps (of signals in folders: strange signals, by their largest score)."""

    method: str
    seconds: float
    auroc: float
    interval: Interval
    """95 % of it where signals are told, by DeLong; steps that follow one another are no independent samples."""
    caught: float
    """Share of the strange steps that pass the threshold."""
    false: float
    """Share of the normal steps that do."""
    false_interval: Interval
    """95 %, as if steps were independent."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StepAnomalies:
    """What is normal, learnt from normal steps, and what of the other steps is not."""

    name: str
    detector: StepDetector
    judged: JudgedSteps
    methods: tuple[MethodOfSteps, ...]
    folder: str = ""

    @property
    def first(self) -> MethodOfSteps:
        """The method that was asked for."""
        return self.methods[0]

    @property
    def measured(self) -> bool:
        """Is it known which steps are strange?"""
        return not math.isnan(self.first.auroc)

    @property
    def sentences(self) -> list[str]:
        """The result in words."""
        first, said = self.first, []
        title = STEP_METHODS[first.method].title
        title = title[0].upper() + title[1:]
        rows = self.detector.kind == ROWS
        what = "signals" if self.detector.kind == SIGNALS else "rows" if rows else "steps"
        if self.measured:
            said.append(
                f"{title}: strange {what} are told from normal ones with an AUROC of {number(first.auroc)}; "
                f"{percent(first.caught, 1)} of the strange {'rows' if rows else 'steps'} pass the threshold, and "
                f"{percent(first.false, 1)} of the normal ones."
            )
            best = max((m for m in self.methods if not STEP_METHODS[m.method].net), key=lambda one: one.auroc)
            if STEP_METHODS[first.method].net and best.auroc >= first.auroc:
                said.append(
                    f"{STEP_METHODS[best.method].title} gets {number(best.auroc)} without a net: the simpler choice is "
                    f"--method {best.method}."
                )
        elif self.judged:
            total = sum(len(one.first) for one in self.judged)
            count, one_of = self.judged.strange, "row" if rows else "step"
            said.append(f"{title}: {count:,} of {plural(total, one_of)} {'is' if count == 1 else 'are'} strange.")
        return [*said, self.detector.sentence, *([self.detector.remark] if self.detector.odd else [])]

    def lines(self, most: int = 10) -> list[str]:
        """The result in lines of 80 columns."""
        found = [line for said in self.sentences for line in textwrap.wrap(said.replace(" %", "\xa0%"), 80)]
        found = [line.replace("\xa0", " ") for line in found]
        if self.measured:
            found += ["", f"  {'method':<27}{'AUROC':>7}{'caught':>9}{'alarms':>9}{'learnt in':>12}"]
            found += [
                f"  {STEP_METHODS[m.method].title:<27}{number(m.auroc):>7}{percent(m.caught, 1):>9}"
                f"{percent(m.false, 1):>9}{duration(m.seconds):>12}" for m in self.methods
            ]  # fmt: skip
        if self.judged:
            found += ["", *self.judged.lines(most), "  (1 is the threshold)"]
        return found

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return plain({
            "name": self.name, "folder": self.folder, "sentences": self.sentences, "learnt": self.detector.learnt,
            "held_out": self.detector.held, "rate": self.detector.rate, "asked": self.detector.asked,
            "rate_interval": list(self.detector.interval), "worth": self.detector.worth,
            "suspicious": [vars(each) for each in self.detector.odd],
            "methods": [vars(one) for one in self.methods], "series": [one.to_dict() for one in self.judged],
        })  # fmt: skip

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def __repr__(self) -> str:
        return f"StepAnomalies({self.name}: {self.first.method}, {self.detector.learnt} learnt)"

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(sentence)}</p>" for sentence in self.sentences)


def measure_steps(detector: StepDetector, judged: JudgedSteps) -> tuple[MethodOfSteps, ...]:
    """Each method beside what is known of the steps; NaN where nothing is."""
    found = []
    truth = np.concatenate([one.truth for one in judged]) if judged else np.zeros(0, np.int64)
    for method in detector.methods:
        scores = np.concatenate([one.scores[method] for one in judged]) if judged else np.zeros(0)
        there = np.isfinite(scores)
        passed = {known: scores[there & (truth == known)] > 1 for known in (0, 1)}
        if judged.kind == SIGNALS and judged:
            tops = np.array([np.nan_to_num(one.scores[method]).max(initial=0.0) for one in judged])
            value, interval = auroc(tops, np.array([int(one.truth[0]) for one in judged]))
        else:
            value, interval = auroc(scores[there], truth[there])[0], NOTHING
        found.append(
            MethodOfSteps(
                method=method, seconds=detector.seconds.get(method, 0.0), auroc=value, interval=interval,
                caught=float(passed[1].mean()) if len(passed[1]) else math.nan,
                false=float(passed[0].mean()) if len(passed[0]) else math.nan,
                false_interval=wilson(int(passed[0].sum()), len(passed[0])) if len(passed[0]) else NOTHING,
            )
        )  # fmt: skip
    return tuple(found)


def _cell(score: float) -> object:
    return "" if math.isnan(score) else float(score)
