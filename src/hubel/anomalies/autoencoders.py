"""Nets that learn to give a normal picture back through a narrow place: what they cannot give back is strange.

The plain error of every pixel is mostly that of edges, which are always a little off, to either side. Averaged over the
places around, such errors cancel, and what is missing or too much stays; a defect is small, so that the mean of the
largest twentieth counts. On MNIST that is worth several points of AUROC (docs/anomaly.md).

Letters: N pictures, C channels, H height, W width, L numbers in the narrow place.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hubel.anomalies.eyes import Eyes, shrunken
from hubel.anomalies.flat import top_mean
from hubel.anomalies.settings import Settings, State
from hubel.anomalies.training import filled, fresh, learn, weights_of
from hubel.watching import Watcher

SIDE = 64
"""Pixels a side that the nets see at most; of larger pictures the means over blocks."""
TOP = 0.05
"""Share of the places, those that are farthest off, whose mean is the score."""
NOISE = 0.2
"""Deviation of what is added to the pictures while learning, so that nothing is given back by mere copying."""


class AutoEncoder(nn.Module):
    """Convolutions of stride 2 down to a vector of L numbers, and back; with `spread`, a Gaussian there (VAE).

    Shapes: B C H W to B C H W; values 0..1.

    >>> net = AutoEncoder((1, 28, 28), latent=16, width=16)
    >>> net(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(self, shape: tuple[int, int, int], *, latent: int, width: int, spread: bool = False) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        self.spread = spread
        depth = max(1, min(3, int(math.log2(max(4, min(shape[1:])) / 4))))
        widths = [width * 2**i for i in range(depth)]
        down: list[nn.Module] = []
        before = channels
        for after in widths:
            down += [nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.1)]
            before = after
        self.down = nn.Sequential(*down)
        self.small = (-(-self.height // 2**depth), -(-self.width // 2**depth))
        size = widths[-1] * self.small[0] * self.small[1]
        self.narrow = nn.Linear(size, latent * (2 if spread else 1))
        self.wide = nn.Linear(latent, size)
        up: list[nn.Module] = []
        for after in [*reversed(widths[:-1]), width]:
            up += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.1)]
            before = after
        self.up = nn.Sequential(*up, nn.Conv2d(before, channels, 3, 1, 1))
        self.first = widths[-1]

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """B L: the place of each picture; of a VAE its mean and the logarithm of its variance."""
        found = self.narrow(self.down(images).flatten(1))
        if not self.spread:
            return found, None
        mean, log_variance = found.chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 4)

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """B C H W of 0..1."""
        maps = self.wide(latent).unflatten(1, (self.first, *self.small))
        return torch.sigmoid(self.up(maps)[:, :, : self.height, : self.width])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Given back from the mean."""
        return self.decode(self.encode(images)[0])


def _build(images: np.ndarray, settings: Settings, *, spread: bool) -> tuple[partial[AutoEncoder], torch.Tensor]:
    small = shrunken(torch.from_numpy(np.ascontiguousarray(images)), SIDE)
    shape = (int(small.shape[1]), int(small.shape[2]), int(small.shape[3]))
    latent = settings.latent or (16 if max(shape[1:]) <= 32 else 64)
    return partial(AutoEncoder, shape, latent=latent, width=16, spread=spread), small


def _plain_loss(net: nn.Module, batch: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    noise = torch.randn(batch.shape, generator=draw).to(batch.device)
    return functional.mse_loss(net(batch + NOISE * noise), batch)


def _spread_loss(net: nn.Module, batch: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Minus the evidence bound, for Gaussian pixels of deviation 0.1."""
    assert isinstance(net, AutoEncoder)
    mean, log_variance = net.encode(batch)
    assert log_variance is not None
    noise = torch.randn(mean.shape, generator=draw).to(batch.device)
    given = net.decode(mean + (log_variance / 2).exp() * noise)
    off = ((given - batch) ** 2).flatten(1).sum(dim=1) / (2 * 0.1**2)
    divergence = (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2
    return (off + divergence).mean() / batch[0].numel()


def fit_autoencoder(eyes: Eyes, images: np.ndarray, settings: Settings, watch: Watcher) -> State:
    """A denoising autoencoder, and how its errors usually are."""
    return _fit(images, settings, watch, spread=False)


def fit_vae(eyes: Eyes, images: np.ndarray, settings: Settings, watch: Watcher) -> State:
    """A variational autoencoder, and how its errors usually are."""
    return _fit(images, settings, watch, spread=True)


def _fit(images: np.ndarray, settings: Settings, watch: Watcher, *, spread: bool) -> State:
    build, small = _build(images, settings, spread=spread)
    net = fresh(build, settings.seed)
    learn(net, small, _spread_loss if spread else _plain_loss, settings, watch)
    net.eval()
    shape = [*small.shape[1:], build.keywords["latent"], build.keywords["width"], int(spread)]
    return {**weights_of(net), "shape": np.array(shape, np.int64)}


def look(eyes: Eyes, state: State, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Where the picture and what was given back differ, over 3 x 3 places; a score is the mean of the largest."""
    net = opened(state, eyes.device)
    small = shrunken(torch.from_numpy(np.ascontiguousarray(images)), SIDE)
    found = []
    with torch.inference_mode():
        for start in range(0, len(small), 256):
            found.append(seen(net, small[start : start + 256].to(eyes.device)).cpu().numpy())
    maps = np.concatenate(found) if found else np.zeros((0, *small.shape[2:]), np.float32)
    return top_mean(maps, TOP), maps


def opened(state: State, device: str) -> nn.Module:
    """The net from what was learnt. Raises ValueError for what is none."""
    channels, height, width, latent, wide, spread = (int(x) for x in state["shape"])
    if not all(0 < side <= 4096 for side in (channels, height, width, latent, wide)):
        raise ValueError("no net has such a shape")
    empty = AutoEncoder((channels, height, width), latent=latent, width=wide, spread=bool(spread))
    return filled(empty, state, device)


def seen(net: nn.Module, small: torch.Tensor) -> torch.Tensor:
    """Maps B H W of pictures of the size that the net sees: the error, averaged over 3 x 3 places."""
    return functional.avg_pool2d(small - net(small), 3, 1, 1, count_include_pad=False).abs().mean(dim=1)
