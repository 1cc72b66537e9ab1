"""What each word of a layer list makes: class, arguments, and the shape that comes out of the shape that came.

The signature of a function here is the syntax of its word, its docstring the help. `hubel.models.layerlist` reads the
lists.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Shape = tuple[int, ...]
Size = int | tuple[int, int]


class Misfit(Exception):
    """A layer and the shape before it do not fit; `parse` turns it into a UsageError that names the layer."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


Made = tuple[str, tuple[Any, ...], dict[str, Any], Shape]
"""Class, positional arguments, keyword arguments, shape that comes out."""


def _maps(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise Misfit("it works on maps, and after flatten there are none", "put it before flatten")
    return shape[0], shape[1], shape[2]


def _whole(name: str, value: Any, *, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Misfit(f"{name} must be a whole number of at least {least}, got {value!r}")
    return value


def _pair(name: str, value: Any, *, least: int = 1) -> tuple[int, int]:
    pair = value if isinstance(value, tuple) else (value, value)
    return _whole(name, pair[0], least=least), _whole(name, pair[1], least=least)


def _rate(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < 1:
        raise Misfit(f"the rate must be at least 0 and below 1, got {value!r}", "write for example: dropout 0.5")
    return float(value)


def _slid(side: int, window: int, stride: int, padding: int, dilation: int = 1) -> int:
    """How often a window fits: floor((n + 2p - d(k - 1) - 1) / s) + 1."""
    return (side + 2 * padding - dilation * (window - 1) - 1) // stride + 1


def _window(
    shape: Shape, size: Any, stride: Any, padding: Any, dilation: Any = 1
) -> tuple[dict[str, Any], tuple[int, int]]:
    """The checked keywords of a sliding window, and the height and width of the maps it gives."""
    _, height, width = _maps(shape)
    k, s, d = _pair("the window", size), _pair("stride", stride), _pair("dilation", dilation)
    if padding == "same":
        if k[0] % 2 == 0 or k[1] % 2 == 0:
            raise Misfit(f"padding=same needs an odd window, got {k[0]}x{k[1]}", "use an odd size, or padding=NUMBER")
        p = (d[0] * (k[0] // 2), d[1] * (k[1] // 2))
    else:
        p = _pair("padding", padding, least=0)
    out = (_slid(height, k[0], s[0], p[0], d[0]), _slid(width, k[1], s[1], p[1], d[1]))
    if min(out) < 1:
        raise Misfit(
            f"a window of {k[0]}x{k[1]} does not fit into maps of {height}x{width}",
            "use padding=same, a smaller window, or less pooling before it",
        )
    kwargs: dict[str, Any] = {
        "kernel_size": _short(k), "stride": _short(s), "padding": _short(p), "dilation": _short(d),
    }  # fmt: skip
    usual = {"stride": 1, "padding": 0, "dilation": 1}
    return {name: value for name, value in kwargs.items() if usual.get(name) != value}, out


def _short(pair: tuple[int, int]) -> Size:
    return pair[0] if pair[0] == pair[1] else pair


def conv(
    shape: Shape,
    maps: int,
    size: Size = 3,
    *,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
    bias: bool = True,
) -> Made:
    """Convolution to `maps` maps; groups > 1 splits the channels."""
    window, out = _window(shape, size, stride, padding, dilation)
    _whole("maps", maps), _whole("groups", groups)
    if shape[0] % groups or maps % groups:
        raise Misfit(f"groups={groups} must divide {shape[0]} channels in and {maps} out")
    kwargs = window | ({"groups": groups} if groups > 1 else {}) | ({} if bias else {"bias": False})
    return "nn.Conv2d", (shape[0], maps), kwargs, (maps, *out)


def depthwise(shape: Shape, size: Size = 3, *, stride: Size = 1, padding: Size | str = 0, bias: bool = True) -> Made:
    """One filter per channel."""
    channels, _, _ = _maps(shape)
    return conv(shape, channels, size, stride=stride, padding=padding, groups=channels, bias=bias)


def separable(shape: Shape, maps: int, size: Size = 3, *, stride: Size = 1, padding: Size | str = 0) -> Made:
    """Depthwise, then 1x1: separable in depth (Chollet 2017)."""
    window, out = _window(shape, size, stride, padding)
    return "Separable", (shape[0], _whole("maps", maps)), window, (maps, *out)


def spatial(shape: Shape, maps: int, size: int = 3) -> Made:
    """A window of 1 x k, then one of k x 1, both padded: separable in space (Szegedy et al. 2016)."""
    channels, height, width = _maps(shape)
    if _whole("the window", size) % 2 == 0:
        raise Misfit(f"only an odd window can be padded alike on both sides, got {size}", "use 3, 5 or 7")
    return "Spatial", (channels, _whole("maps", maps), size), {}, (maps, height, width)


def standardised(shape: Shape, maps: int, size: Size = 3, *, stride: Size = 1, padding: Size | str = 0) -> Made:
    """A convolution whose filters have mean 0 and variance 1 whenever they are used (Qiao et al. 2019)."""
    window, out = _window(shape, size, stride, padding)
    return "Standardised", (shape[0], _whole("maps", maps)), window, (maps, *out)


def transposed(shape: Shape, maps: int, size: Size = 2, *, stride: Size = 2, padding: Size = 0) -> Made:
    """Transposed convolution, which enlarges: (H - 1) s - 2p + k."""
    channels, height, width = _maps(shape)
    k, s, p = _pair("the window", size), _pair("stride", stride), _pair("padding", padding, least=0)
    out = ((height - 1) * s[0] - 2 * p[0] + k[0], (width - 1) * s[1] - 2 * p[1] + k[1])
    if min(out) < 1:
        raise Misfit(f"maps of {height}x{width} would become {out[0]}x{out[1]}", "use less padding")
    kwargs: dict[str, Any] = {"kernel_size": _short(k), "stride": _short(s)} | (
        {"padding": _short(p)} if any(p) else {}
    )
    return "nn.ConvTranspose2d", (channels, _whole("maps", maps)), kwargs, (maps, *out)


def maxpool(shape: Shape, size: Size = 2, *, stride: Size | None = None, padding: Size = 0) -> Made:
    """The largest value of each window."""
    return _pool("nn.MaxPool2d", shape, size, stride, padding)


def avgpool(shape: Shape, size: Size = 2, *, stride: Size | None = None, padding: Size = 0) -> Made:
    """The mean of each window."""
    return _pool("nn.AvgPool2d", shape, size, stride, padding)


def minpool(shape: Shape, size: Size = 2, *, stride: Size | None = None) -> Made:
    """The smallest value of each window."""
    return _pool("MinPool", shape, size, stride, 0)


def _pool(cls: str, shape: Shape, size: Size, stride: Size | None, padding: Size) -> Made:
    window, out = _window(shape, size, size if stride is None else stride, padding)
    k, p = _pair("the window", size), _pair("padding", padding, least=0)
    if p[0] > k[0] // 2 or p[1] > k[1] // 2:
        raise Misfit(f"padding={_short(p)} is more than half of the window {k[0]}x{k[1]}")
    if window.get("stride") == window["kernel_size"]:
        del window["stride"]  # torch's default, too
    else:
        window.setdefault("stride", 1)
    return cls, (window.pop("kernel_size"),), window, (shape[0], *out)


def globalpool(shape: Shape) -> Made:
    """The mean of each map: any size fits, C numbers come out."""
    return "GlobalPool", (), {}, (_maps(shape)[0],)


def globalmax(shape: Shape) -> Made:
    """The largest value of each map: any size fits, C numbers come out."""
    return "GlobalMax", (), {}, (_maps(shape)[0],)


def adaptive(shape: Shape, size: Size = 1) -> Made:
    """Average pooling to maps of `size`, whatever comes."""
    out = _pair("size", size)
    return "nn.AdaptiveAvgPool2d", (_short(out),), {}, (_maps(shape)[0], *out)


def upsample(shape: Shape, scale: int = 2) -> Made:
    """Each value repeated: maps `scale` times as high and wide."""
    channels, height, width = _maps(shape)
    return "nn.Upsample", (), {"scale_factor": _whole("scale", scale)}, (channels, height * scale, width * scale)


def batchnorm(shape: Shape) -> Made:
    """Each channel to mean 0 and variance 1 over the batch (Ioffe, Szegedy 2015)."""
    return f"nn.BatchNorm{'2d' if len(shape) == 3 else '1d'}", (shape[0],), {}, shape


def layernorm(shape: Shape) -> Made:
    """Each sample to mean 0 and variance 1 (Ba et al. 2016)."""
    return "nn.LayerNorm", (list(shape),), {}, shape


def pixelnorm(shape: Shape) -> Made:
    """The channels of each pixel to mean 0 and variance 1 (Liu et al. 2022)."""
    return "PixelNorm", (_maps(shape)[0],), {}, shape


def groupnorm(shape: Shape, groups: int = 8) -> Made:
    """Each group of channels to mean 0 and variance 1 (Wu, He 2018)."""
    if shape[0] % _whole("groups", groups):
        raise Misfit(f"{groups} groups do not divide {shape[0]} channels")
    return "nn.GroupNorm", (groups, shape[0]), {}, shape


def lrn(shape: Shape, size: int = 5) -> Made:
    """Local response normalisation across `size` neighbouring channels (Krizhevsky et al. 2012)."""
    return "nn.LocalResponseNorm", (_whole("size", size),), {}, _maps(shape)


def dropout(shape: Shape, rate: float = 0.5) -> Made:
    """Values set to 0 at random in training."""
    return "nn.Dropout", (_rate(rate),), {}, shape


def dropout2d(shape: Shape, rate: float = 0.5) -> Made:
    """Whole maps set to 0 at random in training."""
    return "nn.Dropout2d", (_rate(rate),), {}, _maps(shape)


def alphadropout(shape: Shape, rate: float = 0.1) -> Made:
    """The dropout that keeps mean and variance of SELU nets (Klambauer et al. 2017)."""
    return "nn.AlphaDropout", (_rate(rate),), {}, shape


def flatten(shape: Shape) -> Made:
    """Maps to one vector."""
    return "nn.Flatten", (), {}, (math.prod(shape),)


def dense(shape: Shape, units: int, *, bias: bool = True) -> Made:
    """A fully connected layer."""
    if len(shape) != 1:
        raise Misfit(
            f"it takes a vector, and maps of shape {'x'.join(map(str, shape))} came",
            "put flatten or globalpool before it",
        )
    return "nn.Linear", (shape[0], _whole("units", units)), {} if bias else {"bias": False}, (units,)


def squeeze_excite(shape: Shape, reduction: int = 16) -> Made:
    """A learned weight per channel (Hu et al. 2018)."""
    channels, _, _ = _maps(shape)
    return "SqueezeExcite", (channels, max(1, channels // _whole("reduction", reduction))), {}, shape


def shuffle(shape: Shape, groups: int = 2) -> Made:
    """Channels mixed across groups (Zhang et al. 2018)."""
    if _maps(shape)[0] % _whole("groups", groups):
        raise Misfit(f"{groups} groups do not divide {shape[0]} channels")
    return "nn.ChannelShuffle", (groups,), {}, shape


def maxout(shape: Shape, pieces: int = 2) -> Made:
    """The largest of every `pieces` neighbouring channels (Goodfellow et al. 2013)."""
    if shape[0] % _whole("pieces", pieces, least=2):
        raise Misfit(f"{pieces} pieces do not divide {shape[0]} channels", "give the layer before it a multiple")
    return "activation:maxout", (), {"pieces": pieces}, (shape[0] // pieces, *shape[1:])


LAYERS: dict[str, Callable[..., Made]] = {
    layer.__name__: layer
    for layer in (
        conv, depthwise, separable, spatial, standardised, transposed, maxpool, avgpool, minpool, globalpool,
        globalmax, adaptive, upsample, batchnorm, layernorm, pixelnorm, groupnorm, lrn, dropout, dropout2d,
        alphadropout, flatten, dense, squeeze_excite, shuffle, maxout,
    )
}  # fmt: skip
"""Word -> function(shape, values...) -> what to build; the signature is the syntax."""


def residual(shapes: list[Shape]) -> Made:
    """x + f(x); a 1x1 convolution on the shortcut where f changes the shape."""
    before, after = shapes
    if before == after:
        return "Residual", (), {}, after
    if len(before) != 3 or len(after) != 3:
        raise Misfit(f"inside, {before} becomes {after}, and the sum needs equal shapes")
    stride = tuple(-(-a // b) for a, b in zip(before[1:], after[1:], strict=True))
    if any((a - 1) // s + 1 != b for a, b, s in zip(before[1:], after[1:], stride, strict=True)):
        raise Misfit(
            f"inside, maps of {before[1]}x{before[2]} become {after[1]}x{after[2]}, which no stride gives",
            "use padding=same inside",
        )
    project = (before[0], after[0], _short((stride[0], stride[1])))
    return "Residual", (), {"project": project}, after


def concat(shapes: list[Shape]) -> Made:
    """[x, f(x)] along the channels, the step of a DenseNet."""
    return "Concat", (), {}, _joined(shapes)


def branches(shapes: list[Shape]) -> Made:
    """Several paths side by side, joined along the channels: the inception block."""
    return "Branches", (), {}, _joined(shapes[1:])


def _joined(shapes: list[Shape]) -> Shape:
    sides = {shape[1:] for shape in shapes}
    if len(sides) > 1:
        told = " and ".join("x".join(map(str, side)) or "a vector" for side in sorted(sides))
        raise Misfit(
            f"the paths give maps of {told}, and joining needs equal ones", "use padding=same and equal strides"
        )
    return (sum(shape[0] for shape in shapes), *shapes[0][1:])


HOLDERS: dict[str, Callable[[list[Shape]], Made]] = {"residual": residual, "concat": concat, "branches": branches}
"""Layers that hold layers: word -> function(shape before, shapes after each path)."""
