"""Named tensors as a safetensors file, streamed through a store in one pass, and read back without trust.

    8 bytes    length L of the header, little endian
    L bytes    JSON: {"name": {"dtype": "F32", "shape": [64, 3, 7, 7], "data_offsets": [start, end]}, ...}
               and "__metadata__", in which a checkpoint says what net its tensors are
    the rest   the values, little endian, without gaps

The library `safetensors` reads what is written here and the other way round (tests hold both). The writing is our
own because every byte must go through `FileOps`, and because it then needs no copy of the tensors and no second pass
for the digest. The reading is our own because the header must be judged before memory is spent: its size, plain
names, known types, no gap, no overlap, nothing behind the end.

>>> import tempfile
>>> from hubel.store import RunStore, opened
>>> store = RunStore(tempfile.mkdtemp())
>>> with store.writing("a.safetensors") as file:
...     write_tensors(file, {"weight": torch.ones(2, 3)})
[('weight', 'F32', (2, 3))]
>>> with opened(store.path("a.safetensors")) as (descriptor, size):
...     read_tensors(descriptor, read_header(descriptor, size))["weight"].sum()
tensor(6.)
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from hubel.errors import DAMAGED, ArtefactError
from hubel.store import Writer, opened, parse_json, read_into, shown
from hubel.words import amount

T = TypeVar("T")

ABOUT_LIMIT = 1 << 18
"""Bytes of a header that may say what the tensors are."""
HEADER_LIMIT = 4 << 20
"""Bytes of a header besides: room for forty thousand tensors (a ResNet of 1,001 layers in training has 15,021)."""
NAME = re.compile(r"[A-Za-z0-9_.]{1,200}")
DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
_CODES = {dtype: code for code, dtype in DTYPES.items()}
_CHUNK = 1 << 20
_ABOUT = "hubel"
_SUM = "crc32"
"""Keys of the header's metadata: what the tensors are, and the check sum of their bytes in the order of the file."""

Table = list[tuple[str, str, tuple[int, ...]]]
"""Name, dtype code and shape of each tensor, sorted by name."""


class Digest(Protocol):
    """What takes bytes one piece after the other, such as hashlib.sha256()."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take the next piece."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of a file: where it is and what it will be."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    """From the beginning of the file, in bytes."""
    size: int
    """Bytes."""


def table_of(tensors: Mapping[str, torch.Tensor]) -> Table:
    """What `tensors` look like; raises ValueError for a name or dtype that the format does not hold."""
    for name, tensor in tensors.items():
        if not NAME.fullmatch(name):
            raise ValueError(f"a tensor's name must be letters, digits, _ and . (at most 200), got {shown(name)}")
        if tensor.dtype not in _CODES:
            raise ValueError(f"tensor {name!r} has dtype {tensor.dtype}, which checkpoints do not hold")
    return sorted((name, _CODES[tensor.dtype], tuple(tensor.shape)) for name, tensor in tensors.items())


def write_tensors(file: Writer, tensors: Mapping[str, torch.Tensor], *, about: str = "") -> Table:
    """Write all tensors, from any device, in logical order of their elements; returns their table.

    `about` says in the header what they are (`read_about` gives it back); more than ABOUT_LIMIT is left out.
    """
    table = table_of(tensors)
    # Wide types first keeps every tensor aligned, as the format asks.
    ordered = sorted(table, key=lambda row: (-DTYPES[row[1]].itemsize, row[0]))
    said = {_ABOUT: about, _SUM: _sum_of(tensors[name] for name, _, _ in ordered)} if about else {}
    said = said if len(json.dumps(said)) <= ABOUT_LIMIT else {}
    header: dict[str, object] = {"__metadata__": {"format": "pt"} | said}
    end = 0
    for name, code, shape in ordered:
        start, end = end, end + math.prod(shape) * DTYPES[code].itemsize
        header[name] = {"dtype": code, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    if len(text) > HEADER_LIMIT + len(json.dumps(said)) * bool(said):
        raise ValueError(
            f"{len(tensors)} tensors need a header of {amount(len(text))}, more than {amount(HEADER_LIMIT)}"
        )
    small = bytearray(len(text).to_bytes(8, "little") + text)
    for name, _, _ in ordered:
        data = as_bytes(tensors[name].detach().cpu().contiguous())
        if len(data) < _CHUNK:  # gather the small ones: a net has hundreds of vectors
            small += data
        if len(data) >= _CHUNK or len(small) >= _CHUNK:
            file.write(small)
            small = bytearray()
        if len(data) >= _CHUNK:
            file.write(data)
    if small:
        file.write(small)
    return table


def as_bytes(tensor: torch.Tensor) -> memoryview:
    """The bytes of a contiguous tensor on the CPU, not a copy."""
    if tensor.numel() == 0:  # a memory view of nothing cannot be cast
        return memoryview(b"")
    return memoryview(tensor.reshape(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]


def sha256_of(descriptor: int) -> str:
    """Digest of an open file, from its beginning to its end."""
    digest = hashlib.sha256()
    os.lseek(descriptor, 0, os.SEEK_SET)
    buffer = memoryview(bytearray(_CHUNK))
    while count := read_into(descriptor, buffer):
        digest.update(buffer[:count])
    return digest.hexdigest()


def read_header(descriptor: int, size: int, *, name: str = "the file", seen: Digest | None = None) -> dict[str, Entry]:
    """The tensors a file of `size` bytes holds; raises ArtefactError unless the header accounts for every byte.

    `seen` is a digest that is told of the bytes that were read.
    """
    header, length = _header(descriptor, size, name, seen)
    header.pop("__metadata__", None)
    entries = {key: _entry(key, value, 8 + length, name) for key, value in header.items()}
    end = 8 + length
    for key, entry in sorted(entries.items(), key=lambda item: (item[1].offset, item[1].size)):
        if entry.offset != end:
            raise ArtefactError(f"{name}: there is a gap or an overlap before tensor {shown(key)}", hint=DAMAGED)
        end += entry.size
    if end != size:
        raise ArtefactError(f"{name} has {size} bytes, its header describes {end}", hint=DAMAGED)
    return entries


def read_about(descriptor: int, size: int, *, name: str = "the file") -> tuple[str, str]:
    """What a file's header says its tensors are, and the check sum of their bytes; "" where nobody told.

    `check_sum` holds tensors against the sum: a file that was copied badly is noticed without any other beside it.
    """
    metadata = _header(descriptor, size, name, None)[0].get("__metadata__")
    known = metadata if isinstance(metadata, dict) else {}
    about, total = (known.get(key) for key in (_ABOUT, _SUM))
    return about if isinstance(about, str) else "", total if isinstance(total, str) else ""


def check_sum(tensors: Mapping[str, torch.Tensor], total: str, *, name: str) -> None:
    """Raise ArtefactError unless tensors, in the order in which they were read, have the sum of `read_about`."""
    if _sum_of(tensors.values()) != total:
        raise ArtefactError(f"{name} is damaged: its tensors are not those that were written", hint="copy it again")


def _sum_of(tensors: Iterable[torch.Tensor]) -> str:
    total = 0
    for tensor in tensors:
        total = zlib.crc32(as_bytes(tensor.detach().cpu().contiguous()), total)
    return f"{total:08x}"


def _header(descriptor: int, size: int, name: str, seen: Digest | None) -> tuple[dict[str, Any], int]:
    """The header as plain data, and its bytes."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    head = bytearray(8)
    if read_into(descriptor, memoryview(head)) < 8:
        raise ArtefactError(f"{name} is no safetensors file: it has only {size} bytes", hint=DAMAGED)
    length = int.from_bytes(head, "little")
    if length > min(HEADER_LIMIT + ABOUT_LIMIT, size - 8):
        raise ArtefactError(f"{name} is no safetensors file: its header would have {amount(length)}", hint=DAMAGED)
    text = bytearray(length)
    read_into(descriptor, memoryview(text))
    if seen is not None:
        seen.update(head + text)
    header = parse_json(bytes(text), name=f"the header of {name}", limit=HEADER_LIMIT + ABOUT_LIMIT)
    if not isinstance(header, dict):
        raise ArtefactError(f"the header of {name} must be an object", hint=DAMAGED)
    return header, length


def _entry(key: str, value: object, base: int, name: str) -> Entry:
    if not NAME.fullmatch(key):
        raise ArtefactError(f"{name}: {shown(key)} is no name for a tensor", hint=DAMAGED)
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise ArtefactError(f"{name}: tensor {key!r} must have dtype, shape and data_offsets", hint=DAMAGED)
    code, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(code, str) or code not in DTYPES:
        raise ArtefactError(f"{name}: tensor {key!r} has dtype {shown(code)}", hint=f"known: {', '.join(DTYPES)}")
    if not _whole_numbers(shape) or len(shape) > 16 or not _whole_numbers(offsets) or len(offsets) != 2:
        raise ArtefactError(f"{name}: tensor {key!r} has no plain shape and offsets", hint=DAMAGED)
    size = math.prod(shape) * DTYPES[code].itemsize
    if offsets[1] - offsets[0] != size:
        raise ArtefactError(
            f"{name}: tensor {key!r} needs {amount(size)}, its offsets give {offsets[1] - offsets[0]}", hint=DAMAGED
        )
    return Entry(code, tuple(shape), base + offsets[0], size)


def _whole_numbers(value: object) -> bool:
    return isinstance(value, list) and all(type(number) is int and 0 <= number <= sys.maxsize for number in value)


def table_in(entries: Mapping[str, Entry]) -> Table:
    """The table of a header, to be compared with another."""
    return sorted((name, entry.dtype, entry.shape) for name, entry in entries.items())


def read_tensors(
    descriptor: int, entries: Mapping[str, Entry], *, name: str = "the file", seen: Digest | None = None
) -> dict[str, torch.Tensor]:
    """Every tensor, read straight into its own memory; raises ArtefactError if the file shrank meanwhile.

    `seen` is a digest that is told of the bytes that were read, in the order of the file.
    """
    tensors = {}
    for key, entry in sorted(entries.items(), key=lambda item: item[1].offset):
        tensor = torch.empty(entry.shape, dtype=DTYPES[entry.dtype])
        os.lseek(descriptor, entry.offset, os.SEEK_SET)
        if read_into(descriptor, as_bytes(tensor)) < entry.size:
            raise ArtefactError(f"{name} ends inside tensor {key!r}: it was cut while it was read", hint=DAMAGED)
        if seen is not None:
            seen.update(as_bytes(tensor))
        tensors[key] = tensor
    return tensors


def read_beside(
    path: Path, weights: str, understand: Callable[[object, str], tuple[str, T]], *, limit: int
) -> tuple[T, dict[str, torch.Tensor]] | None:
    """What a file that lies beside weights says of itself, and its tensors; None where there is none of these weights.

    `understand` makes (the SHA-256 of the weights it belongs to, what it says) of its header and its name, or raises
    ArtefactError; so does this for a file that is damaged.
    """
    if not path.exists():
        return None
    name = shown(str(path))
    with opened(path, limit=limit) as (descriptor, size):
        about, _ = read_about(descriptor, size, name=name)
        entries = read_header(descriptor, size, name=name)
        belongs_to, said = understand(parse_json(about.encode("utf-8", "replace"), name=name), name)
        if belongs_to != weights:
            return None
        return said, read_tensors(descriptor, entries, name=name)


def first_not_finite(tensors: Mapping[str, torch.Tensor]) -> str | None:
    """The name of the first tensor, in order of names, that holds NaN or an infinity."""
    for name in sorted(tensors):
        if tensors[name].is_floating_point() and not bool(torch.isfinite(tensors[name]).all()):
            return name
    return None
