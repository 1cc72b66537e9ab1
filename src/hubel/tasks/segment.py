"""The task of saying for every pixel what it is: logits B K H W against masks B H W.

The loss of a batch is the mean over its pictures, that of a picture the mean over its pixels; pixels that belong to no
class (255) count nowhere. Classes are compared by their overlap over all pictures together: IoU = TP / (TP + FP + FN).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel.data.manifest import Manifest
from hubel.data.masks import IGNORED, LAYOUT
from hubel.data.preprocessing import Preprocessing
from hubel.errors import UsageError
from hubel.metrics.overlap import mean_iou, overlaps
from hubel.nn.losses import PixelLoss, build_loss
from hubel.nn.maps import narrowest
from hubel.nn.modes import evaluating
from hubel.nn.question import Question, rescored
from hubel.tasks.answers import Answer
from hubel.tasks.ending import Ending, Output, Seen
from hubel.tasks.saying import say_areas
from hubel.tasks.task import Tally, Task
from hubel.types import Batch
from hubel.words import percent


class _Overlap(Tally):
    """Counts of true and answered class over all pixels, and the log-loss."""

    def __init__(self) -> None:
        self.counts: np.ndarray | None = None
        self.loss = PixelLoss(build_loss("cross-entropy", reduction="none"))
        self.total, self.samples = 0.0, 0

    def add(self, answers: torch.Tensor, batch: Batch) -> None:
        """Count a batch."""
        assert batch.targets is not None
        self.total += float(self.loss(answers.float(), batch.targets)) * len(batch)
        self.samples += len(batch)
        found = overlaps(batch.targets, answers.argmax(1), answers.shape[1]).sum(0)
        self.counts = found if self.counts is None else self.counts + found

    def numbers(self) -> dict[str, float]:
        """Mean log-loss of a pixel, and the mean over classes of their IoU."""
        assert self.counts is not None
        return {"loss": self.total / max(1, self.samples), "iou": mean_iou(self.counts)}


class Areas(Ending):
    """Logits N K h w -> probabilities, and the class of each pixel, which a file lays over the picture."""

    outputs = (
        Output(
            name="probabilities", letters=("K", "h", "w"),
            what="of every class, for each pixel of the picture as the net sees it",
        ),
        Output(
            name="classes", letters=("H", "W"), kind="uint8", decides=True, counted="pixels", placed=True,
            what=f"the number of the class of each pixel of the picture as it came in; {IGNORED} where the net sees "
            "nothing of it",
        ),
    )  # fmt: skip

    def forward(self, images: torch.Tensor, said: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """N K h w, and N h w uint8."""
        return said.softmax(1), said.argmax(1).to(torch.uint8)

    def margins(self, found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """N h w: by how much the first class is more probable than the second."""
        best = np.sort(found["probabilities"], axis=1)
        return {"classes": best[:, -1] - best[:, -2]}


@dataclass(frozen=True, kw_only=True)
class Segment(Task):
    """Pictures B C H W, and a class for each of their pixels."""

    def targets(self, batch: Batch) -> torch.Tensor:
        """B H W classes, 255 where none belongs."""
        assert batch.targets is not None
        return batch.targets

    def tally(self) -> Tally:
        """Log-loss and mean IoU."""
        return _Overlap()

    def build_loss(self, name: str, *, label_smoothing: float = 0.0, class_weights: Any = None) -> nn.Module:
        """The loss over pixels."""
        return PixelLoss.called(name)

    def ending(
        self, sight: Preprocessing, classes: Sequence[str], arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> Ending:
        """Probabilities and a class for every pixel."""
        return Areas()

    def say(
        self, names: Sequence[str], found: Mapping[str, np.ndarray], classes: Sequence[str], seen: Seen
    ) -> list[Answer]:
        """Masks as large as what the net sees."""
        return say_areas(names, found["probabilities"].argmax(1).astype(np.uint8), classes)

    def question(
        self,
        model: nn.Module,
        image: torch.Tensor,
        classes: Sequence[str],
        arrays: Mapping[str, np.ndarray],
        target: int | None,
    ) -> Question:
        """The mean score of a class over the pixels that the net gives to it: of `target`, else of the class that
        covers most after the first, which is the ground.

        Which pixels these are is settled by the picture as it is. The scores of the other classes are means over the
        same pixels. Raises UsageError for a class that no pixel is given to.
        """
        with evaluating(model), torch.no_grad():
            mask = self.answering(model)(image[None])[0].argmax(0)  # H W
        counts = torch.bincount(mask.flatten(), minlength=len(classes)).cpu().numpy()
        order = [int(k) for k in np.argsort(-counts, kind="stable") if counts[k]]
        picked = next((k for k in order if k), 0) if target is None else target
        if not counts[picked]:
            there = [classes[k] for k in order]
            raise UsageError(
                f"the net gives no pixel of this picture to {classes[picked]!r}, so there is nothing to explain",
                hint=f"it gives them to {', '.join(there)}: --class {there[0]!r}",
            )
        area = (mask == picked) / counts[picked]

        def score(scores: torch.Tensor) -> torch.Tensor:
            return torch.einsum("bkhw,hw->bk", scores, area.to(scores.dtype))

        net = rescored(model, self.asks, score)
        net.stages = narrowest(net, image)  # type: ignore[assignment]
        areas = mask.to(torch.uint8).cpu().numpy()
        [told] = say_areas([""], areas[None], classes)
        return Question(
            net=net, target=picked, ranking=tuple((classes[k], told.numbers[classes[k]]) for k in order),
            measure="share of the pixels", told=f"The net says {told.told} of the pixels.", areas=areas,
            said=f"{percent(told.numbers[classes[picked]], 1)} of the pixels",
            scored=f"The maps explain the mean score of {classes[picked]} over the {counts[picked]:,} pixels that the "
            "net gives to it; the probability is that of the class by the mean scores of all over these pixels.",
            refused={
                **dict.fromkeys(
                    ("attention-rollout", "attention-raw"), "it shows what the class token sees, and pixels have none"
                ),
                "deeplift": "it knows layers one after another, and pixels are answered by steps between layers, too",
            },
        )  # fmt: skip

    def check_data(self, manifest: Manifest) -> None:
        """Raise DataError where pictures have no masks."""
        if manifest.masks is None:
            raise self.refuse(manifest, "needs a mask for each picture", LAYOUT)


SEGMENT = Segment(
    name="segment",
    title="Segmentation",
    about="A picture in, a class for each of its pixels out.",
    asks="segment",
    nets="a net that answers for pixels: --model unet; or a net for classes, asked place by place: resnet18, "
    "efficientnet_lite0, mobilenet_v2, mnist_gap",
    losses=("cross-entropy-dice", "cross-entropy", "dice", "focal"),
    score="iou",
    labels=False,
    shared=False,
    mean="pixels",
    model="unet",
    why_model="a way down for what is where, and bridges up for the exact rim",
)

__all__ = ["IGNORED", "SEGMENT", "Segment"]
