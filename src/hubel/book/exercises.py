"""Exercises in the manner of the lectures' worked numbers: new ones for each seed, the answer counted, the way shown.

An answer is a number or several; whole numbers must be right, others to two parts in a hundred.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from torch import nn

from hubel.anatomy.summary import summarise
from hubel.book.chapters import CHAPTERS
from hubel.errors import UsageError
from hubel.lessons.arithmetic import batch_norm, convolve, cross_entropy, pool, softmax
from hubel.lessons.descent import descend
from hubel.lessons.dimensions import samples_per_cell
from hubel.lessons.expression import trace
from hubel.lessons.shapes import transposed_size, window_size
from hubel.views import Viewed

__all__ = ["Exercise", "check", "exercises"]


@dataclass(frozen=True, slots=True)
class Exercise(Viewed):
    """A question with its answer."""

    row: str
    """The worked number of the lectures it is made after."""
    chapter: int
    question: str
    answer: tuple[float, ...]
    way: tuple[str, ...]
    """How one comes to it, line by line."""

    @property
    def said(self) -> str:
        """The answer as text."""
        return ", ".join(f"{v:,.0f}" if float(v).is_integer() else f"{v:.4g}" for v in self.answer)


Maker = Callable[[np.random.RandomState], Exercise]


def _pick(random: np.random.RandomState, *values: int) -> int:
    return int(values[random.randint(len(values))])


def _rows(array: np.ndarray) -> str:
    return " / ".join(" ".join(f"{v:g}" for v in row) for row in array)


def _dense(random: np.random.RandomState) -> Exercise:
    a, b, c = (_pick(random, 4, 8, 16, 32, 64, 128) for _ in range(3))
    table = summarise(nn.Sequential(nn.Linear(a, b), nn.Linear(b, c)), (a,))
    question = f"How many parameters has a net with dense layers {a} to {b} to {c}, biases included?"
    way = (f"{a}·{b} + {b} = {a * b + b:,}", f"{b}·{c} + {c} = {b * c + c:,}", f"together {table.params:,}")
    return Exercise("W4", 2, question, (table.params,), way)


def _memory(random: np.random.RandomState) -> Exercise:
    a, b = _pick(random, 64, 128, 256, 512), _pick(random, 10, 100, 1000)
    table = summarise(nn.Linear(a, b), (a,))
    question = f"How many KB (1,024 bytes) do the parameters of a dense layer {a} to {b} take in single precision?"
    way = (f"{a}·{b} + {b} = {table.params:,} numbers of 4 bytes", f"{table.params:,}·4 / 1024")
    return Exercise("W23", 2, question, (table.weight_bytes / 1024,), way)


def _cells(random: np.random.RandomState) -> Exercise:
    samples, dims = _pick(random, 10, 100, 1000), _pick(random, 2, 3, 4)
    question = f"{samples:,} samples, {dims} features, each cut into 5 parts: how many samples in a cell, in the mean?"
    return Exercise("W102", 3, question, (samples_per_cell(samples, dims),), (f"{samples:,} / 5^{dims}",))


def _window(random: np.random.RandomState) -> Exercise:
    n, k = _pick(random, 28, 32, 64, 224, 227), _pick(random, 3, 5, 7, 11)
    s, p = _pick(random, 1, 2, 3, 4), _pick(random, 0, 1, 2)
    found = window_size(n, k, stride=s, padding=p)
    question = f"A {k} x {k} window over {n} x {n} pixels, stride {s}, padding {p}: how many pixels wide is the output?"
    return Exercise("W15", 5, question, (found.size,), tuple(str(found).splitlines()))


def _transposed(random: np.random.RandomState) -> Exercise:
    n, k, s, p = _pick(random, 7, 14, 16, 128), _pick(random, 2, 3, 4), 2, _pick(random, 0, 1)
    found = transposed_size(n, k, stride=s, padding=p)
    question = f"A transposed convolution, kernel {k}, stride {s}, padding {p}, on {n} pixels: how many come out?"
    return Exercise("W19", 5, question, (found.size,), tuple(str(found).splitlines()))


def _filters(random: np.random.RandomState) -> Exercise:
    a, b, k, side = _pick(random, 1, 3, 6, 16), _pick(random, 6, 16, 32), _pick(random, 3, 5), _pick(random, 8, 16, 32)
    table = summarise(nn.Conv2d(a, b, k, padding=k // 2), (a, side, side))
    question = (f"{b} filters of {k} x {k} on {a} channels of {side} x {side}, size kept: how many parameters "
                "with biases, and how many MACs?")  # fmt: skip
    way = (f"({k}·{k}·{a} + 1)·{b} = {table.params:,}", f"{k}·{k}·{a}·{b} at {side}·{side} places = {table.macs:,}")
    return Exercise("W125", 4, question, (table.params, table.macs), way)


def _slide(random: np.random.RandomState) -> Exercise:
    image, kernel = random.randint(-3, 10, (3, 3)), random.randint(-2, 3, (2, 2))
    found = convolve(image, kernel)
    question = (f"The picture {_rows(image)} under the kernel {_rows(kernel)}, not turned, no padding: the four "
                "values, row by row?")  # fmt: skip
    return Exercise("W11", 4, question, tuple(found.output.ravel().tolist()), tuple(str(step) for step in found.steps))


def _pooling(random: np.random.RandomState) -> Exercise:
    image, how = random.randint(0, 20, (4, 4)), ("max", "avg")[random.randint(2)]
    found = pool(image, kind=how)
    name = {"max": "maxima", "avg": "means"}[how]
    question = f"The picture {_rows(image)} in windows of 2 x 2: the four {name}, row by row?"
    return Exercise("W96", 5, question, tuple(found.output.ravel().tolist()), tuple(str(step) for step in found.steps))


def _field(random: np.random.RandomState) -> Exercise:
    layers = [(_pick(random, 3, 5, 7), _pick(random, 1, 2)) for _ in range(3)]
    table = summarise(nn.Sequential(*(nn.Conv2d(1, 1, k, s, k // 2) for k, s in layers)), (1, 64, 64))
    told = ", then ".join(f"{k} x {k} with stride {s}" for k, s in layers)
    way: list[str] = []
    field, jump = 1, 1
    for k, s in layers:
        field, way = field + (k - 1) * jump, [*way, f"{field} + ({k} - 1)·{jump} = {field + (k - 1) * jump}"]
        jump *= s
    return Exercise("W20", 5, f"Windows of {told}: how many pixels wide does the last one see?",
                    (float(table.rows[-1].field or 0),), tuple(way))  # fmt: skip


def _softmax(random: np.random.RandomState) -> Exercise:
    z = sorted((int(v) for v in random.choice(range(-2, 6), 3, replace=False)), reverse=True)
    found = softmax(z)
    question = f"Softmax of {', '.join(map(str, z))}?"
    return Exercise("W162", 6, question, found.result, found.lines)


def _slope(random: np.random.RandomState) -> Exercise:
    n, base = _pick(random, 3, 4, 6, 8), 0.25
    question = f"At most how much of a gradient is left behind {n} sigmoids whose weights are 1?"
    return Exercise("W1", 6, question, (base**n,), (f"the slope is at most 0.25: 0.25^{n} = {base**n:.3g}",))


def _entropy(random: np.random.RandomState) -> Exercise:
    p = _pick(random, 2, 3, 4, 5, 6, 7, 8, 9) / 10
    found = cross_entropy([1, 0], [p, 1 - p])
    question = f"The right class is given the probability {p:g}. Its cross-entropy?"
    return Exercise("W163", 7, question, found.result, found.lines)


def _descent(random: np.random.RandomState) -> Exercise:
    start, rate = _pick(random, -3, -2, 2, 3, 4), float(random.choice([0.1, 0.25, 0.4, 0.5, 0.75]))
    path = descend("w**2", {"w": start}, rate=rate, steps=2)
    ends = [float(v) for v in path.points[:, 0]]
    question = f"w² from w = {start} with rate {rate:g}: w after the first and after the second step?"
    way = tuple(f"{a:g} - {rate:g}·2·{a:g} = {b:g}" for a, b in pairwise(ends))
    return Exercise("W168", 8, question, tuple(ends[1:]), way)


def _graph(random: np.random.RandomState) -> Exercise:
    a, b, c = (_pick(random, -4, -3, -2, 2, 3, 4, 5) for _ in range(3))
    (found,) = trace("w3*(w1+w2)", {"w1": a, "w2": b, "w3": c}, rate=1.0)
    slopes = tuple(found.gradients[name] for name in ("w1", "w2", "w3"))
    question = f"L = w3·(w1 + w2) at w1 = {a}, w2 = {b}, w3 = {c}: L, and its three slopes?"
    return Exercise("W174", 8, question, (found.value, *slopes), tuple(found.as_text().splitlines()))


def _updates(random: np.random.RandomState) -> Exercise:
    samples, batch, epochs = (
        _pick(random, 1000, 60_000, 1_200_000),
        _pick(random, 32, 64, 100, 256),
        _pick(random, 1, 5),
    )
    count = epochs * math.ceil(samples / batch)
    question = f"{samples:,} samples in batches of {batch}, {epochs} epoch{'s' * (epochs > 1)}: how many updates?"
    return Exercise("W181", 8, question, (count,), (f"{samples:,} / {batch}, rounded up, times {epochs} = {count:,}",))


def _norm(random: np.random.RandomState) -> Exercise:
    values = [int(v) for v in random.choice(range(-5, 10), 3, replace=False)]
    found = batch_norm(values)
    question = (
        f"A batch of three, one feature: {', '.join(map(str, values))}. Behind batch normalisation (scale 1, shift 0)?"
    )
    return Exercise("W78", 9, question, found.result, found.lines)


def _groups(random: np.random.RandomState) -> Exercise:
    d, k = _pick(random, 16, 32, 64), _pick(random, 3, 5, 7)
    whole = summarise(nn.Conv2d(d, d, k, bias=False), (d, 16, 16)).params
    flat = summarise(nn.Sequential(nn.Conv2d(d, d, (1, k), bias=False), nn.Conv2d(d, d, (k, 1), bias=False)),
                     (d, 16, 16)).params  # fmt: skip
    question = (
        f"{k} x {k} from {d} to {d} maps, or 1 x {k} and then {k} x 1: how many weights each way, without biases?"
    )
    way = (f"{k}·{k}·{d}·{d} = {whole:,}", f"2·{k}·{d}·{d} = {flat:,}, {flat / whole:.0%} of it")
    return Exercise("W129", 11, question, (whole, flat), way)


MAKERS: tuple[Maker, ...] = (
    _dense, _memory, _cells, _slide, _filters, _window, _transposed, _pooling, _field, _slope, _softmax, _entropy,
    _descent, _graph, _updates, _norm, _groups,
)  # fmt: skip


def exercises(chapters: Sequence[int] = (), *, seed: int = 0) -> tuple[Exercise, ...]:
    """One exercise of each kind, of these chapters or of all; another seed has other numbers.

    Raises UsageError for chapters without exercises.

    >>> exercises([2], seed=1)[0].question
    'How many parameters has a net with dense layers 32 to 4 to 32, biases included?'
    """
    made = [maker(np.random.RandomState(1000 * seed + place)) for place, maker in enumerate(MAKERS)]
    found = tuple(each for each in made if not chapters or each.chapter in chapters)
    if not found:
        some = ", ".join(str(number) for number in sorted({each.chapter for each in made}))
        names = ", ".join(f"{n} ({CHAPTERS[n - 1].title})" for n in sorted(chapters))
        raise UsageError(f"there are no exercises for chapter {names}", hint=f"chapters {some} have some")
    return found


def check(exercise: Exercise, text: str) -> bool:
    """Is that the answer? Numbers in any notation, with commas or spaces between them.

    >>> two = Exercise("W4", 2, "", (1410.0, 0.25), ())
    >>> check(two, "1,410 0.25"), check(two, "1410; .2512"), check(two, "1410,0.25")
    (True, True, True)
    >>> check(two, "1411 0.25"), check(two, "1410"), check(two, "?")
    (False, False, False)
    """
    given = _numbers(text.replace(",", ""))  # 1,410 is one number; "3, 4" then still has its space
    if len(given) != len(exercise.answer):
        given = _numbers(text.replace(",", " "))
    return len(given) == len(exercise.answer) and all(map(_near, given, exercise.answer))


def _numbers(text: str) -> list[float]:
    return [float(word) for word in re.findall(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", text)]


def _near(given: float, wanted: float) -> bool:
    if float(wanted).is_integer():
        return abs(given - wanted) < 1e-9
    return abs(given - wanted) <= 0.02 * abs(wanted)
