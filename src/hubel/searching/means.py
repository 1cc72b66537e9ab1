"""What the mean of several nets is, by what they answer with: one of several classes, several labels, a number.

Nets that answer more than once about each sample stand in `hubel.searching.part_means`.

Of each kind: what makes a member honest, by which loss members are chosen, how much they disagree, and which numbers
tell how good the mean is. A label is a question of two answers, there or not, so that several labels of N samples are
as many questions of two classes; what holds for classes holds for each of them.

M members, N samples, K classes or labels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch

from hubel.assembly.afterwards import FEWEST
from hubel.checkpoint import Classifier, Learnt
from hubel.data.columns import Columns
from hubel.evaluation import Evaluation, RegressionEvaluation
from hubel.evaluation.comparison import compare
from hubel.evaluation.several_labels import SeveralLabels
from hubel.metrics.calibrating import fit_temperature
from hubel.metrics.probability import calibration, disagreements, log_loss, log_softmax, shares_of, spread_of
from hubel.metrics.several import best_thresholds
from hubel.models.ensemble import Ensemble
from hubel.searching.ensembles import Measured, select, select_numbers
from hubel.types import Batch

TOGETHER, ALONE = "together", "the best alone"


class Mean(ABC):
    """How nets of one kind answer as one."""

    answers: ClassVar[str]
    """One of `hubel.models.ensemble.SPACES_OF`."""
    loss: ClassVar[str] = "log-loss"
    """By which members are chosen, in words."""
    apart: ClassVar[str]
    """What `disagreement` counts, in words."""

    @abstractmethod
    def questions(self, said: torch.Tensor, batch: Batch, samples: int) -> tuple[np.ndarray, np.ndarray]:
        """What nets say of a batch, and what is to be said, as questions members are chosen by: N K, and N or N K.

        `samples`: how many there are in all batches, where a sample has more questions than are needed.
        """

    @abstractmethod
    def heat(self, said: np.ndarray, truth: np.ndarray) -> float:
        """The temperature that makes what a net says honest; 1 where there is nothing to be made honest."""

    @abstractmethod
    def select(self, said_MNK: np.ndarray, truth: np.ndarray, members: int, space: str) -> tuple[dict[int, int], float]:
        """Which nets, and how often each, and the loss of their mean (`hubel.searching.ensembles.select`)."""

    @abstractmethod
    def disagreement(self, said_MNK: np.ndarray, weights: np.ndarray) -> float:
        """How much members of these weights disagree, in the mean over samples."""

    @abstractmethod
    def measured(self, found: Any) -> Measured:
        """The numbers of an evaluation; the first is the one that counts."""

    @abstractmethod
    def best(self, found: Any) -> dict[str, float]:
        """What a summary says of the validation split, as a training's does."""

    def difference(self, together: Any, alone: Any) -> str:
        """Both on the same samples, in words."""
        return " ".join(compare({TOGETHER: together, ALONE: alone}).findings)

    def alone(self, net: Classifier, said: np.ndarray, truth: np.ndarray) -> Classifier:
        """A net as it would be used by itself: with a temperature, if its training learnt none, as trials do not."""
        if net.trust is not None and (net.labels or not net.trust.calibrator.plain):
            return net
        heat = self.heat(said, truth)
        return replace(net, model=Ensemble([net.model], temperatures=[heat], answers=self.answers).eval())


class MeanOfClasses(Mean):
    """Questions of one of K classes each: means of probabilities, or of log-probabilities."""

    answers = "classes"

    def heat(self, said: np.ndarray, truth: np.ndarray) -> float:
        """The one with the least log-loss."""
        return fit_temperature(said, truth)

    def select(self, said_MNK: np.ndarray, truth: np.ndarray, members: int, space: str) -> tuple[dict[int, int], float]:
        """By log-loss."""
        return select(list(said_MNK), truth, members, space)

    def disagreement(self, said_MNK: np.ndarray, weights: np.ndarray) -> float:
        """Mutual information."""
        return float(disagreements(exponentials(said_MNK), weights).mean())


class ClassMean(MeanOfClasses):
    """One class a sample."""

    apart = "mutual information of answer and member, in nats a sample"

    def questions(self, said: torch.Tensor, batch: Batch, samples: int) -> tuple[np.ndarray, np.ndarray]:
        """One a sample: its label."""
        return said.cpu().numpy(), batch.labels.cpu().numpy()

    def measured(self, found: Evaluation) -> Measured:
        """Accuracy, log-loss and calibration error."""
        numbers = {"accuracy": found.top1, "log_loss": found.log_loss, "ece": found.calibration.ece}
        return Measured(split=found.split, samples=found.samples, numbers=numbers, interval=found.intervals["top1"])

    def best(self, found: Evaluation) -> dict[str, float]:
        """Accuracy and log-loss."""
        return {"val_accuracy": found.top1, "val_loss": found.log_loss}


class LabelMean(Mean):
    """Which of K labels: the same of each label, there or not."""

    answers = "labels"
    apart = "mutual information of answer and member, in nats a sample, summed over the labels"

    def questions(self, said: torch.Tensor, batch: Batch, samples: int) -> tuple[np.ndarray, np.ndarray]:
        """One a sample: its labels, K of 0 or 1."""
        assert batch.targets is not None
        return said.cpu().numpy(), batch.targets.cpu().numpy()

    def heat(self, said: np.ndarray, truth: np.ndarray) -> float:
        """One for all labels, with the least log-loss over them."""
        return fit_temperature(_questions(said), truth.reshape(-1).astype(np.int64))

    def select(self, said_MNK: np.ndarray, truth: np.ndarray, members: int, space: str) -> tuple[dict[int, int], float]:
        """By the mean log-loss of a label."""
        asked = [_questions(each) for each in said_MNK]
        return select(asked, truth.reshape(-1).astype(np.int64), members, space)

    def disagreement(self, said_MNK: np.ndarray, weights: np.ndarray) -> float:
        """Mutual information, the sum over labels."""
        shares = np.stack([np.exp(log_softmax(_questions(each))) for each in said_MNK])
        return float(disagreements(shares, weights).mean()) * said_MNK.shape[2]

    def measured(self, found: SeveralLabels) -> Measured:
        """MAP, how often all labels are right, log-loss and calibration error of a label."""
        log, ece = label_losses(found.shares, found.truth)
        numbers = {"mean_ap": found.mean_ap, "exact": found.exact, "log_loss": log, "ece": ece}
        return Measured(split=found.split, samples=found.samples, numbers=numbers, interval=found.intervals["mean_ap"])

    def best(self, found: SeveralLabels) -> dict[str, float]:
        """MAP and log-loss."""
        return {"val_map": found.mean_ap, "val_loss": label_losses(found.shares, found.truth)[0]}

    def alone(self, net: Classifier, said: np.ndarray, truth: np.ndarray) -> Classifier:
        """With the thresholds that it has then, as those of the mean are found: where there are samples enough."""
        made = super().alone(net, said, truth)
        if len(truth) < FEWEST:
            return replace(made, learnt=None)
        limits = best_thresholds(shares_of(said / self.heat(said, truth), several=True), truth)
        return replace(made, learnt=Learnt(arrays={"thresholds": limits.astype(np.float32)}))


class MeanOfNumbers(Mean):
    """Questions of numbers: their mean."""

    answers = "numbers"

    def heat(self, said: np.ndarray, truth: np.ndarray) -> float:
        """1: a number has no probability."""
        return 1.0

    def select(self, said_MNK: np.ndarray, truth: np.ndarray, members: int, space: str) -> tuple[dict[int, int], float]:
        """By the squared error."""
        return select_numbers(said_MNK, truth, members)

    def disagreement(self, said_MNK: np.ndarray, weights: np.ndarray) -> float:
        """Standard deviation."""
        return float(spread_of(said_MNK, weights).mean())

    def alone(self, net: Classifier, said: np.ndarray, truth: np.ndarray) -> Classifier:
        """As it is."""
        return net


class NumberMean(MeanOfNumbers):
    """One number a sample."""

    loss = "squared error"
    apart = "standard deviation of what members say, in the mean over samples"

    def __init__(self, columns: Columns | None) -> None:
        self.columns = columns
        """In whose units nets say their numbers; None for numbers as they are."""

    def questions(self, said: torch.Tensor, batch: Batch, samples: int) -> tuple[np.ndarray, np.ndarray]:
        """One a sample: its number, as the nets have learnt it."""
        return said.cpu().numpy(), batch.labels.cpu().numpy()

    def disagreement(self, said_MNK: np.ndarray, weights: np.ndarray) -> float:
        """Standard deviation, in the units of the table."""
        return super().disagreement(said_MNK if self.columns is None else self.columns.told(said_MNK), weights)

    def measured(self, found: RegressionEvaluation) -> Measured:
        """Root mean square and mean absolute error."""
        numbers = {"rmse": found.rmse, "mae": found.mae}
        return Measured(split=found.split, samples=found.samples, numbers=numbers, interval=found.intervals["rmse"])

    def best(self, found: RegressionEvaluation) -> dict[str, float]:
        """The mean squared error."""
        return {"val_loss": found.mse}


def exponentials(logits_MNK: np.ndarray) -> np.ndarray:
    """M N K probabilities in float64."""
    return np.exp(np.stack([log_softmax(each) for each in logits_MNK]))


def label_losses(shares_NK: np.ndarray, truth_NK: np.ndarray) -> tuple[float, float]:
    """Mean log-loss of a label, in nats, and the calibration error of its answer, there or not.

    >>> label_losses(np.array([[0.5, 0.5]]), np.array([[1, 0]]))
    (0.6931471805599453, 0.0)
    """
    there = truth_NK.reshape(-1) > 0
    two = np.stack([1 - shares_NK.reshape(-1), shares_NK.reshape(-1)], axis=1)
    logs = np.log(np.maximum(two, 1e-300))
    right = (two[:, 1] >= 0.5) == there
    return log_loss(logs, there.astype(np.int64)), calibration(two.max(axis=1), right).ece


def _questions(logits_NK: np.ndarray) -> np.ndarray:
    """N·K 2: each label as two classes, not there and there."""
    flat = logits_NK.reshape(-1)
    return np.stack([np.zeros_like(flat), flat], axis=1)
