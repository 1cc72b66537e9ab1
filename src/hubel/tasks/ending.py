"""What an exported file gives where a task's answer is not the probabilities of classes: its outputs, and their making.

An `Ending` stands behind the net and is exported with it, so that every form of file computes the same. Letters: N
pictures, K classes, C channels; h w the sides of what the net sees, H W those of a picture as it came in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

Seen = Callable[[], np.ndarray]
"""Gives pictures as the net sees them, N C h w uint8, to whom they are needed."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """One thing that a file gives."""

    name: str
    what: str
    """In words, for its card."""
    letters: tuple[str, ...] = ()
    """Of its axes after N."""
    kind: str = "float32"
    """float32, uint8, int64 or bool."""
    counted: str = ""
    """Of decisions: what is counted, in the plural: "pixels"."""
    decides: bool = False
    """Is it a decision, which is the same or another? Else it is a number, which is near or far."""
    step: float = 0.0
    """What rounding to whole numbers may move it by; 0 for what is not rounded."""
    bounded: bool = True
    """Has it a scale of its own, such as a probability or a distance on the sphere? Else differences are told as shares
    of its largest value."""
    placed: bool = False
    """Does the ending give it for each pixel that the net sees, and the file lay it back over the picture?"""


class Ending(nn.Module):
    """Pictures as the net sees them, and what it says of them -> what a file gives, in the order of `outputs`.

    The first output is a number, by which exporters check batches of several sizes.
    """

    outputs: tuple[Output, ...] = ()

    def forward(self, images: torch.Tensor, said: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """N C h w and N … -> a tensor for each output, the first axis N."""
        raise NotImplementedError

    def margins(self, found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Of each decision, in its shape: how far the numbers it is made from are from deciding otherwise."""
        return {}
