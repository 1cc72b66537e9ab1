"""The models of a server by name, and how new weights take the place of old ones.

A request keeps the crew it was given to, so each answer is wholly of one state of the weights; the old crew ends when
what was given to it is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from hubel.errors import HubelError, unknown
from hubel.server.counts import Counts
from hubel.server.crew import Crew
from hubel.server.settings import Settings

Tell = Callable[[str], None]


class Models:
    """All crews."""

    def __init__(self, settings: Settings, counts: Counts, *, threads: int, tell: Tell) -> None:
        self.settings, self.counts, self.tell, self._threads = settings, counts, tell, threads
        self._named = {model.name: model for model in settings.models}
        self._crews: dict[str, Crew] = {}
        self._swapping: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> bool:
        """Can every model answer?"""
        return len(self._crews) == len(self._named) and not any(crew.down for crew in self._crews.values())

    def __iter__(self) -> Iterator[tuple[str, Crew]]:
        return iter(list(self._crews.items()))

    @property
    def first(self) -> str:
        """The name of the model that answers where none is named."""
        return self.settings.models[0].name

    def crew(self, name: str) -> Crew | None:
        """Who answers for this model now; None before it is ready. Raises UnknownName."""
        if name not in self._named:
            raise unknown("model", name, self._named)
        return self._crews.get(name)

    async def start(self) -> None:
        """Start every model; raises what the first that fails raises, with no process left."""
        async with asyncio.TaskGroup() as group:
            for name in self._named:
                group.create_task(self._start(name))

    async def _start(self, name: str) -> None:
        crew = self._fresh(name)
        await crew.start()
        self._crews[name] = crew

    def swap(self) -> None:
        """Read every run again, in the background; weights that cannot be read change nothing."""
        for name in self._named:
            self._spawn(name)

    def _spawn(self, name: str) -> None:
        if name not in self._swapping and name in self._crews:
            self._swapping.add(name)
            task = asyncio.create_task(self._swap(name))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _swap(self, name: str) -> None:
        try:
            fresh = self._fresh(name)
            await fresh.start()
        except HubelError as error:
            self.tell(f"{name}: the old weights stay: {error}")
            return
        finally:
            self._swapping.discard(name)
        old, self._crews[name] = self._crews[name], fresh
        self.counts.models[name].swaps += 1
        self.tell(f"{name}: weights {fresh.about['digest'][:12]} answer now")
        await old.close(self.settings.limits.answer_seconds)

    def _fresh(self, name: str) -> Crew:
        return Crew(
            self._named[name], self.settings.limits, self.counts.models[name], threads=self._threads,
            changed=lambda: self._spawn(name),
        )  # fmt: skip

    async def close(self, seconds: float) -> None:
        """End every worker, after at most so many seconds."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(crew.close(seconds) for crew in self._crews.values()))
        self._crews.clear()
