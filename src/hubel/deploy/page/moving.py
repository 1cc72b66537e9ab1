"""PyTorch's operations that move numbers and change none: handlers that write them down as view, take, permute, cat."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from hubel.deploy.page.writing import OTHER_FORM, Ref, Value, Writer
from hubel.errors import ArtefactError


def _slice(low: Writer, x: Ref, axis: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Ref:
    places = list(range(x.shape[axis]))[start:end:step]
    return x if len(places) == x.shape[axis] else _along(low, x, axis, places)


def _along(low: Writer, x: Ref, axis: int, places: list[int]) -> Ref:
    index: list[list[int] | None] = [None] * len(x.shape)
    index[axis % len(x.shape)] = places
    return low.take(x, index)


def _select(low: Writer, x: Ref, axis: int, place: int) -> Ref:
    out = _along(low, x, axis, [place % x.shape[axis]])
    axis %= len(x.shape)
    return Ref(out.array, x.shape[:axis] + x.shape[axis + 1 :])


def _unbind(low: Writer, x: Ref, axis: int = 0) -> list[Ref]:
    return [_select(low, x, axis, place) for place in range(x.shape[axis])]


def _split(low: Writer, x: Ref, size: Any, axis: int = 0) -> list[Ref]:
    whole = x.shape[axis]
    sizes = [min(size, whole - at) for at in range(0, whole, size)] if isinstance(size, int) else list(size)
    begins = np.cumsum([0, *sizes]).tolist()
    return [_slice(low, x, axis, a, b) for a, b in pairwise(begins)]


def _cat(low: Writer, parts: list[Value], axis: int = 0) -> Ref:
    found = [low.ref(part) for part in parts]
    found = [part for part in found if len(part.shape) > 1 or part.shape != (0,)]
    axis %= len(found[0].shape)
    shape = list(found[0].shape)
    shape[axis] = sum(part.shape[axis] for part in found)
    sizes = [int(np.prod(part.shape[axis:])) for part in found]
    return low.add("cat", shape, parts=[part.array for part in found], outer=int(np.prod(shape[:axis])), sizes=sizes)


def _stack(low: Writer, parts: list[Value], axis: int = 0) -> Ref:
    found = [low.ref(part) for part in parts]
    axis %= len(found[0].shape) + 1
    return _cat(low, [Ref(part.array, (*part.shape[:axis], 1, *part.shape[axis:])) for part in found], axis)


def _expand(low: Writer, x: Ref, shape: Any, **_: Any) -> Ref:
    wide = (1,) * (len(shape) - len(x.shape)) + x.shape
    index = [[0] * out if side == 1 and out > 1 else None for side, out in zip(wide, shape, strict=True)]
    seen = Ref(x.array, wide)
    return seen if all(places is None for places in index) else low.take(seen, index)


def _padded(low: Writer, x: Ref, padding: Any, how: str, fill: float = 0.0) -> Ref:
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


def _index(low: Writer, x: Value, indices: Any) -> Ref:
    known = [axis for axis, places in enumerate(indices) if places is not None]
    if not isinstance(x, Ref) or len(known) != 1 or not isinstance(indices[known[0]], torch.Tensor):
        raise ArtefactError("this net looks up places that depend on the picture or on several axes", hint=OTHER_FORM)
    places, axis = indices[known[0]], known[0]
    if places.dtype == torch.bool:
        places = places.nonzero()[:, 0]
    out = _along(low, x, axis, [int(place) % x.shape[axis] for place in places.flatten()])
    return Ref(out.array, (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]))


def _flip(low: Writer, x: Ref, axes: Any) -> Ref:
    index: list[list[int] | None] = [None] * len(x.shape)
    for axis in axes:
        index[axis % len(x.shape)] = list(range(x.shape[axis]))[::-1]
    return low.take(x, index)


def _nearest(low: Writer, x: Ref, size: Any, *_: Any) -> Ref:
    index: list[list[int] | None] = [None, None]
    for side, out in zip(x.shape[2:], size, strict=True):
        index.append([min(side - 1, place * side // out) for place in range(out)])
    return low.take(x, index)


def _view(low: Writer, x: Ref, shape: Any) -> Ref:
    shape = list(shape)
    if -1 in shape:
        rest = -int(np.prod(shape))
        shape[shape.index(-1)] = low.sizes[x.array] // rest
    return Ref(x.array, tuple(shape))


def _squeeze(low: Writer, x: Ref, axes: Any = None) -> Ref:
    dims = len(x.shape)
    wanted = {axis % dims for axis in ([axes] if isinstance(axes, int) else range(dims) if axes is None else axes)}
    return Ref(x.array, tuple(side for axis, side in enumerate(x.shape) if axis not in wanted or side != 1))


def _unsqueeze(low: Writer, x: Ref, axis: int) -> Ref:
    axis %= len(x.shape) + 1
    return Ref(x.array, (*x.shape[:axis], 1, *x.shape[axis:]))


def _transpose(low: Writer, x: Ref, first: int = 0, second: int = 1) -> Ref:
    order = list(range(len(x.shape)))
    order[first], order[second] = order[second], order[first]
    return low.permute(x, order)


def _same(low: Writer, x: Ref, *_: Any, **__: Any) -> Ref:
    return x


MOVING: dict[str, Callable[..., Value]] = {
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
    "view": _view,
    "_unsafe_view": _view,
    "reshape": _view,
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    **dict.fromkeys(("clone", "alias", "detach", "contiguous", "lift_fresh_copy", "_to_copy", "dropout"), _same),
}
"""By the name of the operation, without its overload."""
