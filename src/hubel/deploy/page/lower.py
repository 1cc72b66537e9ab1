"""From a net to a program: every operation of one pass is written down and brought to the few that `program` has.

Nothing is read from names of layers: PyTorch tells which of its operations a pass takes (`make_fx`), for a batch of one
picture, so all sizes are known. What does not depend on the picture is worked out now. A batch norm that alone takes
what a convolution puts out becomes part of it (in float64; Jacob et al. 2018, arXiv 1712.05877, section 3.2), and a
ReLU or ReLU6 the limit of what comes before it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from hubel.deploy.page.program import Operation, Program
from hubel.errors import ArtefactError
from hubel.nn.fuse import hooked
from hubel.nn.modes import evaluating

OTHER_FORM = "another form takes it: hubel export RUN --to onnx"


@dataclass(frozen=True, slots=True)
class Ref:
    """An array of the program, seen in some shape."""

    array: int
    shape: tuple[int, ...]


Value = Any
"""A Ref, a tensor that is known beforehand, or a tuple or list of these."""


def lowered(model: nn.Module, image: torch.Tensor) -> Program:
    """The program of a net (on the CPU, float32) for pictures like `image`, 1 C H W.

    Raises ArtefactError for a net with an operation that a page has not, by its name, and one with hooks.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4)).eval()
    >>> [operation["op"] for operation in lowered(net, torch.rand(1, 3, 8, 8)).operations]
    ['conv', 'dense']
    """
    if hooked(model):
        raise ArtefactError("hooks listen to this net, which a page would leave out", hint="export the run as saved")
    with evaluating(model), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        try:
            traced = make_fx(functionalize(model))(image)
        except Exception as error:
            why = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise ArtefactError(f"this net cannot be written down as operations: {why}", hint=OTHER_FORM) from None
        traced.graph.eliminate_dead_code()
        return _Lowering(traced, image).program()


class _Lowering:
    """One walk over the operations of a pass; `real` has the values of this pass, for what is known beforehand."""

    def __init__(self, traced: fx.GraphModule, image: torch.Tensor) -> None:
        self.traced = traced
        self.image = image
        self.operations: list[Operation] = []
        self.sizes: list[int] = []
        self.constants: dict[int, np.ndarray] = {}
        self.kept: dict[int, tuple[torch.Tensor, int]] = {}
        self.values: dict[fx.Node, Value] = {}
        self.makers: dict[int, Operation] = {}
        self.node: fx.Node

    def program(self) -> Program:
        start = self.new(self.image.shape)
        answer: Value = None
        for node in self.traced.graph.nodes:
            self.node = node
            if node.op == "placeholder":
                self.values[node] = start
            elif node.op == "get_attr":
                value = self.traced
                for part in str(node.target).split("."):
                    value = getattr(value, part)
                self.values[node] = value
            elif node.op == "output":
                answer = fx.map_arg(node.args[0], self.values.__getitem__)
            else:
                self.values[node] = self.call(node)
        answer = answer[0] if isinstance(answer, (tuple, list)) else answer
        if not isinstance(answer, Ref):
            raise ArtefactError("this net's answer does not depend on the picture", hint=OTHER_FORM)
        return self.pruned(start.array, answer.array)

    def call(self, node: fx.Node) -> Value:
        args = fx.map_arg(node.args, self.values.__getitem__)
        kwargs = fx.map_arg(node.kwargs, self.values.__getitem__)
        if node.target is operator.getitem:
            return args[0][args[1]]
        if not _depends((args, kwargs)):
            assert callable(node.target)
            return node.target(*args, **kwargs)
        name = str(getattr(node.target, "_schema", node.target)).partition("(")[0].removeprefix("aten::")
        plain = name.partition(".")[0]
        changes = plain.endswith("_")
        handler = _TABLE.get(name) or _TABLE.get(plain.rstrip("_"))
        if handler is None:
            raise ArtefactError(
                f"this net has the operation {plain!r}, which a page does not have", hint=OTHER_FORM
            )
        result = handler(self, *args, **kwargs)
        if changes:
            first = node.args[0]
            assert isinstance(first, fx.Node)
            self.values[first] = result
        return result

    def new(self, shape: Any) -> Ref:
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
        if id(tensor) in self.kept:
            return Ref(self.kept[id(tensor)][1], tuple(tensor.shape))
        out = self.new(tensor.shape)
        self.constants[out.array] = tensor.detach().float().numpy().copy()
        self.kept[id(tensor)] = (tensor, out.array)
        return out

    def alone(self, node: Any) -> bool:
        """Does only the operation at hand read what this node gives?"""
        if not isinstance(node, fx.Node) or len(node.users) != 1:
            return False
        seen_through = node.target is operator.getitem or _plain(node) in _VIEWS
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

    def unary(self, f: str, x: Ref, a: float | None = None, b: float | None = None) -> Ref:
        return self.add("unary", x.shape, f=f, x=x.array, n=self.sizes[x.array], a=a, b=b)

    def binary(self, f: str, x: Value, z: Value) -> Ref:
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
        shape = [side if places is None else len(places) for side, places in zip(x.shape, index, strict=True)]
        return self.add("take", shape, x=x.array, dims=list(x.shape), index=index, fill=fill)

    def permute(self, x: Ref, order: list[int]) -> Ref:
        moved = [axis for axis in order if x.shape[axis] > 1]
        shape = tuple(x.shape[axis] for axis in order)
        if moved == sorted(moved):  # only axes of length 1 change places
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
                needed.update(_read(operation))
        names = {array: number for number, array in enumerate(sorted(needed | {start}))}
        for operation in kept:
            for key in ("x", "z", "w", "y", "b"):
                if operation.get(key) is not None and not (key == "b" and operation["op"] == "unary"):
                    operation[key] = names[operation[key]]
            if "xs" in operation and operation["op"] == "cat":
                operation["xs"] = [names[array] for array in operation["xs"]]
        return Program(
            operations=tuple(reversed(kept)),
            sizes=tuple(self.sizes[array] for array in sorted(names)),
            constants={names[array]: values for array, values in self.constants.items() if array in names},
            input=names[start],
            output=names[answer],
        )


def _read(operation: Operation) -> list[int]:
    keys = ("x",) if operation["op"] == "unary" else ("x", "z", "w", "b")
    inputs = list(operation["xs"]) if operation["op"] == "cat" else []
    return inputs + [operation[key] for key in keys if operation.get(key) is not None]


def _plain(node: fx.Node) -> str:
    return str(getattr(node.target, "_schema", node.target)).partition("(")[0].removeprefix("aten::").partition(".")[0]


def _depends(value: Any) -> bool:
    """Is there an array of the program in it?"""
    if isinstance(value, Ref):
        return True
    if isinstance(value, dict):
        return any(map(_depends, value.values()))
    return isinstance(value, (tuple, list)) and any(map(_depends, value))


def _strides(shape: tuple[int, ...], wide: Any) -> list[int]:
    """How far to step in an array of this shape for each axis of the wider shape over which it is spread."""
    shape = (1,) * (len(wide) - len(shape)) + tuple(shape)
    steps, step = [], 1
    for side in reversed(shape):
        steps.append(0 if side == 1 else step)
        step *= side
    return steps[::-1]


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


def _convolution(
    low: _Lowering, x: Ref, w: Value, b: Value, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int,
) -> Ref:  # fmt: skip
    if transposed or isinstance(w, Ref) or len(x.shape) not in (3, 4):
        what = "a transposed convolution" if transposed else "a convolution that a page does not have"
        raise ArtefactError(f"this net has {what}", hint=OTHER_FORM)
    one = len(x.shape) == 3  # B C L is B C 1 L
    c, *sides = x.shape[1:]
    kernel = list(w.shape[2:])
    out = [
        (side + 2 * p - d * (k - 1) - 1) // s + 1
        for side, k, s, p, d in zip(sides, kernel, stride, padding, dilation, strict=True)
    ]
    lead, zero = ([1], [0]) if one else ([], [])
    return low.add(
        "conv", (1, w.shape[0], *out), x=x.array, w=low.ref(w).array, b=None if b is None else low.ref(b).array,
        c=[c, *lead, *sides], o=[w.shape[0], *lead, *out], k=[*lead, *kernel], s=[*lead, *stride],
        p=[*zero, *padding], d=[*lead, *dilation], g=groups,
    )  # fmt: skip


def _batch_norm(low: _Lowering, x: Ref, w: Value, b: Value, mean: Value, var: Value, *rest: Any) -> tuple[Ref]:
    if any(isinstance(value, Ref) for value in (w, b, mean, var)) or mean is None:
        raise ArtefactError("this net has a batch norm without statistics of its own", hint=OTHER_FORM)
    scale = (var.double() + rest[-1]).rsqrt() * (1.0 if w is None else w.double())
    shift = (0.0 if b is None else b.double()) - mean.double() * scale
    maker = low.makers.get(x.array)
    if maker is None or maker["op"] != "conv" or maker["o"][0] != x.shape[1] or "clip" in maker:
        maker = None
    if maker is not None and low.alone(low.node.args[0]):
        weight = torch.from_numpy(low.constants[maker["w"]]).double()
        before = torch.from_numpy(low.constants[maker["b"]]).double() if maker.get("b") is not None else 0.0
        maker["w"] = low.ref((weight * scale.reshape(-1, *[1] * (weight.dim() - 1))).float()).array
        maker["b"] = low.ref((before * scale + shift).float()).array
        return (x,)
    return (_affine(low, x, scale.float(), shift.float()),)


def _affine(low: _Lowering, x: Ref, w: torch.Tensor, b: torch.Tensor) -> Ref:
    c = x.shape[1]
    return low.add("affine", x.shape, x=x.array, w=low.ref(w).array, b=low.ref(b).array, c=c, n=low.sizes[x.array] // c)


def _layer_norm(low: _Lowering, x: Ref, shape: Any, w: Value, b: Value, eps: float) -> tuple[Ref]:
    n = int(np.prod(shape))
    rows = low.sizes[x.array] // n
    out = low.add("norm", x.shape, x=x.array, rows=rows, n=n, eps=eps)
    out = out if w is None else low.binary("mul", out, w)
    return (out if b is None else low.binary("add", out, b),)


def _group_norm(
    low: _Lowering, x: Ref, w: Value, b: Value, n: int, c: int, hw: int, groups: int, eps: float
) -> tuple[Ref]:
    out = low.add("norm", x.shape, x=x.array, rows=groups, n=c * hw // groups, eps=eps)
    return (out if w is None else _affine(low, out, w, torch.zeros_like(w) if b is None else b),)


def _product(low: _Lowering, x: Value, w: Value, b: Value = None) -> Ref:
    """x (rows k) times w (k m), plus b."""
    if isinstance(w, Ref) or not isinstance(x, Ref) or isinstance(b, Ref):
        x, z = low.ref(x), low.ref(w)
        out = _bmm(low, Ref(x.array, (1, *x.shape)), Ref(z.array, (1, *z.shape)))
        out = Ref(out.array, out.shape[1:])
        return out if b is None else low.binary("add", out, b)
    (rows, k), m = x.shape, w.shape[1]
    bias = None if b is None else low.ref(b.expand(m).contiguous()).array
    return low.add(
        "dense", (rows, m), x=x.array, w=low.ref(w.t().contiguous()).array, b=bias, rows=rows, k=k, m=m
    )  # fmt: skip


def _addmm(low: _Lowering, b: Value, x: Value, w: Value, *, beta: float = 1, alpha: float = 1) -> Ref:
    if (beta, alpha) != (1, 1):
        raise ArtefactError("this net has a product of matrices with factors", hint=OTHER_FORM)
    return _product(low, x, w, b)


def _bmm(low: _Lowering, x: Value, z: Value) -> Ref:
    x, z = low.ref(x), low.ref(z)
    n, r, k = x.shape
    return low.add("matmul", (n, r, z.shape[2]), x=x.array, z=z.array, n=n, r=r, k=k, m=z.shape[2])


def _pool(low: _Lowering, kind: str, x: Ref, kernel: Any, stride: Any, padding: Any, ceil: bool, **more: Any) -> Ref:
    dims = len(kernel) if isinstance(kernel, (list, tuple)) else 2
    full = [list(values) * (dims if len(values) == 1 else 1) for values in (kernel, stride or kernel, padding)]
    sides = list(x.shape[-dims:])
    c = low.sizes[x.array] // int(np.prod(sides))
    out = []
    for side, k, s, p in zip(sides, *full, strict=True):
        room = side + 2 * p - k
        count = (-(-room // s) if ceil else room // s) + 1
        out.append(count - 1 if ceil and (count - 1) * s >= side + p else count)
    lead = 3 - dims
    k, s, p = ([fill] * lead + values for fill, values in zip((1, 1, 0), full, strict=True))
    shape = (*x.shape[: len(x.shape) - dims], *out)
    c_d_h_w = [c, *[1] * lead, *sides]
    return low.add("pool", shape, kind=kind, x=x.array, c=c_d_h_w, o=[c, *[1] * lead, *out], k=k, s=s, p=p, **more)


def _max_pool(
    low: _Lowering, x: Ref, kernel: Any, stride: Any = (), padding: Any = (0,), dilation: Any = (1,), ceil: bool = False
) -> tuple[Ref]:
    if set(dilation) != {1}:
        raise ArtefactError("this net has a max pooling with dilation", hint=OTHER_FORM)
    return (_pool(low, "max", x, kernel, stride, padding, ceil),)


def _avg_pool(
    low: _Lowering, x: Ref, kernel: Any, stride: Any = (), padding: Any = (0,), ceil: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Ref:  # fmt: skip
    return _pool(low, "mean", x, kernel, stride, padding, ceil, rim=count_include_pad, by=divisor_override)


def _adaptive(low: _Lowering, kind: str, x: Ref, size: Any) -> Ref:
    sides = x.shape[2:]
    if any(side % out for side, out in zip(sides, size, strict=True)):
        raise ArtefactError(
            f"this net pools {sides[0]} x {sides[-1]} to {size[0]} x {size[-1]} in windows of different sizes",
            hint=OTHER_FORM,
        )
    kernel = [side // out for side, out in zip(sides, size, strict=True)]
    return _pool(low, kind, x, kernel, kernel, (0,), False, **({"rim": True} if kind == "mean" else {}))


def _reduce(low: _Lowering, kind: str, x: Ref, axes: Any = None, keep: bool = False, **_: Any) -> Ref:
    axes = [axes] if isinstance(axes, int) else axes
    dims = len(x.shape)
    wanted = {axis % dims for axis in (axes or range(dims))}
    shape = [1 if axis in wanted else side for axis, side in enumerate(x.shape) if keep or axis not in wanted]
    x, outer, n, inner = low.outer_inner(x, axes)
    return low.add("reduce", shape, kind=kind, x=x.array, outer=outer, n=n, inner=inner)


def _softmax(low: _Lowering, x: Ref, axis: int, *_: Any, log: bool | None = None, **__: Any) -> Ref:
    x, outer, n, inner = low.outer_inner(x, [axis])
    return low.add("softmax", x.shape, x=x.array, outer=outer, n=n, inner=inner, log=log)


def _slice(low: _Lowering, x: Ref, axis: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Ref:
    places = list(range(x.shape[axis]))[start:end:step]
    return x if len(places) == x.shape[axis] else _along(low, x, axis, places)


def _along(low: _Lowering, x: Ref, axis: int, places: list[int]) -> Ref:
    index: list[list[int] | None] = [None] * len(x.shape)
    index[axis % len(x.shape)] = places
    return low.take(x, index)


def _select(low: _Lowering, x: Ref, axis: int, place: int) -> Ref:
    out = _along(low, x, axis, [place % x.shape[axis]])
    axis %= len(x.shape)
    return Ref(out.array, x.shape[:axis] + x.shape[axis + 1 :])


def _unbind(low: _Lowering, x: Ref, axis: int = 0) -> list[Ref]:
    return [_select(low, x, axis, place) for place in range(x.shape[axis])]


def _split(low: _Lowering, x: Ref, size: Any, axis: int = 0) -> list[Ref]:
    whole = x.shape[axis]
    sizes = [min(size, whole - at) for at in range(0, whole, size)] if isinstance(size, int) else list(size)
    begins = np.cumsum([0, *sizes]).tolist()
    return [_slice(low, x, axis, a, b) for a, b in zip(begins, begins[1:], strict=False)]


def _cat(low: _Lowering, parts: list[Value], axis: int = 0) -> Ref:
    found = [low.ref(part) for part in parts]
    found = [part for part in found if len(part.shape) > 1 or part.shape != (0,)]
    axis %= len(found[0].shape)
    shape = list(found[0].shape)
    shape[axis] = sum(part.shape[axis] for part in found)
    sizes = [int(np.prod(part.shape[axis:])) for part in found]
    return low.add("cat", shape, xs=[part.array for part in found], outer=int(np.prod(shape[:axis])), sizes=sizes)


def _stack(low: _Lowering, parts: list[Value], axis: int = 0) -> Ref:
    found = [low.ref(part) for part in parts]
    axis %= len(found[0].shape) + 1
    return _cat(low, [Ref(part.array, (*part.shape[:axis], 1, *part.shape[axis:])) for part in found], axis)


def _expand(low: _Lowering, x: Ref, shape: Any, **_: Any) -> Ref:
    wide = (1,) * (len(shape) - len(x.shape)) + x.shape
    index = [[0] * out if side == 1 and out > 1 else None for side, out in zip(wide, shape, strict=True)]
    seen = Ref(x.array, wide)
    return seen if all(places is None for places in index) else low.take(seen, index)


def _padded(low: _Lowering, x: Ref, padding: Any, how: str, fill: float = 0.0) -> Ref:
    index: list[list[int] | None] = [None] * len(x.shape)
    for number in range(len(padding) // 2):
        axis = len(x.shape) - 1 - number
        side, before, behind = x.shape[axis], padding[2 * number], padding[2 * number + 1]
        if before or behind:
            index[axis] = [_place(place, side, how) for place in range(-before, side + behind)]
    return low.take(x, index, float(fill))


def _place(place: int, side: int, how: str) -> int:
    if 0 <= place < side:
        return place
    if how == "constant":
        return -1
    if how == "edge":
        return min(max(place, 0), side - 1)
    return -place if place < 0 else 2 * (side - 1) - place


def _index(low: _Lowering, x: Value, indices: Any) -> Ref:
    known = [axis for axis, places in enumerate(indices) if places is not None]
    if not isinstance(x, Ref) or len(known) != 1 or not isinstance(indices[known[0]], torch.Tensor):
        raise ArtefactError("this net looks up places that depend on the picture or on several axes", hint=OTHER_FORM)
    places, axis = indices[known[0]], known[0]
    if places.dtype == torch.bool:
        places = places.nonzero()[:, 0]
    out = _along(low, x, axis, [int(place) % x.shape[axis] for place in places.flatten()])
    return Ref(out.array, (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]))


def _flip(low: _Lowering, x: Ref, axes: Any) -> Ref:
    index: list[list[int] | None] = [None] * len(x.shape)
    for axis in axes:
        index[axis % len(x.shape)] = list(range(x.shape[axis]))[::-1]
    return low.take(x, index)


def _nearest(low: _Lowering, x: Ref, size: Any, *_: Any) -> Ref:
    index: list[list[int] | None] = [None, None]
    for side, out in zip(x.shape[2:], size, strict=True):
        index.append([min(side - 1, place * side // out) for place in range(out)])
    return low.take(x, index)


def _view(low: _Lowering, x: Ref, shape: Any) -> Ref:
    shape = list(shape)
    if -1 in shape:
        rest = -int(np.prod(shape))
        shape[shape.index(-1)] = low.sizes[x.array] // rest
    return Ref(x.array, tuple(shape))


def _squeeze(low: _Lowering, x: Ref, axes: Any = None) -> Ref:
    dims = len(x.shape)
    wanted = {axis % dims for axis in ([axes] if isinstance(axes, int) else range(dims) if axes is None else axes)}
    return Ref(x.array, tuple(side for axis, side in enumerate(x.shape) if axis not in wanted or side != 1))


def _unsqueeze(low: _Lowering, x: Ref, axis: int) -> Ref:
    axis %= len(x.shape) + 1
    return Ref(x.array, (*x.shape[:axis], 1, *x.shape[axis:]))


def _transpose(low: _Lowering, x: Ref, first: int = 0, second: int = 1) -> Ref:
    order = list(range(len(x.shape)))
    order[first], order[second] = order[second], order[first]
    return low.permute(x, order)


def _add(low: _Lowering, x: Value, z: Value, *, alpha: float = 1, f: str = "add") -> Ref:
    if alpha != 1:
        z = low.unary("linear", z, float(alpha), 0.0) if isinstance(z, Ref) else z * alpha
    return low.binary(f, x, z)


def _power(low: _Lowering, x: Ref, power: Any) -> Ref:
    return low.binary("mul", x, x) if power == 2 else low.unary("power", x, float(power))


def _norm(low: _Lowering, x: Ref, order: float = 2, axes: Any = None, keep: bool = False, **_: Any) -> Ref:
    if order != 2:
        raise ArtefactError(f"this net has a norm of order {order}", hint=OTHER_FORM)
    return low.unary("power", _reduce(low, "sum", low.binary("mul", x, x), axes, keep), 0.5)


def _elu(low: _Lowering, x: Ref, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Ref:
    if input_scale != 1:  # CELU: the exponent of x / alpha
        x = low.unary("linear", x, float(input_scale), 0.0)
        return low.unary("linear", low.unary("elu", x, alpha * input_scale), scale / input_scale, 0.0)
    out = low.unary("elu", x, float(alpha))
    return out if scale == 1 else low.unary("linear", out, float(scale), 0.0)


def _softplus(low: _Lowering, x: Ref, beta: float = 1.0, threshold: float = 20.0) -> Ref:
    scaled = x if beta == 1 else low.unary("linear", x, float(beta), 0.0)
    out = low.unary("softplus", scaled)
    return out if beta == 1 else low.unary("linear", out, 1 / beta, 0.0)


def _gelu(low: _Lowering, x: Ref, *, approximate: str = "none") -> Ref:
    return low.unary("gelu" if approximate == "none" else "gelu-tanh", x)


def _prelu(low: _Lowering, x: Ref, w: Value) -> Ref:
    return low.binary("prelu", x, w)


def _same(low: _Lowering, x: Ref, *_: Any, **__: Any) -> Ref:
    return x


def _named(f: str) -> Callable[..., Ref]:
    return lambda low, x, *_, **__: low.unary(f, x)


def _two(f: str) -> Callable[..., Ref]:
    return lambda low, x, z, **__: low.binary(f, x, z)


_TABLE: dict[str, Callable[..., Value]] = {
    "convolution": _convolution,
    "native_batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "native_layer_norm": _layer_norm,
    "native_group_norm": _group_norm,
    "addmm": _addmm,
    "mm": _product,
    "bmm": _bmm,
    "max_pool2d_with_indices": _max_pool,
    "max_pool3d_with_indices": _max_pool,
    "avg_pool2d": _avg_pool,
    "avg_pool3d": _avg_pool,
    "_adaptive_avg_pool2d": lambda low, x, size: _adaptive(low, "mean", x, size),
    "adaptive_max_pool2d": lambda low, x, size: (_adaptive(low, "max", x, size),),
    "mean": lambda low, x, *rest, **more: _reduce(low, "mean", x, *rest, **more),
    "sum": lambda low, x, *rest, **more: _reduce(low, "sum", x, *rest, **more),
    "amax": lambda low, x, *rest, **more: _reduce(low, "max", x, *rest, **more),
    "amin": lambda low, x, *rest, **more: _reduce(low, "min", x, *rest, **more),
    "max.dim": lambda low, x, *rest, **more: (_reduce(low, "max", x, *rest, **more),),
    "min.dim": lambda low, x, *rest, **more: (_reduce(low, "min", x, *rest, **more),),
    "linalg_vector_norm": _norm,
    "_softmax": _softmax,
    "_safe_softmax": _softmax,
    "softmax": _softmax,
    "_log_softmax": lambda low, x, axis, *rest: _softmax(low, x, axis, log=True),
    "slice": _slice,
    "select": _select,
    "zeros_like": lambda low, x, **_: torch.zeros(x.shape),
    "ones_like": lambda low, x, **_: torch.ones(x.shape),
    "unbind": _unbind,
    "split": _split,
    "unsafe_split": _split,
    "split_with_sizes": _split,
    "cat": _cat,
    "stack": _stack,
    "expand": _expand,
    "constant_pad_nd": lambda low, x, padding, fill=0: _padded(low, x, padding, "constant", fill),
    "reflection_pad2d": lambda low, x, padding: _padded(low, x, padding, "reflect"),
    "replication_pad2d": lambda low, x, padding: _padded(low, x, padding, "edge"),
    "index": _index,
    "index_select": lambda low, x, axis, places: _along(low, x, axis, places.tolist()),
    "flip": _flip,
    "upsample_nearest2d": _nearest,
    "permute": lambda low, x, order: low.permute(x, [axis % len(x.shape) for axis in order]),
    "transpose": _transpose,
    "t": lambda low, x: _transpose(low, x) if len(x.shape) == 2 else x,
    "add": _add,
    "sub": lambda low, x, z, **more: _add(low, x, z, f="sub", **more),
    "rsub": lambda low, x, z, **more: _add(low, z, x, f="sub", **more),
    "mul": _two("mul"),
    "div": _two("div"),
    "maximum": _two("max"),
    "minimum": _two("min"),
    "pow": _power,
    "relu": lambda low, x: low.clip(x, 0.0, None),
    "hardtanh": lambda low, x, least=-1.0, most=1.0: low.clip(x, float(least), float(most)),
    "clamp": lambda low, x, least=None, most=None: low.clip(x, least, most),
    "clamp_min": lambda low, x, least: low.clip(x, float(least), None),
    "clamp_max": lambda low, x, most: low.clip(x, None, float(most)),
    "leaky_relu": lambda low, x, slope=0.01: low.unary("leaky", x, float(slope)),
    "threshold": lambda low, x, least, value: low.unary("threshold", x, float(least), float(value)),
    "neg": lambda low, x: low.unary("linear", x, -1.0, 0.0),
    "rsqrt": lambda low, x: low.unary("power", x, -0.5),
    "sqrt": lambda low, x: low.unary("power", x, 0.5),
    "reciprocal": lambda low, x: low.unary("power", x, -1.0),
    "elu": _elu,
    "softplus": _softplus,
    "gelu": _gelu,
    "_prelu_kernel": _prelu,
    "log_sigmoid_forward": lambda low, x: (low.unary("log-sigmoid", x),),
    "view": _view,
    "_unsafe_view": _view,
    "reshape": _view,
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    **dict.fromkeys(("clone", "alias", "detach", "contiguous", "lift_fresh_copy", "_to_copy", "dropout"), _same),
    **{
        name: _named(name.replace("_", "-"))
        for name in (
            "sigmoid", "tanh", "silu", "mish", "hardsigmoid", "hardswish", "exp", "log", "abs", "sin", "cos", "sign",
            "floor",
        )
    },
}  # fmt: skip
