"""Threads that work for requests and let a server go that is told to end, whatever they are still at.

Those of asyncio and concurrent.futures are waited for when Python ends: a net that computes for ten seconds would keep
a studio for ten seconds after Ctrl-C. What is cut off here is an answer that nobody waits for any more; files are
written whole or not at all (`hubel.store`).
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

Found = TypeVar("Found")
COUNT = 8
"""Threads: more than the six requests that a browser has under way with one server."""
Task = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]


class Hands:
    """A few threads that are begun when there is work."""

    def __init__(self, count: int = COUNT) -> None:
        self._waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._free = threading.Semaphore(0)
        self._count, self._begun = count, 0

    async def do(self, act: Callable[[], Found]) -> Found:
        """What `act` returns or raises, done in a thread; called from one loop only."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Found] = loop.create_future()
        self._waiting.put((loop, done, act))
        if not self._free.acquire(blocking=False) and self._begun < self._count:
            self._begun += 1
            threading.Thread(target=self._work, name=f"hubel studio: {self._begun}", daemon=True).start()
        return await done

    def _work(self) -> None:
        while True:
            loop, done, act = self._waiting.get()
            found, error = None, None
            try:
                found = act()
            except BaseException as failure:
                error = failure
            self._free.release()
            with suppress(RuntimeError):  # the loop is over: nobody waits
                loop.call_soon_threadsafe(_tell, done, found, error)


def _tell(done: asyncio.Future[Any], found: Any, error: BaseException | None) -> None:
    if done.done():  # whoever asked has gone
        return
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(found)
