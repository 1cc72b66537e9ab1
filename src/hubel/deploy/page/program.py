"""A net as data: a flat list of operations on flat arrays of numbers, for one picture at a time.

Everything is decided beforehand: each operation names the arrays it reads and the one it writes, with all sizes. What
runs it (`run.js` in a browser, `reference.py` here) needs to know neither layers nor shapes, only these operations:

| op | y = |
| --- | --- |
| conv | convolution of c = C H W with w (O C/g kh kw) and b: o = O OH OW; k, s, p, d of height and width; g groups |
| dense | rows of x (rows k) times w (m k) transposed, plus b |
| matmul | x (n r k) times z (n k m) |
| pool | max or mean of windows over c = C D H W: o = C OD OH OW; k, s, p of depth, height, width |
| reduce | mean, sum, max or min over the middle of x (outer n inner) |
| softmax | along the middle of x (outer n inner); `log` for its logarithm |
| norm | rows of x (rows n) with mean 0 and variance 1 |
| affine | x (c n) times w (c) plus b (c) |
| unary | f of each number, with constants u and v |
| binary | f of x and z, both spread over dims by their strides |
| permute | x (dims) with its axes in another order |
| take | x (dims) at the places `index` of each axis (null: all of them); -1 is the number `fill` |
| cat | several arrays, `parts`, in pieces of `sizes` numbers, `outer` times |

`clip` (low, high) on conv, dense, affine and binary is applied to what they give: ReLU and ReLU6 cost no pass.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubel.errors import ArtefactError

Operation = dict[str, Any]
"""One operation as plain data; the key "op" says which."""
KINDS = {"f32": "<f4", "i16": "<i2", "i8": "i1"}
"""How constants are stored: as they are, or as whole numbers of 16 or 8 bits with a scale for each output. In 16 bits
these are about eight times as exact as half precision, which spends five of its bits on an exponent."""
ARRAYS = ("x", "z", "w", "b")
"""The keys under which an operation names what it reads, besides the `parts` of cat."""
MATRIX = 2
"""From this many axes on an array is stored in fewer bits; biases and scales, which are few, stay whole."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """A net for one picture: operations in order, on arrays that are numbered."""

    operations: tuple[Operation, ...]
    sizes: tuple[int, ...]
    """Numbers that each array holds."""
    constants: Mapping[int, np.ndarray]
    """Arrays that are known beforehand, float32."""
    input: int
    """The array that takes the normalised picture, C H W."""
    output: int
    """The array that holds the logits, K."""

    @property
    def macs(self) -> int:
        """Multiplications with an addition that one picture takes, in convolutions and products of matrices."""
        return sum(macs(operation) for operation in self.operations)

    @property
    def touched(self) -> int:
        """Numbers that are written for one picture, over all operations."""
        return sum(self.sizes[operation["y"]] for operation in self.operations)

    def placed(self) -> tuple[list[int], int]:
        """(where each array that is no constant begins, numbers needed in all): places are used again.

        Begins are multiples of 8, and 8 numbers are kept free behind each array, so that whoever reads or writes eight
        at once does no harm. Constants begin at -1.
        """
        last = {array: step for step, operation in enumerate(self.operations) for array in reads(operation)}
        last[self.output] = len(self.operations)
        begins = [-1] * len(self.sizes)
        taken: list[tuple[int, int, int]] = []  # begin, end, last step that reads it
        total = 0
        born = [(-1, self.input), *((step, operation["y"]) for step, operation in enumerate(self.operations))]
        for step, array in born:
            taken = sorted(place for place in taken if place[2] >= step)
            need = -(-self.sizes[array] // 8) * 8 + 8
            at = 0
            for begin, end, _ in taken:
                if begin - at >= need:
                    break
                at = max(at, end)
            begins[array] = at
            taken.append((at, at + need, last.get(array, step)))
            total = max(total, at + need)
        return begins, total


def reads(operation: Operation) -> list[int]:
    """The arrays that an operation reads.

    >>> reads({"op": "binary", "x": 0, "z": 1, "y": 2, "f": "add"})
    [0, 1]
    """
    return [operation[key] for key in ARRAYS if key in operation] + list(operation.get("parts", ()))


def macs(operation: Operation) -> int:
    """Multiplications with an addition of one operation; those that only walk over their numbers count as 0.

    >>> macs({"op": "dense", "rows": 1, "k": 512, "m": 10})
    5120
    """
    if operation["op"] == "conv":
        return int(math.prod(operation["o"]) * math.prod(operation["k"]) * operation["c"][0] // operation["g"])
    if operation["op"] == "dense":
        return int(operation["rows"] * operation["k"] * operation["m"])
    if operation["op"] == "matmul":
        return int(operation["n"] * operation["r"] * operation["k"] * operation["m"])
    return 0


def packed(
    program: Program, kind: str = "i16", more: Mapping[str, np.ndarray] | None = None
) -> tuple[dict[str, Any], str]:
    """(plain data for JSON, the constants in base64) of a program, its weights stored as `kind`, one of KINDS.

    `more` are further arrays by name, stored likewise.
    """
    begins, total = program.placed()
    store = _Store(kind)
    plain = {
        "operations": list(program.operations),
        "sizes": list(program.sizes),
        "begins": begins,
        "total": total,
        "constants": [store.entry(array, values) for array, values in sorted(program.constants.items())],
        "more": [store.entry(name, values) for name, values in (more or {}).items()],
        "input": program.input,
        "output": program.output,
    }
    return plain, base64.b64encode(b"".join(store.chunks)).decode()


class _Store:
    """Arrays behind each other, each from a multiple of four bytes on."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.chunks: list[bytes] = []
        self.at = 0

    def entry(self, array: int | str, values: np.ndarray) -> dict[str, Any]:
        how, parts = _stored(values, self.kind)
        entry: dict[str, Any] = {"array": array, "kind": how, "count": int(values.size)}
        for name, data in parts.items():
            entry[name] = self.at
            self.chunks.append(data + bytes(-len(data) % 4))
            self.at += len(self.chunks[-1])
        return entry if how == "f32" else entry | {"rows": int(values.shape[0])}


def unpacked(plain: Mapping[str, Any], data: str) -> Program:
    """The program that a page holds, its weights as they come out of the form in which they were stored.

    Raises ArtefactError where the data end too early.
    """
    raw = base64.b64decode(data)
    constants = {}
    for entry in plain["constants"]:
        kind, count, at = entry["kind"], entry["count"], entry["at"]
        number = np.dtype(KINDS[kind])
        if at + count * number.itemsize > len(raw):
            raise ArtefactError("the weights in the page end too early", hint="export the run again")
        values = np.frombuffer(raw, number, count, at).astype(np.float32)
        if kind != "f32":
            scales = np.frombuffer(raw, "<f4", entry["rows"], entry["scale"])
            values = (values.reshape(entry["rows"], -1) * scales[:, None]).reshape(-1)
        constants[entry["array"]] = values
    return Program(
        operations=tuple(plain["operations"]),
        sizes=tuple(plain["sizes"]),
        constants=constants,
        input=plain["input"],
        output=plain["output"],
    )


def _stored(values: np.ndarray, kind: str) -> tuple[str, dict[str, bytes]]:
    """How an array is stored, and its parts as bytes."""
    if kind == "f32" or values.ndim < MATRIX or not values.size:
        return "f32", {"at": values.astype("<f4").tobytes()}
    rows = values.reshape(values.shape[0], -1)
    most = np.iinfo(KINDS[kind]).max
    scales = np.abs(rows).max(axis=1) / most
    scales = np.where(scales > 0, scales, 1).astype("<f4")
    numbers = np.clip(np.rint(rows / scales[:, None]), -most, most).astype(KINDS[kind])
    return kind, {"at": numbers.tobytes(), "scale": scales.tobytes()}


def as_json(plain: Mapping[str, Any] | Sequence[Any]) -> str:
    """Plain data as JSON that can stand inside a script element: nothing in it can end the element.

    >>> as_json({"name": "</script>"})
    '{"name":"\\\\u003c/script>"}'
    """
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
