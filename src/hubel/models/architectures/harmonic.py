"""Harmonic network: D. Worrall et al., Harmonic Networks: Deep Translation and Rotation Equivariance, CVPR 2017,
arXiv 1612.04642. A turn of the picture by any angle θ turns the phase of every map of order m by mθ.

    W_m(r, φ) = R(r) e^{i (m φ + β)}                 a circular harmonic; R and β are learned           (equation 4)
    order of a result = order of the filter + order of the map                                           (equation 9)

    conv 5x5, orders 0 and 1 | C-ReLU, norm | x 2 | mean-pool 2 | x 2 | mean-pool 2 | x 2 | |order 0| averaged, dense K

Maps are complex: B M 2 C H W, M orders, 2 for real and imaginary part. Magnitudes pass through the C-ReLU, phases stay
(equation 10). On a pixel grid quarter turns are exact; other angles are as good as the sampling of the filters.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

ORDERS = 2
"""Streams of rotation order 0 and 1, as in the paper's nets."""


def basis(size: int, order: int) -> torch.Tensor:
    """J 2 k k: Gaussian rings at the radii 0, 1, …, times cos and sin of (order · angle). No ring at 0 for order ≠ 0.

    >>> basis(5, 0).shape, basis(5, 1).shape
    (torch.Size([3, 2, 5, 5]), torch.Size([2, 2, 5, 5]))
    """
    reach = size // 2
    line = torch.arange(-reach, reach + 1, dtype=torch.float64)
    y, x = torch.meshgrid(-line, line, indexing="ij")  # y points up
    radius, angle = torch.hypot(x, y), torch.atan2(y, x)
    rings = []
    for middle in range(1 if order else 0, reach + 1):
        ring = torch.exp(-((radius - middle) ** 2) / (2 * 0.5**2))
        if order:
            ring[reach, reach] = 0.0  # at the centre there is no angle
        wave = torch.stack([ring * torch.cos(order * angle), ring * torch.sin(order * angle)])
        rings.append(wave / ring.norm())
    return torch.stack(rings).float()


class HarmonicConv(nn.Module):
    """Complex cross-correlation with harmonics: orders 0..M-1 of B M 2 C H W -> the same orders of B M 2 C' H W."""

    def __init__(self, in_maps: int, maps: int, size: int = 5, *, in_orders: int = ORDERS) -> None:
        super().__init__()
        self.in_orders, self.size = in_orders, size
        self.rings = nn.ParameterDict()
        self.phases = nn.ParameterDict()
        for out in range(ORDERS):
            for came in range(in_orders):
                filters = basis(size, out - came)
                self.register_buffer(f"basis_{out}_{came}", filters, persistent=False)
                scale = math.sqrt(1 / (in_maps * in_orders * len(filters)))
                self.rings[f"{out}_{came}"] = nn.Parameter(torch.randn(maps, in_maps, len(filters)) * scale)
                self.phases[f"{out}_{came}"] = nn.Parameter(torch.rand(maps, in_maps) * 2 * math.pi)

    def kernel(self, out: int, came: int) -> torch.Tensor:
        """2 C' C k k: real and imaginary part of the filter from order `came` to order `out`."""
        waves = self.get_buffer(f"basis_{out}_{came}")  # J 2 k k
        real, imaginary = torch.einsum("oij,jpyx->poiyx", self.rings[f"{out}_{came}"], waves)
        phase = self.phases[f"{out}_{came}"][:, :, None, None]
        cos, sin = torch.cos(phase), torch.sin(phase)
        return torch.stack([real * cos - imaginary * sin, real * sin + imaginary * cos])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = []
        for out in range(ORDERS):
            real_row, imaginary_row = [], []
            for came in range(self.in_orders):
                real, imaginary = self.kernel(out, came)
                real_row += [real, -imaginary]  # (a + ib)(c + id) = ac - bd + i (ad + bc)
                imaginary_row += [imaginary, real]
            rows += [torch.cat(real_row, dim=1), torch.cat(imaginary_row, dim=1)]
        bank = torch.cat(rows)  # M·2·C'  M·2·C  k k
        planes = F.conv2d(x.flatten(1, 3), bank, padding=self.size // 2)
        return planes.unflatten(1, (ORDERS, 2, -1))


class MagnitudeNorm(nn.Module):
    """Magnitudes divided by their mean square over the batch: phases, and so the equivariance, stay as they are."""

    mean_square: torch.Tensor

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(ORDERS, maps))
        self.register_buffer("mean_square", torch.ones(ORDERS, maps))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            now = x.square().sum(2).mean(dim=(0, 3, 4))  # M C
            with torch.no_grad():
                self.mean_square.lerp_(now.float(), 0.1)
        else:
            now = self.mean_square
        return x * (self.scale * torch.rsqrt(now + 1e-5))[:, None, :, None, None]


class ComplexReLU(nn.Module):
    """ReLU(|z| + b) z / |z|: equation 10."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(ORDERS, maps))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        magnitude = torch.sqrt(x.square().sum(2, keepdim=True) + 1e-8)  # B M 1 C H W
        return x * (F.relu(magnitude + self.bias[:, None, :, None, None]) / magnitude)


class HarmonicNet(nn.Module):
    """Pictures B C H W -> logits B K that no turn of the picture changes; a stage gives complex maps B M 2 C H W."""

    stages = ("stage1", "stage2", "stage3")
    head = "classify"

    def __init__(self, num_classes: int, in_chans: int, maps: tuple[int, int, int]) -> None:
        super().__init__()
        first, second, third = maps
        self.stage1 = self.stage(in_chans, first, in_orders=1)
        self.stage2 = self.stage(first, second)
        self.stage3 = self.stage(second, third)
        self.classify = nn.Linear(third, num_classes)

    @staticmethod
    def stage(in_maps: int, maps: int, in_orders: int = ORDERS) -> nn.Sequential:
        """Two convolutions with what follows each."""
        return nn.Sequential(
            HarmonicConv(in_maps, maps, in_orders=in_orders), MagnitudeNorm(maps), ComplexReLU(maps),
            HarmonicConv(maps, maps), MagnitudeNorm(maps), ComplexReLU(maps),
        )  # fmt: skip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = torch.stack([images, torch.zeros_like(images)], dim=1)[:, None]  # B 1 2 C H W: order 0, real
        x = self.stage2(halved(self.stage1(x)))
        x = self.stage3(halved(x))  # B M 2 C H/4 W/4
        magnitude = torch.sqrt(x[:, 0].square().sum(1) + 1e-8) + torch.sqrt(x[:, 1].square().sum(1) + 1e-8)
        return self.classify(magnitude.mean(dim=(2, 3)))  # B K

    def turned_channels(self, maps: torch.Tensor, degrees: float) -> torch.Tensor:
        """What turning the picture does to maps B M 2 C H W beside turning them: the phase of order m goes on by m θ.

        Counter-clockwise.
        """
        angle = torch.arange(maps.shape[1], device=maps.device) * math.radians(degrees)
        cos, sin = (wave[:, None, None, None] for wave in (angle.cos(), angle.sin()))
        real, imaginary = maps.unbind(dim=2)
        return torch.stack([real * cos - imaginary * sin, real * sin + imaginary * cos], dim=2)


def halved(x: torch.Tensor) -> torch.Tensor:
    """Mean-pooling by 2, which commutes with turns of maps with even sides."""
    return F.avg_pool2d(x.flatten(1, 3), 2).unflatten(1, x.shape[1:4])


def harmonic_net(
    *, num_classes: int, in_chans: int, img_size: tuple[int, int], maps: tuple[int, int, int] = (8, 16, 35)
) -> HarmonicNet:
    """The net of the paper's rotated-MNIST experiment in outline: three stages of `maps` complex maps per order."""
    return HarmonicNet(num_classes, in_chans, (maps[0], maps[1], maps[2]))
