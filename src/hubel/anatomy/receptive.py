"""The receptive field: which pixels of the input a unit can see, through any graph.

Two things are followed through every recorded operation, for each axis of the image:

* the exact window of every single unit, as arrays of first and last pixel, clipped at the border of the image. The
  arrays have as many dimensions as the tensor (size 1 where they do not vary), so reshaping, attention windows, crops
  and joins of branches do to them what they do to the tensor;
* the theoretical field on an endless image, as size, jump (pixels between neighbouring units) and start (first pixel
  of the first unit, negative where padding is reached), the figures that papers print.

    convolution, pooling   size += d(k - 1) * jump      start -= p * jump      jump *= s
    transposed             jump /= s                    size += (ceil((d(k - 1) + 1) / s) - 1) * jump
    join of branches       first start, last end

A path over the whole image (global pooling in a gate, attention, group statistics) makes every unit see everything.
Then `context` is True, the exact windows are the whole image, and size, jump and start tell what the local path sees.

Araujo, Norris and Sim, Computing receptive fields of convolutional neural networks, Distill 2019.

>>> net = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2))
>>> seen = field(net, (1, 32, 32), "4")
>>> seen.size, seen.jump, seen.start
((16, 16), (4, 4), (0, 0))
>>> seen.window(1, 2)
((4, 20), (8, 24))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from hubel.anatomy.graph import Graph, Input, Operation, Ref, record
from hubel.anatomy.operations import per_axis
from hubel.errors import UsageError, unknown
from hubel.types import Shape

Number = int | Fraction
Array = np.ndarray

WHOLE = "all"
"""What stands for the field of a unit that sees the whole input and runs along none of its sides."""

# An empty window has its first pixel after its last one; minimum and maximum then do the right thing by themselves.
_NEVER = np.int32(1 << 29)


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """What the units of one layer see of the image. Tuples hold one number per image axis (height, width)."""

    size: tuple[Number, ...]
    """Pixels, on an endless image."""
    jump: tuple[Number, ...]
    """Pixels between the windows of neighbouring units; below 1 after up-sampling."""
    start: tuple[Number, ...]
    """First pixel of the first unit's window; negative: so far it reaches into padding."""
    context: bool
    """Some path sees the whole image; then size, jump and start describe the local path."""
    first: tuple[Array, ...]
    """Per axis: first pixel seen by each unit, clipped to the image; an array that broadcasts against the output."""
    last: tuple[Array, ...]
    """Per axis: last pixel seen; smaller than `first` if a unit sees nothing but padding."""
    image: Shape
    """Size of the image in pixels."""
    shape: Shape
    """Of the layer's output, with the batch."""
    capped: bool = False
    """Behind the last map a single unit sees everything: then size is that of the image, not of an endless one."""

    @property
    def whole(self) -> bool:
        """Each unit sees every pixel."""
        return all(
            bool((low <= 0).all() and (high >= n - 1).all())
            for low, high, n in zip(self.first, self.last, self.image, strict=True)
        )

    def window(self, *unit: int) -> tuple[tuple[int, int], ...]:
        """Rows and columns (first, last + 1) that the unit at this place of the map can see, over all channels."""
        axes = len(self.image)
        bounds = []
        for low, high in zip(self.first, self.last, strict=True):
            place = tuple(
                slice(None) if d < low.ndim - axes or low.shape[d] == 1 else unit[d - low.ndim + axes]
                for d in range(low.ndim)
            )
            bounds.append((int(low[place].min()), int(high[place].max()) + 1))
        return tuple(bounds)

    def __str__(self) -> str:
        if self.capped:
            return WHOLE
        text = "x".join(f"{float(s):g}" for s in dict.fromkeys(self.size))
        return f"{text} + all" if self.context else text


def field(model: nn.Module, input: Input, layer: str) -> ReceptiveField:  # noqa: A002
    """The receptive field of the output of the module called `layer`.

    Raises UnknownName for a module that is not there, UsageError for one that the forward pass never calls or whose
    output does not depend on the image.
    """
    names = [name for name, _ in model.named_modules()]
    if layer not in names:
        raise unknown("layer", layer, [name for name in names if name])
    found = fields(record(model, input))
    if layer not in found:
        raise UsageError(
            f"layer {layer!r} is not called in the forward pass, or does not see the image",
            hint=f"layers that do: {', '.join(list(found)[:12])}",
        )
    return found[layer]


def fields(graph: Graph) -> dict[str, ReceptiveField]:
    """The field of each module's (last) output, by dotted name, in order of the forward pass."""
    views = _follow(graph)
    image = graph.values[graph.inputs[0]].shape[2:]
    found: dict[str, ReceptiveField] = {}
    for call in graph.calls:
        for index in call.outputs[:1]:
            if index in views:
                found[call.module] = _published(views[index], graph.values[index].shape, image)
    return found


def of_values(graph: Graph) -> dict[int, ReceptiveField]:
    """The field of every value of the graph that depends on the image, by index."""
    image = graph.values[graph.inputs[0]].shape[2:]
    return {i: _published(view, graph.values[i].shape, image) for i, view in _follow(graph).items()}


def _published(view: _View, shape: Shape, image: Shape) -> ReceptiveField:
    alone = all(axis.dim is None or (axis.dim < len(shape) and shape[axis.dim] == 1) for axis in view)
    everything = all(
        int(axis.low.max()) <= 0 and int(axis.high.min()) >= n - 1 for axis, n in zip(view, image, strict=True)
    )
    capped = alone and everything and any(axis.size > n for axis, n in zip(view, image, strict=True))
    return ReceptiveField(
        tuple(image) if capped else tuple(axis.size for axis in view),
        tuple(axis.jump for axis in view),
        tuple(0 for _ in view) if capped else tuple(axis.start for axis in view),
        any(axis.context for axis in view),
        tuple(axis.low for axis in view),
        tuple(axis.high for axis in view),
        image,
        shape,
        capped,
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    """One image axis, seen from one tensor."""

    low: Array
    high: Array
    size: Number
    jump: Number
    start: Number
    dim: int | None
    """The dimension of the tensor that runs along this axis; None once it is reduced or merged with others."""
    context: bool = False
    merged: int = 1
    """How many positions along this axis lie in dimensions that were merged with others."""


_View = tuple[_Axis, ...]


def _follow(graph: Graph) -> dict[int, _View]:
    image = graph.values[graph.inputs[0]].shape
    if len(image) < 3:
        return {}
    views = {graph.inputs[0]: tuple(_pixel(len(image), dim, image[dim]) for dim in range(2, len(image)))}
    for op in graph.operations:
        seeing = [views[i] for i in op.inputs if i in views]
        if not seeing or not op.outputs:
            continue
        result = _through(op, graph, views)
        for index, view in zip(
            op.outputs, result if isinstance(result, list) else [result] * len(op.outputs), strict=True
        ):
            views[index] = view
    return views


def _pixel(dims: int, dim: int, n: int) -> _Axis:
    places = np.arange(n, dtype=np.int32).reshape([n if d == dim else 1 for d in range(dims)])
    return _Axis(places, places, 1, 1, 0, dim)


def _through(op: Operation, graph: Graph, views: Mapping[int, _View]) -> _View | list[_View]:
    shape = graph.values[op.outputs[0]].shape
    rule = _RULES.get(op.name)
    if rule is not None:
        return rule(op, graph, views, shape)
    seeing = [(views[i], graph.values[i].shape) for i in op.inputs if i in views]
    if op.name in _POINTWISE or _is_pointwise(op.name):
        return _joined([view for view, _ in seeing], shape)
    # Unknown to us: whatever it does, it sees no more than everything its inputs see.
    return _everything([view for view, _ in seeing], shape)


def _joined(views: Sequence[_View], shape: Shape) -> _View:
    """Elementwise meeting of tensors that broadcast to `shape`."""
    axes = []
    for together in zip(*views, strict=True):
        parts = [_led(part, len(shape)) for part in together]
        if len(parts) == 1:
            axes.append(parts[0])
            continue
        low, high = parts[0].low, parts[0].high
        for part in parts[1:]:
            low, high = np.minimum(low, part.low), np.maximum(high, part.high)
        axes.append(_local(parts, low, high, shape))
    return tuple(axes)


def _led(axis: _Axis, dims: int) -> _Axis:
    """With leading dimensions of size 1 up to `dims`, as broadcasting adds them."""
    missing = dims - axis.low.ndim
    if missing <= 0:
        return axis
    lead = (1,) * missing
    return replace(
        axis,
        low=axis.low.reshape(lead + axis.low.shape),
        high=axis.high.reshape(lead + axis.high.shape),
        dim=None if axis.dim is None else axis.dim + missing,
    )


def _local(parts: Sequence[_Axis], low: Array, high: Array, shape: Shape) -> _Axis:
    """The theoretical field of a join: branches that still run along the image decide, the others are context."""
    # A map of one pixel that is spread over a larger one (a gate) runs along nothing.
    running = [p for p in parts if p.dim is not None and (p.low.shape[p.dim] > 1 or shape[p.dim] == 1)] or list(parts)
    context = any(p.context for p in parts) or len(running) < len(parts)
    lead = running[0]
    start = min(p.start for p in running)
    # With different jumps the windows drift apart; the widest union over the map is what we state.
    n = shape[lead.dim] if lead.dim is not None else 1
    size = max(max(p.start + p.size + k * (p.jump - lead.jump) for p in running) for k in (0, n - 1)) - min(
        min(p.start + k * (p.jump - lead.jump) for p in running) for k in (0, n - 1)
    )
    # Where all units see the same pixels already, meeting again adds nothing.
    apart = lead.dim is None and (low.min() != low.max() or high.min() != high.max())
    merged = max(p.merged for p in running) if apart else 1
    return _Axis(low, high, size, lead.jump, start, lead.dim, context, merged)


def _everything(views: Sequence[_View], shape: Shape) -> _View:
    axes = []
    for parts in zip(*views, strict=True):
        lead = parts[0]
        low = min(int(p.low.min()) for p in parts)
        high = max(int(p.high.max()) for p in parts)
        flat = (1,) * len(shape)
        axes.append(replace(_hull(lead), low=np.full(flat, low, np.int32), high=np.full(flat, high, np.int32)))
    return tuple(axes)


def _hull(axis: _Axis) -> _Axis:
    """All units of the map seen at once: the local path covers the whole map."""
    n = axis.low.shape[axis.dim] if axis.dim is not None and axis.dim < axis.low.ndim else 1
    return replace(axis, size=axis.size + (n - 1) * axis.jump, dim=None)


def _reduced(axis: _Axis, dims: Sequence[int]) -> _Axis:
    """Minimum and maximum over dimensions, which stay with size 1."""
    if all(axis.low.shape[d] == 1 for d in dims):
        return axis
    over = tuple(dims)
    low, high = axis.low.min(axis=over, keepdims=True), axis.high.max(axis=over, keepdims=True)
    if axis.dim in over:
        axis = _hull(axis)
    elif axis.dim is None:
        axis = _met(axis, low, high)
    return replace(axis, low=low, high=high)


def _met(axis: _Axis, low: Array, high: Array) -> _Axis:
    """Merged positions (tokens of an image) were seen together: all of them, or those of a window."""
    if int(low.max()) == int(axis.low.min()) and int(high.min()) == int(axis.high.max()):
        return replace(axis, size=axis.size + (axis.merged - 1) * axis.jump, merged=1)
    return replace(axis, size=axis.size + int((high - low).max() - (axis.high - axis.low).max()))


# ---- windows: every output position reads some input positions ------------------------------------------------------


@lru_cache(maxsize=4096)
def _slide(n: int, out: int, k: int, s: int, p: int, d: int) -> tuple[Array, Array]:
    """Positions read (out, k), and whether they exist."""
    places = np.arange(out)[:, None] * s - p + np.arange(k)[None, :] * d
    return np.clip(places, 0, n - 1), (places >= 0) & (places < n)


@lru_cache(maxsize=1024)
def _slide_back(n: int, out: int, k: int, s: int, p: int, d: int) -> tuple[Array, Array]:
    """The same for a transposed convolution: o = i s - p + t d, solved for i."""
    reach = np.arange(out)[:, None] + p - np.arange(k)[None, :] * d
    places = reach // s
    return np.clip(places, 0, n - 1), (reach % s == 0) & (places >= 0) & (places < n)


def _read(axis: _Axis, dim: int, n: int, table: tuple[Array, Array]) -> tuple[Array, Array]:
    """Union of the windows of the positions that each output position reads along `dim`."""
    places, exists = table
    low, high = axis.low, axis.high
    if low.shape[dim] == 1:
        if axis.dim != dim and bool(exists.any(axis=1).all()):
            return low, high
        spread = [n if d == dim else size for d, size in enumerate(low.shape)]
        low, high = np.broadcast_to(low, spread), np.broadcast_to(high, spread)
    view = [1] * (low.ndim + 1)
    view[dim], view[dim + 1] = places.shape
    there = exists.reshape(view)
    low = np.where(there, np.take(low, places, axis=dim), _NEVER).min(axis=dim + 1)
    high = np.where(there, np.take(high, places, axis=dim), -_NEVER).max(axis=dim + 1)
    return low, high


def _windows(
    view: _View,
    dims: Sequence[int],
    shape: Shape,
    tables: Sequence[tuple[Array, Array]],
    local: Sequence[Callable[[_Axis], _Axis]],
) -> _View:
    """Slide along several dimensions; `local` updates the theoretical field of the axis that runs along each."""
    axes = []
    for axis in view:
        for dim, table, update in zip(dims, tables, local, strict=True):
            varies = axis.low.shape[dim] > 1
            low, high = _read(axis, dim, shape[dim], table)
            if axis.dim == dim:
                axis = update(axis)
            elif varies and axis.dim is None:
                axis = _met(axis, low, high)
            axis = replace(axis, low=low, high=high)
        axes.append(axis)
    return tuple(axes)


def _sliding(k: int, s: int, p: int, d: int) -> Callable[[_Axis], _Axis]:
    def update(axis: _Axis) -> _Axis:
        return replace(
            axis, size=axis.size + d * (k - 1) * axis.jump, start=axis.start - p * axis.jump, jump=axis.jump * s
        )

    return update


def _channels_mixed(view: _View, groups: int, channels: int, out_channels: int) -> _View:
    """A convolution sees all channels of its group; only unusual nets have windows that differ between channels."""
    axes = []
    for axis in view:
        if axis.low.shape[1] > 1:
            if groups == 1:
                axis = _reduced(axis, (1,))
            else:
                rest = axis.low.shape[2:]
                lead = axis.low.shape[0]
                low = axis.low.reshape(lead, groups, channels // groups, *rest).min(axis=2)
                high = axis.high.reshape(lead, groups, channels // groups, *rest).max(axis=2)
                axis = replace(
                    axis,
                    low=low.repeat(out_channels // groups, axis=1),
                    high=high.repeat(out_channels // groups, axis=1),
                )
        axes.append(axis)
    return tuple(axes)


Rule = Callable[[Operation, Graph, Mapping[int, _View], Shape], "_View | list[_View]"]


def _first(op: Operation, graph: Graph, views: Mapping[int, _View], name: str = "") -> tuple[_View, Shape] | None:
    """View and shape of the first tensor argument; None if it does not see the image."""
    for key, part in op.arguments.items():
        if isinstance(part, Ref) and (not name or key == name):
            return (views[part.value], graph.values[part.value].shape) if part.value in views else None
    return None


def _fallback(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    return _everything([views[i] for i in op.inputs if i in views], shape)


def _conv(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    found = _first(op, graph, views)
    weight = op.arguments["weight"]
    if found is None or weight.value in views:
        return _fallback(op, graph, views, shape)
    view, before = found
    kernel = graph.values[weight.value].shape
    axes = len(kernel) - 2
    if len(before) != axes + 2:
        return _fallback(op, graph, views, shape)
    transposed = "transpose" in op.name or bool(op.arguments.get("transposed"))
    groups = int(op.arguments.get("groups", 1))
    view = _channels_mixed(view, groups, before[1], shape[1])
    stride, dilation = (per_axis(op.arguments.get(key, 1), axes) for key in ("stride", "dilation"))
    padding = op.arguments.get("padding", 0)
    dims = tuple(range(2, 2 + axes))
    tables, updates = [], []
    for i, dim in enumerate(dims):
        k, s, d = kernel[2 + i], stride[i], dilation[i]
        if isinstance(padding, str):
            p = d * (k - 1) // 2 if padding == "same" else 0
        else:
            p = per_axis(padding, axes)[i]
        if transposed:
            tables.append(_slide_back(before[dim], shape[dim], k, s, p, d))
            updates.append(_unsliding(k, s, p, d))
        else:
            tables.append(_slide(before[dim], shape[dim], k, s, p, d))
            updates.append(_sliding(k, s, p, d))
    return _windows(view, dims, before, tables, updates)


def _unsliding(k: int, s: int, p: int, d: int) -> Callable[[_Axis], _Axis]:
    def update(axis: _Axis) -> _Axis:
        # Among s neighbouring outputs the kernel's taps are dealt out in turn; the widest hand decides.
        hands = [[(o + p - t * d) // s for t in range(k) if (o + p - t * d) % s == 0] for o in range(s)]
        taps = max((max(hand) - min(hand) + 1 for hand in hands if hand), default=1)
        first = min(hands[0]) if hands[0] else math.ceil((p - d * (k - 1)) / s)
        jump = Fraction(axis.jump, s)
        return replace(
            axis,
            size=axis.size + (taps - 1) * axis.jump,
            start=axis.start + first * axis.jump,
            jump=int(jump) if jump.denominator == 1 else jump,
        )

    return update


def _pool(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    found = _first(op, graph, views)
    assert found is not None
    view, before = found
    axes = 1 if "1d" in op.name else 3 if "3d" in op.name else 2
    kernel = per_axis(op.arguments["kernel_size"], axes)
    stride = per_axis(op.arguments.get("stride") or kernel, axes)
    padding = per_axis(op.arguments.get("padding", 0), axes)
    dilation = per_axis(op.arguments.get("dilation", 1), axes)
    dims = tuple(range(len(before) - axes, len(before)))
    tables = [
        _slide(before[dim], shape[dim], kernel[i], stride[i], padding[i], dilation[i]) for i, dim in enumerate(dims)
    ]
    updates = [_sliding(kernel[i], stride[i], padding[i], dilation[i]) for i in range(axes)]
    return _windows(view, dims, before, tables, updates)


def _adaptive(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    found = _first(op, graph, views)
    assert found is not None
    view, before = found
    axes = 1 if "1d" in op.name else 3 if "3d" in op.name else 2
    dims = tuple(range(len(before) - axes, len(before)))
    tables, updates = [], []
    for dim in dims:
        n, out = before[dim], shape[dim]
        spans = [(o * n // out, -(-(o + 1) * n // out)) for o in range(out)]
        widest = max(end - begin for begin, end in spans)
        places = np.array([[begin + t for t in range(widest)] for begin, _ in spans])
        exists = np.array([[begin + t < end for t in range(widest)] for begin, end in spans])
        tables.append((np.clip(places, 0, n - 1), exists))
        updates.append(_scaling(widest, Fraction(n, out)))
    return _windows(view, dims, before, tables, updates)


def _scaling(widest: int, step: Fraction) -> Callable[[_Axis], _Axis]:
    def update(axis: _Axis) -> _Axis:
        jump = axis.jump * step
        return replace(axis, size=axis.size + (widest - 1) * axis.jump, jump=_plain(jump))

    return update


def _plain(number: Number) -> Number:
    return int(number) if isinstance(number, Fraction) and number.denominator == 1 else number


def _upsample(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    found = _first(op, graph, views)
    assert found is not None
    view, before = found
    if op.arguments.get("align_corners") or "bicubic" in op.name or "_aa" in op.name or len(before) < 3:
        return _fallback(op, graph, views, shape)
    dims = tuple(range(2, len(before)))
    tables, updates = [], []
    for dim in dims:
        n, out = before[dim], shape[dim]
        where = [Fraction(n, out) * (o if "nearest" in op.name else o + Fraction(1, 2)) for o in range(out)]
        if "nearest" in op.name:
            if "exact" in op.name:
                where = [w + Fraction(n, 2 * out) for w in where]
            places = np.array([[math.floor(w)] for w in where])
            exists = np.ones_like(places, dtype=bool)
        else:
            centres = [max(w - Fraction(1, 2), Fraction(0)) for w in where]
            places = np.array([[math.floor(c), math.floor(c) + 1] for c in centres])
            exists = np.array([[True, c != math.floor(c) and math.floor(c) + 1 < n] for c in centres])
        tables.append((np.clip(places, 0, n - 1), exists))
        updates.append(_scaling(int(exists.sum(axis=1).max()), Fraction(n, out)))
    return _windows(view, dims, before, tables, updates)


# ---- moving things about: the arrays go where the tensor goes ------------------------------------------------------


def _remap(
    view: _View, dim: int, n: int, places: Array, exists: Array | None, *, shift: int = 0, step: int = 1
) -> _View:
    """Each output position reads one input position (or none, in padding)."""
    table = (places.reshape(-1, 1), np.ones((len(places), 1), bool) if exists is None else exists.reshape(-1, 1))
    axes = []
    for axis in view:
        low, high = _read(axis, dim, n, table)
        if axis.dim == dim:
            axis = replace(axis, start=axis.start + shift * axis.jump, jump=axis.jump * step)
        axes.append(replace(axis, low=low, high=high))
    return tuple(axes)


def _pad(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    found = _first(op, graph, views)
    assert found is not None
    view, before = found
    widths = per_axis(op.arguments.get("pad", op.arguments.get("padding")), 1)
    mode = op.arguments.get("mode", "constant" if op.name in ("pad", "constant_pad_nd") else op.name.split("_")[0])
    for pair in range(len(widths) // 2):
        left, right = widths[2 * pair : 2 * pair + 2]
        dim = len(before) - 1 - pair
        n = before[dim]
        places = np.arange(-left, n + right)
        exists = None
        if mode == "constant":
            exists = (places >= 0) & (places < n)
        elif mode == "reflect" or mode == "reflection":
            places = np.abs(places)
            places = np.where(places >= n, 2 * (n - 1) - places, places)
        elif mode == "circular":
            places = places % n
        view = _remap(view, dim, n, np.clip(places, 0, n - 1), exists, shift=-left)
    return view


def _slice(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    found = _first(op, graph, views)
    assert found is not None
    view, before = found
    dim = int(op.arguments.get("dim", 0)) % len(before)
    n = before[dim]
    begin, end, step = op.arguments.get("start"), op.arguments.get("end"), int(op.arguments.get("step", 1) or 1)
    if op.name == "narrow":
        end = int(op.arguments["start"]) + int(op.arguments["length"])
    places = np.arange(n)[slice(begin, end, step)]
    return _remap(view, dim, n, places, None, shift=int(places[0]) if len(places) else 0, step=step)


def _select(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    found = _first(op, graph, views)
    assert found is not None
    view, before = found
    dim = int(op.arguments.get("dim", 0)) % len(before)
    place = int(op.arguments["index"]) % before[dim]
    axes = []
    for axis in view:
        at = place if axis.low.shape[dim] > 1 else 0
        moved = None if axis.dim is None or axis.dim == dim else axis.dim - (axis.dim > dim)
        axes.append(replace(axis, low=axis.low.take(at, axis=dim), high=axis.high.take(at, axis=dim), dim=moved))
    return tuple(axes)


def _split(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> list[_View]:
    found = _first(op, graph, views)
    assert found is not None
    view, before = found
    dim = int(op.arguments.get("dim", 0)) % len(before)
    if op.name == "unbind":
        return [
            tuple(
                replace(
                    axis,
                    low=axis.low.take(at if axis.low.shape[dim] > 1 else 0, axis=dim),
                    high=axis.high.take(at if axis.high.shape[dim] > 1 else 0, axis=dim),
                    dim=None if axis.dim is None or axis.dim == dim else axis.dim - (axis.dim > dim),
                )
                for axis in view
            )
            for at in range(before[dim])
        ]
    begin, parts = 0, []
    for index in op.outputs:
        width = graph.values[index].shape[dim]
        parts.append(_remap(view, dim, before[dim], np.arange(begin, begin + width), None, shift=begin))
        begin += width
    return parts


def _shared(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    """Memory that another view has written to: what was there, and what came in."""
    seeing = [views[i] for i in op.inputs if i in views]
    shapes = [graph.values[i].shape for i in op.inputs if i in views]
    fits = all(len(s) == len(shape) and all(a in (1, b) for a, b in zip(s, shape, strict=True)) for s in shapes)
    return _joined(seeing, shape) if fits else _everything(seeing, shape)


def _cat(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    parts = op.arguments["tensors"]
    dim = int(op.arguments.get("dim", 0)) % len(shape)
    stacked = op.name == "stack"
    indices = [part.value for part in parts]
    seeing = [views[i] for i in indices if i in views]
    axes = []
    for a in range(len(seeing[0])):
        lows, highs, known = [], [], []
        for index in indices:
            view = views.get(index)
            size = list(graph.values[index].shape)
            if view is None:
                low, high = (np.full((1,) * len(size), edge, np.int32) for edge in (_NEVER, -_NEVER))
            else:
                low, high = view[a].low, view[a].high
                known.append(_lifted(view[a], dim) if stacked else view[a])
            if stacked:
                low, high = np.expand_dims(low, dim), np.expand_dims(high, dim)
                size.insert(dim, 1)
            lows.append(low)
            highs.append(high)
        lead = known[0]
        same = all(np.array_equal(low, lows[0]) for low in lows) and all(np.array_equal(h, highs[0]) for h in highs)
        if same and lows[0].shape[dim] == 1:
            low, high = lows[0], highs[0]
        else:
            widths = [1 if stacked else graph.values[index].shape[dim] for index in indices]
            low, high = _strung(lows, widths, dim), _strung(highs, widths, dim)
        if dim == lead.dim:
            axes.append(replace(_hull(lead), low=low, high=high, dim=None))
        else:
            axes.append(_local(known, low, high, shape))
    return tuple(axes)


def _lifted(axis: _Axis, dim: int) -> _Axis:
    """With a new dimension of size 1 at `dim`, as stacking makes it."""
    return replace(
        axis,
        low=np.expand_dims(axis.low, dim),
        high=np.expand_dims(axis.high, dim),
        dim=axis.dim if axis.dim is None or axis.dim < dim else axis.dim + 1,
    )


def _strung(parts: Sequence[Array], widths: Sequence[int], dim: int) -> Array:
    """Concatenate along `dim` arrays that stand for tensors of these widths, broadcasting the other dimensions."""
    full = [max(part.shape[d] for part in parts) for d in range(parts[0].ndim)]
    wide = []
    for part, width in zip(parts, widths, strict=True):
        wide.append(np.broadcast_to(part, [width if d == dim else n for d, n in enumerate(full)]))
    return np.concatenate(wide, dim)


def _reshape(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    found = _first(op, graph, views)
    assert found is not None
    view, before = found
    return tuple(_reshaped(axis, before, shape) for axis in view)


def _reshaped(axis: _Axis, before: Shape, after: Shape) -> _Axis:
    """Arrays reshaped group by group: dimensions that are merged or split together, the rest untouched."""
    dim, merged = None, axis.merged
    i = j = 0
    sides: list[int] = []
    spread = list(axis.low.shape)
    while i < len(before) or j < len(after):
        begin, goal = i, j
        a, b = 1, 1
        if i < len(before):
            a, i = a * before[i], i + 1
        if j < len(after):
            b, j = b * after[j], j + 1
        while a != b:
            if a < b:
                a, i = a * before[i], i + 1
            else:
                b, j = b * after[j], j + 1
        # Sizes of 1 go with the group before them, unless both sides have one.
        while i < len(before) and before[i] == 1 and (j >= len(after) or after[j] != 1):
            i += 1
        while j < len(after) and after[j] == 1 and (i >= len(before) or before[i] != 1):
            j += 1
        group, made = range(begin, i), after[goal:j]
        if all(axis.low.shape[d] == 1 for d in group):
            sides += [1] * len(made)
        else:
            for d in group:
                spread[d] = before[d]
            sides += made
        if axis.dim is not None and begin <= axis.dim < i:
            inside = [d for d in group if before[d] != 1]
            outside = [d for d in range(goal, j) if after[d] != 1]
            if inside and axis.dim not in inside:
                merged = 1  # one position along this axis: it goes with the channels, and runs along nothing now
            elif len(inside) <= 1 and len(outside) <= 1:
                dim = outside[0] if outside else (goal if goal < j else None)
            else:
                merged = before[axis.dim]
    low = np.broadcast_to(axis.low, spread).reshape(sides)
    high = np.broadcast_to(axis.high, spread).reshape(sides)
    return replace(axis, low=low, high=high, dim=dim, merged=merged)


def _permute(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    found = _first(op, graph, views)
    assert found is not None
    view, before = found
    n = len(before)
    order = list(range(n))
    if op.name == "permute":
        order = [int(d) % n for d in op.arguments["dims"]]
    else:
        a, b = (0, 1) if op.name == "t" else (int(op.arguments["dim0"]) % n, int(op.arguments["dim1"]) % n)
        if n > 1:
            order[a], order[b] = order[b], order[a]
    return tuple(
        replace(
            axis,
            low=axis.low.transpose(order),
            high=axis.high.transpose(order),
            dim=None if axis.dim is None else order.index(axis.dim),
        )
        for axis in view
    )


def _expand(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    found = _first(op, graph, views)
    assert found is not None
    return tuple(_led(axis, len(shape)) for axis in found[0])


def _roll(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    found = _first(op, graph, views)
    assert found is not None
    view, before = found
    dims = [int(d) % len(before) for d in per_axis(op.arguments["dims"], 1)]
    if op.name == "flip":
        for dim in dims:
            view = _remap(view, dim, before[dim], np.arange(before[dim])[::-1], None)
        return view
    for dim, shift in zip(dims, per_axis(op.arguments["shifts"], 1), strict=False):
        view = _remap(view, dim, before[dim], (np.arange(before[dim]) - shift) % before[dim], None)
    return view


# ---- mixing along a dimension -------------------------------------------------------------------------------------


def _reduce(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View | list[_View]:
    found = _first(op, graph, views)
    assert found is not None
    view, before = found
    dims = op.arguments.get("dim")
    over = range(len(before)) if dims in (None, ()) else [int(d) % len(before) for d in per_axis(dims, 1)]
    axes = [_reduced(axis, list(over)) for axis in view]
    if len(shape) < len(before):
        kept = [d for d in range(len(before)) if d not in set(over)]
        axes = [
            replace(
                axis,
                low=axis.low.reshape([axis.low.shape[d] for d in kept]),
                high=axis.high.reshape([axis.high.shape[d] for d in kept]),
                dim=kept.index(axis.dim) if axis.dim in kept else None,
            )
            for axis in axes
        ]
    return tuple(axes)


def _mix(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    """Softmax and the like: every position along `dim` sees all of them, the shape stays."""
    found = _first(op, graph, views)
    assert found is not None
    view, before = found
    return tuple(_reduced(axis, [int(op.arguments.get("dim", -1)) % len(before)]) for axis in view)


def _linear(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    found = _first(op, graph, views)
    if found is None:
        return _fallback(op, graph, views, shape)
    view, before = found
    return tuple(_reduced(axis, [len(before) - 1]) for axis in view)


def _matmul(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    refs = [part.value for part in op.arguments.values() if isinstance(part, Ref)][-2:]
    parts = []
    for side, index in enumerate(refs):
        if index in views and len(graph.values[index].shape) == len(shape):
            parts.append(tuple(_reduced(axis, [len(shape) - 1 - side]) for axis in views[index]))
        elif index in views:
            return _fallback(op, graph, views, shape)
    if not parts:
        return _fallback(op, graph, views, shape)
    return _joined(parts, shape)


def _attention(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    parts = []
    for name, over in (("query", [-1]), ("key", [-2, -1]), ("value", [-2])):
        index = op.arguments[name].value
        if index in views:
            n = len(graph.values[index].shape)
            parts.append(tuple(_reduced(axis, [d % n for d in over]) for axis in views[index]))
    return _joined(parts, shape)


def _layer_norm(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    found = _first(op, graph, views)
    assert found is not None
    view, before = found
    width = len(per_axis(op.arguments["normalized_shape"], 1))
    return tuple(_reduced_as_context(axis, range(len(before) - width, len(before))) for axis in view)


def _group_norm(op: Operation, graph: Graph, views: Mapping[int, _View], shape: Shape) -> _View:
    found = _first(op, graph, views)
    assert found is not None
    view, before = found
    return tuple(_reduced_as_context(axis, range(2 if op.name == "instance_norm" else 1, len(before))) for axis in view)


def _reduced_as_context(axis: _Axis, dims: Sequence[int]) -> _Axis:
    """Statistics over the whole map: every unit depends on all of it, while the local path stays what it was."""
    dims = list(dims)
    if all(axis.low.shape[d] == 1 for d in dims):
        return axis
    return replace(
        axis,
        low=axis.low.min(axis=tuple(dims), keepdims=True),
        high=axis.high.max(axis=tuple(dims), keepdims=True),
        context=True,
    )


_RULES: dict[str, Rule] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution"), _conv),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _conv),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d"), _pool),
    **dict.fromkeys(("max_pool2d_with_indices", "max_pool3d_with_indices"), _pool),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"), _adaptive),
    **dict.fromkeys(("_adaptive_avg_pool2d", "adaptive_max_pool2d", "adaptive_max_pool1d"), _adaptive),
    **dict.fromkeys(
        ("upsample_nearest2d", "upsample_bilinear2d", "upsample_nearest1d", "upsample_linear1d"), _upsample
    ),
    "_upsample_nearest_exact2d": _upsample,
    **dict.fromkeys(("pad", "constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "replication_pad2d"), _pad),
    **dict.fromkeys(("slice", "narrow"), _slice),
    "select": _select,
    "shared_memory": _shared,
    **dict.fromkeys(("split", "split_with_sizes", "chunk", "unbind", "unsafe_split"), _split),
    **dict.fromkeys(("cat", "stack", "concat"), _cat),
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "_unsafe_view", "squeeze", "unsqueeze"), _reshape),
    **dict.fromkeys(("permute", "transpose", "t"), _permute),
    **dict.fromkeys(("expand", "expand_as"), _expand),
    **dict.fromkeys(("roll", "flip"), _roll),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "max", "min", "var", "std", "var_mean", "logsumexp"), _reduce),
    **dict.fromkeys(("norm", "linalg_vector_norm", "argmax", "prod"), _reduce),
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "_log_softmax", "cumsum"), _mix),
    "linear": _linear,
    **dict.fromkeys(("mm", "bmm", "addmm", "baddbmm"), _matmul),
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys(("layer_norm", "native_layer_norm", "rms_norm"), _layer_norm),
    **dict.fromkeys(("group_norm", "native_group_norm", "instance_norm"), _group_norm),
}

_POINTWISE = frozenset(
    {"batch_norm", "native_batch_norm", "dropout", "feature_dropout", "alpha_dropout", "contiguous", "clone", "detach"}
    | {"alias", "to", "_to_copy", "type_as", "prelu", "_prelu_kernel", "copy", "lift_fresh", "square"}
)


@lru_cache(maxsize=1024)
def _is_pointwise(name: str) -> bool:
    packet = getattr(torch.ops.aten, name, None)
    if packet is None:
        return False
    return any(torch.Tag.pointwise in getattr(packet, overload).tags for overload in packet.overloads())
