"""Asks an application without a network: what a browser would send, and what comes back. It keeps cookies."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit


@dataclass
class Got:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One browser at one place."""

    def __init__(self, app: Any, place: str = "http://127.0.0.1:8321") -> None:
        self.app, self.place = app, place
        self.cookies: dict[str, str] = {}

    def ours(self) -> dict[str, str]:
        """What our own page sends with whatever changes something."""
        return {"x-hubel": "1", "origin": self.place}

    def get(self, path: str, headers: dict[str, str] | None = None, /, **query: Any) -> Got:
        return self.ask("GET", path, headers or {}, b"", query)

    def post(self, path: str, said: Any = None, headers: dict[str, str] | None = None, **query: Any) -> Got:
        """`said` as JSON, or bytes as they are."""
        sent = {"content-type": "application/json", **(self.ours() if headers is None else headers)}
        return self.ask("POST", path, sent, said if isinstance(said, bytes) else json.dumps(said).encode(), query)

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Got:
        where = urlsplit(self.place)
        address, _, given = path.partition("?")
        sent = {"host": where.netloc, "content-length": str(len(body)), **headers}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": address, "raw_path": address.encode(), "root_path": "",
            "query_string": (given or urlencode(query)).encode(), "server": (where.hostname, where.port),
            "client": ("127.0.0.1", 9), "headers": [(k.encode(), v.encode("latin-1")) for k, v in sent.items()],
        }  # fmt: skip
        waiting = [{"type": "http.request", "body": body, "more_body": False}]
        said: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        asyncio.run(self.app(scope, receive, send))
        head = {name.decode(): value.decode("latin-1") for name, value in said[0]["headers"]}
        if "set-cookie" in head:
            name, _, value = head["set-cookie"].partition(";")[0].partition("=")
            self.cookies[name] = value
        return Got(said[0]["status"], head, b"".join(part.get("body", b"") for part in said[1:]))
