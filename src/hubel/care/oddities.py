"""Pictures that look unlike the others, and cues that give a class away without the subject: both need no net.

Letters: N pictures, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import recall_score

from hubel.care.sharpness import bound_of
from hubel.words import percent

DARK, BRIGHT = 20.0, 245.0
"""Mean grey levels, of 255, beyond which hardly anything can be seen."""
BLANK = 2.0
"""Deviation of the levels below which a picture shows nothing."""
ODD = 4.0
"""How many times the median side, or proportion of the sides, is odd."""
SUSPICIOUS = 0.3
"""How much of the way from guessing to certainty a cue must lead."""
SUBJECT = 0.6
"""The same of brightness, colour and file size (a simple subject packs well), which may well be the subject's."""
CUES = ("size", "border", "file size", "brightness", "colour")


@dataclass(frozen=True, kw_only=True)
class Oddity:
    """A picture that is unlike what can be learnt from."""

    row: int
    kind: str
    """dark, bright, blank, blurred, odd size"""
    reason: str


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """How well one cue alone tells the classes apart."""

    cue: str
    """One of CUES."""
    accuracy: float
    """Balanced, of a small forest on the cue alone, out of fold."""
    chance: float
    rows: tuple[int, ...]
    """Pictures that show it: those of which the forest is surest, of different classes."""

    @property
    def suspicious(self) -> bool:
        """Is it more than the subject should give?"""
        share = SUBJECT if self.cue in ("brightness", "colour", "file size") else SUSPICIOUS
        return self.accuracy - self.chance >= share * (1 - self.chance)


def find_oddities(grey: np.ndarray, sides: np.ndarray, sharp: np.ndarray) -> list[Oddity]:
    """What is odd about grey pictures N S S (levels to 255) whose own heights and widths are `sides`, N 2.

    `sharp` N is how sharp each is at its own size (`hubel.care.sharpness`), NaN where that cannot be told.

    >>> grey = np.random.default_rng(0).uniform(0, 255, (5, 32, 32)); grey[4] = 3
    >>> [(one.row, one.kind) for one in find_oddities(grey, np.full((5, 2), 64), np.array([0, -5.0, 0.1, 0, 0]))]
    [(1, 'blurred'), (4, 'blank')]
    """
    means, spread = grey.mean(axis=(1, 2)), grey.std(axis=(1, 2))
    bound = bound_of(sharp)
    usual = float(np.nanmedian(sharp)) if np.isfinite(sharp).any() else 0.0
    found = []
    for row in range(len(grey)):
        if spread[row] < BLANK:
            found.append(Oddity(row=row, kind="blank", reason=f"one level all over, {means[row]:.0f} of 255"))
        elif means[row] < DARK:
            found.append(Oddity(row=row, kind="dark", reason=f"mean level {means[row]:.0f} of 255"))
        elif means[row] > BRIGHT:
            found.append(Oddity(row=row, kind="bright", reason=f"mean level {means[row]:.0f} of 255"))
        elif sharp[row] < bound:
            share = percent(2 ** float(sharp[row] - usual), 1)
            found.append(Oddity(row=row, kind="blurred", reason=f"{share} of the fine detail that is usual here"))
    return found + _odd_sizes(sides)


def _odd_sizes(sides: np.ndarray) -> list[Oddity]:
    if not len(sides):
        return []
    length = np.sqrt(sides.prod(axis=1, dtype=np.float64))
    shape = sides[:, 1] / np.maximum(sides[:, 0], 1)
    found = []
    for values, word in ((length, "sides"), (shape, "proportions")):
        usual = float(np.median(values))
        for row in np.flatnonzero((values > ODD * usual) | (values * ODD < usual)):
            size = f"{sides[row, 1]}x{sides[row, 0]}"
            found.append(Oddity(row=int(row), kind="odd size", reason=f"{size}: its {word} are unlike the others'"))
    return found


def cues_of(colours: np.ndarray, sides: np.ndarray, sizes: np.ndarray | None) -> dict[str, np.ndarray]:
    """Cue -> N F numbers, from pictures N C S S uint8, their own heights and widths, and bytes where known."""
    levels = colours.astype(np.float32)
    grey = levels.mean(axis=1)
    ring = np.ones(grey.shape[1:], bool)
    ring[2:-2, 2:-2] = False
    found = {
        "size": np.log(np.maximum(sides, 1)),
        "border": np.stack([grey[:, ring].mean(axis=1) - grey[:, ~ring].mean(axis=1), grey[:, ring].std(axis=1)], 1),
        "brightness": np.stack([grey.mean(axis=(1, 2)), grey.std(axis=(1, 2))], 1),
    }
    if sizes is not None:
        found["file size"] = np.log(np.maximum(sizes, 1))[:, None]
    if levels.shape[1] == 3:
        means = levels.mean(axis=(2, 3))
        found["colour"] = np.stack([means[:, 0] - means[:, 1], means[:, 2] - means[:, 1]], 1)
    return {cue: found[cue] for cue in CUES if cue in found and np.ptp(found[cue], axis=0).any()}


def probe_shortcuts(
    cues: Mapping[str, np.ndarray], labels: np.ndarray, fold: np.ndarray, *, seed: int = 0, shown: int = 6
) -> list[Shortcut]:
    """How far each cue alone leads, the most telling first; `fold` says how the pictures are held out, N."""
    found = []
    for cue, values in cues.items():
        sure = np.zeros(len(labels))
        said = np.zeros(len(labels), np.int64)
        for number in range(int(fold.max()) + 1):
            held = fold == number
            forest = RandomForestClassifier(
                30, max_depth=6, min_samples_leaf=3, class_weight="balanced", random_state=seed, n_jobs=1
            ).fit(values[~held], labels[~held])
            told = forest.predict_proba(values[held])
            sure[held], said[held] = told.max(axis=1), forest.classes_[told.argmax(axis=1)]
        accuracy = float(recall_score(labels, said, average="macro", zero_division=0))
        right = np.flatnonzero(said == labels)
        rows = _of_each_class(right[np.argsort(-sure[right], kind="stable")], labels, shown)
        found.append(Shortcut(cue=cue, accuracy=accuracy, chance=1 / len(np.unique(labels)), rows=rows))
    return sorted(found, key=lambda one: -one.accuracy)


def _of_each_class(rows: Sequence[int] | np.ndarray, labels: np.ndarray, count: int) -> tuple[int, ...]:
    first: dict[int, int] = {}
    for row in rows:
        first.setdefault(int(labels[row]), int(row))
    return tuple(first.values())[:count]
