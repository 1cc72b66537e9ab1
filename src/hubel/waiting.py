"""How threads wait for one another, settled before torch is loaded: awake on an idle machine, asleep on a busy one.

A convolution that is shared out among threads ends when the last of them does. Until then the others wait, and OpenMP
lets them count for a while, since waking up takes longer than a small operation. Where other programs want the same
cores, those that count keep the last one from being done: on two cores with four busy processes a training took ten
times as long as with one thread.
"""

from __future__ import annotations

import os
import time
from collections.abc import MutableMapping

CROWD = 1.0
"""Other threads that compute at the moment, from which on a machine counts as busy."""


def wait_asleep_where_others_compute(environment: MutableMapping[str, str] = os.environ) -> None:
    """On a busy machine, tell OpenMP to put waiting threads to sleep soon; what the user says stands.

    It is read when torch is loaded, so it must be said before.
    """
    if others_running(looks=3) >= CROWD:
        environment.setdefault("GOMP_SPINCOUNT", "1000")
        environment.setdefault("KMP_BLOCKTIME", "0")


def others_running(looks: int = 5, pause: float = 0.004) -> float:
    """How many other threads of this machine compute at the moment: the median of a few looks; 0 where nobody tells."""
    seen = []
    for look in range(looks):
        if look:
            time.sleep(pause)
        running = _running()
        if running is None:
            break
        seen.append(max(0.0, running - 1))
    if seen:
        return sorted(seen)[len(seen) // 2]
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return 0.0


def _running() -> int | None:
    """Threads that run or wait for a processor, this one included; None where the system does not tell."""
    try:
        with open("/proc/stat") as counts:
            for line in counts:
                if line.startswith("procs_running"):
                    return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return None
