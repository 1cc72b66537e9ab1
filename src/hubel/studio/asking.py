"""What a page asks and what it gets: plain functions of what was asked, and the one place where they meet HTTP.

A page of the studio has a module with a list `ROUTES`; each `Route` is answered at /api/PAGE/NAME.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from hubel.errors import ArtefactError, DataError, HubelError, UsageError, unknown
from hubel.server.gate import error_response, json_response
from hubel.server.guard import Refusal
from hubel.store import parse_json
from hubel.words import plain

if TYPE_CHECKING:
    from hubel.studio.state import Studio


@dataclass(frozen=True)
class Asked:
    """One request, read."""

    studio: Studio
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    kind: str = ""
    """Content-Type."""

    def word(self, name: str, default: str | None = None) -> str:
        """A parameter of the address; raises UsageError where it is not there and has no default."""
        found = self.query.get(name, default)
        if found is None:
            raise UsageError(f"{name} is needed", hint=f"?{name}=…")
        return found

    def number(self, name: str, default: int | None = None, *, least: int = 0, most: int = 1 << 31) -> int:
        """A whole number of the address, from `least` to `most`; raises UsageError for anything else."""
        text = self.word(name, None if default is None else str(default))
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and least <= int(text) <= most):
            raise UsageError(f"{name} must be a whole number from {least} to {most}, got {text[:40]!r}")
        return int(text)

    def words(self, name: str) -> list[str]:
        """A list of texts of the address, as JSON; raises UsageError for anything else."""
        text = self.word(name)
        try:
            found = parse_json(text.encode(), name=name)
        except (HubelError, UnicodeEncodeError):
            found = None
        if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
            raise UsageError(f"{name} must be a list of texts as JSON, got {text[:60]!r}", hint='["cat", "dog"]')
        return found

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """A parameter that is one of a few words; the first if none was said and there is no default."""
        found = self.query.get(name, default or choices[0])
        if found not in choices:
            raise unknown(name, found[:80], choices)
        return found

    @property
    def said(self) -> dict[str, Any]:
        """The body, an object of JSON; raises UsageError for anything else."""
        try:
            found = parse_json(self.body, name="the request")
        except HubelError as error:
            raise UsageError(f"the body must be JSON: {error.what}") from None
        if not isinstance(found, dict):
            raise UsageError("the body must be an object of JSON")
        return found


@dataclass(frozen=True)
class Sent:
    """An answer that is no JSON: a picture, or numbers as bytes."""

    data: bytes
    kind: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Route:
    """What a page asks at /api/PAGE/NAME; a function that changes something is asked by POST.

    `answer` runs in a thread of its own. What it returns is plain data, sent as JSON, or `Sent`; it raises HubelError.
    """

    name: str
    answer: Callable[[Asked], Any]
    method: str = "GET"


STATUS = ((UsageError, 400), (DataError, 422), (ArtefactError, 404))
"""Kinds of errors, as HTTP says them."""


def answered(route: Route, asked: Asked) -> Response:
    """The answer of a route; an error that a user can do something about is said in JSON, with what to do."""
    try:
        found = route.answer(asked)
    except HubelError as error:
        return refusal(error)
    if isinstance(found, Sent):
        return Response(found.data, headers=dict(found.headers), media_type=found.kind)
    return json_response(plain(found))


def refusal(error: HubelError) -> Response:
    """An error as the page shows it."""
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    return error_response(Refusal(status, type(error).__name__, error.what, error.hint))
