"""What a command looks at: a few pictures with a net that takes them.

A picture is a file, or a sample of a source: `digits:3`, `photos/:12`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel import runtime
from hubel.checkpoint import Classifier
from hubel.checkpoint.sizing import check_fresh
from hubel.data.given import read_given, spread, way_out
from hubel.data.preprocessing import Preprocessing
from hubel.errors import DataError, UsageError
from hubel.inference import VIEWS, with_views
from hubel.models import CARDS, Card, create_model
from hubel.models.files import known_as
from hubel.nn.modes import evaluating
from hubel.nn.one_label import OneLabel
from hubel.nn.question import Question
from hubel.nn.scores import probabilities_of
from hubel.records.ledger import find_run
from hubel.records.nets import class_index, classifier_of, open_net, outputs_of
from hubel.records.pictures import one_picture, read
from hubel.records.samples import samples_of


@dataclass(frozen=True, kw_only=True)
class NetAndPictures:
    """A net in evaluation mode and pictures that are ready for it."""

    model: nn.Module
    name: str
    """Of the net."""
    images: torch.Tensor
    """B C H W, normalised."""
    pixels: np.ndarray
    """B C H W uint8, as decoded."""
    labels: torch.Tensor | None
    """B, where the source knows them."""
    class_names: tuple[str, ...]
    trained: bool


def net_and_pictures(
    net: str, data: str, *, count: int = 1, seed: int = 0, points: bool = False, opened: Classifier | Card | None = None
) -> NetAndPictures:
    """The net called `net` (a run, a name, a layer list) and `count` pictures of `data` ("digits:3", "cat.jpg").

    A number behind the colon is the first sample; a fresh net gets weights from `seed` and the size of the pictures.
    With `points` a run on points will do, too: its "pictures" are then N F numbers. `opened` is what `open_net` gave
    for that net, where it was opened already.
    Raises DataError for what cannot be read, UnknownName and ArtefactError for nets.
    """
    net = known_as(net)
    opened = open_net(net) if opened is None else opened
    trained = isinstance(opened, Classifier)
    model: nn.Module | None = None
    preprocessing: Preprocessing | None = None
    names: tuple[str, ...] = ()
    if isinstance(opened, Classifier):
        model, preprocessing, names = opened.model, opened.preprocessing, opened.class_names
        if preprocessing is None and points:
            return _net_and_points(net, opened, data, count, seed)
        if preprocessing is None:
            raise DataError(
                f"{net} learnt from {opened.material}, and pictures are needed",
                hint="choose a run that was trained on pictures",
            )
    smallest = 1 if trained or net not in CARDS else CARDS[net].min_size
    published = CARDS[net].img_size if net in CARDS else None
    if isinstance(published, int) and Path(data).is_file():
        smallest = published  # a photograph is shown to a fresh net in the size of its paper
    run = find_run(net) if trained else None
    pixels, labels, preprocessing, classes = read(data, preprocessing, count=count, smallest=smallest, run=run)
    if model is None:
        sides = (preprocessing.height, preprocessing.width)
        outputs = max(2, len(classes)) if classes else outputs_of(net)
        check_fresh(net, preprocessing.channels, sides, outputs)
        with runtime.seeded(seed):
            model = create_model(
                net, num_classes=outputs, in_chans=preprocessing.channels, img_size=sides
            ).eval()  # fmt: skip
        names = classes
    images = preprocessing.normalise(torch.from_numpy(pixels))
    if labels is not None:
        labels = _renumbered(labels, classes, names) if trained else labels if classes else None
    return NetAndPictures(
        model=model, name=net, images=images, pixels=pixels, labels=labels, class_names=names, trained=trained
    )


def _net_and_points(net: str, classifier: Classifier, data: str, count: int, seed: int) -> NetAndPictures:
    samples = samples_of(classifier, data, limit=count, seed=seed, judged=True, points=True)
    (batch,) = samples.batches(size=count)
    return NetAndPictures(
        model=classifier.model, name=net, images=batch.images, pixels=samples.pixels, labels=batch.labels,
        class_names=classifier.class_names, trained=True,
    )  # fmt: skip


def _renumbered(labels: torch.Tensor, given: tuple[str, ...], trained: tuple[str, ...]) -> torch.Tensor | None:
    """Labels as the outputs of the net count them; None where these samples are of classes that it does not know.

    >>> _renumbered(torch.tensor([0, 1]), ("cow", "ant"), ("ant", "bee", "cow")).tolist()
    [2, 0]
    """
    if given == trained:
        return labels
    found = [trained.index(given[k]) if given and given[k] in trained else -1 for k in labels.tolist()]
    return None if -1 in found else torch.tensor(found)


@dataclass(frozen=True, kw_only=True)
class SeenPicture:
    """A classifier and one picture that is ready for it."""

    model: nn.Module
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    run: str
    """What to call the net."""
    name: str
    """What to call the picture."""
    pixels: np.ndarray
    """C H W uint8, as the net gets it."""
    image: torch.Tensor
    """C H W, normalised, on the model's device."""
    views: str = "none"
    """The views that `hubel predict` averages over (`hubel.inference.VIEWS`)."""
    honest: nn.Module = field(default_factory=nn.Identity)
    """What makes logits honest before they become probabilities."""
    limits: np.ndarray | None = None
    """K: from which probability on each label is said, where several may hold; None where one class is named."""
    ask: Callable[[torch.Tensor, int | None], Question] | None = None
    """Of a net whose task is no label: what its answer hangs on, and of which class; None for all others."""

    def question(self, target: str | int | None) -> Question:
        """What is explained: the score of the class `target`, else of the one that is said, or meant, by itself."""
        named = self.index(target)
        if self.ask is not None:
            return self.ask(self.image, named)
        shares = self.probabilities()
        picked = int(shares.argmax()) if named is None else named
        return Question(net=self.model, target=picked, probability=float(shares[picked]))

    @property
    def several(self) -> bool:
        """May several of its labels hold of a picture?"""
        return self.limits is not None

    @property
    def calibrated(self) -> bool:
        """Are its probabilities others than the softmax of what the net says?"""
        return not isinstance(self.honest, nn.Identity)

    def probabilities(self) -> np.ndarray:
        """K: what `hubel predict` says of the picture, averaged over its views."""
        forward = with_views(self.model, self.views)
        with evaluating(self.model), torch.no_grad():
            honest = self.honest(forward(self.image[None]).double())
            return np.asarray(probabilities_of(honest, several=self.several)[0].cpu().numpy())

    def looks(self, place: int, share: float) -> str:
        """Why the probability that the net says of a class in one look differs from the prediction's, as a sentence; ""
        where it does not.
        """
        count = VIEWS[self.views]
        if count == 1 and not self.calibrated:
            return ""
        which = f"the mean of {count} views, as predict takes it; the one the maps explain says"
        if count == 1:
            which = "calibrated, as predict says it; the maps explain what the net says by itself:"
        elif self.calibrated:
            which = (
                f"the mean of {count} views, calibrated, as predict takes it; the one the maps explain says by itself"
            )
        return f"That is {which} {self.class_names[place]} {share:.0%}."

    def said(self, probabilities: np.ndarray) -> list[int]:
        """The classes that are said, by number: the most probable, or every label that reaches its threshold."""
        order = np.argsort(-probabilities, kind="stable").tolist()
        return order[:1] if self.limits is None else [k for k in order if probabilities[k] >= self.limits[k]]

    def decision(self, target: str | int | None) -> tuple[nn.Module, tuple[str, ...]]:
        """(a net, its classes) whose decision is the one that is meant: among the classes, or about one label.

        Of a net of several labels `target` names it, else it is the most probable one (`decided`).
        """
        if target is None and self.several:
            target = int(self.probabilities().argmax())
        net = _decided(self.model, self.class_names, self.limits, target)
        return net, net.class_names if isinstance(net, OneLabel) else self.class_names

    def index(self, target: str | int | None) -> int | None:
        """The class of that name or number; raises UnknownName with near names."""
        return None if target is None else class_index(self.class_names, target)

    def ranking(self, probabilities: np.ndarray, count: int = 5, also: int | None = None) -> list[tuple[str, float]]:
        """The most probable classes by name, best first; with them all that are said, and the class `also`."""
        kept = {*self.said(probabilities), also}
        order = np.argsort(-probabilities, kind="stable").tolist()
        return [
            (self.class_names[k], float(probabilities[k])) for rank, k in enumerate(order) if rank < count or k in kept
        ]


def decided(classifier: Classifier, target: str | int | None) -> nn.Module:
    """The net whose decisions are meant: itself, or of one that says several labels whether `target` is said.

    Raises UsageError where a label is missing, or named though the net names one class.
    """
    limits = classifier.label_thresholds if classifier.several else None
    return _decided(classifier.model, classifier.class_names, limits, target)


def _decided(
    model: nn.Module, class_names: tuple[str, ...], limits: np.ndarray | None, target: str | int | None
) -> nn.Module:
    if limits is None:
        if target is not None:
            raise UsageError(
                f"this net names one class, and it is that decision that is changed; got the label {target!r}",
                hint="leave --class out: it is for nets that say several labels",
            )
        return model
    if target is None:
        raise UsageError(
            "this net says several labels, and it must be said which of them is attacked",
            hint=f"--class {class_names[0]!r}; all of them: {', '.join(class_names)[:200]}",
        )
    place = class_index(class_names, target)
    return OneLabel(model, place=place, limit=float(limits[place]), name=class_names[place])


def see_picture(
    run: str | PathLike[str] | Classifier,
    picture: Any,
    *,
    device: str = "auto",
    answers: bool = True,
    several: bool = False,
    tasks: bool = False,
) -> SeenPicture:
    """A picture for a run: a file, a sample of a source ("digits:3"), or one picture in any form that `predict` takes.

    `answers`: it will be asked what it says about it, and ArtefactError is raised where it names nothing.
    `several`: nets that say several labels will do, too. `tasks`: so will those of any task whose answers maps explain.
    Raises DataError for what is no readable picture, UsageError for what is no picture at all.
    """
    classifier, name = classifier_of(run, answers=answers, several=several, tasks=tasks)
    if answers and not tasks:
        classifier.require_answers(several=several)
    preprocessing = classifier.preprocessing
    assert preprocessing is not None
    target = runtime.pick_device(device)
    classifier.model.to(target)
    called = "picture"
    if isinstance(picture, (str, Path)):
        called = Path(picture).name
        folder = None if isinstance(run, Classifier) else find_run(run)
        pixels = one_picture(str(picture), preprocessing, run=folder)
    else:
        items = list(spread(picture, folder=lambda path: (path,)))
        if len(items) != 1:
            raise UsageError(f"one picture is needed, got {len(items)}", hint="give them one at a time")
        _, found, problems = read_given(items, preprocessing)
        if problems:
            raise DataError(f"the picture cannot be read: {problems[0].reason}", hint=way_out(problems[0]))
        pixels = found[0]
    image = preprocessing.normalise(torch.from_numpy(pixels[None].copy()).to(target))[0]
    return SeenPicture(
        model=classifier.model, preprocessing=preprocessing, class_names=classifier.class_names, run=name,
        name=called, pixels=pixels, image=image, views=classifier.views, honest=classifier.honest,
        limits=classifier.label_thresholds if classifier.several else None,
        ask=None if classifier.labels or classifier.several else classifier.question,
    )  # fmt: skip
