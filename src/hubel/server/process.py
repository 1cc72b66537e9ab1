"""One worker process as the server holds it: started, opened, asked, ended."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import hubel.errors
from hubel.errors import ArtefactError, HubelError
from hubel.server.settings import Limits, ModelSettings
from hubel.server.wire import Frame, Garbled, packed, receive_frame

LAST_WORDS = 20
"""Lines that are kept of what a worker prints."""
ENDS = 1.0
"""Seconds that a worker has to end when its input does."""


class Ended(Exception):
    """The process is gone, or what it says is no frame."""


class Process:
    """A worker. Not started twice."""

    def __init__(self, model: ModelSettings, limits: Limits, threads: int) -> None:
        self.model, self.limits, self.threads = model, limits, threads
        self.about: dict[str, Any] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._words: deque[str] = deque(maxlen=LAST_WORDS)
        self._listener: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Its number; 0 before it is started."""
        return self._process.pid if self._process else 0

    async def open(self) -> dict[str, Any]:
        """Start it and let it read its run: what the model is. Raises what reading a run raises; ends it then."""
        try:
            await self._start()
            model = self.model
            frame = await self._ask(
                {
                    "run": model.run, "which": model.which, "views": model.views, "device": model.device,
                    "threads": self.threads, "batch": model.batch, "exact": model.exact,
                    "form": model.form,
                }
            )  # fmt: skip
            if "failed" in frame[0]:
                raise _error(frame[0]["failed"])
        except Ended as error:
            await self.end()
            said = self.last_words.splitlines()
            raise HubelError(
                f"the worker process of {model.name!r} ended before it was ready ({error})",
                hint=said[-1] if said else "memory may have run out: fewer --workers, or a smaller net",
            ) from None
        except BaseException:
            await self.end()
            raise
        self.about = frame[0]["about"]
        return self.about

    async def ask(self, items: Sequence[dict[str, Any]], pictures: Sequence[bytes]) -> Frame:
        """Its answer to a batch; raises Ended."""
        return await self._ask({"items": list(items)}, pictures)

    async def end(self) -> None:
        """Let it go: its input ends, and so does it, or it is killed."""
        process = self._process
        if process is None:
            return
        with suppress(Exception):
            assert process.stdin is not None
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), ENDS)
        except (TimeoutError, asyncio.CancelledError):
            self.kill()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), ENDS)
        if self._listener is not None:
            self._listener.cancel()

    def kill(self) -> None:
        """End it now."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    @property
    def last_words(self) -> str:
        """The last lines that it printed."""
        return "\n".join(self._words)

    async def _start(self) -> None:
        environment = {
            **child_environment(),
            "OMP_NUM_THREADS": str(self.threads),
            "HUBEL_MAX_MEGAPIXELS": f"{self.limits.megapixels:g}",
        }
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "hubel.server.worker",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                env=environment, limit=1 << 20, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise HubelError(
                f"cannot start a worker process: {error}", hint="too many processes? --workers 1 starts one"
            ) from None
        self._listener = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        with suppress(ConnectionError, ValueError):
            while line := await self._process.stderr.readline():
                self._words.append(line.decode(errors="replace").rstrip()[:400])

    async def _ask(self, said: dict[str, Any], blobs: Sequence[bytes] = ()) -> Frame:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(packed(said, blobs))
            await process.stdin.drain()
            frame = await receive_frame(process.stdout)
        except (ConnectionError, Garbled, RuntimeError) as error:
            raise Ended(str(error)) from None
        if frame is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), ENDS)
            raise Ended(f"exit code {process.returncode}")
        return frame


def child_environment() -> dict[str, str]:
    """The environment of a child that imports this very hubel."""
    here = str(Path(__file__).parents[2])
    path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}


def _error(told: dict[str, str]) -> HubelError:
    """What a worker met, as the error that it was there."""
    kind = getattr(hubel.errors, str(told.get("kind")), ArtefactError)
    return (kind if isinstance(kind, type) and issubclass(kind, HubelError) else ArtefactError)(
        str(told.get("what")), hint=str(told.get("hint"))
    )
