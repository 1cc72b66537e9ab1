"""Maps from a net's logits to honest ones, and which of them serves. N samples, K classes, M knots.

- `temperature`: z / T, one number for all classes; the order of the classes stays (Guo et al., arXiv:1706.04599)
- `vector`: w_k z_k + b_k, two numbers a class; where classes differ in how sure the net is of them (the same paper)
- `isotonic`: log g(softmax(z / T)) with one rising function g for all classes, of any shape; the order of the classes
  stays (isotonic regression of all classes together: Zhang, Kailkhura & Han, arXiv:2003.07329)

The softmax of what comes out are the honest probabilities. A map of more numbers is taken only where it is clearly
better on samples that it was not fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import isotonic_regression, minimize

from hubel.metrics.calibrating import fit_temperature
from hubel.metrics.probability import log_losses, log_softmax

KINDS = ("temperature", "vector", "isotonic")
FOLDS = 5
"""Parts of the samples; each is judged by a map that was fitted on the others."""
FEWEST_A_CLASS = 20
"""Samples of each class from which on a class may have numbers of its own."""
FEWEST_FOR_SHAPE = 300
"""Samples from which on a function of any shape may be fitted."""
LARGEST = 2_000_000
"""Logits (N times K) beyond which only the temperature is fitted: the others would take longer than they may."""
SURELY = 2.0
"""Standard errors by which the mean loss must be less than the temperature's."""
STEPS = 60
"""Bins of probability that a rising function is fitted on, about."""
LEAST = 1e-12
"""No class is held for impossible."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrator:
    """How logits become honest ones. One of the three kinds, by what it holds.

    >>> Calibrator(temperature=2.0)(np.array([[4.0, 0.0]])).tolist()
    [[2.0, 0.0]]
    >>> Calibrator(scales=np.array([1.0, 3.0]), shifts=np.array([0.0, 1.0]))(np.array([[4.0, 1.0]])).tolist()
    [[4.0, 4.0]]
    """

    temperature: float = 1.0
    """Logits are divided by it; 1 where `scales` stand in its place."""
    scales: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """K: what the logit of each class is multiplied by; empty where all have the temperature."""
    shifts: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """K: what is added to it."""
    knots: np.ndarray = field(default_factory=lambda: np.zeros((2, 0)))
    """2 M: probabilities from 0 to 1 in rising order, and what they become, rising too; straight between them."""

    @property
    def kind(self) -> str:
        """One of KINDS."""
        return "vector" if len(self.scales) else "isotonic" if self.knots.shape[1] else "temperature"

    @property
    def plain(self) -> bool:
        """Does it leave logits as they are?"""
        return self.kind == "temperature" and self.temperature == 1

    @property
    def words(self) -> str:
        """What it does to logits, after "its logits were"."""
        return {
            "temperature": f"divided by a temperature of {self.temperature:.3g}",
            "vector": "multiplied and shifted by two numbers for each class",
            "isotonic": f"divided by a temperature of {self.temperature:.3g} and the probabilities put through one "
            "rising function",
        }[self.kind]

    def __call__(self, logits_NK: np.ndarray) -> np.ndarray:
        """Logits N K float64 whose softmax are the honest probabilities."""
        logits = logits_NK.astype(np.float64)
        if len(self.scales):
            return np.asarray(logits * self.scales + self.shifts)
        logits /= self.temperature
        if not self.knots.shape[1]:
            return logits
        return np.asarray(np.log(np.maximum(np.interp(np.exp(log_softmax(logits)), *self.knots), LEAST)))

    def problem(self, classes: int) -> str:
        """What does not hold together in it, for nets of so many classes; "" where all does."""
        if not 0 < self.temperature <= 1000:
            return "its temperature is not between 0 and 1000"
        if len(self.scales) and self.knots.shape[1]:
            return "it is of two kinds at once"
        if len(self.scales) != len(self.shifts) or len(self.scales) not in (0, classes):
            return f"it has {len(self.scales)} numbers for {classes} classes"
        if (self.scales < 0).any():
            return "a class counts less than nothing"
        if self.knots.ndim != 2 or len(self.knots) != 2 or self.knots.shape[1] not in range(1000):
            return "its function is none"
        if self.knots.shape[1] and (
            self.knots[0, 0] != 0 or self.knots[0, -1] != 1 or (np.diff(self.knots[0]) <= 0).any()
        ):
            return "its function is not one of all probabilities"
        if self.knots.shape[1] and (
            (np.diff(self.knots[1]) < 0).any() or not 0 <= self.knots[1, 0] <= self.knots[1, -1] <= 1
        ):
            return "its function does not rise"
        return ""


def fit_vector(logits_NK: np.ndarray, labels_N: np.ndarray) -> Calibrator:
    """w_k and b_k of least log-loss; near those of the temperature where samples say nothing (a ridge of one sample).

    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 2, 4000)
    >>> logits = np.where(labels[:, None] == np.arange(2), 1.0, 0.0) + rng.normal(size=(4000, 2)) + [3.0, 0.0]
    >>> bool((fit_vector(logits, labels)(logits).argmax(axis=1) == labels).mean() > 0.7)  # class 0 was favoured
    True
    """
    logits = logits_NK.astype(np.float64)
    N, K = logits.shape
    heat = fit_temperature(logits, labels_N)
    scaled = logits / heat
    targets = np.full((N, K), 1 / (N + 2) / max(1, K - 1))
    targets[np.arange(N), labels_N] = 1 - 1 / (N + 2)

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        scales, shifts = numbers[:K], numbers[K:]
        log_p = log_softmax(scaled * scales + shifts)
        away = (np.exp(log_p) - targets) / N
        bent = np.concatenate([scales - 1, shifts])
        gradient = np.concatenate([(away * scaled).sum(axis=0), away.sum(axis=0)]) + bent / N
        return float(-(targets * log_p).sum() / N + (bent**2).sum() / (2 * N)), gradient

    start = np.concatenate([np.ones(K), np.zeros(K)])
    bounds = [(0.01, 100.0)] * K + [(-100.0, 100.0)] * K
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 100}).x
    return Calibrator(scales=found[:K] / heat, shifts=found[K:])


def fit_isotonic(logits_NK: np.ndarray, labels_N: np.ndarray) -> Calibrator:
    """The rising function that the shares of true classes follow, over the probabilities after the temperature.

    Probabilities of all classes are put into bins. In each stands one more sample that is true as often as the
    temperature says, so that none is held for impossible or certain. Between the bins the function is straight and
    rises everywhere, so that the order of the classes stays.

    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(5000)
    >>> labels = np.int64(rng.random(5000) > p**2)  # class 0 is true with p squared
    >>> honest = np.exp(log_softmax(fit_isotonic(np.log(np.stack([p, 1 - p], axis=1)), labels)(np.log([[0.5, 0.5]]))))
    >>> honest.round(1).tolist()  # the order of equals stays, too
    [[0.5, 0.5]]
    """
    heat = fit_temperature(logits_NK, labels_N)
    shares = np.exp(log_softmax(logits_NK / heat))
    truth = np.zeros(shares.shape, bool)
    truth[np.arange(len(labels_N)), labels_N] = True
    p, hit = shares.ravel(), truth.ravel()
    cuts = np.concatenate([
        np.quantile(some, np.linspace(0, 1, STEPS // 2 + 1)[1:-1]) for some in (p, shares.max(axis=1))
    ])  # fmt: skip
    place = np.searchsorted(np.unique(cuts), p, side="right")
    count = np.bincount(place)
    seen = count > 0
    count = count[seen]
    middle = np.bincount(place, p)[seen] / count
    true = (np.bincount(place, hit)[seen] + middle) / (count + 1)
    found = isotonic_regression(true, weights=count + 1)
    starts = found.blocks[:-1]
    weight = np.add.reduceat(count, starts)
    at = np.clip(np.add.reduceat(middle * count, starts) / weight, 1e-9, 1 - 1e-9)
    height = np.clip(found.x[starts], LEAST, 1 - 1e-6)
    keep = np.concatenate([[True], np.diff(at) > 1e-9])
    at, height = at[keep], height[keep]
    top = height[-1] + (1 - height[-1]) * 1e-3
    return Calibrator(
        temperature=heat,
        knots=np.stack([np.concatenate([[0.0], at, [1.0]]), np.concatenate([[LEAST], height, [top]])]),
    )


FITTING = {
    "temperature": lambda logits, labels: Calibrator(temperature=fit_temperature(logits, labels)),
    "vector": fit_vector,
    "isotonic": fit_isotonic,
}


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A map, and what was weighed."""

    calibrator: Calibrator
    losses: dict[str, float]
    """Mean log-loss of each kind that was tried, on samples that it was not fitted on; empty with one kind alone."""
    why: str
    """In a few words."""


def allowed(labels_N: np.ndarray, classes: int) -> tuple[str, ...]:
    """The kinds that there are enough samples for.

    >>> allowed(np.arange(400) % 3, 3), allowed(np.arange(50) % 3, 3)
    (('temperature', 'vector', 'isotonic'), ('temperature',))
    """
    if len(labels_N) * classes > LARGEST:
        return ("temperature",)
    found = ["temperature"]
    if np.bincount(labels_N, minlength=classes).min() >= FEWEST_A_CLASS:
        found.append("vector")
    if len(labels_N) >= FEWEST_FOR_SHAPE:
        found.append("isotonic")
    return tuple(found)


def choose_calibrator(logits_NK: np.ndarray, labels_N: np.ndarray) -> Chosen:
    """The map that serves best, fitted on all samples.

    Each kind that there are enough samples for is fitted FOLDS times on four fifths, and judged on the rest. Another
    than the temperature is taken where its log-loss there is less by SURELY standard errors of the difference, sample
    by sample, and it names no fewer right.
    """
    kinds = allowed(labels_N, logits_NK.shape[1])
    plain = FITTING["temperature"](logits_NK, labels_N)
    if len(kinds) == 1:
        return Chosen(calibrator=plain, losses={}, why="too few samples for another map")
    fold = np.empty(len(labels_N), np.int64)
    fold[np.argsort(labels_N, kind="stable")] = np.arange(len(labels_N)) % FOLDS  # every class in every part
    losses, right = {}, {}
    for kind in kinds:
        honest = np.empty(logits_NK.shape)
        for part in range(FOLDS):
            inside = fold == part
            honest[inside] = FITTING[kind](logits_NK[~inside], labels_N[~inside])(logits_NK[inside])
        losses[kind] = log_losses(log_softmax(honest), labels_N)
        right[kind] = int((honest.argmax(axis=1) == labels_N).sum())
    means = {kind: float(each.mean()) for kind, each in losses.items()}
    best = "temperature"
    for kind in kinds[1:]:
        less = losses["temperature"] - losses[kind]
        sure = SURELY * float(less.std(ddof=1)) / np.sqrt(len(less))
        if less.mean() > sure and right[kind] >= right["temperature"] and means[kind] < means[best]:
            best = kind
    if best == "temperature":
        return Chosen(calibrator=plain, losses=means, why="no other map is clearly better")
    return Chosen(
        calibrator=FITTING[best](logits_NK, labels_N), losses=means, why="clearly better on samples held back"
    )
