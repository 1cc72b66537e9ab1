"""Labels that are probably wrong: what nets that do not know a picture say about it, held against its label.

Confident learning (Northcutt, Jiang & Chuang, JAIR 70, 2021): a picture counts as confidently of class j when its
probability of j is at least the mean probability of j among all pictures labelled j. Pictures labelled i and
confidently of j fill the confident joint, which is scaled to the counts of the labels; what is off its diagonal is the
expected number of wrong labels, pair by pair. Its interval comes from drawing the pictures anew (bootstrap).

A net that learns the labels which it judges comes to believe wrong ones, so that fewer and fewer are confidently of
another class. There the number lies half-way between those and all that it contradicts, its interval around both.

That count takes the judge's own mistakes for wrong labels. Where it agrees with few of them (LEAST), most of what it
counts are its own, and the number is not told (`LabelCheck.countable`); the order still is worth a look.

The order is that of self-confidence, the probability of the given label, with the nearest pictures' labels mixed in
where what sees them knows no labels by heart.

Letters: N pictures, K classes, k neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hubel.metrics.intervals import wilson
from hubel.words import percent, plural

DRAWS = 400
"""Of the bootstrap."""
NEIGHBOURS = 5
LEAST = 0.8
"""The share of the labels that a judge must agree with for a count of wrong ones to mean anything."""
SURE = 0.9
"""The same for its own mistakes to be few beside what it counts; below, the interval begins at none."""
ABOVE = 0.5
"""How much of the way from guessing the most frequent class to agreeing with all labels it must also have gone."""
SHARE = 0.25
"""How much the labels of the neighbours count beside the probability."""


@dataclass(frozen=True, kw_only=True)
class WrongLabel:
    """A label that is probably wrong, and why."""

    row: int
    given: str
    suggested: str
    probability: float
    """Of the suggested class, by what judged."""
    own: float
    """Of the given class."""
    confident: bool
    """Does confident learning count it as of the other class?"""
    neighbours: tuple[int, ...]
    """The nearest other pictures, in the space of the features; nearest first."""
    agreeing: int
    """How many of those have the suggested label."""
    label: str = ""
    """Where a picture may have several labels, the one that it lacks or has too much: the others are not meant."""
    there: bool = False
    """Is that label there, by what judged?"""


@dataclass(frozen=True, kw_only=True)
class LabelCheck:
    """All labels of a data set, judged by models that have not seen them, or by what one said before it knew them."""

    suspects: tuple[WrongLabel, ...]
    """The least believable first."""
    scores: np.ndarray
    """N: from 0, surely wrong, to 1; nan where it was not judged."""
    expected: float
    """Number of wrong labels, where they are `countable`."""
    interval: tuple[float, float]
    """95 % of it. From 0 where the judge may be wrong about all that it counts (SURE)."""
    joint: np.ndarray
    """K K: expected number of pictures labelled i that are of j."""
    accuracy: float
    """Of the models, against the labels as they are."""
    folds: int
    """0 where a net judged as it learnt."""
    by: str
    """What judged, in words."""

    @property
    def guessing(self) -> float:
        """The share of the labels that who always says the most frequent class agrees with."""
        return float(self.joint.sum(axis=1).max() / self.joint.sum())

    @property
    def countable(self) -> bool:
        """Does the judge agree with enough labels for `expected` and `interval` to mean anything?"""
        return self.accuracy >= max(LEAST, self.guessing + ABOVE * (1 - self.guessing))

    @property
    def sentence(self) -> str:
        """How many labels are expected to be wrong, in words, or that it cannot be told."""
        if self.countable:
            low, high = self.interval
            if self.accuracy < SURE:
                return (
                    f"at most {high:.0f} labels are expected to be wrong, {self.expected:.0f} if the judge never errs"
                )
            count = round(self.expected)
            told = f"{plural(count, 'label')} {'is' if count == 1 else 'are'} expected to be wrong"
            return f"{told} (95 % interval {low:.0f} to {high:.0f})"
        return (
            f"how many labels are wrong cannot be told: what judged them agrees with {percent(self.accuracy, 0)} "
            f"({percent(self.guessing, 0)} by guessing)"
        )

    @property
    def doubt(self) -> str:
        """What to say to who takes suggestions of a judge that agrees with few labels; "" for a good one."""
        if self.countable:
            return ""
        return (
            f"what judged agrees with {percent(self.accuracy, 0)} of the labels only ({percent(self.guessing, 0)} by "
            "guessing): look at what was edited before you train on it"
        )

    def pairs(self, class_names: tuple[str, ...], most: int = 8) -> list[tuple[str, str, float]]:
        """(given, probably meant, expected number), the most frequent confusions of whoever labelled first.

        None where they cannot be counted.
        """
        if not self.countable:
            return []
        off = self.joint * (1 - np.eye(len(self.joint)))
        order = np.argsort(-off, axis=None, kind="stable")[:most]
        places = [np.unravel_index(place, off.shape) for place in order]
        return [(class_names[i], class_names[j], float(off[i, j])) for i, j in places if off[i, j] >= 0.5]


def confident_class(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """N: the class that each picture is confidently of, -1 for none.

    >>> probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.9, 0.1]])
    >>> confident_class(probabilities, np.array([0, 0, 1, 1])).tolist()
    [0, -1, 1, 0]
    """
    return _confident(probabilities, thresholds(probabilities, labels))


def thresholds(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """K: the mean probability of each class among those labelled so; 2, which is never reached, for a class of none."""
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    own = np.bincount(labels, weights=probabilities[np.arange(len(labels)), labels], minlength=classes)
    return np.where(counts > 0, own / np.maximum(counts, 1), 2.0)


def _confident(probabilities: np.ndarray, least: np.ndarray) -> np.ndarray:
    reached = probabilities >= least - 1e-12
    best = np.where(reached, probabilities, -1.0).argmax(axis=1)
    return np.where(reached.any(axis=1), best, -1)


def confident_joint(labels: np.ndarray, confident: np.ndarray, classes: int) -> np.ndarray:
    """K K: how many pictures labelled i are of j, in all as many as there are labels.

    Rows are scaled to the number of labels of their class; a class without a confident picture is taken as right.

    >>> confident_joint(np.array([0, 0, 1, 1]), np.array([0, -1, 1, 0]), 2).tolist()
    [[2.0, 0.0], [1.0, 1.0]]
    """
    counted = confident >= 0
    joint = np.zeros((classes, classes))
    np.add.at(joint, (labels[counted], confident[counted]), 1.0)
    none = joint.sum(axis=1) == 0
    joint[none, none] = 1.0
    counts = np.bincount(labels, minlength=classes)
    scaled: np.ndarray = joint / joint.sum(axis=1, keepdims=True) * counts[:, None]
    return scaled


def expected_wrong(
    probabilities: np.ndarray, labels: np.ndarray, *, seed: int = 0
) -> tuple[float, tuple[float, float], np.ndarray]:
    """(expected number of wrong labels, its 95 % interval, the confident joint)."""
    found, drawn, joint = drawn_wrong(probabilities, labels, seed)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return found, (min(float(low), found), max(float(high), found)), joint


def drawn_wrong(probabilities: np.ndarray, labels: np.ndarray, seed: int) -> tuple[float, np.ndarray, np.ndarray]:
    """(expected number of wrong labels, the same for DRAWS draws of the pictures, the confident joint)."""
    classes, count = probabilities.shape[1], len(labels)
    joint = confident_joint(labels, confident_class(probabilities, labels), classes)
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(DRAWS):
        rows = rng.integers(0, count, count)
        seen, given = probabilities[rows], labels[rows]
        one = confident_joint(given, confident_class(seen, given), classes)
        drawn.append(count - np.trace(one))
    return count - float(np.trace(joint)), np.array(drawn), joint


@dataclass(frozen=True, kw_only=True)
class SeveralCheck(LabelCheck):
    """Where a picture may have several labels: every answer judged, that a label is there and that it is not."""

    class_names: tuple[str, ...]

    @property
    def guessing(self) -> float:
        """The share of the answers that who says of each label what is most frequent agrees with."""
        return float(self.joint.sum(axis=2).max(axis=1).sum() / self.joint.sum())

    def pairs(self, class_names: tuple[str, ...], most: int = 8) -> list[tuple[str, str, float]]:
        """(what is said, what is probably meant, expected number), label by label, the most frequent first."""
        if not self.countable:
            return []
        found = [
            (*(answers[::-1] if there else answers), float(self.joint[k, there, 1 - there]))
            for k, answers in enumerate(map(two_answers, self.class_names))
            for there in (0, 1)
        ]
        return [each for each in sorted(found, key=lambda each: -each[2])[:most] if each[2] >= 0.5]


def two_answers(label: str) -> tuple[str, str]:
    """What can be said of a label.

    >>> two_answers("cat")
    ('without cat', 'with cat')
    """
    return f"without {label}", f"with {label}"


def judge_several(
    probabilities: np.ndarray,
    truth: np.ndarray,
    neighbours: np.ndarray,
    class_names: tuple[str, ...],
    *,
    folds: int,
    by: str,
    seed: int = 0,
    share: float = SHARE,
) -> SeveralCheck:
    """The same where several labels may hold, N K `truth` of 0 and 1 and N K probabilities: each label is a question of
    its own with two answers (Thyagarajan et al. 2022, arXiv:2211.13895, section 3), each picture as believable as the
    least believable of its answers.

    >>> sure = np.array([[0.98], [0.97], [0.02], [0.03], [0.99]])
    >>> truth, near = np.array([[1], [1], [0], [0], [0]]), np.zeros((5, 0), int)
    >>> found = judge_several(sure, truth, near, ("cat",), folds=5, by="heads")
    >>> [(one.row, one.given, one.suggested) for one in found.suspects]
    [(4, 'without cat', 'with cat')]
    """
    whole, drawn, suspects, joints = 0.0, np.zeros(DRAWS), [], []
    scores = np.ones(len(truth))
    for k, name in enumerate(class_names):
        one, given = np.stack([1 - probabilities[:, k], probabilities[:, k]], axis=1), truth[:, k].astype(np.int64)
        wrong, again, joint = drawn_wrong(one, given, seed)
        believable, found = _suspected(one, given, neighbours, two_answers(name), wrong, share)
        whole, drawn = whole + wrong, drawn + again  # by the same draws of all pictures
        told = [replace(one, label=name, there=one.suggested == two_answers(name)[1]) for one in found]
        suspects += [(float(believable[one.row]), one) for one in told]
        joints.append(joint)
        scores = np.minimum(scores, believable)
    accuracy = float(((probabilities >= 0.5) == (truth > 0)).mean())
    low, high = np.quantile(drawn, [0.025, 0.975])
    return SeveralCheck(
        suspects=tuple(each for _, each in sorted(suspects, key=lambda pair: pair[0])), scores=scores, expected=whole,
        interval=(0.0 if accuracy < SURE else min(float(low), whole), max(float(high), whole)),
        joint=np.stack(joints), accuracy=accuracy, folds=folds, by=by, class_names=class_names,
    )  # fmt: skip


def judge_labels(
    probabilities: np.ndarray,
    labels: np.ndarray,
    neighbours: np.ndarray,
    class_names: tuple[str, ...],
    *,
    folds: int,
    by: str,
    seed: int = 0,
    share: float = SHARE,
    learnt: bool = False,
) -> LabelCheck:
    """Rank all labels N by out-of-fold probabilities N K and the rows of their nearest others, N k.

    The neighbours' labels count for `share` of the score. `learnt` says that a net learns the labels that it judges.
    Suspects are those that confident learning counts as of another class, and others up to the expected number.
    """
    expected, interval, joint = expected_wrong(probabilities, labels, seed=seed)
    suggested = probabilities.argmax(axis=1)
    accuracy = float((suggested == labels).mean())
    if learnt:
        # The sure ones among the contradicted are too few, since it comes to believe them; all of them, too many.
        contradicted = np.zeros_like(joint)
        np.add.at(contradicted, (labels, suggested), 1.0)
        joint = (joint + contradicted) / 2
        expected = len(labels) - float(np.trace(joint))
        most = len(labels) * wilson(int((suggested != labels).sum()), len(labels))[1]
        interval = interval[0], max(interval[1], most)
    if accuracy < SURE:
        interval = 0.0, interval[1]
    scores, suspects = _suspected(probabilities, labels, neighbours, class_names, expected, share)
    return LabelCheck(
        suspects=tuple(suspects), scores=scores, expected=expected, interval=interval, joint=joint, folds=folds, by=by,
        accuracy=accuracy,
    )  # fmt: skip


def _suspected(
    probabilities: np.ndarray, labels: np.ndarray, neighbours: np.ndarray, class_names: tuple[str, ...],
    expected: float, share: float,
) -> tuple[np.ndarray, list[WrongLabel]]:  # fmt: skip
    """(N: how believable each label is, those that are probably wrong, the least believable first)."""
    suggested, rows = probabilities.argmax(axis=1), np.arange(len(labels))
    confident = confident_class(probabilities, labels)
    own = probabilities[rows, labels]
    scores = believed(own, labels, neighbours, share)
    other = (confident >= 0) & (confident != labels)
    order = np.argsort(scores, kind="stable")
    few = set(order[: round(expected)].tolist())
    return scores, [
        WrongLabel(
            row=row,
            given=class_names[labels[row]],
            suggested=class_names[suggested[row]],
            probability=float(probabilities[row, suggested[row]]),
            own=float(own[row]),
            confident=bool(other[row]),
            neighbours=tuple(neighbours[row].tolist()),
            agreeing=int((labels[neighbours[row]] == suggested[row]).sum()),
        )
        for row in order.tolist()
        if suggested[row] != labels[row] and (other[row] or row in few)
    ]


def believed(own: np.ndarray, labels: np.ndarray, neighbours: np.ndarray, share: float) -> np.ndarray:
    """N: the probability of the given label, with a `share` of how many neighbours have it mixed in."""
    if not neighbours.size or not share:
        return own
    agree = (labels[neighbours] == labels[:, None]).mean(axis=1)
    mixed: np.ndarray = (1 - share) * own + share * agree
    return mixed
