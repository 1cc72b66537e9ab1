"""The door of a server: every request meets the policy of its route, and every answer goes out with our headers.

`Door` is a route with its policy, `Gate` the outermost layer of the application. What is refused is told in JSON, and
no answer tells a file name, a traceback or a version.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from hubel.server.body import Refused
from hubel.server.counts import Counts
from hubel.server.guard import MARK, Doors, Facts, Policy, Refusal, is_invited, is_ours, refused

Endpoint = Callable[[Request], Awaitable[Response]]

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "worker-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types hubel"
)
"""One policy may make addresses of scripts: the studio's, and it makes that of its one worker."""
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
INVITED = ("authorization", "content-type")
"""Headers that pages of invited sites may send."""
ASKED_AGAIN = 600
"""Seconds for which a browser need not ask again what they may."""
_RAW = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


class Door:
    """A route: a path that may end in one name, "/predict/{name}", who may ask, and what answers.

    One path may have several, each for other methods. A `lasting` answer, a stream of events, may take as long as it
    is listened to.
    """

    def __init__(self, path: str, policy: Policy, endpoint: Endpoint, *, lasting: bool = False) -> None:
        self.path, self.policy, self.endpoint, self.lasting = path, policy, endpoint, lasting
        self._stem = path.partition("{")[0] if "{" in path else ""

    def match(self, path: str) -> dict[str, str] | None:
        """The name in a path of this route ({} where it takes none); None for another path."""
        if not self._stem:
            return {} if path == self.path else None
        name = path[len(self._stem) :]
        return {"name": name} if path.startswith(self._stem) and name and "/" not in name else None


def error_response(refusal: Refusal, headers: dict[str, str] | None = None) -> Response:
    """A refusal in JSON."""
    said = {"kind": refusal.kind, "reason": refusal.reason, **({"hint": refusal.hint} if refusal.hint else {})}
    return json_response({"error": said}, refusal.status, headers)


def json_response(said: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Plain data as JSON, on one line that ends."""
    text = json.dumps(said, ensure_ascii=False) + "\n"
    return Response(text.encode("utf-8", "replace"), status, headers, media_type="application/json")


class Gate:
    """An ASGI application over `doors`, each with its policy.

    `cookie`: the name of a cookie in which a browser may show the token, "" for none.
    """

    def __init__(self, doors: Sequence[Door], ours: Doors, counts: Counts, *, seconds: float, cookie: str = "") -> None:
        self.doors, self.ours, self.counts, self.seconds, self.cookie = doors, ours, counts, seconds, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            return await _live(receive, send)
        if scope["type"] != "http":
            return None
        request = Request(scope, receive)
        door, response = None, None
        try:
            # Nobody waits for ever, neither for a client that sends slowly nor for one that does not read.
            async with asyncio.timeout(self.seconds) as limit:
                door, response = await self._answer(scope, request)
                if door is not None and door.lasting:
                    limit.reschedule(None)
                self.counts.responses[(door.path if door else "other", response.status_code)] += 1
                response.headers.update(self._invited(request, door))
                await response(scope, receive, _with_headers(send))
        except TimeoutError:
            self.counts.refusals["time"] += 1
            if response is None:
                gone = Refusal(408, "time", f"the request took longer than {self.seconds:g} seconds")
                await error_response(gone, {"connection": "close"})(scope, receive, _with_headers(send))
        return None

    async def _answer(self, scope: Scope, request: Request) -> tuple[Door | None, Response]:
        fits = [(each, found) for each in self.doors if (found := each.match(scope["path"])) is not None]
        door, names = next(
            (pair for pair in fits if scope["method"] in pair[0].policy.methods), fits[0] if fits else (None, {})
        )
        scope["path_params"] = names
        if scope["method"] == "OPTIONS" and (asked := self._asked_before(request, [each for each, _ in fits])):
            return fits[0][0], asked
        # A path that is not there is told apart from others only to those who may ask.
        wrong = refused(facts_of(scope, self.cookie), door.policy if door else _NOWHERE, self.ours)
        if wrong is None and door is None:
            wrong = Refusal(404, "path", "there is nothing at this path", "GET /openapi.json lists what there is")
        if wrong is not None:
            return door, self._refuse(wrong, _how(wrong, door))
        assert door is not None
        try:
            return door, await door.endpoint(request)
        except Refused as error:
            return door, self._refuse(error.refusal, error.headers)
        except ClientDisconnect:
            return door, Response(status_code=400)
        except Exception:
            number = secrets.token_hex(4)
            print(f"hubel: fault {number}\n{traceback.format_exc()}", file=sys.stderr, flush=True)  # the local log
            return door, self._refuse(Refusal(500, "fault", f"a fault of the server, {number} in its log"), {})

    def _invited(self, request: Request, door: Door | None) -> dict[str, str]:
        """Headers by which a browser lets a page of an invited site read the answer; {} for all others."""
        origins = tuple(request.headers.getlist("origin"))
        if door is None or not door.policy.cross or not is_invited(origins, self.ours):
            return {"vary": "Origin"} if self.ours.origins else {}
        return {"access-control-allow-origin": origins[0], "vary": "Origin", "cross-origin-resource-policy":
                "cross-origin", "access-control-expose-headers": "retry-after"}  # fmt: skip

    def _asked_before(self, request: Request, doors: list[Door]) -> Response | None:
        """What a browser is told that asks, before a page of an invited site does, whether it may; else None."""
        wanted = request.headers.get("access-control-request-method", "")
        door = next((each for each in doors if each.policy.cross and wanted in each.policy.methods), None)
        facts = facts_of(request.scope)
        if (
            door is None
            or not is_invited(facts.origins, self.ours)
            or not is_ours(facts.hosts, facts.arrived, self.ours)
        ):
            return None
        told = {
            "access-control-allow-methods": ", ".join(sorted(door.policy.methods)),
            "access-control-allow-headers": ", ".join(INVITED),
            "access-control-max-age": str(ASKED_AGAIN),
        }
        if request.headers.get("access-control-request-private-network") == "true":
            told["access-control-allow-private-network"] = "true"
        return Response(status_code=204, headers=told)

    def _refuse(self, refusal: Refusal, headers: dict[str, str]) -> Response:
        self.counts.refusals[refusal.kind] += 1
        return error_response(refusal, {name.replace("_", "-"): value for name, value in headers.items()})


_NOWHERE = Policy(name="nowhere", methods=frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}))


def _how(refusal: Refusal, door: Door | None) -> dict[str, str]:
    if refusal.status == 405 and door is not None:
        return {"allow": ", ".join(sorted(door.policy.methods))}
    return {"www-authenticate": "Bearer"} if refusal.status == 401 else {}


def facts_of(scope: Scope, cookie: str = "") -> Facts:
    """What a request says, for the guard; a token may also stand in the `cookie` of that name."""
    said: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        said.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    arrived = scope.get("server")
    tokens = [value[7:].strip() for value in said.get("authorization", []) if value[:7].casefold() == "bearer "]
    if cookie and not tokens:
        pairs = (pair.strip().partition("=") for line in said.get("cookie", []) for pair in line.split(";"))
        tokens = [value for name, _, value in pairs if name == cookie]

    def all_of(name: str) -> tuple[str, ...]:
        return tuple(said.get(name, ()))

    return Facts(
        method=scope["method"],
        hosts=all_of("host"),
        origins=all_of("origin"),
        sites=all_of("sec-fetch-site"),
        kinds=all_of("content-type"),
        marks=all_of(MARK),
        tokens=tuple(tokens),
        arrived=arrived[0] if arrived else "",
    )


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(pair for pair in _RAW if pair[0] not in own)]
        await send(message)

    return sending


async def _live(receive: Receive, send: Send) -> None:
    """Start and end with the server; there is nothing to do."""
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
