"""Damage for files that people and machines write: bytes, JSON, YAML, tables; each a function of the draw."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import yaml

# fmt: off
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 7, 1e-300, 1e308, 0.5, 2**31, 2**53 + 1, -(2**63), 10**30, "", " ", "0", "nan",
    "..", "/dev/zero", "../../etc", "a\x00b", "\x1b[31m", "é\u202e", "x" * 5000, [], {}, [[]], [None] * 50,
    {"a": {"a": {}}}, "none", "digits", "resnet18", "timm/x", "true", "1e9", [1, 2], ["flip"], {"": 1},
)
"""Values that no setting expects, and some that only some settings expect."""
PIECES = (
    b"null", b"1e99", b"-1", b"[[[[", b'"x":1,', b"99999999999999999999", b"true", b"nan", b"&a [*a]", b"<<: *a",
    b"\x00", b"!!python/object/apply:os.system ['true']", b"{", b"}", b"\n", b"\n  ", b"\r", b"\t", b",", b":", b"- ",
    b"\xff\xfe", b"%", b"&x [&y [1,1,1,1,1,1,1,1,1],*y,*y,*y,*y,*y,*y,*y]", b"\xf0\x9f\x90\x88", b"'", b'"', b"|",
    b"2001-01-01", b"0x7f", b"1:30",
)
# fmt: on


def bytes_changed(data: bytes, draw: random.Random) -> bytes:
    """One to four changes: flipped bits, other characters, cuts, repeated or inserted pieces, lines exchanged."""
    changed = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        if not changed:
            break
        at = draw.randrange(len(changed))
        if draw.random() < 0.3:
            at = min(len(changed) - 1, int(draw.expovariate(1 / 100)))
        kind = draw.randrange(7)
        if kind == 0:
            changed[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            changed[at] = draw.choice(b'0123456789-"{}[],:.eE \n\x00\xff')
        elif kind == 2:
            del changed[at : at + draw.randint(1, 60)]
        elif kind == 3:
            changed[at:at] = changed[at : at + draw.randint(1, 60)] * draw.choice((1, 1, 1, 50))
        elif kind == 4:
            changed[at:at] = draw.choice(PIECES)
        elif kind == 5:
            lines = bytes(changed).split(b"\n")
            draw.shuffle(lines)
            changed = bytearray(b"\n".join(lines))
        else:
            del changed[at:]
    return bytes(changed)


def value_changed(value: Any, draw: random.Random) -> Any:
    """Plain data with one or two of its parts changed, left out, doubled, renamed or put elsewhere."""
    changed = copy.deepcopy(value)
    for _ in range(draw.randint(1, 2)):
        places = list(_places(changed))
        if not places:
            return draw.choice(ODD)
        holder, key = draw.choice(places)
        kind = draw.randrange(6)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[str(draw.choice(ODD))] = holder.pop(key)
        elif kind == 2:
            other, its = draw.choice(places)
            holder[key] = copy.deepcopy(other[its])
        elif kind == 3 and type(holder[key]) in (int, float):
            holder[key] = draw.choice((-1, 2, 1000, 0.5, 10**9)) * holder[key]
        elif kind == 4 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        else:
            holder[key] = copy.deepcopy(draw.choice(ODD))
    return changed


def _places(value: Any) -> Any:
    """Every (container, key) inside plain data; of long lists the first ones only."""
    if isinstance(value, dict):
        keys: list[Any] = list(value)[:200]
    elif isinstance(value, list):
        keys = list(range(min(len(value), 20)))
    else:
        return
    for key in keys:
        yield value, key
        yield from _places(value[key])


def file_changed(name: str, data: bytes, draw: random.Random) -> bytes:
    """A mutant of a file: by its structure where its name tells one, else, and half of the time, by its bytes."""
    if draw.random() < 0.5:
        try:
            if name.endswith(".json"):
                return json.dumps(value_changed(json.loads(data), draw)).encode("utf-8", "replace")
            if name.endswith(".jsonl"):
                lines = data.decode("utf-8").split("\n")
                at = draw.randrange(len(lines))
                lines[at] = json.dumps(value_changed(json.loads(lines[at] or "{}"), draw))
                return "\n".join(lines).encode("utf-8", "replace")
            if name.endswith((".yaml", ".yml")):
                return yaml.safe_dump(value_changed(yaml.safe_load(data), draw)).encode("utf-8", "replace")
            if name.endswith(".csv"):
                rows = [line.split(",") for line in data.decode("utf-8").split("\n")]
                return "\n".join(",".join(map(str, row)) for row in map(_listed, value_changed(rows, draw))).encode()
        except (TypeError, ValueError, yaml.YAMLError):  # what no writer of the format can write
            pass
    return bytes_changed(data, draw)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
