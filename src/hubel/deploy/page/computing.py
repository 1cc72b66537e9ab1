"""PyTorch's operations that compute: handlers that write down convolutions, norms, pools, products and functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from hubel.deploy.page.writing import OTHER_FORM, Ref, Value, Writer
from hubel.errors import ArtefactError


def _convolution(
    low: Writer, x: Ref, w: Value, b: Value, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int,
) -> Ref:  # fmt: skip
    if isinstance(w, Ref) or len(x.shape) not in (3, 4):
        raise ArtefactError("this net has a convolution which a page does not have", hint=OTHER_FORM)
    if transposed:
        x, w = _spread_out(low, x, w, stride, padding, dilation, output_padding, groups)
        stride, padding = [1] * len(stride), [0] * len(padding)
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


def _spread_out(
    low: Writer, x: Ref, w: torch.Tensor, stride: Any, padding: Any, dilation: Any, more: Any, groups: int
) -> tuple[Ref, torch.Tensor]:
    """A transposed convolution as a plain one: (x with zeros between and around its places, w turned and swapped)."""
    index: list[list[int] | None] = [None, None]
    for side, k, s, p, d, extra in zip(x.shape[2:], w.shape[2:], stride, padding, dilation, more, strict=True):
        rim = d * (k - 1) - p
        places = range(-rim, (side - 1) * s + 1 + rim + extra)
        index.append([at // s if at % s == 0 and 0 <= at // s < side else -1 for at in places])
    each = w.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)  # O C/g k k
    return low.take(x, index), each.flip(list(range(2, w.dim()))).contiguous()


def _batch_norm(low: Writer, x: Ref, w: Value, b: Value, mean: Value, var: Value, *rest: Any) -> tuple[Ref]:
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


def _affine(low: Writer, x: Ref, w: torch.Tensor, b: torch.Tensor) -> Ref:
    c = x.shape[1]
    return low.add("affine", x.shape, x=x.array, w=low.ref(w).array, b=low.ref(b).array, c=c, n=low.sizes[x.array] // c)


def _layer_norm(low: Writer, x: Ref, shape: Any, w: Value, b: Value, eps: float) -> tuple[Ref]:
    n = int(np.prod(shape))
    rows = low.sizes[x.array] // n
    out = low.add("norm", x.shape, x=x.array, rows=rows, n=n, eps=eps)
    out = out if w is None else low.binary("mul", out, w)
    return (out if b is None else low.binary("add", out, b),)


def _group_norm(
    low: Writer, x: Ref, w: Value, b: Value, n: int, c: int, hw: int, groups: int, eps: float
) -> tuple[Ref]:
    out = low.add("norm", x.shape, x=x.array, rows=groups, n=c * hw // groups, eps=eps)
    return (out if w is None else _affine(low, out, w, torch.zeros_like(w) if b is None else b),)


def _product(low: Writer, x: Value, w: Value, b: Value = None) -> Ref:
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


def _addmm(low: Writer, b: Value, x: Value, w: Value, *, beta: float = 1, alpha: float = 1) -> Ref:
    if (beta, alpha) != (1, 1):
        raise ArtefactError("this net has a product of matrices with factors", hint=OTHER_FORM)
    return _product(low, x, w, b)


def _bmm(low: Writer, x: Value, z: Value) -> Ref:
    x, z = low.ref(x), low.ref(z)
    n, r, k = x.shape
    return low.add("matmul", (n, r, z.shape[2]), x=x.array, z=z.array, n=n, r=r, k=k, m=z.shape[2])


def _pool(low: Writer, kind: str, x: Ref, kernel: Any, stride: Any, padding: Any, ceil: bool, **more: Any) -> Ref:
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
    low: Writer, x: Ref, kernel: Any, stride: Any = (), padding: Any = (0,), dilation: Any = (1,), ceil: bool = False
) -> tuple[Ref]:
    if set(dilation) != {1}:
        raise ArtefactError("this net has a max pooling with dilation", hint=OTHER_FORM)
    return (_pool(low, "max", x, kernel, stride, padding, ceil),)


def _avg_pool(
    low: Writer, x: Ref, kernel: Any, stride: Any = (), padding: Any = (0,), ceil: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Ref:  # fmt: skip
    return _pool(low, "mean", x, kernel, stride, padding, ceil, rim=count_include_pad, by=divisor_override)


def _adaptive(low: Writer, kind: str, x: Ref, size: Any) -> Ref:
    sides = x.shape[2:]
    if any(side % out for side, out in zip(sides, size, strict=True)):
        if kind != "mean":
            raise ArtefactError("this net takes the largest of windows of different sizes", hint=OTHER_FORM)
        return _means(low, _means(low, x, size[1]), size[0])
    kernel = [side // out for side, out in zip(sides, size, strict=True)]
    return _pool(low, kind, x, kernel, kernel, (0,), False, **({"rim": True} if kind == "mean" else {}))


def _means(low: Writer, x: Ref, count: int) -> Ref:
    """The last axis as `count` means of windows that may overlap, as a product; it becomes the third axis."""
    side = x.shape[3]
    shares = torch.zeros(side, count)
    for number in range(count):
        begin, end = number * side // count, -(-(number + 1) * side // count)
        shares[begin:end, number] = 1 / (end - begin)
    rows = Ref(x.array, (low.sizes[x.array] // side, side))
    out = Ref(_product(low, rows, shares).array, (*x.shape[:3], count))
    return low.permute(out, [0, 1, 3, 2])


def _reduce(low: Writer, kind: str, x: Ref, axes: Any = None, keep: bool = False, **_: Any) -> Ref:
    axes = [axes] if isinstance(axes, int) else axes
    dims = len(x.shape)
    wanted = {axis % dims for axis in (axes or range(dims))}
    shape = [1 if axis in wanted else side for axis, side in enumerate(x.shape) if keep or axis not in wanted]
    x, outer, n, inner = low.outer_inner(x, axes)
    return low.add("reduce", shape, kind=kind, x=x.array, outer=outer, n=n, inner=inner)


def _softmax(low: Writer, x: Ref, axis: int, *_: Any, log: bool | None = None, **__: Any) -> Ref:
    x, outer, n, inner = low.outer_inner(x, [axis])
    return low.add("softmax", x.shape, x=x.array, outer=outer, n=n, inner=inner, log=log)


def _add(low: Writer, x: Value, z: Value, *, alpha: float = 1, f: str = "add") -> Ref:
    if alpha != 1:
        z = low.unary("linear", z, float(alpha), 0.0) if isinstance(z, Ref) else z * alpha
    return low.binary(f, x, z)


def _power(low: Writer, x: Ref, power: Any) -> Ref:
    return low.binary("mul", x, x) if power == 2 else low.unary("power", x, float(power))


def _norm(low: Writer, x: Ref, order: float = 2, axes: Any = None, keep: bool = False, **_: Any) -> Ref:
    if order != 2:
        raise ArtefactError(f"this net has a norm of order {order}", hint=OTHER_FORM)
    return low.unary("power", _reduce(low, "sum", low.binary("mul", x, x), axes, keep), 0.5)


def _elu(low: Writer, x: Ref, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Ref:
    if input_scale != 1:  # CELU: the exponent of x / alpha
        x = low.unary("linear", x, float(input_scale), 0.0)
        return low.unary("linear", low.unary("elu", x, alpha * input_scale), scale / input_scale, 0.0)
    out = low.unary("elu", x, float(alpha))
    return out if scale == 1 else low.unary("linear", out, float(scale), 0.0)


def _softplus(low: Writer, x: Ref, beta: float = 1.0, threshold: float = 20.0) -> Ref:
    scaled = x if beta == 1 else low.unary("linear", x, float(beta), 0.0)
    out = low.unary("softplus", scaled)
    return out if beta == 1 else low.unary("linear", out, 1 / beta, 0.0)


def _gelu(low: Writer, x: Ref, *, approximate: str = "none") -> Ref:
    return low.unary("gelu" if approximate == "none" else "gelu-tanh", x)


def _prelu(low: Writer, x: Ref, w: Value) -> Ref:
    return low.binary("prelu", x, w)


def _named(f: str) -> Callable[..., Ref]:
    return lambda low, x, *_, **__: low.unary(f, x)


def _two(f: str) -> Callable[..., Ref]:
    return lambda low, x, z, **__: low.binary(f, x, z)


COMPUTING: dict[str, Callable[..., Value]] = {
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
    "celu": lambda low, x, alpha=1.0: _elu(low, x, float(alpha), 1.0, 1 / alpha),
    "softplus": _softplus,
    "gelu": _gelu,
    "_prelu_kernel": _prelu,
    "log_sigmoid_forward": lambda low, x: (low.unary("log-sigmoid", x),),
    **{
        name: _named(name.replace("_", "-"))
        for name in (
            "sigmoid", "tanh", "silu", "mish", "hardsigmoid", "hardswish", "exp", "log", "abs", "sin", "cos", "sign",
            "floor",
        )
    },
}  # fmt: skip
"""By the name of the operation, with its overload where it matters."""
