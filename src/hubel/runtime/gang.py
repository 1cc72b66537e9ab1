"""Processes on a cluster that compute together, each at a place of its own, as torchrun starts them on one machine.

Ray finds the places, all at once or none, and starts a process at each; the first names an address where they meet, and
what meets there is torch's own process group: gloo between CPUs, nccl between GPUs. They live and die together: where
one is lost, the others wait for it in vain, so all are ended and `Lost` is raised.

    with Joined("local", cores=1, gpu=False) as joined:
        Gang(joined, watch).compute(2, do, job)      # do(job, watch) runs in both; what the first returns comes back
"""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hubel.errors import HubelError, UsageError
from hubel.runtime.cluster import PATIENCE, Joined, address, check_versions, first_line, versions
from hubel.runtime.telling import Said, Teller, pass_on
from hubel.runtime.threading import threads
from hubel.watching import Watcher
from hubel.words import plural

Do = Callable[[Any, Watcher], Any]
"""What all of them do: a job, and whom to tell of it. It is sent as a name, so it stands in a module."""
LOOK = 0.2
"""Seconds between two looks at how it goes."""
PARTING = 30.0
"""Seconds that the others have to end when one has ended in error, before they are ended."""


class Lost(HubelError):
    """A place was lost (its machine, its process, its memory), and with it what all were doing."""


class Member:
    """One of them, an actor of Ray. While it computes, another thread of it answers what was said so far."""

    def __init__(self, cores: int) -> None:
        self.cores, self.teller = cores, Teller()

    def begins(self, paths: Sequence[str]) -> dict[str, Any]:
        """Which machine this is, what is installed there, and which of these paths it does not see."""
        return {"machine": platform.node(), "address": address(), "versions": versions(),
                "unseen": [path for path in paths if not os.path.lexists(path)]}  # fmt: skip

    def port(self) -> int:
        """A port of this machine that nobody uses now."""
        with socket.create_server(("", 0)) as server:
            return int(server.getsockname()[1])

    def work(self, do: Do, job: Any, environment: Mapping[str, str], command: Sequence[str]) -> tuple[Any, Any]:
        """What came of it, and what it ended with; what is no HubelError is a fault of ours, and is raised."""
        os.environ.update(environment)
        sys.argv[:] = command
        try:
            with threads(self.cores):
                return do(job, self.teller), None
        except HubelError as error:
            return None, error

    def said(self) -> list[Said]:
        """What was told since the last time."""
        return self.teller.take()


class Gang:
    """Starts them, listens to the first, and ends them."""

    def __init__(self, joined: Joined, watch: Watcher, between: Callable[[], None] = lambda: None) -> None:
        """`between`: called a few times a second while they are waited for; what it raises ends them."""
        self.joined, self.ray, self.watch, self.between = joined, joined.ray, watch, between

    def compute(self, count: int, do: Do, job: Any, paths: Sequence[str] = ()) -> Any:
        """What `do(job, watch)` returns in the first of `count` processes; all of them have the same job.

        `paths` must be seen by all machines. Raises what it raised; Lost for a place that was lost, UsageError for a
        machine that has other versions or does not see a path.
        """
        with self._places(count) as bundles:
            hands = []
            try:
                kind = self.ray.remote(
                    num_cpus=self.joined.cores, num_gpus=int(self.joined.gpu), concurrency_groups={"ear": 1}
                )(Member)
                hands = [kind.options(scheduling_strategy=bundle).remote(self.joined.cores) for bundle in bundles]
                there = self._all([hand.begins.remote(list(paths)) for hand in hands])
                self._check(there)
                port = self._all([hands[0].port.remote()])[0]
                met = environments([one["address"] for one in there], port, own_gpus=self.joined.gpu)
                return self._listen(hands, [
                    hand.work.remote(do, job, each, list(sys.argv)) for hand, each in zip(hands, met, strict=True)
                ])  # fmt: skip
            finally:
                for hand in hands:
                    self.ray.kill(hand)

    @contextlib.contextmanager
    def _places(self, count: int) -> Iterator[list[Any]]:
        """So many places, all at once."""
        util = self.ray.util
        bundle = {"CPU": self.joined.cores} | ({"GPU": 1} if self.joined.gpu else {})
        group = util.placement_group([bundle] * count, strategy="PACK")
        try:
            since = time.monotonic()
            while not group.wait(1):
                self.between()
                if self.joined.room < count:
                    raise Lost(f"the cluster has {plural(self.joined.room, 'place')} left")
                if time.monotonic() - since > PATIENCE:
                    self.watch.remark(f"no places for {PATIENCE:.0f} s: the cluster is busy with other work")
                    since = time.monotonic()
            strategy = util.scheduling_strategies.PlacementGroupSchedulingStrategy
            yield [strategy(group, placement_group_bundle_index=index) for index in range(count)]
        finally:
            util.remove_placement_group(group)

    def _all(self, references: list[Any]) -> list[Any]:
        """What comes of them, waited for as long as it takes."""
        waiting = references
        while waiting:
            self.between()
            _, waiting = self.ray.wait(waiting, num_returns=len(waiting), timeout=LOOK)
        try:
            return list(self.ray.get(references))
        except self.ray.exceptions.RayTaskError as fault:
            raise fault.as_instanceof_cause() from None
        except self.ray.exceptions.RayError as gone:
            raise Lost(first_line(gone)) from None

    def _check(self, there: list[dict[str, Any]]) -> None:
        for one in there:
            check_versions(one["machine"], one["versions"])
            if one["unseen"]:
                raise UsageError(
                    f"{one['machine']} ({one['address']}) does not see {one['unseen'][0]}",
                    hint="data and --out must lie in a folder that all machines of the cluster see, by the same path",
                )

    def _listen(self, hands: list[Any], working: list[Any]) -> Any:
        """Pass on what the first says until all have ended; where one ends in error, the others soon must."""
        pending, first, until = list(working), hands[0], float("inf")
        ear = first.said.options(concurrency_group="ear").remote()
        while pending and time.monotonic() < until:
            self.between()
            done, pending = self.ray.wait(pending, num_returns=len(pending), timeout=LOOK)
            ear = self._hear(first, ear)
            if until == float("inf") and any(not self._well(one) for one in done):
                until = time.monotonic() + PARTING
        for _ in range(2):  # what is on its way, and what was said since
            self.ray.wait([ear], timeout=5.0)
            ear = self._hear(first, ear)
        return self._outcome(working, pending)

    def _hear(self, first: Any, ear: Any) -> Any:
        if not self.ray.wait([ear], timeout=0)[0]:
            return ear
        with contextlib.suppress(self.ray.exceptions.RayError):
            pass_on(self.ray.get(ear), self.watch)
        return first.said.options(concurrency_group="ear").remote()

    def _well(self, working: Any) -> bool:
        try:
            return self.ray.get(working)[1] is None
        except self.ray.exceptions.RayError:
            return False

    def _outcome(self, working: list[Any], pending: list[Any]) -> Any:
        """What the first returned; else the error that explains the others' best.

        A process that is lost breaks the others' exchange: so a loss comes first, then what somebody said, then what
        was raised.
        """
        results, said, raised, lost = [], [], [], []
        for one in working:
            if one in pending:
                continue
            try:
                result, error = self.ray.get(one)
                results.append(result)
                said += [error] if error is not None else []
            except self.ray.exceptions.RayTaskError as fault:
                raised.append(fault)
            except self.ray.exceptions.RayError as gone:
                lost.append(gone)
        if lost:
            raise Lost(first_line(lost[0]))
        if said:
            raise said[0]
        if pending or any(_broken(fault.as_instanceof_cause()) for fault in raised):
            raise Lost("a machine does not answer any more")
        if raised:
            raise raised[0].as_instanceof_cause() from None
        return results[0]


def environments(addresses: Sequence[str], port: int, *, own_gpus: bool) -> list[dict[str, str]]:
    """What torchrun would tell each process, given the address of its machine; they meet at the first.

    `own_gpus`: each sees its own GPU alone.

    >>> [first, second] = environments(["10.0.0.1", "10.0.0.2"], 29500, own_gpus=False)
    >>> second["RANK"], second["LOCAL_RANK"], second["WORLD_SIZE"], second["MASTER_ADDR"]
    ('1', '0', '2', '10.0.0.1')
    """
    name = f"hubel-{secrets.token_hex(4)}"
    found = []
    for rank, machine in enumerate(addresses):
        local, beside = (0, 1) if own_gpus else (addresses[:rank].count(machine), addresses.count(machine))
        found.append({
            "RANK": str(rank), "WORLD_SIZE": str(len(addresses)), "LOCAL_RANK": str(local),
            "LOCAL_WORLD_SIZE": str(beside), "MASTER_ADDR": addresses[0], "MASTER_PORT": str(port),
            "TORCHELASTIC_RUN_ID": name,
        })  # fmt: skip
    return found


def _broken(error: BaseException) -> bool:
    """Did an exchange end because the other end is gone? torch has a RuntimeError for it, in gloo's or nccl's words."""
    words = ("connection", "connect", "peer", "socket", "nccl", "gloo", "timed out", "store")
    return isinstance(error, (RuntimeError, OSError)) and any(word in str(error).casefold() for word in words)
