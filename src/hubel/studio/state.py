"""What a studio holds while it lives: its places, its jobs, and what was computed last for whoever asks again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from hubel.studio.hands import Hands
from hubel.studio.jobs import Jobs
from hubel.studio.places import Places

Kept = TypeVar("Kept")
MOST = 12
"""Results that are kept: predictions of a run, pictures of a data set."""


class Studio:
    """The state of one server; a restarted one finds runs and jobs on the disk and needs nothing else."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.jobs = Jobs(places.runs)
        self.hands = Hands()
        self.over = threading.Event()
        """Set when the server ends: streams watch it."""
        self.warm = threading.Event()
        """Set when torch and all pages are loaded."""
        self.computing = threading.Lock()
        """Held by whoever lets a net compute: one at a time, since some look into it with hooks."""
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def keep(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """What `make` returns, made once a key; who asks meanwhile waits."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found: Kept = self._kept[key]
                    return found
            made = make()
            with self._lock:
                self._kept[key] = made
                while len(self._kept) > MOST:
                    self._locks.pop(self._kept.popitem(last=False)[0], None)
            return made

    def forget(self, first: str) -> None:
        """Drop everything whose key begins with `first`."""
        with self._lock:
            for key in [key for key in self._kept if isinstance(key, tuple) and key[0] == first]:
                del self._kept[key]
