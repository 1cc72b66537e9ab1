"""Pictures and a detector in; a score, a verdict and a map for each out.

Letters: N pictures, h w places of a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hubel.anomalies.artefact import Detector
from hubel.data.manifest import Problem
from hubel.views import Viewed
from hubel.words import csv_text, percent


@dataclass(frozen=True, kw_only=True, eq=False)
class Sighting(Viewed):
    """What a detector says about one picture."""

    name: str
    score: float
    """0 is the usual of normal pictures, 1 the threshold."""
    strange: bool
    """Does it pass the threshold?"""
    rarity: float
    """Share of normal pictures at least as strange, by those that were held out: (those + 1) / (all + 1)."""
    beside: dict[str, float]
    """Scores of the other methods, in the same terms."""
    map: np.ndarray | None = None
    """h w: above 1 is where it is strange; None for a method that cannot say where."""
    pixels: np.ndarray | None = None
    """C H W uint8: what was looked at."""

    def facts(self) -> dict[str, str]:
        """Name -> value, as they are shown."""
        verdict = "strange" if self.strange else "normal"
        found = {
            "picture": self.name, "verdict": verdict, "score": f"{self.score:.3f} (1 is the threshold)",
            "rarity": f"{percent(self.rarity, 1)} of normal pictures are as strange",
        }  # fmt: skip
        return found | {name: f"{score:.3f}" for name, score in self.beside.items()}

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {
            "file": self.name, "score": self.score, "strange": self.strange, "rarity": self.rarity,
            "scores": self.beside,
        }  # fmt: skip


class Sightings(list[Sighting]):
    """What a detector says of several pictures, in their order, and what could not be read."""

    problems: tuple[Problem, ...] = ()

    @property
    def scores(self) -> np.ndarray:
        """N."""
        return np.array([one.score for one in self])

    def to_csv(self) -> str:
        """A line a picture."""
        others = list(self[0].beside) if self else []
        head = ["file", "score", "strange", "rarity", *(f"score_{name}" for name in others)]
        lines = [[s.name, s.score, int(s.strange), s.rarity, *s.beside.values()] for s in self]
        return csv_text(head, lines)

    def __str__(self) -> str:
        lost = [f"{problem.path}: not read, {problem.reason}" for problem in self.problems]
        lines = [f"{one.name}: {'strange' if one.strange else 'normal'} {one.score:.2f}" for one in self]
        return "\n".join([*lines, *lost])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return "".join(one._repr_html_() for one in self)


def sight(detector: Detector, names: Sequence[str], images: np.ndarray) -> list[Sighting]:
    """What a detector says of pictures N C H W uint8."""
    first, *others = detector.methods
    scores, maps = first.look(images)
    beside = {each.name: each.look(images)[0] for each in others}
    usual = detector.usual_scores
    rarer = (len(usual) - np.searchsorted(usual, scores, side="left") + 1) / (len(usual) + 1)
    return [
        Sighting(
            name=name, score=float(scores[row]), strange=bool(scores[row] > 1), rarity=float(rarer[row]),
            beside={key: float(value[row]) for key, value in beside.items()},
            map=None if maps is None else maps[row], pixels=images[row],
        )
        for row, name in enumerate(names)
    ]  # fmt: skip
