"""Several nets that answer together: the mean of their probabilities, the cheapest way to a few tenths of a per cent.

    logits(x) = log 1/M Σ_m softmax(f_m(x))        M nets f_m of the same classes

Nets trained from different seeds err at different pictures, and what they share is more often right (L. Hansen,
P. Salamon, Neural Network Ensembles, IEEE PAMI 12, 1990). The winners of ImageNet's challenges were ensembles: seven
GoogLeNets, six ResNets. Members may differ in architecture; all cost their own time.

>>> nets = [nn.Linear(4, 3), nn.Linear(4, 3)]
>>> together = Ensemble(nets)
>>> x = torch.rand(5, 4)
>>> mean = sum(net(x).softmax(1) for net in nets) / 2
>>> torch.allclose(together(x).softmax(1), mean)
True
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from hubel.errors import UsageError

__all__ = ["Ensemble"]


class Ensemble(nn.Module):
    """Any nets of one task: inputs B … -> logits B K, the logarithm of the members' mean probabilities.

    `stages` and `head` are those of the first member, under `nets.0`. Raises UsageError for no member at all, or, when
    it is called, for members with different numbers of classes.
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        super().__init__()
        if not nets:
            raise UsageError(
                "an ensemble needs at least one net, got none", hint="give a list of nets that know the same classes"
            )
        self.nets = nn.ModuleList(nets)
        self.stages = tuple(f"nets.0.{stage}" for stage in getattr(nets[0], "stages", ()))
        self.head = f"nets.0.{head}" if (head := getattr(nets[0], "head", "")) else "nets.0"

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        answers = [net(inputs) for net in self.nets]  # M times B K
        widths = [int(answer.shape[-1]) for answer in answers]
        if len(set(widths)) > 1:
            raise UsageError(
                f"the nets of an ensemble must know the same classes, got {', '.join(map(str, widths))} of them",
                hint="train all of them on the same data",
            )
        together = torch.stack([answer.float().log_softmax(dim=-1) for answer in answers])  # M B K
        return together.logsumexp(dim=0) - math.log(len(answers))
