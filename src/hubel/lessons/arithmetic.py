"""The arithmetic of one output value at a time: the window, the weights, the products, the sum, the bias.

A `Walk` holds the whole calculation of one layer on one small input, window after window; `unit` does the same for any
unit of any layer of a real net on a real image, and checks itself against what the net computed.

>>> walk = convolve([[3, 0, 1], [1, 5, 8], [2, 7, 2]], [[1, 0, -1]] * 3)
>>> print(walk.steps[0])
(0, 0)  3·1 + 0·0 + 1·-1 + 1·1 + 5·0 + 8·-1 + 2·1 + 7·0 + 2·-1 = -5
>>> print(pool([[6, 1, 2, 4], [1, 6, 7, 8], [3, 5, 2, 0], [1, 2, 3, 4]], 2).steps[1])
(0, 1)  max(2, 4, 7, 8) = 8
>>> print(*softmax([5, 2, 1]).lines, sep="\\n")
e^5 = 148.413, e^2 = 7.38906, e^1 = 2.71828
sum = 148.413 + 7.38906 + 2.71828 = 158.52
148.413 / 158.52 = 0.93624
7.38906 / 158.52 = 0.0466126
2.71828 / 158.52 = 0.0171478
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.anatomy.operations import per_axis
from hubel.errors import UsageError
from hubel.lessons.shapes import Arithmetic, window_size
from hubel.nn.modes import evaluating
from hubel.nn.taps import find_module, watch
from hubel.views import Viewed
from hubel.words import plural

Numbers = Sequence[Sequence[float]] | np.ndarray
MOST_TERMS = 64
"""Longer sums are printed with their first and last terms."""


@dataclass(frozen=True, slots=True)
class Window:
    """One output value."""

    place: tuple[int, ...]
    """Where it stands in the output."""
    corner: tuple[int, ...]
    """First row and column of its window, in the input without padding (negative: in the padding)."""
    values: np.ndarray
    """What the window covers, C k k or k k; padding as zeros."""
    weights: np.ndarray | None
    products: np.ndarray | None
    bias: float
    result: float
    text: str

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.place))})  {self.text}"


@dataclass(frozen=True, slots=True)
class Walk(Viewed):
    """A layer, window after window."""

    layer: str
    input: np.ndarray
    """H W, with its padding."""
    padding: int
    weights: np.ndarray | None
    output: np.ndarray
    stride: int
    size: Arithmetic
    """How the number of windows along an axis comes about."""
    steps: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class Working(Viewed):
    """A calculation in lines."""

    title: str
    lines: tuple[str, ...]
    result: tuple[float, ...]
    parts: dict[str, np.ndarray] = field(default_factory=dict)
    """Arrays worth drawing, by name: window, weights, products."""


def convolve(
    image: Numbers, kernel: Numbers, *, stride: int = 1, padding: int = 0, bias: float = 0.0, flip: bool = False
) -> Walk:
    """Cross-correlation, as every library computes "convolution"; `flip` turns the kernel by 180 degrees first."""
    pixels, weights = _matrix(image, "the image"), _matrix(kernel, "the kernel")
    if flip:
        weights = weights[::-1, ::-1]
    padded = np.pad(pixels, padding)
    rows = window_size(pixels.shape[0], weights.shape[0], stride=stride, padding=padding)
    columns = window_size(pixels.shape[1], weights.shape[1], stride=stride, padding=padding)
    steps, output = [], np.zeros((rows.size, columns.size))
    for i in range(rows.size):
        for j in range(columns.size):
            top, left = i * stride, j * stride
            values = padded[top : top + weights.shape[0], left : left + weights.shape[1]]
            products = values * weights
            output[i, j] = products.sum() + bias
            text = f"{_sum_of_products(values, weights, bias)} = {_g(output[i, j])}"
            steps.append(
                Window(
                    (i, j), (top - padding, left - padding), values, weights, products, bias, float(output[i, j]), text
                )
            )
    return Walk("convolution", padded, padding, weights, output, stride, rows, tuple(steps))


POOLINGS: dict[str, Callable[[np.ndarray], float]] = {"max": np.max, "avg": np.mean, "min": np.min}


def pool(image: Numbers, size: int = 2, *, kind: str = "max", stride: int | None = None, padding: int = 0) -> Walk:
    """Maximum, mean or minimum of each window; padding never wins a maximum or minimum, and counts as 0 in a mean."""
    if kind not in POOLINGS:
        raise UsageError(f"pooling must be max, avg or min, got {kind!r}", hint="--how max is usual")
    pixels = _matrix(image, "the image")
    stride = stride or size
    edge = {"max": -math.inf, "min": math.inf, "avg": 0.0}[kind]
    padded = np.pad(pixels, padding, constant_values=edge)
    rows = window_size(pixels.shape[0], size, stride=stride, padding=padding)
    columns = window_size(pixels.shape[1], size, stride=stride, padding=padding)
    steps, output = [], np.zeros((rows.size, columns.size))
    for i in range(rows.size):
        for j in range(columns.size):
            top, left = i * stride, j * stride
            values = padded[top : top + size, left : left + size]
            output[i, j] = POOLINGS[kind](values)
            words = ", ".join(_g(v) for v in values.ravel())
            text = f"mean({words})" if kind == "avg" else f"{kind}({words})"
            steps.append(
                Window(
                    (i, j), (top - padding, left - padding), values, None, None, 0.0, float(output[i, j]),
                    f"{text} = {_g(output[i, j])}",
                )
            )  # fmt: skip
    return Walk(f"{kind} pooling", padded, padding, None, output, stride, rows, tuple(steps))


def dense(inputs: Sequence[float], weights: Numbers, bias: Sequence[float] | None = None) -> Working:
    """y = W x + b, one line per output.

    >>> dense([1, 2], [[3, 4], [5, 6]], [0, 1]).result
    (11.0, 18.0)
    """
    x, w = np.asarray(inputs, dtype=np.float64), _matrix(weights, "the weights")
    if w.shape[1] != len(x):
        raise UsageError(
            f"each row of weights must have {len(x)} numbers, got {w.shape[1]}",
            hint=f"an output has a row, with a weight for each of the {plural(len(x), 'input')}",
        )
    b = np.zeros(len(w)) if bias is None else np.asarray(bias, dtype=np.float64)
    y = w @ x + b
    lines = [f"y{i} = {_sum_of_products(x, row, float(b[i]))} = {_g(y[i])}" for i, row in enumerate(w)]
    return Working("dense layer", tuple(lines), tuple(y.tolist()), {"input": x, "weights": w, "products": w * x})


def softmax(logits: Sequence[float]) -> Working:
    """e^x / sum e^x. Large numbers are shifted by their maximum first: the same result, and no overflow."""
    x = np.asarray(logits, dtype=np.float64)
    shift = float(x.max()) if float(np.abs(x).max()) > 50 else 0.0
    powers = np.exp(x - shift)
    total = float(powers.sum())
    name = (lambda v: f"e^({_g(v)} - {_g(shift)})") if shift else (lambda v: f"e^{_g(v)}")
    lines = [
        ", ".join(f"{name(v)} = {_g(p)}" for v, p in zip(x, powers, strict=True)),
        f"sum = {' + '.join(_g(p) for p in powers)} = {_g(total)}",
        *(f"{_g(p)} / {_g(total)} = {_g(p / total)}" for p in powers),
    ]
    return Working("softmax", tuple(lines), tuple((powers / total).tolist()))


def cross_entropy(target: Sequence[float], probabilities: Sequence[float]) -> Working:
    """-sum y ln p with the natural logarithm; a target of 0 adds nothing, whatever p is.

    >>> cross_entropy([1, 0, 0], [0.7, 0.1, 0.2]).lines
    ('-(1·ln 0.7) = 0.356675', 'in base 10 it would be 0.154902: libraries use the natural logarithm')
    """
    y, p = np.asarray(target, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    if y.shape != p.shape:
        raise UsageError(
            f"targets and probabilities must be equally many, got {len(y)} and {len(p)}",
            hint="--target has a number for each class: 1 0 0",
        )
    if (p < 0).any() or (p > 1).any():
        raise UsageError(
            f"probabilities must lie between 0 and 1, got {_g(p.min())} to {_g(p.max())}",
            hint="apply softmax to scores first",
        )
    if ((p == 0) & (y != 0)).any():
        raise UsageError(
            f"class {int(((p == 0) & (y != 0)).argmax())} is present and has probability 0: the loss is infinite",
            hint="apply softmax to scores first: no class gets 0 from it",
        )
    there = y != 0
    loss = -float((y[there] * np.log(p[there])).sum())
    terms = " + ".join(f"{_g(a)}·ln {_g(b)}" for a, b in zip(y[there], p[there], strict=True))
    lines = (
        f"-({terms}) = {_g(loss)}",
        f"in base 10 it would be {_g(loss / math.log(10))}: libraries use the natural logarithm",
    )
    return Working("cross-entropy", lines, (loss,))


def batch_norm(values: Sequence[float], *, scale: float = 1.0, shift: float = 0.0, eps: float = 1e-5) -> Working:
    """One feature over a batch: subtract the mean, divide by the deviation, scale and shift.

    >>> [round(v, 4) for v in batch_norm([1, 2, 3]).result]
    [-1.2247, 0.0, 1.2247]
    """
    x = np.asarray(values, dtype=np.float64)
    mean, variance = float(x.mean()), float(x.var())
    y = scale * (x - mean) / math.sqrt(variance + eps) + shift
    lines = (
        f"mean = ({' + '.join(_g(v) for v in x)}) / {len(x)} = {_g(mean)}",
        f"variance = mean of (x - mean)² = {_g(variance)}",
        *(
            f"{_g(scale)}·({_g(v)} - {_g(mean)}) / √({_g(variance)} + {eps:g}) + {_g(shift)} = {_g(out)}"
            for v, out in zip(x, y, strict=True)
        ),
    )
    return Working("batch normalisation", lines, tuple(y.tolist()))


def unit(model: nn.Module, images: torch.Tensor, layer: str, place: Sequence[int]) -> Working:
    """How one unit of a layer came to its value on the first image: `place` is (channel, row, column), or (unit,).

    Knows convolutions, dense layers, poolings, normalisation and activations; the calculation is carried out again from
    the layer's input and weights, and must give what the net gave.

    >>> torch.manual_seed(0)
    <torch._C.Generator ...>
    >>> net = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU())
    >>> print(unit(net, torch.ones(1, 1, 3, 3), "0", (1, 0, 0)).lines[-1])
    sum of 4 products + bias 0.1323 = 0.4603
    """
    module = find_module(model, layer)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def keep(name: str, module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        seen.append((inputs[0].clone(), output.clone()))

    with watch({layer: module}, keep), evaluating(model), torch.no_grad():
        model(images[:1])
    if not seen:
        raise UsageError(
            f"layer {layer!r} is not called in the forward pass", hint="choose one that hubel summary lists"
        )
    given, made = (tensor.detach()[0].double() for tensor in seen[-1])
    place = tuple(place)
    if len(place) != made.dim() or any(not 0 <= p < n for p, n in zip(place, made.shape, strict=False)):
        shape = "x".join(map(str, made.shape))
        raise UsageError(
            f"layer {layer!r} gives {shape}, so a unit needs {made.dim()} numbers below that, got {place}",
            hint="all are counted from 0: --unit CHANNEL,ROW,COLUMN",
        )
    result = float(made[place])
    title = f"{layer} ({type(module).__name__}), unit {place}"
    if isinstance(module, nn.Conv2d):
        working = _conv_unit(module, given, place, title)
    elif isinstance(module, nn.Linear):
        working = _dense_unit(module, given, place, title)
    elif isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        working = _pool_unit(module, given, place, title)
    elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
        working = _norm_unit(module, given, place, title)
    elif given.shape == made.shape:
        x = float(given[place])
        working = Working(title, (f"{type(module).__name__}({_h(x)}) = {_h(result)}",), (result,))
    else:
        raise UsageError(
            f"layer {layer!r} is a {type(module).__name__}, whose arithmetic is not taken apart",
            hint="choose a convolution, dense layer, pooling, normalisation or activation",
        )
    assert math.isclose(working.result[0], result, rel_tol=1e-3, abs_tol=1e-3 * (1 + float(made.abs().max()))), title
    return working


def _conv_unit(module: nn.Conv2d, given: torch.Tensor, place: tuple[int, ...], title: str) -> Working:
    channel, row, column = place
    k, s, d = (per_axis(v, 2) for v in (module.kernel_size, module.stride, module.dilation))
    if isinstance(module.padding, str):
        total = [d[i] * (k[i] - 1) if module.padding == "same" else 0 for i in range(2)]
        before, after = [t // 2 for t in total], [t - t // 2 for t in total]
    else:
        before = after = list(per_axis(module.padding, 2))
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    padded = F.pad(given[None], (before[1], after[1], before[0], after[0]), mode=mode)[0]
    per_group, filters = module.in_channels // module.groups, module.out_channels // module.groups
    first = channel // filters * per_group
    top, left = row * s[0], column * s[1]
    window = padded[
        first : first + per_group,
        top : top + d[0] * (k[0] - 1) + 1 : d[0],
        left : left + d[1] * (k[1] - 1) + 1 : d[1],
    ]
    weights = module.weight.detach()[channel].double()
    products = window * weights
    bias = 0.0 if module.bias is None else _number(module.bias, channel)
    result = float(products.sum()) + bias
    corner = (top - before[0], left - before[1])
    lines = [
        f"window: rows from {corner[0]}, columns from {corner[1]}, {k[0]}x{k[1]}, "
        f"channels {first} to {first + per_group - 1}"
    ]
    for c in range(min(per_group, 4)):
        terms = _sum_of_products(window[c].numpy(), weights[c].numpy(), 0.0, short=True)
        lines.append(f"channel {first + c}: {terms} = {_h(float(products[c].sum()))}")
    if per_group > 4:
        rest = float(products[4:].sum())
        lines.append(f"{plural(per_group - 4, 'more channel')}: {_h(rest)}")
    lines.append(f"sum of {products.numel()} products + bias {_h(bias)} = {_h(result)}")
    parts = {"window": window.numpy(), "weights": weights.numpy(), "products": products.numpy()}
    return Working(title, tuple(lines), (result,), parts)


def _dense_unit(module: nn.Linear, given: torch.Tensor, place: tuple[int, ...], title: str) -> Working:
    x = given[place[:-1]] if len(place) > 1 else given
    weights = module.weight.detach()[place[-1]].double()
    products = x * weights
    bias = 0.0 if module.bias is None else _number(module.bias, place[-1])
    result = float(products.sum()) + bias
    largest = products.abs().argsort(descending=True)[:5].tolist()
    lines = [f"input {i}: {_h(float(x[i]))}·{_h(float(weights[i]))} = {_h(float(products[i]))}" for i in largest]
    if len(products) > 5:
        rest = float(products.sum()) - sum(float(products[i]) for i in largest)
        lines.append(f"{len(products) - 5} smaller products: {_h(rest)}")
    lines.append(f"sum of {len(products)} products + bias {_h(bias)} = {_h(result)}")
    return Working(
        title, tuple(lines), (result,), {"input": x.numpy(), "weights": weights.numpy(), "products": products.numpy()}
    )


def _pool_unit(module: nn.MaxPool2d | nn.AvgPool2d, given: torch.Tensor, place: tuple[int, ...], title: str) -> Working:
    channel, row, column = place
    k, p = per_axis(module.kernel_size, 2), per_axis(module.padding, 2)
    s = per_axis(module.stride or k, 2)
    d = per_axis(module.dilation if isinstance(module, nn.MaxPool2d) else 1, 2)
    highest = isinstance(module, nn.MaxPool2d)
    rows = [row * s[0] - p[0] + i * d[0] for i in range(k[0])]
    columns = [column * s[1] - p[1] + j * d[1] for j in range(k[1])]
    size = given.shape[1:]
    inside = [(r, c) for r in rows for c in columns if 0 <= r < size[0] and 0 <= c < size[1]]
    values = [float(given[channel, r, c]) for r, c in inside]
    if highest:
        result = max(values)
        text = f"max({', '.join(_h(v) for v in values)}) = {_h(result)}"
    else:
        counted = len(values)
        if isinstance(module.divisor_override, int):
            counted = module.divisor_override
        elif module.count_include_pad:
            counted = sum(r < size[0] + p[0] and c < size[1] + p[1] for r in rows for c in columns)
        result = sum(values) / counted
        text = f"({' + '.join(_h(v) for v in values)}) / {counted} = {_h(result)}"
    return Working(title, (f"window: rows from {rows[0]}, columns from {columns[0]}, {k[0]}x{k[1]}", text), (result,))


def _norm_unit(
    module: nn.BatchNorm2d | nn.BatchNorm1d, given: torch.Tensor, place: tuple[int, ...], title: str
) -> Working:
    channel = place[0]
    if module.running_mean is None or module.running_var is None:
        raise UsageError(
            f"{title} keeps no running statistics, so one image cannot be taken apart",
            hint="choose the layer before or after it",
        )
    mean, variance = _number(module.running_mean, channel), _number(module.running_var, channel)
    scale = 1.0 if module.weight is None else _number(module.weight, channel)
    shift = 0.0 if module.bias is None else _number(module.bias, channel)
    x = float(given[place])
    result = scale * (x - mean) / math.sqrt(variance + module.eps) + shift
    line = f"{_h(scale)}·({_h(x)} - {_h(mean)}) / √({_h(variance)} + {module.eps:g}) + {_h(shift)} = {_h(result)}"
    return Working(title, (line,), (result,))


def _number(vector: torch.Tensor, place: int) -> float:
    return float(vector.detach()[place])


def _matrix(numbers: Numbers, what: str) -> np.ndarray:
    matrix = np.asarray(numbers, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.size:
        raise UsageError(
            f"{what} must be a table of numbers with equally long rows, got shape {matrix.shape}",
            hint="write the rows like '1 2 3 / 4 5 6'",
        )
    return matrix


def _sum_of_products(values: np.ndarray, weights: np.ndarray, bias: float, *, short: bool = False) -> str:
    form = _h if short else _g
    terms = [f"{form(v)}·{form(w)}" for v, w in zip(np.ravel(values), np.ravel(weights), strict=True)]
    most = 9 if short else MOST_TERMS
    if len(terms) > most:
        terms = [*terms[: most // 2], "…", *terms[-(most // 2) :]]
    return " + ".join(terms) + (f" + {form(bias)}" if bias else "")


def _g(number: float) -> str:
    return f"{number:.6g}"


def _h(number: float) -> str:
    return f"{number:.4g}"
