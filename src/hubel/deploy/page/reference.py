"""The program of a page run here, by another implementation than the page's: what parity is measured with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from hubel.deploy.page.program import Operation, Program

_UNARY: dict[str, Callable[[torch.Tensor, float, float], torch.Tensor]] = {
    "linear": lambda x, a, b: x * a + b,
    "leaky": lambda x, a, b: torch.where(x >= 0, x, x * a),
    "threshold": lambda x, a, b: torch.where(x > a, x, b),
    "power": lambda x, a, b: x**a,
    "elu": lambda x, a, b: functional.elu(x, a),
    "sigmoid": lambda x, a, b: torch.sigmoid(x),
    "tanh": lambda x, a, b: torch.tanh(x),
    "silu": lambda x, a, b: functional.silu(x),
    "mish": lambda x, a, b: functional.mish(x),
    "softplus": lambda x, a, b: functional.softplus(x),
    "gelu": lambda x, a, b: functional.gelu(x),
    "gelu-tanh": lambda x, a, b: functional.gelu(x, approximate="tanh"),
    "hardsigmoid": lambda x, a, b: functional.hardsigmoid(x),
    "hardswish": lambda x, a, b: functional.hardswish(x),
    "log-sigmoid": lambda x, a, b: functional.logsigmoid(x),
    "exp": lambda x, a, b: torch.exp(x),
    "log": lambda x, a, b: torch.log(x),
    "abs": lambda x, a, b: torch.abs(x),
    "sin": lambda x, a, b: torch.sin(x),
    "cos": lambda x, a, b: torch.cos(x),
    "sign": lambda x, a, b: torch.sign(x),
    "floor": lambda x, a, b: torch.floor(x),
}
_BINARY: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "max": torch.maximum,
    "min": torch.minimum,
    "prelu": lambda x, w: torch.where(x > 0, x, x * w),
}


def answer(program: Program, images: torch.Tensor) -> torch.Tensor:
    """Logits N K of normalised pictures N C H W, operation by operation.

    >>> from hubel.deploy.page.lower import lowered
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3)).eval()
    >>> answer(lowered(net, torch.rand(1, 3, 2, 2)), torch.rand(5, 3, 2, 2)).shape
    torch.Size([5, 3])
    """
    arrays = {array: torch.from_numpy(values).reshape(1, -1) for array, values in program.constants.items()}
    arrays[program.input] = images.reshape(len(images), -1)
    with torch.inference_mode():
        for operation in program.operations:
            found = _clipped(operation, _DO[operation["op"]](operation, arrays))
            arrays[operation["y"]] = found.reshape(-1, program.sizes[operation["y"]])
    return arrays[program.output]


def _clipped(operation: Operation, values: torch.Tensor) -> torch.Tensor:
    low, high = operation.get("clip", (None, None))
    return values if low is None and high is None else values.clamp(low, high)


_Arrays = dict[int, torch.Tensor]
"""Arrays N numbers each for all pictures; constants have N 1."""


def _conv(o: Operation, arrays: _Arrays) -> torch.Tensor:
    x = arrays[o["x"]].reshape(-1, *o["c"])
    w = arrays[o["w"]].reshape(o["o"][0], o["c"][0] // o["g"], *o["k"])
    b = arrays[o["b"]][0] if "b" in o else None
    return functional.conv2d(x, w, b, o["s"], o["p"], o["d"], o["g"])


def _dense(o: Operation, arrays: _Arrays) -> torch.Tensor:
    x, w = arrays[o["x"]].reshape(-1, o["k"]), arrays[o["w"]].reshape(o["m"], o["k"])
    return functional.linear(x, w, arrays[o["b"]][0] if "b" in o else None)


def _matmul(o: Operation, arrays: _Arrays) -> torch.Tensor:
    x, z = arrays[o["x"]].reshape(-1, o["n"], o["r"], o["k"]), arrays[o["z"]].reshape(-1, o["n"], o["k"], o["m"])
    return x @ z


def _pool(o: Operation, arrays: _Arrays) -> torch.Tensor:
    x = arrays[o["x"]].reshape(-1, *o["c"])
    # Windows that hang over: with ceil they may end beyond the padding.
    over = [
        max(0, (out - 1) * s + k - side - 2 * p)
        for out, s, k, side, p in zip(o["o"][1:], o["s"], o["k"], o["c"][1:], o["p"], strict=True)
    ]
    around = [part for p, more in zip(reversed(o["p"]), reversed(over), strict=True) for part in (p, p + more)]
    if o["kind"] == "max":
        return functional.max_pool3d(functional.pad(x, around, value=-torch.inf), o["k"], o["s"])
    volume = float(torch.tensor(o["k"]).prod())
    sums = functional.avg_pool3d(functional.pad(x, around), o["k"], o["s"]) * volume
    if "by" in o:
        return sums / o["by"]
    ones = torch.ones(1, 1, *o["c"][1:])
    if o["rim"]:
        ones = functional.pad(ones, [p for p in reversed(o["p"]) for _ in range(2)], value=1)
        around = [part for more in reversed(over) for part in (0, more)]
    return sums / (functional.avg_pool3d(functional.pad(ones, around), o["k"], o["s"]) * volume)


def _reduce(o: Operation, arrays: _Arrays) -> torch.Tensor:
    x = arrays[o["x"]].reshape(-1, o["n"], o["inner"])
    kinds: dict[str, Callable[[int], torch.Tensor]] = {"mean": x.mean, "sum": x.sum, "max": x.amax, "min": x.amin}
    return kinds[o["kind"]](1)


def _softmax(o: Operation, arrays: _Arrays) -> torch.Tensor:
    x = arrays[o["x"]].reshape(-1, o["n"], o["inner"])
    return x.log_softmax(1) if o.get("log") else x.softmax(1)


def _norm(o: Operation, arrays: _Arrays) -> torch.Tensor:
    return functional.layer_norm(arrays[o["x"]].reshape(-1, o["n"]), (o["n"],), eps=o["eps"])


def _affine(o: Operation, arrays: _Arrays) -> torch.Tensor:
    return arrays[o["x"]].reshape(-1, o["c"], o["n"]) * arrays[o["w"]][0, :, None] + arrays[o["b"]][0, :, None]


def _unary(o: Operation, arrays: _Arrays) -> torch.Tensor:
    if o["f"] == "clip":
        return arrays[o["x"]].clamp(o.get("u"), o.get("v"))
    return _UNARY[o["f"]](arrays[o["x"]], o.get("u", 0.0), o.get("v", 0.0))


def _binary(o: Operation, arrays: _Arrays) -> torch.Tensor:
    def spread(array: torch.Tensor, steps: list[int]) -> torch.Tensor:
        array = array.contiguous()
        return array.as_strided([len(array), *o["dims"]], [array.shape[1], *steps])

    return _BINARY[o["f"]](spread(arrays[o["x"]], o["xs"]), spread(arrays[o["z"]], o["zs"]))


def _permute(o: Operation, arrays: _Arrays) -> torch.Tensor:
    return arrays[o["x"]].reshape(-1, *o["dims"]).permute(0, *(axis + 1 for axis in o["order"]))


def _take(o: Operation, arrays: _Arrays) -> torch.Tensor:
    x = arrays[o["x"]].reshape(-1, *o["dims"])
    for axis, places in enumerate(o["index"], 1):
        if places is not None:
            x = x.index_select(axis, torch.tensor(places).clamp(min=0))
            outside = [new for new, place in enumerate(places) if place < 0]
            if outside:
                x.index_fill_(axis, torch.tensor(outside), o["fill"])
    return x


def _cat(o: Operation, arrays: _Arrays) -> torch.Tensor:
    count = max(len(arrays[name]) for name in o["parts"])
    parts = [
        arrays[name].expand(count, -1).reshape(count * o["outer"], size)
        for name, size in zip(o["parts"], o["sizes"], strict=True)
    ]
    return torch.cat(parts, 1)


_DO: dict[str, Callable[[Operation, _Arrays], torch.Tensor]] = {
    "conv": _conv, "dense": _dense, "matmul": _matmul, "pool": _pool, "reduce": _reduce, "softmax": _softmax,
    "norm": _norm, "affine": _affine, "unary": _unary, "binary": _binary, "permute": _permute, "take": _take,
    "cat": _cat,
}  # fmt: skip
