"""One label of a net that says several, as a decision between two classes: it is said, or it is not.

    0 against z − log(t / (1 − t))        z the logit of the label, t the probability from which on it is said

What attacks, changes and keeps the decision of a net of classes does the same to the one of a label then.

>>> net = OneLabel(nn.Identity(), place=1, limit=0.9, name="dog")
>>> net(torch.tensor([[5.0, 2.0], [5.0, 3.0]])).argmax(dim=1).tolist()  # sigmoid 0.88 and 0.95
[0, 1]
>>> net.class_names
('no dog', 'dog')
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.special import expit, logit
from torch import nn

__all__ = ["OneLabel"]

NEAREST = 1e-6
"""How near to 0 and 1 a threshold counts as one."""


class OneLabel(nn.Module):
    """B C H W -> B 2: is the label at `place` among the outputs of `model` said, which it is from `limit` on?"""

    def __init__(self, model: nn.Module, *, place: int, limit: float, name: str) -> None:
        super().__init__()
        self.model, self.place = model, place
        self.class_names = (f"no {name}", name)
        within = min(max(limit, NEAREST), 1 - NEAREST)
        self.border = math.log(within / (1 - within))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """B 2: the logits of "it is not said" and "it is said"."""
        above = self.model(images)[:, self.place] - self.border
        return torch.stack([torch.zeros_like(above), above], dim=1)

    def shares(self, decided: np.ndarray) -> np.ndarray:
        """B 2 probabilities of the net itself, that the label is not there and that it is, from those of the decision.

        >>> net = OneLabel(nn.Identity(), place=0, limit=0.9, name="dog")
        >>> net.shares(net(torch.zeros(1, 1)).softmax(dim=1).numpy()).round(4).tolist()
        [[0.5, 0.5]]
        """
        there = expit(logit(decided[:, 1].astype(np.float64)) + self.border)
        return np.stack([1 - there, there], axis=1)
