"""Neighbours in two ways, by features and by the bare pixels: of one picture, and how often those of many agree.

Letters: N searched samples, M queries, F features, C H W of a picture, k neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hubel.errors import DataError
from hubel.features.space import nearest
from hubel.features.table import FeatureTable
from hubel.views import Viewed
from hubel.watching import SILENT, Watcher
from hubel.words import plural


@dataclass(frozen=True, kw_only=True)
class NearestSamples:
    """A list of neighbours, nearest first."""

    by: str
    """"features" or "pixels"."""
    names: tuple[str, ...]
    labels: tuple[str, ...]
    distances: tuple[float, ...]
    pictures: np.ndarray
    """k C H W uint8."""


@dataclass(frozen=True, kw_only=True)
class NeighboursFound(Viewed):
    """Two lists of neighbours of one picture."""

    picture: np.ndarray
    """C H W uint8."""
    lists: tuple[NearestSamples, NearestSamples]

    @property
    def sentence(self) -> str:
        """The labels of both lists."""
        by_features, by_pixels = (", ".join(part.labels) for part in self.lists)
        return f"Nearest by features: {by_features}. By pixels: {by_pixels}"


def find_neighbours(
    picture: np.ndarray, own: np.ndarray, table: FeatureTable, pixels: np.ndarray, *, k: int = 8
) -> NeighboursFound:
    """The k samples nearest to a picture C H W uint8 with features `own` 1 F, in both ways.

    `table` and `pixels` N C H W uint8 are those of the searched samples.
    """

    def ranked(by: str, query: np.ndarray, others: np.ndarray) -> NearestSamples:
        found = nearest(query, others, k=k)
        rows = found.indices[0]
        return NearestSamples(
            by=by,
            names=tuple(table.names[row] for row in rows),
            labels=tuple(table.label(row) for row in rows),
            distances=tuple(found.distances[0].tolist()),
            pictures=pixels[rows],
        )

    return NeighboursFound(
        picture=picture,
        lists=(
            ranked("features", own, table.values),
            ranked("pixels", picture[None].astype(np.float32), pixels.astype(np.float32)),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Agreement(Viewed):
    """How often the nearest training samples of a split are of its samples' own classes."""

    queries: int
    searched: int
    k: int
    by_features: tuple[float, float]
    """(share of the k nearest that are of the sample's class, accuracy of the vote of the k nearest)."""
    by_pixels: tuple[float, float]
    chance: float
    """The first share for neighbours drawn by lot."""
    several: bool = False
    """May samples have several labels? Then the share is that of the neighbours that have a label of the sample, in the
    mean over all labels of all samples, and a vote is right where it is for every label."""

    @property
    def sentence(self) -> str:
        """The result in words."""
        of = f"of the {self.k} nearest of {plural(self.searched, 'sample')}, for {plural(self.queries, 'sample')}"
        what = "Neighbours that have a label of the sample" if self.several else "Neighbours of the right class"
        vote = "has all labels right" if self.several else "is right"
        return (
            f"{what}, {of}: {self.by_features[0]:.1%} by features, {self.by_pixels[0]:.1%} by "
            f"pixels, {self.chance:.1%} by lot. Their vote {vote} for {self.by_features[1]:.1%} by features, "
            f"{self.by_pixels[1]:.1%} by pixels."
        )


def measure_agreement(
    asked: tuple[FeatureTable, np.ndarray],
    searched: tuple[FeatureTable, np.ndarray],
    *,
    k: int = 5,
    watch: Watcher = SILENT,
) -> Agreement:
    """How often the k nearest `searched` samples are of the class of those `asked`; both with pixels N C H W uint8.

    Raises DataError where several labels are asked about and the samples searched have others.
    """
    table, own = searched[0], asked[0].labels
    several = asked[0].targets is not None
    if several and (table.targets is None or table.class_names != asked[0].class_names):
        raise DataError(
            f"the samples that are searched have other labels ({', '.join(table.class_names[:8])}) than those asked",
            hint="leave the data out, or give a table with the run's labels",
        )
    shares = []
    for by in ("features", "pixels"):
        watch.stage(f"comparing {by}")
        query, others = (
            part.values if by == "features" else pixels.astype(np.float32) for part, pixels in (asked, searched)
        )
        found = nearest(query, others, k=k)
        if table.targets is not None:
            assert asked[0].targets is not None
            shares.append(_of_labels(table.targets[found.indices], asked[0].targets > 0))
            continue
        near = table.labels[found.indices]  # M k
        votes = (near[:, :, None] == np.arange(len(table.class_names))).sum(axis=1)  # M K, ties to the first
        right = float((votes.argmax(axis=1) == own).mean())
        shares.append((found.agreement(table.labels, own), right))
    if table.targets is not None:
        assert asked[0].targets is not None
        there = asked[0].targets > 0
        chance = float(np.broadcast_to(table.targets.mean(axis=0), there.shape)[there].mean()) if there.any() else 0.0
        return Agreement(
            queries=len(own), searched=len(table.labels), k=min(k, len(table.labels)), by_features=shares[0],
            by_pixels=shares[1], chance=chance, several=True,
        )  # fmt: skip
    frequency = np.bincount(table.labels, minlength=int(own.max()) + 1) / len(table.labels)
    return Agreement(
        queries=len(own), searched=len(table.labels), k=min(k, len(table.labels)), by_features=shares[0],
        by_pixels=shares[1], chance=float(frequency[own].mean()),
    )  # fmt: skip


def _of_labels(near: np.ndarray, own: np.ndarray) -> tuple[float, float]:
    """From labels of neighbours M k K and own ones M K: (share of neighbours that have an own label, votes right)."""
    have = near.mean(axis=1)
    return float(have[own].mean()) if own.any() else 0.0, float(((have > 0.5) == own).all(axis=1).mean())
