"""What the Inception nets share: a convolution with batch normalisation and ReLU, and paths side by
side.

Module names inside `ConvBn` (conv, bn) are torchvision's, so that its GoogLeNet and Inception v3 load as they are.
"""

from __future__ import annotations

import torch
from torch import nn

Size = int | tuple[int, int]


class ConvBn(nn.Module):
    """Convolution without bias, batch normalisation (eps 0.001 as in the Inception papers' code), ReLU."""

    def __init__(self, in_maps: int, maps: int, kernel: Size, stride: Size = 1, padding: Size = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_maps, maps, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(maps, eps=0.001)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.bn(self.conv(x)))


class Paths(nn.Module):
    """Modules `branch1`, `branch2` … side by side over the same maps; what they give is stacked along the maps."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        for number, branch in enumerate(branches, start=1):
            self.add_module(f"branch{number}", branch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.children()], dim=1)


def same(kernel: Size) -> Size:
    """The padding that keeps the size for an odd window.

    >>> same(3), same((1, 7))
    (1, (0, 3))
    """
    return kernel // 2 if isinstance(kernel, int) else (kernel[0] // 2, kernel[1] // 2)


def chain(in_maps: int, *steps: tuple[int, Size]) -> nn.Sequential:
    """Steps (maps, kernel) as one path of `ConvBn` that keeps the size."""
    layers = []
    for maps, kernel in steps:
        layers.append(ConvBn(in_maps, maps, kernel, padding=same(kernel)))
        in_maps = maps
    return nn.Sequential(*layers)


def initialise(net: nn.Module) -> None:
    """He's normal initialisation by fan-in for convolutions: the sizes of the sums stay the same at any depth."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
