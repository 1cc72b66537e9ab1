"""A loss by which several forms of a picture are to get the same answer, beside the loss of the first form."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from hubel.errors import UsageError
from hubel.nn.losses import mass


def jensen_shannon(logits: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
    """B: the mean of KL(p_i ‖ M) over the forms of each sample, p_i = softmax(z_i), M their mean; logits B K each.

    0 where all forms get the same answer, at most the logarithm of their number (in nats).

    >>> z = torch.tensor([[4.0, -2.0]])
    >>> jensen_shannon(z, z, z).abs().item() < 1e-6, jensen_shannon(100 * z, -100 * z).item()
    (True, 0.69314...)
    """
    each = [F.log_softmax(part.float(), dim=1) for part in (logits, *others)]
    # AugMix's own clamp: the mean of certain answers that contradict each other has no zero whose log is taken.
    mean = torch.stack([part.exp() for part in each]).mean(dim=0).clamp(1e-7, 1).log()
    apart = [(part.exp() * (part - mean)).sum(dim=1) for part in each]
    return torch.stack(apart).mean(dim=0)


class Consistent(nn.Module):
    """L(z, y) + λ JS(p; p₁; p₂): the loss of a picture as it is, and how far answers to its forms are apart.

    Hendrycks et al., AugMix, arXiv:1912.02781, equations 2 and 3; λ is 12 there. Called with logits B K, labels and the
    logits of the other forms (B K each), then what L takes more; without other forms, as a finished net answers, it is
    L alone. The second part is weighed by the samples, whatever L weighs them by. Raises UsageError for a λ that is not
    above 0.

    >>> z, off = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    >>> loss = Consistent(nn.CrossEntropyLoss(), weight=12.0)
    >>> round(loss(z, torch.tensor([0])).item(), 3), round(loss(z, torch.tensor([0]), z, off).item(), 3)
    (0.127, 3.67)
    """

    takes_all = True

    def __init__(self, hard: nn.Module, weight: float = 12.0, forms: int = 3) -> None:
        super().__init__()
        if not weight > 0:
            raise UsageError(
                f"the weight of a consistency loss must be above 0, got {weight}", hint="12 is the paper's"
            )
        self.hard, self.weight, self.others = hard, weight, forms - 1

    def mass(self, targets: torch.Tensor) -> torch.Tensor | int:
        """As for the loss of the labels."""
        return mass(self.hard, targets)

    def forward(self, logits: torch.Tensor, targets: torch.Tensor, *more: torch.Tensor) -> torch.Tensor:
        """One number."""
        if len(more) < self.others:
            alone: torch.Tensor = self.hard(logits, targets, *more)
            return alone
        others, told = more[: self.others], more[self.others :]
        loss: torch.Tensor = self.hard(logits, targets, *told)
        return loss + self.weight * jensen_shannon(logits, *others).mean()
