"""Methods that see a picture as one row of numbers: PCA, neighbours, Mahalanobis, one-class SVM, isolation forest.

Letters: N pictures, F numbers a picture, D directions, M pictures that are kept, T trees, S nodes.
"""

from __future__ import annotations

import numpy as np

from hubel.anomalies.eyes import SIDE, Eyes, shrunken
from hubel.anomalies.settings import Settings, State
from hubel.watching import Watcher

MOST_DIRECTIONS = 32
"""Of a PCA; a third of the pictures where there are few."""
VARIANCE = 0.9
"""Share of the variance within which Mahalanobis distances are taken."""


def rows(eyes: Eyes, images: np.ndarray) -> np.ndarray:
    """N F float64: what the eyes see of pictures N C H W."""
    return eyes.vectors(images).astype(np.float64)


def some(values: np.ndarray, most: int, seed: int) -> np.ndarray:
    """At most so many rows, drawn by chance, in their order."""
    if len(values) <= most:
        return values
    return np.asarray(values[np.sort(np.random.default_rng(seed).permutation(len(values))[:most])])


def most_of(places: int, share: float) -> int:
    """How many of so many places the largest share is; four at least, where there are so many.

    >>> most_of(784, 0.05), most_of(9, 0.05), most_of(2, 0.05)
    (39, 4, 2)
    """
    return min(places, max(4, round(share * places)))


def top_mean(maps: np.ndarray, share: float) -> np.ndarray:
    """N: mean of the largest share of each map, of four places at least.

    >>> top_mean(np.arange(8.0).reshape(1, 2, 4), 0.5).tolist()
    [5.5]
    """
    flat = maps.reshape(len(maps), -1)
    count = most_of(flat.shape[1], share)
    return np.asarray(np.sort(flat, axis=1)[:, -count:].mean(axis=1))


def squared(rows_NF: np.ndarray, others_MF: np.ndarray) -> np.ndarray:
    """N M squared distances.

    >>> squared(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])).tolist()
    [[25.0]]
    """
    mixed = (rows_NF**2).sum(axis=1)[:, None] - 2 * rows_NF @ others_MF.T + (others_MF**2).sum(axis=1)
    return np.asarray(np.maximum(mixed, 0))


def principal(values: np.ndarray, directions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mean F, directions F D, variance D) of the largest spread, exactly, by eigenvectors of the smaller matrix.

    >>> mean, basis, variance = principal(np.array([[0.0, 1.0], [0.0, -1.0]]), 1)
    >>> np.abs(basis).ravel().tolist(), variance.tolist()
    ([0.0, 1.0], [2.0])
    """
    mean = values.mean(axis=0)
    centred = values - mean
    count, width = centred.shape
    if width <= count:
        spread, vectors = np.linalg.eigh(centred.T @ centred / max(1, count - 1))
        order = np.argsort(-spread)[:directions]
        return mean, vectors[:, order], np.maximum(spread[order], 0)
    spread, vectors = np.linalg.eigh(centred @ centred.T / max(1, count - 1))
    order = np.argsort(-spread)[:directions]
    kept = np.maximum(spread[order], 0)
    basis = centred.T @ vectors[:, order]
    return mean, basis / np.maximum(np.linalg.norm(basis, axis=0), 1e-12), kept


# ---------------------------------------------------------------- PCA


def fit_pca(eyes: Eyes, images: np.ndarray, settings: Settings, watch: Watcher) -> State:
    """Mean and directions of what is normal."""
    values = rows(eyes, images)
    keep = settings.components or min(MOST_DIRECTIONS, max(1, len(values) // 3))
    mean, basis, _ = principal(values, min(keep, len(values) - 1, values.shape[1]))
    return {"mean": mean, "basis": basis}


def look_pca(eyes: Eyes, state: State, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """How far each picture lies off the hyperplane; of pixels also where."""
    centred = rows(eyes, images) - state["mean"]
    off = (centred - (centred @ state["basis"]) @ state["basis"].T) ** 2
    if eyes.net is not None:
        return off.mean(axis=1), None
    shape = small_shape(images.shape[1:])
    return off.mean(axis=1), off.reshape(len(off), *shape).mean(axis=1)


def small_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """C h w of pictures C H W whose pixels have been averaged.

    >>> small_shape((3, 128, 96))
    (3, 32, 24)
    """
    import torch

    found = shrunken(torch.zeros(1, *shape, dtype=torch.uint8), SIDE).shape
    return int(found[1]), int(found[2]), int(found[3])


# ---------------------------------------------------------------- nearest neighbours


def fit_knn(eyes: Eyes, images: np.ndarray, settings: Settings, watch: Watcher) -> State:
    """Normal pictures that are kept."""
    kept = some(rows(eyes, images), settings.bank, settings.seed)
    return {"bank": kept, "neighbours": np.array([min(settings.neighbours, len(kept))])}


def look_knn(eyes: Eyes, state: State, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Mean distance to the nearest of them."""
    return nearest(rows(eyes, images), state["bank"], int(state["neighbours"][0])), None


def nearest(values: np.ndarray, bank: np.ndarray, count: int) -> np.ndarray:
    """N: mean distance to the `count` nearest rows of the bank, a block at a time."""
    found = []
    for start in range(0, len(values), 512):
        apart = squared(values[start : start + 512], bank)
        found.append(np.sqrt(np.partition(apart, count - 1, axis=1)[:, :count]).mean(axis=1))
    return np.concatenate(found) if found else np.zeros(0)


# ---------------------------------------------------------------- Mahalanobis


def fit_mahalanobis(eyes: Eyes, images: np.ndarray, settings: Settings, watch: Watcher) -> State:
    """A Gaussian of what is normal: the directions with most of the variance, and one variance for all others."""
    values = rows(eyes, images)
    mean, basis, variance = principal(values, min(len(values) - 1, values.shape[1]))
    share = np.cumsum(variance) / max(variance.sum(), 1e-300)
    keep = min(int(np.searchsorted(share, VARIANCE)) + 1, max(1, len(values) // 3))
    return gaussian(values, mean, basis[:, :keep], variance[:keep])


def gaussian(values: np.ndarray, mean: np.ndarray, basis: np.ndarray, variance: np.ndarray) -> State:
    """Probabilistic PCA (Tipping and Bishop 1999): what lies outside the directions has the mean variance that is left.

    A few samples know little of rare directions: none counts for less than what lies outside, nor for nothing.
    """
    rest = max(float(((values - mean) ** 2).sum() / max(1, len(values) - 1) - variance.sum()), 0.0)
    outside = rest / max(1, values.shape[1] - len(variance))
    floor = max(outside, 0.001 * float(variance.mean()), 1e-10)
    return {"mean": mean, "basis": basis, "variance": np.maximum(variance, floor), "outside": np.array([floor])}


def unusual(values: np.ndarray, state: State) -> np.ndarray:
    """N: the squared distance under that Gaussian, a mean over the F numbers.

    >>> about = {"mean": np.zeros(2), "basis": np.eye(2)[:, :1], "variance": np.array([4.0]), "outside": np.ones(1)}
    >>> unusual(np.array([[2.0, 0.0], [0.0, 2.0]]), about).tolist()
    [0.5, 2.0]
    """
    off = values - state["mean"]
    along = off @ state["basis"]
    outside = np.maximum((off**2).sum(axis=1) - (along**2).sum(axis=1), 0)
    scaled = (along**2 / state["variance"]).sum(axis=1) + outside / state["outside"][0]
    return np.asarray(scaled / off.shape[1])


def look_mahalanobis(eyes: Eyes, state: State, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """How unusual each picture is under the Gaussian."""
    return unusual(rows(eyes, images), state), None


# ---------------------------------------------------------------- one-class SVM


def fit_ocsvm(eyes: Eyes, images: np.ndarray, settings: Settings, watch: Watcher) -> State:
    """scikit-learn's, with the width of the kernel by the spread of the numbers; kept as its support vectors."""
    from sklearn.svm import OneClassSVM

    values = rows(eyes, images)
    spread = max(float(values.var(axis=0).sum()), 1e-12)
    machine = OneClassSVM(kernel="rbf", gamma=1 / spread, nu=0.05).fit(some(values, settings.bank, settings.seed))
    return {
        "support": machine.support_vectors_.astype(np.float64), "weights": machine.dual_coef_[0].astype(np.float64),
        "rho": -np.asarray(machine.intercept_, np.float64), "gamma": np.array([1 / spread]),
    }  # fmt: skip


def look_ocsvm(eyes: Eyes, state: State, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """How far outside: rho minus the sum of the kernels."""
    apart = squared(rows(eyes, images), state["support"])
    return state["rho"][0] - np.exp(-state["gamma"][0] * apart) @ state["weights"], None


# ---------------------------------------------------------------- isolation forest


def fit_forest(eyes: Eyes, images: np.ndarray, settings: Settings, watch: Watcher) -> State:
    """scikit-learn's, kept as tables of its trees: T S, the nodes of a tree in a row."""
    from sklearn.ensemble import IsolationForest

    values = rows(eyes, images).astype(np.float32)
    forest = IsolationForest(n_estimators=200, random_state=settings.seed, n_jobs=1).fit(values)
    trees = [tree.tree_ for tree in forest.estimators_]
    size = max(tree.node_count for tree in trees)

    def table(name: str, dtype: type) -> np.ndarray:
        found = np.zeros((len(trees), size), dtype)
        for number, tree in enumerate(trees):
            found[number, : tree.node_count] = getattr(tree, name)
        return found

    return {
        "left": table("children_left", np.int64), "right": table("children_right", np.int64),
        "feature": table("feature", np.int64), "cut": table("threshold", np.float64),
        "samples": table("n_node_samples", np.int64), "drawn": np.array([int(forest.max_samples_)]),
    }  # fmt: skip


def look_forest(eyes: Eyes, state: State, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """2 ** -(mean depth / depth of a random tree)."""
    values = rows(eyes, images).astype(np.float32)
    count, trees = len(values), len(state["left"])
    node = np.zeros((trees, count), np.int64)
    depth = np.zeros((trees, count))
    each, which = np.arange(trees)[:, None], np.arange(count)[None]
    while True:
        inner = state["left"][each, node] >= 0
        if not inner.any():
            break
        goes_left = values[which, np.maximum(state["feature"][each, node], 0)] <= state["cut"][each, node]
        after = np.where(goes_left, state["left"][each, node], state["right"][each, node])
        depth += inner
        node = np.where(inner, after, node)
    depth += expected_depth(state["samples"][each, node])
    return np.asarray(2 ** -(depth.mean(axis=0) / max(float(expected_depth(state["drawn"])[0]), 1e-12))), None


def expected_depth(samples: np.ndarray) -> np.ndarray:
    """Mean depth at which a random tree of so many samples ends (Liu, Ting, Zhou 2008, equation 1).

    >>> expected_depth(np.array([1, 2, 256])).round(3).tolist()
    [0.0, 1.0, 10.245]
    """
    n = np.maximum(samples, 2).astype(np.float64)
    found = 2 * (np.log(n - 1) + np.euler_gamma) - 2 * (n - 1) / n
    return np.where(samples <= 1, 0.0, np.where(samples == 2, 1.0, found))
