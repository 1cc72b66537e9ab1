"""What nets answer whose task is no label: what is told of each picture, its numbers, and what is drawn of it.

Letters: N pictures, K labels, C H W channels, height and width.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hubel.data.manifest import Problem
from hubel.words import csv_text

DISTANCES = "distances"
"""Numbers of which the smallest is the best."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a net answers to one picture."""

    name: str
    """The path, or "picture 3" for pictures that were no file."""
    told: str
    """In words, in half a line."""
    numbers: dict[str, float]
    """By name."""
    picture: np.ndarray | None = field(repr=False, default=None)
    """C H W uint8, a picture given back; H W uint8, the class of each pixel; None where it answers with neither."""
    palette: np.ndarray | None = field(repr=False, default=None)
    """K 3 uint8: the colours in which classes are saved."""
    labels: tuple[str, ...] | None = None
    """The labels that are said, where a picture may have several; None where it has none to say."""
    of_labels: str = ""
    """What its numbers are, where there is one for each label: "probabilities", "shares" of the pixels, "distances"; ""
    where each has a name of its own."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What follows from the numbers, as plain data: the nearest class, how far it is, whether that is near."""
    point: np.ndarray | None = field(repr=False, default=None)
    """D: where it lies, of a net that lays pictures on a sphere."""
    steps: dict[str, np.ndarray] | None = field(repr=False, default=None)
    """Of a series whose next steps are foretold: how strange each is, by method; 1 is the threshold."""

    disagreement: dict[str, float] | None = None
    """Of several nets that answer together how much they disagree, by label or by what the answer is made of: mutual
    information of answer and member, in nats; of numbers a standard deviation; of "pixels" the share that they call
    differently."""
    known: bool | None = None
    """Is the picture like those that the net was measured with? None where it cannot tell."""
    familiarity: float = math.nan
    """Share of those that were at least as strange to the net; it is known from 0.05 on. NaN where it cannot tell."""
    told_apart: str = ""
    """The same in words, where it is not told label by label."""
    beside: dict[str, np.ndarray] = field(repr=False, default_factory=dict)
    """Further pictures for files, by name: H W uint8, grey. "disagreement": how many of several nets, 0 to 255 for all
    of them, call a pixel otherwise than the answer. "errors": by how much each pixel of a picture given back is off."""
    seen: np.ndarray | None = field(repr=False, default=None)
    """C H W uint8: what the net saw, where the answer is to be laid over it."""

    def __str__(self) -> str:
        return f"{self.name}: {self.line}"

    @property
    def line(self) -> str:
        """All that is told of it, in words, but for the name."""
        return f"{self.told}{self.apart}{self.strange}"

    @property
    def strange(self) -> str:
        """Where the net does not know the picture, in words."""
        return "   unknown: like nothing it was shown" if self.known is False else ""

    @property
    def apart(self) -> str:
        """Where several nets answered and do not agree, in words: by how much, and about which label most.

        >>> Answer("a.jpg", "cat 90.0%", {"cat": 0.9}, disagreement={"cat": 0.01, "dog": 0.2}).apart
        '   (they disagree by 0.21, most about dog)'
        """
        if self.told_apart:
            return f"   ({self.told_apart})"
        total = sum(self.disagreement.values()) if self.disagreement else 0.0
        if not self.disagreement or total < 0.01:
            return ""
        return (
            f"   (they disagree by {total:.2f}, most about {max(self.disagreement, key=self.disagreement.__getitem__)})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, but for the name: the labels that are said, what follows, and the numbers.

        >>> Answer("a.jpg", "cat 90.0%", {"cat": 0.9, "dog": 0.2}, labels=("cat",), of_labels="probabilities").to_dict()
        {'labels': ['cat'], 'probabilities': {'cat': 0.9, 'dog': 0.2}}
        """
        said: dict[str, Any] = {} if self.labels is None else {"labels": list(self.labels)}
        said |= self.facts
        said |= {self.of_labels: self.numbers} if self.of_labels else self.numbers
        if self.known is not None:
            said |= {"known": self.known, "familiarity": self.familiarity}
        return said | ({"disagreement": self.disagreement} if self.disagreement is not None else {})

    @property
    def ranked(self) -> list[str]:
        """The names of its numbers, the best first: the largest, of distances the smallest."""
        sign = 1 if self.of_labels == DISTANCES else -1
        return sorted(self.numbers, key=lambda name: sign * self.numbers[name])

    @property
    def image(self) -> Image.Image:
        """The picture for a file: grey, colour, or with the class of each pixel as its number in a palette, in which
        what belongs to no class is grey.
        """
        assert self.picture is not None
        if self.picture.ndim == 3:
            pixels = self.picture.transpose(1, 2, 0)
            return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        found = Image.fromarray(self.picture).convert("L")
        if self.palette is not None:
            known = len(self.palette)
            nothing = np.full((256 - known if int(self.picture.max(initial=0)) >= known else 0, 3), 128, np.uint8)
            found.putpalette(np.vstack([self.palette, nothing]).tobytes())
        return found


class Answers(list[Answer]):
    """Answers in the order of the pictures, and what could not be read."""

    problems: tuple[Problem, ...] = ()
    """Files that are no pictures, each with the reason."""

    def __str__(self) -> str:
        return "\n".join([*map(str, self), *(f"{p.path}: not read, {p.reason}" for p in self.problems)])

    def __repr__(self) -> str:
        return str(self)

    def to_csv(self) -> str:
        """A table with a line for each picture: file, and every number; whether it is known and how familiar, where
        the net can tell; of several nets together also by how much they disagree, the sum over the labels.
        """
        names = list(self[0].numbers) if self else []
        rows: list[list[object]] = [[each.name, *each.numbers.values()] for each in self]
        if self and self[0].known is not None:
            names += ["known", "familiarity"]
            told = [["yes" if each.known else "no", each.familiarity] for each in self]
            rows = [[*row, *more] for row, more in zip(rows, told, strict=True)]
        if self and self[0].disagreement is not None:
            names.append("disagreement")
            rows = [[*row, sum((each.disagreement or {}).values())] for row, each in zip(rows, self, strict=True)]
        if self and self[0].labels is not None:
            rows = [[row[0], "|".join(each.labels or ()), *row[1:]] for row, each in zip(rows, self, strict=True)]
            return csv_text(["file", "labels", *names], rows)
        return csv_text(["file", *names], rows)

    def files(self, overlay: Callable[[np.ndarray, np.ndarray, int], np.ndarray] | None = None) -> dict[str, bytes]:
        """File name -> PNG of every picture, named after what it answers; what is told beside it in folders.

        `overlay` lays areas over what the net saw, where that is kept: (C H W, H W, classes) -> H W 3.
        """
        found: dict[str, bytes] = {}
        for name, each in self.named().items():
            found[name] = png(each.image)
            found |= {f"{kind}/{name}": png(grey) for kind, grey in each.beside.items()}
            if overlay is not None and each.seen is not None and each.picture is not None and each.palette is not None:
                found[f"overlays/{name}"] = png(overlay(each.seen, each.picture, len(each.palette)))
        return found

    def named(self) -> dict[str, Answer]:
        """File name -> answer, of all that have a picture; no two are called alike."""
        found: dict[str, Answer] = {}
        for each in self:
            if each.picture is not None:
                stem = Path(each.name).stem or "picture"
                names = (f"{stem}{f'-{number}' if number else ''}.png" for number in range(len(self) + 1))
                found[next(name for name in names if name not in found)] = each
        return found

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(str(each))}</p>" for each in self)


def png(picture: Image.Image | np.ndarray) -> bytes:
    """A picture, or its pixels H W or H W 3 uint8, as a PNG file."""
    out = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(out, "PNG")
    return out.getvalue()


def say_labels(
    names: Sequence[str], shares: np.ndarray, classes: Sequence[str], limits: np.ndarray, *,
    familiarity: np.ndarray | None = None, border: float = 0.0,
) -> list[Answer]:  # fmt: skip
    """Of each picture the labels whose probability reaches its threshold, the most probable first.

    `shares` N K: the probability of each of `classes`; `limits` K: from which on it is said. `familiarity` N, where the
    net can tell it, and the `border` from which on a picture is known.

    >>> found = say_labels(["a.jpg", "b.jpg"], np.array([[0.9, 0.4], [0.2, 0.1]]), ["cat", "dog"], np.array([0.5, 0.3]))
    >>> print(found[0], found[0].labels)
    a.jpg: cat 90.0%, dog 40.0% ('cat', 'dog')
    >>> print(found[1])
    b.jpg: none (nearest: cat 20.0%)
    """
    found = []
    known = [math.nan] * len(shares) if familiarity is None else familiarity.tolist()
    for name, row, familiar in zip(names, shares, known, strict=True):
        order = np.argsort(-row, kind="stable")
        labels = tuple(classes[k] for k in order if row[k] >= limits[k])
        told = ", ".join(f"{classes[k]} {row[k]:.1%}" for k in order if row[k] >= limits[k])
        nearest = f"{classes[order[0]]} {row[order[0]]:.1%}"
        numbers = {label: float(share) for label, share in zip(classes, row, strict=True)}
        found.append(
            Answer(
                name, told or f"none (nearest: {nearest})", numbers, labels=labels, of_labels="probabilities",
                known=None if math.isnan(familiar) else familiar >= border, familiarity=familiar,
            )
        )  # fmt: skip
    return found
