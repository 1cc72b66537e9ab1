"""A net that scores pictures as one ONNX file, which brings them to size itself, and what that file answers.

Letters: N pictures, C channels, H height, W width; h w places of a map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from hubel.data.preprocessing import Preprocessing
from hubel.deploy.onnx import Session, annotated, apart, refusal
from hubel.deploy.onnx_graph import fitting
from hubel.errors import ArtefactError, HubelError

Answered = tuple[np.ndarray, np.ndarray | None]
"""Scores N, and maps N h w or None."""


def write_score(
    net: nn.Module, preprocessing: Preprocessing, some: np.ndarray, facts: Mapping[str, str]
) -> bytes:  # fmt: skip
    """The bytes of an ONNX file of a net that takes pictures N C H W uint8 of one size, two of which are `some`, to
    (scores N, maps N h w). The file takes `images` of any size and gives `score` and `map`; `facts` are its metadata.
    Raises ArtefactError for a net that PyTorch's exporter cannot follow, MissingExtra.
    """
    try:
        written = annotated(
            net, torch.from_numpy(some[:2]), takes="fitted", gives=["score", "map"], least=1, about={}
        )  # fmt: skip
    except HubelError:
        raise
    except Exception as error:
        raise ArtefactError(
            f"what sees cannot be written as ONNX: {refusal(error)}",
            hint="a detector with other eyes: hubel anomaly GOOD --features pixels; hubel predict needs no ONNX",
        ) from None
    return fitting(written, preprocessing, takes="images", facts=facts)


def ask_score(data: bytes, batches: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Scores and maps of all pictures N C H W uint8, each of `batches` asked at once."""
    ask = Session(data, threads=torch.get_num_threads()).all
    found = [ask(some) for some in batches]
    return np.concatenate([one[0] for one in found]), np.concatenate([one[1] for one in found])


def furthest(theirs: Answered, ours: Answered) -> float:
    """The largest difference of scores, and of maps where both have some, as `hubel.deploy.onnx.apart` counts it.

    >>> furthest((np.array([1.0]), np.array([[[2.0]]])), (np.array([1.5]), None))
    0.3333333333333333
    """
    maps = 0.0 if theirs[1] is None or ours[1] is None else apart(theirs[1], ours[1])
    return max(apart(theirs[0], ours[0]), maps)
