"""What a net would ask for, counted before it is built: on tensors without memory, with a bound on the work itself.

>>> from hubel.checkpoint.classifier import ModelSpec
>>> spec = ModelSpec(architecture="mlp", num_classes=10, in_chans=1, img_size=(8, 8), options={"hidden": [10**6]})
>>> sized(spec)[1].weight_bytes
300000040
>>> check_memory(spec, sized(spec)[1], free=10**8)
Traceback (most recent call last):
    ...
hubel.errors.UsageError: mlp with hidden=[1000000] needs 300 MB to answer one picture, and 100 MB are free
  make it smaller
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from hubel.anatomy.graph import record
from hubel.checkpoint.classifier import ModelSpec
from hubel.errors import HubelError, UsageError
from hubel.models import CARDS
from hubel.runtime import free_memory, seeded
from hubel.store import amount, shown

MOST_CALLS = 1_000_000
"""Calls of torch while a net is built or shown one picture; the deepest of the catalogue takes a fiftieth of it."""
USUAL_SIDE = 512
"""Pixels: nets of the catalogue for pictures up to this size are not shown one beforehand."""
COPIES = 4
"""How often a training holds the weights at least: themselves, their gradients, two moments of Adam."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """Bytes that a net cannot do without."""

    weight_bytes: int
    """Of its weights and buffers, as they are built."""
    answer_bytes: int
    """Of the largest operation on one picture, inputs and outputs; 0 where that is not needed or cannot be foreseen."""


class TooMuchWork(HubelError):
    """Building the net, or showing it a picture, does not end in a sensible time."""


class _Meter(TorchFunctionMode):
    """Stops what calls torch more than `most` times: a depth of 10^9 would not end."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.left = most

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.left -= 1
        if self.left < 0:
            raise TooMuchWork("it is far too deep", hint="make it smaller")
        return function(*args, **(kwargs or {}))


def sized(spec: ModelSpec, *, most_calls: int = MOST_CALLS) -> tuple[nn.Module, Size]:
    """The net of `spec` without memory for its weights (on the meta device), and what it would need.

    Raises UsageError, with the builder's reason, for options that it cannot be built with; TooMuchWork.
    """
    try:
        with _Meter(most_calls), torch.device("meta"), seeded(0):
            model = spec.build()
    except HubelError:
        raise
    except Exception as error:  # a builder may fail in any way over options it was never meant to get
        why = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise UsageError(
            f"{described(spec)} cannot be built: {shown(why, 200)}", hint=f"its card: hubel model {spec.architecture}"
        ) from error
    held = sum(tensor.numel() * tensor.element_size() for tensor in (*model.parameters(), *model.buffers()))
    return model, Size(weight_bytes=held, answer_bytes=_answer(model, spec, most_calls))


def _answer(model: nn.Module, spec: ModelSpec, most_calls: int) -> int:
    """Bytes of the largest operation's inputs and outputs for one picture."""
    sides = spec.img_size or ()
    if spec.architecture in CARDS and spec.architecture != "layers" and max(sides, default=0) <= USUAL_SIDE:
        return 0  # the builders of the catalogue are known: no picture of usual size makes them burst
    try:
        with _Meter(most_calls):
            graph = record(model, (spec.in_chans, *sides), whole=False)
    except TooMuchWork:
        raise
    except Exception:  # what depends on values cannot be foreseen: the pass itself will tell
        return 0
    held = [0]
    for operation in graph.operations:
        met = [graph.values[index] for index in (*operation.inputs, *operation.outputs)]
        touched = {value.storage: value for value in met}
        held.append(sum(value.bytes for value in touched.values() if value.kind not in ("parameter", "buffer")))
    return max(held)


def check_memory(spec: ModelSpec, size: Size, *, training: bool = False, free: int | None = None) -> None:
    """Raise UsageError unless `free` bytes (None: of this machine) hold the net and what it makes of one picture."""
    free = free_memory(torch.device("cpu")) if free is None else free
    needed = size.weight_bytes * (COPIES if training else 1) + size.answer_bytes
    if free is None or needed <= free:
        return
    what = "to be trained with one picture" if training else "to answer one picture"
    raise UsageError(
        f"{described(spec)} needs {amount(needed)} {what}, and {amount(free)} are free", hint="make it smaller"
    )


def described(spec: ModelSpec) -> str:
    """An architecture and the options it is built with, in a few words."""
    if spec.architecture == "layers":
        return "the layer list"
    options = ", ".join(f"{name}={shown(value, 60)}" for name, value in list(spec.options.items())[:4])
    return f"{spec.architecture} with {options}" if options else spec.architecture
