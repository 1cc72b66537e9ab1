"""A net whose convolutions are computed by another: D. Ha, A. Dai, Q. Le, HyperNetworks, ICLR 2017, arXiv 1609.09106;
the static hypernetwork of section 3.1, here for a residual net of three stages.

    stage    operation                                       maps
    stem     conv 3x3                                        16
    stages   2 convs 3x3 a block, each behind BN and ReLU    16, 32, 64; the second and third halve the picture
    head     BN, ReLU, global average, dense                 K

    kernel of 16 x 16 maps, of z (Z numbers, learnt, one a kernel):
        a_i = W_i z + b_i           for each map i that comes in           (equation 2)
        K_i = s (V a_i + c)         16 x 3 x 3 weights of that map; s is a fixed number

One W, b, V, c serve all layers; a layer of 64 maps from 32 is 4 x 2 such kernels side by side, so that a layer costs
eight times Z numbers in place of 18,432. Letters: B batch, C channels, H W, K classes, Z numbers of a z, N kernels.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

BASIC, SIZE = 16, 3
"""Maps in and out of a kernel that is computed at once, and its side."""
USUAL = math.sqrt(2 / (BASIC * SIZE * SIZE))
"""Deviation of weights as a net begins, of 16 maps (He et al. 2015)."""
SWIFT = 4
"""What is learnt begins so many times smaller and is multiplied by it: a step of a usual rate then moves a computed
kernel about as far as it would move a kernel of the net's own. Not in the paper."""
WIDTHS = (16, 32, 64)


class Hyper(nn.Module):
    """Kernels of numbers that stand for them: N Z -> N 16 16 3 3 (out, in, height, width).

    >>> Hyper(4)(torch.zeros(5, 4)).shape
    torch.Size([5, 16, 16, 3, 3])
    """

    def __init__(self, code: int) -> None:
        super().__init__()
        self.inner = nn.Linear(code, BASIC * code)
        self.outer = nn.Linear(code, BASIC * SIZE * SIZE)
        # Two layers without a bend between; what comes out has the deviation of He et al.
        for layer in (self.inner, self.outer):
            nn.init.normal_(layer.weight, std=code**-0.5 / SWIFT)
        nn.init.zeros_(self.inner.bias)
        nn.init.zeros_(self.outer.bias)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        inner = SWIFT * self.inner(SWIFT * codes).unflatten(1, (BASIC, -1))  # N in Z
        return USUAL * SWIFT * self.outer(inner).unflatten(2, (BASIC, SIZE, SIZE)).transpose(1, 2)


class Computed(nn.Module):
    """A convolution that holds the numbers of its kernels, and is given the kernels."""

    def __init__(self, in_maps: int, maps: int, stride: int, code: int) -> None:
        super().__init__()
        self.stride = stride
        self.codes = nn.Parameter(torch.randn(maps // BASIC, in_maps // BASIC, code) / SWIFT)

    def weight(self, hyper: Hyper) -> torch.Tensor:
        """The kernel in the usual order: maps out, maps in, height, width."""
        high, wide, code = self.codes.shape
        tiles = hyper(self.codes.reshape(high * wide, code)).unflatten(0, (high, wide))
        # Divided by the number of tiles a map adds up, as He's rule does for maps that come in.
        return tiles.transpose(1, 2).reshape(high * BASIC, wide * BASIC, SIZE, SIZE) / math.sqrt(wide)

    def forward(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, weight, stride=self.stride, padding=SIZE // 2)


class Block(nn.Module):
    """BN, ReLU, convolution, twice, beside a shortcut that takes every second place and fills up with zeros."""

    def __init__(self, in_maps: int, maps: int, stride: int, code: int) -> None:
        super().__init__()
        self.more, self.stride = maps - in_maps, stride
        self.bn1, self.bn2 = nn.BatchNorm2d(in_maps), nn.BatchNorm2d(maps)
        self.conv1, self.conv2 = Computed(in_maps, maps, stride, code), Computed(maps, maps, 1, code)

    def forward(self, x: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        beside = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))
        x = self.conv1(self.bn1(x).relu(), first)
        return self.conv2(self.bn2(x).relu(), second) + beside


class HyperNetwork(nn.Module):
    """Images B C H W -> logits B K. `kernels` are the weights that it computes.

    >>> net = hypernetwork(num_classes=10, in_chans=1, img_size=(28, 28))
    >>> [tuple(kernel.shape) for kernel in net.kernels()][-2:], net.codes().shape
    ([(64, 32, 3, 3), (64, 64, 3, 3)], torch.Size([32, 16]))
    """

    head = "fc"

    def __init__(self, num_classes: int, in_chans: int, code: int, blocks: int) -> None:
        super().__init__()
        self.hyper = Hyper(code)
        self.stem = nn.Conv2d(in_chans, WIDTHS[0], 3, padding=1, bias=False)
        made, before = [], WIDTHS[0]
        for stage, maps in enumerate(WIDTHS):
            for block in range(blocks):
                made.append(Block(before, maps, 2 if stage and not block else 1, code))
                before = maps
        self.blocks = nn.ModuleList(made)
        self.bn = nn.BatchNorm2d(before)
        self.fc = nn.Linear(before, num_classes)
        self.stages = ("stem", *(f"blocks.{index}" for index in range(len(made))))

    def convolutions(self) -> list[Computed]:
        """Those whose weights are computed, in order of depth."""
        return [conv for block in self.blocks for conv in (block.conv1, block.conv2) if isinstance(conv, Computed)]

    def codes(self) -> torch.Tensor:
        """N Z: the numbers of all kernels of 16 x 16 maps."""
        return torch.cat([conv.codes.flatten(0, 1) for conv in self.convolutions()])

    def kernels(self) -> list[torch.Tensor]:
        """The weights of each convolution, as they are now."""
        return [conv.weight(self.hyper) for conv in self.convolutions()]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x, kernels = self.stem(images), self.kernels()
        for index, block in enumerate(self.blocks):
            x = block(x, *kernels[2 * index : 2 * index + 2])
        return self.fc(self.bn(x).relu().mean(dim=(2, 3)))


def hypernetwork(
    *, num_classes: int, in_chans: int, img_size: tuple[int, int], code: int = 16, blocks: int = 1
) -> HyperNetwork:
    """`blocks` residual blocks a stage; `code` numbers stand for each kernel of 16 x 16 maps. Any size fits."""
    return HyperNetwork(num_classes, in_chans, code, blocks)
