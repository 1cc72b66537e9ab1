"""What a task learns after the training, beside the weights: thresholds of labels, embeddings of known samples.

    weights/best.learnt.safetensors    tensors, and in the header which task and weights they belong to

Plain arrays and plain facts; whoever reads a net gets them with it, or nothing where the weights are others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hubel.checkpoint.tensors import first_not_finite, read_beside, write_tensors
from hubel.errors import DAMAGED, ArtefactError
from hubel.store import RunStore, shown

LIMIT = 1 << 30
"""Bytes of such a file."""
_FORMAT = "hubel-learnt"


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """What a task has learnt after the training."""

    arrays: Mapping[str, np.ndarray]
    """float32 or int64, by name."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Plain data for people."""


def file_of(name: str) -> str:
    """Where it lies in a run.

    >>> file_of("best")
    'weights/best.learnt.safetensors'
    """
    return f"weights/{name}.learnt.safetensors"


def save_learnt(store: RunStore, name: str, learnt: Learnt, weights: str) -> None:
    """Write it beside the weights `name`, whose SHA-256 is `weights`."""
    said = {"format": _FORMAT, "version": 1, "weights": weights, "facts": dict(learnt.facts)}
    tensors = {part: torch.from_numpy(np.ascontiguousarray(array)) for part, array in learnt.arrays.items()}
    with store.writing(file_of(name), read_back=True) as writer:
        write_tensors(writer, tensors, about=json.dumps(said, separators=(",", ":")))


def read_learnt(path: Path, weights: str) -> Learnt | None:
    """What a file holds for the weights of that digest; None where there is none, or it was made for others.

    Raises ArtefactError for a file that is damaged.
    """
    found = read_beside(path, weights, _understood, limit=LIMIT)
    if found is None:
        return None
    facts, tensors = found
    broken = first_not_finite(tensors)
    if broken is not None:
        raise ArtefactError(f"{shown(str(path))} does not hold together: {broken}", hint=DAMAGED)
    return Learnt(arrays={part: tensor.numpy() for part, tensor in tensors.items()}, facts=facts)


def _understood(said: object, name: str) -> tuple[str, dict[str, Any]]:
    if not isinstance(said, dict) or said.get("format") != _FORMAT or not isinstance(said.get("facts"), dict):
        raise ArtefactError(f"{name} is no file of ours", hint=DAMAGED)
    return str(said.get("weights")), said["facts"]
