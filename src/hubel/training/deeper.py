"""What is asked of a net at every fourth look: how much of a step is chance, and what augmentation costs.

Both are asked of the step's own pictures, in evaluation mode and with gradients that are kept apart from the run's: no
weight, statistic, gradient or random number of the run changes.

Letters: B batch, b half of the pictures that are asked about.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import torch

from hubel.nn.modes import evaluating
from hubel.runtime import out_of_memory, world
from hubel.training.state import Training
from hubel.types import Batch

PICTURES = 32
"""Of the batch, that are asked about."""
FEWEST = 8
"""Of them, below which two halves say nothing."""

Clean = Callable[[torch.Tensor], Batch]
"""Ids of samples -> the same samples without augmentation."""


class Deeper:
    """Asks a training about its noise and its augmentation; {} where it learns by no loss of single answers."""

    def __init__(self, run: Training, clean: Clean | None = None) -> None:
        """`clean` gives samples without augmentation; None where training shows them as they are."""
        self.run, self.clean = run, clean
        self.idle = run.objective is not None or run.task.whole

    def __call__(self, batch: Batch) -> dict[str, float]:
        """`signal`, the squared length of the true gradient, and `noise`, the variance of that of one sample (its sum
        over all weights); `augmented` and `clean`, the loss of the same samples with augmentation and without.

        From the gradients g, h of two halves of b samples: signal = g·h, noise = b |g − h|² / 2, both without bias
        (McCandlish et al., arXiv:1812.06162, appendix A.1). A batch of noise / signal samples goes half by chance.
        """
        if self.idle or len(batch) < FEWEST or batch.answers is not None:
            return {}
        few = _first(batch, min(PICTURES, len(batch) // 2 * 2))
        try:
            with evaluating(self.run.model):
                return self._noise(few, len(batch) * world()) | self._augmentation(few)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            self.idle = True
            return {}

    def _noise(self, batch: Batch, size: int) -> dict[str, float]:
        learn = [p for p in self.run.model.parameters() if p.requires_grad]
        targets, half = self.run.task.targets(batch), len(batch) // 2
        found = []
        for part in (slice(0, half), slice(half, 2 * half)):
            with torch.enable_grad():
                loss = self._loss(batch.images[part], targets[part])
                found.append(torch.autograd.grad(loss, learn, allow_unused=True))
        both = [(g.float(), h.float()) for g, h in zip(*found, strict=True) if g is not None and h is not None]
        if not both:
            return {}
        signal = torch.stack([(g * h).sum() for g, h in both]).sum()
        apart = torch.stack([(g - h).square().sum() for g, h in both]).sum()
        return {"signal": float(signal), "noise": float(apart) * half / 2, "batch": float(size)}

    def _augmentation(self, batch: Batch) -> dict[str, float]:
        if self.clean is None:
            return {}
        plain = self.clean(batch.ids)
        task = self.run.task
        with torch.no_grad():
            return {
                "augmented": float(self._loss(batch.images, task.targets(batch))),
                "clean": float(self._loss(plain.images, task.targets(plain))),
            }

    def _loss(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        run = self.run
        half = run.precision == torch.bfloat16  # unscaled gradients are too small for fp16
        with torch.autocast(run.device.type, dtype=run.precision) if half else nullcontext():
            answer = run.task.answering(run.model)(images)
        loss: torch.Tensor = run.loss((answer[0] if isinstance(answer, tuple) else answer).float(), targets)
        return loss


def _first(batch: Batch, count: int) -> Batch:
    soft, targets = batch.soft_labels, batch.targets
    return Batch(
        batch.images[:count], batch.labels[:count], batch.ids[:count], None if soft is None else soft[:count],
        targets=None if targets is None else targets[:count],
    )  # fmt: skip
