"""Which weights may go: the least of each layer, layers compared by what they would lose.

Magnitude pruning (S. Han, J. Pool, J. Tran, W. Dally, arXiv:1506.02626) sets a threshold for each layer by hand. Here
one number serves all: the score of a weight is its square, as a share of the squares of its layer that are no smaller
(LAMP: J. Lee, S. Park, S. Mo, S. Ahn, J. Shin, arXiv:2010.07611). The least scores of the whole net go. The largest
weight of a layer has the score 1, so no layer loses all.

Weights are pruned over several rounds, quickly at first and then slowly (M. Zhu, S. Gupta, arXiv:1710.01878).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

FEWEST = 64
"""Elements below which a tensor is left as it is: biases and norms are few, and much hangs on them."""


def weights_of(model: nn.Module) -> dict[str, nn.Parameter]:
    """Filters and matrices by name: parameters with two sides or more, and `FEWEST` elements.

    >>> list(weights_of(nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))))
    ['0.weight']
    """
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if sum(side > 1 for side in parameter.shape) > 1
        and parameter.numel() >= FEWEST
        and parameter.dtype == torch.float32
    }


def scores(weight: torch.Tensor) -> torch.Tensor:
    """LAMP scores of one tensor, in its shape: 0 for zeros, 1 for the largest.

    >>> scores(torch.tensor([[1.0, -2.0], [0.0, 2.0]]))
    tensor([[0.1111, 0.5000],
            [0.0000, 1.0000]])
    """
    squares = weight.detach().reshape(-1).double().square()
    rising, order = squares.sort(stable=True)
    left = rising.flip(0).cumsum(0).flip(0)
    found = torch.empty_like(squares)
    found[order] = rising / left.clamp_min(1e-300)
    return found.reshape(weight.shape).to(torch.float32)


class Ranking:
    """All weights of a net in the order in which they go."""

    def __init__(self, weights: Mapping[str, torch.Tensor]) -> None:
        self.scores = {name: scores(weight) for name, weight in weights.items()}
        self._rising = torch.cat([each.reshape(-1) for each in self.scores.values()]).sort().values
        self.total = len(self._rising)
        self.present = int((self._rising > 0).sum())
        """Weights that are not 0 yet."""

    def keep(self, share: float) -> dict[str, torch.Tensor]:
        """Masks that leave so large a share of all weights, those with the highest scores; True stays.

        >>> ranking = Ranking({"a": torch.tensor([[3.0, 1.0]]), "b": torch.tensor([[0.1, 0.2]])})
        >>> {name: mask.tolist() for name, mask in ranking.keep(0.5).items()}
        {'a': [[True, False]], 'b': [[False, True]]}
        """
        count = min(self.total, max(1, round(share * self.total)))
        limit = self._rising[self.total - count]
        return {name: (each >= limit) & (each > 0) for name, each in self.scores.items()}


def share_in_round(number: int, rounds: int, final: float) -> float:
    """What stays after round 1, 2, … of so many: quickly at first, slowly in the end.

    >>> [round(share_in_round(number, 4, 0.1), 3) for number in (1, 2, 3, 4)]
    [0.48, 0.213, 0.114, 0.1]
    """
    return final + (1 - final) * (1 - number / rounds) ** 3


def apply(weights: Mapping[str, nn.Parameter], masks: Mapping[str, torch.Tensor]) -> None:
    """Set to 0 what a mask leaves out."""
    with torch.no_grad():
        for name, mask in masks.items():
            weights[name].mul_(mask)
