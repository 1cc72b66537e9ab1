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
from hubel.registry import Registry

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

    def __call__(self, scores: np.ndarray, truth: np.ndarray) -> float:
        """The number."""
        return self.function(scores, truth)


def _of_confusion(statistic: Callable[[np.ndarray], float]) -> Callable[[np.ndarray, np.ndarray], float]:
    def metric(logits_NK: np.ndarray, labels_N: np.ndarray) -> float:
        check(logits_NK, labels_N)
        return statistic(confusion_matrix(labels_N, logits_NK.argmax(axis=1), logits_NK.shape[1]))

    return metric


METRICS = Registry[Metric]("metric")
METRICS.add("accuracy", Metric("accuracy", top1))
METRICS.add("top5", Metric("top-5 accuracy", top5))
METRICS.add("balanced_accuracy", Metric("balanced accuracy", _of_confusion(classification.balanced_accuracy)))
METRICS.add("macro_f1", Metric("macro F1", _of_confusion(classification.macro_f1)))
METRICS.add("weighted_f1", Metric("weighted F1", _of_confusion(classification.weighted_f1)))
METRICS.add("auc", Metric("AUC (one vs rest)", probability.auc))
METRICS.add("log_loss", Metric("log-loss", probability.log_loss, larger_is_better=False))
METRICS.add("brier", Metric("Brier score", probability.brier, larger_is_better=False))
METRICS.add("ece", Metric("calibration error", probability.ece, larger_is_better=False))
METRICS.add("mse", Metric("mean squared error", regression.mse, larger_is_better=False, task="regression"))
METRICS.add("rmse", Metric("root mean squared error", regression.rmse, larger_is_better=False, task="regression"))
METRICS.add("mae", Metric("mean absolute error", regression.mae, larger_is_better=False, task="regression"))
METRICS.add("r2", Metric("R²", regression.r2, task="regression"))
