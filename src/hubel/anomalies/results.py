"""What a search for strange pictures found, as plain data."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, field
from html import escape

import numpy as np

from hubel.anomalies.thresholds import Threshold
from hubel.metrics.intervals import Interval
from hubel.metrics.roc import Difference
from hubel.views import html_table
from hubel.words import csv_text, duration, in_columns, number, percent, plain, plural, span

SURE = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """One method: its threshold, and what it says of the test pictures."""

    method: str
    title: str
    features: str
    """What it saw: pixels, or the name of a net."""
    threshold: Threshold
    seconds: float
    """Of learning."""
    each: float
    """Seconds for a picture, of looking."""
    net: bool = False
    """Did it train a net?"""
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """N: 0 is the usual of normal pictures, 1 the threshold."""
    maps: np.ndarray | None = None
    """N h w in the same terms: above 1 is where something is strange."""
    auroc: float = math.nan
    interval: Interval = (math.nan, math.nan)
    pixel_auroc: float = math.nan
    caught: float = math.nan
    """Share of the strange test pictures that pass the threshold."""
    caught_interval: Interval = (math.nan, math.nan)
    false: float = math.nan
    """Share of the normal test pictures that do."""
    false_interval: Interval = (math.nan, math.nan)

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON: the numbers, not the scores."""
        names = (
            "method", "title", "features", "seconds", "auroc", "interval", "pixel_auroc", "caught", "caught_interval",
            "false", "false_interval",
        )  # fmt: skip
        about = self.threshold
        said = {
            name: getattr(about, name)
            for name in ("score", "usual", "asked", "rate", "interval", "held", "promised", "needed")
        }
        return plain({**{name: getattr(self, name) for name in names}, "each_seconds": self.each, "threshold": said})


@dataclass(frozen=True, kw_only=True, eq=False)
class Anomalies:
    """What is normal, learnt from normal pictures, and what of the test pictures is not."""

    name: str
    learnt: int
    """Normal pictures that were learnt from."""
    suspicious: tuple[tuple[str, float], ...]
    """Of the normal pictures those that look like none: (name, distance to the others, in usual distances)."""
    kept_suspicious: bool
    """Were they learnt from all the same?"""
    judged: tuple[Judged, ...]
    """The method that was asked for first, then the others."""
    names: tuple[str, ...]
    """N test pictures."""
    truth: np.ndarray
    """N: -1 unknown, 0 normal, 1 strange."""
    kinds: tuple[str, ...]
    """N: folder or class of each."""
    against: dict[str, Difference]
    """The first method's AUROC minus that of others, by method."""
    learnt_too: int
    """Test pictures that are among the normal ones, too: the same bytes."""
    folder: str = ""
    """Where the detector was written."""

    @property
    def first(self) -> Judged:
        """The method that was asked for."""
        return self.judged[0]

    @property
    def measured(self) -> bool:
        """Is it known which test pictures are strange?"""
        return not math.isnan(self.first.auroc)

    @property
    def sentences(self) -> list[str]:
        """The result in words."""
        first, said = self.first, []
        if self.measured:
            said.append(
                f"{first.title} on {first.features} tells strange pictures from normal ones with an AUROC of "
                f"{number(first.auroc)} (95 % interval {number(first.interval[0])} to {number(first.interval[1])}); "
                f"it catches {percent(first.caught, 1)} of the strange ones and alarms at "
                f"{percent(first.false, 1)} of the normal ones."
            )
            said += self._simple()
        elif len(self.names):
            count = int((first.scores > 1).sum())
            verb = "is" if count == 1 else "are"
            said.append(
                f"{first.title} on {first.features}: {count:,} of {plural(len(self.names), 'picture')} {verb} strange."
            )
        said.append(first.threshold.sentence)
        if first.false_interval[0] > first.threshold.interval[1]:  # never of NaN
            said.append(
                f"Of the normal pictures of the test {percent(first.false, 1)} pass it (95 % interval "
                f"{span(first.false_interval)}), more than that promise allows: they differ from those that were "
                "learnt from, in size, light or camera, or strange ones are among them."
            )
        if self.suspicious:
            what = "learnt from all the same" if self.kept_suspicious else "left out of the learning"
            one = len(self.suspicious) == 1
            said.append(
                f"{plural(len(self.suspicious), 'picture')} among the normal ones {'looks' if one else 'look'} like no "
                f"other, {'was' if one else 'were'} {what}, and should be looked at: "
                f"{', '.join(name for name, _ in self.suspicious[:3])}{', …' if len(self.suspicious) > 3 else ''}."
            )
        if self.learnt_too:
            said.append(
                f"{plural(self.learnt_too, 'test picture')} {'is' if self.learnt_too == 1 else 'are'} among the normal "
                "ones, too: what is measured there says nothing about new pictures."
            )
        return said

    def _simple(self) -> list[str]:
        """The first method beside the best of the simple ones."""
        simple = [one for one in self.judged[1:] if one.method in ("pca", "knn")]
        if not simple or self.first.method in ("pca", "knn"):
            return []
        best = max(simple, key=lambda one: one.auroc)
        told = self.against[best.method]
        low, high = told.interval
        facts = f"{told.value:+.3f} (95 % interval {low:+.3f} to {high:+.3f})"
        if told.p_value < SURE and told.value > 0:
            return [f"That is better than {best.title} ({number(best.auroc)}): {facts}."]
        word = "better than it" if told.p_value < SURE else "no worse, as far as these pictures tell"
        return [
            f"{best.title} gets {number(best.auroc)} after {duration(best.seconds)} and is {word}: {facts}; "
            f"it is the simpler choice: --method {best.method}."
        ]

    def order(self) -> list[int]:
        """Rows of the test pictures, the strangest first."""
        return [int(row) for row in np.argsort(-self.first.scores, kind="stable")]

    def rows(self) -> list[tuple[str, ...]]:
        """A table: method, features, AUROC, interval, pixel AUROC, caught, false alarms, time."""
        return [
            (
                one.title, one.features, number(one.auroc),
                "" if math.isnan(one.auroc) else f"{number(one.interval[0])}–{number(one.interval[1])}",
                number(one.pixel_auroc), percent(one.caught, 1), percent(one.false, 1), duration(one.seconds),
            )
            for one in self.judged
        ]  # fmt: skip

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON, with every test picture."""
        pictures = [
            {
                "file": self.names[row], "score": float(self.first.scores[row]),
                "strange": bool(self.first.scores[row] > 1), "kind": self.kinds[row],
                "truth": {0: "normal", 1: "strange"}.get(int(self.truth[row])),
                "scores": {one.method: float(one.scores[row]) for one in self.judged},
            }
            for row in self.order()
        ]  # fmt: skip
        return plain(
            {
                "name": self.name, "learnt": self.learnt, "sentences": self.sentences, "folder": self.folder,
                "suspicious": [{"file": name, "distance": far} for name, far in self.suspicious],
                "methods": [one.to_dict() for one in self.judged],
                "against": {
                    name: {"difference": told.value, "interval": told.interval, "p_value": told.p_value}
                    for name, told in self.against.items()
                },
                "pictures": pictures,
            }
        )  # fmt: skip

    def scores_csv(self) -> str:
        """A line a picture, the strangest first."""
        head = ["file", "kind", "truth", "score", "strange", *(f"score_{one.method}" for one in self.judged[1:])]
        words = {0: "normal", 1: "strange"}
        lines = [
            [
                self.names[row], self.kinds[row], words.get(int(self.truth[row]), ""), float(self.first.scores[row]),
                int(self.first.scores[row] > 1), *(float(one.scores[row]) for one in self.judged[1:]),
            ]
            for row in self.order()
        ]  # fmt: skip
        return csv_text(head, lines)

    def lines(self, most: int = 10) -> list[str]:
        """The result in lines of 80 columns; `most` test pictures, the strangest first."""
        found = [line.replace("\xa0", " ") for said in self.sentences for line in _wrapped(said)]
        if self.measured:
            head = f"  {'method':<27}{'AUROC':>6}  {'95 %':<11}{'pixels':>6}{'caught':>8}{'alarms':>8}{'learnt':>10}"
            found += ["", head.rstrip()]
            found += [
                f"  {in_columns(title, 27)}{a:>6}  {b:<11}{c:>6}{d:>8}{e:>8}{f:>10}".rstrip()
                for title, _, a, b, c, d, e, f in self.rows()
            ]
        if len(self.names):
            found += ["", f"  {'the strangest':<42}{'score':>7}  " + "  ".join(one.method for one in self.judged[1:4])]
            for row in self.order()[:most]:
                beside = "  ".join(f"{one.scores[row]:>{max(3, len(one.method))}.2f}" for one in self.judged[1:4])
                mark = "strange" if self.first.scores[row] > 1 else "normal"
                found.append(f"  {in_columns(self.names[row], 42)}{self.first.scores[row]:>7.2f}  {beside}  {mark}")
            left = len(self.names) - most
            found += [f"  and {left:,} more, all in scores.csv"] if left > 0 else []
            found += ["  (0 is the usual of normal pictures, 1 the threshold)"]
        return found

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def __repr__(self) -> str:
        return f"Anomalies({self.name}: {self.first.method}, {self.learnt} learnt, {len(self.names)} looked at)"

    def _repr_html_(self) -> str:
        head = ["method", "features", "AUROC", "95 % interval", "pixels", "caught", "false alarms", "learnt in"]
        said = "".join(f"<p>{escape(sentence)}</p>" for sentence in self.sentences)
        return said + html_table(head, self.rows())


def _wrapped(sentence: str) -> list[str]:
    """Lines of 80 columns; a number and its per cent sign stay together."""
    return textwrap.wrap(sentence.replace(" %", "\xa0%"), 80)


__all__ = ["Anomalies", "Judged", "span"]
