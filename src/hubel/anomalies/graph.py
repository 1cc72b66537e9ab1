"""The score of a detector as one net of PyTorch, for exporters: bytes in, score and map out, thresholds inside.

Letters: B pictures, C channels, H height, W width, F numbers, M pictures that are kept; h w places.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hubel.anomalies import adversarial
from hubel.anomalies.autoencoders import SIDE as NET_SIDE
from hubel.anomalies.autoencoders import TOP, AutoEncoder
from hubel.anomalies.detecting import Learnt
from hubel.anomalies.eyes import patches, shrunken
from hubel.anomalies.flat import most_of
from hubel.anomalies.training import filled
from hubel.errors import UsageError

CAN = ("pca", "knn", "mahalanobis", "padim", "autoencoder", "vae", "anogan")
"""Methods whose score can be written so, on pixels."""
PICTURES = 32
"""Generated ones that a file is asked about."""


class Score(nn.Module):
    """Pictures B C H W uint8, of the detector's size, to (score B, map B h w) float32, 0 the usual and 1 the threshold.

    Of a method without maps the map is B 1 1: the score.
    """

    def __init__(self, learnt: Learnt) -> None:
        super().__init__()
        self.name = learnt.name
        self.usual, self.scale = learnt.threshold.usual, _scale(learnt.threshold.usual, learnt.threshold.score)
        about = learnt.map_threshold
        self.map_usual, self.map_scale = (
            (0.0, 1.0) if about is None else (about.usual, _scale(about.usual, about.score))
        )
        self.net: nn.Module | None = None
        self.weight = 0.0
        if learnt.name == "anogan":
            self.net, self.weight = adversarial.opened(learnt.state, "cpu")
        elif learnt.name in ("autoencoder", "vae"):
            channels, height, width, latent, wide, spread = (int(x) for x in learnt.state["shape"])
            empty = AutoEncoder((channels, height, width), latent=latent, width=wide, spread=bool(spread))
            self.net = filled(empty, learnt.state, "cpu")
        else:
            for key, value in learnt.state.items():
                if key in ("neighbours", "places"):
                    continue
                tensor = torch.from_numpy(value)
                self.register_buffer(key, tensor.double() if tensor.is_floating_point() else tensor)
        self.neighbours = int(learnt.state["neighbours"][0]) if learnt.name == "knn" else 0
        self.places = tuple(int(x) for x in learnt.state["places"]) if learnt.name == "padim" else (1, 1)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Score and map."""
        raw, maps = self._raw(images)
        score = (raw - self.usual) / self.scale
        if maps is None:
            return score.float(), score.float()[:, None, None]
        return score.float(), ((maps - self.map_usual) / self.map_scale).float()

    def _raw(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        if isinstance(self.net, adversarial.Maker):
            off, maps = adversarial.seen(self.net, shrunken(images, adversarial.SIDE), self.weight)
            return off.double(), maps.double()
        if self.net is not None:
            small = shrunken(images, NET_SIDE)
            off = functional.avg_pool2d(small - self.net(small), 3, 1, 1, count_include_pad=False)
            maps = off.abs().mean(dim=1)
            count = most_of(maps[0].numel(), TOP)
            return maps.flatten(1).topk(count, dim=1).values.mean(dim=1).double(), maps.double()
        if self.name == "padim":
            seen = patches(images).flatten(2)[:, self.get_buffer("kept")].permute(2, 0, 1).double()
            plain = torch.matmul(seen - self.get_buffer("mean")[:, None], self.get_buffer("whitener").transpose(1, 2))
            maps = (plain**2).mean(dim=2).sqrt().transpose(0, 1)
            return maps.amax(dim=1), maps.reshape(-1, *self.places)
        small = shrunken(images).double()
        values = small.flatten(1)
        if self.name == "pca":
            off = values - self.get_buffer("mean")
            off = (off - (off @ self.get_buffer("basis")) @ self.get_buffer("basis").T) ** 2
            return off.mean(dim=1), off.reshape(small.shape).mean(dim=1)
        if self.name == "knn":
            mixed = (
                (values**2).sum(dim=1, keepdim=True)
                - 2 * values @ self.get_buffer("bank").T
                + (self.get_buffer("bank") ** 2).sum(dim=1)
            )
            near = mixed.clamp(min=0).topk(self.neighbours, dim=1, largest=False).values
            return near.sqrt().mean(dim=1), None
        off = values - self.get_buffer("mean")
        along = off @ self.get_buffer("basis")
        outside = ((off**2).sum(dim=1) - (along**2).sum(dim=1)).clamp(min=0)
        scaled = (along**2 / self.get_buffer("variance")).sum(dim=1) + outside / self.get_buffer("outside")[0]
        return scaled / off.shape[1], None


def _scale(usual: float, score: float) -> float:
    return max(score - usual, 1e-12 * max(1.0, abs(score)), 1e-300)


def require_exportable(learnt: Learnt) -> None:
    """Raise UsageError for a method whose score cannot be written as one net."""
    if learnt.name not in CAN or learnt.eyes.net is not None:
        what = f"{learnt.name} on {learnt.eyes.name}"
        raise UsageError(
            f"a detector is exported that sees pixels by {', '.join(CAN)}; this one is {what}",
            hint="learn another one: hubel anomaly GOOD --method pca --features pixels",
        )


def generated_pictures(shape: tuple[int, int, int]) -> np.ndarray:
    """Pictures that a detector of this geometry C H W is asked about: noise, flat ones and ramps, N C H W uint8.

    >>> generated_pictures((1, 8, 8)).shape
    (32, 1, 8, 8)
    """
    rng = np.random.default_rng(0)
    found = rng.integers(0, 256, (PICTURES, *shape), dtype=np.uint8)
    for row in range(PICTURES // 2):
        ramp = np.linspace(0, 255, shape[2])[None, None] * (row / PICTURES) + 4 * row
        found[row] = np.clip(ramp + rng.normal(0, row, shape), 0, 255)
    return found
