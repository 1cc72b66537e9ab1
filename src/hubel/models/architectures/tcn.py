"""A temporal convolutional net: S. Bai, J. Kolter, V. Koltun, An Empirical Evaluation of Generic Convolutional and
Recurrent Networks for Sequence Modeling, 2018, arXiv 1803.01271; figure 1.

    stage     operation                                                      sees, of size 3
    block1    twice: causal conv, weight norm, ReLU, drop-out; identity      1 + 4 steps
    block2    the same, dilated by 2                                         1 + 4 + 8
    blockN    the same, dilated by 2^(N-1)                                   1 + 2 (size - 1) (2^N - 1)
    head      dense, after each step                                         K

Letters: B batch, F features of a step (of a row C·W), T steps (of a picture H), K classes or numbers.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from hubel.models.architectures.recurrent import at_the_end, rows_of


class CausalConv(nn.Conv1d):
    """A convolution that sees no later step, with normalised weights w = g v / |v|: B C T -> B C' T.

    T. Salimans, D. Kingma, Weight Normalization, NIPS 2016.
    """

    def __init__(self, in_maps: int, maps: int, size: int, dilation: int) -> None:
        super().__init__(in_maps, maps, size, dilation=dilation)
        self.gain = nn.Parameter(self.weight.detach().flatten(1).norm(dim=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        length = self.weight.flatten(1).norm(dim=1).clamp_min(1e-12)
        weight = self.weight * (self.gain / length)[:, None, None]
        (size,), (dilation,) = self.kernel_size, self.dilation
        return F.conv1d(F.pad(x, ((size - 1) * dilation, 0)), weight, self.bias, dilation=dilation)


class CausalBlock(nn.Module):
    """Two causal convolutions with ReLU and drop-out, beside the identity: B C T -> B maps T."""

    def __init__(self, in_maps: int, maps: int, size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = CausalConv(in_maps, maps, size, dilation)
        self.conv2 = CausalConv(maps, maps, size, dilation)
        self.drop = nn.Dropout1d(dropout)  # whole maps, as the authors do
        self.shortcut = nn.Conv1d(in_maps, maps, 1) if in_maps != maps else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.drop(self.conv1(x).relu())
        y = self.drop(self.conv2(y).relu())
        return (y + self.shortcut(x)).relu()


class TemporalNet(nn.Module):
    """Series B F T, whose last feature is 1 up to their end, or pictures B C H W, row by row, -> logits B K at the end,
    or answers B T K after each step.
    """

    head = "classify"

    def __init__(self, num_classes: int, features: int, maps: int, levels: int, size: int, dropout: float) -> None:
        super().__init__()
        self.stages = tuple(f"block{level}" for level in range(1, levels + 1))
        for level, name in enumerate(self.stages):
            self.add_module(name, CausalBlock(maps if level else features, maps, size, 2**level, dropout))
        self.classify = nn.Linear(maps, num_classes)

    def states(self, images: torch.Tensor) -> torch.Tensor:
        """What is known after each step: B T maps."""
        x = rows_of(images).transpose(1, 2)  # B F T
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return x.transpose(1, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classify(at_the_end(self.states(images), images))

    def steps(self, images: torch.Tensor) -> torch.Tensor:
        """Answers after every step, B T K: none of them knows what comes later, nor what stands behind the end."""
        return self.classify(self.states(images))


def tcn(
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    maps: int = 64,
    levels: int = 6,
    size: int = 3,
    dropout: float = 0.0,
) -> TemporalNet:
    """A net of `levels` blocks of `maps` maps; kernels of `size` steps, `dropout` of whole maps."""
    return TemporalNet(num_classes, in_chans * img_size[1], maps, levels, size, dropout)
