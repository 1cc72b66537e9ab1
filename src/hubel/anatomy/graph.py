"""What a forward pass does, operation by operation, as plain data: recorded on shapes alone, nothing is allocated.

    model + input shape  ->  record  ->  Graph(values, operations, calls)

Weights are replaced by tensors of the meta device for the time of the pass, so a net of any size is recorded in the
memory of its skeleton, and buffers, modes and gradients of the model stay untouched. Because every operation passes the
dispatcher, functional calls, attention and branches are seen like modules are.

>>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10))
>>> graph = record(net, (3, 8, 8))
>>> [(op.name, op.module, graph.values[op.outputs[0]].shape) for op in graph.operations]
[('conv2d', '0', (1, 8, 6, 6)), ('relu', '1', (1, 8, 6, 6)), ('flatten', '2', (1, 288)), ('linear', '3', (1, 10))]
>>> [op.macs for op in graph.operations]
[7776, 0, 0, 2880]
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.utils._python_dispatch import TorchDispatchMode

from hubel.anatomy.operations import KEPT_WHOLE, READS_VALUES, ShapeMismatch, macs_of, output_of, work_of
from hubel.errors import UsageError
from hubel.nn.modes import evaluating, training
from hubel.nn.taps import module_calls
from hubel.types import Shape

Input = Shape | torch.Tensor | Sequence[Shape | torch.Tensor]
"""C H W without the batch, or a tensor as the model takes it, or several of either."""


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor that was met: its shape and where it came from."""

    shape: Shape
    dtype: str
    bytes: int
    kind: str
    """"input", "parameter", "buffer", "constant" or "computed"."""
    name: str = ""
    """Of a parameter or buffer: its dotted name."""
    storage: int = 0
    """Values with the same storage are views of each other or were changed in place."""
    trainable: bool = False


@dataclass(frozen=True, slots=True)
class Ref:
    """Stands in an operation's arguments where a tensor stood: the index of its Value."""

    value: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the dispatcher: name, place, arguments, results and cost."""

    name: str
    """Of the operator, without trailing underscore: "conv2d", "add"."""
    module: str
    """Dotted path of the innermost module that ran it; "" is the model itself."""
    call: int
    """Index into `Graph.calls`."""
    arguments: Mapping[str, Any]
    """By name, with `Ref` for tensors."""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    macs: int
    """Multiply-accumulates of convolutions, dense layers and matrix products; everything else has none."""
    work: int
    """Other arithmetic: one per output element of an elementwise operation, one per input of a pooling window."""
    in_place: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one module."""

    module: str
    kind: str
    """Class name, "Conv2d"."""
    parent: int
    """Index of the calling call; -1 for the model itself."""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    first: int
    last: int
    """It ran operations first..last-1."""
    leaf: bool
    """No other module was called inside."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A whole forward pass."""

    values: tuple[Value, ...]
    operations: tuple[Operation, ...]
    calls: tuple[Call, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    batch: int
    kind: str
    """Class name of the model."""
    notes: tuple[str, ...] = ()
    """What the reader should know: constants made on the way, values that could not be followed."""
    partial: str = ""
    """Not empty if the pass could not be followed to its end; says where it stopped and why."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the pass."""
        return sum(op.macs for op in self.operations)


def record(model: nn.Module, input: Input, *, batch: int = 1, train: bool = False, whole: bool = True) -> Graph:  # noqa: A002
    """Run the model on shapes and write down every operation.

    `input` is C H W without the batch (or a tuple of such shapes for several inputs, or tensors exactly as the model
    takes them, e.g. token ids); `batch` B is put in front of shapes. `train` runs in training mode. With `whole`, a
    pass that cannot be followed to its end raises UsageError; otherwise the graph up to there comes back, `partial`.

    Raises UsageError with the module and the operation when shapes do not fit or several inputs are needed.
    """
    recorder = _Recorder(model, whole=whole)
    tensors = abstract_input(input, batch)
    mode = training if train else evaluating
    with ExitStack() as stack:
        stack.enter_context(mode(model))
        stack.enter_context(torch.inference_mode())
        stack.enter_context(recorder.listening(model))
        return recorder.run(model, tensors, batch)


def abstract_input(input: Input, batch: int) -> tuple[torch.Tensor, ...]:  # noqa: A002
    """Meta tensors for what the model is to be fed; shapes get the batch in front, tensors are taken as they are."""
    if batch < 1:
        raise UsageError(f"batch must be at least 1, got {batch}", hint="1 is usual: hubel summary NET --batch-size 1")
    if isinstance(input, torch.Tensor):
        return (torch.empty(input.shape, dtype=input.dtype, device="meta"),)
    if not input:
        raise UsageError(
            f"the input has no shape, got {input!r}", hint="give channels, height and width: input=(3, 224, 224)"
        )
    sides = [side for side in input if isinstance(side, int)]
    if len(sides) == len(input):
        if any(side < 1 for side in sides):
            raise UsageError(
                f"every side of the input must be at least 1, got {tuple(sides)}",
                hint="channels, height and width: input=(3, 224, 224)",
            )
        return (torch.empty((batch, *sides), device="meta"),)
    if sides:
        raise UsageError(
            f"shapes and numbers are mixed in {input!r}", hint="several inputs: input=((3, 32, 32), (10,))"
        )
    parts = [part for part in input if not isinstance(part, int)]
    return tuple(tensor for part in parts for tensor in abstract_input(part, batch))


def abstract_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Meta twins of all parameters and buffers by name; tied ones share a twin."""
    twins: dict[int, torch.Tensor] = {}
    named: dict[str, torch.Tensor] = {}
    for name, tensor in (
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    ):
        if isinstance(tensor, UninitializedParameter | UninitializedBuffer):
            raise UsageError(
                f"parameter {name!r} has no shape yet (a lazy module)", hint="run the model once on a real input first"
            )
        if id(tensor) not in twins:
            # Not empty_like: on a net that is on the meta device already it would import torch's shape functions.
            twin = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
            twins[id(tensor)] = twin.requires_grad_() if tensor.requires_grad else twin
        named[name] = twins[id(tensor)]
    return named


class _Info:
    """What the recorder needs to know of an operator, looked up once."""

    __slots__ = ("composite", "factory", "mutable", "name", "names")

    def __init__(self, operator: Any) -> None:
        schema = operator._schema
        name = schema.name.partition("::")[2]
        # "relu_" works in place; "_softmax" does not.
        self.mutable = bool(schema.is_mutable) and name.endswith("_")
        self.name = name.removesuffix("_") if self.mutable else name
        self.names = tuple(argument.name for argument in schema.arguments)
        self.composite = self.name not in KEPT_WHOLE
        self.factory = "device" in self.names


class _Stop(Exception):
    """Ends a pass that cannot be followed further."""


class _Recorder(TorchDispatchMode):
    def __init__(self, model: nn.Module, *, whole: bool) -> None:
        super().__init__()
        self.model = model
        self.whole = whole
        self.values: list[Value] = []
        self.operations: list[Operation] = []
        self.calls: list[list[Any]] = []
        self.stack: list[int] = []
        self.notes: dict[str, None] = {}
        self.ids: dict[int, int] = {}
        self.storages: dict[int, int] = {}
        self.alive: list[torch.Tensor] = []  # Names are ids of objects: none may be reused while we look.
        self.sharing: dict[int, list[torch.Tensor]] = {}  # storage -> tensors that look at it
        self.info: dict[Any, _Info] = {}
        self.names: dict[int, tuple[str, str, bool]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Otherwise the first operation imports torch's compiler, most of a second, which nothing here needs.
        return False

    @contextmanager
    def listening(self, model: nn.Module) -> Iterator[None]:
        with module_calls(model, self.enter_module, self.leave_module):
            yield

    def run(self, model: nn.Module, tensors: tuple[torch.Tensor, ...], batch: int) -> Graph:
        weights = abstract_weights(model)
        parameters = dict(model.named_parameters(remove_duplicate=False))
        for name, twin in weights.items():
            kind = "parameter" if name in parameters else "buffer"
            self.names.setdefault(id(twin), (kind, name, kind == "parameter" and parameters[name].requires_grad))
        inputs = tuple(self.value(tensor, kind="input") for tensor in tensors)
        partial = ""
        outputs: tuple[int, ...] = ()
        try:
            with self:
                result = torch.func.functional_call(model, weights, tensors)
            outputs = tuple(self.value(tensor) for tensor in tensors_in(result))
        except _Stop as stop:
            partial = str(stop)
        except UsageError:
            raise
        except Exception as error:
            raise self.explained(error, tensors) from error
        finally:
            self.stack.clear()
        calls = tuple(
            Call(name, kind, parent, ins, outs, first, last if last >= 0 else len(self.operations), leaf)
            for name, kind, parent, ins, outs, first, last, leaf in self.calls
        )
        return Graph(
            values=tuple(self.values),
            operations=tuple(self.operations),
            calls=calls,
            inputs=inputs,
            outputs=outputs,
            batch=batch,
            kind=type(model).__name__,
            notes=tuple(self.notes),
            partial=partial,
        )

    def enter_module(self, name: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        parent = self.stack[-1] if self.stack else -1
        if parent >= 0:
            self.calls[parent][7] = False
        inputs = tuple(self.value(t) for t in tensors_in((args, kwargs)))
        self.stack.append(len(self.calls))
        self.calls.append([name, type(module).__name__, parent, inputs, (), len(self.operations), -1, True])

    def leave_module(self, output: Any) -> None:
        call = self.calls[self.stack.pop()]
        call[4] = tuple(self.value(tensor) for tensor in tensors_in(output))
        call[6] = len(self.operations)

    def value(self, tensor: torch.Tensor, kind: str = "constant") -> int:
        """The index of a tensor's Value, made at first sight."""
        known = self.ids.get(id(tensor))
        if known is not None:
            return known
        name, trainable = "", False
        if id(tensor) in self.names:
            kind, name, trainable = self.names[id(tensor)]
        self.alive.append(tensor)
        storage = self.storages.setdefault(id(tensor.untyped_storage()), len(self.storages))
        if not any(tensor is other for other in self.sharing.setdefault(storage, [])):
            self.sharing[storage].append(tensor)
        self.values.append(
            Value(
                tuple(tensor.shape),
                str(tensor.dtype).removeprefix("torch."),
                tensor.numel() * tensor.element_size(),
                kind,
                name,
                storage,
                trainable,
            )
        )
        self.ids[id(tensor)] = len(self.values) - 1
        return len(self.values) - 1

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        info = self.info.get(operator)
        if info is None:
            info = self.info[operator] = _Info(operator)
        if info.name in READS_VALUES and any(t.device.type == "meta" for t in tensors_in((args, kwargs))):
            raise self.stopped(info.name)
        if info.composite:
            with self:
                result = operator.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
            info.composite = False
        try:
            result = self.compute(operator, info, args, kwargs)
        except ShapeMismatch as error:
            raise UsageError(f"{self.where()}: {error}", hint=error.hint) from error
        except NotImplementedError as error:
            raise self.stopped(info.name) from error
        self.write_down(info, args, kwargs, result)
        return result

    def compute(self, operator: Any, info: _Info, args: Any, kwargs: Any) -> Any:
        result = output_of(info.name, args, kwargs)
        if result is not None:
            if info.mutable:
                if result.shape != args[0].shape:
                    raise ShapeMismatch(
                        f"{info.name}_ cannot change {tuple(args[0].shape)} into {tuple(result.shape)} in place"
                    )
                return args[0]
            return result
        tensors = list(tensors_in((args, kwargs)))
        if any(tensor.device.type == "meta" for tensor in tensors):
            # Constants of the model that live elsewhere follow the rest; what they hold does not matter for shapes.
            args, kwargs = (moved(part) for part in (args, kwargs))
            if info.factory and kwargs.get("device") is not None:
                kwargs = {**kwargs, "device": torch.device("meta")}
        return operator(*args, **kwargs)

    def write_down(self, info: _Info, args: Any, kwargs: Any, result: Any) -> None:
        inputs: list[int] = []

        def refer(part: Any) -> Any:
            if isinstance(part, torch.Tensor):
                index = self.value(part)
                inputs.append(index)
                return Ref(index)
            if isinstance(part, (list, tuple)):
                return tuple(refer(item) for item in part)
            return part

        arguments = {name: refer(part) for name, part in zip(info.names, args, strict=False)}
        for name, part in kwargs.items():
            arguments[name] = refer(part)
        if info.mutable and isinstance(result, torch.Tensor):
            self.ids.pop(id(result), None)
        produced = tuple(tensors_in(result))
        outputs = tuple(self.value(tensor, kind="computed") for tensor in produced)
        call = self.stack[-1] if self.stack else -1
        shapes = [self.values[i].shape for i in outputs]
        self.operations.append(
            Operation(
                info.name,
                self.calls[call][0] if call >= 0 else "",
                call,
                arguments,
                tuple(inputs),
                outputs,
                macs_of(info.name, args, kwargs, shapes),
                work_of(info.name, args, kwargs, shapes),
                info.mutable,
            )
        )
        if info.mutable:
            for tensor, index in zip(produced, outputs, strict=True):
                self.show_through(tensor, index, call)

    def show_through(self, written: torch.Tensor, index: int, call: int) -> None:
        """Other views of memory that was changed in place now hold something new, too."""
        for tensor in list(self.sharing[self.values[index].storage]):
            if tensor is written:
                continue
            before = self.ids.pop(id(tensor))
            after = self.value(tensor, kind="computed")
            self.operations.append(
                Operation(
                    "shared_memory",
                    self.calls[call][0] if call >= 0 else "",
                    call,
                    {"self": Ref(before), "written": Ref(index)},
                    (before, index),
                    (after,),
                    0,
                    0,
                )
            )

    def where(self) -> str:
        if not self.stack:
            return "the model"
        name, kind = self.calls[self.stack[-1]][:2]
        return f"module {name!r} ({kind})" if name else f"the model ({kind})"

    def stopped(self, operation: str) -> Exception:
        """The forward pass asks for numbers, and there are only shapes."""
        operation = "item" if operation == "_local_scalar_dense" else operation
        reason = (
            f"{self.where()} needs the value of a tensor (operation {operation!r}): "
            "what it does next depends on the data, not on shapes alone"
        )
        if self.whole:
            return UsageError(
                reason, hint="summarise the parts before and after it on their own, or ask for a partial table"
            )
        return _Stop(f"{reason}; everything after it is missing")

    def explained(self, error: Exception, tensors: tuple[torch.Tensor, ...]) -> UsageError:
        given = ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
        if isinstance(error, TypeError) and "forward()" in str(error) and not self.operations:
            return UsageError(
                f"{type(self.model).__name__}.forward cannot be called with {len(tensors)} input(s): {error}",
                hint="give one shape for each input: input=((3, 32, 32), (10,))",
            )
        if isinstance(error, NotImplementedError):
            return UsageError(f"{self.where()} has no forward pass: {error}", hint="define forward, then ask again")
        lines = str(error).strip().splitlines()
        return UsageError(
            f"{self.where()} fails on an input of shape {given}: {lines[0] if lines else type(error).__name__}",
            hint="give the input the model was made for: input=(channels, height, width), without the batch",
        )


def tensors_in(part: Any) -> Iterator[torch.Tensor]:
    """All tensors in nested tuples, lists and dictionaries, in order."""
    if isinstance(part, torch.Tensor):
        yield part
    elif isinstance(part, (list, tuple)):
        for item in part:
            yield from tensors_in(item)
    elif isinstance(part, Mapping):
        for item in part.values():
            yield from tensors_in(item)
    elif hasattr(part, "__dataclass_fields__"):
        for name in part.__dataclass_fields__:
            yield from tensors_in(getattr(part, name))


def moved(part: Any) -> Any:
    """The same nest of arguments with every tensor on the meta device."""
    if isinstance(part, torch.Tensor):
        return part if part.device.type == "meta" else torch.empty_like(part, device="meta")
    if isinstance(part, (list, tuple)):
        return type(part)(moved(item) for item in part)
    if isinstance(part, dict):
        return {key: moved(item) for key, item in part.items()}
    return part


def elements(shape: Shape) -> int:
    """How many numbers a tensor of this shape holds."""
    return math.prod(shape)
