"""Neighbours: the training pictures nearest to a picture, by the net's features and, beside it, by the bare pixels.

For a whole split: how often the neighbours are of the right class, in both ways, and by lot.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hubel.checkpoint import Classifier
from hubel.features.space import nearest
from hubel.figures.theme import Figure
from hubel.figures.tiles import tiles
from hubel.inference import features
from hubel.records.nets import last_stage, stage_name
from hubel.records.subjects import look, samples_of
from hubel.types import Batch
from hubel.watching import SILENT, Watcher


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """A list of neighbours, nearest first."""

    by: str
    """"features" or "pixels"."""
    names: tuple[str, ...]
    labels: tuple[str, ...]
    distances: tuple[float, ...]
    pictures: np.ndarray
    """k C H W uint8."""


@dataclass(frozen=True, kw_only=True)
class NeighboursFound:
    """Two lists of neighbours of one picture."""

    picture: np.ndarray
    """C H W uint8."""
    lists: tuple[Nearest, Nearest]


def neighbours(
    run: str | Path | Classifier,
    picture: Any,
    data: str | Path | None = None,
    *,
    k: int = 8,
    stage: str | int | None = None,
    split: str = "train",
    limit: int | None = None,
    device: str = "auto",
    watch: Watcher = SILENT,
) -> NeighboursFound:
    """The k samples of a `split` of the run's data (or of other `data`) nearest to a picture, in two ways."""
    seen = look(run, picture, device=device)
    samples = samples_of(run, data, split=split, limit=limit, device=device, watch=watch)
    layer = stage_name(seen.model, stage) or last_stage(seen.model)
    watch.stage("reading features")
    own = features(seen.model, [Batch(seen.image[None], seen.image.new_zeros(1), seen.image.new_zeros(1))], layer)
    lists = []
    for by, query, others in (
        ("features", own, samples.features(layer)),
        ("pixels", seen.pixels[None].astype(np.float32), samples.pixels.astype(np.float32)),
    ):
        found = nearest(query, others, k=k)
        rows = samples.rows[found.indices[0]]
        lists.append(
            Nearest(
                by=by,
                names=tuple(samples.name(int(row)) for row in rows),
                labels=tuple(samples.manifest.class_names[int(samples.decoded.labels[row])] for row in rows),
                distances=tuple(found.distances[0].tolist()),
                pictures=np.asarray(samples.decoded.images[rows]),
            )
        )
    return NeighboursFound(picture=seen.pixels, lists=(lists[0], lists[1]))


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How often the nearest training samples of a split are of its samples' own classes."""

    queries: int
    searched: int
    k: int
    by_features: tuple[float, float]
    """(share of the k nearest that are of the sample's class, accuracy of the vote of the k nearest)."""
    by_pixels: tuple[float, float]
    chance: float
    """The first share for neighbours drawn by lot."""

    @property
    def sentence(self) -> str:
        """The result in words."""
        of = f"of the {self.k} nearest of {self.searched:,} samples, for {self.queries:,} samples"
        return (
            f"Neighbours of the right class, {of}: {self.by_features[0]:.1%} by features, {self.by_pixels[0]:.1%} by "
            f"pixels, {self.chance:.1%} by lot. Their vote is right for {self.by_features[1]:.1%} by features, "
            f"{self.by_pixels[1]:.1%} by pixels."
        )


def agreement(
    run: str | Path | Classifier,
    data: str | Path | None = None,
    *,
    k: int = 5,
    stage: str | int | None = None,
    split: str = "train",
    limit: int | None = 10_000,
    queries: int = 1000,
    seed: int = 0,
    device: str = "auto",
    watch: Watcher = SILENT,
) -> Agreement:
    """Search the neighbours of `queries` test samples in a `split` of the run's data, or in other `data`.

    Both parts are drawn by `seed` where they are larger than their limit.
    """
    asked = samples_of(run, split="test", limit=queries, device=device, seed=seed, watch=watch)
    samples = samples_of(run, data, split=split, limit=limit, device=device, seed=seed, watch=watch)
    layer = stage_name(samples.classifier.model, stage) or last_stage(samples.classifier.model)
    shares = []
    for by in ("features", "pixels"):
        watch.stage(f"comparing {by}")
        query, others = (
            part.features(layer) if by == "features" else part.pixels.astype(np.float32) for part in (asked, samples)
        )
        found = nearest(query, others, k=k)
        near = samples.labels[found.indices]  # M k
        votes = (near[:, :, None] == np.arange(len(samples.manifest.class_names))).sum(axis=1)  # M K, ties to the first
        right = float((votes.argmax(axis=1) == asked.labels).mean())
        shares.append((found.agreement(samples.labels, asked.labels), right))
    frequency = np.bincount(samples.labels, minlength=int(asked.labels.max()) + 1) / len(samples.labels)
    return Agreement(
        queries=len(asked.labels), searched=len(samples.labels), k=min(k, len(samples.labels)), by_features=shares[0],
        by_pixels=shares[1], chance=float(frequency[asked.labels].mean()),
    )  # fmt: skip


def drawn(found: NeighboursFound) -> Figure:
    """Two rows: by features above, by pixels below; the picture itself stands first in both."""
    shown, labels = [], []
    for part in found.lists:
        shown += [found.picture, *part.pictures]
        labels += [f"by {part.by}", *part.labels]
    alt = (
        "Nearest by features: " + ", ".join(found.lists[0].labels) + ". By pixels: " + ", ".join(found.lists[1].labels)
    )
    return tiles(shown, labels=labels, side=80, columns=1 + len(found.lists[0].labels), alt=alt, caption=alt)
