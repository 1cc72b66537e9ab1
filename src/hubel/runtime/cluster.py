"""Places on a cluster of Ray, or on one that is started here; the extra `cluster`.

A place is an actor with its cores and, where the cluster has them, one GPU. A place that is lost (its machine, its
process, its memory) costs the job it had: that is given to another, and a new place is asked for. Nothing is sent but
the names of functions of ours and plain data: hubel must be installed on all machines, in the same version, and files
lie where all machines see them.

Ray has no password: who reaches its ports runs what he likes. It belongs into a network of one's own.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import platform
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, Self

import torch

from hubel.errors import HubelError, UsageError, missing_extra
from hubel.runtime.places import HERE, Done, Here, Make, Places, Several, check_where
from hubel.runtime.threading import threads
from hubel.watching import SILENT, Watcher
from hubel.words import plural

LOSSES = 3
"""Places that a job may lose before it is given up."""
PATIENCE = 120.0
"""Seconds that no place may begin before that is said, or given up where no machine is left that could hold one."""


def versions() -> dict[str, str]:
    """What must be the same on all machines: answers and states are written by one and read by the other."""
    return {"Python": ".".join(platform.python_version_tuple()[:2]), "hubel": version("hubel"),
            "torch": torch.__version__.partition("+")[0]}  # fmt: skip


class Place:
    """What runs at a place: made when the first job comes, then one job after the other."""

    def __init__(self, make: Make, about: Sequence[Any], cores: int) -> None:
        self.make, self.about, self.cores = make, tuple(about), cores
        self.do: Callable[[Any], Any] | None = None

    def begins(self) -> tuple[str, dict[str, str]]:
        """The name of the machine, and what is installed there."""
        return platform.node(), versions()

    def work(self, job: Any) -> tuple[Any, HubelError | None]:
        """Do a job; what is wrong with it is told, and a fault of ours is raised."""
        with threads(self.cores):
            try:
                self.do = self.do or self.make(*self.about)
                return self.do(job), None
            except HubelError as error:
                return None, error


class Joined:
    """A cluster that is joined in `with`, and what it has room for: places with so many cores, and a GPU if asked."""

    def __init__(self, on: str, *, cores: int, gpu: bool) -> None:
        """`gpu`: a GPU for each place, where there are any."""
        self.ray: Any = _ray(on)
        self.on, self.cores, self.gpu = on, cores, gpu
        self._ours, self._nowhere = False, ""

    def __enter__(self) -> Self:
        self._ours = not self.ray.is_initialized()
        if self._ours:
            self._nowhere = tempfile.mkdtemp(prefix="hubel-")
        try:
            if self._ours:
                _join(self.ray, self.on, self._nowhere)
            self.gpu = self.gpu and any(self._gpus(node) for node in self.nodes)
            if not self.room:
                raise self.no_room()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            self.ray.shutdown()
            shutil.rmtree(self._nowhere, ignore_errors=True)

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """The machines that are up."""
        return [node for node in self.ray.nodes() if node["Alive"]]

    @property
    def room(self) -> int:
        """Places that all machines could hold if nobody else were there."""
        return sum(self._room(node) for node in self.nodes)

    def told(self, count: int, what: str = "place") -> str:
        """So many places of it, in words."""
        return (
            f"{plural(count, what)} on {plural(len(self.nodes), 'machine')} of the cluster, each "
            f"with {plural(self.cores, 'core')}{' and a GPU' if self.gpu else ''}"
        )

    def no_room(self) -> HubelError:
        """The error for a cluster without a place, with what it has."""
        have = ", ".join(f"{node['Resources'].get('CPU', 0):g}" for node in self.nodes) or "none"
        what = f"no machine of the cluster has {plural(self.cores, 'core')} for a place; cores of each: {have}"
        return UsageError(what, hint="ask for fewer with --threads, or add a machine: ray start --address HOST:6379")

    def _room(self, node: dict[str, Any]) -> int:
        places = int(node["Resources"].get("CPU", 0) // self.cores)
        return min(places, self._gpus(node)) if self.gpu else places

    def _gpus(self, node: dict[str, Any]) -> int:
        return int(node["Resources"].get("GPU", 0))


class Cluster(Several):
    """Places on a cluster, joined in `with`."""

    losses = LOSSES

    def __init__(
        self, on: str, make: Make, about: Sequence[Any], *, cores: int, gpu: bool, most: int, watch: Watcher
    ) -> None:
        """`cores` of each place; `gpu`: a GPU each, where there are any; `most` places are asked for."""
        super().__init__()
        self.joined = Joined(on, cores=cores, gpu=gpu)
        self.ray = self.joined.ray
        self.make, self.about, self.most, self.watch = make, tuple(about), most, watch
        self._starting: dict[Any, Any] = {}
        self._idle: list[Any] = []
        self._away: dict[Any, tuple[Any, int]] = {}

    def __enter__(self) -> Self:
        self.joined.__enter__()
        count = min(self.joined.room, self.most)
        try:
            for _ in range(count):
                self._start()
        except BaseException:
            self.__exit__()
            raise
        self.watch.remark(self.joined.told(count))
        return self

    def __exit__(self, *_: object) -> None:
        hands = [*self._starting.values(), *self._idle, *(hand for hand, _ in self._away.values())]
        for hand in hands:
            self.ray.kill(hand)
        self.joined.__exit__()

    @property
    def free(self) -> bool:
        """Is there a place, begun or beginning, without a job?"""
        return len(self._waiting) < len(self._idle) + len(self._starting)

    def take(self) -> Done:
        """Wait for the next job that is done. Raises HubelError where no place is left."""
        since = time.monotonic()
        while True:
            self._send()
            ready, _ = self.ray.wait([*self._away, *self._starting], num_returns=1, timeout=5.0)
            if not ready:
                since = self._look(since)
                continue
            if ready[0] in self._starting:
                self._begun(ready[0])
                continue
            done = self._back(ready[0])
            if done is not None:
                del self._given[done.key]
                return done

    def _send(self) -> None:
        while self._waiting and self._idle:
            key, job = self._waiting.popleft()
            hand = self._idle.pop()
            self._away[hand.work.remote(job())] = (hand, key)

    def _start(self) -> None:
        kind = self.ray.remote(Place).options(num_cpus=self.joined.cores, num_gpus=1 if self.joined.gpu else 0)
        hand = kind.remote(self.make, self.about, self.joined.cores)
        self._starting[hand.begins.remote()] = hand

    def _begun(self, ref: Any) -> None:
        hand = self._starting.pop(ref)
        try:
            machine, there = self.ray.get(ref)
        except self.ray.exceptions.RayError as error:
            self._lose("", error)
            return
        self._idle.append(hand)
        check_versions(machine, there)

    def _back(self, ref: Any) -> Done | None:
        hand, key = self._away.pop(ref)
        try:
            result, error = self.ray.get(ref)
        except self.ray.exceptions.RayTaskError as fault:
            raise fault.as_instanceof_cause() from None
        except self.ray.exceptions.RayError as gone:
            if not self._again(key):
                error = HubelError(f"{LOSSES} places were lost with it: {first_line(gone)}")
                self._start()
                return Done(key, error=error, given_up=True)
            self._lose("; its job is done again", gone)
            return None
        self._idle.append(hand)
        return Done(key, result, error)

    def _lose(self, then: str, error: Exception) -> None:
        self.lost += 1
        self.watch.remark(f"a place was lost ({first_line(error)}){then}")
        if self.lost > LOSSES * self.most:
            raise HubelError(f"{self.lost} places were lost one after the other; the last: {first_line(error)}")
        self._start()

    def _look(self, since: float) -> float:
        """Where nothing begins and nothing is done for long: is there still a machine that could do it?"""
        if self._away or self._idle or time.monotonic() - since < PATIENCE:
            return since
        if not self.joined.room:
            raise self.joined.no_room()
        self.watch.remark(f"no place has begun for {PATIENCE:.0f} s: the cluster is busy with other work")
        return time.monotonic()


def share_out(
    on: str,
    make: Make,
    about: Sequence[Any] = (),
    *,
    cores: int = 1,
    gpu: bool = False,
    most: int = 1 << 10,
    watch: Watcher = SILENT,
) -> Places:
    """The places that `on` names: here, local, ray://HOST:PORT or HOST:PORT.

    Raises UsageError, MissingExtra; HubelError, when they are entered, for a cluster that is not there.
    """
    if check_where(on) == HERE:
        return Here(make, about)
    return Cluster(on, make, about, cores=cores, gpu=gpu, most=most, watch=watch)


def address() -> str:
    """Of this machine, as the others of its cluster reach it."""
    return str(importlib.import_module("ray.util").get_node_ip_address())


def check_versions(machine: str, there: dict[str, str]) -> None:
    """Raise UsageError where a machine has other versions than this one.

    >>> check_versions("node-7", versions())
    >>> check_versions("node-7", {**versions(), "hubel": "0.0.1"})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: on node-7 of the cluster hubel is 0.0.1, and here it is ...
      install the same version on all machines
    """
    for name, ours in versions().items():
        if there.get(name) != ours:
            raise UsageError(
                f"on {machine} of the cluster {name} is {there.get(name, 'not there')}, and here it is {ours}",
                hint="install the same version on all machines",
            )


def _ray(on: str) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers otherwise
    os.environ.setdefault("RAY_worker_niceness", "0")  # on a busy machine, places would hardly ever have their turn
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise missing_extra("ray", "cluster", f"--on {on}") from None


def _join(ray: Any, on: str, nowhere: str) -> None:
    """Become a part of the cluster at `on`, or start one here. Raises HubelError where there is none.

    `nowhere`: an empty folder that stays as long as the cluster does.
    """
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    hint = "is it up? ray start --head there, and from outside ray://HOST:10001 with the extra installed there, too"
    if on != "local":
        host, _, port = on.removeprefix("ray://").rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError as error:
            raise HubelError(f"no cluster answers at {on}: {error.strerror or error}", hint=hint) from None
    try:
        # Ray lets its workers import from the folder that one stands in, and they stand there; so it is an empty one.
        with contextlib.chdir(nowhere):
            if on == "local":
                ray.init(address="local", include_dashboard=False, **quiet)
            else:
                ray.init(address=on, **quiet)
    except Exception as error:  # whatever Ray raises: of the network, of versions that differ, of its own
        raise HubelError(f"the cluster at {on} cannot be joined: {first_line(error)}", hint=hint) from error


def first_line(error: Exception) -> str:
    """The first line of what another package says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
