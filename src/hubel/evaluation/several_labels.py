"""Probabilities of labels and which of them are there in, everything worth knowing out. N samples, K labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from hubel.checkpoint import Classifier
from hubel.data.batches import batches, reading_size
from hubel.data.decode import Decoded
from hubel.data.scan import Scan
from hubel.evaluation.result import TaskResult
from hubel.inference import predict
from hubel.metrics.intervals import Interval, wilson
from hubel.metrics.several import average_precision, mean_precision, mean_precision_interval, scores_of, sure_of_all
from hubel.words import csv_text, number, percent, plain, plural, span

SHOWN = 12
"""Samples with the most wrong labels that are kept for showing."""


@dataclass(frozen=True, kw_only=True, repr=False)
class SeveralLabels(TaskResult):
    """How well the labels of samples are found, each by its own threshold."""

    class_names: tuple[str, ...]
    shares: np.ndarray
    """N K: the probability of each label."""
    truth: np.ndarray
    """N K: 0 and 1."""
    thresholds: np.ndarray
    """K: from which probability on a label is said."""
    fitted: bool
    """Were the thresholds found on a validation split? Else all are 0.5."""
    intervals: dict[str, Interval]
    """95 %: mean_ap, exact."""
    ids: np.ndarray
    paths: tuple[str, ...]
    pictures: Mapping[int, np.ndarray]
    """Of the samples with the most wrong labels, by position: C H W uint8."""

    @property
    def said(self) -> np.ndarray:
        """N K, bool: which labels are said."""
        return np.asarray(self.shares >= self.thresholds)

    @property
    def right(self) -> np.ndarray:
        """N, bool: is every label of a sample right?"""
        return np.asarray((self.said == (self.truth > 0)).all(axis=1))

    @property
    def confidence(self) -> np.ndarray:
        """N: the probability that all labels of a sample are right (`sure_of_all`)."""
        return sure_of_all(self.shares, self.said)

    @property
    def average_precision(self) -> np.ndarray:
        """K; NaN for a label that no sample has."""
        return average_precision(self.shares, self.truth)

    @property
    def mean_ap(self) -> float:
        """Mean over the labels that occur: mAP."""
        return mean_precision(self.shares, self.truth)

    @property
    def exact(self) -> float:
        """Share of samples of which every label is right."""
        return float(self.right.mean())

    @property
    def wrong(self) -> float:
        """Share of all answers, N K of them, that are wrong: the Hamming loss."""
        return float((self.said != (self.truth > 0)).mean())

    @property
    def micro_f1(self) -> float:
        """F1 over all answers together."""
        hits = float((self.said & (self.truth > 0)).sum())
        both = float(self.said.sum() + (self.truth > 0).sum())
        return 2 * hits / both if both else math.nan

    @property
    def macro_f1(self) -> float:
        """Mean over the labels of their F1."""
        found = scores_of(self.said, self.truth)[2]
        return float(np.nanmean(found)) if np.isfinite(found).any() else math.nan

    @property
    def sentence(self) -> str:
        """The result as one sentence."""
        by = "thresholds from the validation split" if self.fitted else "thresholds of 0.5"
        return (
            f"Of {plural(self.samples, f'{self.split} sample')} all labels are right in {percent(self.exact, 1)} "
            f"({by}); it ranks them with a mean average precision of {percent(self.mean_ap, 1)}."
        )

    def rows(self) -> list[tuple[str, str, str]]:
        """The headline numbers."""
        return [
            ("mAP", percent(self.mean_ap, 1), span(self.intervals["mean_ap"])),
            ("all labels right", percent(self.exact, 1), span(self.intervals["exact"])),
            ("micro F1", percent(self.micro_f1, 1), ""),
            ("macro F1", percent(self.macro_f1, 1), ""),
            ("answers wrong", percent(self.wrong, 1), ""),
        ]

    def by_class(self) -> list[tuple[str, int, float, float, float, float, float]]:
        """(label, samples, average precision, threshold, precision, recall, F1), in the order of the labels."""
        columns = (self.truth.sum(0), self.average_precision, self.thresholds, *scores_of(self.said, self.truth))
        return list(zip(self.class_names, *(column.tolist() for column in columns), strict=True))

    def named(self, row: np.ndarray) -> str:
        """The labels of a row of N K, with | between them; "none" where there is none."""
        return "|".join(name for name, there in zip(self.class_names, row, strict=True) if there) or "none"

    def worst(self) -> list[int]:
        """Positions of the samples with the most wrong labels, the surest mistakes first."""
        off = self.said != (self.truth > 0)
        sure = np.where(off, np.abs(self.shares - self.thresholds), 0).sum(1)
        order = np.lexsort((-sure, -off.sum(1)))
        return [int(place) for place in order[:SHOWN] if off[place].any()]

    def __str__(self) -> str:
        wide = max(5, *(len(name) for name in self.class_names))
        head = f"  {'label':<{wide}}  {'AP':>7}  {'threshold':>9}  {'precision':>9}  {'recall':>7}  {'F1':>7}  samples"
        lines = [
            f"  {name:<{wide}}  {percent(ap, 1):>7}  {number(limit):>9}  {percent(precision, 1):>9}  "
            f"{percent(recall, 1):>7}  {percent(f1, 1):>7}  {count:>7,}"
            for name, count, ap, limit, precision, recall, f1 in self.by_class()
        ]
        return "\n".join([super().__str__(), "", head, *lines])

    @property
    def headline(self) -> dict[str, float]:
        """mAP and the share of samples that are wholly right."""
        return {"mean_ap": self.mean_ap, "exact": self.exact, "micro_f1": self.micro_f1, "macro_f1": self.macro_f1}

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        names = ("samples", "average_precision", "threshold", "precision", "recall", "f1")
        classes = {row[0]: dict(zip(names, row[1:], strict=True)) for row in self.by_class()}
        return plain({"task": "multilabel", "split": self.split, "samples": self.samples, **self.headline,
                      "wrong": self.wrong, "intervals": self.intervals, "per_class": classes})  # fmt: skip

    def tables(self) -> Mapping[str, str]:
        """One line a sample, one a label; probabilities with so many digits that they rank samples as they do here."""
        said, right = self.said, self.right
        each = [
            [int(self.ids[n]), self.paths[n], self.named(self.truth[n] > 0), self.named(said[n]), int(right[n]),
             *(f"{share:.9g}" for share in self.shares[n].tolist())]
            for n in range(self.samples)
        ]  # fmt: skip
        head = ["label", "samples", "average_precision", "threshold", "precision", "recall", "f1"]
        return {
            "predictions.csv": csv_text(["id", "path", "labels", "predicted", "right", *self.class_names], each),
            "per_class.csv": csv_text(head, self.by_class()),
        }


def judge_labels(
    classifier: Classifier, scan: Scan, decoded: Decoded, rows: np.ndarray, split: str, device: torch.device
) -> SeveralLabels:
    """Run the net over some rows and judge the labels it says."""
    reading = batches(
        decoded, rows, preprocessing=classifier.preprocessing, batch_size=reading_size(decoded), device=device,
        channels_last=True,
    )  # fmt: skip
    return assess_labels(
        classifier, predict(classifier.model.to(device), reading).logits, scan, decoded, rows, split
    )  # fmt: skip


def assess_labels(
    classifier: Classifier, logits: np.ndarray, scan: Scan, decoded: Decoded, rows: np.ndarray, split: str
) -> SeveralLabels:
    """Logits N K of some rows as a result: the labels that they say, beside those that are there."""
    assert decoded.targets is not None
    shares, truth = classifier.probabilities(logits), decoded.targets[rows]
    limits = classifier.label_thresholds
    right = int(((shares >= limits) == (truth > 0)).all(1).sum())
    found = SeveralLabels(
        split=split,
        samples=len(rows),
        class_names=classifier.class_names,
        shares=shares,
        truth=truth,
        thresholds=limits,
        fitted=classifier.learnt is not None,
        intervals={"mean_ap": mean_precision_interval(shares, truth), "exact": wilson(right, len(rows))},
        ids=np.asarray(rows),
        paths=tuple(scan.manifest.name(int(row)) for row in rows),
        pictures={},
    )
    if decoded.images.ndim != 4:
        return found
    kept = {place: np.ascontiguousarray(decoded.images[rows[place]]) for place in found.worst()}
    return SeveralLabels(**{name: getattr(found, name) for name in found.__dataclass_fields__} | {"pictures": kept})
