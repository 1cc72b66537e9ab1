"""All that a net computed on its way from a picture to its answer: each operation with what it took and gave.

Where `hubel.anatomy.graph` writes down shapes, a `Scene` keeps the numbers. Because every operation passes the
dispatcher, what a module's code adds, joins or multiplies is seen like a layer. `hubel.lessons.written` writes any of
the numbers out.

>>> from torch import nn
>>> scene = observe(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)), torch.ones(1, 1, 4, 4))
>>> [(part.name, part.module, part.shape) for part in scene.parts]
[('conv2d', '0', (2, 2, 2)), ('relu', '1', (2, 2, 2)), ('flatten', '2', (8,)), ('linear', '3', (3,))]
>>> [part.sources for part in scene.parts]
[(-1,), (0,), (1,), (2,)]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from hubel.anatomy.operations import KEPT_WHOLE
from hubel.errors import UsageError
from hubel.nn.modes import evaluating
from hubel.nn.taps import module_calls

PICTURE = -1
"""Stands among the sources of a part for the picture itself."""
SILENT = frozenset({"detach", "alias", "lift_fresh", "_to_copy", "clone", "empty", "zeros", "ones", "full", "arange"})
"""Operations that tell nothing: what comes out is what went in, or a constant."""


@dataclass(frozen=True, eq=False)
class Part:
    """One operation of the pass."""

    index: int
    name: str
    """Of the operator: "conv2d", "add"."""
    module: str
    """Dotted path of the innermost module that ran it; "" is the net itself."""
    kind: str
    """Class name of that module."""
    arguments: Mapping[str, Any]
    """By name, tensors as they were; with their defaults where nothing was given."""
    sources: tuple[int, ...]
    """The parts whose numbers it took, `PICTURE` for the picture; weights and constants are none."""
    output: torch.Tensor
    """With the batch of one in front, if the operation kept it."""
    operator: Any = field(repr=False)
    closing: bool = False
    """What the module gives back is this."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the output, without the batch of one."""
        return tuple(self.output.shape[1:] if self.batched else self.output.shape)

    @property
    def batched(self) -> bool:
        """Whether the first axis is the batch of one."""
        return self.output.dim() > 1 and self.output.shape[0] == 1

    @property
    def title(self) -> str:
        """How a person calls it: the module's name, and the operation where that is not the same."""
        return f"{self.module} {self.name}".strip()


@dataclass(frozen=True, eq=False)
class Scene:
    """A whole pass."""

    picture: torch.Tensor
    """1 C H W, as the net took it."""
    parts: tuple[Part, ...]
    answer: torch.Tensor
    """1 K."""
    made: Mapping[int, int] = field(repr=False)
    """id of a tensor among the arguments -> the part that made it."""

    def source_of(self, tensor: torch.Tensor) -> int | None:
        """The part that made a tensor of an operation's arguments; None for weights and constants."""
        return self.made.get(id(tensor))

    def find(self, part: int, place: Sequence[int]) -> tuple[Part, tuple[int, ...]]:
        """A part, and where a place of it (channel, row, column, or as many as its shape has) lies in its output.

        Raises UsageError for a part or a place that is not there.
        """
        if not 0 <= part < len(self.parts):
            raise UsageError(f"there is no part {part}", hint=f"they are counted from 0 to {len(self.parts) - 1}")
        found, where = self.parts[part], tuple(place)
        if len(where) != len(found.shape) or any(not 0 <= p < n for p, n in zip(where, found.shape, strict=True)):
            shape = "x".join(map(str, found.shape))
            raise UsageError(f"{found.title} gives {shape}: there is no place {where}", hint="all are counted from 0")
        return found, (0, *where) if found.batched else where


def observe(model: nn.Module, images: torch.Tensor) -> Scene:
    """Run a net on one picture, 1 C H W, and keep every operation's numbers. The net is left as it was.

    Raises UsageError for more than one picture.
    """
    if images.shape[0] != 1:
        raise UsageError(f"one picture is looked at, got {images.shape[0]}", hint="choose one: digits:3")
    observer = _Observer(images)
    with (
        evaluating(model),
        _recurrence_in_parts(model),
        torch.inference_mode(),
        module_calls(model, observer.enter, observer.leave),
        observer,
    ):
        answer = model(images)
    return Scene(images, tuple(observer.parts), answer, observer.made)


def _recurrence_in_parts(model: nn.Module) -> AbstractContextManager[None]:
    """On CPUs torch has the recurrence of an LSTM in one piece; what it is made of is what we are here for."""
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    alone = {"deterministic": None, "allow_tf32": None, "fp32_precision": None}  # these stay as they are
    return torch.backends.mkldnn.flags(enabled=False, **alone) if recurrent else nullcontext()


class _Observer(TorchDispatchMode):
    def __init__(self, picture: torch.Tensor) -> None:
        super().__init__()
        self.parts: list[Part] = []
        self.made: dict[int, int] = {id(picture): PICTURE}
        self.alive: list[torch.Tensor] = [picture]  # names are ids of objects: none may be used again
        self.stack: list[tuple[str, str]] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # otherwise the first operation imports torch's compiler

    def enter(self, name: str, module: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self.stack.append((name, type(module).__name__))

    def leave(self, output: Any) -> None:
        name, _ = self.stack.pop()
        last = self.made.get(id(output)) if isinstance(output, torch.Tensor) else None
        if last is not None and last >= 0:
            part = self.parts[last]
            if part.module == name:
                self.parts[last] = Part(**{**vars(part), "closing": True})

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        schema = operator._schema
        name = schema.name.partition("::")[2]
        if name.removesuffix("_") not in KEPT_WHOLE:
            with self:
                result = operator.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        in_place = bool(schema.is_mutable) and name.endswith("_") and args and isinstance(args[0], torch.Tensor)
        if in_place:
            self.rescue(args[0])
        result = operator(*args, **kwargs)
        if not in_place and any(result is each for each in _tensors((args, kwargs))):
            return result  # nothing was done: drop-out at rest, flattening what is flat
        self.note(name.removesuffix("_") if in_place else name, operator, args, kwargs, result)
        return result

    def rescue(self, changed: torch.Tensor) -> None:
        """What is about to be overwritten stays what it was in the parts that keep it."""
        storage = changed.untyped_storage().data_ptr()
        for i, part in enumerate(self.parts):
            if part.output.untyped_storage().data_ptr() == storage:
                kept = part.output.clone()
                self.made[id(kept)] = i
                self.alive.append(kept)
                self.parts[i] = Part(**{**vars(part), "output": kept})

    def note(self, name: str, operator: Any, args: Any, kwargs: Any, result: Any) -> None:
        made = result[0] if isinstance(result, (tuple, list)) and result else result
        given = [t for t in _tensors((args, kwargs)) if id(t) in self.made]
        if not isinstance(made, torch.Tensor):
            return
        if name in SILENT or not given:
            if len(given) == 1 and name in SILENT:
                for each in _tensors(result):
                    self.alive.append(each)
                    self.made[id(each)] = self.made[id(given[0])]
            return
        arguments: dict[str, Any] = {}
        for place, argument in enumerate(operator._schema.arguments):
            value = args[place] if place < len(args) else kwargs.get(argument.name, _default(argument))
            arguments[argument.name] = self.kept(value)
        sources = tuple(self.made[id(t)] for t in given)
        for each in _tensors(result) if isinstance(result, (tuple, list)) else [result]:
            index = len(self.parts)
            module, kind = self.stack[-1] if self.stack else ("", "")
            self.alive.append(each)
            if not each.dtype.is_floating_point:
                continue
            self.parts.append(Part(index, name, module, kind, arguments, sources, each, operator))
            self.made[id(each)] = index

    def kept(self, value: Any) -> Any:
        """An argument as it is now: what is overwritten later is kept as a copy."""
        if isinstance(value, torch.Tensor):
            made = self.made.get(id(value))
            if made is None:
                return value.detach()
            if made == PICTURE:
                return value
            held = self.parts[made].output
            return held if held.shape == value.shape else value
        if isinstance(value, (list, tuple)):
            return tuple(self.kept(each) for each in value)
        return value


def _default(argument: Any) -> Any:
    return argument.default_value if argument.has_default_value() else None


def _tensors(part: Any) -> Iterator[torch.Tensor]:
    if isinstance(part, torch.Tensor):
        yield part
    elif isinstance(part, (list, tuple)):
        for each in part:
            yield from _tensors(each)
    elif isinstance(part, dict):
        for each in part.values():
            yield from _tensors(each)
