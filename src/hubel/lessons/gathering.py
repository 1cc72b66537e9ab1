"""Many numbers brought together in one, written out: pooling, means, lengths, normalisation, softmax."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import torch

from hubel.lessons.carrying import single
from hubel.lessons.working import Term, Working, Written, along, brief

MEANS = {"mean": "mean", "sum": "sum", "amax": "max", "amin": "min", "max": "max"}


def batch_norm(here: Working) -> Written:
    """Normalised by what was kept from the training."""
    x, channel = here.tensor("input"), here.place[1]
    mean, variance = float(here.given["running_mean"][channel]), float(here.given["running_var"][channel])
    return normalised(here, x, mean, variance, channel, "kept from the training")


def layer_norm(here: Working) -> Written:
    """Normalised by the numbers of its own sample."""
    x = here.tensor("input")
    n = len(here.given["normalized_shape"])
    at = here.place[: x.dim() - n]
    block = x[at].double()
    mean = 0.0 if here.part.name == "rms_norm" else float(block.mean())
    variance = float((block**2).mean()) if here.part.name == "rms_norm" else float(block.var(correction=0))
    return normalised(here, x, mean, variance, here.place[x.dim() - n :], f"of {block.numel()} numbers")


def group_norm(here: Working) -> Written:
    """Normalised by the numbers of its group of channels."""
    x, channel = here.tensor("input"), here.place[1]
    size = x.shape[1] // int(here.given.get("num_groups") or x.shape[1])
    first = channel // size * size
    block = x[here.place[0], first : first + size].double()
    return normalised(
        here,
        x,
        float(block.mean()),
        float(block.var(correction=0)),
        channel,
        f"of channels {first} to {first + size - 1}",
    )


def normalised(here: Working, x: torch.Tensor, mean: float, variance: float, at: Any, whose: str) -> Written:
    """A number less a mean, by a root of a variance, then scaled and shifted."""
    eps = here.given.get("eps")
    eps = torch.finfo(x.dtype).eps if eps is None else float(eps)
    weight, bias = here.given.get("weight"), here.given.get("bias")
    scale = 1.0 if weight is None else float(weight[at])
    shift = 0.0 if bias is None else float(bias[at])
    taken = here.term(x, here.place, scale / math.sqrt(variance + eps))
    normal = (taken.value - mean) / math.sqrt(variance + eps)
    result = scale * normal + shift
    root = f"√({brief(variance)} + {eps:g})"
    lines = (
        f"mean {brief(mean)} and variance {brief(variance)} {whose}",
        f"({brief(taken.value)} − {brief(mean)}) / {root} = {brief(normal)}",
        f"times {brief(scale)}, plus {brief(shift)} = {brief(result)}",
    )
    text = f"{brief(scale)}·({brief(taken.value)} − {brief(mean)}) / {root} + {brief(shift)} = {brief(result)}"
    return here.made(result, text, lines, (taken,))


def pool(here: Working) -> Written:
    """The largest or the mean of a window."""
    x, mean = here.tensor("self"), here.part.name.startswith("avg")
    axes = int(here.part.name[-2])
    k = along(here.given["kernel_size"], axes)
    s = along(here.given["stride"] or here.given["kernel_size"], axes)
    p, d = along(here.given["padding"], axes), along(here.given.get("dilation") or 1, axes)
    before, sides = here.place[:-axes], x.shape[-axes:]
    corner = tuple(at * step - pad for at, step, pad in zip(here.place[-axes:], s, p, strict=True))
    ways = [range(c, c + (wide - 1) * gap + 1, gap) for c, wide, gap in zip(corner, k, d, strict=True)]
    terms = [
        here.term(x, (*before, *at)) for at in product(*ways) if all(0 <= a < n for a, n in zip(at, sides, strict=True))
    ]
    count = len(terms)
    if mean and here.given.get("divisor_override"):
        count = int(here.given["divisor_override"])
    elif mean and here.given.get("count_include_pad", True):
        count = math.prod(min(c + wide, n + pad) - c for c, wide, n, pad in zip(corner, k, sides, p, strict=True))
    seen = {"corner": corner, "window": (1, *k)} if axes == 2 else {}
    return here.gathered(terms, "mean" if mean else "max", count, **seen)


def adaptive(here: Working) -> Written:
    """The largest or the mean of a window whose size follows from what comes out."""
    x = here.tensor("self")
    *before, row, column = here.place
    (h, w), (oh, ow) = x.shape[-2:], here.part.output.shape[-2:]
    rows, columns = (
        range(row * h // oh, -(-(row + 1) * h // oh)),
        range(column * w // ow, -(-(column + 1) * w // ow)),
    )
    terms = [here.term(x, (*before, y, z)) for y in rows for z in columns]
    how = "max" if here.part.name == "adaptive_max_pool2d" else "mean"
    return here.gathered(terms, how, len(terms), corner=(rows[0], columns[0]), window=(1, len(rows), len(columns)))


def reduced(here: Working) -> Written:
    """A mean, a sum, or the largest or smallest along axes."""
    return here.gathered(found := over(here), MEANS[here.part.name], len(found))


def length(here: Working) -> Written:
    """The length of a vector, by any positive order."""
    terms, order = over(here), float(here.given["ord"])
    if not 0 < order < math.inf:
        return single(here)
    total = math.fsum(abs(t.value) ** order for t in terms)
    result = total ** (1 / order)
    lines = (
        f"the sum of |x|^{brief(order)} over {len(terms)} numbers is {brief(total)}",
        f"its root is {brief(result)}",
    )
    return here.made(result, f"{brief(total)}^(1/{brief(order)}) = {brief(result)}", lines, terms)


def over(here: Working) -> list[Term]:
    """All numbers that are brought together at our place."""
    x = here.tensor("self")
    dims = here.given.get("dim")
    axes = {d % x.dim() for d in (range(x.dim()) if dims in (None, []) else [dims] if isinstance(dims, int) else dims)}
    kept, places = iter(here.place), []
    spread = bool(here.given.get("keepdim"))
    for axis in range(x.dim()):
        if axis in axes:
            places.append(range(x.shape[axis]))
            if spread:
                next(kept, 0)
        else:
            at = next(kept, 0)
            places.append(range(at, at + 1))
    return [
        here.term(x, tuple(int(v) for v in at))
        for at in np.stack(np.meshgrid(*places, indexing="ij"), -1).reshape(-1, x.dim())
    ]


def softmax(here: Working) -> Written:
    """A share of the whole, or its logarithm."""
    x = here.given.get("self", here.given.get("input"))
    axis = int(here.given["dim"]) % x.dim()
    all_places = [(*here.place[:axis], i, *here.place[axis + 1 :]) for i in range(x.shape[axis])]
    terms = [here.term(x, at) for at in all_places]
    top = max(t.value for t in terms)
    total = math.fsum(math.exp(t.value - top) for t in terms)
    own = float(x[here.place])
    share = math.exp(own - top) / total
    log = "log" in here.part.name
    result = own - top - math.log(total) if log else share
    text = f"e^({brief(own)} − {brief(top)}) / {brief(total)} = {brief(share)}" + (
        f"; ln = {brief(result)}" if log else ""
    )
    return here.made(
        result, text, (f"the sum of e^(x − {brief(top)}) over {len(terms)} numbers is {brief(total)}", text), terms
    )
