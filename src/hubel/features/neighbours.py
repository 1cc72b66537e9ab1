"""Neighbours in two ways, by features and by the bare pixels: of one picture, and how often those of many agree.

Letters: N searched samples, M queries, F features, C H W of a picture, k neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
        """The classes of both lists."""
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
            labels=tuple(table.class_names[int(table.labels[row])] for row in rows),
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

    @property
    def sentence(self) -> str:
        """The result in words."""
        of = f"of the {self.k} nearest of {plural(self.searched, 'sample')}, for {plural(self.queries, 'sample')}"
        return (
            f"Neighbours of the right class, {of}: {self.by_features[0]:.1%} by features, {self.by_pixels[0]:.1%} by "
            f"pixels, {self.chance:.1%} by lot. Their vote is right for {self.by_features[1]:.1%} by features, "
            f"{self.by_pixels[1]:.1%} by pixels."
        )


def measure_agreement(
    asked: tuple[FeatureTable, np.ndarray],
    searched: tuple[FeatureTable, np.ndarray],
    *,
    k: int = 5,
    watch: Watcher = SILENT,
) -> Agreement:
    """How often the k nearest `searched` samples are of the class of those `asked`; both with pixels N C H W uint8."""
    table, own = searched[0], asked[0].labels
    shares = []
    for by in ("features", "pixels"):
        watch.stage(f"comparing {by}")
        query, others = (
            part.values if by == "features" else pixels.astype(np.float32) for part, pixels in (asked, searched)
        )
        found = nearest(query, others, k=k)
        near = table.labels[found.indices]  # M k
        votes = (near[:, :, None] == np.arange(len(table.class_names))).sum(axis=1)  # M K, ties to the first
        right = float((votes.argmax(axis=1) == own).mean())
        shares.append((found.agreement(table.labels, own), right))
    frequency = np.bincount(table.labels, minlength=int(own.max()) + 1) / len(table.labels)
    return Agreement(
        queries=len(own), searched=len(table.labels), k=min(k, len(table.labels)), by_features=shares[0],
        by_pixels=shares[1], chance=float(frequency[own].mean()),
    )  # fmt: skip
