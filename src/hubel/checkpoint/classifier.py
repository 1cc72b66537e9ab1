"""What a checkpoint is about: the architecture as data, and a trained model with all that is needed to use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel.checkpoint.learnt import Learnt
from hubel.checkpoint.threshold import StoredThreshold
from hubel.checkpoint.trust import Trust
from hubel.data.columns import Columns
from hubel.data.preprocessing import Preprocessing
from hubel.errors import ArtefactError
from hubel.inference import with_views
from hubel.metrics.calibrators import Calibrator
from hubel.metrics.probability import shares_of
from hubel.models import create_model
from hubel.models.ensemble import NAME as ENSEMBLE
from hubel.models.ensemble import build_ensemble
from hubel.models.pretrained import Published, published_as
from hubel.nn.calibrated import Calibrated
from hubel.nn.modes import evaluating
from hubel.nn.question import Question
from hubel.store import shown
from hubel.tasks import TASKS, Task
from hubel.words import plural

PROBES = 16
"""Golden images a checkpoint carries at most."""
PROBE_BYTES = 300_000
"""Bytes they may have together; two are kept whatever their size."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """An architecture as plain data: a name from the catalogue and the builder's own numbers, never an import path.

    >>> spec = ModelSpec(architecture="mnist_cnn", num_classes=10, in_chans=1, img_size=(28, 28))
    >>> sum(p.numel() for p in spec.build().parameters())
    34826
    """

    architecture: str
    num_classes: int
    in_chans: int
    img_size: tuple[int, int] | None
    """H and W in pixels; None for nets over points."""
    options: dict[str, Any] = field(default_factory=dict)
    """The builder's own keywords, plain data."""

    def build(self) -> nn.Module:
        """The net with fresh random weights; raises what `create_model` raises."""
        if self.architecture == ENSEMBLE:
            return build_ensemble(
                self.options, num_classes=self.num_classes, in_chans=self.in_chans, img_size=self.img_size
            )
        return create_model(
            self.architecture,
            num_classes=self.num_classes,
            in_chans=self.in_chans,
            img_size=self.img_size,
            **self.options,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "name": self.architecture,
            "num_classes": self.num_classes,
            "in_chans": self.in_chans,
            "img_size": None if self.img_size is None else list(self.img_size),
            "options": self.options,
        }


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a classifier comes from."""

    source: str
    """The file its weights were read from."""
    recipe: dict[str, Any] = field(default_factory=dict)
    """Everything the training depended on, as plain data."""
    metrics: dict[str, float | int | str | None] = field(default_factory=dict)
    """What was measured when it was saved: epoch, val_accuracy, ..."""
    data_digest: str = ""
    """Digest of the training data's manifest."""
    made_with: dict[str, str] = field(default_factory=dict)
    """Versions of hubel and torch that wrote it."""
    sha256: str = ""
    """Digest of the weights file."""


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """A trained model with everything that is needed to use it: the currency of every bench."""

    model: nn.Module
    """In evaluation mode, on the CPU, float32."""
    preprocessing: Preprocessing | None
    """None for a model that eats points, not pictures."""
    class_names: tuple[str, ...]
    """In the order of the outputs; empty in regression."""
    spec: ModelSpec
    provenance: Provenance
    trust: Trust | None = None
    """What was learnt about its answers after the training; None where nothing was."""
    learnt: Learnt | None = None
    """What its task learnt after the training: thresholds, embeddings of known samples; None where nothing was."""
    columns: Columns | None = None
    """How rows of a table become its numbers; None for a net that takes no table."""
    threshold: StoredThreshold | None = None
    """Of two classes, from which probability on one is said; None where the likelier is."""

    @property
    def published(self) -> Published | None:
        """The weights that it has as others published them, untouched; None where it was trained by hubel."""
        return published_as(self.provenance.recipe)

    @property
    def calibrator(self) -> Calibrator:
        """What makes its logits honest before they become probabilities."""
        return Calibrator() if self.trust is None else self.trust.calibrator

    def look(
        self, net: Callable[[torch.Tensor], torch.Tensor] | None = None, *, views: str | None = None
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """How it answers: B C H W to logits B K, the mean of its views, made honest.

        `net` takes the place of the model (a form of it that is ready), `views` those it was measured with.
        """
        forward = with_views(net or self.model, self.views if views is None else views)
        honest = self.honest
        return forward if isinstance(honest, nn.Identity) else lambda images: honest(forward(images))

    @property
    def honest(self) -> nn.Module:
        """Its calibrator as a layer, B K to B K; an identity where nothing is to be done."""
        return nn.Identity() if self.calibrator.plain else Calibrated(self.calibrator)

    @property
    def views(self) -> str:
        """The views of a picture that it was measured with (`hubel.inference.VIEWS`): those it classifies with."""
        return "none" if self.preprocessing is None else views_of(self.provenance.recipe)

    @property
    def method(self) -> str:
        """What it learnt without labels ("rotation", "byol"); "" for a net that learnt from labels."""
        part = self.provenance.recipe.get("pretext")
        method = part.get("method") if isinstance(part, dict) else None
        return method if isinstance(method, str) else ""

    @property
    def material(self) -> str:
        """What it learnt from, in words: pictures, sounds, signals, volumes, the rows of a table, points."""
        if self.columns is not None:
            return self.columns.files or "the rows of a table"
        return "points" if self.preprocessing is None else self.preprocessing.takes or "pictures"

    @property
    def task(self) -> str:
        """What it was trained for, by name (`hubel.tasks`): "classify", "regress", "segment", …"""
        part = self.provenance.recipe.get("train")
        task = part.get("task") if isinstance(part, dict) else None
        return task if isinstance(task, str) else "classify" if self.class_names else "regress"

    @property
    def labels(self) -> bool:
        """Are its answers labels: a class or a number for each picture?"""
        return self.task in TASKS and TASKS.get(self.task).labels

    @property
    def several(self) -> bool:
        """May several of its labels hold of one picture, or none? Then each output is a question of its own."""
        return self.task in TASKS and TASKS.get(self.task).several

    @property
    def placing(self) -> nn.Module | None:
        """The net as its task asks it, where its answers are places, so that near means alike; else None."""
        places = self.task in TASKS and TASKS.get(self.task).places
        return TASKS.get(self.task).answering(self.model) if places else None

    @property
    def has_mean(self) -> bool:
        """Is there a mean of its answers and those of other nets of its task?"""
        return self.task in TASKS and bool(TASKS.get(self.task).mean)

    def require_mean(self) -> None:
        """Raise ArtefactError, with the reason and what to do instead, for a net whose answers have no mean."""
        if not self.has_mean:
            task = TASKS.get(self.task)
            why = task.no_mean or "the task says none of its answers"
            raise ArtefactError(f"nets of the task {self.task} have no mean: {why}", hint=task.instead)

    @property
    def label_thresholds(self) -> np.ndarray:
        """K: from which probability on a label is said, where several may be; 0.5 where nothing was learnt for that."""
        if self.learnt is None:
            return np.full(len(self.class_names), 0.5)
        return np.asarray(self.learnt.arrays["thresholds"], dtype=np.float64)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """N K float64 of the net's logits N K, made honest: rows sum to 1, but where several labels may hold."""
        return shares_of(self.calibrator(logits), several=self.several)

    def require_labels(self, *, several: bool = False) -> None:
        """Raise ArtefactError for a net whose task is another than to name a class or a number.

        `several`: one that says which of its labels are there will do, too.
        """
        if not (self.labels or (several and self.several)):
            raise ArtefactError(
                f"this net was trained for the task {self.task}, and here a net is needed that names classes",
                hint="hubel evaluate and hubel predict know its task; docs/tasks.md says what else does",
            )

    def require_answers(self, *, several: bool = False) -> None:
        """Raise ArtefactError for a net that has learnt to see, but not to name a class or a number.

        `several`: one that says which of its labels are there will do, too.
        """
        self.require_labels(several=several)
        if self.method == "byol":
            raise ArtefactError(
                "this net learnt to see from pictures without labels, and names no classes",
                hint="give it a head: hubel train LABELLED --from THIS-RUN; look at it: hubel embed, neighbours, units",
            )

    def require_explained(self) -> None:
        """Raise ArtefactError for a net whose answer to a picture no map explains, with what does."""
        self._require_no_reason(lambda task: task.unexplained)

    def require_served(self) -> None:
        """Raise ArtefactError for a net that has no answer to a picture, with the reason."""
        self._require_no_reason(lambda task: task.unserved)

    def _require_no_reason(self, against: Callable[[Task], str]) -> None:
        if self.task not in TASKS or self.labels or self.several:
            self.require_answers(several=True)
        elif why := against(task := TASKS.get(self.task)):
            raise ArtefactError(f"this net was trained for the task {self.task}, and {why}", hint=task.shown_by)

    def question(self, image: torch.Tensor, target: int | None) -> Question:
        """What its answer to one normalised image C H W hangs on, where its task is no label (`Task.question`)."""
        arrays = {} if self.learnt is None else self.learnt.arrays
        return TASKS.get(self.task).question(self.model, image, self.class_names, arrays, target)


def views_of(recipe: Mapping[str, Any]) -> str:
    """The views that a recipe averages over when it measures; "none" where it does not say."""
    part = recipe.get("augment")
    views = part.get("views") if isinstance(part, dict) else None
    return views if isinstance(views, str) else "none"


def golden_images(images: torch.Tensor) -> torch.Tensor:
    """The first few of `images` (N C H W uint8, or N F float32): few enough to be kept in every checkpoint."""
    each = max(1, images[:1].numel() * images.element_size())
    return images[: max(2, min(PROBES, PROBE_BYTES // each))].cpu().contiguous()


def golden_logits(model: nn.Module, preprocessing: Preprocessing | None, images: torch.Tensor) -> torch.Tensor:
    """The model's answer (N K float32, on the CPU) to golden images, in full precision, in evaluation mode.

    Neither autocast nor TF32 takes part: what is stored must be found again on another device within 1e-4.
    """
    parameter = next(model.parameters(), None)
    device = parameter.device if parameter is not None else torch.device("cpu")
    with (
        evaluating(model),
        torch.no_grad(),
        torch.autocast(device.type, enabled=False),
        torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, benchmark=False, allow_tf32=False),
    ):
        inputs = images.to(device)
        inputs = preprocessing.normalise(inputs) if preprocessing is not None else inputs.float()
        return model(inputs).float().cpu()


def check_classes(trained: Sequence[str], given: Sequence[str], *, what: str = "the data") -> None:
    """Raise ArtefactError unless both lists are the same names in the same order; labels are never renumbered silently.

    >>> check_classes(["cat", "dog"], ["cat", "dog", "fox"])
    Traceback (most recent call last):
        ...
    hubel.errors.ArtefactError: the data has classes the model was not trained on: 'fox'
      the model knows 2 classes: 'cat', 'dog'
    """
    if tuple(trained) == tuple(given):
        return
    strange = [name for name in given if name not in set(trained)]
    missing = [name for name in trained if name not in set(given)]
    knows = f"the model knows {plural(len(trained), 'class')}: {_listed(trained)}"
    if strange:
        raise ArtefactError(f"{what} has classes the model was not trained on: {_listed(strange)}", hint=knows)
    if missing:
        raise ArtefactError(f"{what} lacks classes the model was trained on: {_listed(missing)}", hint=knows)
    raise ArtefactError(
        f"{what} has the model's classes in another order ({_listed(given)}), so its label numbers mean other things",
        hint=f"{knows}; number the labels in that order",
    )


def _listed(names: Sequence[str], limit: int = 8) -> str:
    text = ", ".join(shown(name, 40) for name in names[:limit])
    return f"{text} and {len(names) - limit} more" if len(names) > limit else text
