"""How the facts count: small nets measured by `hubel.anatomy`, and the lectures' own small pictures as data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel.anatomy.abstract import skeleton
from hubel.anatomy.graph import record
from hubel.anatomy.receptive import fields
from hubel.anatomy.summary import Summary, summarise
from hubel.lessons.arithmetic import convolve
from hubel.models import create_model
from hubel.nn.activations import build_activation
from hubel.nn.kernels import KERNELS


@cache
def net(name: str, size: int | None = None, **options: Any) -> Summary:
    """The table of a net of the catalogue, on pictures of `size` (224), without weights."""
    with skeleton():
        model = create_model(name, **({"img_size": size} if size else {}), **options)
    channels = 1 if options.get("in_chans") == 1 else 3
    return summarise(model, (channels, size or 224, size or 224))


def layers(model: nn.Module, shape: tuple[int, ...]) -> Summary:
    """The table of a net of its own."""
    return summarise(model, shape)


def big(*args: Any) -> nn.Sequential:
    """Layers too large to be made: shapes only."""
    with skeleton():
        return nn.Sequential(*(make() for make in args))


def rows(table: Summary, *kinds: str) -> list[Any]:
    """Rows of some kinds."""
    return [row for row in table.rows if row.kind in kinds]


def weights_only(module: nn.Module) -> int:
    """Weights without biases."""
    return sum(p.numel() for name, p in module.named_parameters() if name.endswith("weight"))


@cache
def alexnet() -> Summary:
    """AlexNet at 227 pixels, as the first lecture has it."""
    return net("alexnet", 227)


ALEX = ("Conv2d", "MaxPool2d", "Linear", "flatten")


def alex(column: str) -> list[Any]:
    """Sides, kilobytes or millions of MACs down AlexNet."""
    found = []
    for row in rows(alexnet(), *ALEX):
        found.append({"side": row.output[-1], "kb": round(row.bytes / 1024), "mmacs": round(row.macs / 1e6)}[column])
    return found


def alex_weights() -> list[int]:
    """Weights of its layers, without biases."""
    with skeleton():
        model = create_model("alexnet", img_size=227)
    return [m.weight.numel() for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def stack(*settings: tuple[int, int, int]) -> nn.Module:
    """Square windows (kernel, stride, padding) on one channel."""
    return nn.Sequential(*(nn.Conv2d(1, 1, k, s, p) for k, s, p in settings))


def views(model: nn.Module, shape: tuple[int, int, int]) -> list[int]:
    """Receptive fields down the windows of a net."""
    graph = record(model, shape)
    seen = fields(graph)
    return [
        int(seen[c.module].size[0])
        for c in graph.calls
        if c.leaf and c.kind in ("Conv2d", "MaxPool2d") and c.module in seen
    ]


def keras_dense() -> Summary:
    """784-256-128-64-10."""
    return layers(
        nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.Linear(256, 128), nn.Linear(128, 64), nn.Linear(64, 10)),
        (1, 28, 28),
    )


def keras_conv() -> Summary:
    """The convnet of the first lecture."""
    return layers(
        nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(1600, 10),
        ),
        (1, 28, 28),
    )


def params(table: Summary) -> list[int]:
    """Parameters of the rows that have some."""
    return [row.params for row in table.rows if row.params]


def sequence(*modules: nn.Module, shape: tuple[int, ...]) -> Summary:
    """The table of layers one after another."""
    return layers(nn.Sequential(*modules), shape)


def inception_3a() -> list[tuple[int, int]]:
    """Weights and MACs without biases of the three ways in row W135."""

    def way(*modules: nn.Module) -> tuple[int, int]:
        table = sequence(*modules, shape=(192, 28, 28))
        return table.params, table.macs

    def conv(a: int, b: int, k: int) -> nn.Conv2d:
        return nn.Conv2d(a, b, k, padding=k // 2, bias=False)

    block = [
        way(conv(192, 64, 1)),
        way(conv(192, 96, 1), conv(96, 128, 3)),
        way(conv(192, 16, 1), conv(16, 32, 5)),
        way(conv(192, 32, 1)),
    ]
    return [
        (sum(p for p, _ in block), sum(m for _, m in block)),
        way(conv(192, 256, 3)),
        way(conv(192, 256, 5)),
    ]


def d2l_alexnet() -> list[tuple[int, int]]:
    """Rows W120, W121: the AlexNet of the table (96, 256, 384, 384, 256 at 54, 26, 12), weights and MACs."""
    convs = [(3, 96, 11, 54), (96, 256, 5, 26), (256, 384, 3, 12), (384, 384, 3, 12), (384, 256, 3, 12)]
    found = []
    for a, b, k, side in convs:
        with skeleton():
            conv = nn.Conv2d(a, b, k, padding=k // 2, bias=False)
        table = summarise(conv, (a, side, side))
        found.append((table.params, table.macs))
    with skeleton():
        dense = [nn.Linear(6400, 4096, bias=False), nn.Linear(4096, 4096, bias=False)]
    found += [(summarise(d, (d.in_features,)).params, summarise(d, (d.in_features,)).macs) for d in dense]
    merged = [found[0], found[1], tuple(map(sum, zip(*found[2:5], strict=True))), found[5], found[6]]
    return [(int(p), int(m)) for p, m in merged]


def lenet_rows() -> list[tuple[int, int]]:
    """Row W120: weights and MACs of the LeNet of the table."""
    table = sequence(
        nn.Conv2d(1, 6, 5, padding=2, bias=False), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5, bias=False), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(400, 120, bias=False), nn.Linear(120, 84, bias=False), shape=(1, 28, 28),
    )  # fmt: skip
    return [(row.params, row.macs) for row in table.rows if row.params]


def separable(kind: str, d: int = 64, m: int = 56) -> tuple[int, int]:
    """Weights and MACs of a way to see 5 x 5 on d maps."""
    made = {
        "5x5": lambda: [nn.Conv2d(d, d, 5, bias=False)],
        "3x3 twice": lambda: [nn.Conv2d(d, d, 3, bias=False), nn.Conv2d(d, d, 3, bias=False)],
        "1x5, 5x1": lambda: [nn.Conv2d(d, d, (1, 5), bias=False), nn.Conv2d(d, d, (5, 1), bias=False)],
    }[kind]()
    table = sequence(*made, shape=(d, m, m))
    return table.params, table.macs


# ---- the lectures' own pictures ------------------------------------------------------------------------------------

SIX = [[3, 0, 1, 2, 7, 4], [1, 5, 8, 9, 3, 1], [2, 7, 2, 5, 1, 3], [0, 1, 3, 1, 7, 8], [4, 2, 1, 6, 2, 8],
       [2, 4, 5, 2, 3, 9]]  # fmt: skip
"""The picture of rows W60 to W64."""
FIVE = [[0, 2, 1, 1, 0], [0, 1, 1, 1, 0], [-3, -1, 1, 0, 1], [0, 6, 0, 0, 1], [0, 4, 1, 7, 0]]
"""That of rows W185 to W189."""
BINARY = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
"""That of row W58."""
BYTES = [[4, 112, 34, 20], [55, 40, 1, 8], [70, 87, 2, 190], [240, 101, 67, 42]]
"""The top left of the tensor of rows W93 to W96."""
POOLED = [[6, 1, 2, 4], [1, 6, 7, 8], [3, 5, 2, 0], [1, 2, 3, 4]]
"""That of row W130."""
RING = np.array(
    [[int(c == "#") for c in line] for line in ("..##..", ".#..#.", "#....#", "#....#", ".#..#.", "..##..")]
)
"""The glyph of row W52."""
VERTICAL, PLUS = [[1, 0, -1]] * 3, [[0, 1, 0], [1, 1, 1], [0, 1, 0]]


def ints(array: np.ndarray) -> list[Any]:
    """Rows of whole numbers."""
    return [[int(v) for v in row] for row in array]


def convolved(image: Sequence[Sequence[float]], kernel: Sequence[Sequence[float]], **settings: Any) -> list[Any]:
    """The output of `hubel step conv` as rows of whole numbers."""
    return ints(convolve(np.array(image), np.array(kernel), **settings).output)


def line(signal: Sequence[float], kernel: Sequence[float], *, flip: bool = True) -> list[float]:
    """The full convolution of two short signals by `hubel step conv`; without `flip` the cross-correlation."""
    most = len(kernel) - 1
    found = convolve(np.array([signal]), np.array([kernel]), padding=most, flip=flip).output[most]
    return [float(v) for v in found]


def kernel_named(weights: Sequence[Sequence[float]]) -> str:
    """The name that the registry has for a kernel."""
    return next(name for name in KERNELS if np.array_equal(KERNELS.get(name).weights, np.array(weights)))


def message(listing: str) -> str:
    """What Python says of a listing that does not compile."""
    try:
        compile(listing, "lecture", "exec")
    except SyntaxError as error:
        return f"SyntaxError: {error.msg}"
    return "compiles"


def refusal(model: nn.Module, shape: tuple[int, ...]) -> str:
    """The error of a net that does not fit together; "runs" of one that does."""
    try:
        with torch.no_grad():
            model(torch.zeros(1, *shape))
    except (RuntimeError, ValueError) as error:
        return str(error).partition("\n")[0]
    return "runs"


def at(name: str, x: float, **options: Any) -> float:
    """An activation at one place, in double precision."""
    with torch.no_grad():
        return float(build_activation(name, **options).double()(torch.tensor([x], dtype=torch.float64))[0])


def alike(ours: torch.Tensor, theirs: torch.Tensor, within: float = 1e-6) -> bool:
    """Equal but for rounding."""
    return bool((ours - theirs).abs().max() <= within)


def blurred_pool(signal: Sequence[float]) -> list[float]:
    """Maximum of two at every place, 1-2-1 blur, every second value; the ends meet (Zhang, arXiv:1904.11486)."""
    x = np.asarray(signal, dtype=np.float64)
    dense = np.maximum(x, np.roll(x, -1))
    return [float(v) for v in ((np.roll(dense, 1) + 2 * dense + np.roll(dense, -1)) / 4)[::2]]


def maxima(signal: Sequence[float]) -> list[float]:
    """Maximum of two, stride two."""
    return [float(v) for v in np.asarray(signal, dtype=np.float64).reshape(-1, 2).max(axis=1)]
