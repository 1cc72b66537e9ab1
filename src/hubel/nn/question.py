"""A question about what a net says of one picture, as a net that scores classes: what explains such nets answers it.

>>> from hubel.models import create_model
>>> net = create_model("unet", num_classes=3, in_chans=1, img_size=(8, 8), maps=4, levels=2)
>>> asked = rescored(net, "segment", lambda scores: scores[:, :, 0, 0])
>>> asked(torch.zeros(2, 1, 8, 8)).shape, asked.classify is net.classify
(torch.Size([2, 3]), True)

Letters: B batch, C channels, H W height and width, K classes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

__all__ = ["Question", "rescored"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is explained about one picture."""

    net: nn.Module
    """B C H W -> scores B K."""
    target: int
    """The class whose score is explained."""
    told: str = ""
    """What the net says of the picture, as a sentence; "" where that is classes with probabilities."""
    scored: str = ""
    """What the score is, as a sentence; "" where it is the logit of a class."""
    measure: str = "probability"
    """What `ranking` counts."""
    ranking: tuple[tuple[str, float], ...] = ()
    """Classes, the first the one that is said."""
    said: str = ""
    """What is said of the target, in a few words: "4.6 % of the pixels"; "" for its probability."""
    probability: float = float("nan")
    """Of the target, as it is predicted; NaN where no probability is."""
    areas: np.ndarray | None = None
    """H W uint8: the class of each pixel, where that is what is said."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Method -> why its maps would not be right here."""


def rescored(model: nn.Module, method: str, score: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
    """`model` with another forward, B C H W -> B K: `score` of what its `method` says.

    It shares layers and weights with the model, under the same names; the model stays as it is.
    """

    def forward(self: Any, images: torch.Tensor) -> torch.Tensor:
        return score(getattr(self, method)(images))

    twin = copy.copy(model)
    twin.__class__ = type(type(model).__name__, (type(model),), {"forward": forward})
    return twin
