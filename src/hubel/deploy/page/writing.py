"""Operations as they are written down one after another: what handlers of PyTorch's operations are given to do it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx

from hubel.deploy.page.program import ARRAYS, Operation, Program, reads

OTHER_FORM = "another form takes it: hubel export RUN --to onnx"


@dataclass(frozen=True, slots=True)
class Ref:
    """An array of the program, seen in some shape."""

    array: int
    shape: tuple[int, ...]


Value = Any
"""A Ref, a tensor that is known beforehand, or a tuple or list of these."""


class Writer:
    """A program in the making; `node` is the operation of PyTorch that is being written down."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.sizes: list[int] = []
        self.constants: dict[int, np.ndarray] = {}
        self.makers: dict[int, Operation] = {}
        """The operation that gives an array."""
        self.node: fx.Node
        self._kept: dict[int, tuple[torch.Tensor, int]] = {}  # tensors are told apart by id: none may be reused

    def new(self, shape: Any) -> Ref:
        """Another array."""
        shape = tuple(int(side) for side in shape)
        self.sizes.append(int(np.prod(shape)))
        return Ref(len(self.sizes) - 1, shape)

    def add(self, op: str, shape: Any, **values: Any) -> Ref:
        """A new operation and what it gives."""
        out = self.new(shape)
        operation = {"op": op, **{key: value for key, value in values.items() if value is not None}, "y": out.array}
        self.operations.append(operation)
        self.makers[out.array] = operation
        return out

    def ref(self, value: Value) -> Ref:
        """Any value as an array of the program."""
        if isinstance(value, Ref):
            return value
        tensor = value if isinstance(value, torch.Tensor) else torch.tensor(float(value))
        if id(tensor) in self._kept:
            return Ref(self._kept[id(tensor)][1], tuple(tensor.shape))
        out = self.new(tensor.shape)
        self.constants[out.array] = tensor.detach().float().numpy().copy()
        self._kept[id(tensor)] = (tensor, out.array)
        return out

    def alone(self, node: Any) -> bool:
        """Does only the operation at hand read what this node gives?"""
        if not isinstance(node, fx.Node) or len(node.users) != 1:
            return False
        seen_through = node.target is operator.getitem or plain_name(node) in _VIEWS
        return not seen_through or self.alone(node.args[0])

    def clip(self, x: Ref, low: float | None, high: float | None) -> Ref:
        """x within limits: part of what makes it where nobody else reads it, else an operation."""
        maker = self.makers.get(x.array)
        takes = maker is not None and maker["op"] in ("conv", "dense", "affine", "binary") and "clip" not in maker
        if takes and self.alone(self.node.args[0]):
            assert maker is not None
            maker["clip"] = [low, high]
            return x
        return self.unary("clip", x, low, high)

    def unary(self, f: str, x: Ref, u: float | None = None, v: float | None = None) -> Ref:
        """f of every number, with its constants u and v."""
        return self.add("unary", x.shape, f=f, x=x.array, n=self.sizes[x.array], u=u, v=v)

    def binary(self, f: str, x: Value, z: Value) -> Ref:
        """f of x and z, spread over each other as PyTorch does it; a plain number costs no array."""
        for number, other, swapped in ((z, x, False), (x, z, True)):
            plain = isinstance(number, (int, float)) or (isinstance(number, torch.Tensor) and number.dim() == 0)
            if plain and isinstance(other, Ref) and f in _WITH_NUMBER:
                scale, shift = _WITH_NUMBER[f](float(number), swapped)
                if scale is not None:
                    return self.unary("linear", other, scale, shift)
        x, z = self.ref(x), self.ref(z)
        shape = torch.broadcast_shapes(x.shape, z.shape)
        sides = [_strides(operand.shape, shape) for operand in (x, z)]
        return self.add("binary", shape, f=f, x=x.array, z=z.array, dims=list(shape), xs=sides[0], zs=sides[1])

    def take(self, x: Ref, index: list[list[int] | None], fill: float = 0.0) -> Ref:
        """x at the places `index` of each axis, None for all of them; -1 is the number `fill`."""
        shape = [side if places is None else len(places) for side, places in zip(x.shape, index, strict=True)]
        return self.add("take", shape, x=x.array, dims=list(x.shape), index=index, fill=fill)

    def permute(self, x: Ref, order: list[int]) -> Ref:
        """x with its axes in another order: a view where only axes of length 1 change places."""
        moved = [axis for axis in order if x.shape[axis] > 1]
        shape = tuple(x.shape[axis] for axis in order)
        if moved == sorted(moved):
            return Ref(x.array, shape)
        return self.add("permute", shape, x=x.array, dims=list(x.shape), order=list(order))

    def outer_inner(self, x: Ref, axes: Any) -> tuple[Ref, int, int, int]:
        """(x with these axes side by side, numbers before, in and behind them)."""
        dims = len(x.shape)
        wanted = sorted(axis % dims for axis in (range(dims) if axes is None or axes == [] else axes))
        if wanted != list(range(wanted[0], wanted[-1] + 1)):
            x = self.permute(x, [*(axis for axis in range(dims) if axis not in wanted), *wanted])
            wanted = list(range(dims - len(wanted), dims))
        before, behind = x.shape[: wanted[0]], x.shape[wanted[-1] + 1 :]
        within = [x.shape[axis] for axis in wanted]
        return x, int(np.prod(before)), int(np.prod(within)), int(np.prod(behind))

    def pruned(self, start: int, answer: int) -> Program:
        """The program without what nobody reads, its arrays numbered anew."""
        needed, kept = {answer}, []
        for operation in reversed(self.operations):
            if operation["y"] in needed:
                kept.append(operation)
                needed.update(reads(operation))
        names = {array: number for number, array in enumerate(sorted(needed | {start}))}
        for operation in kept:
            for key in (*ARRAYS, "y"):
                if key in operation:
                    operation[key] = names[operation[key]]
            if "parts" in operation:
                operation["parts"] = [names[array] for array in operation["parts"]]
        return Program(
            operations=tuple(reversed(kept)),
            sizes=tuple(self.sizes[array] for array in sorted(names)),
            constants={names[array]: values for array, values in self.constants.items() if array in names},
            input=names[start],
            output=names[answer],
        )


def plain_name(node: fx.Node) -> str:
    """The name of PyTorch's operation, without its overload."""
    return str(getattr(node.target, "_schema", node.target)).partition("(")[0].removeprefix("aten::").partition(".")[0]


_WITH_NUMBER: dict[str, Callable[[float, bool], tuple[float | None, float]]] = {
    "add": lambda number, swapped: (1.0, number),
    "sub": lambda number, swapped: (-1.0, number) if swapped else (1.0, -number),
    "mul": lambda number, swapped: (number, 0.0),
    "div": lambda number, swapped: (None if swapped or not number else 1 / number, 0.0),
}

_VIEWS = frozenset(
    {
        "view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "clone", "alias", "detach", "contiguous", "flatten",
        "lift_fresh_copy", "_to_copy", "dropout",
    }
)  # fmt: skip


def _strides(shape: tuple[int, ...], wide: Any) -> list[int]:
    """How far to step in an array of this shape for each axis of the wider shape over which it is spread."""
    shape = (1,) * (len(wide) - len(shape)) + tuple(shape)
    steps, step = [], 1
    for side in reversed(shape):
        steps.append(0 if side == 1 else step)
        step *= side
    return steps[::-1]
