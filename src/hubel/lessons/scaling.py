"""How much sooner a step is done by several processes, on paper: computing is shared out, gradients are exchanged.

The model of `strong_scaling` is the usual one for data parallel training: Amdahl's law (AFIPS 1967) for what every
process must do in full, and a ring all-reduce (Patarasuk and Yuan, J. Parallel Distrib. Comput. 69, 2009), whose time
DDP hides behind the backward pass as far as it goes (Li et al., arXiv:2006.15704). The batch stays the same: each
process gets a part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hubel.errors import UsageError
from hubel.lessons.curves import Curve
from hubel.words import short

BACKWARD = 2 / 3
"""Share of a step's computing that is backward pass, behind which an exchange can hide."""


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """One step in `processes` processes; times in seconds."""

    processes: int
    computing: float
    """This process's share."""
    alone: float
    """What every process does in full."""
    exchange: float
    """One all-reduce of all gradients."""
    waiting: float
    """The part of the exchange that the backward pass does not hide."""
    speedup: float
    """Against one process."""

    @property
    def seconds(self) -> float:
        """The whole step."""
        return self.computing + self.alone + self.waiting

    @property
    def efficiency(self) -> float:
        """Speed-up by number of processes: 1 is perfect."""
        return self.speedup / self.processes


def ring_seconds(payload: float, processes: int, *, bandwidth: float, latency: float) -> float:
    """Seconds in which `processes` sum `payload` bytes in a ring: each sends 2 (p - 1) / p of them in 2 (p - 1) turns.

    `bandwidth` in bytes a second each way, `latency` in seconds a turn.

    >>> ring_seconds(100e6, 4, bandwidth=1e9, latency=0.0)
    0.15
    """
    if processes == 1:
        return 0.0
    turns = 2 * (processes - 1)
    return turns / processes * payload / bandwidth + turns * latency


def strong_scaling(
    processes: Sequence[int],
    *,
    step_seconds: float,
    parameters: int,
    bandwidth: float,
    latency: float = 20e-6,
    serial: float = 0.0,
    bytes_each: int = 4,
) -> list[Scaled]:
    """A step that takes one process `step_seconds`, by number of processes.

    `parameters` numbers of `bytes_each` bytes are exchanged once a step, however large the batch; `serial` is the share
    of the step that every process does in full (the optimiser's update, batches, the interpreter). Raises UsageError.

    >>> for row in strong_scaling([1, 2, 8], step_seconds=0.4, parameters=25_557_032, bandwidth=10e9, serial=0.01):
    ...     print(f"{row.processes}: {row.seconds:.4f} s, {row.speedup:.2f} times, {row.efficiency:.0%}")
    1: 0.4000 s, 1.00 times, 100%
    2: 0.2020 s, 1.98 times, 99%
    8: 0.0535 s, 7.48 times, 93%
    """
    if not 0 <= serial <= 1 or step_seconds <= 0 or bandwidth <= 0 or latency < 0 or any(p < 1 for p in processes):
        raise UsageError(
            "a step takes more than 0 s, bandwidth is above 0, serial is a share from 0 to 1, processes at least 1; "
            f"got step_seconds={step_seconds:g}, bandwidth={bandwidth:g}, serial={serial:g}, processes={[*processes]}",
            hint="for example step_seconds=0.4, bandwidth=10e9, serial=0.01",
        )
    rows = []
    for count in processes:
        computing, alone = step_seconds * (1 - serial) / count, step_seconds * serial
        exchange = ring_seconds(parameters * bytes_each, count, bandwidth=bandwidth, latency=latency)
        waiting = max(0.0, exchange - BACKWARD * computing)
        speedup = step_seconds / (computing + alone + waiting)
        rows.append(Scaled(processes=count, computing=computing, alone=alone, exchange=exchange, waiting=waiting,
                           speedup=speedup))  # fmt: skip
    return rows


def speedup_curves(bits: Sequence[float] = (1e9, 10e9, 100e9), *, most: int = 64) -> dict[str, list[Curve]]:
    """Speed-up of ResNet-50's step of 0.4 s over 1 to `most` processes, for networks of so many bits a second.

    Beside each curve the diagonal, which no network can beat.

    >>> list(speedup_curves([10e9]))
    ['10 Gbit/s']
    """
    counts = [1 << k for k in range(most.bit_length())]
    x = np.array(counts, dtype=np.float64)
    found: dict[str, list[Curve]] = {}
    for rate in bits:
        rows = strong_scaling(counts, step_seconds=0.4, parameters=25_557_032, bandwidth=rate / 8, serial=0.01)
        found[f"{short(rate)}bit/s".replace("G", " G")] = [(x, np.array([row.speedup for row in rows])), (x, x)]
    return found
