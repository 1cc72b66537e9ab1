"""The workers of one model, in one state of its weights, and the pictures that wait for them.

Greedy batching: a worker that is free takes what waits, up to its share, and nobody waits for a clock. A batch that
ends its worker or takes too long is tried again picture by picture, so that only the picture that did it is refused.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any

from hubel.errors import HubelError
from hubel.server.counts import ModelCounts
from hubel.server.process import Ended, Process
from hubel.server.settings import Limits, ModelSettings

PATIENCE = (0.5, 1, 2, 4, 8, 15, 30)
"""Seconds between tries to start a worker that does not start."""


class Busy(Exception):
    """More waits than may wait; `seconds` until there should be room."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"come again in {seconds} s")


class Down(Exception):
    """No worker is there to answer."""


@dataclass(frozen=True, slots=True)
class Said:
    """The answer to one picture."""

    text: bytes
    """JSON."""
    bad: bool
    """Could the picture not be read?"""
    wait: float
    """Seconds until a worker took it."""
    decode: float
    net: float
    """Seconds of its whole batch."""
    batch: int


@dataclass(eq=False)
class Job:
    """A picture that waits."""

    item: dict[str, Any]
    data: bytes
    answer: asyncio.Future[Said]
    came: float = field(default_factory=time.perf_counter)
    alone: bool = False
    """It was in a batch that failed."""


class Crew:
    """Start it, `submit` pictures, `close` it. `changed` is called when the weights on disk are others."""

    def __init__(
        self,
        model: ModelSettings,
        limits: Limits,
        counts: ModelCounts,
        *,
        threads: int,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.model, self.limits, self.counts, self.threads = model, limits, counts, threads
        self.about: dict[str, Any] = {}
        self.changed = changed
        self.waiting: deque[Job] = deque()
        self.trouble = ""
        self.closing = False
        self.down = True
        """No worker is there, and the last try to start one failed."""
        self._processes: set[Process] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._sleepers: deque[asyncio.Future[None]] = deque()
        self._pace = 0.02  # seconds a picture, measured as it goes

    @property
    def up(self) -> int:
        """Workers that can answer."""
        return len(self._processes)

    @property
    def pids(self) -> list[int]:
        """The numbers of the processes."""
        return [process.pid for process in self._processes]

    async def start(self) -> None:
        """Start every worker; raises what reading the run raises, and leaves no process behind then."""
        fresh = [Process(self.model, self.limits, self.threads) for _ in range(self.model.workers)]
        found = await asyncio.gather(*(process.open() for process in fresh), return_exceptions=True)
        failed = [each for each in found if isinstance(each, BaseException)]
        abouts = [each for each in found if isinstance(each, dict)]
        if not failed and len({about["digest"] for about in abouts}) > 1:
            failed = [HubelError(f"the weights of {self.model.run} changed while they were read", hint="try again")]
        if failed:
            await asyncio.gather(*(process.end() for process in fresh))
            raise failed[0]
        self.about, self.down = abouts[0], False
        for process in fresh:
            self._processes.add(process)
            self._tasks.append(asyncio.create_task(self._work(process)))

    def require_room(self, count: int = 1) -> None:
        """Raise Busy where `count` more pictures may not wait, Down where nobody answers."""
        if self.closing or self.down:
            raise Down(self.trouble)
        if len(self.waiting) + count > self.limits.queue:
            raise Busy(max(1, round(self._pace * len(self.waiting) / max(1, self.up))))

    def submit(self, items: Sequence[dict[str, Any]], pictures: Sequence[bytes]) -> list[asyncio.Future[Said]]:
        """Let pictures wait for their answers; raises Busy and Down."""
        self.require_room(len(items))
        loop = asyncio.get_running_loop()
        jobs = [Job(item, data, loop.create_future()) for item, data in zip(items, pictures, strict=True)]
        self.waiting.extend(jobs)
        self._wake()
        return [job.answer for job in jobs]

    async def close(self, seconds: float = 0.0) -> None:
        """Answer what waits, for at most so many seconds, and end every worker."""
        self.closing = True
        while self._sleepers:
            self._sleepers.popleft().set_result(None)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=max(seconds, 0.01))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for job in self.waiting:
            _fail(job, Down("the server is stopping"))
        self.waiting.clear()
        await asyncio.gather(*(process.end() for process in self._processes))
        self._processes.clear()

    def _wake(self) -> None:
        while self._sleepers:
            sleeper = self._sleepers.popleft()
            if not sleeper.done():
                sleeper.set_result(None)
                return

    async def _take(self) -> list[Job]:
        """What the next batch is; empty at the end."""
        while True:
            while self.waiting and self.waiting[0].answer.done():  # nobody waits for it any more
                self.waiting.popleft()
            if self.waiting:
                break
            if self.closing:
                return []
            sleeper = asyncio.get_running_loop().create_future()
            self._sleepers.append(sleeper)
            await sleeper
        if self.waiting[0].alone:
            return [self.waiting.popleft()]
        share = -(-len(self.waiting) // (1 + len(self._sleepers)))
        taken: list[Job] = []
        while self.waiting and len(taken) < min(share, self.model.batch) and not self.waiting[0].alone:
            job = self.waiting.popleft()
            if not job.answer.done():
                taken.append(job)
        if self.waiting:
            self._wake()
        return taken

    async def _work(self, process: Process | None) -> None:
        """Batch after batch through one worker, and through the one that takes its place."""
        while process is not None and (jobs := await self._take()):
            taken = time.perf_counter()
            try:
                told, blobs = await asyncio.wait_for(
                    process.ask([job.item for job in jobs], [job.data for job in jobs]),
                    self.limits.picture_seconds * len(jobs),
                )
            except (Ended, TimeoutError) as error:
                self._again(jobs, late=isinstance(error, TimeoutError))
                process = await self._another(process)
                continue
            except asyncio.CancelledError:
                for job in jobs:
                    _fail(job, Down("the server is stopping"))
                raise
            if "fault" in told:
                self.trouble = process.last_words
                self._again(jobs, fault=told["fault"])
                continue
            self._tell(jobs, told, blobs, taken)

    def _tell(self, jobs: list[Job], told: dict[str, Any], blobs: list[bytes], taken: float) -> None:
        done = time.perf_counter()
        self._pace += 0.1 * ((done - taken) / len(jobs) - self._pace)
        self.counts.batches[len(jobs)] += 1
        for job, text, bad, decode in zip(jobs, blobs, told["bad"], told["decode"], strict=True):
            self.counts.unreadable += bad
            self.counts.pictures += not bad
            if not job.answer.done():
                job.answer.set_result(
                    Said(text, bad, taken - job.came, decode / 1e3, told["net"] / 1e3, len(jobs))
                )  # fmt: skip

    def _again(self, jobs: list[Job], *, late: bool = False, fault: str = "") -> None:
        """A batch failed: each of it has one more try, alone; who was alone is refused."""
        if len(jobs) == 1 and (jobs[0].alone or late):
            what = f"took longer than {self.limits.picture_seconds:g} seconds" if late else "crashed the decoder"
            _fail(jobs[0], Down(fault) if fault else Unanswered(what))
            return
        for job in reversed(jobs):
            job.alone = True
            self.waiting.appendleft(job)

    async def _another(self, process: Process) -> Process | None:
        """A worker in place of one that is gone, with the same weights; None where there can be none."""
        process.kill()
        await process.end()
        self._processes.discard(process)
        self.counts.restarts += 1
        for pause in chain(PATIENCE, repeat(PATIENCE[-1])):
            if self.closing:
                return None
            fresh = Process(self.model, self.limits, self.threads)
            try:
                about = await fresh.open()
            except HubelError as error:
                if not self._processes:
                    self._give_up(str(error))
            else:
                if about["digest"] == self.about["digest"]:
                    self._processes.add(fresh)
                    self.down = False
                    return fresh
                # What waits was promised these weights, and they are gone from the disk.
                await fresh.end()
                self.changed()
                if not self._processes:
                    self._give_up("the weights on disk are others")
                return None
            await asyncio.sleep(pause)
        return None

    def _give_up(self, why: str) -> None:
        self.down, self.trouble = True, why
        for job in self.waiting:
            _fail(job, Down(why))
        self.waiting.clear()


class Unanswered(Exception):
    """This picture ends a worker, or takes too long; the message is its reason."""


def _fail(job: Job, error: Exception) -> None:
    if not job.answer.done():
        job.answer.set_exception(error)
        with suppress(Exception):
            job.answer.exception()  # its request may have gone
