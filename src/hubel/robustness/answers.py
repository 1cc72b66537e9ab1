"""What nets answer to changed pictures, held against what these are labelled: a class, or several labels.

Letters: N pictures, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hubel.metrics.probability import shares_of
from hubel.metrics.several import mean_precision


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What N pictures are labelled.

    >>> one = Truth(labels=np.array([1, 0]))
    >>> one.right(one.said(np.array([[0.0, 2.0], [0.0, 1.0]]))).tolist()
    [True, False]
    >>> several = Truth(labels=np.array([[1, 0], [1, 1]]), limits=np.array([0.5, 0.9]))
    >>> said = several.said(np.array([[3.0, 1.0], [3.0, 1.0]]))
    >>> said.tolist(), several.right(said).tolist()
    ([[True, False], [True, False]], [True, False])
    """

    labels: np.ndarray
    """N class numbers; with `limits` N K of 0 and 1."""
    limits: np.ndarray | None = None
    """K: from which probability on each label is said, where several may be; None where one class is."""

    def said(self, logits: np.ndarray) -> np.ndarray:
        """Of logits N K the classes, N numbers, or which labels are said, N K bool."""
        if self.limits is None:
            return np.asarray(logits.argmax(axis=1))
        return np.asarray(shares_of(logits, several=True) >= self.limits)

    def right(self, said: np.ndarray) -> np.ndarray:
        """N bool: is the class right, or are all labels?"""
        return alike(said, self.labels if self.limits is None else self.labels > 0)

    def sureness(self, logits: np.ndarray) -> np.ndarray:
        """N: the probability of what is said; of several labels that of all its answers together."""
        shares = shares_of(logits, several=self.limits is not None)
        if self.limits is None:
            return np.asarray(shares.max(axis=1))
        return np.asarray(np.where(self.said(logits), shares, 1 - shares).prod(axis=1))

    def mean_ap(self, logits: np.ndarray) -> float:
        """mAP of several labels; NaN of classes."""
        return float("nan") if self.limits is None else mean_precision(logits, self.labels)


Labels = np.ndarray | Truth
"""N class numbers, or a `Truth`."""


def truth_of(labels: Labels) -> Truth:
    """The same as a `Truth`."""
    return labels if isinstance(labels, Truth) else Truth(labels=labels)


def alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """N bool: are two answers to a picture the same, N numbers or N K bool?"""
    same = np.asarray(one == other)
    return np.asarray(same if same.ndim == 1 else same.all(axis=1))


def in_words(answer: np.ndarray, class_names: Sequence[str]) -> str:
    """A class by its number, or labels by K of 0 and 1, in words.

    >>> in_words(np.int64(1), ["cat", "dog"]), in_words(np.array([1, 1]), ["cat", "dog"])
    ('dog', 'cat|dog')
    """
    if answer.ndim == 0:
        return class_names[int(answer)]
    return "|".join(name for name, there in zip(class_names, answer, strict=True) if there) or "none"
