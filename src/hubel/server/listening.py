"""Where the server listens, and the one HTTP process itself: uvicorn, bounded, quiet, woken by events only."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from hubel.errors import UsageError
from hubel.server.settings import Limits

NEXT = 40
"""Ports tried for one that is free, to name it."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; raises UsageError, with a free port where this one is taken."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise UsageError(f"there is no address called {host!r}", hint="--host 127.0.0.1 is this machine") from None
    family, kind, protocol, _, address = found[0]
    made = socket.socket(family, kind, protocol)
    if os.name == "posix":
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
        made.listen(256)
    except OSError as error:
        made.close()
        raise _taken(error, host, port, family) from None
    made.setblocking(False)
    return made


def _taken(error: OSError, host: str, port: int, family: int) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        free = next((other for other in range(port + 1, min(port + NEXT, 65536)) if _is_free(host, other, family)), 0)
        return UsageError(
            f"port {port} of {host} is in use", hint=f"--port {free} is free" if free else "--port 0 takes a free one"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return UsageError(f"port {port} may not be used by this user", hint="--port 8000; ports below 1024 are kept")
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"{host} is no address of this machine", hint="--host 127.0.0.1, or 0.0.0.0 for all of them")
    return UsageError(f"cannot listen at {host}, port {port}: {error.strerror}", hint="try --host 127.0.0.1 --port 0")


def _is_free(host: str, port: int, family: int) -> bool:
    with suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, port))
        return True
    return False


class Server(uvicorn.Server):
    """uvicorn that ends when `stop` is called, and does nothing while nobody asks anything."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        class Connection(BoundedConnection):
            bounds = limits

        super().__init__(
            uvicorn.Config(
                app, http=Connection, ws="none", lifespan="off", loop="asyncio", log_config=None,
                log_level="critical", access_log=False, proxy_headers=False, server_header=False, date_header=False,
                h11_max_incomplete_event_size=limits.header_bytes, timeout_keep_alive=int(limits.header_seconds) or 1,
                timeout_graceful_shutdown=int(limits.drain_seconds) or 1,
            )
        )  # fmt: skip
        self._over = asyncio.Event()

    def stop(self) -> None:
        """Take no more connections, answer what is under way, end; a second time: end now."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._over.set()

    async def main_loop(self) -> None:
        """Wait until it is told to stop: uvicorn's own looks ten times a second."""
        await self.on_tick(0)
        await self._over.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: who runs the server says what they mean."""
        yield


class Joined:
    """A transport that sends the head of an answer together with what follows: one call and one packet in place of two.

    uvicorn always writes a body after a head, be it empty.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._head = transport, b""

    def write(self, data: bytes) -> None:
        """Send, or keep if it is a head."""
        if not self._head and data.startswith(b"HTTP/1.1 ") and data[9:10] != b"1" and data.endswith(b"\r\n\r\n"):
            self._head = data
            return
        head, self._head = self._head, b""
        if head or data:
            self._transport.write(head + data)

    def close(self) -> None:
        """Send what is kept, and close."""
        self.write(b"")
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class BoundedConnection(H11Protocol):
    """A connection whose headers must come in time, and that gives way when there are too many."""

    bounds: Limits
    _deadline: asyncio.TimerHandle | None = None
    _asked = 0.0

    @property
    def idle(self) -> bool:
        """Is no request under way?"""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(cast(asyncio.Transport, Joined(transport)))
        self._asked = self.loop.time()
        self._expect()
        alive: list[Any] = [each for each in self.connections if not each.transport.is_closing()]
        if len(alive) > self.bounds.connections:
            min((each for each in alive if each.idle), key=lambda each: each._asked, default=self)._part()

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request."""
        super().data_received(data)
        if not self.idle:
            self._asked = self.loop.time()
            self._calm()
        elif self._deadline is None and not self.transport.is_closing():
            self._expect()

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more; the answer to what it has sent is still written."""
        if self.idle or self.cycle.more_body:
            return False
        self.cycle.keep_alive = False
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._calm()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._deadline = self.loop.call_later(self.bounds.header_seconds, self._late)

    def _calm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if self.idle:
            self._part()

    def _part(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.abort()
