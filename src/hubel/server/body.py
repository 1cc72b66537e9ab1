"""Pictures out of the body of a request: raw bytes, multipart, or base64 in JSON. Bytes are counted before any is read.

Nothing is written to a disk, and nothing is decoded here.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from hubel.server.guard import Refusal
from hubel.server.settings import Limits
from hubel.words import visible

OVER = 64 << 10
"""Bytes beyond the limit that are still read, so that a client hears why."""
LONGEST_NAME = 200
_QUIET = logging.Logger("hubel.multipart", logging.CRITICAL)
"""What is wrong with a body is told to who sent it; a line for each in the log would be a way to fill a disk."""
JSON_HINT = '{"pictures": [{"name": "cat.jpg", "base64": "..."}]}'


class Refused(Exception):
    """A request that is not answered."""

    def __init__(self, status: int, kind: str, reason: str, hint: str = "", **headers: str) -> None:
        self.refusal, self.headers = Refusal(status, kind, reason, hint), headers
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Given:
    """A picture as it came."""

    name: str
    """As the client calls it, made visible; never a path of this machine."""
    data: bytes


async def read_body(stream: AsyncIterator[bytes], length: str | None, limits: Limits) -> bytes:
    """The whole body; raises Refused for more than the limit, of which little more than the limit is read."""
    if length is not None and (not length.isdigit() or len(length) > 18):
        raise Refused(400, "body", "Content-Length must be a number")
    parts: list[bytes] = []
    size = 0
    too_large = length is not None and int(length) > limits.body
    async for part in stream:
        size += len(part)
        if size > limits.body + OVER:
            break
        if size > limits.body:
            too_large = True
        if too_large:
            parts.clear()
            if length is not None and int(length) > limits.body + OVER:
                break
        else:
            parts.append(part)
    if too_large or size > limits.body:
        raise Refused(
            413, "body", f"a body may have {limits.body:,} bytes", "send fewer or smaller pictures at a time",
            connection="close",
        )  # fmt: skip
    return b"".join(parts)


def pictures_in(body: bytes, kind: str, limits: Limits) -> list[Given]:
    """The pictures of a body of the type `kind` (Content-Type as it was sent); raises Refused.

    >>> [given.name for given in pictures_in(b'{"pictures": ["AAAA", "AAAA"]}', "application/json", Limits())]
    ['picture 1', 'picture 2']
    """
    essence = kind.partition(";")[0].strip().casefold()
    if essence == "multipart/form-data":
        found = _multipart(body, kind, limits)
    elif essence == "application/json":
        found = _json(body, limits)
    else:
        found = [Given("picture 1", body)]
    if not found:
        raise Refused(400, "pictures", "no picture was sent", "curl -F picture=@cat.jpg URL")
    return found


def _too_many(limits: Limits) -> Refused:
    return Refused(413, "pictures", f"a request may have {limits.pictures} pictures", "send them in several requests")


@dataclass
class _Parts:
    """What the parser of multipart bodies tells, gathered."""

    limits: Limits
    found: list[Given] = field(default_factory=list)
    field_name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    headers: dict[bytes, bytes] = field(default_factory=dict)
    data: list[bytes] = field(default_factory=list)
    ended: bool = False

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self.begin,
            "on_header_field": lambda data, start, end: self.field_name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self.value.extend(data[start:end]),
            "on_header_end": self.header,
            "on_part_data": lambda data, start, end: self.data.append(bytes(data[start:end])),
            "on_part_end": self.part,
            "on_end": self.end,
        }

    def begin(self) -> None:
        if len(self.found) >= self.limits.pictures:
            raise _too_many(self.limits)
        self.headers, self.data = {}, []

    def header(self) -> None:
        self.headers[bytes(self.field_name).lower()] = bytes(self.value)
        self.field_name, self.value = bytearray(), bytearray()

    def part(self) -> None:
        _, options = parse_options_header(self.headers.get(b"content-disposition", b""))
        if b"filename" not in options:
            name = _shown(options.get(b"name", b"").decode("utf-8", "replace"))
            raise Refused(400, "multipart", f"the part {name!r} is no file", "curl -F picture=@cat.jpg URL")
        name = _shown(options[b"filename"].decode("utf-8", "replace")) or f"picture {len(self.found) + 1}"
        self.found.append(Given(name, b"".join(self.data)))

    def end(self) -> None:
        self.ended = True


def _multipart(body: bytes, kind: str, limits: Limits) -> list[Given]:
    _, options = parse_options_header(kind)
    boundary = options.get(b"boundary")
    if not boundary:
        raise Refused(400, "multipart", "multipart/form-data must name its boundary")
    parts = _Parts(limits)
    try:
        parser = MultipartParser(boundary, parts.callbacks())
        parser.logger = _QUIET
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise Refused(400, "multipart", "the body is no multipart/form-data of that boundary") from None
    if not parts.ended:
        raise Refused(400, "multipart", "the body ends before its last boundary")
    return parts.found


def _json(body: bytes, limits: Limits) -> list[Given]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "json", "the body is no JSON", JSON_HINT) from None
    if not isinstance(said, dict) or not said.keys() <= {"pictures", "picture"} or len(said) != 1:
        raise Refused(
            400, "json", 'the body must be an object with "pictures" or "picture" and nothing else', JSON_HINT
        )
    items = said["pictures"] if "pictures" in said else [said["picture"]]
    if not isinstance(items, list):
        raise Refused(400, "json", '"pictures" must be a list', JSON_HINT)
    if len(items) > limits.pictures:
        raise _too_many(limits)
    return [_item(item, number) for number, item in enumerate(items, 1)]


def _item(item: object, number: int) -> Given:
    """A picture of a JSON body: base64, or an object of a name and base64."""
    name, text = f"picture {number}", item
    if isinstance(item, Mapping):
        if not item.keys() <= {"name", "base64"}:
            raise Refused(400, "json", f'picture {number} may have "name" and "base64" and nothing else', JSON_HINT)
        text = item.get("base64")
        given = item.get("name", name)
        if not isinstance(given, str):
            raise Refused(400, "json", f"the name of picture {number} must be text", JSON_HINT)
        name = _shown(given) or name
    if not isinstance(text, str):
        raise Refused(400, "json", f"picture {number} must be base64 text", JSON_HINT)
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return Given(name, base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise Refused(400, "json", f"picture {number} is no base64", JSON_HINT) from None


def _shown(name: str) -> str:
    """A name that harms no terminal, no page and no log."""
    return visible(name.encode("utf-8", "replace").decode()[:LONGEST_NAME], lines=False)
