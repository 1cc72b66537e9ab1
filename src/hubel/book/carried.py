"""Outcomes as plain data and back, for experiments that are measured in a process of their own.

Nothing of a number is lost on the way: arrays go as their bytes, floats as Python writes them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import torch

from hubel.book.experiment import Outcome
from hubel.book.plots import Bars, Cut, Lines, Listing, Pictures
from hubel.book.verdicts import Finding

KINDS = {kind.__name__: kind for kind in (Outcome, Finding, Lines, Bars, Pictures, Listing, Cut)}


def packed(value: Any) -> Any:
    """Plain data for JSON, from an outcome and what may be in one.

    >>> packed((1, np.float32(0.5)))
    {'tuple': [1, 0.5]}
    """
    if isinstance(value, str | bool | int | float | None):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray | torch.Tensor):
        array = np.ascontiguousarray(np.asarray(value))
        return {"array": base64.b64encode(array.tobytes()).decode(), "type": array.dtype.str, "shape": value.shape}
    if isinstance(value, Mapping):
        return {"pairs": [[packed(key), packed(entry)] for key, entry in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [packed(entry) for entry in value]}
    if isinstance(value, Sequence):
        return [packed(entry) for entry in value]
    name = type(value).__name__
    assert KINDS.get(name) is type(value), name
    return {"kind": name, "holds": {each.name: packed(getattr(value, each.name)) for each in fields(value)}}


def unpacked(plain: Any) -> Any:
    """What was packed. Lists stay lists and tuples tuples; numbers of numpy are Python's own.

    >>> unpacked(packed(Finding("confirmed", "2")))
    Finding(verdict='confirmed', text='2')
    """
    if isinstance(plain, list):
        return [unpacked(entry) for entry in plain]
    if not isinstance(plain, dict):
        return plain
    if "array" in plain:
        flat = np.frombuffer(base64.b64decode(plain["array"]), np.dtype(plain["type"]))
        return flat.reshape(plain["shape"]).copy()
    if "pairs" in plain:
        return {unpacked(key): unpacked(entry) for key, entry in plain["pairs"]}
    if "tuple" in plain:
        return tuple(unpacked(entry) for entry in plain["tuple"])
    return KINDS[plain["kind"]](**{name: unpacked(entry) for name, entry in plain["holds"].items()})
