"""Predictions in, everything worth knowing about a classifier out: one frozen result, plain data.

Letters: N samples, K classes.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

from hubel.errors import DataError
from hubel.evaluation.named import named, titled
from hubel.metrics import classification as counts
from hubel.metrics import probability
from hubel.metrics.classification import Confused, PerClass
from hubel.metrics.intervals import NOTHING, Interval, bootstrap_confusion, mean_interval, wilson
from hubel.metrics.probability import Calibration
from hubel.types import Predictions
from hubel.words import csv_text, in_columns, number, percent, plain, plural, span


@dataclass(frozen=True, slots=True)
class Mistake:
    """A sample that was called something else than it is."""

    id: int
    path: str
    label: int
    predicted: int
    confidence: float
    """Probability of the wrong answer."""
    truth_probability: float
    """Probability given to the right answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What a classifier is worth on one split. Shares are 0..1; NaN is "cannot be known" (one class only, no samples).

    Printing it gives a summary of 80 columns; `to_dict` is for JSON, `predictions_csv`, `per_class_csv` and
    `confusion_csv` are whole files as text.
    """

    split: str
    class_names: tuple[str, ...]
    samples: int
    unlabelled: int
    """Samples without a label, which are counted and otherwise left out."""

    top1: float
    top5: float
    """NaN for K <= 5."""
    balanced_accuracy: float
    macro_f1: float
    weighted_f1: float
    auc: float
    """Mean one-vs-rest AUC over classes."""
    log_loss: float
    """Nats."""
    brier: float
    intervals: dict[str, Interval]
    """95 % intervals by name of the field: Wilson for top1, top5; DeLong for auc; else bootstrap or normal."""

    per_class: PerClass
    class_auc: np.ndarray
    confusion: np.ndarray
    """K K, row = true class, column = predicted."""
    most_confused: tuple[Confused, ...]
    calibration: Calibration
    mistakes: tuple[Mistake, ...]
    """Most confident first."""

    ids: np.ndarray
    """N; the arrays below are in the same order."""
    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    truth_probability: np.ndarray
    paths: tuple[str, ...] | None
    more: dict[str, float] = field(default_factory=dict)
    """What was asked for besides, by name (`hubel.metrics.METRICS`)."""

    @property
    def error_count(self) -> int:
        """Samples that were called something else than they are."""
        return self.samples - int(np.trace(self.confusion))

    @property
    def sentence(self) -> str:
        """The result as one sentence."""
        right = self.samples - self.error_count
        absent = int((self.per_class.support == 0).sum())
        silent = (
            f" {absent:,} of {len(self.class_names):,} classes {'has' if absent == 1 else 'have'} no sample in it."
            if absent
            else ""
        )
        return (
            f"It names {percent(self.top1)} of the {self.split} samples correctly: {right:,} of {self.samples:,} "
            f"(95 % interval {span(self.intervals['top1'])}).{silent}"
        )

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON: the numbers, per class and the confusion matrix (not the single samples)."""
        names = self.class_names
        table = self.per_class
        document = {
            "task": "classification",
            "split": self.split,
            "samples": self.samples,
            "unlabelled": self.unlabelled,
            "errors": self.error_count,
            **{name: getattr(self, name) for name in NUMBERS},
            "intervals": self.intervals,
            "calibration": {
                "ece": self.calibration.ece,
                "mce": self.calibration.mce,
                "mean_confidence": self.calibration.mean_confidence,
                "edges": self.calibration.edges,
                "counts": self.calibration.counts,
                "confidence": self.calibration.confidence,
                "accuracy": self.calibration.accuracy,
            },
            "class_names": names,
            "per_class": {
                "precision": table.precision,
                "recall": table.recall,
                "f1": table.f1,
                "auc": self.class_auc,
                "support": table.support,
                "predicted": table.predicted,
            },
            "most_confused": [
                {"label": names[c.label], "predicted": names[c.predicted], "count": c.count, "share": c.share}
                for c in self.most_confused
            ],
            "confusion": self.confusion,
            **({"metrics": self.more} if self.more else {}),
        }
        return plain(document)

    def predictions_csv(self) -> str:
        """One line a sample: id, path, true and predicted class, right or not, confidence, probability of the truth."""
        names = self.class_names
        columns = zip(
            self.ids.tolist(),
            self.paths or [""] * self.samples,
            [names[k] for k in self.labels],
            [names[k] for k in self.predicted],
            (self.labels == self.predicted).astype(int).tolist(),
            self.confidence.tolist(),
            self.truth_probability.tolist(),
            strict=True,
        )
        return csv_text(["id", "path", "label", "predicted", "right", "confidence", "truth_probability"], columns)

    def per_class_csv(self) -> str:
        """One line a class."""
        t = self.per_class
        arrays = (t.precision, t.recall, t.f1, self.class_auc, t.support, t.predicted)
        columns = zip(self.class_names, *(array.tolist() for array in arrays), strict=True)
        return csv_text(["class", "precision", "recall", "f1", "auc", "support", "predicted"], columns)

    def confusion_csv(self) -> str:
        """The confusion matrix, true classes down, predicted classes across."""
        rows = ([name, *row] for name, row in zip(self.class_names, self.confusion.tolist(), strict=True))
        return csv_text(["true \\ predicted", *self.class_names], rows)

    def rows(self) -> list[tuple[str, str, str]]:
        """The headline numbers for tables: title, value, 95 % interval."""
        shares = [(title, percent(getattr(self, name)), name) for name, title in SHARES.items()]
        plain_numbers = [(title, number(getattr(self, name)), name) for name, title in PLAIN.items()]
        found = [
            (title, value, _interval(name, self.intervals.get(name, NOTHING)))
            for title, value, name in shares + plain_numbers
            if not math.isnan(getattr(self, name))
        ]
        found.append(("calibration error", percent(self.calibration.ece), ""))
        return found + titled(self.more, {title for title, _, _ in found})

    def hardest(self, limit: int) -> list[int]:
        """Indices of all classes, or of the `limit` with the lowest F1 where there are more, lowest first."""
        if limit >= len(self.class_names):
            return list(range(len(self.class_names)))
        f1 = self.per_class.f1
        return [int(k) for k in np.argsort(np.where(np.isnan(f1), 2, f1), kind="stable")[:limit]]

    def __str__(self) -> str:
        lines = [*textwrap.wrap(self.sentence, 80), ""]
        lines += [f"  {title:<20}{value:>10}   {interval}".rstrip() for title, value, interval in self.rows()]
        lines += ["", *_class_table(self)]
        if self.most_confused:
            lines += ["", "  most often confused"]
            lines += [
                f"  {in_columns(self.class_names[c.label], 24)} called {in_columns(self.class_names[c.predicted], 24)}"
                f"{c.count:>6}  {percent(c.share, 1):>7}"
                for c in self.most_confused[:5]
            ]
        if self.unlabelled:
            lines += ["", f"  {plural(self.unlabelled, 'sample')} without a label left out"]
        return "\n".join(lines)

    def __repr__(self) -> str:
        K = len(self.class_names)
        return f"Evaluation({self.split}: top1={self.top1:.4f}, samples={self.samples}, classes={K})"

    def _repr_html_(self) -> str:
        head = "".join(
            f"<tr><th style='text-align:left'>{a}</th><td>{b}</td><td>{c}</td></tr>" for a, b, c in self.rows()
        )
        t = self.per_class
        body = "".join(
            f"<tr><td style='text-align:left'>{escape(self.class_names[k])}</td><td>{percent(t.precision[k], 1)}</td>"
            f"<td>{percent(t.recall[k], 1)}</td><td>{percent(t.f1[k], 1)}</td><td>{t.support[k]}</td></tr>"
            for k in self.hardest(20)
        )
        return (
            f"<p>{escape(self.sentence)}</p><table><tr><td></td><td></td><th>95 % interval</th></tr>{head}</table>"
            "<table><tr><th style='text-align:left'>class</th><th>precision</th><th>recall</th><th>F1</th>"
            f"<th>samples</th></tr>{body}</table>"
        )


SHARES = {
    "top1": "accuracy",
    "top5": "top-5 accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
}
PLAIN = {"auc": "AUC (one vs rest)", "log_loss": "log-loss", "brier": "Brier score"}
NUMBERS = (*SHARES, *PLAIN)


def assess(
    predictions: Predictions,
    class_names: Sequence[str],
    *,
    paths: Sequence[str] | None = None,
    split: str = "test",
    mistakes: int = 48,
    seed: int = 0,
    metrics: Sequence[str] = (),
) -> Evaluation:
    """Judge a classifier by its answers.

    `predictions`: logits N K, labels N (-1: not known), ids N. `class_names`: K. `paths`: N names of the samples, in
    the order of the predictions. `mistakes`: how many of the worst to keep. `seed`: of the bootstrap.
    `metrics`: more numbers, by name (`hubel.metrics.METRICS`).

    Raises DataError when there are no labelled samples, when logits are not finite, or when K is not len(class_names).

    >>> from hubel.types import Predictions
    >>> logits = np.array([[3.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 2.0]], dtype=np.float32)
    >>> result = assess(Predictions(logits, np.array([0, 1, 1, 1]), np.arange(4)), ["cat", "dog"])
    >>> result.top1, result.mistakes[0].id, result.confusion.tolist()
    (0.75, 2, [[1, 0], [1, 2]])
    """
    logits, labels = np.asarray(predictions.logits), np.asarray(predictions.labels)
    if logits.ndim != 2 or logits.shape[1] != len(class_names):
        raise DataError(
            f"logits must be N {len(class_names)} for {plural(len(class_names), 'class')}, got shape {logits.shape}",
            hint="the class names of the data and of the model differ",
        )
    if paths is not None and len(paths) != len(labels):
        raise DataError(
            f"paths must be one for each of the {plural(len(labels), 'sample')}, got {len(paths)}",
            hint="paths=None where there are none",
        )
    known = np.flatnonzero(labels >= 0)
    if not len(known):
        raise DataError(
            f"evaluating needs labelled samples, got none in the {split} split ({plural(len(labels), 'sample')})",
            hint="give a folder of class folders, or a larger share for this split",
        )
    logits, labels, ids = logits[known], labels[known].astype(np.int64), np.asarray(predictions.ids)[known]
    counts.check(logits, labels)

    K = len(class_names)
    log_p = probability.log_softmax(logits)
    p = np.exp(log_p)
    predicted = logits.argmax(axis=1)
    confidence = np.take_along_axis(p, predicted[:, None], axis=1)[:, 0]
    truth_p = np.take_along_axis(p, labels[:, None], axis=1)[:, 0]
    right = predicted == labels

    confusion = counts.confusion_matrix(labels, predicted, K)
    losses, briers = probability.log_losses(log_p, labels), probability.brier_scores(p, labels)
    ranking = probability.ranking(log_p, labels)
    top5_hits = counts.top_k_hits(logits, labels, 5) if K > 5 else None

    intervals = {
        "top1": wilson(int(right.sum()), len(labels)),
        "auc": (ranking.low, ranking.high),
        "log_loss": mean_interval(losses, within=(0, math.inf)),
        "brier": mean_interval(briers, within=(0, 2)),
        **dict(
            zip(
                ("balanced_accuracy", "macro_f1", "weighted_f1"),
                bootstrap_confusion(_averages, confusion, seed=seed),
                strict=True,
            )
        ),
    }
    if top5_hits is not None:
        intervals["top5"] = wilson(int(top5_hits.sum()), len(labels))

    names_of = [paths[i] for i in known.tolist()] if paths is not None else None
    wrong = np.flatnonzero(~right)
    worst = wrong[np.lexsort((ids[wrong], -confidence[wrong]))][:mistakes]
    return Evaluation(
        split=split,
        class_names=tuple(class_names),
        samples=len(labels),
        unlabelled=len(predictions.labels) - len(labels),
        top1=float(right.mean()),
        top5=float(top5_hits.mean()) if top5_hits is not None else math.nan,
        balanced_accuracy=counts.balanced_accuracy(confusion),
        macro_f1=counts.macro_f1(confusion),
        weighted_f1=counts.weighted_f1(confusion),
        auc=ranking.macro,
        log_loss=float(losses.mean()),
        brier=float(briers.mean()),
        intervals=intervals,
        per_class=counts.per_class(confusion),
        class_auc=ranking.auc,
        confusion=confusion,
        most_confused=counts.most_confused(confusion),
        calibration=probability.calibration(confidence, right),
        mistakes=tuple(
            Mistake(
                id=int(ids[i]),
                path=names_of[i] if names_of else "",
                label=int(labels[i]),
                predicted=int(predicted[i]),
                confidence=float(confidence[i]),
                truth_probability=float(truth_p[i]),
            )
            for i in worst
        ),
        ids=ids,
        labels=labels,
        predicted=predicted,
        confidence=confidence,
        truth_probability=truth_p,
        paths=tuple(names_of) if names_of is not None else None,
        more=named(metrics, "classification", logits, labels),
    )


def _averages(right_DK: np.ndarray, support_DK: np.ndarray, predicted_DK: np.ndarray) -> np.ndarray:
    """D 3: balanced accuracy, macro F1 and weighted F1 of D drawn confusion matrices."""
    occurs = support_DK + predicted_DK
    recall = np.divide(right_DK, support_DK, out=np.zeros_like(right_DK), where=support_DK > 0)
    f1 = np.divide(2 * right_DK, occurs, out=np.zeros_like(right_DK), where=occurs > 0)
    return np.stack(
        [
            recall.sum(axis=1) / (support_DK > 0).sum(axis=1),
            f1.sum(axis=1) / (occurs > 0).sum(axis=1),
            (f1 * support_DK).sum(axis=1) / support_DK.sum(axis=1),
        ],
        axis=1,
    )


def _interval(name: str, interval: Interval) -> str:
    if name in SHARES or math.isnan(interval[0]):
        return span(interval)
    return f"{number(interval[0])}–{number(interval[1])}"


def _class_table(evaluation: Evaluation) -> list[str]:
    shown, t = evaluation.hardest(20), evaluation.per_class
    title = "class" if len(shown) == len(evaluation.class_names) else f"the {len(shown)} hardest classes"
    lines = [f"  {title:<32}{'precision':>11}{'recall':>11}{'F1':>11}{'samples':>10}"]
    lines += [
        f"  {in_columns(evaluation.class_names[k], 32)}{percent(t.precision[k], 1):>11}{percent(t.recall[k], 1):>11}"
        f"{percent(t.f1[k], 1):>11}{t.support[k]:>10,}"
        for k in shown
    ]
    return lines
