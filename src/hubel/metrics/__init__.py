"""Pure functions: scores and labels in, numbers out. `METRICS` names those that are one number.

>>> logits, labels = np.array([[2.0, 1.0], [0.0, 3.0]]), np.array([0, 0])
>>> METRICS.get("accuracy")(logits, labels)
0.5
>>> sorted(METRICS.names("*f1"))
['macro_f1', 'weighted_f1']
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hubel.metrics import classification, probability, regression
from hubel.metrics.classification import check, confusion_matrix, top_k
from hubel.registry import Registry, adopt

__all__ = ["METRICS", "Metric", "confusion_matrix", "top1", "top5", "top_k"]


def top1(logits_NK: np.ndarray, labels_N: np.ndarray) -> float:
    """Accuracy: share of samples whose largest logit is the true class (the lowest index wins a tie)."""
    return top_k(logits_NK, labels_N, 1)


def top5(logits_NK: np.ndarray, labels_N: np.ndarray) -> float:
    """Share of samples whose true class is among the five largest logits; NaN for K <= 5 (always right)."""
    return top_k(logits_NK, labels_N, 5) if logits_NK.shape[1] > 5 else float("nan")


@dataclass(frozen=True, slots=True)
class Metric:
    """One number that judges a model."""

    title: str
    """For tables and axes."""
    function: Callable[[np.ndarray, np.ndarray], float]
    """Classification: (logits N K, labels N). Regression: (predicted N, targets N)."""
    larger_is_better: bool = True
    task: str = "classification"
    """What it judges: "classification" or "regression"."""
    formula: str = ""
    """One line of plain text."""
    source: str = "folklore"
    """Who proposed it where."""
    note: str = ""
    """When to use it, or what to mind, in one sentence."""

    def __call__(self, scores: np.ndarray, truth: np.ndarray) -> float:
        """The number."""
        return self.function(scores, truth)


def _of_confusion(statistic: Callable[[np.ndarray], float]) -> Callable[[np.ndarray, np.ndarray], float]:
    def metric(logits_NK: np.ndarray, labels_N: np.ndarray) -> float:
        check(logits_NK, labels_N)
        return statistic(confusion_matrix(labels_N, logits_NK.argmax(axis=1), logits_NK.shape[1]))

    return metric


METRICS = Registry[Metric](
    "metric", listing="hubel components metrics", group="hubel.metrics", adopt=adopt(Metric, "a hubel.metrics.Metric")
)


for _name, _title, _function, _formula in (
    ("accuracy", "accuracy", top1, "right / N"),
    ("top5", "top-5 accuracy", top5, "samples whose class is among the 5 largest logits / N"),
    ("balanced_accuracy", "balanced accuracy", _of_confusion(classification.balanced_accuracy),
     "mean over classes k of right(k) / N(k)"),
    ("macro_f1", "macro F1", _of_confusion(classification.macro_f1), "mean over classes of 2 TP / (2 TP + FP + FN)"),
    ("weighted_f1", "weighted F1", _of_confusion(classification.weighted_f1), "Σ N(k)/N · F1(k)"),
    ("auc", "AUC (one vs rest)", probability.auc, "mean over classes of P(a sample of k scores above one of another)"),
):  # fmt: skip
    METRICS.add(_name, Metric(_title, _function, formula=_formula))
for _name, _title, _function, _formula, _source in (
    ("log_loss", "log-loss", probability.log_loss, "−mean log p(true class), in nats", "folklore"),
    ("brier", "Brier score", probability.brier, "mean Σ (p(k) − y(k))², 0 to 2", "Brier, Monthly Weather Review 1950"),
    ("ece", "calibration error", probability.ece, "Σ over 15 bins of n/N · |accuracy − mean confidence|",
     "Naeini, Cooper, Hauskrecht, AAAI 2015"),
):  # fmt: skip
    METRICS.add(_name, Metric(_title, _function, larger_is_better=False, formula=_formula, source=_source))
for _name, _title, _function, _formula in (
    ("mse", "mean squared error", regression.mse, "mean (ŷ − y)²"),
    ("rmse", "root mean squared error", regression.rmse, "√ mean (ŷ − y)²"),
    ("mae", "mean absolute error", regression.mae, "mean |ŷ − y|"),
):
    METRICS.add(_name, Metric(_title, _function, larger_is_better=False, task="regression", formula=_formula))
METRICS.add("r2", Metric("R²", regression.r2, task="regression", formula="1 − Σ(ŷ − y)² / Σ(y − ȳ)²"))
