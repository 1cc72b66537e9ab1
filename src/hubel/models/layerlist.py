"""A net as a list of layers, read like a recipe and checked before anything is built.

    layers: [conv 32 3x3, relu, maxpool 2, conv 64 3x3, relu, maxpool 2, flatten, dropout 0.5, dense 10]

A layer is a word, its values in order, and options as `name=value`; an activation is just its name. Layers that hold
layers are mappings: `residual: [...]`, `concat: [...]`, `branches: [[...], [...]]`, `repeat 3: [...]`. A size is `3` or
`3x5` (height x width); `K` stands for the number of classes. `parse` follows the shape C H W (F after flatten) from
layer to layer and answers a misfit with the layer, the shape that came and a way out.

>>> plan = parse(["conv 32 3x3", "relu", "maxpool 2", "flatten", "dense K"], in_shape=(1, 28, 28), num_classes=10)
>>> [(step.name, step.shape) for step in plan.steps][:3]
[('conv1', (32, 26, 26)), ('relu1', (32, 26, 26)), ('maxpool1', (32, 13, 13))]
>>> plan.stages, plan.head
(('maxpool1',), 'dense1')
>>> parse(["maxpool 2", "conv 8 5x5"], in_shape=(1, 8, 8), num_classes=10)
Traceback (most recent call last):
    ...
hubel.errors.UnfitLayer: layer 2 'conv 8 5x5': a window of 5x5 does not fit into maps of 4x4
  use padding=same, a smaller window, or less pooling before it
"""

from __future__ import annotations

import inspect
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from hubel.errors import UnfitLayer, UsageError, unknown
from hubel.nn.activations import ACTIVATIONS, build_activation
from hubel.registry import check_options
from hubel.words import plural

Shape = tuple[int, ...]
Size = int | tuple[int, int]

LARGEST_FILE = 1 << 18
"""Bytes of a layer list; a longer file is not one."""
DEEPEST = 8
"""Layers inside layers inside layers: more is a mistake, or an attack on the parser."""
MOST_STEPS = 10_000
"""Layers that a list may unfold to, those inside others counted."""
MOST_WEIGHTS = 1 << 37
"""Numbers that one layer may learn (half a terabyte): more is a slip of the pen, or an attack."""
MOST_VALUES = 1 << 36
"""Numbers that one layer may make of one picture."""


@dataclass(frozen=True)
class Step:
    """One layer with its place, its constructor and the shape it gives."""

    name: str
    """Name of the module in the net: the word and a running number."""
    text: str
    """What the list says."""
    cls: str
    """The class to build: "nn.Conv2d", the name of a part of hubel.models.layers, or "activation:NAME"."""
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...]
    branches: tuple[tuple[Step, ...], ...]
    """What it holds, for layers that hold layers."""
    shape: Shape
    """C H W or F that comes out, without the batch."""


@dataclass(frozen=True)
class Plan:
    """A whole net, checked."""

    in_shape: Shape
    num_classes: int
    steps: tuple[Step, ...]
    stages: tuple[str, ...]
    head: str


class Misfit(Exception):
    """A layer and the shape before it do not fit; `parse` turns it into a UsageError that names the layer."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


Made = tuple[str, tuple[Any, ...], dict[str, Any], Shape]
"""Class, positional arguments, keyword arguments, shape that comes out."""


def read(path: str | Path) -> list[Any]:
    """The layers of a YAML file: a list, or a mapping whose key `layers` holds it.

    Raises UsageError for a file that is missing, too long, no YAML or no layer list.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"there is no layer list {str(path)!r}", hint="give a YAML file, or a name of: hubel models")
    if path.stat().st_size > LARGEST_FILE:
        raise UsageError(
            f"{str(path)!r} has {path.stat().st_size:,} bytes, a layer list at most {LARGEST_FILE:,}",
            hint="write what comes often as: repeat N: [...]",
        )
    return read_text(path.read_text(encoding="utf-8", errors="replace"), repr(str(path)))


def read_text(text: str, name: str = "the text") -> list[Any]:
    """The layers that a text of YAML holds; `name` is what errors call it. Raises UsageError for what is none.

    >>> read_text("layers: [flatten, dense K]")
    ['flatten', 'dense K']
    """
    if len(text) > LARGEST_FILE:
        raise UsageError(f"{name} has {len(text):,} letters, a layer list at most {LARGEST_FILE:,}")
    if re.search(r"(^|[\s,\[{])[&*]\w", text):
        raise UsageError(f"{name} uses YAML anchors", hint="write the layers out, or use 'repeat N: [...]'")
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{name} is not YAML: {str(error).splitlines()[0]}", hint=EXAMPLE) from None
    if isinstance(found, Mapping):
        for key in found:
            if key != "layers":
                raise UsageError(f"{name} has a key {key!r}; a layer list has only 'layers'", hint=EXAMPLE)
        found = found.get("layers")
    if not isinstance(found, list) or not found:
        raise UsageError(f"{name} holds no list of layers", hint=EXAMPLE)
    return found


EXAMPLE = "write for example: layers: [conv 32 3x3, relu, maxpool 2, flatten, dense K]"


def parse(layers: Sequence[Any], *, in_shape: Shape, num_classes: int | None) -> Plan:
    """The checked plan of a net that takes `in_shape` (C H W, or F for points) to logits.

    `num_classes` None takes what the last layer says. Raises UsageError that names the layer and a way out.
    """
    steps = follow(layers, in_shape=in_shape, num_classes=num_classes)
    last = steps[-1]
    if last.cls in ("activation:softmax", "activation:sigmoid", "activation:log-softmax"):
        raise UsageError(f"the last layer {last.text!r} is not needed: the loss applies it", hint="leave it out")
    if len(last.shape) != 1:
        raise UsageError(
            f"the last layer {last.text!r} gives maps of {'x'.join(map(str, last.shape))}, not a number per class",
            hint="end with 'flatten, dense K' or with 'conv K 1x1, globalpool'",
        )
    if num_classes is not None and last.shape != (num_classes,):
        raise UsageError(
            f"the net ends in {plural(last.shape[0], 'output')}, and {num_classes} classes are wanted",
            hint="write K where the last layer says how many: dense K",
        )
    weighted = [place for place, step in enumerate(steps) if _weighted(step)]
    if not weighted:
        raise UsageError(f"no layer of the list has weights, of {len(steps):,} in all", hint=EXAMPLE)
    return Plan(in_shape, last.shape[0], steps, _stages(steps, weighted), steps[weighted[-1]].name)


def follow(layers: Sequence[Any], *, in_shape: Shape, num_classes: int | None) -> tuple[Step, ...]:
    """The layers one after the other, whether or not they end as a net does.

    Raises UnfitLayer for the first that does not fit.
    """
    return _chain(layers, in_shape, num_classes, Counter(), where="layer ", at=())


def _weighted(step: Step) -> bool:
    return step.cls in _WEIGHTED or any(_weighted(inner) for branch in step.branches for inner in branch)


_WEIGHTED = {"nn.Linear", "nn.Conv2d", "nn.ConvTranspose2d", "Separable", "Spatial", "Standardised"}


def _stages(steps: tuple[Step, ...], weighted: list[int]) -> tuple[str, ...]:
    """A stage is a layer with weights and what follows it up to the next one; it is read at its last telling module."""
    telling = [step.cls not in ("nn.Flatten", "nn.Dropout", "nn.Dropout2d", "nn.AlphaDropout") for step in steps]
    ends = [max(place for place in range(start, stop) if telling[place]) for start, stop in pairwise(weighted)]
    return tuple(steps[end].name for end in ends) or (steps[0].name,)


def _chain(
    layers: Sequence[Any], shape: Shape, classes: int | None, counts: Counter[str], *, where: str, at: tuple[int, ...]
) -> tuple[Step, ...]:
    if len(at) // 2 > DEEPEST:
        raise _unfit(
            f"{where.strip()}: layers are nested more than {DEEPEST} deep",
            "write the inner layers one after another",
            at[:-1],
        )
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not layers:
        raise _unfit(f"{where.strip() or 'layers'}: a list of layers was expected, got {layers!r}", EXAMPLE, at[:-1])
    steps: list[Step] = []
    for number, layer in enumerate(layers, start=1):
        here, place = f"{where}{number}", (*at, number - 1)
        try:
            text, inside = opened(layer)
        except Misfit as misfit:
            raise _unfit(f"{here}: {misfit.what}", misfit.hint, place) from None
        word, *values = text.split()
        try:
            if word == "repeat":
                for _ in range(_times(values)):
                    steps += _chain(inside, shape, classes, counts, where=f"{here}.", at=(*place, 0))
                    shape = steps[-1].shape
            else:
                steps.append(_step(text, inside, shape, classes, counts, where=here, at=place))
                shape = steps[-1].shape
        except Misfit as misfit:
            raise _unfit(f"{here} {text!r}: {misfit.what}", misfit.hint, place) from None
        if counts.total() > MOST_STEPS:  # of the whole list: a thousand branches of a thousand layers hide in a line
            raise _unfit(f"{here}: the list unfolds to more than {MOST_STEPS:,} layers", "make it smaller", place)
    return tuple(steps)


def _unfit(what: str, hint: str, at: tuple[int, ...]) -> UnfitLayer:
    error = UnfitLayer(what, hint=hint)
    error.at = at
    return error


def opened(layer: Any) -> tuple[str, Any]:
    """The text of a layer, and the layers inside it (None for a plain one); raises Misfit for what is none."""
    if isinstance(layer, str) and layer.split():
        return layer, None
    if isinstance(layer, Mapping) and len(layer) == 1:
        ((text, inside),) = layer.items()
        if isinstance(text, str) and text.split():
            return text, inside
    raise Misfit(f"a layer is a text like 'conv 32 3x3', got {layer!r}", EXAMPLE)


def paths_of(word: str, inside: Any) -> list[Any]:
    """The lists of layers that a layer holds: those of branches, or its one."""
    return list(inside) if word == "branches" and isinstance(inside, list) else [inside]


def _times(values: list[str]) -> int:
    if len(values) != 1 or not values[0].isdigit() or not 1 <= int(values[0]) <= 1000:
        raise Misfit("repeat needs how often, 1 to 1000", "write 'repeat 3: [...]'")
    return int(values[0])


def _step(
    text: str, inside: Any, shape: Shape, classes: int | None, counts: Counter[str], *, where: str, at: tuple[int, ...]
) -> Step:
    word, *values = text.split()
    branches: tuple[tuple[Step, ...], ...] = ()
    if word in HOLDERS:
        if values:
            raise Misfit(f"{word} takes no values, got {' '.join(values)}")
        lists = inside if word == "branches" else [inside]
        if not isinstance(lists, Sequence) or isinstance(lists, str) or not lists:
            raise Misfit("it holds layers, and none came", f"write '{word}: [...]'")
        branches = tuple(
            _chain(one, shape, classes, counts, where=f"{where}.{word}.", at=(*at, path))
            for path, one in enumerate(lists)
        )
        made = HOLDERS[word]([shape, *(branch[-1].shape for branch in branches)])
    elif inside is not None:
        raise Misfit("it cannot hold other layers", f"layers that can: {', '.join([*HOLDERS, 'repeat'])}")
    elif word in LAYERS:
        made = _call(LAYERS[word], word, shape, values, classes)
    elif word in ACTIVATIONS:
        made = _activation(word, values, shape)
    else:
        words = [*LAYERS, *HOLDERS, "repeat", *ACTIVATIONS]
        raise Misfit(f"there is no layer {word!r}", unknown("layer", word, words).hint)
    cls, args, kwargs, out = made
    _affordable(made, shape)
    counts[word] += 1
    name = f"{word.replace('-', '_')}{counts[word]}"  # checkpoints hold letters, digits and _ only
    return Step(name, text, cls, args, tuple(kwargs.items()), branches, out)


def _affordable(made: Made, shape: Shape) -> None:
    """Raise Misfit for a layer that no machine could hold, before anything is built."""
    learned, values = _learned(made, shape), math.prod(made[3])
    if learned > MOST_WEIGHTS:
        raise Misfit(f"it would learn {learned:,} numbers, and {MOST_WEIGHTS:,} are the most", "make it smaller")
    if values > MOST_VALUES:
        told = "x".join(map(str, made[3]))
        raise Misfit(
            f"it would make {told} values of one picture, and {MOST_VALUES:,} are the most",
            "use fewer channels, or less enlarging before it",
        )


def _learned(made: Made, shape: Shape) -> int:
    """How many numbers a layer learns, biases left out."""
    cls, args, kwargs, out = made
    window = kwargs.get("kernel_size", 1)
    area = window * window if isinstance(window, int) else math.prod(window)
    if cls in ("nn.Conv2d", "nn.ConvTranspose2d", "Standardised"):
        return int(args[0]) * int(args[1]) // int(kwargs.get("groups", 1)) * int(area)
    if cls == "Separable":
        return int(args[0]) * (int(area) + int(args[1]))
    if cls == "Spatial":
        return int(args[2]) * int(args[1]) * (int(args[0]) + int(args[1]))
    if cls in ("nn.Linear", "SqueezeExcite"):
        return int(args[0]) * int(args[1])
    if cls == "Residual" and "project" in kwargs:
        return shape[0] * out[0]
    return math.prod(out) if cls == "nn.LayerNorm" else 0


def _call(layer: Callable[..., Made], word: str, shape: Shape, values: list[str], classes: int | None) -> Made:
    places, options = _options(values, classes)
    parameters = _parameters(layer)
    ordered = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    try:
        check_options("it", options, [p.name for p in parameters])
    except UsageError as error:
        raise Misfit(error.what, error.hint if error.hint.startswith("did") else f"write: {usage(word)}") from None
    needed = [p.name for p in ordered[len(places) :] if p.default is p.empty and p.name not in options]
    if len(places) > len(ordered) or needed or any(p.name in options for p in ordered[: len(places)]):
        raise Misfit(f"{'it lacks ' + needed[0] if needed else 'too many values'}", f"write: {usage(word)}")
    return layer(shape, *places, **options)


def _parameters(layer: Callable[..., Made]) -> list[inspect.Parameter]:
    return list(inspect.signature(layer).parameters.values())[1:]


def usage(word: str) -> str:
    """How a layer is written.

    >>> usage("transposed"), usage("flatten")
    ('transposed MAPS [size] [stride=] [padding=]', 'flatten')
    """
    parameters = _parameters(LAYERS[word])
    shown = [
        f"[{p.name}=]" if p.kind is p.KEYWORD_ONLY else p.name.upper() if p.default is p.empty else f"[{p.name}]"
        for p in parameters
    ]
    return " ".join([word, *shown])


def _activation(word: str, values: list[str], shape: Shape) -> Made:
    places, options = _options(values, None)
    if places:
        raise Misfit(f"values of an activation are written name=value, got {places[0]!r}")
    if word == "step":
        raise Misfit("its derivative is 0, so no layer before it would ever learn", "use sigmoid or relu")
    try:
        build_activation(word, **options)
    except UsageError as error:
        raise Misfit(error.what, error.hint) from None
    return f"activation:{word}", (), options, shape


def _options(values: list[str], classes: int | None) -> tuple[list[Any], dict[str, Any]]:
    places = [_value(value, classes) for value in values if "=" not in value]
    options = {}
    for name, _, value in (value.partition("=") for value in values if "=" in value):
        options[name] = _value(value, classes)
    return places, options


def _value(text: str, classes: int | None) -> Any:
    """A number, a size, yes or no, or a word: "3" 3, "0.5" 0.5, "3x5" (3, 5), "no" False, "K" the classes."""
    if text == "K":
        if classes is None:
            raise Misfit("K stands for the number of classes, which is not known", "give num_classes, or a number")
        return classes
    if text in ("yes", "true", "no", "false"):
        return text in ("yes", "true")
    if re.fullmatch(r"\d{1,9}", text):
        return int(text)
    if re.fullmatch(r"\d{1,4}x\d{1,4}", text):
        height, width = map(int, text.split("x"))
        return height if height == width else (height, width)
    try:
        return float(text)
    except ValueError:
        return text


# --- what each word makes -----------------------------------------------------------------------------------------


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
        "kernel_size": _short(k),
        "stride": _short(s),
        "padding": _short(p),
        "dilation": _short(d),
    }
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
    size = 1
    for side in shape:
        size *= side
    return "nn.Flatten", (), {}, (size,)


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
