"""A net with what stands behind it where a task answers not by probabilities of classes, and what the net itself says.

Letters: N pictures, B of a batch, C h w channels and sides of what the net sees, H W the sides of a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from hubel.checkpoint import Classifier
from hubel.data.masks import IGNORED
from hubel.deploy.wanted import Looking, Wanted, first_line
from hubel.errors import ArtefactError
from hubel.inference import with_views
from hubel.nn.fuse import fused, pairs, twin_of
from hubel.nn.modes import evaluating
from hubel.tasks import TASKS
from hubel.tasks.ending import Ending, Output

NOTHING = IGNORED
"""What stands where a net sees nothing of a picture."""


def ending_of(classifier: Classifier) -> Ending | None:
    """What a file gives of this net's answers; None where these are probabilities of classes."""
    if classifier.task not in TASKS or classifier.preprocessing is None:
        return None
    learnt = classifier.learnt
    arrays, facts = ({}, {}) if learnt is None else (learnt.arrays, learnt.facts)
    return TASKS.get(classifier.task).ending(classifier.preprocessing, classifier.class_names, arrays, facts)


class Ended(nn.Module):
    """A net and its ending as one, for exporters: B C h w -> a tensor for each output."""

    def __init__(self, net: nn.Module, ending: Ending) -> None:
        super().__init__()
        self.net = net
        self.ending = ending

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """B C h w -> B … each."""
        return self.ending(images, self.net(images))


def folded_with(wanted: Wanted, ending: Ending) -> tuple[Ended, torch.Tensor, int]:
    """(the net as its task asks it, batch norms folded, and its ending; two pictures of noise to try it with; how many
    norms were folded). Raises ArtefactError for a net that does not take such pictures.
    """
    classifier = wanted.classifier
    assert classifier.preprocessing is not None
    noise = np.random.default_rng(0).integers(0, 256, (2, *classifier.preprocessing.shape), dtype=np.uint8)
    images = classifier.preprocessing.normalise(torch.from_numpy(noise))
    net = TASKS.get(classifier.task).answering(twin_of(classifier.model))
    with _told_in_words(images), torch.no_grad():
        found = pairs(net, images[:1])
        whole = Ended(Looking(fused(net, found), wanted.views), ending).eval()
        whole(images)
    return whole, images, len(found)


@contextmanager
def _told_in_words(images: torch.Tensor) -> Iterator[None]:
    """Pictures of a shape that a net does not take are told here, and not by an exporter in pages."""
    try:
        yield
    except RuntimeError as error:
        raise ArtefactError(
            f"the net does not take pictures of {'x'.join(map(str, images.shape[1:]))}: {first_line(error)}",
            hint="the run's preprocessing and its net do not belong together: train it again",
        ) from None


def shapes_of(classifier: Classifier, ending: Ending) -> dict[str, tuple[int, ...]]:
    """By output, its sides after the first, as they are before a file lays it over a picture. Raises ArtefactError."""
    assert classifier.preprocessing is not None
    black = torch.zeros(1, *classifier.preprocessing.shape)
    with _told_in_words(black), evaluating(classifier.model), torch.no_grad():
        given = ending(black, TASKS.get(classifier.task).answering(classifier.model)(black).float())
    return {output.name: tuple(each.shape[1:]) for output, each in zip(ending.outputs, given, strict=True)}


def answered(wanted: Wanted, ending: Ending, images: np.ndarray) -> dict[str, np.ndarray]:
    """What the net itself gives of fitted pictures N C h w uint8, as `hubel predict` computes it: N … by output."""
    classifier = wanted.classifier
    assert classifier.preprocessing is not None
    net = TASKS.get(classifier.task).answering(classifier.model)
    look = net if wanted.views == "none" else with_views(net, wanted.views)
    with evaluating(classifier.model), torch.inference_mode():
        inputs = classifier.preprocessing.normalise(torch.from_numpy(np.ascontiguousarray(images)))
        given = ending(inputs, look(inputs).float())
    return {output.name: each.numpy() for output, each in zip(ending.outputs, given, strict=True)}


def in_size(wanted: Wanted, output: Output, one: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """What is given of one picture, … , as a file gives it: laid over the picture's H W where that is its way."""
    assert wanted.classifier.preprocessing is not None
    return wanted.classifier.preprocessing.laid_back(one[None], *size, NOTHING)[0] if output.placed else one


def given_of(wanted: Wanted, ending: Ending, pictures: Sequence[np.ndarray]) -> list[dict[str, np.ndarray]]:
    """What a file must give of pictures H W C uint8 in sizes of their own, one by one, by output."""
    seen = wanted.classifier.preprocessing
    assert seen is not None
    found = answered(wanted, ending, np.stack([seen.array(picture) for picture in pictures]))
    return [
        {each.name: in_size(wanted, each, found[each.name][row], picture.shape[:2]) for each in ending.outputs}
        for row, picture in enumerate(pictures)
    ]


def sides_of(output: Output, shape: tuple[int, ...]) -> list[int | str]:
    """Of the axes after the first, as a file says them: numbers, or letters where any length will do.

    >>> sides_of(Output(name="classes", what="", letters=("H", "W"), placed=True), (64, 64))
    ['H', 'W']
    """
    return list(output.letters) if output.placed else list(shape)


def described(ending: Ending, shapes: Mapping[str, tuple[int, ...]]) -> list[dict[str, object]]:
    """The outputs as plain data: name, axes by letter, shape, type, what it is."""
    return [
        {
            "name": output.name, "axes": ["N", *output.letters],
            "shape": ["N", *sides_of(output, shapes[output.name])], "type": output.kind, "what": output.what,
        }
        for output in ending.outputs
    ]  # fmt: skip
