"""Fewer threads while other programs use the processor, more when they have gone: decided by the steps themselves.

A convolution that is shared out among threads ends when the last of them does. Where another program holds one core,
all others wait for it at each operation, and a step can take ten times as long as with one thread. So steps are timed,
and where they become several times slower, fewer threads are tried for a few steps, and kept if that is faster.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import torch

from hubel import runtime
from hubel.waiting import CROWD, others_running

STEPS = 8
"""Steps whose median is looked at."""
SLOWER = 2.0
"""Times as long as usual that a step takes when it is worth trying fewer threads."""
GAIN = 0.9
"""Share of the time below which another number of threads is kept."""
AGAIN = 20.0
"""Seconds until the next trial: what others do changes slowly."""
LOOK = 4.0
"""Seconds until the next look at what others do: a look waits for as long as several small steps take."""


@dataclass
class ThreadWatch:
    """Told of every step, it changes the number of threads where that makes steps faster.

    >>> watch = ThreadWatch(count=4, use=lambda count: None, others=lambda: 5.0)
    >>> [change for change in (watch.after(0.1) for _ in range(8)) if change]  # crowded from the start: half are tried
    []
    >>> [change for change in (watch.after(0.02) for _ in range(8)) if change]  # and that is faster
    [(2, '2 threads instead of 4: a step takes 0.02 s instead of 0.10 s, since other programs compute here too')]
    """

    count: int
    """Threads now."""
    use: Callable[[int], None] = torch.set_num_threads
    others: Callable[[], float] = others_running
    seconds: list[float] = field(default_factory=list)
    """Of the last steps."""
    usual: dict[int, float] = field(default_factory=dict)
    """Threads -> the best median so far."""
    before: tuple[int, float] | None = None
    """While another number is tried: the number before, and its median."""
    rest: float = 0.0
    """Seconds until a trial may be made again."""
    looked: float = 0.0
    """Seconds until the next look at what others do."""
    most: int = 0

    def __post_init__(self) -> None:
        self.most = self.most or self.count

    def after(self, seconds: float) -> tuple[int, str] | None:
        """After a step of so many seconds: the new number of threads and why, if it was changed for good."""
        self.seconds.append(seconds)
        self.rest, self.looked = max(0.0, self.rest - seconds), max(0.0, self.looked - seconds)
        if len(self.seconds) < STEPS:
            return None
        taken, self.seconds = median(self.seconds), []
        if self.before is not None:
            return self._judge(taken)
        self.usual[self.count] = min(taken, self.usual.get(self.count, taken))
        if self.rest == 0.0:
            self._try_another(taken)
        return None

    def _try_another(self, taken: float) -> None:
        """Begin a trial: of fewer threads where steps are slow or others compute, of more where they have gone."""
        slow = taken > SLOWER * self.usual[self.count]
        if not slow and self.looked > 0.0:
            return
        self.looked = LOOK
        crowded = self.others() >= CROWD
        if self.count > 1 and (slow or crowded):
            wanted = max(1, self.count // 2)
        elif self.count < self.most and not crowded:
            wanted = min(self.most, self.count * 2)
        else:
            return
        self.before, self.count, self.rest = (self.count, taken), wanted, AGAIN
        self.use(wanted)

    def _judge(self, taken: float) -> tuple[int, str] | None:
        """End a trial: keep the number if a step takes less time with it, else go back."""
        assert self.before is not None
        old, slower = self.before
        self.before = None
        if taken > GAIN * slower:
            self.count = old
            self.use(old)
            return None
        self.usual[self.count] = taken
        why = "since other programs compute here too" if self.count < old else "since other programs have gone"
        said = f"{self.count} thread{'s' * (self.count > 1)} instead of {old}"
        return self.count, f"{said}: a step takes {taken:.2g} s instead of {slower:.2f} s, {why}"


def watch_threads(device: torch.device, fixed: bool) -> ThreadWatch | None:
    """A watch for a run on the CPU, unless the number of threads is `fixed`, or there is only one."""
    count = torch.get_num_threads()
    most = max(count, runtime.cores()[1])
    if fixed or device.type != "cpu" or runtime.world() > 1 or most == 1 or "OMP_NUM_THREADS" in os.environ:
        return None
    return ThreadWatch(count=count, most=most)
