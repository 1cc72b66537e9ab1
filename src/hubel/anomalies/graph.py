"""The score of a detector as one net of PyTorch, for exporters: bytes in, score and map out, thresholds inside.

What each method does stands in `flat_graph`, `patch_graph` and `net_graph`, and is named by `Method.graph`.

Letters: N or B pictures, C channels, H height, W width; h w places.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel.anomalies.detecting import Learnt
from hubel.anomalies.eyes import SOME
from hubel.anomalies.thresholds import Threshold
from hubel.data.preprocessing import Preprocessing
from hubel.nn.modes import evaluating
from hubel.nn.taps import watch

PICTURES = 32
"""Generated ones that a file is asked about."""


class Score(nn.Module):
    """Pictures B C H W uint8, of the detector's size, to (score B, map B h w) float32, 0 the usual and 1 the threshold.

    Of a method without maps the map is B 1 1: the score. Raises UsageError for a method that cannot be written so.
    """

    def __init__(self, learnt: Learnt) -> None:
        super().__init__()
        self.raw = learnt.method.graph(learnt.eyes, learnt.state)
        self.threshold, self.map_threshold = learnt.threshold, learnt.map_threshold

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Score and map."""
        raw, maps = self.raw(images)
        score = _normalised(raw, self.threshold)
        if maps is None or self.map_threshold is None:
            return score, score[:, None, None]
        return score, _normalised(maps, self.map_threshold)


def _normalised(raw: torch.Tensor, about: Threshold) -> torch.Tensor:
    return ((raw - about.usual) / about.scale).float()


def answered(score: Score, images: np.ndarray, *, double: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Scores N and maps N h w of pictures N C H W uint8; with `double`, every net computes in double precision,
    to which single precision only comes near.
    """
    asked = copy.deepcopy(score).double() if double else score

    def wide(name: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> object:
        return tuple(one.double() if torch.is_tensor(one) and one.is_floating_point() else one for one in inputs)

    within = {name: module for name, module in asked.named_modules() if name and double}
    with watch(within, wide, before=True), evaluating(asked), torch.inference_mode():
        found = [asked(torch.from_numpy(images[start : start + SOME])) for start in range(0, len(images), SOME)]
    scores, maps = (torch.cat([one[place] for one in found]).numpy() for place in (0, 1))
    return scores, maps


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


def asked_pictures(preprocessing: Preprocessing) -> tuple[list[np.ndarray], np.ndarray]:
    """(batches N C H W uint8 that a file is asked about, all of them as a detector sees them).

    One batch of its size, the first few of that one by one, and noise of other sizes: wide, tall, small.

    >>> batches, every = asked_pictures(Preprocessing(height=8, width=8, channels=1))
    >>> [one.shape for one in batches[-4:]], every.shape
    ([(1, 1, 8, 8), (1, 1, 11, 17), (1, 1, 26, 9), (1, 1, 5, 8)], (38, 1, 8, 8))
    """
    rng = np.random.default_rng(0)
    height, width = preprocessing.height, preprocessing.width
    together = generated_pictures(preprocessing.shape)
    sizes = [(height + 3, 2 * width + 1), (3 * height + 2, width + 1), (height // 2 + 1, width)]
    odd = [rng.integers(0, 256, (preprocessing.channels, *size), dtype=np.uint8) for size in sizes]
    every = [*together, *together[:3], *(preprocessing.array(one.transpose(1, 2, 0)) for one in odd)]
    return [together, *(one[None] for one in [*together[:3], *odd])], np.stack(every)
