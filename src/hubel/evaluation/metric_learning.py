"""Embeddings and classes in, everything worth knowing about near and far out. N samples, D numbers, K classes."""

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
from hubel.metrics.intervals import Interval, mean_interval, wilson
from hubel.metrics.retrieval import Verification, distances, retrieve, verify
from hubel.tasks import TASKS
from hubel.words import csv_text, number, percent, plain, plural, span

KS = (1, 5, 10)
MOST = 5_000
"""Samples among which each is searched; of more as many, evenly spread."""
QUERIES, SHOWN = 6, 7
"""Samples that are shown with their nearest others."""


@dataclass(frozen=True, kw_only=True, repr=False)
class MetricLearning(TaskResult):
    """How well near means alike: each sample is searched among all others of the split."""

    class_names: tuple[str, ...]
    """Of the data that were measured; the net may never have learnt them."""
    recall: dict[int, float]
    map_at_r: float
    intervals: dict[str, Interval]
    """95 %: recall, nearest_class."""
    verification: Verification
    nearest_class: float
    """Share of samples nearest to the middle of their own class; NaN where the net knows other classes."""
    ids: np.ndarray
    labels: np.ndarray
    points: np.ndarray
    """N D."""
    hit: np.ndarray
    """N: is the nearest other of the same class? NaN where there is no other."""
    nearest: np.ndarray
    """N M: positions of the nearest others."""
    paths: tuple[str, ...]
    pictures: Mapping[int, np.ndarray]
    """By position, of those in `queries` and their nearest: C H W uint8."""
    queries: tuple[int, ...]
    """Positions: some that are found, then some whose nearest is a stranger."""

    @property
    def sentence(self) -> str:
        """The result as one sentence."""
        v = self.verification
        pairs = (
            "" if math.isnan(v.auroc)
            else f" Pairs are told apart with an equal error rate of {percent(v.equal_error, 1)}."
        )  # fmt: skip
        return (
            f"Of {plural(self.samples, f'{self.split} sample')} the nearest other is of the same class in "
            f"{percent(self.recall[1], 1)} (recall@1); mAP@R is {percent(self.map_at_r, 1)}.{pairs}"
        )

    def rows(self) -> list[tuple[str, str, str]]:
        """The headline numbers."""
        found = [
            (f"recall@{k}", percent(value, 1), span(self.intervals["recall"]) if k == 1 else "")
            for k, value in self.recall.items()
        ]
        found.append(("mAP@R", percent(self.map_at_r, 1), ""))
        if not math.isnan(self.nearest_class):
            found.append(("nearest class", percent(self.nearest_class, 1), span(self.intervals["nearest_class"])))
        v = self.verification
        if not math.isnan(v.auroc):
            found += [("pairs: AUROC", number(v.auroc), ""), ("pairs: equal error", percent(v.equal_error, 1), "")]
        return found

    def by_class(self) -> list[tuple[str, int, float, Interval]]:
        """(class, samples, recall@1, 95 % interval), worst class first."""
        found = []
        for label, name in enumerate(self.class_names):
            mine = self.hit[(self.labels == label) & np.isfinite(self.hit)]
            if len(mine):
                found.append((name, len(mine), float(mine.mean()), wilson(int(mine.sum()), len(mine))))
        return sorted(found, key=lambda row: row[2])

    @property
    def headline(self) -> dict[str, float]:
        """Recall@1, mAP@R and the equal error rate."""
        found = {"recall": self.recall[1], "map_at_r": self.map_at_r, "equal_error": self.verification.equal_error}
        return {name: value for name, value in found.items() if not math.isnan(value)}

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        v = self.verification
        classes = {name: {"samples": count, "recall": share} for name, count, share, _ in self.by_class()}
        return plain({"task": "embed", "split": self.split, "samples": self.samples,
                      "recall": {str(k): value for k, value in self.recall.items()}, "map_at_r": self.map_at_r,
                      "nearest_class": self.nearest_class, "auroc": v.auroc, "equal_error": v.equal_error,
                      "distance": v.distance, "pairs": list(v.pairs), "intervals": self.intervals,
                      "per_class": classes})  # fmt: skip

    def tables(self) -> Mapping[str, str]:
        """One line a sample, one a class."""
        first = self.nearest[:, 0].tolist()
        each = [
            [int(self.ids[n]), self.paths[n], self.class_names[self.labels[n]], self.class_names[self.labels[other]],
             self.paths[other], "" if np.isnan(self.hit[n]) else int(self.hit[n])]
            for n, other in enumerate(first)
        ]  # fmt: skip
        classes = [[*row[:3], *row[3]] for row in self.by_class()]
        return {
            "predictions.csv": csv_text(["id", "path", "class", "nearest_class", "nearest", "hit"], each),
            "per_class.csv": csv_text(["class", "samples", "recall", "recall_low", "recall_high"], classes),
        }


def judge_embedding(
    classifier: Classifier, scan: Scan, decoded: Decoded, rows: np.ndarray, split: str, device: torch.device
) -> MetricLearning:
    """Embed some rows, and search each among the others."""
    rows = rows[:: -(-len(rows) // MOST)]
    points = embedded(classifier, decoded, rows, device)
    manifest = scan.manifest
    labels = manifest.labels[rows]
    found = retrieve(points, labels, KS)
    asks = found.hit[np.isfinite(found.hit)]
    inside = _nearest_class(classifier, manifest.class_names, points, labels)
    good, bad = np.flatnonzero(found.hit == 1), np.flatnonzero(found.hit == 0)
    half = [*good[:: max(1, len(good) // (QUERIES // 2))][: QUERIES // 2], *bad[: QUERIES // 2]]
    queries = tuple(int(place) for place in half)
    kept = {place for query in queries for place in (query, *found.nearest[query, : SHOWN - 1].tolist())}
    return MetricLearning(
        split=split,
        samples=len(rows),
        class_names=manifest.class_names,
        recall=found.recall,
        map_at_r=found.map_at_r,
        intervals={
            "recall": wilson(int(asks.sum()), len(asks)),
            "nearest_class": (math.nan, math.nan) if inside is None else mean_interval(inside, within=(0, 1)),
        },
        verification=verify(points, labels),
        nearest_class=math.nan if inside is None else float(inside.mean()),
        ids=np.asarray(rows),
        labels=labels,
        points=points,
        hit=found.hit,
        nearest=found.nearest,
        paths=tuple(manifest.name(int(row)) for row in rows),
        pictures={place: np.ascontiguousarray(decoded.images[rows[place]]) for place in sorted(kept)},
        queries=queries,
    )


def embedded(classifier: Classifier, decoded: Decoded, rows: np.ndarray, device: torch.device) -> np.ndarray:
    """N D: the embedding of each row."""
    net = TASKS.get(classifier.task).answering(classifier.model.to(device))
    reading = batches(
        decoded, rows, preprocessing=classifier.preprocessing, batch_size=reading_size(decoded), device=device,
        channels_last=True,
    )  # fmt: skip
    return predict(classifier.model, reading, forward=net).logits


def _nearest_class(
    classifier: Classifier, names: tuple[str, ...], points: np.ndarray, labels: np.ndarray
) -> np.ndarray | None:
    """N: 1 where the nearest middle of a class is that of its own; None where the net knows other classes."""
    known = classifier.class_names
    if classifier.learnt is None or not set(names) <= set(known):
        return None
    own = np.array([known.index(name) for name in names])[labels]
    said = distances(points, classifier.learnt.arrays["middles"]).argmin(1)
    return np.asarray((said == own).astype(float))
