"""What is to be shipped, and what its own net says: the answers that every file is held against.

Letters: N pictures, H W C height, width and channels, K classes; B pictures of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel.checkpoint import Classifier
from hubel.checkpoint.telling import net_that_tells
from hubel.checkpoint.trust import Trust
from hubel.deploy.prediction import refuse_views
from hubel.errors import ArtefactError
from hubel.inference import predict, with_views
from hubel.metrics.calibrators import Calibrator
from hubel.metrics.probability import shares_of
from hubel.nn.beside import with_features
from hubel.nn.fuse import fused, pairs, twin_of
from hubel.tasks import TASKS
from hubel.tasks.ending import Ending
from hubel.types import Batch

AT_ONCE = 1 << 20
"""Numbers of the pictures that go through the net together: few enough to stay near the processor."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be shipped."""

    classifier: Classifier
    """Over pictures."""
    views: str
    """The views of a picture that are averaged (`hubel.inference.VIEWS`)."""
    calibrator: Calibrator
    """What makes logits honest before they become probabilities."""
    card: Mapping[str, Any]
    """`hubel.deploy.card.describe`."""
    ending: Ending | None = None
    """What a file gives; None for probabilities of classes."""
    int8: bool = False
    calibration: np.ndarray | None = None
    """Pictures of the run's own training part, N C H W uint8, fitted; for int8 only."""

    @property
    def limits(self) -> np.ndarray | None:
        """K: from which probability on a label is said, where several may be; None where one class is named."""
        return self.classifier.label_thresholds if self.classifier.several else None


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a net, or a file, says of N pictures."""

    probabilities: np.ndarray
    """N K float64."""
    familiarity: np.ndarray | None
    """N float64; None where it was not asked for, or cannot be told."""


def require_pictures(classifier: Classifier, views: str | None = None) -> None:
    """Raise ArtefactError for what cannot be shipped: nets over points or rows, those whose task has no file, and those
    that name nothing. UsageError for `views` that the net itself does not average.
    """
    unshipped = TASKS.get(classifier.task).unshipped if classifier.task in TASKS else ""
    if unshipped:
        raise ArtefactError(
            f"this net was trained for the task {classifier.task}, and cannot be exported: {unshipped}",
            hint="hubel evaluate and hubel predict know its task; docs/tasks.md says what else does",
        )
    if classifier.labels or classifier.task not in TASKS:
        classifier.require_answers(several=True)
    if classifier.preprocessing is None:
        raise ArtefactError(
            f"only nets that see pictures can be exported, and this one ({classifier.spec.architecture}) learnt from "
            f"{classifier.material}",
            hint="hubel predict answers with it, from Python or the command line",
        )
    refuse_views(classifier, views)


def reference(wanted: Wanted, images: np.ndarray, *, familiar: bool = False) -> Said:
    """What the net itself says of fitted pictures N C H W uint8, as `hubel predict` computes it.

    `familiar`: with how familiar they are, in the same pass.
    """
    classifier = wanted.classifier
    assert classifier.preprocessing is not None
    ids = torch.arange(len(images))
    pictures = torch.from_numpy(np.ascontiguousarray(images)).contiguous(memory_format=torch.channels_last)
    some = max(1, min(64, AT_ONCE // max(1, images[0].size if len(images) else 1)))
    batches = (
        Batch(classifier.preprocessing.normalise(part), rows, rows)
        for part, rows in zip(pictures.split(some), ids.split(some), strict=True)
    )
    inside = net_that_tells(classifier, classifier.preprocessing.normalise(pictures[:2])) if familiar else None
    net = inside or classifier.model
    found = predict(net, batches, forward=with_views(net, wanted.views))
    logits, features = np.split(found.logits, [len(classifier.class_names)], axis=1)
    shares = shares_of(wanted.calibrator(logits), several=classifier.several)
    if not familiar or classifier.trust is None:
        return Said(probabilities=shares, familiarity=None)
    how = classifier.trust.familiarity(logits, features if features.shape[1] else None)
    return Said(probabilities=shares, familiarity=how)


def reference_of(wanted: Wanted, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """`reference` of pictures H W C uint8 in sizes of their own."""
    assert wanted.classifier.preprocessing is not None
    placed = np.stack([wanted.classifier.preprocessing.array(picture) for picture in pictures])
    return reference(wanted, placed).probabilities


class Looking(nn.Module):
    """A net with its test-time views, for exporters: B C H W -> B K.

    All views go through the net in one batch, so that the net stands in the file once.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 3))
    >>> images = torch.rand(2, 1, 32, 32)
    >>> torch.allclose(Looking(net, "mirror-shift")(images), with_views(net, "mirror-shift")(images), atol=1e-6)
    True
    """

    def __init__(self, net: nn.Module, views: str) -> None:
        super().__init__()
        self.net = net
        self.views = views

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """B C H W -> B K."""
        if self.views == "none":
            return self.net(images)
        seen: list[torch.Tensor] = []

        def noted(view: torch.Tensor) -> torch.Tensor:
            seen.append(view)
            return view[:, 0, 0, :1]

        with_views(noted, self.views)(images)
        logits = self.net(torch.cat(seen))
        answers = iter(logits.reshape(len(seen), -1, logits.shape[-1]).unbind(0))
        return with_views(lambda view: next(answers), self.views)(images)


def told_in(wanted: Wanted) -> Trust | None:
    """What tells a file how familiar a picture is: None where the run does not know, or the file is in whole numbers.

    So it is where the net's head is not its last step, so that its features cannot be had in the same pass.
    """
    classifier, trust = wanted.classifier, wanted.classifier.trust
    if trust is None or not trust.knows or wanted.int8:
        return None
    assert classifier.preprocessing is not None
    zeros = torch.zeros(2, *classifier.preprocessing.shape)
    return None if trust.looks_inside and with_features(classifier.model, zeros) is None else trust


def folded(wanted: Wanted, *, inside: bool = False) -> tuple[nn.Module, torch.Tensor, int]:
    """(the net with views and with batch norms folded, two pictures to try it with, how many norms were folded).

    `inside`: its features come out behind its logits.

    The pictures are noise in the shape that the net takes; the net is run on them once, so that a shape it does not
    take is told here in words, and not by an exporter in pages.
    """
    classifier = wanted.classifier
    assert classifier.preprocessing is not None
    noise = np.random.default_rng(0).integers(0, 256, (2, *classifier.preprocessing.shape), dtype=np.uint8)
    images = classifier.preprocessing.normalise(torch.from_numpy(noise))
    net = twin_of(classifier.model)
    try:
        with torch.no_grad():
            logits = net(images)
            net = (with_features(classifier.model, images) or net) if inside else net
            found = pairs(net, images[:1])
    except RuntimeError as error:
        raise ArtefactError(
            f"the net does not take pictures of {'x'.join(map(str, images.shape[1:]))}: {first_line(error)}",
            hint="the run's preprocessing and its net do not belong together: train it again",
        ) from None
    if tuple(logits.shape) != (2, len(classifier.class_names)):
        raise ArtefactError(
            f"the net gives {tuple(logits.shape)} for 2 pictures and {len(classifier.class_names)} classes",
            hint="a net's forward must map B C H W to B K",
        )
    return Looking(fused(net, found), wanted.views).eval(), images, len(found)


def first_line(error: BaseException) -> str:
    """The beginning of what an error says, in one line."""
    return ((str(error).strip().splitlines() or [""])[0] or type(error).__name__)[:160]
