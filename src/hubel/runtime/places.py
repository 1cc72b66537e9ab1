"""Work shared out over places: this process, or those of a Ray cluster (`hubel.runtime.cluster`), behind one face.

At each place `make(*about)` is called once, when its first job comes (a net is loaded, data are read); what it returns
does one job after the other: plain data in, plain data out.

>>> with Here(lambda factor: (lambda number: factor * number), (3,)) as places:
...     for number in (1, 2):
...         places.give(number, lambda number=number: number)
...     [places.take().result, places.take().result], places.busy
([3, 6], 0)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from hubel.errors import HubelError, UsageError

HERE = "here"
"""The name of the one place that is this process."""
Make = Callable[..., Callable[[Any], Any]]
"""What makes, at its place, what does the jobs."""


@dataclass(frozen=True)
class Done:
    """A job that came back."""

    key: int
    result: Any = None
    error: HubelError | None = None
    """What it ended with; anything else that is raised is a fault of ours, and is raised by `take`."""
    given_up: bool = False
    """Did it end several places, one after the other?"""


class Places(Protocol):
    """Where jobs are done."""

    lost: int
    """Places that were lost so far: each cost the job it had, which was given to another."""

    @property
    def free(self) -> bool:
        """Would another job be begun at once?"""
        ...

    @property
    def busy(self) -> int:
        """Jobs given and not taken back."""
        ...

    def give(self, key: int, job: Callable[[], Any]) -> None:
        """A job, which is called for when a place has time for it; `key` tells it apart."""
        ...

    def take(self) -> Done:
        """Wait for the next job that is done."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Here:
    """This process: a job is done when it is taken back, one after the other."""

    lost = 0

    def __init__(self, make: Make, about: Sequence[Any] = ()) -> None:
        self._make, self._about = make, tuple(about)
        self._do: Callable[[Any], Any] | None = None
        self._waiting: deque[tuple[int, Callable[[], Any]]] = deque()

    @property
    def free(self) -> bool:
        """Is nothing waiting?"""
        return not self._waiting

    @property
    def busy(self) -> int:
        """Jobs given and not taken back."""
        return len(self._waiting)

    def give(self, key: int, job: Callable[[], Any]) -> None:
        """Put a job behind those that wait."""
        self._waiting.append((key, job))

    def take(self) -> Done:
        """Do the job that has waited longest."""
        key, job = self._waiting.popleft()
        self._do = self._do or self._make(*self._about)
        try:
            return Done(key, self._do(job()))
        except HubelError as error:
            return Done(key, error=error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._do = None


class Several(ABC):
    """What many places have in common: jobs that wait for one, and what becomes of the job of one that is lost."""

    losses: int
    """Places that a job may cost before it is given up."""

    def __init__(self) -> None:
        self.lost = 0
        self._losses: Counter[int] = Counter()
        self._waiting: deque[tuple[int, Callable[[], Any]]] = deque()
        self._given: dict[int, Callable[[], Any]] = {}

    @property
    def busy(self) -> int:
        """Jobs given and not taken back."""
        return len(self._given)

    def give(self, key: int, job: Callable[[], Any]) -> None:
        """A job for the next place that has time."""
        self._given[key] = job
        self._waiting.append((key, job))
        self._send()

    @abstractmethod
    def _send(self) -> None:
        """Give jobs that wait to places that have time."""

    def _again(self, key: int) -> bool:
        """The place that had this job is lost: the job waits again, before all others; False where it is given up."""
        self._losses[key] += 1
        if self._losses[key] >= self.losses:
            return False
        self._waiting.appendleft((key, self._given[key]))
        return True


def check_where(on: str) -> str:
    """`on` as it is understood: here, local, ray://HOST:PORT or HOST:PORT. Raises UsageError.

    >>> check_where("ray://head:10001")
    'ray://head:10001'
    >>> check_where("slurm")
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: on must be here, local, ray://HOST:PORT or HOST:PORT, got 'slurm'
      ray://head:10001 from outside of the cluster, head:6379 from one of its machines
    """
    host, _, port = on.removeprefix("ray://").rpartition(":")
    if on in (HERE, "local") or (host and "/" not in host and port.isdecimal() and 0 < int(port) < 1 << 16):
        return on
    raise UsageError(
        f"on must be here, local, ray://HOST:PORT or HOST:PORT, got {on[:60]!r}",
        hint="ray://head:10001 from outside of the cluster, head:6379 from one of its machines",
    )
