"""Does a file give what its net says, where that is not the probabilities of classes? Output by output, on pictures.

Numbers must be near, decisions the same; a decision that the net itself makes by less than twice the tolerance is a
tie, and either is right. The two sides part where a picture has been decoded, as in `hubel.deploy.parity`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from hubel.deploy.ended import answered, in_size
from hubel.deploy.parity import Pictures
from hubel.deploy.wanted import Wanted
from hubel.tasks.ending import Ending, Output
from hubel.views import Viewed
from hubel.words import percent, plain, plural


@dataclass(frozen=True, kw_only=True)
class Likeness(Viewed):
    """How far one output of a file is from what the net says."""

    output: str
    count: int
    """Numbers, or decisions, that were compared."""
    decides: bool
    counted: str
    """What is counted, in the plural, of decisions."""
    bounded: bool
    """Have its numbers a scale of their own?"""
    largest_difference: float
    """Of a number; 0 for decisions. Of numbers without a scale of their own as a share of the number, or of the largest
    that the net says of real pictures where that is more."""
    allowed: float
    equal: float
    """Share of all that are the same: of decisions those that are not ties, too."""
    ties: int
    """Decisions that differ where the net itself is at the border."""
    differ: int
    """Decisions that differ elsewhere."""
    worst: str
    """The picture with the largest difference, or the first one that is decided otherwise; "" where there is none."""

    @property
    def holds(self) -> bool:
        """Is every number near enough, and every decision the same?"""
        return not self.differ and self.largest_difference <= self.allowed

    @property
    def words(self) -> str:
        """In half a sentence."""
        if self.decides:
            tie = f", {plural(self.ties, 'tie')}" if self.ties else ""
            same = self.count - self.differ - self.ties
            return f"{same:,} of {self.count:,} {self.counted} are those of the net ({percent(self.equal)}{tie})"
        share = "" if self.bounded else " of their size"
        return f"{self.output} differ by at most {self.largest_difference:.2g}{share}, allowed {self.allowed:g}"


@dataclass(frozen=True, kw_only=True)
class Likenesses(Viewed):
    """How far a file is from its net."""

    form: str
    task: str
    pictures: int
    real: int
    """Of them from the run's own data; the others are generated: odd sizes, modes and orientations."""
    split: str
    """Part of the data that the real ones are of; "" where there are none."""
    tolerance: float
    outputs: tuple[Likeness, ...]

    @property
    def holds(self) -> bool:
        """Is every output near enough?"""
        return all(each.holds for each in self.outputs)

    @property
    def first_different(self) -> str:
        """A picture of which something else is said; "" where there is none."""
        return next((each.worst for each in self.outputs if each.differ), "")

    @property
    def worst(self) -> str:
        """The picture with the largest difference of an output that is too far; "" where there is none."""
        return next((each.worst for each in self.outputs if not each.holds), "")

    @property
    def sentence(self) -> str:
        """The result as one sentence."""
        made = self.pictures - self.real
        of = " and ".join(
            [f"{self.real:,} {self.split} pictures"] * bool(self.real) + [f"{made:,} generated ones"] * bool(made)
        )
        return f"{'; '.join(each.words for each in self.outputs)}: {of}."

    def to_json(self) -> str:
        """All of it as JSON."""
        said = asdict(self) | {"holds": self.holds}
        return json.dumps(plain(said), indent=1, ensure_ascii=False) + "\n"

    def __str__(self) -> str:
        return self.sentence


class Comparing:
    """What is counted of one output while pictures pass.

    >>> some = Comparing(Output(name="nearest", what="", decides=True), 1e-4)
    >>> for file in (3, 5, 4):
    ...     some.add("a.jpg", np.array(3), np.array(file), np.array(0.5 if file == 5 else 0.0))
    >>> found = some.likeness()
    >>> found.differ, found.ties, round(found.equal, 3), found.holds
    (1, 1, 0.333, False)
    """

    def __init__(self, output: Output, tolerance: float) -> None:
        self.output, self.tolerance = output, tolerance
        self.count = self.same = self.ties = self.differ = 0
        self.away, self.worst = 0.0, ""
        self.kept: list[tuple[str, np.ndarray, np.ndarray]] = []
        """Of numbers without a scale of their own, which is known when all have passed."""

    def add(self, name: str, net: np.ndarray, file: np.ndarray, margin: np.ndarray | None = None) -> None:
        """Count a picture: what the net gives of it, and the file; `margin` as `Ending.margins` has it."""
        self.count += net.size
        if net.shape != file.shape:
            self.away, self.differ, self.worst = np.inf, self.differ + net.size, name
            return
        other = net != file
        self.same += int((~other).sum())
        if self.output.decides:
            tied = np.zeros(net.shape, bool) if margin is None else other & (margin < 2 * self.tolerance)
            self.ties += int(tied.sum())
            self.differ += int((other & ~tied).sum())
            self.worst = self.worst or (name if (other & ~tied).any() else "")
        elif self.output.bounded:
            self._measure(name, net, file, 1.0)
        else:
            self.kept.append((name, net.astype(np.float64), file.astype(np.float64)))

    def _measure(self, name: str, net: np.ndarray, file: np.ndarray, scale: float | np.ndarray) -> None:
        apart = np.abs(net.astype(np.float64) - file.astype(np.float64)) / scale
        away = float(np.where(np.isfinite(apart), apart, np.inf).max(initial=0.0))
        if away > self.away:
            self.away, self.worst = away, name

    def likeness(self, real: int = 0) -> Likeness:
        """What it comes to; the first `real` pictures are the run's own."""
        usual = max((float(np.abs(net).max(initial=0.0)) for _, net, _ in self.kept[: real or None]), default=0.0)
        for name, net, file in self.kept:
            self._measure(name, net, file, np.maximum(np.abs(net), usual or 1.0))
        return Likeness(
            output=self.output.name, count=self.count, decides=self.output.decides, counted=self.output.counted,
            bounded=self.output.bounded, largest_difference=self.away,
            allowed=0.0 if self.output.decides else max(self.output.step, self.tolerance),
            equal=self.same / max(1, self.count), ties=self.ties, differ=self.differ, worst=self.worst,
        )  # fmt: skip


Gives = Callable[[Sequence[np.ndarray]], list[dict[str, np.ndarray]]]
"""Of each of some pictures H W C uint8 what a file gives, by output."""
TOGETHER = 1 << 24
"""Numbers that are held of the net and of the file at once."""


def compare(
    form: str, wanted: Wanted, ending: Ending, pictures: Pictures, gives: Gives, *, split: str, tolerance: float
) -> Likenesses:
    """What the net gives of each picture beside what a file gives; a few at a time, since maps of pixels are large."""
    counted = {output.name: Comparing(output, tolerance) for output in ending.outputs}
    each = sum(one.size for one in answered(wanted, ending, pictures.placed[:1]).values())
    some = max(1, min(64, TOGETHER // max(1, each)))
    for start in range(0, len(pictures), some):
        part = slice(start, start + some)
        net = answered(wanted, ending, pictures.placed[part])
        margins = ending.margins(net)
        whole = pictures.whole[part]
        for row, (picture, given) in enumerate(zip(whole, gives(whole), strict=True)):
            for output in ending.outputs:
                of_net, border = (
                    None if found is None else in_size(wanted, output, found[row], picture.shape[:2])
                    for found in (net[output.name], margins.get(output.name))
                )
                assert of_net is not None
                counted[output.name].add(pictures.names[start + row], of_net, given[output.name], border)
    return Likenesses(
        form=form, task=wanted.classifier.task, pictures=len(pictures), real=pictures.real,
        split=split if pictures.real else "", tolerance=tolerance,
        outputs=tuple(each.likeness(pictures.real) for each in counted.values()),
    )  # fmt: skip
