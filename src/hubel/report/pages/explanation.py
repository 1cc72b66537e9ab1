"""The page of an explanation: the prediction, the methods side by side, and how far each map can be trusted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hubel.explainers.attribution import Attribution
from hubel.explainers.methods import EXPLAINERS
from hubel.explainers.trust import Trust
from hubel.figures.areas import colours, tinted
from hubel.figures.images import picture
from hubel.figures.overlay import overlay
from hubel.figures.theme import Figure
from hubel.report.page import page
from hubel.views import Viewed, in_short


@dataclass(frozen=True, kw_only=True)
class Explained(Attribution):
    """An attribution that knows its picture, so that it can be drawn."""

    pixels: np.ndarray
    """C H W uint8, as the net got it."""
    target: str
    """The class that is explained."""
    probability: float
    """Of that class, as `hubel predict` says: over the views that the run averages, of which the map explains one. NaN
    of a net whose task is no label."""
    said: str = ""
    """What such a net says of the class: "4.6 % of the pixels"."""

    def facts(self) -> dict[str, str]:
        """Class, method, and what needs saying."""
        found = {
            "class": f"{self.target} {self.said or f'{self.probability:.1%}'}",
            "method": self.method + (f" at {self.layer}" if self.layer else ""),
            "map": f"{in_short(self.map)}, {'for and against' if self.signed else 'importance'}",
            "took": f"{self.seconds:.2f} s",
        }
        return found | ({"note": self.note} if self.note else {})

    def plot(self) -> Figure:
        """The map over the picture, with a legend."""
        title = f"{self.method}: {self.target} {self.said or f'{self.probability:.0%}'}"
        return overlay(self.pixels, self.map, signed=self.signed, title=title, caption=self.note)

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return self.plot()._repr_mimebundle_()


@dataclass(frozen=True, kw_only=True)
class Explanation(Viewed):
    """Everything the page shows, as plain data."""

    title: str
    """The picture's name."""
    model: str
    """The run or net."""
    pixels: np.ndarray
    """C H W uint8: what the net saw."""
    ranking: Sequence[tuple[str, float]]
    """The most probable classes with their probabilities, best first; or what else is told of classes."""
    target: str
    """The class that is explained."""
    maps: Sequence[Attribution]
    trusts: Sequence[Trust | None] = ()
    """One for each map, or none at all."""
    refusals: Sequence[tuple[str, str]] = ()
    """(method, why it cannot be used on this net)."""
    spared: str = ""
    """What the checks of a large net leave out, in words."""
    looks: str = ""
    """Why the maps' own probability differs from the prediction's, as a sentence; "" where it does not."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Where several labels may hold: from which probability on each of the ranking is said; {} where one class is."""
    others: Sequence[Explanation] = ()
    """The same for the other labels of the picture that are explained."""
    measure: str = "probability"
    """What the ranking counts: shares of 1, or distances."""
    told: str = ""
    """What the net says, as a sentence, where it is not the probability of a class."""
    scored: str = ""
    """Which score the maps explain, as a sentence, where it is not the logit of a class."""
    areas: np.ndarray | None = None
    """H W uint8: the class of each pixel, of a net that answers with these."""
    class_names: Sequence[str] = ()
    """Of these areas."""

    @property
    def colours(self) -> dict[str, str]:
        """The colour of each class of the areas, as a style says it; the first, the ground, is clear."""
        if self.areas is None:
            return {}
        wheel = [f"rgb({red}, {green}, {blue})" for red, green, blue in colours(len(self.class_names)).tolist()]
        return dict(zip(self.class_names, ["transparent", *wheel[1:]], strict=True))

    def number(self, value: float) -> str:
        """A number of the ranking as it is written."""
        return f"{value:.2f}" if self.measure == "distance" else f"{100 * value:.1f} %"

    def bar(self, value: float) -> float:
        """The length of its bar, from 0 to 1."""
        return max(0.0, 1 - value / 2) if self.measure == "distance" else value

    @property
    def said(self) -> tuple[str, ...]:
        """What the net says: a class, or labels, most probable first."""
        if not self.limits:
            return (self.ranking[0][0],)
        return tuple(name for name, share in self.ranking if share >= self.limits[name])

    @property
    def sentence(self) -> str:
        """The result in words."""
        if self.told:
            return f"{self.told} The maps explain {self.target}."
        shares = dict(self.ranking)
        text = f"The net says {', '.join(f'{name} ({shares[name]:.0%})' for name in self.said)}."
        if not self.said:
            best, share = self.ranking[0]
            text = f"The net says none of its labels; the nearest is {best} ({share:.0%})."
        explained = [part.target for part in (self, *self.others)]
        if tuple(explained) != self.said:
            text += f" The maps explain {', '.join(f'{name} ({shares[name]:.0%})' for name in explained)}."
        return f"{text} {self.looks}".rstrip()


def drawings(report: Explanation) -> dict[str, Figure]:
    """Method -> its map over the picture; where several labels are explained, label and method."""
    parts = (report, *report.others)
    found: dict[str, Figure] = {}
    for number, part in enumerate(parts):
        first = ""
        if len(parts) > 1:  # a number where two labels are written alike
            word = re.sub(r"[^\w.-]+", "-", part.target).strip("-.")[:40]
            alike = any(name.startswith(f"{word}-") for name in found)
            first = f"{number + 1}-{word}-" if alike or not word else f"{word}-"
        found |= {f"{first}{name}": figure for name, figure in _drawn(part).items()}
    return found


def _drawn(part: Explanation) -> dict[str, Figure]:
    return {
        found.method: overlay(part.pixels, found.map, signed=found.signed, title=found.method) for found in part.maps
    }


def render(report: Explanation) -> str:
    """The page as text: self-contained, without scripts, readable at the width of a phone.

    >>> one = Attribution(method="saliency", maps=np.ones((1, 8, 8), np.float32), signed=False, targets=(0,),
    ...                   scores=(1.0,), probabilities=(0.9,))
    >>> text = render(Explanation(title="<b>", model="digits-1", pixels=np.zeros((1, 8, 8), np.uint8),
    ...                           ranking=[("three", 0.9)], target="three", maps=[one]))
    >>> "The net says three (90%)." in text, "<b>" in text
    (True, False)
    """
    parts = [(part, _panels(part)) for part in (report, *report.others)]
    what = picture(report.pixels, alt=f"{report.title}, as the net sees it", caption="")
    areas = None
    if report.areas is not None:
        areas = picture(
            tinted(report.pixels, report.areas, len(report.class_names)).transpose(2, 0, 1),
            alt=f"{report.title} under the areas of its classes",
            caption="",
        )
    return page("explanation.html.j2", report=report, parts=parts, picture=what, areas=areas)


def _panels(part: Explanation) -> list[tuple[Figure, str, list[str], str]]:
    """Of every method: its map, its question, what is to be said of it, and its facts."""
    figures = _drawn(part)
    trusts = list(part.trusts) or [None] * len(part.maps)
    return [
        (figures[found.method], EXPLAINERS.get(found.method).question, verdicts(found, trust), _facts(found))
        for found, trust in zip(part.maps, trusts, strict=True)
    ]


def verdicts(found: Attribution, trust: Trust | None) -> list[str]:
    """What is to be said under a map, in sentences: how it came out, and whether to rely on it."""
    said = [f"{found.note[:1].upper()}{found.note[1:]}."] if found.note else []
    # Of a map that is the same everywhere the note has said so already.
    return said + ([trust.sentence] if trust and not (said and trust.blank) else [])


def _facts(found: Attribution) -> str:
    facts = [f"layer {found.layer}"] if found.layer else []
    facts += [f"{name} {value:.3g}" for name, value in found.details.items()]
    facts.append(f"{found.seconds:.2f} s")
    return " · ".join(facts)
