"""Leaving in good order and coming back: signals, what must be equal for equal bits, and which run to go on with."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from hubel.checkpoint import generations
from hubel.errors import ArtefactError, UsageError
from hubel.recipes.continuing import asked, plainly, unlike
from hubel.recipes.schema import compose, read_file
from hubel.store import RunStore

ASKED = "asked.json"
"""What the user said of the recipe, in the run's folder; config.yaml has the choices, too."""
GRACE = 2.0
"""Seconds in which a repeated Ctrl-C counts as the same one (wrappers pass it on, terminals send it to everybody)."""
DECISIVE = ("torch", "device", "device_name", "threads", "processor")
"""What must be equal for a resumed run to have the same bits: torch promises no more than that."""


class Signals:
    """Inside the block SIGTERM, SIGINT and SIGHUP ask to stop instead of killing; afterwards all is as it was.

    The loop looks at `received` between steps, saves, and leaves with `exit_code`. A Ctrl-C that comes more than two
    seconds after the first request raises KeyboardInterrupt at once: saves are atomic, so even that harms nothing.
    A signal that was ignored at the start (nohup) stays ignored. Outside the main thread the block does nothing.

    >>> with Signals() as signals:
    ...     os.kill(os.getpid(), signal.SIGTERM)
    ...     signals.received, signals.exit_code
    ('SIGTERM', 143)
    """

    def __init__(self) -> None:
        self._number = 0
        self._at = 0.0
        self._pid = os.getpid()
        self._before: dict[int, Any] = {}

    @property
    def received(self) -> str:
        """The name of the first signal that came, or ""."""
        return signal.Signals(self._number).name if self._number else ""

    @property
    def exit_code(self) -> int:
        """128 plus the number of the signal, as shells have it; 0 if none came."""
        return 128 + self._number if self._number else 0

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGTERM", "SIGINT", "SIGHUP"):
                number = getattr(signal, name, None)  # Windows has no SIGHUP
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:  # a forked worker is no trainer: it dies as it would have
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif not self._number:
            self._number, self._at = number, time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._at > GRACE:
            raise KeyboardInterrupt


def differences(saved: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """What has changed between two `runtime.environment()`s so that the resumed run may have other bits.

    >>> differences({"torch": "2.13.0", "threads": 2}, {"torch": "2.13.0", "threads": 1})
    ['threads: 2 when it was saved, 1 now']
    """
    return [
        f"{key}: {saved[key]} when it was saved, {here[key]} now"
        for key in DECISIVE
        if key in saved and key in here and saved[key] != here[key]
    ]


def latest_unfinished(runs: str | Path, wanted: Mapping[str, Any] | None = None) -> tuple[Path | None, str]:
    """The run in the folder `runs` that saved its state last and has not finished, and why others were passed over.

    With `wanted` (as `hubel.recipes.continuing.asked` tells a recipe) only a run of the same data and recipe is taken.
    A run is finished when its summary.json, the last file it writes, says so.
    """
    found: list[tuple[float, Path]] = []
    others: list[tuple[float, str]] = []
    for folder in sorted(Path(runs).glob("*/state")):
        store = RunStore(folder.parent)
        try:
            summary = store.read_json("summary.json") if store.exists("summary.json") else {}
            if summary.get("status") != "finished" and generations(store):
                newest = store.path(f"state/{generations(store)[-1]:06d}.json").stat().st_mtime
                differs = () if wanted is None else _unlike(store, wanted)
                if differs:
                    others.append((newest, f"{folder.parent} differs in {', '.join(differs[:3])}"))
                else:
                    found.append((newest, folder.parent))
        except (ArtefactError, UsageError, OSError, AttributeError):
            continue
    return (max(found)[1], "") if found else (None, max(others)[1] if others else "")


def _unlike(store: RunStore, wanted: Mapping[str, Any]) -> tuple[str, ...]:
    """In which settings a run was asked for otherwise; an older run that did not write them down is compared whole."""
    if store.exists(ASKED):
        known = store.read_json(ASKED)
        return unlike(known, wanted) if isinstance(known, dict) else ("recipe",)
    recipe = compose(read_file(store.path("config.yaml")))
    whole = {**plainly(recipe), **asked(recipe)}
    return tuple(name for name, value in wanted.items() if whole.get(name) != value)
