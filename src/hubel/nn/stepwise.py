"""Losses of answers step by step, where not every step is asked.

Letters: B series, T steps, K classes or numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from hubel.nn.losses import build_loss

NUMBERS: dict[str, Callable[..., torch.Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "smooth-l1": F.smooth_l1_loss,
    "huber": F.huber_loss,
}
"""Losses of numbers, by name."""


class StepLoss(nn.Module):
    """Answers B T K against targets B T 1 (classes) or B T K (numbers), NaN where nothing is asked, to one number.

    The mean over series of the mean over what each is asked, so that parts of a batch add up and what stands behind
    the end of a short series counts nowhere.

    >>> loss = StepLoss("cross-entropy")
    >>> answers = torch.tensor([[[9.0, -9.0], [0.0, 0.0]], [[0.0, 0.0], [5.0, 5.0]]])
    >>> targets = torch.tensor([[[0.0], [torch.nan]], [[1.0], [torch.nan]]])
    >>> round(float(loss(answers, targets)), 4)  # (0 + log 2) / 2
    0.3466
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.numbers = NUMBERS.get(name)
        self.each = None if self.numbers is not None else build_loss(name, reduction="none", of_logits=True)

    def forward(self, answers: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of a batch."""
        costs, asked = self.costs(answers, targets)
        return (costs.flatten(1).sum(1) / asked.flatten(1).sum(1).clamp_min(1)).mean()

    def costs(self, answers: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The cost of each answer, 0 where nothing is asked; and where something is: B T, or B T K of numbers."""
        asked = ~torch.isnan(targets)
        known = targets.masked_fill(~asked, 0)
        if self.numbers is not None:
            return self.numbers(answers * asked, known, reduction="none") * asked, asked
        assert self.each is not None
        costs = self.each(answers.flatten(0, 1), known[..., 0].long().flatten()).reshape(asked.shape[:2])
        return costs * asked[..., 0], asked[..., 0]
