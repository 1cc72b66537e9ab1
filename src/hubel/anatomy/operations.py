"""What is known of single operators: the shape of the output, the multiply-accumulates, the other arithmetic.

Shapes of the common operators are worked out here, with messages that name both sides of a mismatch; for all others
torch's own shape functions are asked (they cost a second at first use, which most nets thus never pay).

The cost convention, the same as in the papers and in torch.utils.flop_counter:
    MAC   one multiplication and one addition, in convolutions, dense layers and matrix products (attention too)
    FLOP  two per MAC
Bias additions, activations, normalisation and pooling are not MACs; they are counted separately as `work`, one per
output element of an elementwise operation and one per input element of a pooling window or a mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from hubel.types import Shape


class ShapeMismatch(Exception):
    """Two shapes do not fit; `hint` says what would."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint or "give the input the model was made for: input=(channels, height, width), without the batch"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# These stay one operation although torch could take them apart: they are what people call a layer.
KEPT_WHOLE = _names(
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linear batch_norm layer_norm "
    "group_norm instance_norm rms_norm max_pool1d max_pool2d max_pool3d avg_pool1d adaptive_avg_pool1d "
    "adaptive_avg_pool2d adaptive_avg_pool3d dropout feature_dropout alpha_dropout softmax log_softmax flatten "
    "reshape contiguous scaled_dot_product_attention upsample_nearest2d upsample_bilinear2d pixel_shuffle "
    "pixel_unshuffle channel_shuffle selu silu relu6 hardswish gelu pad narrow chunk split transpose unflatten "
    "prelu expand_as type_as to __and__ __or__ square"
)

# They need numbers where a shape-only pass has none.
READS_VALUES = _names(
    "_local_scalar_dense item is_nonzero nonzero masked_select unique_consecutive _unique2 unique_dim equal "
    "_is_all_true _is_any_true allclose bincount histc nonzero_numpy"
)

_SAME_SHAPE = _names(
    "relu relu6 sigmoid tanh silu gelu elu selu celu leaky_relu hardswish hardsigmoid hardtanh softplus mish "
    "logsigmoid dropout feature_dropout alpha_dropout softmax log_softmax sin cos exp neg sqrt rsqrt square clamp "
    "clamp_min batch_norm group_norm layer_norm rms_norm instance_norm prelu abs pow erf"
)
_JOINS = _names("add sub mul div maximum minimum")


def output_of(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> torch.Tensor | None:
    """An empty meta tensor of the output's shape, or None where only torch knows."""
    if name == "cat":
        return _cat(args, kwargs)
    rule = _SHAPES.get(name)
    if rule is None and name not in _SAME_SHAPE and name not in _JOINS:
        return None
    first = args[0] if args else None
    if not isinstance(first, torch.Tensor):
        return None
    if name in _SAME_SHAPE:
        if not first.is_floating_point() or kwargs.get("dtype") is not None:
            return None
        if name == "batch_norm":
            _same_channels(first, args[1], args[2], args[3])
        elif name == "pow" and isinstance(args[1], torch.Tensor):
            return None
        shape = tuple(first.shape)
        return _empty(shape, first)
    if name in _JOINS:
        other = args[1]
        if not isinstance(other, torch.Tensor):
            return _empty(tuple(first.shape), first) if first.is_floating_point() else None
        if first.dtype != other.dtype or kwargs.get("rounding_mode") or not first.is_floating_point():
            return None
        return _empty(_broadcast(name, tuple(first.shape), tuple(other.shape)), first)
    assert rule is not None
    found = rule(args, kwargs)
    return None if found is None else _empty(found, first)


def _empty(shape: Shape, like: torch.Tensor) -> torch.Tensor:
    return torch.empty(shape, dtype=like.dtype, device="meta")


def _broadcast(name: str, left: Shape, right: Shape) -> Shape:
    if left == right:
        return left
    width = max(len(left), len(right))
    padded = [(1,) * (width - len(s)) + s for s in (left, right)]
    for a, b in zip(*padded, strict=True):
        if a != b and 1 not in (a, b):
            raise ShapeMismatch(
                f"{name} of {left} and {right}: sizes {a} and {b} differ",
                "both branches must end with the same channels, height and width",
            )
    return tuple(b if a == 1 else a for a, b in zip(*padded, strict=True))


def _same_channels(images: torch.Tensor, *vectors: torch.Tensor | None) -> None:
    for vector in vectors:
        if vector is not None and images.dim() > 1 and vector.shape[0] != images.shape[1]:
            raise ShapeMismatch(
                f"normalisation of {vector.shape[0]} channels gets {images.shape[1]} (input {tuple(images.shape)})",
                "the layer before it must produce as many channels",
            )


def per_axis(setting: Any, axes: int) -> tuple[int, ...]:
    """A setting as one whole number per axis: 3, (3,) and (3, 3) are alike."""
    if isinstance(setting, int):
        return (setting,) * axes
    numbers = tuple(int(s) for s in setting)
    return numbers * axes if len(numbers) == 1 else numbers


def _bound(names: str, args: Sequence[Any], kwargs: dict[str, Any], **defaults: Any) -> list[Any]:
    found = []
    for position, name in enumerate(names.split()):
        value = args[position] if position < len(args) else kwargs.get(name, defaults.get(name))
        found.append(value)
    return found


def _conv(args: Sequence[Any], kwargs: dict[str, Any]) -> Shape:
    images, weight, _, stride, padding, dilation, groups = _bound(
        "input weight bias stride padding dilation groups", args, kwargs, stride=1, padding=0, dilation=1, groups=1
    )
    axes = weight.dim() - 2
    batched = images.dim() == axes + 2
    if images.dim() not in (axes + 1, axes + 2):
        raise ShapeMismatch(
            f"a {axes}-D convolution needs an input of {axes + 2} dimensions, got {tuple(images.shape)}"
        )
    channels = images.shape[-axes - 1]
    if channels != weight.shape[1] * groups:
        raise ShapeMismatch(
            f"a convolution for {weight.shape[1] * groups} channels gets {channels} (input {tuple(images.shape)})",
            "channels come first: input=(channels, height, width); the layer before it must produce as many",
        )
    kernel, steps, spread = tuple(weight.shape[2:]), per_axis(stride, axes), per_axis(dilation, axes)
    sides = []
    for i, n in enumerate(images.shape[-axes:]):
        reach = spread[i] * (kernel[i] - 1)
        total = {"same": reach, "valid": 0}[padding] if isinstance(padding, str) else 2 * per_axis(padding, axes)[i]
        sides.append(_slid(n, reach, steps[i], total, tuple(images.shape)))
    lead = (images.shape[0],) if batched else ()
    return (*lead, weight.shape[0], *sides)


def _slid(n: int, reach: int, stride: int, padding: int, shape: Shape, *, ceil: bool = False) -> int:
    span = n + padding - reach - 1
    if span < 0:
        raise ShapeMismatch(
            f"a window of {reach + 1} pixels does not fit into {n} + {padding} of padding (input {shape})",
            "use a larger image, or fewer poolings and strides",
        )
    size = span // stride + 1
    return size + 1 if ceil and span % stride and size * stride < n + padding // 2 else size


def _transposed(args: Sequence[Any], kwargs: dict[str, Any]) -> Shape | None:
    images, weight, _, stride, padding, extra, groups, dilation = _bound(
        "input weight bias stride padding output_padding groups dilation",
        args, kwargs, stride=1, padding=0, output_padding=0, groups=1, dilation=1,
    )  # fmt: skip
    axes = weight.dim() - 2
    if images.dim() != axes + 2:
        return None
    if images.shape[1] != weight.shape[0]:
        raise ShapeMismatch(
            f"a transposed convolution for {weight.shape[0]} channels gets {images.shape[1]}"
            f" (input {tuple(images.shape)})"
        )
    s, p, e, d = (per_axis(setting, axes) for setting in (stride, padding, extra, dilation))
    sides = [
        (n - 1) * s[i] - 2 * p[i] + d[i] * (weight.shape[2 + i] - 1) + e[i] + 1 for i, n in enumerate(images.shape[2:])
    ]
    return (images.shape[0], weight.shape[1] * groups, *sides)


def _linear(args: Sequence[Any], kwargs: dict[str, Any]) -> Shape:
    features, weight = args[0], args[1]
    if features.shape[-1] != weight.shape[1]:
        raise ShapeMismatch(
            f"a dense layer for {weight.shape[1]:,} features gets {features.shape[-1]:,}"
            f" (input {tuple(features.shape)})",
            "dense layers fix the image size: use the size the model was made for, or global average pooling before it",
        )
    return (*features.shape[:-1], weight.shape[0])


def _pool(args: Sequence[Any], kwargs: dict[str, Any], *, average: bool = False) -> Shape | None:
    names = (
        "self kernel_size stride padding ceil_mode" if average else "self kernel_size stride padding dilation ceil_mode"
    )
    bound = dict(zip(names.split(), _bound(names, args, kwargs, padding=0, dilation=1), strict=True))
    images = bound["self"]
    axes = 2
    if images.dim() not in (3, 4):
        return None
    kernel = per_axis(bound["kernel_size"], axes)
    stride = per_axis(bound["stride"], axes) if bound["stride"] not in (None, (), []) else kernel
    padding = per_axis(bound["padding"], axes)
    dilation = per_axis(bound.get("dilation", 1), axes)
    shape = tuple(images.shape)
    sides = [
        _slid(
            shape[i - axes],
            dilation[i] * (kernel[i] - 1),
            stride[i],
            2 * padding[i],
            shape,
            ceil=bool(bound["ceil_mode"]),
        )
        for i in range(axes)
    ]
    return (*shape[:-axes], *sides)


def _adaptive(args: Sequence[Any], kwargs: dict[str, Any]) -> Shape:
    images, size = args[0], args[1]
    wanted = [n if side is None else side for n, side in zip(images.shape[-2:], size, strict=True)]
    return (*images.shape[:-2], *wanted)


def _mean(args: Sequence[Any], kwargs: dict[str, Any]) -> Shape | None:
    tensor, dims, keep = _bound("self dim keepdim", args, kwargs, keepdim=False)
    if dims is None or not tensor.is_floating_point() or kwargs.get("dtype") is not None:
        return None
    gone = {d % tensor.dim() for d in ([dims] if isinstance(dims, int) else dims)} or set(range(tensor.dim()))
    return tuple(1 if d in gone else n for d, n in enumerate(tensor.shape) if keep or d not in gone)


def _attention(args: Sequence[Any], kwargs: dict[str, Any]) -> Shape:
    query, _, value = args[:3]
    return (*query.shape[:-1], value.shape[-1])


def _matrices(args: Sequence[Any], kwargs: dict[str, Any]) -> Shape | None:
    left, right = args[0], args[1]
    if left.dim() != right.dim() or left.shape[-1] != right.shape[-2] or left.dtype != right.dtype:
        return None
    return (*left.shape[:-1], right.shape[-1])


_SHAPES: dict[str, Callable[[Sequence[Any], dict[str, Any]], Shape | None]] = {
    "conv1d": _conv,
    "conv2d": _conv,
    "conv3d": _conv,
    "conv_transpose1d": _transposed,
    "conv_transpose2d": _transposed,
    "conv_transpose3d": _transposed,
    "linear": _linear,
    "max_pool2d": _pool,
    "avg_pool2d": lambda args, kwargs: _pool(args, kwargs, average=True),
    "adaptive_avg_pool2d": _adaptive,
    "mean": _mean,
    "scaled_dot_product_attention": _attention,
    "mm": _matrices,
    "bmm": _matrices,
}


def _cat(args: Sequence[Any], kwargs: dict[str, Any]) -> torch.Tensor | None:
    tensors, dim = _bound("tensors dim", args, kwargs, dim=0)
    if len({(tensor.dtype, tensor.dim()) for tensor in tensors}) != 1:
        return None
    first = tuple(tensors[0].shape)
    dim %= len(first)
    for tensor in tensors[1:]:
        shape = tuple(tensor.shape)
        if any(a != b for i, (a, b) in enumerate(zip(first, shape, strict=True)) if i != dim):
            raise ShapeMismatch(
                f"cat along dimension {dim} of {first} and {shape}: the other sizes differ",
                "all branches must end with the same height and width",
            )
    return _empty((*first[:dim], sum(t.shape[dim] for t in tensors), *first[dim + 1 :]), tensors[0])


def macs_of(name: str, args: Sequence[Any], kwargs: dict[str, Any], outputs: Sequence[Shape]) -> int:
    """Multiply-accumulates of one operation."""
    if name in ("linear", "mm", "bmm"):
        return math.prod(outputs[0]) * int(args[0].shape[-1])
    if name in ("conv1d", "conv2d", "conv3d"):
        return math.prod(outputs[0]) * math.prod(args[1].shape[1:])
    if name.startswith("conv_transpose"):
        # Each input value meets the whole kernel of every output channel of its group.
        return math.prod(args[0].shape) * math.prod(args[1].shape[1:])
    if name == "convolution":
        transposed = args[6] if len(args) > 6 else kwargs.get("transposed", False)
        return math.prod(args[0].shape if transposed else outputs[0]) * math.prod(args[1].shape[1:])
    if name in ("addmm", "baddbmm", "addbmm", "addmv"):
        return math.prod(args[1].shape) * (int(args[2].shape[-1]) if args[2].dim() > 1 else 1)
    if name in ("mv", "dot", "vdot"):
        return math.prod(args[0].shape)
    if "scaled_dot_product" in name:
        query, key, value = args[:3]
        rows = math.prod(query.shape[:-1])
        return rows * int(key.shape[-2]) * (int(query.shape[-1]) + int(value.shape[-1]))
    return 0


def work_of(name: str, args: Sequence[Any], kwargs: dict[str, Any], outputs: Sequence[Shape]) -> int:
    """Arithmetic that is not a multiply-accumulate: comparisons of a pooling, one per element of an activation."""
    if not outputs or name in _FREE:
        return 0
    out = math.prod(outputs[0])
    if name in ("max_pool2d", "avg_pool2d", "max_pool2d_with_indices"):
        return out * math.prod(per_axis(args[1], 2))
    if name in _WINDOWED:
        return math.prod(args[0].shape)
    if macs_of(name, args, kwargs, outputs):
        return 0
    return out


_WINDOWED = _names(
    "mean sum amax amin max min adaptive_avg_pool2d adaptive_avg_pool1d adaptive_max_pool2d var std var_mean norm "
    "linalg_vector_norm logsumexp cumsum argmax"
)
_FREE = _names(
    "view reshape flatten unflatten permute transpose t squeeze unsqueeze expand expand_as contiguous clone "
    "detach alias slice select split split_with_sizes chunk narrow unbind cat stack to _to_copy copy type_as "
    "_unsafe_view as_strided pad constant_pad_nd pixel_shuffle pixel_unshuffle channel_shuffle roll flip dropout "
    "feature_dropout empty zeros ones full arange lift_fresh new_zeros new_ones new_full new_empty empty_like "
    "zeros_like ones_like index index_select embedding movedim swapaxes unfold im2col repeat fill zero "
    "scalar_tensor eye linspace"
)
