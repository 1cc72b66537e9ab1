"""What a net would ask for, counted before it is built: on tensors without memory, with a bound on the work itself.

>>> from hubel.checkpoint.classifier import ModelSpec
>>> spec = ModelSpec(architecture="mlp", num_classes=10, in_chans=1, img_size=(8, 8), options={"hidden": [10**6]})
>>> sized(spec)[1].weight_bytes
300000040
>>> check_memory(sized(spec)[1], free=10**8)
Traceback (most recent call last):
    ...
hubel.errors.UsageError: mlp with hidden=[1000000] needs 300 MB to answer one picture, and 100 MB are free
  make it smaller
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from hubel.anatomy.graph import record
from hubel.checkpoint.classifier import ModelSpec
from hubel.errors import HubelError, UsageError
from hubel.models import CARDS, card, create_model, resolve
from hubel.runtime import free_memory, seeded
from hubel.store import shown
from hubel.words import amount

MOST_CALLS = 1_000_000
"""Calls of torch while a net is built or shown one picture; the deepest of the catalogue takes a fiftieth of it."""
FILLS = (torch.Tensor.normal_, nn.init.normal_)
"""What writes random numbers in place, and loads PyTorch's compiler before it does so on tensors without memory."""
USUAL_SIDE = 512
"""Pixels: nets of the catalogue for pictures up to this size are not shown one beforehand."""
COPIES = 4
"""How often a training holds the weights at least: themselves, their gradients, two moments of Adam."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """Bytes that a net cannot do without."""

    what: str
    """The net, in a few words."""
    weight_bytes: int
    """Of its weights and buffers, as they are built."""
    answer_bytes: int
    """Of the largest operation on one picture, inputs and outputs; 0 where that is not needed or cannot be foreseen."""


class TooMuchWork(HubelError):
    """Building the net, or showing it a picture, does not end in a sensible time."""


class _Meter(TorchFunctionMode):
    """Stops what calls torch more than `most` times: a depth of 10^9 would not end.

    Tensors without memory are left as they are by FILLS: loading the compiler takes seconds.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.left = most

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.left -= 1
        if self.left < 0:
            raise TooMuchWork("it is far too deep", hint="make it smaller")
        named = kwargs or {}
        if function in FILLS and (filled := args[0] if args else named["tensor"]).is_meta:
            return filled
        return function(*args, **named)


def sized(spec: ModelSpec, *, most_calls: int = MOST_CALLS) -> tuple[nn.Module, Size]:
    """The net of `spec` without memory for its weights (on the meta device), and what it would need.

    Raises UsageError, with the builder's reason, for options that it cannot be built with; TooMuchWork.
    """
    return _weighed(spec.build, spec.architecture, spec.options, (spec.in_chans, *(spec.img_size or ())), most_calls)


def check_fresh(name: str, in_chans: int, img_size: tuple[int, int] | None, num_classes: int | None = None) -> None:
    """Raise UsageError where a fresh net of the catalogue, or of a layer list, is larger than this machine's memory.

    What only its own builder knows (timm's nets, registered ones) is not looked at.
    """
    architecture, options = resolve(name, {})
    if architecture.startswith("timm/") or card(architecture).find is not None:
        return

    def make() -> nn.Module:
        return create_model(
            architecture, num_classes=num_classes, in_chans=in_chans, img_size=img_size, **options
        )  # fmt: skip

    check_memory(_weighed(make, architecture, options, (in_chans, *(img_size or ())), MOST_CALLS)[1])


def check_memory(size: Size, *, training: bool = False, free: int | None = None) -> None:
    """Raise UsageError unless `free` bytes (None: of this machine) hold the net and what it makes of one picture."""
    free = free_memory(torch.device("cpu")) if free is None else free
    needed = size.weight_bytes * (COPIES if training else 1) + size.answer_bytes
    if free is None or needed <= free:
        return
    what = "to be trained with one picture" if training else "to answer one picture"
    raise UsageError(f"{size.what} needs {amount(needed)} {what}, and {amount(free)} are free", hint="make it smaller")


def _weighed(
    make: Callable[[], nn.Module], name: str, options: Mapping[str, Any], shape: tuple[int, ...], most_calls: int
) -> tuple[nn.Module, Size]:
    what = "the layer list" if name == "layers" else name
    if options and name != "layers":
        what += " with " + ", ".join(f"{key}={shown(value, 60)}" for key, value in list(options.items())[:4])
    try:
        with _Meter(most_calls), torch.device("meta"), seeded(0):
            model = make()
    except HubelError:
        raise
    except Exception as error:  # a builder may fail in any way over options it was never meant to get
        why = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise UsageError(f"{what} cannot be built: {shown(why, 200)}", hint=f"its card: hubel model {name}") from error
    held = sum(tensor.numel() * tensor.element_size() for tensor in (*model.parameters(), *model.buffers()))
    usual = name in CARDS and name != "layers" and max(shape[1:], default=0) <= USUAL_SIDE
    # The builders of the catalogue are known: no picture of usual size makes them burst.
    return model, Size(what=what, weight_bytes=held, answer_bytes=0 if usual else _answer(model, shape, most_calls))


def _answer(model: nn.Module, shape: tuple[int, ...], most_calls: int) -> int:
    """Bytes of the largest operation's inputs and outputs for one picture."""
    try:
        with _Meter(most_calls):
            graph = record(model, shape, whole=False)
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
