"""Does a shipped file give the answers of the net it was made from? Measured on real pictures and on odd ones.

The two sides part where a picture has been decoded: hubel fits it with Pillow and asks the net, the file gets the
decoded picture in its own size. So what is compared is all that the file does.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np

from hubel.checkpoint.trust import ACCEPTED
from hubel.views import Viewed
from hubel.words import plain, plural

BESIDE = 0.01
"""Of a familiarity: two steps."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The same pictures twice: as the net's own reader fits them, and in their own sizes."""

    names: tuple[str, ...]
    placed: np.ndarray
    """N C H W uint8."""
    whole: tuple[np.ndarray, ...]
    """N times H W C uint8."""
    real: int
    """The first so many are the run's own; the others are generated."""

    def __len__(self) -> int:
        return len(self.names)

    def __add__(self, other: Pictures) -> Pictures:
        assert not other.real
        return Pictures(
            names=self.names + other.names,
            placed=np.concatenate([self.placed, other.placed]),
            whole=self.whole + other.whole,
            real=self.real,
        )


@dataclass(frozen=True, kw_only=True)
class Parity(Viewed):
    """How far a file's answers are from the net's."""

    form: str
    pictures: int
    real: int
    """Of them from the run's own data; the others are generated: odd sizes, modes and orientations."""
    split: str
    """Part of the data that the real ones are of; "" where there are none."""
    tolerance: float
    largest_difference: float
    """Of a probability."""
    worst: str
    """The picture with it."""
    labels_differ: int
    """Pictures that are called something else, ties left out."""
    ties: int
    """Pictures that are called something else where the net itself tells the two best classes apart by less than twice
    the tolerance: either name is right."""
    first_different: str
    """A picture that is called something else; "" if none is."""
    known_differ: int | None = None
    """Pictures of which net and file do not say alike whether they are known, ties left out; None where the file does
    not tell. A tie is a familiarity within a hundredth of the threshold."""
    several: bool = False
    """May several labels be said of a picture? Then all that are said must be the same, and a tie is a picture whose
    other labels all lie within twice the tolerance of their thresholds."""
    rounds: bool = False
    """Is the file in whole numbers, so that it answers otherwise now and then, and what that costs is measured?"""

    @property
    def holds(self) -> bool:
        """Are all labels the same, and all probabilities within the tolerance? Of a file that rounds, no more is asked
        than answers that are probabilities."""
        if self.rounds:
            return self.largest_difference <= 1
        return not self.labels_differ and not self.known_differ and self.largest_difference <= self.tolerance

    @property
    def sentence(self) -> str:
        """The result as one sentence."""
        same = self.pictures - self.labels_differ
        made = self.pictures - self.real
        of = " and ".join(
            [f"{self.real:,} {self.split} pictures"] * bool(self.real) + [f"{made:,} generated ones"] * bool(made)
        )
        tie = f" ({plural(self.ties, 'tie')})" if self.ties else ""
        allowed = "" if self.rounds else f", allowed {self.tolerance:.0e}"
        told = "sets of labels" if self.several else "labels"
        return (
            f"{same:,} of {self.pictures:,} {told} are those of the net{tie}; probabilities differ by at most "
            f"{self.largest_difference:.1e}{allowed}: {of}.{self._known}"
        )

    @property
    def _known(self) -> str:
        if self.known_differ is None:
            return ""
        if not self.known_differ:
            return " Whether a picture is known is told alike of all."
        return f" Of {self.known_differ:,} it is told otherwise whether they are known."

    def to_json(self) -> str:
        """All of it as JSON."""
        return json.dumps(plain(asdict(self) | {"holds": self.holds}), indent=1, ensure_ascii=False) + "\n"

    def __str__(self) -> str:
        return self.sentence


def compare(
    form: str,
    wanted: np.ndarray,
    found: np.ndarray,
    pictures: Pictures,
    *,
    split: str,
    tolerance: float,
    limits: np.ndarray | None = None,
    rounds: bool = False,
) -> Parity:
    """Probabilities of the net (N K) beside those of a file, picture by picture.

    `limits` K: from which probability on each label is said, where several may be.

    Numbers that are none are infinitely far away.

    >>> some = Pictures(names=("a", "b"), placed=np.zeros((2, 1, 1, 1), np.uint8), whole=(), real=2)
    >>> net, file = np.array([[0.6, 0.4], [0.5, 0.5]]), np.array([[0.6, 0.4], [0.49999, 0.50001]])
    >>> found = compare("onnx", net, file, some, split="test", tolerance=1e-4)
    >>> found.holds, found.ties, found.worst
    (True, 1, 'b')
    >>> compare("onnx", net, file, some, split="test", tolerance=1e-4, limits=np.array([0.5, 0.39999])).labels_differ
    0
    """
    away = np.abs(wanted - found).max(axis=1) if found.shape == wanted.shape else np.full(len(wanted), np.inf)
    away = np.where(np.isfinite(away), away, np.inf)
    worst = int(away.argmax())
    if found.shape != wanted.shape:
        other, tied = np.ones(len(wanted), bool), np.zeros(len(wanted), bool)
    elif limits is None:
        other = wanted.argmax(axis=1) != found.argmax(axis=1)
        best = np.sort(wanted, axis=1)[:, -2:]
        tied = best[:, -1] - best[:, 0] < 2 * tolerance if wanted.shape[1] > 1 else np.zeros(len(wanted), bool)
    else:
        moved = (wanted >= limits) != (found >= limits)
        other, tied = moved.any(axis=1), (~moved | (np.abs(wanted - limits) < 2 * tolerance)).all(axis=1)
    differ = np.flatnonzero(other & ~tied)
    return Parity(
        form=form,
        pictures=len(pictures),
        real=pictures.real,
        split=split if pictures.real else "",
        tolerance=tolerance,
        largest_difference=float(away[worst]),
        worst=pictures.names[worst],
        labels_differ=len(differ),
        ties=int((other & tied).sum()),
        first_different=pictures.names[differ[0]] if len(differ) else "",
        several=limits is not None,
        rounds=rounds,
    )


def told_otherwise(net: np.ndarray, file: np.ndarray, limit: float = 1 - ACCEPTED) -> int:
    """Pictures of which familiarities N of net and file lie on other sides of the limit, and not both beside it.

    Familiarity goes in steps, since it is a share of some familiar pictures: a difference of rounding may be a step.

    >>> told_otherwise(np.array([0.5, 0.048, 0.01]), np.array([0.5, 0.052, 0.2]))
    1
    """
    near = (np.abs(net - limit) < BESIDE) & (np.abs(file - limit) < BESIDE)
    return int((((net >= limit) != (file >= limit)) & ~near).sum())


def in_parts(count: int, most: int) -> np.ndarray:
    """Rows of at most `most` of so many, spread evenly.

    >>> in_parts(7, 3).tolist()
    [0, 2, 4]
    """
    return (np.arange(min(most, count)) * count) // max(1, min(most, count))
