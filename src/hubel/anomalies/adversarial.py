"""A net that learnt to make normal pictures, and one that finds of which numbers it would make a given one (f-AnoGAN).

Three parts, one after the other within the time that is allowed. A generator and a critic play against each other
until pictures that are made look normal (WGAN-GP: Gulrajani et al., arXiv:1704.00028). Then both stand still, and an
encoder learns to bring a picture to such numbers that the generator makes the same one of them, to the eye and to the
critic's inner values (izi_f: Schlegl et al., f-AnoGAN, Medical Image Analysis 2019, equation 4). A picture
that cannot be made is strange (equation 6). The nets are dense: at these sizes they learn most in a second of a CPU.

Letters: B pictures, C channels, H height, W width, L numbers a picture is made of, F numbers in the critic.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hubel.anomalies.autoencoders import TOP
from hubel.anomalies.eyes import Eyes, shrunken
from hubel.anomalies.flat import most_of
from hubel.anomalies.settings import Settings, State
from hubel.anomalies.training import filled, fresh, learn, paced, weights_of
from hubel.watching import Watcher, Within

SIDE = 32
"""Pixels a side that the nets see at most; of larger pictures the means over blocks."""
WIDTH = 256
LATENT = 32
GAME = 0.6
"""Share of the time for generator and critic; the encoder has the rest."""
STEPS = 6_000
"""Of the game at most, where nobody says how many epochs."""
TURNS = 3
"""Steps of the critic for each of the generator."""
PENALTY = 10.0
"""Weight of the critic's slope being other than 1 (the paper's)."""
RATE = 1e-3
"""Of generator and critic."""


def _dense(widths: tuple[int, ...], *, norm: bool) -> list[nn.Module]:
    """Dense layers with what stands between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), *([nn.BatchNorm1d(after)] if norm else []), nn.LeakyReLU(0.2)]
    return layers


class Critic(nn.Module):
    """How normal a picture looks: B C H W to B; without norms over the batch, as the penalty is that of each picture.

    >>> Critic((1, 28, 30), width=64)(torch.zeros(2, 1, 28, 30)).shape
    torch.Size([2])
    """

    def __init__(self, shape: tuple[int, int, int], *, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Flatten(), *_dense((math.prod(shape), width, width), norm=False))
        self.head = nn.Linear(width, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Larger for what looks normal; only differences mean something."""
        return torch.as_tensor(self.head(self.inner(images))[:, 0])


class Maker(nn.Module):
    """Generator `make`, encoder and critic; `forward` makes the pictures again, with how far each is off.

    >>> net = Maker((1, 28, 28), latent=8, width=64)
    >>> [part.shape for part in net(torch.zeros(2, 1, 28, 28))]
    [torch.Size([2, 1, 28, 28]), torch.Size([2])]
    """

    def __init__(self, shape: tuple[int, int, int], *, latent: int, width: int) -> None:
        super().__init__()
        self.latent = latent
        size = math.prod(shape)
        self.make = nn.Sequential(
            *_dense((latent, width, width), norm=True), nn.Linear(width, size), nn.Sigmoid(), nn.Unflatten(1, shape)
        )
        self.encoder = nn.Sequential(
            nn.Flatten(), *_dense((size, width, width), norm=True), nn.Linear(width, latent), nn.Tanh()
        )
        self.critic = Critic(shape, width=width)
        self.register_buffer("spread", torch.ones(2))
        """Variance of normal pictures, and of the critic's inner values of them: the units in which both are off."""

    def off(self, images: torch.Tensor, made: torch.Tensor, weight: float) -> torch.Tensor:
        """B: squared distance of the pictures plus `weight` times that of the critic's inner values (equation 6)."""
        spread = self.get_buffer("spread")
        seen = (images - made).square().flatten(1).mean(dim=1) / spread[0]
        return seen + weight * self.inner_off(images, made) / spread[1]

    def inner_off(self, images: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
        """B: mean squared distance of the critic's inner values."""
        return (self.critic.inner(images) - self.critic.inner(made)).square().mean(dim=1)

    def forward(self, images: torch.Tensor, weight: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
        """(pictures made again, how far each is off)."""
        made = self.make(self.encoder(images))
        return made, self.off(images, made, weight)


def penalty(critic: nn.Module, real: torch.Tensor, made: torch.Tensor, mix: torch.Tensor) -> torch.Tensor:
    """Mean square of what the critic's slope differs from 1, between normal pictures and made ones; `mix` B 1 1 1.

    >>> flat = nn.Sequential(nn.Flatten(), nn.Linear(4, 1, bias=False))
    >>> _ = nn.init.constant_(flat[1].weight, 1.0)  # a slope of 2 everywhere
    >>> penalty(flat, torch.zeros(3, 1, 2, 2), torch.ones(3, 1, 2, 2), torch.rand(3, 1, 1, 1)).item()
    1.0
    """
    between = (real + mix * (made - real)).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


def fit(eyes: Eyes, images: np.ndarray, settings: Settings, watch: Watcher) -> State:
    """Generator, critic and encoder, and the units of the score."""
    began = time.perf_counter()
    small = shrunken(torch.from_numpy(np.ascontiguousarray(images)), SIDE)
    shape = (int(small.shape[1]), int(small.shape[2]), int(small.shape[3]))
    net = fresh(partial(Maker, shape, latent=settings.latent or LATENT, width=WIDTH), settings.seed)
    assert isinstance(net, Maker)
    net.to(settings.device)
    watch.stage("learning: f-AnoGAN, generator against critic, then encoder")
    _play(net, small, replace(settings, seconds=GAME * settings.seconds), Within(watch, 0, GAME))
    left = max(settings.seconds - (time.perf_counter() - began), 0.1 * settings.seconds)
    _invert(net, small, replace(settings, seconds=left), Within(watch, GAME, 1))
    shape_ = [*shape, net.latent, WIDTH]
    return {**weights_of(net), "shape": np.array(shape_, np.int64), "weight": np.array([settings.critic])}


def _play(net: Maker, images: torch.Tensor, settings: Settings, watch: Watcher) -> None:
    """The critic learns to tell made pictures from normal ones, the generator to make such that it cannot."""
    device, draw = torch.device(settings.device), torch.Generator().manual_seed(settings.seed)
    makers = list(net.make.parameters())
    rules = [torch.optim.Adam(them, lr=RATE, betas=(0.0, 0.9)) for them in (makers, list(net.critic.parameters()))]
    net.train()

    def made(count: int) -> torch.Tensor:
        return net.make((2 * torch.rand(count, net.latent, generator=draw) - 1).to(device))

    for turn, (batch, share) in enumerate(paced(images, draw, settings, watch, STEPS)):
        for rule in rules:
            rule.zero_grad(set_to_none=True)
            for group in rule.param_groups:
                group["lr"] = RATE * share
        real, others = batch.to(device), made(len(batch))
        if turn % (TURNS + 1) == TURNS:
            (-net.critic(others).mean()).backward()
            rules[0].step()
            continue
        others = others.detach()
        mix = torch.rand(len(batch), 1, 1, 1, generator=draw).to(device)
        apart = net.critic(others).mean() - net.critic(real).mean()
        (apart + PENALTY * penalty(net.critic, real, others, mix)).backward()
        rules[1].step()


def _invert(net: Maker, images: torch.Tensor, settings: Settings, watch: Watcher) -> None:
    """The encoder learns to find the numbers of a picture, generator and critic standing still."""
    with torch.inference_mode():
        some = images[:: max(1, len(images) // 512)].to(settings.device)
        inner = net.critic.inner(some)
        spread = [float((each - each.mean(dim=0)).square().mean()) for each in (some, inner)]
    net.get_buffer("spread").copy_(torch.tensor([max(each, 1e-6) for each in spread]))
    still = (net.make, net.critic)
    for part in still:
        part.eval().requires_grad_(False)

    def loss(_: nn.Module, batch: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        return net(batch, settings.critic)[1].mean()

    learn(net.encoder, images, loss, settings, watch)
    for part in still:
        part.requires_grad_(True)


def look(eyes: Eyes, state: State, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """How far each picture is off from what is made in its place; maps of where, over 3 x 3 places."""
    net, weight = opened(state, eyes.device)
    small = shrunken(torch.from_numpy(np.ascontiguousarray(images)), SIDE)
    scores, maps = [np.zeros(0)], [np.zeros((0, *small.shape[2:]), np.float32)]
    with torch.inference_mode():
        for start in range(0, len(small), 256):
            score, where = seen(net, small[start : start + 256].to(eyes.device), weight)
            scores.append(score.double().cpu().numpy())
            maps.append(where.cpu().numpy())
    return np.concatenate(scores), np.concatenate(maps)


def opened(state: State, device: str) -> tuple[Maker, float]:
    """(the nets, the weight of the critic's part) from what was learnt. Raises ValueError for what is none."""
    channels, height, width, latent, wide = (int(x) for x in state["shape"])
    if not all(0 < side <= 4096 for side in (channels, height, width, latent, wide)):
        raise ValueError("no net has such a shape")
    net = filled(Maker((channels, height, width), latent=latent, width=wide), state, device)
    assert isinstance(net, Maker)
    return net, float(state["weight"][0])


def seen(net: Maker, small: torch.Tensor, weight: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(scores B, maps B H W) of pictures of the size that the nets see.

    A defect is small: of the picture, the largest twentieth of the places counts, in usual deviations.
    """
    made = net.make(net.encoder(small))
    maps = functional.avg_pool2d(small - made, 3, 1, 1, count_include_pad=False).abs().mean(dim=1)
    most = maps.flatten(1).topk(most_of(maps[0].numel(), TOP), dim=1).values.mean(dim=1)
    spread = net.get_buffer("spread")
    return most / spread[0].sqrt() + weight * (net.inner_off(small, made) / spread[1]).sqrt(), maps
