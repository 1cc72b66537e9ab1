"""What experiments share: data, small nets, a plain training loop, and where each answer is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.data.sources import data_folders, open_source
from hubel.nn.activations import build_activation
from hubel.nn.modes import evaluating
from hubel.runtime.seeds import generator, seeded

__all__ = ["Digits", "batches", "digits", "fit", "mlp", "moons", "planes", "points_of", "right", "scores"]


@dataclass(frozen=True, slots=True)
class Digits:
    """Handwritten digits, N 1 28 28 in [0, 1], for training and for testing."""

    name: str
    """"mnist", or "digits": the 8 x 8 ones of scikit-learn, enlarged."""
    x: torch.Tensor
    y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor

    @property
    def note(self) -> str:
        """What a reader must know of the data."""
        if self.name == "mnist":
            return f"MNIST, {len(self.x):,} for training, {len(self.test_x):,} for testing."
        told = f"{len(self.x):,} for training, {len(self.test_x):,} for testing; MNIST is not in HUBEL_DATA."
        return f"The 8 x 8 digits of scikit-learn, enlarged to 28 x 28: {told}"


def digits(train: int, test: int = 2000) -> Digits:
    """`train` samples drawn once for ever (seed 7), and `test` test samples; fewer where there are fewer.

    MNIST where a folder of HUBEL_DATA has it; nothing is downloaded.
    """
    name, images, labels, tests = _all_digits()
    order = np.random.RandomState(7).permutation(np.flatnonzero(~tests))[:train]
    held = np.random.RandomState(8).permutation(np.flatnonzero(tests))[:test]
    return Digits(name, *_pick(images, labels, order), *_pick(images, labels, held))


def _pick(images: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    pixels = torch.from_numpy(images[rows].astype(np.float32) / 255)[:, None]
    if pixels.shape[-1] != 28:
        pixels = F.interpolate(pixels, size=(20, 20), mode="bilinear", align_corners=False)
        pixels = F.pad(pixels, (4, 4, 4, 4))
    return pixels, torch.from_numpy(labels[rows].astype(np.int64))


@cache
def _all_digits() -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    """Name, pictures N H W, labels N, which are for testing."""
    folders = [folder for folder in data_folders() if (folder / "mnist").is_dir()]
    if folders:
        found = open_source("mnist", data_dir=folders[0])
        assert found.arrays is not None
        return "mnist", found.arrays[..., 0], found.labels, found.given_split == "test"
    found = open_source("digits")
    assert found.arrays is not None
    return "digits", found.arrays[..., 0], found.labels, np.arange(len(found.labels)) % 4 == 0


def mlp(
    sizes: Sequence[int], activation: str = "relu", *, norm: bool = False, drop: tuple[float, float] | None = None
) -> nn.Sequential:
    """Dense layers with an activation between them, behind a flattening.

    `norm`: batch normalisation before each activation; `drop`: shares of the inputs and of hidden units left out.
    """
    layers: list[nn.Module] = [nn.Flatten(), *([nn.Dropout(drop[0])] if drop else [])]
    for place, (a, b) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(a, b))
        if place + 2 < len(sizes):
            layers += [nn.BatchNorm1d(b)] if norm else []
            layers += [build_activation(activation), *([nn.Dropout(drop[1])] if drop else [])]
    return nn.Sequential(*layers)


def batches(count: int, size: int, steps: int, seed: int) -> Iterator[torch.Tensor]:
    """Rows of `steps` batches: every sample once before any comes twice."""
    source, waiting = generator(seed), torch.zeros(0, dtype=torch.long)
    for _ in range(steps):
        while len(waiting) < size:
            waiting = torch.cat([waiting, torch.randperm(count, generator=source)])
        yield waiting[:size]
        waiting = waiting[size:]


Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def fit(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, *, steps: int, seed: int, batch: int = 128, lr: float = 1e-3,
    loss: Loss = F.cross_entropy, optimiser: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
    change: Callable[[torch.Tensor], torch.Tensor] | None = None, penalty: Callable[[], torch.Tensor] | None = None,
) -> list[float]:  # fmt: skip
    """Train `net` and leave it in evaluation; the loss of every step. `change` is done to each batch's inputs."""
    net.train()
    steer = optimiser(net.parameters(), lr=lr)
    told = []
    with seeded(seed, 4):
        for rows in batches(len(x), min(batch, len(x)), steps, seed):
            given = x[rows] if change is None else change(x[rows])
            value = loss(net(given), y[rows])
            steer.zero_grad()
            (value if penalty is None else value + penalty()).backward()
            steer.step()
            told.append(float(value.detach()))
    net.eval()
    return told


@torch.no_grad()
def scores(net: nn.Module, x: torch.Tensor, size: int = 1000) -> torch.Tensor:
    """Outputs, a row a sample."""
    with evaluating(net):
        return torch.cat([net(part) for part in x.split(size)])


def right(net: nn.Module, x: torch.Tensor, y: torch.Tensor) -> np.ndarray:
    """Where the largest output is that of the true class."""
    return (scores(net, x).argmax(1) == y).numpy()


def points_of(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """A set of points by its name: N F floats, N labels."""
    found = open_source(name)
    assert found.arrays is not None
    return torch.from_numpy(found.arrays.astype(np.float32)), torch.from_numpy(found.labels)


def moons(count: int, noise: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two half circles that interlock, with noise: count 2 floats, count labels."""
    random = np.random.RandomState(seed)
    labels = np.arange(count) % 2
    angle, sign = np.pi * random.rand(count), 1 - 2 * labels
    points = np.stack([sign * np.cos(angle) + labels - 0.5, sign * np.sin(angle) + labels / 2 - 0.25], axis=1)
    points += noise * random.randn(count, 2)
    return torch.from_numpy(points.astype(np.float32)), torch.from_numpy(labels)


def planes(net: nn.Module, reach: float = 2.2, points: int = 61) -> tuple[np.ndarray, np.ndarray]:
    """A grid of the plane, and the net's probabilities on it: G, G G K."""
    line = np.linspace(-reach, reach, points)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype(np.float32)
    shares = scores(net, torch.from_numpy(grid)).softmax(1).numpy()
    return line, shares.reshape(points, points, -1)
