"""A studio from its settings to its end."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from hubel.errors import UsageError
from hubel.server.guard import PLACE, Doors, is_loopback
from hubel.server.listening import Server, listen
from hubel.studio.app import LIMITS, gate, warm
from hubel.studio.places import Places
from hubel.studio.state import Studio

PORT = 8321
DRAIN = replace(LIMITS, drain_seconds=1.0, connections=64)
"""Streams of events end by themselves when the server does; nobody waits for a slow reader longer than this."""


class Serving:
    """A studio that answers. `run` it in this thread, or use it as a context: then it answers in one of its own.

    `port` 0 takes a free one; None takes 8321, or a free one where that is in use. `token`: 32 bytes of chance if none
    is given. Raises UsageError for an address or a folder that cannot be.
    """

    def __init__(
        self,
        folders: tuple[str, ...] = (),
        *,
        runs: str = "runs",
        host: str = "127.0.0.1",
        port: int | None = None,
        token: str = "",
        allow_hosts: tuple[str, ...] = (),
    ) -> None:
        for name in allow_hosts:
            if PLACE.fullmatch(name) is None:
                raise UsageError(
                    f"--allow-host must be NAME or NAME:PORT, got {name!r}", hint="--allow-host studio.example"
                )
        if token and (len(token) < 16 or not token.isascii() or not _plain(token)):
            raise UsageError("HUBEL_TOKEN must have at least 16 letters, digits, - and _", hint="or leave it unset")
        self.studio = Studio(Places.of(folders, runs))
        self.host, self.token, self.allow_hosts = host, token or secrets.token_urlsafe(32), allow_hosts
        self._socket = self._listen(port)
        self.port: int = self._socket.getsockname()[1]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()

    def _listen(self, port: int | None) -> socket.socket:
        if port is not None:
            return listen(self.host, port)
        try:
            return listen(self.host, PORT)
        except UsageError:
            return listen(self.host, 0)

    @property
    def place(self) -> str:
        """Where it is reached from this machine, without the token."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address to open once: it shows the token, which the browser then keeps as a cookie."""
        return f"{self.place}/?token={self.token}"

    @property
    def open_to_others(self) -> bool:
        """Can other machines reach it?"""
        return not is_loopback(self.host)

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Answer until SIGTERM, SIGINT (Ctrl-C) or `stop`; `ready` is called when it listens."""
        try:
            asyncio.run(self._run(ready))
        finally:
            self.studio.over.set()
            self._socket.close()

    def stop(self) -> None:
        """End; jobs go on."""
        if self._loop is not None and self._server is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._end)
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Serving:
        self._thread = threading.Thread(target=self.run, args=(self._ready.set,), name="hubel studio", daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _run(self, ready: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        ours = Doors(port=self.port, token=self.token, hosts=self.allow_hosts)
        server = self._server = Server(gate(self.studio, ours), DRAIN)
        if threading.current_thread() is threading.main_thread() and sys.platform != "win32":
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self._end)
        serving = asyncio.create_task(server.serve(sockets=[self._socket]))
        await asyncio.sleep(0)
        ready()
        warm(self.studio)
        await serving

    def _end(self) -> None:
        self.studio.over.set()
        if self._server is not None:
            self._server.stop()


def _plain(token: str) -> bool:
    return token.replace("-", "").replace("_", "").isalnum()
