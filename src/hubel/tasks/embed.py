"""The task of putting pictures of one class near each other: embeddings B D of length 1, no head, any classes later.

A batch has several pictures of each of several classes (P times K), and its loss is made of the pairs or triplets that
are in it; epochs are compared by recall@1 among the validation samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel.data.manifest import Manifest
from hubel.data.preprocessing import Preprocessing
from hubel.errors import ArtefactError
from hubel.metrics.retrieval import distances, retrieve
from hubel.nn.losses import PairLoss
from hubel.nn.modes import evaluating
from hubel.nn.question import Question, rescored
from hubel.tasks.answers import Answer
from hubel.tasks.ending import Ending, Output, Seen
from hubel.tasks.saying import say_nearest
from hubel.tasks.task import Tally, Task
from hubel.types import Batch

MARGIN = 0.2
"""Of the triplets that measure an epoch, as that of FaceNet."""


class _Near(Tally):
    """Embeddings and labels, kept until all have passed."""

    def __init__(self) -> None:
        self.points: list[np.ndarray] = []
        self.labels: list[np.ndarray] = []

    def add(self, answers: torch.Tensor, batch: Batch) -> None:
        """Keep a batch."""
        self.points.append(answers.float().cpu().numpy())
        self.labels.append(batch.labels.cpu().numpy())

    def numbers(self) -> dict[str, float]:
        """Mean over samples of max(0, margin + nearest of its class − nearest of another), and recall@1."""
        points, labels = np.concatenate(self.points), np.concatenate(self.labels)
        apart = distances(points, points)
        np.fill_diagonal(apart, np.inf)
        same = labels[:, None] == labels
        friend = np.where(same, apart, np.inf).min(1)
        stranger = np.where(same, np.inf, apart).min(1)
        asks = np.isfinite(friend) & np.isfinite(stranger)
        costs = np.maximum(0, MARGIN + friend[asks] - stranger[asks])
        return {"loss": float(costs.mean()) if asks.any() else 0.0, "recall": retrieve(points, labels, (1,)).recall[1]}


POINTS = Output(name="points", letters=("D",), what="where the picture lies on the sphere")
DISTANCES = Output(name="distances", letters=("K",), what="from the middle of every class")
NEAREST = Output(
    name="nearest", kind="int64", decides=True, counted="nearest classes", what="the number of the nearest class"
)  # fmt: skip
NEAR = Output(
    name="near", kind="bool", decides=True, counted="verdicts on what is near",
    what="is the nearest class near enough to be meant? Else it is perhaps one that was never shown",
)  # fmt: skip


class Near(Ending):
    """Points N D -> the same, and how far they are from the middles K D of known classes.

    `limit`: from which distance on no class is near; None where nobody knows.
    """

    middles: torch.Tensor

    def __init__(self, middles: np.ndarray | None, limit: float | None) -> None:
        super().__init__()
        self.outputs = (POINTS,) if middles is None else (POINTS, DISTANCES, NEAREST)
        self.outputs += () if middles is None or limit is None else (NEAR,)
        self.limit = limit
        self.register_buffer("middles", torch.from_numpy(np.zeros((0, 0)) if middles is None else middles).double())

    def forward(self, images: torch.Tensor, said: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """N D; N K, N and N."""
        if len(self.outputs) == 1:
            return (said,)
        points = said.double()
        squares = points.square().sum(1, keepdim=True) + self.middles.square().sum(1) - 2 * points @ self.middles.T
        apart = squares.clamp(min=0).sqrt()
        found = (said, apart.float(), apart.argmin(1))
        return found if self.limit is None else (*found, apart.amin(1) <= self.limit)

    def margins(self, found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """N: how much farther the second class is, and how far the first is from the limit."""
        if len(self.outputs) == 1:
            return {}
        order = np.sort(found["distances"], axis=1)
        second = order[:, 1] - order[:, 0] if order.shape[1] > 1 else np.full(len(order), np.inf)
        return {"nearest": second} | ({} if self.limit is None else {"near": np.abs(order[:, 0] - self.limit)})


def middles_of(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """K D: the middles of classes among what a net learnt after its training; raises ArtefactError without them."""
    if "middles" not in arrays:
        raise ArtefactError(
            "this net knows no class to be near to: what it learnt after the training is not beside its weights",
            hint="copy best.learnt.safetensors beside them, or train it again",
        )
    return arrays["middles"]


@dataclass(frozen=True, kw_only=True)
class Embed(Task):
    """Pictures B C H W -> points on a sphere B D."""

    def targets(self, batch: Batch) -> torch.Tensor:
        """B classes, by which pairs and triplets are formed."""
        return batch.labels

    def tally(self) -> Tally:
        """Recall@1."""
        return _Near()

    def build_loss(self, name: str, *, label_smoothing: float = 0.0, class_weights: Any = None) -> nn.Module:
        """The loss of all pairs or triplets of a batch."""
        return PairLoss(name)

    def ending(
        self, sight: Preprocessing, classes: Sequence[str], arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> Ending:
        """The point, and what is near it; the point alone where no middles of classes were kept."""
        limit = facts.get("distance")
        return Near(arrays.get("middles"), float(limit) if isinstance(limit, (int, float)) else None)

    def say(
        self, names: Sequence[str], found: Mapping[str, np.ndarray], classes: Sequence[str], seen: Seen
    ) -> list[Answer]:
        """The nearest class, where one is near."""
        if DISTANCES.name not in found:
            raise ArtefactError(
                "this file knows no class to be near to: its run had kept none",
                hint="it gives points to other programs; hubel predict RUN NEW --classes DATA names classes",
            )
        near = found.get(NEAR.name, np.ones(len(names), bool))
        return say_nearest(names, found[DISTANCES.name], classes, near.tolist(), found[POINTS.name])

    def question(
        self,
        model: nn.Module,
        image: torch.Tensor,
        classes: Sequence[str],
        arrays: Mapping[str, np.ndarray],
        target: int | None,
    ) -> Question:
        """How like the picture is to a class, `target` or the nearest: minus the squared distance from its middle.

        Raises ArtefactError where no middles of classes were kept.
        """
        middles = torch.from_numpy(np.ascontiguousarray(middles_of(arrays))).to(image)  # K D

        def score(points: torch.Tensor) -> torch.Tensor:
            return 2 * points @ middles.T - points.square().sum(1, keepdim=True) - middles.square().sum(1)

        net = rescored(model, self.asks, score)
        with evaluating(net), torch.no_grad():
            apart = (-net(image[None])[0]).clamp(min=0).sqrt().cpu().numpy()
        order = [int(k) for k in np.argsort(apart, kind="stable")]
        picked = order[0] if target is None else target
        ranking = tuple((classes[k], float(apart[k])) for k in order[:5] + [picked] * (picked not in order[:5]))
        [nearest] = say_nearest([""], apart[None], classes, [True], np.zeros((1, 0)))
        return Question(
            net=net, target=picked, ranking=ranking, measure="distance", told=f"Nearest is {nearest.told}.",
            said=f"distance {apart[picked]:.2f}",
            scored=f"The maps explain how like the picture is to {classes[picked]}: minus the squared distance of its "
            "point from the middle of that class; the probability is the softmax of this over all classes.",
            refused={"deeplift": "it has no rule for bringing a point to length 1, with which this net ends"},
        )  # fmt: skip

    def check_data(self, manifest: Manifest) -> None:
        """Raise DataError for data without classes, or of which fewer than two have two pictures."""
        if not manifest.labelled or manifest.kind == "points":
            raise self.refuse(manifest, "needs pictures with a class each", "class folders, or a table file,label")
        several = (np.bincount(manifest.labels, minlength=manifest.num_classes) > 1).sum()
        if several < 2:
            raise self.refuse(
                manifest, "needs at least two classes with two pictures or more, to learn what is near",
                f"{'one class' if several else 'none'} has so many: add pictures",
            )  # fmt: skip


EMBED = Embed(
    name="embed",
    title="Metric learning",
    about="A picture in, a point on a sphere out; near means alike, also for classes that were never learnt.",
    asks="embed",
    nets="a net with an embedding: --model siamese, over any backbone",
    losses=("triplet", "triplet-hard", "contrastive", "cosine-embedding", "margin-ranking", "triplet-ratio"),
    score="recall",
    labels=False,
    places=True,
    shared=False,
    mean="",
    no_mean="each net lays its points on a sphere of its own, turned as chance had it",
    instead="take the one that finds neighbours best: hubel compare RUN RUN; or train one longer: "
    "hubel train DATA --task embed --time 10m",
    whole=True,
    by_class=True,
    wraps="siamese",
    model="siamese",
    why_model="any net with an embedding of length 1 in the place of its head",
    unused={"micro_batch": (None, "since pairs are formed within a batch")},
)
