"""What simple methods got, as plain data."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from html import escape

from hubel.evaluation import Evaluation, RegressionEvaluation
from hubel.metrics.intervals import Interval
from hubel.views import html_table
from hubel.words import duration, in_full, percent, plain, span


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One description with one learner, its setting chosen on the validation part."""

    features: str
    learner: str
    setting: str
    """The one chosen: "C 1.0"; "" for a learner that has one only."""
    score: float
    """On the validation part: accuracy; in regression the root mean square error."""
    interval: Interval
    """95 % of it, by the samples of the validation part."""
    seconds: float
    """Of describing, learning and answering, with all settings."""
    title: str
    """What people call the learner."""

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return f"{self.title} on {'the ' if self.features == 'numbers' else ''}{self.features}"


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What simple methods get on some data. Only `chosen`, the best on the validation part, has seen the test part."""

    source: str
    task: str
    """classification or regression."""
    samples: dict[str, int]
    """train, val, test."""
    tried: tuple[Tried, ...]
    """Best first."""
    left_out: dict[str, str]
    """What was not tried, and why."""
    test: Evaluation | RegressionEvaluation
    """Of `chosen`, on the test part. The accuracy and what is counted can be relied on; scores are no probabilities."""
    guessing: float
    """Accuracy of always naming the commonest class; in regression the RMSE of always saying the mean."""
    seconds: float

    @property
    def chosen(self) -> Tried:
        """The best on the validation part."""
        return self.tried[0]

    @property
    def regression(self) -> bool:
        """Is the target a number?"""
        return self.task == "regression"

    @property
    def sentence(self) -> str:
        """The result as one sentence."""
        best = self.chosen
        if isinstance(self.test, Evaluation):
            found = f"{percent(self.test.top1)} (95 % interval {span(self.test.intervals['top1'])})"
            always = f"always naming the commonest class gets {percent(self.guessing)}"
            return f"The best simple method, {best.name}, gets {found} of the {self.test.split} samples; {always}."
        found = f"a root mean square error of {in_full(self.test.rmse)}"
        return f"The best simple method, {best.name}, has {found}; always saying the mean has {in_full(self.guessing)}."

    def rows(self) -> list[tuple[str, str, str, str, str, str]]:
        """A table: learner, features, setting, score on the validation part, its interval, time."""
        return [
            (one.title, one.features, one.setting, self.written(one.score), self.spanned(one), duration(one.seconds))
            for one in self.tried
        ]

    def written(self, score: float) -> str:
        """A score as it is shown."""
        return in_full(score) if self.regression else percent(score)

    def spanned(self, one: Tried) -> str:
        """Its interval as it is shown."""
        low, high = one.interval
        return "" if math.isnan(low) else f"{in_full(low)}–{in_full(high)}" if self.regression else span((low, high))

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        names = [name for name in Tried.__dataclass_fields__ if name != "title"]
        tried = [{name: getattr(one, name) for name in names} for one in self.tried]
        return plain(
            {
                "source": self.source, "task": self.task, "samples": self.samples, "sentence": self.sentence,
                "chosen": tried[0], "guessing": self.guessing, "test": self.test.to_dict(), "tried": tried,
                "left_out": self.left_out, "seconds": self.seconds,
            }
        )  # fmt: skip

    def __str__(self) -> str:
        score = "val RMSE" if self.regression else "val"
        lines = [*textwrap.wrap(self.sentence, 80), ""]
        lines += [f"  {'learner':<23}{'features':<9}{'setting':<13}{score:>9}  {'95 % interval':<13}{'time':>9}"]
        lines += [f"  {a:<23}{b:<9}{c:<13}{d:>9}  {e:<13}{f:>9}".rstrip() for a, b, c, d, e, f in self.rows()]
        lines += [f"  {name}: left out, {why}" for name, why in self.left_out.items()]
        counts = ", ".join(f"{count:,} {name}" for name, count in self.samples.items())
        lines += ["", *textwrap.wrap(f"Chosen on val; test was looked at once, by the best ({counts}).", 80)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = ["learner", "features", "setting", "val", "95 % interval", "time"]
        return f"<p>{escape(self.sentence)}</p>{html_table(head, self.rows())}"
