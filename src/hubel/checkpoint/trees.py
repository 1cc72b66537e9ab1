"""Nested states (of optimisers, schedules, averages) as named tensors and plain data, and back.

`state_dict()` of an optimiser mixes tensors, numbers, lists, and dictionaries with whole-number keys. Tensors go to one
side under the path that leads to them; what remains is JSON in which each left a marker.

>>> tensors, plain = pack({"state": {0: {"step": torch.tensor(3.0)}}, "groups": [{"lr": 0.1}]}, "optimiser")
>>> sorted(tensors)
['optimiser.state.0.step']
>>> unpack(plain, tensors)
{'state': {0: {'step': tensor(3.)}}, 'groups': [{'lr': 0.1}]}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from hubel.errors import ArtefactError


def pack(tree: Any, name: str) -> tuple[dict[str, torch.Tensor], Any]:
    """Tensors by name (beginning with `name`) and the plain rest; raises TypeError for what is neither."""
    tensors: dict[str, torch.Tensor] = {}
    return tensors, _pack(tree, name, tensors)


def _pack(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        tensors[name] = value
        # Sums over a tensor depend on its memory order, so the order is part of an exact state.
        last = value.dim() == 4 and not value.is_contiguous() and value.is_contiguous(memory_format=torch.channels_last)
        return {"$tensor": name, "$channels_last": True} if last else {"$tensor": name}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": repr(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, tuple):
        return {"$tuple": [_pack(entry, f"{name}.{i}", tensors) for i, entry in enumerate(value)]}
    if isinstance(value, list):
        return [_pack(entry, f"{name}.{i}", tensors) for i, entry in enumerate(value)]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: _pack(entry, f"{name}.{key}", tensors) for key, entry in value.items()}
        if all(isinstance(key, int) for key in value):
            return {"$items": [[key, _pack(entry, f"{name}.{key}", tensors)] for key, entry in value.items()]}
    raise TypeError(f"{name} is {type(value).__name__}, which a checkpoint does not hold")


def unpack(plain: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """The inverse of `pack`; raises ArtefactError where a marker points to nothing."""
    if isinstance(plain, list):
        return [unpack(entry, tensors) for entry in plain]
    if not isinstance(plain, dict):
        return plain
    if "$tensor" in plain:
        name = plain["$tensor"]
        if name not in tensors:
            raise ArtefactError(f"the saved state lacks the tensor {name!r}")
        if plain.get("$channels_last"):
            return tensors[name].contiguous(memory_format=torch.channels_last)
        return tensors[name]
    if "$float" in plain:
        return float(plain["$float"])
    if "$tuple" in plain:
        return tuple(unpack(entry, tensors) for entry in plain["$tuple"])
    if "$items" in plain:
        return {key: unpack(entry, tensors) for key, entry in plain["$items"]}
    return {key: unpack(entry, tensors) for key, entry in plain.items()}
