"""The classical learners, each with the settings that are tried; scikit-learn's, made ready for numbers of any scale.

Letters: N samples, F numbers each, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

REDUCED = 64
"""Directions (principal components) kept for gradient boosting, which looks at every number in turn."""


@dataclass(frozen=True, kw_only=True)
class Learner:
    """A learner, and the settings among which the validation part chooses."""

    title: str
    build: Callable[[Any, int, bool], Any]
    """(setting, seed, regression) -> an estimator with fit and predict."""
    settings: tuple[Any, ...]
    named: str
    """What a setting is called: "neighbours"."""
    growth: float
    """How time grows with the samples: about N to this power."""
    least: int = 2
    """Samples it needs."""
    source: str = ""
    """Who proposed it where."""


def _scaled(*steps: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), *steps)


def _neighbours(k: int, seed: int, regression: bool) -> Any:
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    return (KNeighborsRegressor if regression else KNeighborsClassifier)(k, weights="distance", algorithm="brute")


def _linear(penalty: float, seed: int, regression: bool) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    return _scaled(Ridge(1 / penalty) if regression else LogisticRegression(C=penalty, max_iter=200))


def _machine(penalty: float, seed: int, regression: bool) -> Any:
    from sklearn.svm import SVC, SVR

    return _scaled(SVR(C=penalty) if regression else SVC(C=penalty))


def _forest(share: float | str, seed: int, regression: bool) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    return (RandomForestRegressor if regression else RandomForestClassifier)(
        200, max_features=share, random_state=seed, n_jobs=1
    )


def _boosting(rate: float, seed: int, regression: bool) -> Any:
    from sklearn.decomposition import PCA
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    boosted = (HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier)(
        learning_rate=rate, max_iter=100, max_leaf_nodes=15, early_stopping=False, random_state=seed
    )
    return _Reduced(PCA(REDUCED, svd_solver="randomized", random_state=seed), boosted)


class _Reduced:
    """Rows cut down to `REDUCED` directions before they are learnt from, where there are many more than that."""

    def __init__(self, reduce: Any, learn: Any) -> None:
        self.reduce, self.learn, self.reduces = reduce, learn, False

    def fit(self, rows: np.ndarray, labels: np.ndarray) -> _Reduced:
        """Learn from rows N F and labels N."""
        self.reduces = min(rows.shape) > 2 * REDUCED
        self.learn.fit(self.reduce.fit_transform(rows) if self.reduces else rows, labels)
        return self

    @property
    def classes_(self) -> np.ndarray:
        """The labels that it met."""
        return np.asarray(self.learn.classes_)

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        """N K."""
        return np.asarray(self.learn.predict_proba(self._reduced(rows)))

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """N."""
        return np.asarray(self.learn.predict(self._reduced(rows)))

    def _reduced(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self.reduce.transform(rows)) if self.reduces else rows


LEARNERS: dict[str, Learner] = {
    "knn": Learner(
        title="nearest neighbours", build=_neighbours, settings=(1, 5), named="neighbours", growth=2,
        source="Fix and Hodges 1951; Cover and Hart, IEEE Trans. Inf. Theory 1967",
    ),
    "logistic": Learner(
        title="logistic regression", build=_linear, settings=(0.01, 1.0), named="C", growth=1.2,
        source="Cox, J. R. Stat. Soc. B 1958",
    ),
    "svm": Learner(
        title="support vector machine", build=_machine, settings=(1.0, 10.0), named="C", growth=2,
        source="Boser, Guyon, Vapnik, COLT 1992",
    ),
    "forest": Learner(
        title="random forest", build=_forest, settings=("sqrt",), named="numbers a split", growth=1.2,
        source="Breiman, Machine Learning 2001",
    ),
    "boosting": Learner(
        title="gradient boosting", build=_boosting, settings=(0.1,), named="rate", growth=1,
        source="Friedman, Annals of Statistics 2001",
    ),
}  # fmt: skip
"""By name, from cheap to dear."""


def titled(name: str, regression: bool) -> str:
    """What people call it.

    >>> titled("logistic", True), titled("svm", False)
    ('ridge regression', 'support vector machine')
    """
    return "ridge regression" if regression and name == "logistic" else LEARNERS[name].title


def scores(model: Any, rows: np.ndarray, classes: int) -> np.ndarray:
    """N K log-scores whose largest is the answer; a class that was not learnt from has the lowest.

    Log-probabilities where the learner has any, else its distances from the border, which are no probabilities.
    """
    names = np.asarray(model.classes_, dtype=np.int64)
    if hasattr(model, "predict_proba"):
        known = np.log(np.maximum(model.predict_proba(rows), 1e-6))
    elif len(names) == 2:
        one = np.asarray(model.decision_function(rows))
        known = np.stack([-one, one], axis=1)
    else:
        known = np.asarray(model.decision_function(rows))
    found = np.full((len(rows), classes), min(-20.0, float(known.min()) if known.size else 0.0) - 1)
    found[:, names] = known
    return found.astype(np.float32)
