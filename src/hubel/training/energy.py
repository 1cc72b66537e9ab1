"""The energy of a run and its carbon dioxide: measured where the machine has a meter, else an open estimate.

Meters: the energy counters of Intel and AMD processors, which Linux shows below /sys/class/powercap (often readable for
the administrator only), and the power that nvidia-smi reports. Without one, the processor's share is its time in use
times the rated power of one core. Memory, disks, fans, cooling (a PUE of 1) and the making of the machine are left out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from hubel.recipes.schema import GRID_INTENSITY
from hubel.words import in_units

POWERCAP = Path("/sys/class/powercap")
SAMPLING = 5.0
"""Seconds between readings; counters of joules wrap around after some minutes at the earliest."""

# (what stands in the processor's name, watts of one core: rated power / cores, of which model). First match counts.
CORES: tuple[tuple[str, float, str], ...] = (
    ("EPYC", 4.4, "EPYC 7763: 280 W, 64 cores"),
    ("Threadripper", 4.4, "Threadripper PRO 5995WX: 280 W, 64 cores"),
    ("Ryzen", 8.1, "Ryzen 7 5700X: 65 W, 8 cores"),
    ("Xeon", 6.8, "Xeon Platinum 8380: 270 W, 40 cores"),
    ("Core", 7.8, "Core i9-11900: 65 W, 8 cores, rounded down"),
)
ANY_CORE = (6.0, "a value between those of common servers and desktops")


@dataclass(frozen=True, kw_only=True)
class Energy:
    """What a run took. Processor and GPUs in joules; 3.6 million make a kilowatt-hour.

    >>> used = Energy(processor=5.4e6, gpus=1.8e6, seconds=3600.0, intensity=500.0, measured=("processor",), notes=())
    >>> used.kilowatt_hours, used.co2_grams
    (2.0, 1000.0)
    >>> print(used.sentence)
    2 kWh (2 kW on average), about 1 kg of CO2: partly measured, partly estimated.
    """

    processor: float
    gpus: float
    seconds: float
    intensity: float
    """Grams of CO2 for a kilowatt-hour."""
    measured: tuple[str, ...]
    """Which of "processor" and "gpus" come from a meter; the others are estimates."""
    notes: tuple[str, ...]
    """How each number came about, and what is assumed."""

    @property
    def kilowatt_hours(self) -> float:
        """All joules together."""
        return (self.processor + self.gpus) / 3.6e6

    @property
    def co2_grams(self) -> float:
        """Grams of CO2, by the grid's intensity."""
        return self.kilowatt_hours * self.intensity

    @property
    def sentence(self) -> str:
        """The headline."""
        parts = [name for name, joules in (("processor", self.processor), ("gpus", self.gpus)) if joules]
        known = [name for name in parts if name in self.measured]
        how = "estimated" if not known else "measured" if known == parts else "partly measured, partly estimated"
        watts = (self.processor + self.gpus) / max(self.seconds, 1e-9)
        power = in_units(watts, (("W", 1.0), ("kW", 1e3)))
        energy = in_units(self.kilowatt_hours, (("mWh", 1e-6), ("Wh", 1e-3), ("kWh", 1.0), ("MWh", 1e3)))
        weight = in_units(self.co2_grams, (("mg", 1e-3), ("g", 1.0), ("kg", 1e3), ("t", 1e6)))
        return f"{energy} ({power} on average), about {weight} of CO2: {how}."

    def to_dict(self) -> dict[str, Any]:
        """Plain data for summary.json."""
        return {
            "kilowatt_hours": self.kilowatt_hours,
            "co2_grams": self.co2_grams,
            "processor_joules": self.processor,
            "gpu_joules": self.gpus,
            "seconds": self.seconds,
            "grid_intensity": self.intensity,
            "measured": list(self.measured),
            "notes": list(self.notes),
            "sentence": self.sentence,
        }


class Counters:
    """The energy counters of the processor packages and their memory; `joules` since it was made.

    Raises OSError when there is none that may be read.
    """

    def __init__(self, powercap: Path = POWERCAP) -> None:
        zones = [zone for zone in sorted(powercap.glob("*-rapl:*")) if self._counts(zone)]
        self.last = {zone: self._number(zone / "energy_uj") for zone in zones}
        if not self.last:
            raise OSError(f"no energy counter in {powercap}")
        self.joules = 0.0

    @staticmethod
    def _counts(zone: Path) -> bool:
        # Packages hold their cores; "psys", where there is one, holds the packages too: neither is counted twice.
        package = re.fullmatch(r"[a-z-]*rapl:\d+", zone.name) is not None
        name = (zone / "name").read_text().strip() if (zone / "name").exists() else ""
        return (package and name.startswith("package")) or name == "dram"

    @staticmethod
    def _number(file: Path) -> int:
        return int(file.read_text())

    def read(self) -> None:
        """Add what was used since the last reading; must be called more often than a counter wraps around."""
        for zone, before in self.last.items():
            now = self._number(zone / "energy_uj")
            self.last[zone] = now
            used = now - before if now >= before else now - before + self._number(zone / "max_energy_range_uj")
            self.joules += used / 1e6


def gpu_watts() -> float:
    """The power that all GPUs visible to this process draw now, by nvidia-smi; 0 without it."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0.0
    command = [program, "--query-gpu=power.draw", "--format=csv,noheader,nounits"]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    command += ["--id=" + visible] if visible else []
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout  # noqa: S603
        return sum(float(line) for line in answer.split())
    except (OSError, subprocess.SubprocessError, ValueError):  # "[N/A]" on GPUs without a meter
        return 0.0


def core_watts(processor: str) -> tuple[float, str]:
    """The rated power of one core by the processor's name, and where that is from.

    >>> core_watts("AMD EPYC 9B14 96-Core Processor")
    (4.4, 'EPYC 7763: 280 W, 64 cores')
    """
    return next(((watts, model) for word, watts, model in CORES if word in processor), ANY_CORE)


def busy_seconds() -> float:
    """Processor time of this process and its finished children, in all threads."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Meter:
    """Reads the meters while the block runs; `energy()` may be asked at any time.

    >>> with Meter(processor="some CPU") as meter:
    ...     _ = sum(range(1000))
    >>> used = meter.energy()
    >>> used.processor >= 0, used.intensity
    (True, 473.0)

    `watch_gpus`: also ask for their power. `processes`: how many like this one work together. `spent`: what earlier
    sittings of the same run took, as `to_dict` gave it.
    """

    def __init__(
        self,
        *,
        processor: str,
        intensity: float = GRID_INTENSITY,
        watch_gpus: bool = False,
        processes: int = 1,
        spent: Mapping[str, Any] | None = None,
        powercap: Path = POWERCAP,
        power: Callable[[], float] = gpu_watts,
    ) -> None:
        self.processor, self.intensity, self.processes = processor, intensity, processes
        self.watch_gpus, self.power = watch_gpus, power
        self.spent = spent or {}
        self.gpus = 0.0
        self.watts = power() if watch_gpus else 0.0
        self.seen = self.started = time.perf_counter()
        self.busy = busy_seconds()
        try:
            self.counters: Counters | None = Counters(powercap)
        except (OSError, ValueError):  # none, or not for us to read
            self.counters = None
        self.lock, self.over = threading.Lock(), threading.Event()
        self.thread: threading.Thread | None = None

    def __enter__(self) -> Meter:
        if self.counters is not None or self.watts:
            self.thread = threading.Thread(target=self._watch, name="hubel-energy", daemon=True)
            self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        if self.thread is not None:
            self.thread.join()

    def _watch(self) -> None:
        while not self.over.wait(SAMPLING):
            self._read()

    def _read(self) -> None:
        with self.lock:
            if self.counters is not None:
                self.counters.read()
            if self.watts:
                before, self.watts = self.watts, self.power() or self.watts
                now = time.perf_counter()
                self.gpus += (before + self.watts) / 2 * (now - self.seen)
                self.seen = now

    def energy(self) -> Energy:
        """What was used so far, with earlier sittings."""
        self._read()
        notes, measured = [], []
        if self.counters is not None:
            processor = self.counters.joules
            measured.append("processor")
            notes.append("processor: its own energy counters, other programs on the machine included")
        else:
            watts, model = core_watts(self.processor)
            processor = (busy_seconds() - self.busy) * watts * self.processes
            notes.append(f"processor: time in use times {watts:g} W a core ({model})")
        if self.watts:
            measured.append("gpus")
            notes.append(f"GPU: the power nvidia-smi reported, every {SAMPLING:g} s")
        elif self.watch_gpus:
            notes.append("GPU: not counted, nothing here reports its power")
        if self.processes > 1:
            notes.append(f"{self.processes} processes: this one's GPUs and estimated time, times {self.processes}")
        notes.append("memory, disks, cooling (PUE 1) and the making of the machine are left out")
        world = "the world's average in 2024 (Ember)" if self.intensity == GRID_INTENSITY else "as set"
        notes.append(f"electricity: {self.intensity:g} g of CO2 a kilowatt-hour, {world}")
        return Energy(
            processor=processor + self.spent.get("processor_joules", 0.0),
            gpus=self.gpus * self.processes + self.spent.get("gpu_joules", 0.0),
            seconds=time.perf_counter() - self.started + self.spent.get("seconds", 0.0),
            intensity=self.intensity,
            measured=tuple(measured),
            notes=tuple(notes),
        )
