"""Methods that see a picture as patches, each with its place: PaDiM and PatchCore. They say where something is strange.

Letters: N pictures, F numbers a patch, h w places, P = h w, M patches that are kept.
"""

from __future__ import annotations

import numpy as np

from hubel.anomalies.eyes import Eyes
from hubel.anomalies.flat import squared
from hubel.anomalies.settings import Settings, State
from hubel.watching import SILENT, Watcher

KEPT = 100
"""PaDiM: numbers of a patch that are used, drawn by chance (table 2 of the paper: 100 of 448 lose hardly anything)."""
POOL = 30_000
"""PatchCore: patches among which the coreset is chosen at most, drawn by chance."""
MOST = 3_000
"""PatchCore: patches in the coreset at most."""
PROJECTED = 256
"""PatchCore: numbers to which wider patches are projected while the coreset is chosen: in a few dozen the farthest
are taken for others."""
NEIGHBOURS = 9
"""PatchCore: patches around the nearest one by which the score of a picture is weighed."""
ROUNDED = 2e-6
"""Share of the squared lengths by which their product in single precision may be off."""


# ---------------------------------------------------------------- PaDiM


def fit_padim(eyes: Eyes, images: np.ndarray, settings: Settings, watch: Watcher) -> State:
    """A Gaussian for every place: means P F, and what makes its distances plain, P F F."""
    first = eyes.maps(images[:1])
    width = first.shape[1]
    kept = np.sort(np.random.default_rng(settings.seed).permutation(width)[:KEPT])
    places = first.shape[2] * first.shape[3]
    total = np.zeros((places, len(kept)))
    product = np.zeros((places, len(kept), len(kept)))
    for start in range(0, len(images), 32):
        seen = _rows(eyes, images[start : start + 32], kept)
        total += seen.sum(axis=1)
        product += np.matmul(seen.transpose(0, 2, 1), seen)
        watch.progress(min(start + 32, len(images)), len(images))
    mean = total / len(images)
    spread = product - len(images) * mean[:, :, None] * mean[:, None, :]
    spread /= max(1, len(images) - 1)
    # The paper adds 0.01 to the diagonal; in the scale of these features, so that it means the same for any net.
    floor = 0.01 * max(float(np.trace(spread.mean(axis=0))) / len(kept), 1e-12) * (1 + 100 / len(images))
    spread += floor * np.eye(len(kept))
    inverse = np.linalg.inv(np.linalg.cholesky(spread))
    return {
        "kept": kept.astype(np.int64), "mean": mean.astype(np.float32), "whitener": inverse.astype(np.float32),
        "places": np.array(first.shape[2:], np.int64),
    }  # fmt: skip


def _rows(eyes: Eyes, images: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """P N F float64."""
    seen = eyes.maps(images)[:, kept]
    return seen.reshape(*seen.shape[:2], -1).transpose(2, 0, 1).astype(np.float64)


def look_padim(eyes: Eyes, state: State, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The distance of every patch to its place's Gaussian; a picture's score is the largest."""
    maps = []
    for start in range(0, len(images), 32):
        off = _rows(eyes, images[start : start + 32], state["kept"]) - state["mean"][:, None].astype(np.float64)
        plain = np.matmul(off, state["whitener"].astype(np.float64).transpose(0, 2, 1))
        maps.append(np.sqrt((plain**2).mean(axis=2)).T)
    return _as_found(maps, state)


def _as_found(maps: list[np.ndarray], state: State) -> tuple[np.ndarray, np.ndarray]:
    high, wide = (int(side) for side in state["places"])
    found = np.concatenate(maps).reshape(-1, high, wide) if maps else np.zeros((0, high, wide))
    return found.reshape(len(found), -1).max(axis=1) if len(found) else np.zeros(0), found


# ---------------------------------------------------------------- PatchCore


def coreset(rows_NF: np.ndarray, count: int, seed: int = 0, watch: Watcher = SILENT) -> np.ndarray:
    """`count` rows that leave no row far away: each next one is the farthest from those before (greedy k-centre).

    Distances are those of a random projection to `PROJECTED` numbers, which keeps them within a few per cent (Johnson
    and Lindenstrauss 1984), as in the paper.

    >>> coreset(np.array([[0.0], [0.1], [10.0], [10.1]]), 2).tolist()
    [0, 3]
    """
    rng = np.random.default_rng(seed)
    flat = rows_NF.astype(np.float32)
    if flat.shape[1] > PROJECTED:
        flat = flat @ (rng.normal(size=(flat.shape[1], PROJECTED)) / np.sqrt(PROJECTED)).astype(np.float32)
    count = min(count, len(flat))
    chosen = np.zeros(count, np.int64)
    lengths = (flat**2).sum(axis=1)
    apart = np.full(len(flat), np.inf, np.float32)
    for number in range(count):
        if number:
            chosen[number] = int(apart.argmax())
        last = chosen[number]
        np.minimum(apart, lengths - 2 * (flat @ flat[last]) + lengths[last], out=apart)
        apart[last] = -1
        if number % 64 == 0:
            watch.progress(number, count)
    return chosen


def fit_patchcore(eyes: Eyes, images: np.ndarray, settings: Settings, watch: Watcher) -> State:
    """Normal patches, thinned out to a coreset."""
    first = eyes.maps(images[:1])
    places = first.shape[2] * first.shape[3]
    each = min(places, max(1, POOL // max(1, len(images))))
    rng = np.random.default_rng(settings.seed)
    pool = []
    for start in range(0, len(images), 32):
        seen = eyes.maps(images[start : start + 32])
        flat = seen.reshape(*seen.shape[:2], -1).transpose(0, 2, 1)
        for one in flat:
            pool.append(one[np.sort(rng.permutation(places)[:each])] if each < places else one)
    patches = np.concatenate(pool)
    if len(patches) > POOL:
        patches = patches[np.sort(rng.permutation(len(patches))[:POOL])]
    count = max(NEIGHBOURS + 1, min(MOST, round(settings.coreset * len(images) * places)))
    kept = coreset(patches, count, settings.seed, watch)
    return {"bank": patches[kept].astype(np.float32), "places": np.array(first.shape[2:], np.int64)}


def look_patchcore(eyes: Eyes, state: State, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The distance of every patch to the nearest normal one.

    The score of a picture is the largest of them, weighed by how much nearer that normal patch is than those around it
    (equation 7 of the paper).
    """
    bank = Bank(state["bank"])
    judged = [bank.judge(eyes.maps(images[start : start + 8])) for start in range(0, len(images), 8)]
    _, maps = _as_found([apart for _, apart in judged], state)
    return np.concatenate([scores for scores, _ in judged] or [np.zeros(0)]), maps


class Bank:
    """Normal patches M F, made ready for asking which of them is the nearest."""

    def __init__(self, patches_MF: np.ndarray) -> None:
        self.patches = patches_MF
        self.lengths = (patches_MF**2).sum(axis=1)
        self._turned = np.ascontiguousarray(-2 * patches_MF.T)
        self._exact = patches_MF.astype(np.float64)

    def judge(self, maps_NFhw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(the score of each picture N, the distances of its patches N P).

        >>> scores, apart = Bank(np.array([[0.0, 0.0], [0.0, 9.0]])).judge(np.array([[[[3.0]], [[4.0]]]]))
        >>> apart.tolist(), (scores / 5).round(3).tolist()
        ([[5.0]], [0.697])
        """
        count, width = maps_NFhw.shape[:2]
        rows = np.ascontiguousarray(maps_NFhw.reshape(count, width, -1).transpose(0, 2, 1)).reshape(-1, width)
        near = self._nearest(rows)
        distance = _length(rows - self.patches[near]).reshape(count, -1)
        worst = np.arange(count) * distance.shape[1] + distance.argmax(axis=1)
        return distance.max(axis=1) * self._weights(rows[worst], near[worst]), distance

    def _nearest(self, rows: np.ndarray) -> np.ndarray:
        """N: which normal patch is the nearest. Where single precision cannot tell two apart, double precision does."""
        apart = rows @ self._turned  # less the rows' own squared lengths, which are the same before every patch
        apart += self.lengths
        near = np.asarray(apart.argmin(axis=1))
        slack = ROUNDED * ((rows**2).sum(axis=1) + self.lengths.max())
        close = np.flatnonzero((apart <= (apart[np.arange(len(rows)), near] + slack)[:, None]).sum(axis=1) > 1)
        for start in range(0, len(close), 512):
            some = close[start : start + 512]
            near[some] = squared(rows[some].astype(np.float64), self._exact).argmin(axis=1)
        return near

    def _weights(self, rows: np.ndarray, near: np.ndarray) -> np.ndarray:
        """N: 1 - softmax over the nearest normal patch and those around it, of the distances to the row."""
        own = _length(self.patches[near] - rows)
        apart = _length(self.patches[self._around(near)] - rows[:, None])
        most = apart.max(axis=1)
        return np.asarray(1 - np.exp(own - most) / np.exp(apart - most[:, None]).sum(axis=1))

    def _around(self, near: np.ndarray) -> np.ndarray:
        """N K: the normal patches around each of some of them, itself among them."""
        count = min(NEIGHBOURS, len(self.patches))
        return np.argpartition(squared(self._exact[near], self._exact), count - 1, axis=1)[:, :count]

    def all_around(self) -> np.ndarray:
        """M K: those around each of them.

        >>> sorted(Bank(np.array([[0.0], [1.0]], np.float32)).all_around()[0].tolist())
        [0, 1]
        """
        every = np.arange(len(self.patches))
        return np.concatenate([self._around(every[start : start + 512]) for start in range(0, len(every), 512)])


def _length(rows: np.ndarray) -> np.ndarray:
    """The length of each row … F, in double precision."""
    wide = rows.astype(np.float64)
    return np.asarray(np.sqrt(np.einsum("...f,...f->...", wide, wide)))
