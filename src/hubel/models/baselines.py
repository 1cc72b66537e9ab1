"""What a net must beat: classical classifiers over pixels, hand-made features, or the features of any net.

    nearest   k nearest neighbours          linear  logistic regression      svm    RBF kernel, Cortes & Vapnik 1995
    forest    random forest, Breiman 2001   boosted gradient-boosted trees, Friedman 2001

scikit-learn does the work; here are one interface for all and the features. Letters: N pictures, C H W, F features,
K classes.

>>> from sklearn.datasets import load_digits
>>> digits = load_digits()
>>> images, labels = digits.images[:, None].astype("uint8") * 15, digits.target
>>> model = baseline("linear", "hog").fit(images[:400], labels[:400])
>>> model.predict_proba(images[400:402]).shape, model.score(images[400:800], labels[400:800]) > 0.8
((2, 10), True)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn

from hubel.errors import ArtefactError, DataError, UsageError, unknown
from hubel.nn.hog import hog
from hubel.nn.modes import evaluating
from hubel.nn.taps import record
from hubel.words import plural

Features = Callable[[np.ndarray], np.ndarray]
"""Pictures N C H W (0..255, or any numbers) -> N F float32."""


def pixels(images: np.ndarray) -> np.ndarray:
    """The picture itself as one vector, 0..1 if it is uint8: N F."""
    scale = 255.0 if images.dtype == np.uint8 else 1.0
    return np.ascontiguousarray(images.reshape(len(images), -1), dtype=np.float32) / np.float32(scale)


def net_features(model: nn.Module, stage: str | None = None, *, batch_size: int = 256) -> Features:
    """The features of a net at `stage` (None: its last), maps averaged over space: for transfer without training.

    The pictures must be what the net expects, already normalised.
    """
    name = stage or str(model.stages[-1])  # type: ignore[index]

    def read(images: np.ndarray) -> np.ndarray:
        found = []
        with evaluating(model), torch.no_grad():
            for start in range(0, len(images), batch_size):
                part = torch.as_tensor(images[start : start + batch_size], dtype=torch.float32)
                with record(model, name) as seen:
                    model(part)
                maps = seen[name]
                found.append((maps.flatten(2).mean(2) if maps.ndim > 2 else maps).float().numpy())
        return np.concatenate(found)

    return read


FEATURES: dict[str, Features] = {"pixels": pixels, "hog": hog}
METHODS: dict[str, Callable[[int], Any]] = {
    "nearest": lambda seed: KNeighborsClassifier(n_neighbors=5),
    "linear": lambda seed: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "svm": lambda seed: make_pipeline(StandardScaler(), SVC(C=10.0)),
    "forest": lambda seed: RandomForestClassifier(n_estimators=200, random_state=seed),
    "boosted": lambda seed: HistGradientBoostingClassifier(random_state=seed),
}


@dataclass
class Baseline:
    """A classical classifier over features of pictures."""

    method: str
    features: Features
    features_name: str
    seed: int = 0
    classes: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """The labels it has seen, in the order of the columns of `predict_proba`."""
    estimator: Any = None

    def fit(self, images: np.ndarray, labels: np.ndarray) -> Baseline:
        """Learn from pictures N C H W and labels N; raises DataError for other shapes or a single class."""
        if images.ndim != 4 or len(images) != len(labels) or len(labels) == 0:
            raise DataError(
                f"pictures must be N C H W with N labels, got {images.shape} and {np.shape(labels)}",
                hint="one picture alone: images[None], labels as a list of one",
            )
        if len(np.unique(labels)) < 2:
            raise DataError(
                "a classifier needs at least two classes to learn from, "
                f"and all {plural(len(labels), 'label')} are {labels[0]}",
                hint="give samples of other classes, too",
            )
        self.estimator = METHODS[self.method](self.seed)
        self.estimator.fit(self.features(images), labels)
        self.classes = np.asarray(self.estimator.classes_)
        return self

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        """Probabilities N K, columns in the order of `classes`. The SVM's are softmaxed votes, not calibrated."""
        found = self.features(images)
        if self.estimator is None:
            raise UsageError(f"the {self.method} baseline has not learned yet", hint="call fit(images, labels) first")
        if hasattr(self.estimator, "predict_proba"):
            return np.asarray(self.estimator.predict_proba(found))
        votes = np.asarray(self.estimator.decision_function(found))
        votes = np.stack([-votes, votes], axis=1) if votes.ndim == 1 else votes
        powers = np.exp(votes - votes.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The most probable label of each picture, N."""
        return np.asarray(self.classes[self.predict_proba(images).argmax(axis=1)])

    def score(self, images: np.ndarray, labels: np.ndarray) -> float:
        """The share of pictures it gets right."""
        return float((self.predict(images) == labels).mean())

    def save(self, path: str | Path) -> None:
        """Write a linear baseline over pixels or HOG as plain arrays (.npz); raises UsageError for the others.

        scikit-learn keeps its other models only as pickles, which run programs when they are opened.
        """
        if self.method != "linear" or self.features_name not in FEATURES:
            raise UsageError(
                f"a {self.method!r} baseline over {self.features_name} cannot be saved without a pickle",
                hint="fit it again where it is needed; 'linear' over pixels or hog can be saved",
            )
        if self.estimator is None:
            raise UsageError(f"the {self.method} baseline has not learned yet", hint="call fit(images, labels) first")
        scaler, linear = (step for _, step in self.estimator.steps)
        np.savez(
            path, mean=scaler.mean_, scale=scaler.scale_, weight=linear.coef_, bias=linear.intercept_,
            classes=self.classes, features=np.array(self.features_name), made_with=np.array(sklearn.__version__),
        )  # fmt: skip


@dataclass(frozen=True)
class Linear:
    """A saved linear baseline: arrays and nothing else."""

    mean: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    classes: np.ndarray
    features: str

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        """Probabilities N K, columns in the order of `classes`."""
        scores = ((FEATURES[self.features](images) - self.mean) / self.scale) @ self.weight.T + self.bias
        scores = np.concatenate([np.zeros_like(scores), scores], axis=1) if scores.shape[1] == 1 else scores
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def load_linear(path: str | Path) -> Linear:
    """A baseline that `save` wrote; raises ArtefactError for any other file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in ("mean", "scale", "weight", "bias", "classes")}
            features = str(file["features"])
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ArtefactError(
            f"{str(path)!r} is not a saved linear baseline: {error}", hint="Baseline.save writes one"
        ) from None
    if features not in FEATURES or arrays["weight"].ndim != 2 or arrays["weight"].shape[1:] != arrays["mean"].shape:
        raise ArtefactError(
            f"{str(path)!r} is not a saved linear baseline: its arrays do not fit together",
            hint="Baseline.save writes one",
        )
    return Linear(**arrays, features=features)


def baseline(method: str, features: str | Features = "pixels", *, seed: int = 0) -> Baseline:
    """A classifier `method` (METHODS) over `features`: "pixels", "hog", or a function such as `net_features` makes."""
    if method not in METHODS:
        raise unknown("baseline", method, METHODS)
    if isinstance(features, str):
        if features not in FEATURES:
            raise unknown("features", features, FEATURES)
        return Baseline(method, FEATURES[features], features, seed)
    return Baseline(method, features, "features of a net", seed)
