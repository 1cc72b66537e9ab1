"""A server from its settings to its end: listens, starts the workers, answers, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from hubel.data.workers import default_workers
from hubel.errors import UsageError
from hubel.server.app import App
from hubel.server.counts import Counts
from hubel.server.guard import PLACE, Doors, is_loopback, origin_of
from hubel.server.listening import Server, listen
from hubel.server.models import Models
from hubel.server.settings import Settings
from hubel.views import html_facts

Tell = Callable[[str], None]
LEAST = 16
"""Letters of a token."""
ENDING = 0.5
"""Seconds for workers that are still computing when the last connection has ended."""


class Serving:
    """A server. `run` it in this thread, or use it as a context: it answers in a thread of its own until the end.

    Raises UsageError for an address that cannot be, and what reading a run raises.
    """

    def __init__(self, settings: Settings, *, tell: Tell = lambda text: None) -> None:
        require_safe(settings)
        self.settings, self.tell = settings, tell
        self._socket = listen(settings.host, settings.port)
        self.port: int = self._socket.getsockname()[1]
        self.counts = Counts()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Server | None = None
        self._models: Models | None = None
        self.app: App | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._error: BaseException | None = None

    def __str__(self) -> str:
        names = ", ".join(model.name for model in self.settings.models)
        return f"{names} at {self.url}"

    def _repr_html_(self) -> str:
        return html_facts({"serves": ", ".join(model.name for model in self.settings.models), "at": self.url})

    @property
    def url(self) -> str:
        """Where it is reached from this machine."""
        host = self.settings.host
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def models(self) -> dict[str, dict[str, Any]]:
        """What each model is, once it is ready."""
        return {name: dict(crew.about) for name, crew in self._models or ()}

    @property
    def pids(self) -> list[int]:
        """The numbers of the worker processes."""
        return [pid for _, crew in self._models or () for pid in crew.pids]

    def pids_of(self, model: str) -> list[int]:
        """Those of one model."""
        return [pid for name, crew in self._models or () if name == model for pid in crew.pids]

    @property
    def connections(self) -> int:
        """Open now."""
        return len(self._server.server_state.connections) if self._server else 0

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Answer until SIGTERM, SIGINT (Ctrl-C) or `stop`; `ready` is called when every model can answer."""
        try:
            asyncio.run(self._run(ready))
        finally:
            self._socket.close()

    def start(self) -> Serving:
        """Answer in a thread of its own; returns when every model can. Raises what reading a run raises."""
        self._thread = threading.Thread(target=self._in_thread, name="hubel serve", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error
        return self

    def stop(self) -> None:
        """Answer what is under way and end; where it has a thread of its own, returns when that has ended."""
        if self._loop is not None and self._server is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._server.stop)
        if self._thread is not None:
            self._thread.join()

    def swap(self) -> None:
        """Read every run again, as SIGHUP does; weights that cannot be read change nothing."""
        if self._loop is not None and self._models is not None:
            self._loop.call_soon_threadsafe(self._models.swap)

    def __enter__(self) -> Serving:
        return self if self._thread is not None else self.start()  # `hubel.serve(…, block=False)` has started it

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _in_thread(self) -> None:
        try:
            self.run(self._ready.set)
        except BaseException as error:
            self._error = error
        finally:
            self._ready.set()

    async def _run(self, ready: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        settings = self.settings
        models = self._models = Models(settings, self.counts, threads=threads_each(settings), tell=self.tell)
        app = self.app = App(settings, models, self.counts, lambda: self.connections)
        origins = tuple(filter(None, map(origin_of, settings.allow_origins)))
        ours = Doors(port=self.port, token=settings.token, hosts=settings.allow_hosts, origins=origins)
        server = self._server = Server(app.gate(ours), settings.limits)
        self._listen_to_signals(server, models)
        serving = asyncio.create_task(server.serve(sockets=[self._socket]))
        starting = asyncio.create_task(models.start())
        try:
            await asyncio.wait({serving, starting}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                _raise_first(starting)
                ready()
                await serving
        finally:
            if not starting.done():
                starting.cancel()
            if not serving.done():
                server.stop()
            await asyncio.gather(serving, starting, return_exceptions=True)
            await models.close(ENDING)

    def _listen_to_signals(self, server: Server, models: Models) -> None:
        if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        loop.add_signal_handler(signal.SIGHUP, models.swap)


def _raise_first(task: asyncio.Task[None]) -> None:
    """Raise what a group of starts failed with, as the one error that a user can do something about."""
    error = task.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if error is not None:
        raise error


def threads_each(settings: Settings) -> int:
    """Threads of each worker: those asked for (also by OMP_NUM_THREADS), else the processors shared out."""
    asked = settings.models[0].threads or os.environ.get("OMP_NUM_THREADS", "")
    workers = sum(model.workers for model in settings.models)
    return int(asked) if str(asked).isdigit() and int(asked) else max(1, default_workers() // workers)


def require_safe(settings: Settings) -> None:
    """Raise UsageError for a server that others could reach without a token, and for names that cannot be."""
    if not settings.models:
        raise UsageError("a server needs a model", hint="hubel serve RUN")
    if not is_loopback(settings.host) and not settings.token:
        raise UsageError(
            f"others can reach {settings.host}, so a token is needed",
            hint="--token auto makes one; --host 127.0.0.1 is for this machine only",
        )
    if settings.token and (
        len(settings.token) < 16 or not settings.token.isascii() or not settings.token.isprintable()
    ):
        raise UsageError(
            f"a token must have at least 16 plain letters, got {len(settings.token)}", hint="--token auto makes one"
        )
    for name in settings.allow_hosts:
        if PLACE.fullmatch(name) is None:
            raise UsageError(f"--allow-host must be NAME or NAME:PORT, got {name!r}", hint="--allow-host cats.example")
    for site in settings.allow_origins:
        if origin_of(site) is None:
            raise UsageError(
                f"--allow-origin must be the address of one site, got {site!r}",
                hint="--allow-origin https://cats.example; several sites are named one by one",
            )
    if not 0 <= settings.port < 65536:
        raise UsageError(f"a port must be 0 to 65535, got {settings.port}", hint="--port 8000")
