"""The mean of nets that answer many questions about each sample: its pixels, its steps, a picture given back.

Members are chosen by these questions, a few of each sample where there are many. Letters: M members, N questions,
B batch, K classes or numbers, T steps, C channels, H W height and width.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from hubel.checkpoint import Classifier
from hubel.data.masks import IGNORED
from hubel.evaluation.pairs import corrected, drawn_difference, pair_of
from hubel.evaluation.reconstruction import Reconstruction
from hubel.evaluation.segmentation import Segmentation
from hubel.evaluation.sequences import SequenceClasses, SequenceNumbers
from hubel.searching.ensembles import Measured, MeasuredClass
from hubel.searching.means import ALONE, TOGETHER, MeanOfClasses, MeanOfNumbers
from hubel.tasks import SEQUENCE
from hubel.types import Batch

QUESTIONS = 50_000
"""By which members are chosen, about: pixels of one picture are so much alike that more of them tell nothing."""


class PixelMean(MeanOfClasses):
    """The class of each pixel: means of probabilities, or of log-probabilities."""

    loss = "log-loss of a pixel"
    apart = "share of the pixels that members call differently"

    def questions(self, said: torch.Tensor, batch: Batch, samples: int) -> tuple[np.ndarray, np.ndarray]:
        """Pixels, drawn of each picture by its number, so that every net has the same; those of no class are out."""
        assert batch.targets is not None
        flat, truth = said.flatten(2), batch.targets.flatten(1)  # B K HW, B HW
        places = _drawn(batch, flat.shape[2], samples).to(said.device)  # B P
        asked = flat.gather(2, places[:, None].expand(-1, flat.shape[1], -1)).movedim(1, 2).flatten(0, 1)
        right = truth.gather(1, places).flatten()
        known = right != IGNORED
        return asked[known].float().cpu().numpy(), right[known].long().cpu().numpy()

    def disagreement(self, said_MNK: np.ndarray, weights: np.ndarray) -> float:
        """Pixels on which not all say the same."""
        said = said_MNK.argmax(axis=2)
        return float((said != said[0]).any(axis=0).mean()) if said.size else 0.0

    def measured(self, found: Segmentation) -> Measured:
        """Mean IoU, mean Dice, pixels right; IoU and Dice class by class."""
        numbers = {
            "mean_iou": found.mean_iou,
            "mean_dice": float(np.nanmean(found.dice)) if np.isfinite(found.dice).any() else math.nan,
            "pixel_accuracy": found.pixel_accuracy,
        }
        classes = tuple(
            MeasuredClass(name=name, numbers={"iou": overlap, "dice": both}, interval=interval)
            for name, _, overlap, both, interval in found.by_class()
        )
        return Measured(
            split=found.split, samples=found.samples, numbers=numbers, interval=found.intervals["mean_iou"],
            classes=classes,
        )  # fmt: skip

    def best(self, found: Segmentation) -> dict[str, float]:
        """Mean IoU."""
        return {"val_iou": found.mean_iou}

    def alone(self, net: Classifier, said: np.ndarray, truth: np.ndarray) -> Classifier:
        """As it is: the largest probability of a pixel is the largest at any temperature."""
        return net


class StepMean(MeanOfClasses):
    """A class after each step that is asked."""

    loss = "log-loss of an answer"
    apart = "mutual information of answer and member, in nats an answer"

    def questions(self, said: torch.Tensor, batch: Batch, samples: int) -> tuple[np.ndarray, np.ndarray]:
        """The steps that are asked: of a class of the whole series, the last."""
        truth = SEQUENCE.targets(batch)[..., 0]  # B T
        asked = ~torch.isnan(truth)
        return said[asked].float().cpu().numpy(), truth[asked].long().cpu().numpy()

    def measured(self, found: SequenceClasses) -> Measured:
        """Share of what is asked that is right."""
        numbers = {"accuracy": found.accuracy}
        return Measured(split=found.split, samples=found.samples, numbers=numbers, interval=found.interval)

    def best(self, found: SequenceClasses) -> dict[str, float]:
        """Accuracy."""
        return {"val_accuracy": found.accuracy}

    def difference(self, together: SequenceClasses, alone: SequenceClasses) -> str:
        """Of one class a series, series that are right; of classes step by step, the share of right steps."""
        asked = together.truth >= 0
        right = [((each.said == each.truth) & asked).sum(1) for each in (together, alone)]
        if together.whole:
            return corrected([pair_of(TOGETHER, ALONE, *right)])[0].sentence
        many = asked.sum(1)

        def ahead(rows: np.ndarray) -> float:
            return float((right[0][rows].sum() - right[1][rows].sum()) / max(1, many[rows].sum()))

        return drawn_difference(
            TOGETHER, ALONE, together.samples, ahead, what="points of right steps", unit="series"
        )  # fmt: skip

    def alone(self, net: Classifier, said: np.ndarray, truth: np.ndarray) -> Classifier:
        """As it is."""
        return net


class StepNumberMean(MeanOfNumbers):
    """Numbers after each step that is asked: their mean."""

    loss = "squared error, each column by its own variance"
    apart = "standard deviation of what members say, of columns whose own is 1"

    def questions(self, said: torch.Tensor, batch: Batch, samples: int) -> tuple[np.ndarray, np.ndarray]:
        """The steps at which any number is asked."""
        truth = SEQUENCE.targets(batch)  # B T K
        asked = ~torch.isnan(truth).all(dim=2)
        return said[asked].float().cpu().numpy(), truth[asked].float().cpu().numpy()

    def measured(self, found: SequenceNumbers) -> Measured:
        """How much less squared error than by a simple rule, and the error where there is one column."""
        return Measured(
            split=found.split, samples=found.samples, numbers=found.headline, interval=found.skill_interval
        )  # fmt: skip

    def best(self, found: SequenceNumbers) -> dict[str, float]:
        """What is gained on the simple rule."""
        return {"val_skill": found.skill}

    def difference(self, together: SequenceNumbers, alone: SequenceNumbers) -> str:
        """What is gained on the simple rule, series drawn again."""

        def ahead(rows: np.ndarray) -> float:
            return together.skill_of(rows) - alone.skill_of(rows)

        return drawn_difference(
            TOGETHER, ALONE, together.samples, ahead, what="points of squared error", unit="series"
        )  # fmt: skip


class PictureMean(MeanOfNumbers):
    """Pictures given back: their mean, pixel by pixel."""

    loss = "squared error of a pixel"
    apart = "standard deviation of a pixel that members give back, in deviations of all pixels"

    def questions(self, said: torch.Tensor, batch: Batch, samples: int) -> tuple[np.ndarray, np.ndarray]:
        """Pixels, drawn of each picture by its number."""
        flat, truth = said.flatten(1), batch.images.flatten(1)
        places = _drawn(batch, flat.shape[1], samples).to(said.device)
        asked, right = (part.float().gather(1, places).flatten().cpu().numpy() for part in (flat, truth))
        return asked[:, None], right

    def measured(self, found: Reconstruction) -> Measured:
        """Decibels, the mean squared error, and the share of the variance that comes back."""
        numbers = {"psnr": found.psnr, "mse": found.mse, "explained": found.explained}
        return Measured(split=found.split, samples=found.samples, numbers=numbers, interval=found.intervals["psnr"])

    def best(self, found: Reconstruction) -> dict[str, float]:
        """The mean squared error."""
        return {"val_loss": found.mse}

    def difference(self, together: Reconstruction, alone: Reconstruction) -> str:
        """Decibels, pictures drawn again."""
        apart = together.decibels - alone.decibels
        return drawn_difference(
            TOGETHER, ALONE, together.samples, lambda rows: float(apart[rows].mean()), what="dB", unit="picture",
            scale=1,
        )  # fmt: skip


def _drawn(batch: Batch, places: int, samples: int) -> torch.Tensor:
    """B P: some of the places of each sample, by its number, so many that all `samples` come to `QUESTIONS`."""
    each = max(1, min(places, QUESTIONS // max(1, samples)))
    found = [np.random.default_rng(row).choice(places, each, replace=False) for row in batch.ids.tolist()]
    return torch.from_numpy(np.stack(found))
