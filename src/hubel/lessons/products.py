"""Sums of products written out: convolutions, dense layers, matrices, attention."""

from __future__ import annotations

import math

import numpy as np
import torch

from hubel.lessons.working import Term, Working, Written, along, brief, two


def convolution(here: Working) -> Written:
    """A window of maps times a filter."""
    x, w, bias = here.tensor("input"), here.tensor("weight"), here.given["bias"]
    s, p, d = (two(here.given[name]) for name in ("stride", "padding", "dilation"))
    _, channel, row, column = here.place
    per, k = w.shape[1], w.shape[2:]
    if isinstance(here.given["padding"], str):
        total = [d[i] * (k[i] - 1) if here.given["padding"] == "same" else 0 for i in range(2)]
        p = (total[0] // 2, total[1] // 2)
    first = channel // (w.shape[0] // int(here.given["groups"])) * per
    top, left = row * s[0] - p[0], column * s[1] - p[1]
    rows = [(i, top + i * d[0]) for i in range(k[0])]
    columns = [(j, left + j * d[1]) for j in range(k[1])]
    low, edge = max(0, top), max(0, left)
    seen = x[0, first : first + per, low : rows[-1][1] + 1, edge : columns[-1][1] + 1]
    source, planes, weights = here.scene.source_of(x), seen.tolist(), w[channel].tolist()
    terms = [
        Term(planes[c][y - low][z - edge], weights[c][i][j], source, (first + c, y, z))
        if 0 <= y < x.shape[2] and 0 <= z < x.shape[3] else Term(0.0, weights[c][i][j], None)
        for c in range(per) for i, y in rows for j, z in columns
    ]  # fmt: skip
    what = f"window of {k[0]}x{k[1]} from row {top}, column {left}; channels {first} to {first + per - 1}" + (
        f"; every {d[0]}nd pixel" if d[0] == 2 else f"; every {d[0]}th pixel" if d[0] > 2 else ""
    )
    offset = None if bias is None else float(bias[channel])
    return here.summed(terms, offset, what, window=(per, *k), corner=(top, left))


def in_a_row(here: Working) -> Written:
    """A window of a sequence times a filter."""
    x, w, bias = here.tensor("input"), here.tensor("weight"), here.given["bias"]
    (s,), (d,), (p,) = (along(here.given[name], 1) for name in ("stride", "dilation", "padding"))
    _, channel, at = here.place
    per, k = w.shape[1:]
    if here.given["padding"] == "same":
        p = d * (k - 1) // 2
    first, left = channel // (w.shape[0] // int(here.given["groups"])) * per, at * s - p
    terms = [
        here.term(x, (0, first + c, z), float(w[channel, c, j]))
        if 0 <= z < x.shape[2] else Term(0.0, float(w[channel, c, j]), None)
        for c in range(per) for j, z in enumerate(range(left, left + (k - 1) * d + 1, d))
    ]  # fmt: skip
    what = f"window of {k} from place {left}; channels {first} to {first + per - 1}"
    return here.summed(
        terms, None if bias is None else float(bias[channel]), what, corner=(0, left), window=(per, 1, k)
    )


def in_a_volume(here: Working) -> Written:
    """A window of a volume times a filter."""
    x, w, bias = here.tensor("input"), here.tensor("weight"), here.given["bias"]
    s, p, d = (along(here.given[name], 3) for name in ("stride", "padding", "dilation"))
    channel, per, k = here.place[1], w.shape[1], w.shape[2:]
    if here.given["padding"] == "same":
        p = tuple(gap * (wide - 1) // 2 for gap, wide in zip(d, k, strict=True))
    first = channel // (w.shape[0] // int(here.given["groups"])) * per
    corner = tuple(at * step - pad for at, step, pad in zip(here.place[2:], s, p, strict=True))
    terms = []
    for c, *inside in np.ndindex(per, *k):
        at = tuple(low + i * gap for low, i, gap in zip(corner, inside, d, strict=True))
        weight = float(w[(channel, c, *inside)])
        seen = all(0 <= a < n for a, n in zip(at, x.shape[2:], strict=True))
        terms.append(here.term(x, (0, first + c, *at), weight) if seen else Term(0.0, weight, None))
    what = f"window of {'x'.join(map(str, k))} from {corner}; channels {first} to {first + per - 1}"
    return here.summed(terms, None if bias is None else float(bias[channel]), what)


def transposed(here: Working) -> Written:
    """The products that a transposed convolution puts at our place."""
    x, w, bias = here.tensor("input"), here.tensor("weight"), here.given["bias"]
    s, p, d = (two(here.given[name]) for name in ("stride", "padding", "dilation"))
    _, channel, row, column = here.place
    groups, per = int(here.given["groups"]), w.shape[1]
    sources = range(channel // per * (x.shape[1] // groups), (channel // per + 1) * (x.shape[1] // groups))
    terms = []
    for c in sources:
        for i in range(w.shape[2]):
            for j in range(w.shape[3]):
                y, z = row + p[0] - i * d[0], column + p[1] - j * d[1]
                if y % s[0] or z % s[1] or not (0 <= y // s[0] < x.shape[2] and 0 <= z // s[1] < x.shape[3]):
                    continue
                terms.append(here.term(x, (0, c, y // s[0], z // s[1]), float(w[c, channel % per, i, j])))
    return here.summed(terms, None if bias is None else float(bias[channel]))


def dense(here: Working) -> Written:
    """All inputs times the weights of one unit."""
    x, w, bias = here.tensor("input"), here.tensor("weight"), here.given["bias"]
    unit, before = here.place[-1], here.place[:-1]
    one = here.term(x, (*before, 0))
    terms = [
        Term(value, weight, one.source, (*one.place[:-1], i))
        for i, (value, weight) in enumerate(zip(x[before].tolist(), w[unit].tolist(), strict=True))
    ]
    return here.summed(terms, None if bias is None else float(bias[unit]))


def product(here: Working) -> Written:
    """A row of one matrix times a column of another."""
    name = here.part.name
    a, b = (
        (here.given["mat1"], here.given["mat2"])
        if name == "addmm"
        else (here.given["self"], here.given.get("mat2", here.given.get("other")))
    )
    row = here.place[:-1] if a.dim() > 1 else ()
    over = here.place[:-2] if b.dim() > 2 else ()
    terms = []
    for i in range(a.shape[-1]):
        right = (*over[-(b.dim() - 2) :], i, here.place[-1]) if b.dim() > 1 else (i,)
        terms.append(here.term(a, (*row, i), float(b[right])))
    bias = None
    if name == "addmm":
        bias = float(here.given["self"].expand(here.part.output.shape)[here.place])
    return here.summed(terms, bias)


def attention(here: Working) -> Written:
    """Values of all tokens, weighed by how well query and keys agree."""
    q, k, v = (here.tensor(name) for name in ("query", "key", "value"))
    *lead, token, feature = here.place
    head = tuple(lead)
    scale = here.given.get("scale") or 1 / math.sqrt(q.shape[-1])
    scores = (k[head].double() @ q[(*head, token)].double()) * float(scale)
    mask = here.given.get("attn_mask")
    if mask is not None:
        line = mask.expand(*q.shape[:-1], k.shape[-2])[(*head, token)]
        scores = scores.masked_fill(~line, -math.inf) if line.dtype == torch.bool else scores + line.double()
    if here.given.get("is_causal"):
        scores[token + 1 :] = -math.inf
    weights = scores.softmax(0)
    terms = [here.term(v, (*head, i, feature), float(weights[i])) for i in range(k.shape[-2])]
    what = f"each of {len(terms)} tokens is weighed by softmax(query · key / {brief(1 / float(scale))})"
    return here.summed(terms, None, what)
