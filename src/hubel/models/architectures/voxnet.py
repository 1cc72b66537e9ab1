"""A convolutional net for volumes: D. Maturana, S. Scherer, VoxNet: A 3D Convolutional Neural Network for Real-Time
Object Recognition, IROS 2015; figure 1.

    stage      operation                              for 32 x 32 x 32
    conv1      conv 5x5x5 stride 2, leaky ReLU 0.1    32 x 14 x 14 x 14
    conv2      conv 3x3x3, leaky ReLU 0.1             32 x 12 x 12 x 12
    pool       max 2x2x2                              32 x 6 x 6 x 6
    hidden     dense 128, ReLU                        128
    head       dense                                  K

A volume is a picture whose channels are its slices. Letters: B batch, D H W the volume, K classes.

>>> net = voxnet(num_classes=40, in_chans=32, img_size=(32, 32))
>>> sum(p.numel() for p in net.parameters())  # the paper's figure
921736
>>> net(torch.zeros(2, 32, 32, 32)).shape
torch.Size([2, 40])
"""

from __future__ import annotations

import torch
from torch import nn

from hubel.errors import UsageError

SMALL = 16
"""A volume with fewer places a side is not halved by the first layer, which then keeps its size."""
LEAST = 4
"""Places a side that are needed."""


class VoxNet(nn.Module):
    """Volumes B D H W -> logits B K."""

    stages = ("conv1", "conv2", "hidden")
    head = "classify"

    def __init__(self, num_classes: int, volume: tuple[int, int, int], dropout: bool) -> None:
        super().__init__()
        small = min(volume) < SMALL
        stride, padding = (1, 2) if small else (2, 0)
        first = [(side + 2 * padding - 5) // stride + 1 for side in volume]
        places = [(side - 2) // 2 for side in first]
        drops = (0.2, 0.3, 0.4) if dropout else (0.0, 0.0, 0.0)
        self.conv1 = nn.Sequential(nn.Conv3d(1, 32, 5, stride, padding), nn.LeakyReLU(0.1), nn.Dropout(drops[0]))
        self.conv2 = nn.Sequential(nn.Conv3d(32, 32, 3), nn.LeakyReLU(0.1), nn.MaxPool3d(2), nn.Dropout(drops[1]))
        units = 32 * places[0] * places[1] * places[2]
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(units, 128), nn.ReLU(), nn.Dropout(drops[2]))
        self.classify = nn.Linear(128, num_classes)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        x = volumes[:, None]  # B 1 D H W
        return self.classify(self.hidden(self.conv2(self.conv1(x))))


def voxnet(*, num_classes: int, in_chans: int, img_size: tuple[int, int], dropout: bool = True) -> VoxNet:
    """The net for volumes of `in_chans` slices; `dropout` as in the paper: 0.2, 0.3 and 0.4."""
    volume = (in_chans, *img_size)
    if min(volume) < LEAST:
        raise UsageError(
            f"voxnet takes volumes of at least {LEAST} places a side, got {' x '.join(map(str, volume))}",
            hint="a picture is no volume: its channels would be the slices; --model quicknet for pictures",
        )
    return VoxNet(num_classes, volume, dropout)
