"""JSON in a strict subset, and documents that carry their own digest.

A document from outside is small, shallow, without duplicate keys, NaN, infinities or numbers that another reader
would round. Everything else about it is the business of a schema.

>>> parse_json(b'{"epochs": 5, "epochs": 6}')
Traceback (most recent call last):
    ...
hubel.errors.ArtefactError: the document is not valid: the key 'epochs' comes twice
  restore it from a copy, or write it again
>>> document = {"epochs": 5}
>>> unseal({**document, "digest": seal(document)})
{'epochs': 5}
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import yaml

from hubel.errors import ArtefactError
from hubel.store.reading import shown
from hubel.words import amount

TOO_LARGE = "a file of this kind is far smaller: is it the right one?"
BROKEN = "restore it from a copy, or write it again"
"""Ways out of what is no document, whoever wrote it: hubel, another program or a person."""
JSON_LIMIT = 1 << 20
"""Bytes a JSON document of ours may have."""
JSON_DEPTH = 32
"""Levels of lists and objects a JSON document may nest."""


def parse_json(data: bytes, *, name: str = "the document", limit: int = JSON_LIMIT) -> Any:
    """Plain data from JSON; raises ArtefactError naming `name` for anything outside the subset."""
    if len(data) > limit:
        raise ArtefactError(f"{name} has {amount(len(data))}, more than the limit of {amount(limit)}", hint=TOO_LARGE)
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_whole,
            parse_float=_float,
        )
        _measure(value)
    except RecursionError:
        raise ArtefactError(f"{name} is not valid: it nests too deeply", hint=BROKEN) from None
    except UnicodeDecodeError:
        raise ArtefactError(f"{name} is not valid: it is not UTF-8 text", hint=BROKEN) from None
    except ValueError as error:
        raise ArtefactError(f"{name} is not valid: {error}", hint=BROKEN) from None
    return value


class NotPlain(yaml.MarkedYAMLError):
    """YAML as it may be written elsewhere, and is not read here; `problem` says what it is."""


class PlainYaml(yaml.SafeLoader):
    """The safe loader without aliases, with which a page of text can stand for all the memory there is.

    A name that comes twice is refused, too: one of its values would have no effect.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse what stands for something else."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise NotPlain(None, None, "aliases (*name) are not read", mark)
        return super().compose_node(parent, index)

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuse what would be overwritten."""
        node = super().compose_mapping_node(anchor)
        known = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in known:
                    raise NotPlain(None, None, f"{key.value!r} comes twice", key.start_mark)
                known.add((key.tag, key.value))
        return node


def read_yaml(text: str) -> Any:
    """Plain data from the text of a YAML document; raises what the reader raises (see `parse_yaml`)."""
    loader = PlainYaml(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def parse_yaml(data: bytes, *, name: str = "the document", limit: int = JSON_LIMIT) -> Any:
    """Plain data from YAML without aliases or tags; raises ArtefactError naming `name`."""
    if len(data) > limit:
        raise ArtefactError(f"{name} has {amount(len(data))}, more than the limit of {amount(limit)}", hint=TOO_LARGE)
    try:
        return read_yaml(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise ArtefactError(f"{name} is not valid: it is not UTF-8 text", hint=BROKEN) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ArtefactError(f"{name} is not valid YAML{where_in_yaml(error)}", hint=BROKEN) from None


def where_in_yaml(error: Exception) -> str:
    """The line of a fault, and what it is where that can be said in words: for the end of a message."""
    mark = getattr(error, "problem_mark", None)
    line = f" at line {mark.line + 1}" if mark else ""
    return f"{line}: {error.problem}" if isinstance(error, NotPlain) else line


def told_of_yaml(found: Any) -> str:
    """What a document holds that should hold names and values, in words.

    >>> [told_of_yaml(found) for found in (None, [1], {1: 2}, "lr")]
    ['nothing', 'a list', 'the name 1, which is no text', "'lr'"]
    """
    if isinstance(found, dict):
        return f"the name {next(key for key in found if not isinstance(key, str))!r}, which is no text"
    return "nothing" if found is None else "a list" if isinstance(found, list) else repr(found)[:60]


def dump_json(value: Any, *, indent: int | None = None) -> bytes:
    """JSON as UTF-8, as people can read it; raises ValueError for NaN and infinities."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    try:
        return text.encode("utf-8") + b"\n"
    except UnicodeEncodeError:  # a file name that was not UTF-8 left lone surrogates in a class name
        return json.dumps(value, allow_nan=False, indent=indent).encode("ascii") + b"\n"


def seal(document: dict[str, Any]) -> str:
    """The sha-256 of a document, whatever its spacing and the order of its keys."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def unseal(value: Any, *, name: str = "the document") -> dict[str, Any]:
    """The document without its digest; raises ArtefactError if it has none or another one."""
    if not isinstance(value, dict) or not isinstance(value.get("digest"), str):
        raise ArtefactError(f"{name} carries no digest", hint="it was not written by hubel")
    document = {key: entry for key, entry in value.items() if key != "digest"}
    if value["digest"] != seal(document):
        raise ArtefactError(
            f"{name} does not match its own digest: it was changed or damaged after it was written",
            hint="take another copy, or another checkpoint of the run",
        )
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {shown(key)} comes twice")
        found[key] = value
    return found


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number of JSON")


def _whole(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > 1 << 53:
        raise ValueError(f"the whole number {shown(text)} lies beyond 2^53")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {shown(text)} is too large")
    return number


def _measure(value: Any) -> None:
    level = [value]
    for _ in range(JSON_DEPTH + 1):
        inner = [entry for entry in level if isinstance(entry, (dict, list))]
        if not inner:
            return
        level = [child for entry in inner for child in (entry.values() if isinstance(entry, dict) else entry)]
    raise ValueError(f"it nests more than {JSON_DEPTH} levels deep")
