"""The space of features: who is near whom, and maps of it in two dimensions.

Letters: N samples, M queries, F features, k neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from hubel.errors import DataError, unknown
from hubel.views import Viewed

METHODS = {"tsne": "t-SNE", "pca": "PCA"}
"""Maps, and how they are written."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest samples of each query, nearest first."""

    indices: np.ndarray
    """M k rows of the searched samples."""
    distances: np.ndarray
    """M k, Euclidean."""

    def agreement(self, labels: np.ndarray, wanted: np.ndarray) -> float:
        """The share of neighbours that have the query's own label."""
        return float((labels[self.indices] == wanted[:, None]).mean())


def nearest(queries: np.ndarray, samples: np.ndarray, *, k: int = 5) -> Neighbours:
    """The k samples N F nearest to each query M F, exactly.

    >>> nearest(np.array([[0.0]]), np.array([[5.0], [1.0], [2.0]]), k=2).indices
    array([[1, 2]])
    """
    if not len(samples):
        raise DataError(
            f"neighbours need samples to search among, got shape {samples.shape}",
            hint="choose another split, or give data",
        )
    search = NearestNeighbors(n_neighbors=min(k, len(samples))).fit(samples.reshape(len(samples), -1))
    distances, indices = search.kneighbors(queries.reshape(len(queries), -1))
    return Neighbours(indices, distances)


@dataclass(frozen=True)
class Embedding:
    """Samples as points in the plane."""

    method: str
    points: np.ndarray
    """N 2."""
    explained: float
    """The share of the variance that the two axes hold (PCA); nan for t-SNE, whose distances mean only near or far."""
    silhouette: float
    """How well the classes are separated in the full space, from -1 to 1; nan without two classes."""


def embed(samples: np.ndarray, *, method: str = "tsne", labels: np.ndarray | None = None, seed: int = 0) -> Embedding:
    """A map of samples N F: "pca" (linear, exact), or "tsne" (Barnes-Hut; L. van der Maaten, JMLR 2014).

    >>> embed(np.random.default_rng(0).normal(size=(20, 5)), method="pca").points.shape
    (20, 2)
    """
    if method not in METHODS:
        raise unknown("map", method, METHODS)
    if len(samples) < 5:
        raise DataError(
            f"a map needs at least 5 samples, got {len(samples)}", hint="choose a larger split, or raise --limit"
        )
    flat = samples.reshape(len(samples), -1).astype(np.float64)
    explained = float("nan")
    if method == "pca":
        model = PCA(2, random_state=seed).fit(flat)
        points, explained = model.transform(flat), float(model.explained_variance_ratio_.sum())
    else:
        # Fifty axes keep what matters of hundreds, and the tree search is fast there (the paper's section 5 does so).
        short = PCA(50, random_state=seed).fit_transform(flat) if min(flat.shape) > 50 else flat
        perplexity = min(30.0, (len(flat) - 1) / 3)
        points = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(short)
    silhouette = float("nan")
    chosen = np.random.default_rng(seed).permutation(len(flat))[:2000]
    if labels is not None and 1 < len(np.unique(labels[chosen])) < len(chosen):
        silhouette = float(silhouette_score(flat[chosen], labels[chosen]))
    return Embedding(method, np.asarray(points, dtype=np.float64), explained, silhouette)


@dataclass(frozen=True, kw_only=True)
class DataMap(Viewed):
    """A map of a data set, and what is needed to read it."""

    map: Embedding
    pixels_silhouette: float
    """The same measure of separation for the bare pixels."""
    labels: np.ndarray
    """N."""
    wrong: np.ndarray
    """N: does the net say another class?"""
    pictures: np.ndarray
    """N C H W uint8."""
    class_names: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What is drawn, how well the classes are separated, and how many are mistaken."""
        name = METHODS[self.map.method]
        return (
            f"{name} of the features. Separation of the classes (silhouette): {self.map.silhouette:.2f} in feature "
            f"space, {self.pixels_silhouette:.2f} in pixels. {int(self.wrong.sum())} of {len(self.wrong)} are mistaken."
        )


def map_data(
    features: np.ndarray,
    pictures: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    class_names: tuple[str, ...],
    *,
    method: str = "tsne",
    seed: int = 0,
) -> DataMap:
    """A map of features N F, with pictures N C H W uint8, true and predicted labels N."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    return DataMap(
        map=embed(features, method=method, labels=labels, seed=seed),
        pixels_silhouette=embed(flat, method="pca", labels=labels, seed=seed).silhouette,
        labels=labels, wrong=predicted != labels, pictures=pictures, class_names=class_names,
    )  # fmt: skip
