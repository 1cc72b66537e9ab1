"""How well a net knows what it does not know: strangers told from its own kind, and answers kept back for safety."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hubel.checkpoint import Classifier
from hubel.metrics.calibrating import confidence_for, risk_coverage
from hubel.metrics.intervals import Interval, wilson
from hubel.metrics.probability import Calibration, calibration, log_softmax
from hubel.metrics.roc import auroc
from hubel.metrics.several import sure_of_all
from hubel.metrics.strangeness import separation
from hubel.views import Viewed
from hubel.words import percent, plural, span


@dataclass(frozen=True, kw_only=True)
class Second:
    """What another net's opinion of the same pictures is worth: an autoencoder's errors, a detector's scores."""

    name: str
    alone: float
    """AUROC of its score alone."""
    without: float
    """AUROC of the run's own mixture, without it."""
    enters: bool
    """Is it in the mixture, since strange pictures made of training pictures are told better with it?"""

    @property
    def sentence(self) -> str:
        """In one sentence."""
        if self.enters:
            return f"{self.alone:.3f} AUROC alone; it is in the mixture, which without it has {self.without:.3f}"
        return f"{self.alone:.3f} AUROC alone; the mixture tells made strange pictures as well without it: left out"


@dataclass(frozen=True, kw_only=True)
class Strangers(Viewed):
    """A net before pictures of another kind, beside those of its own."""

    data: str
    """What the strange pictures are called."""
    own: int
    """Samples of its own kind."""
    strange: int
    """Strange pictures that could be read."""
    separation: float
    """AUROC of its strangeness: the chance that a strange picture is the stranger one of a pair."""
    interval: Interval
    """95 % interval of the separation (DeLong)."""
    by_confidence: float
    """The same, told by the largest probability alone."""
    own_unknown: float
    """Share of its own kind that it calls unknown."""
    strange_unknown: float
    """Share of the strange ones that it calls unknown."""
    most_familiar: tuple[tuple[str, str, float], ...]
    """Strange pictures that it calls known, most familiar first: name, what it takes them for, familiarity."""
    second: Second | None = None
    """Another net that was asked, too."""

    @property
    def sentence(self) -> str:
        """In one sentence."""
        return (
            f"It calls {percent(self.strange_unknown, 1)} of {plural(self.strange, 'picture')} from {self.data} "
            f"unknown, and {percent(self.own_unknown, 1)} of {self.own:,} samples of its own kind."
        )

    def facts(self) -> dict[str, str]:
        """Name -> value, as they are shown."""
        low, high = self.interval
        taken = ", ".join(f"{name} for {label} ({share:.2f})" for name, label, share in self.most_familiar[:3])
        second = {} if self.second is None else {f"by {self.second.name}": self.second.sentence}
        return {
            "strange": self.sentence,
            "told apart": f"{self.separation:.3f} AUROC (95 % interval {low:.3f}–{high:.3f})",
            "by confidence": f"{self.by_confidence:.3f} AUROC",
            **second,
            "taken for": taken or "nothing: all of them are unknown",
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "data": self.data,
            "own": self.own,
            "strange": self.strange,
            "separation": self.separation,
            "interval": list(self.interval),
            "by_confidence": self.by_confidence,
            "own_unknown": self.own_unknown,
            "strange_unknown": self.strange_unknown,
            "most_familiar": [list(row) for row in self.most_familiar],
            "second": None if self.second is None else asdict(self.second),
        }


def second_of(
    name: str, scores: tuple[np.ndarray, np.ndarray], without: tuple[np.ndarray, np.ndarray], *, enters: bool
) -> Second:
    """What another net is worth, from its scores of both kinds (own N, strange M) and those of the mixture without it.

    >>> second_of("auto", (np.zeros(2), np.ones(2)), (np.zeros(2), np.array([0.0, 1.0])), enters=True).sentence
    '1.000 AUROC alone; it is in the mixture, which without it has 0.750'
    """
    return Second(name=name, alone=separation(*scores), without=separation(*without), enters=enters)


def named_by(classifier: Classifier, logits_NK: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """How sure each answer is, N, and what it says: a class, or all labels that are said, with | between them."""
    shares, names = classifier.probabilities(logits_NK), classifier.class_names
    if not classifier.several:
        return shares.max(axis=1), [names[k] for k in shares.argmax(axis=1)]
    said = shares >= classifier.label_thresholds
    told = ["|".join(name for name, there in zip(names, row, strict=True) if there) or "none" for row in said]
    return sure_of_all(shares, said), told


def tell_apart(
    data: str,
    own: tuple[np.ndarray, np.ndarray],
    strange: tuple[np.ndarray, np.ndarray],
    familiarity: tuple[np.ndarray, np.ndarray],
    names: list[str],
    labels: list[str],
    *,
    border: float,
    second: Second | None = None,
) -> Strangers:
    """From strangeness and largest probability of both kinds (N each), and how familiar each sample is.

    `names` and `labels` are of the strange ones: what they are called, and what they were taken for.
    """
    truth = np.r_[np.zeros(len(own[0]), np.int64), np.ones(len(strange[0]), np.int64)]
    separation, interval = auroc(np.r_[own[0], strange[0]], truth)
    order = [k for k in np.argsort(-familiarity[1], kind="stable")[:8] if familiarity[1][k] >= border]
    return Strangers(
        data=data,
        own=len(own[0]),
        strange=len(strange[0]),
        separation=separation,
        interval=interval,
        by_confidence=auroc(-np.r_[own[1], strange[1]], truth)[0],
        own_unknown=float((familiarity[0] < border).mean()),
        strange_unknown=float((familiarity[1] < border).mean()),
        most_familiar=tuple((names[k], labels[k], float(familiarity[1][k])) for k in order),
        second=second,
    )


@dataclass(frozen=True, kw_only=True)
class Selective(Viewed):
    """A net that keeps its less sure answers to itself, so that those it gives are seldom wrong."""

    wished: float
    """Share of given answers that may be wrong."""
    threshold: float
    """Probability from which on it answers, fitted on the validation split; inf where no answer is sure enough."""
    fitted: int
    """Validation samples that it was fitted on."""
    split: str
    samples: int
    """Of that split."""
    answered: int
    """Samples that it answers."""
    wrong: int
    """Of those, answered wrongly."""
    several: bool = False
    """Is an answer all labels of a sample, its probability that of all of them together, and wrong if one label is?"""
    coverage: tuple[float, ...] = ()
    """Shares of the split's samples that are answered from one confidence or another on, rising."""
    risks: tuple[float, ...] = ()
    """Of those answers, the share that is wrong."""

    @property
    def risk(self) -> float:
        """Share of the given answers that is wrong; NaN where it gives none."""
        return self.wrong / self.answered if self.answered else math.nan

    @property
    def interval(self) -> Interval:
        """95 % interval of the risk (Wilson)."""
        return wilson(self.wrong, self.answered)

    @property
    def sentence(self) -> str:
        """In one sentence."""
        if not math.isfinite(self.threshold):
            return (
                f"Even its surest answers on {plural(self.fitted, 'validation sample')} are wrong more often than "
                f"{percent(self.wished, 1)}: no threshold keeps that."
            )
        wrong = "nothing"
        if self.answered:
            wrong = f"{percent(self.risk, 2)} of those (95 % interval {span(self.interval)})"
        kept = ""
        if self.interval[0] > self.wished:
            kept = f" That is more than the {percent(self.wished, 1)} that held on {self.fitted:,} validation samples."
        what, mistake = (" that all labels are right", "a label is wrong") if self.several else ("", "is wrong")
        return (
            f"From a probability of {self.threshold:.3f} on{what} it answers "
            f"{percent(self.answered / self.samples, 1)} of {plural(self.samples, f'{self.split} sample')} and "
            f"{mistake} in {wrong}.{kept}"
        )

    def facts(self) -> dict[str, str]:
        """Name -> value, as they are shown."""
        return {"answers": self.sentence}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "wished": self.wished,
            "threshold": self.threshold if math.isfinite(self.threshold) else None,
            "fitted": self.fitted,
            "split": self.split,
            "samples": self.samples,
            "answered": self.answered,
            "wrong": self.wrong,
            "risk": None if math.isnan(self.risk) else self.risk,
            "interval": list(self.interval),
            "curve": {"answered": list(self.coverage), "wrong": list(self.risks)},
        }


def keep_back(
    fitted: tuple[np.ndarray, np.ndarray], measured: tuple[np.ndarray, np.ndarray], wished: float, split: str, *,
    several: bool = False,
) -> Selective:  # fmt: skip
    """The threshold from one pair of (probability of the answer N, right or not N), and what it does on another.

    >>> sure, right = np.array([0.9, 0.8, 0.7]), np.array([True, True, False])
    >>> keep_back((sure, right), (sure, right), 0.1, "test").answered
    2
    """
    threshold, _ = confidence_for(*fitted, wished)
    sure, right = measured
    given = sure >= threshold
    coverage, risks = thinned(*risk_coverage(sure, right))
    return Selective(
        wished=wished,
        threshold=threshold,
        fitted=len(fitted[0]),
        split=split,
        samples=len(sure),
        answered=int(given.sum()),
        wrong=int((given & ~right).sum()),
        several=several,
        coverage=coverage,
        risks=risks,
    )


def answers_of(
    shares_NK: np.ndarray, truth: np.ndarray, limits: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(N: the probability of each answer, N: is it right?) from probabilities and labels N.

    With `limits` K several labels may hold, truth is N K, and an answer is all labels of a sample.

    >>> sure, right = answers_of(np.array([[0.9, 0.2], [0.5, 0.4]]), np.array([[1, 0], [1, 1]]), np.full(2, 0.5))
    >>> sure.round(2).tolist(), right.tolist()
    ([0.72, 0.3], [True, False])
    """
    if limits is None:
        return shares_NK.max(axis=1), shares_NK.argmax(axis=1) == truth
    said = shares_NK >= limits
    return sure_of_all(shares_NK, said), (said == (truth > 0)).all(axis=1)


POINTS = 200
"""Of a curve, at most."""


def thinned(*parts: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """Curves M cut down to POINTS, evenly taken, first and last among them."""
    kept = np.unique(np.linspace(0, len(parts[0]) - 1, min(POINTS, len(parts[0]))).round().astype(np.int64))
    return tuple(tuple(part[kept].tolist()) for part in parts)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Trusted(Viewed):
    """How far a net's answers on some pictures can be trusted: probabilities, answers kept back, known and strange."""

    before: Calibration
    """Of the logits as they are."""
    after: Calibration
    """Of the probabilities that are told."""
    coverage: tuple[float, ...]
    """Shares of the pictures that are answered, rising, as the confidence falls."""
    risks: tuple[float, ...]
    """Of those answers, the share that is wrong."""
    own: np.ndarray
    """N: how strange each picture looks to the net; empty where it learnt nothing about strange ones."""
    strange: Mapping[str, np.ndarray]
    """The same of pictures of other kinds, by name: N each."""
    border: float
    """From where on a picture is called unknown."""

    @property
    def unknown(self) -> dict[str, float]:
        """The shares called unknown: of its own pictures ("its own"), and of each kind of strange ones."""
        return {name: float((of > self.border).mean()) for name, of in {"its own": self.own, **self.strange}.items()}

    @property
    def sentence(self) -> str:
        """What was measured, in words."""
        half = float(np.interp(0.5, self.coverage, self.risks))
        return (
            f"The calibration error is {percent(self.after.ece)}, and {percent(self.before.ece)} before the "
            f"probabilities were made honest. Of all answers {percent(self.risks[-1])} are wrong, of the surer half "
            f"{percent(half)}."
        )

    def facts(self) -> dict[str, str]:
        """Name -> value, as they are shown."""
        shares = ", ".join(f"{percent(share, 1)} of {name}" for name, share in self.unknown.items())
        return {"answers": self.sentence} | ({"unknown": shares} if len(self.own) else {})

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "ece_before": self.before.ece, "ece": self.after.ece, "answered": list(self.coverage),
            "wrong": list(self.risks), "unknown": self.unknown if len(self.own) else {},
        }  # fmt: skip


def trust_in(
    logits_NK: np.ndarray, honest_NK: np.ndarray, labels_N: np.ndarray, *, own: np.ndarray,
    strange: Mapping[str, np.ndarray], border: float,
) -> Trusted:  # fmt: skip
    """From logits as they are, honest log-probabilities, labels, and how strange all pictures look.

    >>> logits = np.array([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    >>> strange = {"noise": np.ones(2)}
    >>> found = trust_in(logits, logits, np.array([0, 0, 1]), own=np.zeros(3), strange=strange, border=0.5)
    >>> found.unknown, [round(risk, 2) for risk in found.risks]
    ({'its own': 0.0, 'noise': 1.0}, [0.0, 0.0, 0.33])
    """
    shares, sure = np.exp(log_softmax(logits_NK)), np.exp(log_softmax(honest_NK))
    right = sure.argmax(axis=1) == labels_N
    coverage, risks = thinned(*risk_coverage(sure.max(axis=1), right))
    return Trusted(
        before=calibration(shares.max(axis=1), shares.argmax(axis=1) == labels_N),
        after=calibration(sure.max(axis=1), right), coverage=coverage, risks=risks, own=own, strange=strange,
        border=border,
    )  # fmt: skip
