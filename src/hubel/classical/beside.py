"""A net beside what a simple method gets on the same samples: is deep learning needed here?"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from html import escape
from typing import Any

from hubel.classical.results import Baseline
from hubel.evaluation import Graded, Paired, compare
from hubel.words import duration, percent, plain

ALONE = "what a simple method gets is held beside classes of a test part, which are not here: hubel baseline {}"
"""What is said where there is nothing to hold it beside; with the data."""
SURE = 0.05
"""A difference with a larger p-value may be luck."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A net and the best simple method, paired sample by sample."""

    net: str
    """What to call the net."""
    simple: Baseline
    paired: Paired
    """The net first, or the simple method, whichever is better."""
    seconds: float | None
    """What the net's training took; None where that is not known."""

    @property
    def verdict(self) -> str:
        """ "yes", "no" or "not known": is deep learning needed here, as far as these samples tell?"""
        better = self.paired.first == self.net
        if self.paired.p_value < SURE:
            return "yes" if better else "no"
        return "not known"

    @property
    def sentence(self) -> str:
        """What a simple method gets, and what that says of the net."""
        simple, best = self.simple, self.simple.chosen
        gets = f"A simple method, {best.name}, gets {percent(simple.test.top1, 1)} in {duration(simple.seconds)}"  # type: ignore[union-attr]
        took = "" if self.seconds is None else f" after {duration(self.seconds)} of training"
        said = {
            "yes": "So the net pays",
            "no": f"So no net is needed here: {best.title} does better",
            "not known": "So it cannot be said that a net is needed here; more test samples would tell",
        }[self.verdict]
        return f"{gets}; {self.net}{took}: {self.paired.sentence} {said}."

    @property
    def brief(self) -> str:
        """The same in a line."""
        best, test = self.simple.chosen, self.paired
        share = percent(self.simple.test.top1, 1)  # type: ignore[union-attr]
        said = {"yes": "the net is better", "no": "it is better than the net", "not known": "no worse, for all we know"}
        return f"{best.name} gets {share} in {duration(self.simple.seconds)}: {said[self.verdict]} ({_p(test.p_value)})"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        test = self.paired
        return plain(
            {
                "sentence": self.sentence, "brief": self.brief, "verdict": self.verdict,
                "simple": self.simple.to_dict(),
                "paired": {name: getattr(test, name) for name in Paired.__slots__}, "net": self.net,
            }
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.simple}\n\n{textwrap.fill(self.sentence, 80)}"

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.sentence)}</p>{self.simple._repr_html_()}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def beside(net: str, graded: Graded, simple: Baseline, seconds: float | None = None) -> Beside | None:
    """A net's answers beside those of the best simple method; None where they are of other samples, or of numbers."""
    if simple.regression or graded.task != "classification":
        return None
    for test in compare({net: graded, simple.chosen.name: Graded.of(simple.test)}).tests:
        if isinstance(test, Paired):
            return Beside(net=net, simple=simple, paired=test, seconds=seconds)
    return None
