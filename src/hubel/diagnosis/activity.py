"""What the non-linear parts of a net do to a batch: units that are never active, units at the ends of their range.

Functions are seen where they are called, so that `F.relu(x)` counts as much as a module `nn.ReLU`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from hubel.nn.taps import module_calls

_RELU: set[Any] = {F.relu, F.relu_, torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_, F.relu6}
_TANH: set[Any] = {F.tanh, torch.tanh, torch.Tensor.tanh, torch.Tensor.tanh_}
_SIGMOID: set[Any] = {F.sigmoid, torch.sigmoid, torch.Tensor.sigmoid, torch.Tensor.sigmoid_}
KINDS: dict[Any, str] = (
    dict.fromkeys(_RELU, "relu") | dict.fromkeys(_TANH, "tanh") | dict.fromkeys(_SIGMOID, "sigmoid")
)  # fmt: skip
SATURATED = 0.99
"""How near to the end of its range, of 1, a unit is saturated."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A call of a non-linear function."""

    where: str
    """The module that it stands in."""
    kind: str
    units: int
    idle: float
    """Share of units that are never active in the batch (relu), or of values at the ends of the range."""
    spread: float
    """Standard deviation of the output."""


class _Listening(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.layers: list[Layer] = []

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        kind = KINDS.get(func)
        if kind is not None and isinstance(output, torch.Tensor) and output.ndim >= 2:
            self.layers.append(_described(self.stack[-1] if self.stack else "", kind, output.detach()))
        return output


def _described(where: str, kind: str, output: torch.Tensor) -> Layer:
    axis = 2 if output.ndim == 3 else 1
    units = output.movedim(axis, 0).flatten(1)
    if kind == "relu":
        idle = (units <= 0).all(1).float().mean()
    elif kind == "tanh":
        idle = (units.abs() > SATURATED).float().mean()
    else:
        idle = ((units - 0.5).abs() > SATURATED / 2).float().mean()
    return Layer(where=where, kind=kind, units=len(units), idle=float(idle), spread=float(output.float().std()))


def listen(model: nn.Module, images: torch.Tensor) -> list[Layer]:
    """Every call of a relu, tanh or sigmoid while the net sees `images`, in order; modes stay as they are."""
    mode = _Listening()

    def enter(name: str, module: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        mode.stack.append(name)

    def leave(output: Any) -> None:
        if mode.stack:
            mode.stack.pop()

    with torch.no_grad(), module_calls(model, enter, leave), mode:
        model(images)
    return mode.layers
