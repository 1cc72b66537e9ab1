"""The LeNets: weights shared over the picture, learned by back-propagation.

LeNet 1989. Y. LeCun et al., Backpropagation Applied to Handwritten Zip Code Recognition, Neural Computation 1(4), 1989:

    layer   maps/units   size    sees                          weights + biases (one bias a unit, not shared)
    H1      12           8x8     5x5 of the picture, stride 2  300 + 768
    H2      12           4x4     5x5 of 8 H1 maps, stride 2    2,400 + 192
    H3      30                   all of H2                     5,760 + 30
    output  10                   all of H3                     300 + 10        together 9,760

LeNet-5. Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-Based Learning Applied to Document Recognition,
Proceedings of the IEEE 86(11), 1998, figure 2 and section II.B:

    layer   maps   size     operation                                                   parameters
    C1      6      28x28    convolution 5x5                                             156
    S2      6      14x14    sum of 2x2, times a trainable coefficient, plus a bias      12
    C3      16     10x10    convolution 5x5 of some maps of S2 (table I)                1,516
    S4      16     5x5      as S2                                                       32
    C5      120    1x1      convolution 5x5 of all maps                                 48,120
    F6      84              dense                                                       10,164
    output  10              squared distance to a fixed code of 7x12 pixels (RBF)       0               together 60,000

Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from hubel.errors import UsageError

# Table I: which maps of S2 (rows) each map of C3 (columns) sees.
TABLE_I = (
    "X...XXX..XXXX.XX",
    "XX...XXX..XXXX.X",
    "XXX...XXX..X.XXX",
    ".XXX..XXXX..X.XX",
    "..XXX..XXXX.XX.X",
    "...XXX..XXXX.XXX",
)

# The codes of the output units: stylised digits of 7x12 pixels (our drawing; the paper prints its own in figure 3).
DIGITS = """
.#####.  ...#...  .#####.  .#####.  #.....#  #######  ..####.  #######  .#####.  .#####.
#.....#  ..##...  #.....#  #.....#  #.....#  #......  .#....#  ......#  #.....#  #.....#
#.....#  .#.#...  ......#  ......#  #.....#  #......  #......  ......#  #.....#  #.....#
#.....#  #..#...  ......#  ......#  #.....#  #......  #......  .....#.  #.....#  #.....#
#.....#  ...#...  ......#  ......#  #.....#  #......  #......  .....#.  #.....#  #.....#
#.....#  ...#...  .....#.  ..####.  #######  ######.  ######.  ....#..  .#####.  .######
#.....#  ...#...  ....#..  ......#  ......#  ......#  #.....#  ....#..  #.....#  ......#
#.....#  ...#...  ...#...  ......#  ......#  ......#  #.....#  ...#...  #.....#  ......#
#.....#  ...#...  ..#....  ......#  ......#  ......#  #.....#  ...#...  #.....#  ......#
#.....#  ...#...  .#.....  ......#  ......#  ......#  #.....#  ..#....  #.....#  ......#
#.....#  ...#...  #......  #.....#  ......#  #.....#  #.....#  ..#....  #.....#  #....#.
.#####.  .#####.  #######  .#####.  ......#  .#####.  .#####.  ..#....  .#####.  .####..
"""

Table = tuple[tuple[int, int], ...]
"""Pairs (map that is seen, map that sees it)."""


class Squash(nn.Module):
    """A tanh(S a) with A = 1.7159 and S = 2/3: passes through (1, 1) and (-1, -1), where it bends most (appendix A)."""

    def forward(self, a: torch.Tensor) -> torch.Tensor:
        return 1.7159 * torch.tanh(2 / 3 * a)


class TableConv(nn.Module):
    """A convolution whose maps see only those input maps that a table names: one k x k kernel for each pair.

    `bias_size` (h, w) gives every output unit a bias of its own, as in 1989; without it a map shares one.
    `background` is the value of the pixels beyond the edge. B in_maps H W -> B maps h w.
    """

    sources: torch.Tensor
    targets: torch.Tensor

    def __init__(
        self,
        table: Table,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
        background: float = 0.0,
        bias_size: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__()
        sources, targets = zip(*table, strict=True)
        self.register_buffer("sources", torch.tensor(sources), persistent=False)
        self.register_buffer("targets", torch.tensor(targets), persistent=False)
        self.in_maps, self.maps = max(sources) + 1, max(targets) + 1
        self.stride, self.padding, self.background = stride, padding, background
        self.weight = nn.Parameter(torch.empty(len(table), kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(self.maps, *bias_size))
        seen = len(table) // self.maps
        _uniform(self.weight, fan_in=seen * kernel * kernel)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel = self.weight.shape[-1]
        dense = self.weight.new_zeros(self.maps, self.in_maps, kernel, kernel)
        dense = dense.index_put((self.targets, self.sources), self.weight)
        x = nn.functional.pad(x, (self.padding,) * 4, value=self.background)
        return nn.functional.conv2d(x, dense, stride=self.stride) + self.bias


class Subsampling(nn.Module):
    """Sum of each 2x2 window, times a trainable coefficient, plus a bias. B maps H W -> B maps H/2 W/2."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.empty(maps, 1, 1))
        self.bias = nn.Parameter(torch.zeros(maps, 1, 1))
        _uniform(self.coefficient, fan_in=4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 4 * nn.functional.avg_pool2d(x, 2) * self.coefficient + self.bias


class EuclideanRbf(nn.Module):
    """Minus the squared distance to a fixed code of -1 and +1 for each class, equation 7. B 84 -> B K.

    Softmax cross-entropy over these logits is the paper's discriminative criterion, equation 9 without the constant j.
    With ten classes the codes are pictures of the digits; with any other number they are drawn at random once.
    """

    codes: torch.Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.in_features, self.out_features = 84, num_classes
        if num_classes == 10:
            rows = [line.split() for line in DIGITS.split("\n") if line]
            pixels = [[mark == "#" for row in rows for mark in row[digit]] for digit in range(10)]
            codes = torch.tensor(pixels).float() * 2 - 1
        else:
            drawn = torch.Generator(device="cpu").manual_seed(1998)
            codes = torch.randint(0, 2, (num_classes, 84), generator=drawn, device="cpu").float() * 2 - 1
            codes = codes.to(torch.get_default_device())
        self.register_buffer("codes", codes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -(x[:, None, :] - self.codes).square().sum(dim=2)


class LeNet1989(nn.Module):
    """The zip-code net of 1989. Images B C H W (16x16 in the paper) -> logits B K."""

    stages = ("h1", "h2", "h3")
    head = "output"

    def __init__(self, num_classes: int, in_chans: int, img_size: tuple[int, int]) -> None:
        super().__init__()
        size1 = tuple(math.ceil(side / 2) for side in img_size)
        size2 = tuple(math.ceil(side / 2) for side in size1)
        every = tuple((source, target) for target in range(12) for source in range(in_chans))
        # The paper chooses 8 maps by a scheme that it does not describe; ours: the next 8 in a circle.
        eight = tuple(((target + step) % 12, target) for target in range(12) for step in range(8))
        # Beyond the edge lies the background, -1; a unit has its own bias.
        self.h1 = nn.Sequential(
            TableConv(every, 5, stride=2, padding=2, background=-1.0, bias_size=(size1[0], size1[1])), Squash()
        )
        self.h2 = nn.Sequential(
            TableConv(eight, 5, stride=2, padding=2, background=-1.0, bias_size=(size2[0], size2[1])), Squash()
        )
        self.h3 = nn.Sequential(nn.Flatten(), nn.Linear(12 * size2[0] * size2[1], 30), Squash())
        # The paper squashes the ten outputs too and regresses on them; we leave logits, for the losses of today.
        self.output = nn.Linear(30, num_classes)
        _initialise_dense(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.h1(images)  # B 12 H/2 W/2
        x = self.h2(x)  # B 12 H/4 W/4
        x = self.h3(x)  # B 30
        return self.output(x)  # B K


class LeNet5(nn.Module):
    """LeNet-5 as printed. Images B C H W, at most 32x32 (smaller ones get a margin of zeros) -> logits B K."""

    stages = ("c1", "s2", "c3", "s4", "c5", "f6")
    head = "output"

    def __init__(self, num_classes: int, in_chans: int, img_size: tuple[int, int], output: str) -> None:
        super().__init__()
        height, width = img_size
        if max(height, width) > 32:
            raise UsageError(
                f"lenet5 takes images of at most 32x32 pixels, got {height}x{width}",
                hint="use --img-size 32, or lenet5_modern, which takes any size from 12 on",
            )
        if output not in ("rbf", "dense"):
            raise UsageError(
                f"output must be rbf or dense, got {output!r}",
                hint="rbf is the paper's; dense learns with cross-entropy",
            )
        top, left = (32 - height) // 2, (32 - width) // 2
        self.margin = nn.ZeroPad2d((left, 32 - width - left, top, 32 - height - top))
        self.c1 = nn.Sequential(nn.Conv2d(in_chans, 6, 5), Squash())
        self.s2 = nn.Sequential(Subsampling(6), Squash())
        self.c3 = nn.Sequential(TableConv(_pairs(TABLE_I), 5), Squash())
        self.s4 = nn.Sequential(Subsampling(16), Squash())
        self.c5 = nn.Sequential(nn.Conv2d(16, 120, 5), Squash())
        self.f6 = nn.Sequential(nn.Flatten(), nn.Linear(120, 84), Squash())
        self.output = EuclideanRbf(num_classes) if output == "rbf" else nn.Linear(84, num_classes)
        _initialise_dense(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.c1(self.margin(images))  # B 6 28 28
        x = self.s2(x)  # B 6 14 14
        x = self.c3(x)  # B 16 10 10
        x = self.s4(x)  # B 16 5 5
        x = self.c5(x)  # B 120 1 1
        x = self.f6(x)  # B 84
        return self.output(x)  # B K


class LeNet5Modern(nn.Module):
    """LeNet-5 as taught today: all maps see all maps, ReLU, max-pooling. Images B C H W -> logits B K."""

    stages = ("conv1", "conv2", "fc1", "fc2")
    head = "fc3"

    def __init__(self, num_classes: int, in_chans: int, img_size: tuple[int, int], dropout: float) -> None:
        super().__init__()
        # The paper's 32x32 has a margin of its own; smaller pictures get it as padding (28 -> 28 as 32 -> 28).
        padding = 2 if min(img_size) < 32 else 0
        height, width = (((side + 2 * padding - 4) // 2 - 4) // 2 for side in img_size)
        self.conv1 = nn.Sequential(nn.Conv2d(in_chans, 6, 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2))
        self.conv2 = nn.Sequential(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2))
        self.fc1 = nn.Sequential(nn.Flatten(), nn.Linear(16 * height * width, 120), nn.ReLU())
        self.fc2 = nn.Sequential(nn.Linear(120, 84), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.conv1(images)  # B 6 14 14
        x = self.conv2(x)  # B 16 5 5
        x = self.fc1(x)  # B 120
        x = self.fc2(x)  # B 84
        return self.fc3(self.dropout(x))  # B K


def _pairs(table: Sequence[str]) -> Table:
    return tuple(
        (source, target) for target in range(len(table[0])) for source, row in enumerate(table) if row[target] == "X"
    )


def _uniform(weight: torch.Tensor, fan_in: int) -> None:
    """Uniform between ±2.4 / fan_in (1998, appendix A): sums start where the squashing is straight."""
    nn.init.uniform_(weight, -2.4 / fan_in, 2.4 / fan_in)


def _initialise_dense(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            _uniform(module.weight, fan_in=module.weight[0].numel())
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def lenet1989(*, num_classes: int, in_chans: int, img_size: tuple[int, int]) -> LeNet1989:
    """The net of 1989: 9,760 parameters for 16x16 pictures, K = 10; `img_size` sets how many biases there are."""
    return LeNet1989(num_classes, in_chans, img_size)


def lenet5(*, num_classes: int, in_chans: int, img_size: tuple[int, int], output: str = "rbf") -> LeNet5:
    """LeNet-5: 60,000 trainable parameters with `output` "rbf", 850 more with "dense" (K = 10)."""
    return LeNet5(num_classes, in_chans, img_size, output)


def lenet5_modern(*, num_classes: int, in_chans: int, img_size: tuple[int, int], dropout: float = 0.0) -> LeNet5Modern:
    """The LeNet-5 of textbooks: 61,706 parameters for 28x28 or 32x32, K = 10; `dropout` before the last layer."""
    return LeNet5Modern(num_classes, in_chans, img_size, dropout)
