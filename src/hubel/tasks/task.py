"""What a net is trained for: what it is asked, what its answer is held against, by which number epochs are compared.

The loop, its one step, the guard, resuming and the report know a task by this interface and by no name. A task is a
value without state: what grows while samples pass is a `Tally`, made anew for each measurement.

Letters: B batch, K classes, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from hubel.data.manifest import Manifest
from hubel.data.preprocessing import Preprocessing
from hubel.errors import DataError, UsageError
from hubel.nn.losses import LOSSES, build_loss
from hubel.nn.question import Question
from hubel.tasks.answers import Answer
from hubel.tasks.ending import Ending, Seen
from hubel.types import Batch


class Tally:
    """What is counted while held-out samples pass; `numbers` is what it comes to."""

    def add(self, answers: torch.Tensor, batch: Batch) -> None:
        """Count a batch and the answers to it."""
        raise NotImplementedError

    def numbers(self) -> dict[str, float]:
        """By name: "loss", and the task's score where it has one; means over samples."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Task:
    """One thing that nets can be trained for."""

    name: str
    """As `--task` takes it."""
    title: str
    """As people call it: "Segmentation"."""
    about: str
    """What comes in and what comes out, in one sentence."""
    asks: str = ""
    """The net's method that answers (`reconstruct`, `segment`); "" where the net itself does."""
    nets: str = "a net for classes: hubel models"
    """Which nets have that, for messages."""
    losses: tuple[str, ...] = ()
    """What fits, by name, the usual one first; () for what takes logits and labels."""
    score: str = ""
    """The number, larger is better, by which epochs are compared; "" for the loss."""
    labels: bool = True
    """Are labels what is learnt? Then label smoothing, class weights, mix-up and teachers apply."""
    unstarted: str = ""
    """Why its nets start from no trained one, and no other net from them; "" where `--from` applies."""
    fits_head: bool = False
    """Is an answer what a dense head says of a whole sample? Then a head is fitted to what a frozen net sees."""
    several: bool = False
    """May several labels hold of one sample, or none? Then each output is a question of its own: its probability is the
    sigmoid of its logit, and it is said from a threshold of its own on."""
    places: bool = False
    """Is an answer a place, so that near means alike? Then its neighbours are looked for among the answers."""
    shared: bool = True
    """Do several processes measure it alike? Means over samples may be averaged, other numbers not."""
    counts: ClassVar[bool] = False
    """Are right answers counted while it trains?"""
    model: str = ""
    """The net that is taken where none is named; "" for the one that data of that kind usually get."""
    why_model: str = ""
    fixed: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    """Settings that are what they are for this task, and why, unless the user says otherwise."""
    unused: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    """Settings that have no meaning here: what they are when nobody says them, and why."""
    learns_all: bool = False
    """Is every sample learnt, so that nothing is held out?"""
    whole: bool = False
    """Is a batch more than the sum of its parts, so that it is never taken in parts?"""
    by_class: bool = False
    """Does a batch need several samples of each of several classes?"""
    mean: str = ""
    """Of what the mean is taken where several of its nets answer together: of a "label" (a class, several, a number),
    of "pixels", "pictures", "steps"; "" where their answers have none."""
    no_mean: str = ""
    """Why they have none."""
    instead: str = ""
    """What to do then."""
    unshipped: str = ""
    """Why its runs are not exported; "" where they are."""
    unexplained: str = ""
    """Why no map explains its answers; "" where they are classes, or `question` puts them as scores of such."""
    shown_by: str = "hubel evaluate and hubel predict know its task; docs/tasks.md says what else does"
    """What to do in place of a map."""
    unserved: str = ""
    """Why its runs are not served over HTTP; "" where they are, if they learnt from pictures."""
    wraps: str = ""
    """The net that takes any other as its backbone, where such a one is needed: it is put around one that is named."""

    def answering(self, model: nn.Module) -> nn.Module:
        """The net as this task asks it: B … -> its answers. Raises UsageError for a net that has none."""
        if not self.asks:
            return model
        if not callable(getattr(model, self.asks, None)):
            raise UsageError(
                f"the task {self.name} needs {self.nets.partition(':')[0]}, and {type(model).__name__} is none",
                hint=self.nets.partition(": ")[2] or "hubel models lists nets",
            )
        return Asked(model, self.asks)

    def targets(self, batch: Batch) -> torch.Tensor:
        """What the loss compares the answers with."""
        raise NotImplementedError

    def aim(self, labels: torch.Tensor) -> torch.Tensor:
        """Labels as the loss of a head takes them."""
        return labels

    def hits(self, answers: torch.Tensor, labels: torch.Tensor) -> torch.Tensor | None:
        """How many answers are right, where that can be counted; else None."""
        return None

    def scale(self, labels: np.ndarray) -> tuple[float, float] | None:
        """Mean and deviation of the numbers N that a net is to answer with; None where the labels are no numbers."""
        return None

    def tally(self) -> Tally:
        """What measures held-out samples."""
        raise NotImplementedError

    def nothing(self) -> dict[str, float]:
        """The numbers of no sample: for a process that only listens."""
        return dict.fromkeys(("loss", *((self.score,) if self.score else ())), 0.0)

    def unit(self, manifest: Manifest) -> str:
        """What a sample is called, in the plural: for how many of them pass in a second."""
        return {"picture": "images", "series": "series"}.get(manifest.unit, f"{manifest.unit}s")

    def outputs(self, manifest: Manifest) -> int:
        """How many outputs the net is built with."""
        return manifest.num_classes or 1

    def build_loss(self, name: str, *, label_smoothing: float = 0.0, class_weights: Any = None) -> nn.Module:
        """The loss called `name`, called with answers and targets."""
        return build_loss(name, label_smoothing=label_smoothing, class_weights=class_weights, of_logits=True)

    def usual_loss(self, classes: int) -> str:
        """The loss of a task that is no label, by how many classes there are; 0 for numbers."""
        return self.losses[0]

    def check_loss(self, name: str, classes: int | None = None) -> None:
        """Raise UsageError for a loss that does not fit, with so many `classes` (0 for numbers, None where that is not
        known yet); UnknownName for none.
        """
        LOSSES.get(name)
        if self.losses and name not in self.losses:
            raise UsageError(
                f"the task {self.name} has no use for the loss {name!r}", hint=f"take {', '.join(self.losses)}"
            )

    def ending(
        self,
        sight: Preprocessing,
        classes: Sequence[str],
        arrays: Mapping[str, np.ndarray],
        facts: Mapping[str, Any],
    ) -> Ending | None:
        """What an exported file gives of an answer of a net that sees pictures by `sight`; None for probabilities of
        classes. `arrays` and `facts` are what the task learnt after the training.
        """
        return None

    def say(
        self, names: Sequence[str], found: Mapping[str, np.ndarray], classes: Sequence[str], seen: Seen
    ) -> list[Answer]:
        """What is told of pictures, from what a file gives of them, by the names of its outputs, N … each; `seen`
        gives these pictures as the net sees them.
        """
        raise NotImplementedError

    def question(
        self,
        model: nn.Module,
        image: torch.Tensor,
        classes: Sequence[str],
        arrays: Mapping[str, np.ndarray],
        target: int | None,
    ) -> Question:
        """What its answer to one image C H W hangs on, as scores of `classes`: of the class `target`, or of the one
        that is meant where none is named. `arrays` are what the task learnt after the training.
        """
        raise NotImplementedError

    def check_data(self, manifest: Manifest) -> None:
        """Raise DataError for data that do not say what this task learns."""

    def refuse(self, manifest: Manifest, what: str, hint: str) -> DataError:
        """The error for data that do not fit."""
        return DataError(f"the task {self.name} {what}, which {manifest.source} does not have", hint=hint)


class Asked(nn.Module):
    """A net asked by one of its methods; while it trains, by METHOD_all where it has that, which tells more."""

    def __init__(self, model: nn.Module, method: str) -> None:
        super().__init__()
        self.model, self.method = model, method

    def forward(self, images: torch.Tensor) -> Any:
        """B … -> the method's answer."""
        more = getattr(self.model, f"{self.method}_all", None) if self.model.training else None
        return (more or getattr(self.model, self.method))(images)
