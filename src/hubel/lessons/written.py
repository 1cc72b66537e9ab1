"""One number of a net's pass written out: the window it looked through, each product, the sum, and where every number
of it came from.

The calculation is done again in double precision from what the operation took, so that `Written.result` and
`Written.value`, which torch gave, are two answers to one question.

>>> from torch import nn
>>> from hubel.lessons.scene import observe
>>> net = nn.Sequential(nn.Conv2d(1, 1, 2, bias=False), nn.ReLU())
>>> _ = net[0].weight.data.copy_(torch.tensor([[[[1.0, 2], [3, 4]]]]))
>>> scene = observe(net, torch.arange(9.0).view(1, 1, 3, 3))
>>> print(write_out(scene, 0, (0, 0, 0)).lines[-1])
sum of 4 products = 27
>>> print(write_out(scene, 1, (0, 1, 1)).text)
relu(67) = 67
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import torch

from hubel.lessons.scene import Part, Scene
from hubel.views import Viewed

MOST_TERMS = 24
"""Products that a line shows; the largest, if there are more."""
MOVES = frozenset({
    "flatten", "reshape", "view", "_unsafe_view", "permute", "transpose", "t", "chunk", "split", "narrow", "slice",
    "select", "unsqueeze", "squeeze", "expand", "expand_as", "contiguous", "channel_shuffle", "pixel_shuffle",
    "pixel_unshuffle", "roll", "upsample_nearest2d", "unflatten", "dropout", "feature_dropout", "alpha_dropout",
    "flip", "index", "repeat", "to", "unbind", "split_with_sizes", "clone", "reflection_pad2d", "replication_pad2d",
    "movedim", "native_dropout", "index_select", "swapaxes", "as_strided", "squeeze_copy", "type_as",
})  # fmt: skip
"""Operations that carry numbers to other places and change none."""
PAIRS: dict[str, tuple[str, Callable[[float, float], float]]] = {
    "add": ("+", lambda a, b: a + b), "sub": ("−", lambda a, b: a - b), "rsub": ("−", lambda a, b: b - a),
    "mul": ("·", lambda a, b: a * b), "div": ("/", lambda a, b: a / b),
    "maximum": ("max", max), "minimum": ("min", min),
}  # fmt: skip
MEANS = {"mean": "mean", "sum": "sum", "amax": "max", "amin": "min", "max": "max"}


@dataclass(frozen=True)
class Term:
    """One product, or one number that counts."""

    value: float
    weight: float | None
    """What it is multiplied by; None where it is not."""
    source: int | None
    """The part whose number it is; -1 is the picture, None a constant or padding."""
    place: tuple[int, ...] = ()
    """Where it stands there, without the batch."""


@dataclass(frozen=True)
class Written(Viewed):
    """A number and how it came about."""

    title: str
    value: float
    """What torch gave."""
    result: float
    """What the calculation below gives."""
    text: str
    """The calculation on one line."""
    lines: tuple[str, ...]
    terms: tuple[Term, ...]
    """What it is made of; all of it, window after window."""
    window: tuple[int, ...] = ()
    """Of a window: channels, rows, columns; the terms fill it in this order."""
    corner: tuple[int, int] = (0, 0)
    """First row and column of the window, in the input without padding."""
    apart: bool = True
    """False where the operation is not taken apart, and the result is torch's own."""
    parts: dict[str, Any] = field(default_factory=dict)


def write_out(scene: Scene, part: int, place: Sequence[int]) -> Written:
    """The number of a part at a place (channel, row, column, or as many as its shape has).

    Raises UsageError for a part or a place that is not there.
    """
    found, whole = scene.find(part, place)
    value = float(found.output[whole])
    return _Writer(scene, found, whole, value).write()


class _Writer:
    def __init__(self, scene: Scene, part: Part, place: tuple[int, ...], value: float) -> None:
        self.scene, self.part, self.place, self.value = scene, part, place, value
        self.given = part.arguments

    def write(self) -> Written:
        name = self.part.name
        special = {
            "conv2d": self.convolution, "conv1d": self.in_a_row, "conv_transpose2d": self.transposed,
            "linear": self.dense,
            "batch_norm": self.batch_norm, "layer_norm": self.layer_norm, "group_norm": self.group_norm,
            "instance_norm": self.group_norm, "max_pool2d": self.pool, "avg_pool2d": self.pool,
            "max_pool1d": self.pool, "max_pool3d": self.pool, "avg_pool1d": self.pool, "avg_pool3d": self.pool,
            "linalg_vector_norm": self.length,
            "adaptive_avg_pool2d": self.adaptive, "adaptive_max_pool2d": self.adaptive,
            "softmax": self.softmax, "log_softmax": self.softmax,
            "_softmax": self.softmax, "_log_softmax": self.softmax, "cat": self.joined, "stack": self.joined,
            "scaled_dot_product_attention": self.attention, "mm": self.product, "bmm": self.product,
            "matmul": self.product, "addmm": self.product, "pad": self.padded, "constant_pad_nd": self.padded,
            "rms_norm": self.layer_norm,
        }  # fmt: skip
        if name in special:
            return special[name]()
        if name in PAIRS:
            return self.pair()
        if name in MEANS and isinstance(self.given.get("self"), torch.Tensor):
            return self.reduced()
        if name in MOVES:
            return self.moved()
        return self.single()

    # ---- what all use ----

    def tensor(self, name: str) -> torch.Tensor:
        found: torch.Tensor = self.given[name]
        return found

    def term(self, tensor: torch.Tensor, place: Sequence[int], weight: float | None = None) -> Term:
        source = self.scene.source_of(tensor)
        where = tuple(int(p) for p in place)
        held = self.scene.picture if source == -1 else self.scene.parts[source].output if source is not None else tensor
        short = where[1:] if held.dim() > 1 and held.shape[0] == 1 else where
        return Term(float(tensor[where]), weight, source, short)

    def made(
        self, result: float, text: str, lines: Sequence[str] = (), terms: Sequence[Term] = (), **more: Any
    ) -> Written:
        return Written(
            f"{self.part.title} at {self.place[1:] if self.part.batched else self.place}", self.value, result, text,
            tuple(lines) or (text,), tuple(terms), **more,
        )  # fmt: skip

    def summed(self, terms: list[Term], bias: float | None, what: str = "", **more: Any) -> Written:
        line, total = in_products(terms, bias)
        tail = f" + bias {_g(bias)}" if bias is not None else ""
        text = f"{line}{tail} = {_g(total)}"
        last = f"sum of {len(terms)} products{tail} = {_g(total)}"
        return self.made(total, text, (*([what] if what else []), f"{line}{tail}", last), terms, **more)

    # ---- kinds ----

    def convolution(self) -> Written:
        x, w, bias = self.tensor("input"), self.tensor("weight"), self.given["bias"]
        s, p, d = (_two(self.given[name]) for name in ("stride", "padding", "dilation"))
        _, channel, row, column = self.place
        per, k = w.shape[1], w.shape[2:]
        if isinstance(self.given["padding"], str):
            total = [d[i] * (k[i] - 1) if self.given["padding"] == "same" else 0 for i in range(2)]
            p = (total[0] // 2, total[1] // 2)
        first = channel // (w.shape[0] // int(self.given["groups"])) * per
        top, left = row * s[0] - p[0], column * s[1] - p[1]
        rows = [(i, top + i * d[0]) for i in range(k[0])]
        columns = [(j, left + j * d[1]) for j in range(k[1])]
        low, edge = max(0, top), max(0, left)
        seen = x[0, first : first + per, low : rows[-1][1] + 1, edge : columns[-1][1] + 1]
        source, planes, weights = self.scene.source_of(x), seen.tolist(), w[channel].tolist()
        terms = [
            Term(planes[c][y - low][z - edge], weights[c][i][j], source, (first + c, y, z))
            if 0 <= y < x.shape[2] and 0 <= z < x.shape[3] else Term(0.0, weights[c][i][j], None)
            for c in range(per) for i, y in rows for j, z in columns
        ]  # fmt: skip
        what = f"window of {k[0]}x{k[1]} from row {top}, column {left}; channels {first} to {first + per - 1}" + (
            f"; every {d[0]}nd pixel" if d[0] == 2 else f"; every {d[0]}th pixel" if d[0] > 2 else ""
        )
        offset = None if bias is None else float(bias[channel])
        return self.summed(terms, offset, what, window=(per, *k), corner=(top, left))

    def in_a_row(self) -> Written:
        x, w, bias = self.tensor("input"), self.tensor("weight"), self.given["bias"]
        (s,), (d,), (p,) = (_many(self.given[name], 1) for name in ("stride", "dilation", "padding"))
        _, channel, at = self.place
        per, k = w.shape[1:]
        if self.given["padding"] == "same":
            p = d * (k - 1) // 2
        first, left = channel // (w.shape[0] // int(self.given["groups"])) * per, at * s - p
        terms = [
            self.term(x, (0, first + c, z), float(w[channel, c, j]))
            if 0 <= z < x.shape[2] else Term(0.0, float(w[channel, c, j]), None)
            for c in range(per) for j, z in enumerate(range(left, left + (k - 1) * d + 1, d))
        ]  # fmt: skip
        what = f"window of {k} from place {left}; channels {first} to {first + per - 1}"
        return self.summed(
            terms, None if bias is None else float(bias[channel]), what, corner=(0, left), window=(per, 1, k)
        )

    def transposed(self) -> Written:
        x, w, bias = self.tensor("input"), self.tensor("weight"), self.given["bias"]
        s, p, d = (_two(self.given[name]) for name in ("stride", "padding", "dilation"))
        _, channel, row, column = self.place
        groups, per = int(self.given["groups"]), w.shape[1]
        sources = range(channel // per * (x.shape[1] // groups), (channel // per + 1) * (x.shape[1] // groups))
        terms = []
        for c in sources:
            for i in range(w.shape[2]):
                for j in range(w.shape[3]):
                    y, z = row + p[0] - i * d[0], column + p[1] - j * d[1]
                    if y % s[0] or z % s[1] or not (0 <= y // s[0] < x.shape[2] and 0 <= z // s[1] < x.shape[3]):
                        continue
                    terms.append(self.term(x, (0, c, y // s[0], z // s[1]), float(w[c, channel % per, i, j])))
        return self.summed(terms, None if bias is None else float(bias[channel]))

    def dense(self) -> Written:
        x, w, bias = self.tensor("input"), self.tensor("weight"), self.given["bias"]
        unit, before = self.place[-1], self.place[:-1]
        one = self.term(x, (*before, 0))
        terms = [
            Term(value, weight, one.source, (*one.place[:-1], i))
            for i, (value, weight) in enumerate(zip(x[before].tolist(), w[unit].tolist(), strict=True))
        ]
        return self.summed(terms, None if bias is None else float(bias[unit]))

    def product(self) -> Written:
        name = self.part.name
        a, b = (
            (self.given["mat1"], self.given["mat2"])
            if name == "addmm"
            else (self.given["self"], self.given.get("mat2", self.given.get("other")))
        )
        row = self.place[:-1] if a.dim() > 1 else ()
        over = self.place[:-2] if b.dim() > 2 else ()
        terms = []
        for i in range(a.shape[-1]):
            right = (*over[-(b.dim() - 2) :], i, self.place[-1]) if b.dim() > 1 else (i,)
            terms.append(self.term(a, (*row, i), float(b[right])))
        bias = None
        if name == "addmm":
            bias = float(self.given["self"].expand(self.part.output.shape)[self.place])
        return self.summed(terms, bias)

    def batch_norm(self) -> Written:
        x, channel = self.tensor("input"), self.place[1]
        mean, variance = float(self.given["running_mean"][channel]), float(self.given["running_var"][channel])
        return self.normalised(x, mean, variance, channel, "kept from the training")

    def layer_norm(self) -> Written:
        x = self.tensor("input")
        n = len(self.given["normalized_shape"])
        at = self.place[: x.dim() - n]
        block = x[at].double()
        mean = 0.0 if self.part.name == "rms_norm" else float(block.mean())
        variance = float((block**2).mean()) if self.part.name == "rms_norm" else float(block.var(correction=0))
        return self.normalised(x, mean, variance, self.place[x.dim() - n :], f"of {block.numel()} numbers")

    def group_norm(self) -> Written:
        x, channel = self.tensor("input"), self.place[1]
        size = x.shape[1] // int(self.given.get("num_groups") or x.shape[1])
        first = channel // size * size
        block = x[self.place[0], first : first + size].double()
        return self.normalised(
            x,
            float(block.mean()),
            float(block.var(correction=0)),
            channel,
            f"of channels {first} to {first + size - 1}",
        )

    def normalised(self, x: torch.Tensor, mean: float, variance: float, at: Any, whose: str) -> Written:
        eps = self.given.get("eps")
        eps = torch.finfo(x.dtype).eps if eps is None else float(eps)
        weight, bias = self.given.get("weight"), self.given.get("bias")
        scale = 1.0 if weight is None else float(weight[at])
        shift = 0.0 if bias is None else float(bias[at])
        taken = self.term(x, self.place, scale / math.sqrt(variance + eps))
        normal = (taken.value - mean) / math.sqrt(variance + eps)
        result = scale * normal + shift
        lines = (
            f"mean {_g(mean)} and variance {_g(variance)} {whose}",
            f"({_g(taken.value)} − {_g(mean)}) / √({_g(variance)} + {eps:g}) = {_g(normal)}",
            f"times {_g(scale)}, plus {_g(shift)} = {_g(result)}",
        )
        text = (
            f"{_g(scale)}·({_g(taken.value)} − {_g(mean)}) / √({_g(variance)} + {eps:g}) + {_g(shift)} = {_g(result)}"
        )
        return self.made(result, text, lines, (taken,))

    def pool(self) -> Written:
        x, mean = self.tensor("self"), self.part.name.startswith("avg")
        axes = int(self.part.name[-2])
        k = _many(self.given["kernel_size"], axes)
        s = _many(self.given["stride"] or self.given["kernel_size"], axes)
        p, d = _many(self.given["padding"], axes), _many(self.given.get("dilation") or 1, axes)
        before, sides = self.place[:-axes], x.shape[-axes:]
        corner = tuple(at * step - pad for at, step, pad in zip(self.place[-axes:], s, p, strict=True))
        ways = [range(c, c + (wide - 1) * gap + 1, gap) for c, wide, gap in zip(corner, k, d, strict=True)]
        terms = [
            self.term(x, (*before, *at))
            for at in product(*ways)
            if all(0 <= a < n for a, n in zip(at, sides, strict=True))
        ]
        count = len(terms)
        if mean and self.given.get("divisor_override"):
            count = int(self.given["divisor_override"])
        elif mean and self.given.get("count_include_pad", True):
            count = math.prod(min(c + wide, n + pad) - c for c, wide, n, pad in zip(corner, k, sides, p, strict=True))
        seen = {"corner": corner, "window": (1, *k)} if axes == 2 else {}
        return self.gathered(terms, "mean" if mean else "max", count, **seen)

    def adaptive(self) -> Written:
        x = self.tensor("self")
        *before, row, column = self.place
        (h, w), (oh, ow) = x.shape[-2:], self.part.output.shape[-2:]
        rows, columns = (
            range(row * h // oh, -(-(row + 1) * h // oh)),
            range(column * w // ow, -(-(column + 1) * w // ow)),
        )
        terms = [self.term(x, (*before, y, z)) for y in rows for z in columns]
        how = "max" if self.part.name == "adaptive_max_pool2d" else "mean"
        return self.gathered(terms, how, len(terms), corner=(rows[0], columns[0]), window=(1, len(rows), len(columns)))

    def gathered(self, terms: list[Term], how: str, count: int, **more: Any) -> Written:
        values = [t.value for t in terms]
        result = {
            "mean": lambda: math.fsum(values) / count,
            "sum": lambda: math.fsum(values),
            "max": lambda: max(values),
            "min": lambda: min(values),
        }[how]()
        shown = ", ".join(_g(v) for v in values[:MOST_TERMS]) + (
            f", … ({len(values)} numbers)" if len(values) > MOST_TERMS else ""
        )
        return self.made(result, f"{how}({shown}) = {_g(result)}", (), terms, **more)

    def reduced(self) -> Written:
        return self.gathered(found := self.over(), MEANS[self.part.name], len(found))

    def length(self) -> Written:
        terms, order = self.over(), float(self.given["ord"])
        if not 0 < order < math.inf:
            return self.single()
        total = math.fsum(abs(t.value) ** order for t in terms)
        result = total ** (1 / order)
        lines = (f"the sum of |x|^{_g(order)} over {len(terms)} numbers is {_g(total)}", f"its root is {_g(result)}")
        return self.made(result, f"{_g(total)}^(1/{_g(order)}) = {_g(result)}", lines, terms)

    def over(self) -> list[Term]:
        """All numbers that are brought together at our place."""
        x = self.tensor("self")
        dims = self.given.get("dim")
        axes = {
            d % x.dim() for d in (range(x.dim()) if dims in (None, []) else [dims] if isinstance(dims, int) else dims)
        }
        kept, places = iter(self.place), []
        spread = bool(self.given.get("keepdim"))
        for axis in range(x.dim()):
            if axis in axes:
                places.append(range(x.shape[axis]))
                if spread:
                    next(kept, 0)
            else:
                at = next(kept, 0)
                places.append(range(at, at + 1))
        return [
            self.term(x, tuple(int(v) for v in at))
            for at in np.stack(np.meshgrid(*places, indexing="ij"), -1).reshape(-1, x.dim())
        ]

    def softmax(self) -> Written:
        x = self.given.get("self", self.given.get("input"))
        axis = int(self.given["dim"]) % x.dim()
        all_places = [(*self.place[:axis], i, *self.place[axis + 1 :]) for i in range(x.shape[axis])]
        terms = [self.term(x, at) for at in all_places]
        top = max(t.value for t in terms)
        total = math.fsum(math.exp(t.value - top) for t in terms)
        own = float(x[self.place])
        share = math.exp(own - top) / total
        log = "log" in self.part.name
        result = own - top - math.log(total) if log else share
        text = f"e^({_g(own)} − {_g(top)}) / {_g(total)} = {_g(share)}" + (f"; ln = {_g(result)}" if log else "")
        return self.made(
            result, text, (f"the sum of e^(x − {_g(top)}) over {len(terms)} numbers is {_g(total)}", text), terms
        )

    def attention(self) -> Written:
        q, k, v = (self.tensor(name) for name in ("query", "key", "value"))
        *lead, token, feature = self.place
        head = tuple(lead)
        scale = self.given.get("scale") or 1 / math.sqrt(q.shape[-1])
        scores = (k[head].double() @ q[(*head, token)].double()) * float(scale)
        mask = self.given.get("attn_mask")
        if mask is not None:
            line = mask.expand(*q.shape[:-1], k.shape[-2])[(*head, token)]
            scores = scores.masked_fill(~line, -math.inf) if line.dtype == torch.bool else scores + line.double()
        if self.given.get("is_causal"):
            scores[token + 1 :] = -math.inf
        weights = scores.softmax(0)
        terms = [self.term(v, (*head, i, feature), float(weights[i])) for i in range(k.shape[-2])]
        what = f"each of {len(terms)} tokens is weighed by softmax(query · key / {_g(1 / float(scale))})"
        return self.summed(terms, None, what)

    def joined(self) -> Written:
        tensors = list(self.given["tensors"])
        axis = int(self.given.get("dim") or 0) % self.part.output.dim()
        at = self.place[axis]
        if self.part.name == "stack":
            source, where = tensors[at], (*self.place[:axis], *self.place[axis + 1 :])
            number = at
        else:
            number = 0
            while at >= tensors[number].shape[axis]:
                at -= tensors[number].shape[axis]
                number += 1
            source, where = tensors[number], (*self.place[:axis], at, *self.place[axis + 1 :])
        term = self.term(source, where)
        text = f"number {number + 1} of {len(tensors)} that are joined, at {where[1:]}: {_g(term.value)}"
        return self.made(term.value, text, (), (term,))

    def pair(self) -> Written:
        a, b = self.given["self"], self.given["other"]
        factor = float(self.given.get("alpha") or 1)
        terms = [self.spread(each) for each in (a, b)]
        sign, of = PAIRS[self.part.name]
        left, right = terms[0].value, terms[1].value * (factor if self.part.name in ("add", "sub") else 1.0)
        result = of(left, right)
        if self.part.name == "div" and self.given.get("rounding_mode"):
            return self.single()
        if self.part.name == "rsub":
            left, right = right, left
        joined = f"{sign}({_g(left)}, {_g(right)})" if sign in ("max", "min") else f"{_g(left)} {sign} {_f(right)}"
        return self.made(result, f"{joined} = {_g(result)}", (), terms)

    def spread(self, value: Any) -> Term:
        """One side of a pair at our place, spread over the other's shape where it is smaller."""
        if not isinstance(value, torch.Tensor):
            return Term(float(value), None, None)
        lead = len(self.place) - value.dim()
        return self.term(value, tuple(0 if value.shape[i] == 1 else self.place[lead + i] for i in range(value.dim())))

    def padded(self) -> Written:
        x = self.tensor("self")
        if self.given.get("mode") not in (None, "constant"):
            return self.moved()
        pads = list(self.given["pad"])
        where = list(self.place)
        for i in range(len(pads) // 2):
            where[-1 - i] -= pads[2 * i]
        if any(not 0 <= w < n for w, n in zip(where, x.shape, strict=True)):
            edge = float(self.given.get("value") or 0.0)
            return self.made(edge, f"padding: {_g(edge)}", (), (Term(edge, None, None),))
        term = self.term(x, where)
        return self.made(term.value, f"the number at {tuple(where)[1:]}: {_g(term.value)}", (), (term,))

    def moved(self) -> Written:
        """Where the number stood before: the same operation on the places themselves says so."""
        name = next(
            n for n, v in self.given.items() if isinstance(v, torch.Tensor) and self.scene.source_of(v) is not None
        )
        x = self.given[name]
        places = torch.arange(x.numel(), dtype=torch.float64).reshape(x.shape)
        result = self.part.operator(**{n: places if n == name else _listed(v) for n, v in self.given.items()})
        if isinstance(result, (tuple, list)):
            result = next(
                r
                for r in result
                if r.shape == self.part.output.shape
                and abs(float(x.reshape(-1)[int(r[self.place])]) - self.value) < 1e-12
            )
        at = np.unravel_index(int(result[self.place]), tuple(x.shape))
        term = self.term(x, tuple(int(v) for v in at))
        return self.made(term.value, f"moved here from {term.place}: {_g(term.value)}", (), (term,))

    def single(self) -> Written:
        """A function of one number, by torch's own on that number alone; anything else is not taken apart."""
        tensors = {n: v for n, v in self.given.items() if isinstance(v, torch.Tensor)}
        first = next(iter(tensors.values()), None)
        if first is None or first.shape != self.part.output.shape or (len(tensors) > 1 and self.part.name != "prelu"):
            return self.made(
                self.value, f"{self.part.name}: not taken apart; torch gives {_g(self.value)}", apart=False
            )
        term = self.term(first, self.place)
        if self.part.name == "prelu":
            w = self.tensor("weight")
            slope = float(w[self.place[1] if w.numel() > 1 else 0])
            result = term.value if term.value >= 0 else slope * term.value
            return self.made(
                result, f"{_g(term.value)} if not negative, else times {_g(slope)} = {_g(result)}", (), (term,)
            )
        name = next(iter(tensors))
        alone = torch.tensor([term.value], dtype=torch.float64)
        result = float(self.part.operator(**{n: alone if n == name else _listed(v) for n, v in self.given.items()})[0])
        more = [
            _g(float(v))
            for n, v in self.given.items()
            if n != name and isinstance(v, (int, float)) and not isinstance(v, bool)
        ]
        text = f"{self.part.name}({', '.join([_g(term.value), *more])}) = {_g(result)}"
        return self.made(result, text, (), (term,))


def in_products(terms: Sequence[Term], bias: float | None = None) -> tuple[str, float]:
    """Products on a line, the largest if there are many, and their sum; the bias is added and not written."""
    total = math.fsum(t.value * (1.0 if t.weight is None else t.weight) for t in terms) + (bias or 0.0)
    shown = list(terms)
    if len(terms) > MOST_TERMS:
        shown = sorted(terms, key=lambda t: -abs(t.value * (t.weight or 0.0)))[:MOST_TERMS]
    line = " + ".join(f"{_g(t.value)}·{_f(t.weight or 0.0)}" for t in shown)
    rest = len(terms) - len(shown)
    if rest:
        left = total - (bias or 0.0) - math.fsum(t.value * (t.weight or 0.0) for t in shown)
        line += f" + {rest} smaller ones ({_g(left)})"
    return line, total


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _many(value: Any, count: int) -> tuple[int, ...]:
    """A setting of a window along each of its axes; a word stands for none."""
    if isinstance(value, str) or not value:
        return (0,) * count
    numbers = [int(value)] if isinstance(value, int) else [int(v) for v in value]
    return tuple(numbers * count if len(numbers) == 1 else numbers)


def _two(value: Any) -> tuple[int, int]:
    rows, columns = _many(value, 2)
    return rows, columns


def _g(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def _f(value: float) -> str:
    return f"({_g(value)})" if value < 0 else _g(value)
