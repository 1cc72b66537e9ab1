"""Numbers that are moved, joined, taken in pairs or one by one, written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from hubel.lessons.working import Term, Working, Written, brief, listed, signed

PAIRS: dict[str, tuple[str, Callable[[float, float], float]]] = {
    "add": ("+", lambda a, b: a + b), "sub": ("−", lambda a, b: a - b), "rsub": ("−", lambda a, b: b - a),
    "mul": ("·", lambda a, b: a * b), "div": ("/", lambda a, b: a / b),
    "maximum": ("max", max), "minimum": ("min", min),
}  # fmt: skip


def joined(here: Working) -> Written:
    """A number of one of several arrays that are joined."""
    tensors = list(here.given["tensors"])
    axis = int(here.given.get("dim") or 0) % here.part.output.dim()
    at = here.place[axis]
    if here.part.name == "stack":
        source, where = tensors[at], (*here.place[:axis], *here.place[axis + 1 :])
        number = at
    else:
        number = 0
        while at >= tensors[number].shape[axis]:
            at -= tensors[number].shape[axis]
            number += 1
        source, where = tensors[number], (*here.place[:axis], at, *here.place[axis + 1 :])
    term = here.term(source, where)
    text = f"number {number + 1} of {len(tensors)} that are joined, at {where[1:]}: {brief(term.value)}"
    return here.made(term.value, text, (), (term,))


def pair(here: Working) -> Written:
    """Two numbers, or a number and a setting, that become one."""
    a, b = here.given["self"], here.given["other"]
    factor = float(here.given.get("alpha") or 1)
    terms = [spread(here, each) for each in (a, b)]
    sign, of = PAIRS[here.part.name]
    left, right = terms[0].value, terms[1].value * (factor if here.part.name in ("add", "sub") else 1.0)
    result = of(left, right)
    if here.part.name == "div" and here.given.get("rounding_mode"):
        return single(here)
    if here.part.name == "rsub":
        left, right = right, left
    joined = (
        f"{sign}({brief(left)}, {brief(right)})" if sign in ("max", "min") else f"{brief(left)} {sign} {signed(right)}"
    )
    return here.made(result, f"{joined} = {brief(result)}", (), terms)


def spread(here: Working, value: Any) -> Term:
    """One side of a pair at our place, spread over the other's shape where it is smaller."""
    if not isinstance(value, torch.Tensor):
        return Term(float(value), None, None)
    lead = len(here.place) - value.dim()
    return here.term(value, tuple(0 if value.shape[i] == 1 else here.place[lead + i] for i in range(value.dim())))


def padded(here: Working) -> Written:
    """A number that stands where it was, or the edge that was put around."""
    x = here.tensor("self")
    if here.given.get("mode") not in (None, "constant"):
        return moved(here)
    pads = list(here.given["pad"])
    where = list(here.place)
    for i in range(len(pads) // 2):
        where[-1 - i] -= pads[2 * i]
    if any(not 0 <= w < n for w, n in zip(where, x.shape, strict=True)):
        edge = float(here.given.get("value") or 0.0)
        return here.made(edge, f"padding: {brief(edge)}", (), (Term(edge, None, None),))
    term = here.term(x, where)
    return here.made(term.value, f"the number at {tuple(where)[1:]}: {brief(term.value)}", (), (term,))


def moved(here: Working) -> Written:
    """Where the number stood before: the same operation on the places themselves says so."""
    name = next(n for n, v in here.given.items() if isinstance(v, torch.Tensor) and here.scene.source_of(v) is not None)
    x = here.given[name]
    places = torch.arange(x.numel(), dtype=torch.float64).reshape(x.shape)
    result = here.part.operator(**{n: places if n == name else listed(v) for n, v in here.given.items()})
    if isinstance(result, (tuple, list)):
        result = next(
            r
            for r in result
            if r.shape == here.part.output.shape and abs(float(x.reshape(-1)[int(r[here.place])]) - here.value) < 1e-12
        )
    at = np.unravel_index(int(result[here.place]), tuple(x.shape))
    term = here.term(x, tuple(int(v) for v in at))
    return here.made(term.value, f"moved here from {term.place}: {brief(term.value)}", (), (term,))


def single(here: Working) -> Written:
    """A function of one number, by torch's own on that number alone; anything else is not taken apart."""
    tensors = {n: v for n, v in here.given.items() if isinstance(v, torch.Tensor)}
    first = next(iter(tensors.values()), None)
    if first is None or first.shape != here.part.output.shape or (len(tensors) > 1 and here.part.name != "prelu"):
        return here.made(here.value, f"{here.part.name}: not taken apart; torch gives {brief(here.value)}", apart=False)
    term = here.term(first, here.place)
    if here.part.name == "prelu":
        w = here.tensor("weight")
        slope = float(w[here.place[1] if w.numel() > 1 else 0])
        result = term.value if term.value >= 0 else slope * term.value
        return here.made(
            result, f"{brief(term.value)} if not negative, else times {brief(slope)} = {brief(result)}", (), (term,)
        )
    name = next(iter(tensors))
    alone = torch.tensor([term.value], dtype=torch.float64)
    result = float(here.part.operator(**{n: alone if n == name else listed(v) for n, v in here.given.items()})[0])
    more = [
        brief(float(v))
        for n, v in here.given.items()
        if n != name and isinstance(v, (int, float)) and not isinstance(v, bool)
    ]
    text = f"{here.part.name}({', '.join([brief(term.value), *more])}) = {brief(result)}"
    return here.made(result, text, (), (term,))
