"""Named tensors in few bytes: zeros are left out, shared values stand once, and what is left is in Huffman's code.

The store of Deep Compression (S. Han, H. Mao, W. Dally, arXiv:1510.00149, sections 2 to 4), without loss: what is read
is what was written, number by number. Pruning and sharing, which do lose something, are made before
(`hubel.compression`).

    8 bytes    b"hubelpk1"
    4 bytes    length of the header, little endian
    the header JSON: {"about": what net it is, "tensors": [[name, dtype, [shape], form, [numbers], bytes], …]}
    the rest   each tensor's bytes in the header's order, without gaps
    4 bytes    CRC-32 of all before

    form       numbers              bytes
    plain                           the values
    half                            float32 whose values fit into float16, as float16
    shared     V, W, S, bytes of g  V shared values (float32); g: S gaps in Huffman's code; W numbers of values, too

A gap is the number of zeros before the next weight, 0 to 254; 255 stands for 255 zeros and no weight.

Reading trusts nothing: `read_packed_header` accounts for every byte before one tensor is made, and no tensor is made
before the caller has seen what they will be.

>>> weight = torch.tensor([[0.0, 0.5, 0.0, -1.0], [0.5, 0.0, 0.0, 0.0]])
>>> data = pack({"weight": weight}, about={})
>>> torch.equal(unpack(data, read_packed_header(data))["weight"], weight)
True
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hubel.checkpoint.huffman import Garbled, coded_bytes, decoded, encoded
from hubel.checkpoint.tensors import DTYPES, HEADER_LIMIT, NAME, Table, as_bytes, table_of
from hubel.errors import DAMAGED, ArtefactError
from hubel.store import parse_json, shown
from hubel.words import amount

SUFFIX = ".packed"
MAGIC = b"hubelpk1"
MOST_VALUES = 256
"""Shared values of a tensor."""
TIMES = 1_000
"""How much larger the tensors may be than their file, besides 256 MiB: 510 times is the most that was ever claimed."""
FORMS = ("plain", "half", "shared")
SKIP = 255
_FIXED = len(MAGIC) + 4
_CRC = 4


@dataclass(frozen=True, slots=True)
class Packed:
    """One tensor of a file: what it will be, and where its bytes are."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    form: str
    numbers: tuple[int, ...]
    offset: int
    size: int

    @property
    def count(self) -> int:
        """Elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Header:
    """What a file holds."""

    about: Any
    tensors: tuple[Packed, ...]

    @property
    def table(self) -> Table:
        """Name, dtype and shape of each tensor, sorted by name."""
        return sorted((each.name, each.dtype, each.shape) for each in self.tensors)

    @property
    def tensor_bytes(self) -> int:
        """Of all tensors once they are made."""
        return sum(each.count * DTYPES[each.dtype].itemsize for each in self.tensors)


def pack(tensors: Mapping[str, torch.Tensor], *, about: Any) -> bytes:
    """The file's bytes. Raises ValueError for names and types that `hubel.checkpoint.tensors` does not hold either."""
    rows: list[list[Any]] = []
    bodies: list[bytes] = []
    for name, code, shape in table_of(tensors):
        form, numbers, body = _packed(tensors[name].detach().cpu().contiguous(), code)
        rows.append([name, code, list(shape), form, numbers, len(body)])
        bodies.append(body)
    header = json.dumps({"about": about, "tensors": rows}, separators=(",", ":")).encode("ascii")
    if len(header) > HEADER_LIMIT:
        raise ValueError(f"{len(tensors)} tensors need a header of {amount(len(header))}")
    data = b"".join([MAGIC, len(header).to_bytes(4, "little"), header, *bodies])
    return data + zlib.crc32(data).to_bytes(_CRC, "little")


def _packed(tensor: torch.Tensor, code: str) -> tuple[str, list[int], bytes]:
    raw = bytes(as_bytes(tensor))
    if code != "F32":
        return "plain", [], raw
    values = tensor.numpy().reshape(-1)
    kept, place = (values[values != 0], np.flatnonzero(values)) if tensor.dim() > 1 else (values, np.arange(0))
    shared, which = np.unique(kept, return_inverse=True)
    if tensor.dim() > 1 and len(shared) <= MOST_VALUES:
        gaps = gaps_of(place)
        first, second = encoded(gaps, SKIP + 1), encoded(which, max(1, len(shared)))
        body = shared.astype("<f4").tobytes() + first + second
        if len(body) < len(raw):
            return "shared", [len(shared), len(kept), len(gaps), len(first)], body
    with np.errstate(over="ignore"):
        half = values.astype("<f2")
    if len(values) and bool((half.astype("<f4") == values).all()):
        return "half", [], half.tobytes()
    return "plain", [], raw


def gaps_of(place: np.ndarray) -> np.ndarray:
    """The places of weights, rising, as gaps.

    >>> gaps_of(np.array([0, 3, 1000])).tolist()
    [0, 2, 255, 255, 255, 231]
    """
    zeros = np.diff(place, prepend=-1) - 1
    skips = zeros // SKIP
    found = np.full(int(skips.sum()) + len(place), SKIP, dtype=np.int64)
    found[np.cumsum(skips + 1) - 1] = zeros % SKIP
    return found


def sparse_bytes(place: np.ndarray) -> int:
    """Bytes that the places of weights take in Huffman's code."""
    return coded_bytes(np.bincount(gaps_of(place), minlength=SKIP + 1))


def read_packed_header(data: bytes | bytearray, *, name: str = "the file") -> Header:
    """What a file holds; raises ArtefactError unless every byte is accounted for, and the check sum is right."""
    if len(data) < _FIXED + _CRC or not data.startswith(MAGIC):
        raise ArtefactError(f"{name} is no compressed file of hubel's, or is cut off", hint=DAMAGED)
    length = int.from_bytes(data[len(MAGIC) : _FIXED], "little")
    if length > min(HEADER_LIMIT, len(data) - _FIXED - _CRC):
        raise ArtefactError(f"{name} is damaged: its header would have {amount(length)}", hint=DAMAGED)
    if zlib.crc32(memoryview(data)[:-_CRC]) != int.from_bytes(data[-_CRC:], "little"):
        raise ArtefactError(f"{name} is damaged: its check sum is another", hint="copy it again")
    document = parse_json(bytes(data[_FIXED : _FIXED + length]), name=f"the header of {name}", limit=HEADER_LIMIT)
    rows = document.get("tensors") if isinstance(document, dict) else None
    if not isinstance(document, dict) or set(document) != {"about", "tensors"} or not isinstance(rows, list):
        raise ArtefactError(f"the header of {name} must hold about and tensors", hint=DAMAGED)
    found: list[Packed] = []
    offset = _FIXED + length
    for row in rows:
        found.append(_entry(row, offset, len(data) - _CRC, name))
        offset += found[-1].size
    if offset != len(data) - _CRC:
        raise ArtefactError(f"{name} has {len(data)} bytes, its header describes {offset + _CRC}", hint=DAMAGED)
    if len({each.name for each in found}) != len(found):
        raise ArtefactError(f"{name} names a tensor twice", hint=DAMAGED)
    header = Header(document["about"], tuple(found))
    if header.tensor_bytes > TIMES * len(data) + (256 << 20):
        raise ArtefactError(
            f"{name} has {amount(len(data))}, and its tensors would take {amount(header.tensor_bytes)}", hint=DAMAGED
        )
    return header


def _entry(row: Any, offset: int, end: int, name: str) -> Packed:
    plain = isinstance(row, list) and len(row) == 6 and isinstance(row[0], str) and isinstance(row[1], str)
    if not plain or not NAME.fullmatch(row[0]) or row[1] not in DTYPES or row[3] not in FORMS:
        raise ArtefactError(f"{name}: {shown(row)} is no tensor", hint=DAMAGED)
    key, code, shape, form, numbers, size = row
    if not (_counts(shape) and len(shape) <= 16 and _counts(numbers) and _counts([size])):
        raise ArtefactError(f"{name}: tensor {shown(key)} has no plain shape and numbers", hint=DAMAGED)
    count = math.prod(shape)
    good = {
        "plain": not numbers and size == count * DTYPES[code].itemsize,
        "half": not numbers and code == "F32" and size == 2 * count,
        "shared": code == "F32"
        and len(numbers) == 4
        and numbers[0] <= MOST_VALUES
        and numbers[1] <= min(count, numbers[2])
        and 4 * numbers[0] + numbers[3] <= size,
    }[form]
    if not good or size > end - offset:
        raise ArtefactError(f"{name}: tensor {shown(key)} has other bytes than it says", hint=DAMAGED)
    return Packed(key, code, tuple(shape), form, tuple(numbers), offset, size)


def _counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(number) is int and 0 <= number < 1 << 40 for number in value)


def unpack(data: bytes | bytearray, header: Header, *, name: str = "the file") -> dict[str, torch.Tensor]:
    """Every tensor; raises ArtefactError for bytes that are none of its form."""
    found = {}
    for each in header.tensors:
        part = bytes(data[each.offset : each.offset + each.size])
        try:
            found[each.name] = _unpacked(part, each)
        except Garbled as error:
            raise ArtefactError(f"{name}: tensor {shown(each.name)} cannot be read: {error}", hint=DAMAGED) from None
    return found


def _unpacked(part: bytes, entry: Packed) -> torch.Tensor:
    if entry.form == "half":
        return torch.from_numpy(np.frombuffer(part, dtype="<f2").astype(np.float32)).reshape(entry.shape)
    if entry.form == "plain":
        if not part:
            return torch.empty(entry.shape, dtype=DTYPES[entry.dtype])
        return torch.frombuffer(bytearray(part), dtype=DTYPES[entry.dtype]).reshape(entry.shape)
    values, weights, gaps, bytes_of_gaps = entry.numbers
    shared = np.frombuffer(part, dtype="<f4", count=values)
    body = part[4 * values :]
    steps = decoded(body[:bytes_of_gaps], gaps, SKIP + 1)
    which = decoded(body[bytes_of_gaps:], weights, max(1, values))
    place = (np.cumsum(np.where(steps == SKIP, SKIP, steps + 1)) - 1)[steps < SKIP]
    if len(place) != weights or (len(place) and int(place[-1]) >= entry.count):
        raise Garbled("its weights lie beyond its shape")
    if len(which) and int(which.max()) >= values:
        raise Garbled("a weight has a value that is not there")
    dense = np.zeros(entry.count, dtype=np.float32)
    dense[place] = shared[which]
    return torch.from_numpy(dense).reshape(entry.shape)
