"""One net trained over the machines of a cluster: torch's own processes, started by Ray, and taken up again.

What runs at each place is `hubel.train` itself, told by its environment that it is one of several, as torchrun tells
it. Here stands what is around it: paths that say the same everywhere, Ctrl-C as an order to the run, and going on from
its last saved state with the places that are left, when one was lost.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubel.assembly.follow import Stopped
from hubel.assembly.onward import is_series, to_resume
from hubel.assembly.read_afar import read_afar
from hubel.assembly.requests import requested
from hubel.checkpoint import generations
from hubel.data.sources import SOURCES
from hubel.errors import HubelError, UsageError
from hubel.recipes.continuing import plainly
from hubel.recipes.schema import Recipe, compose, read_file
from hubel.records.control import give
from hubel.runtime.cluster import LOSSES, Joined
from hubel.runtime.distributed import launched
from hubel.runtime.gang import Do, Gang, Lost
from hubel.runtime.places import HERE, check_where
from hubel.store import RunStore
from hubel.training.resume import Signals
from hubel.watching import Plan, Several, Watcher
from hubel.words import plural

PATHS = ("data", "data_root", "images", "from_", "teacher", "probe_data", "out")
"""Settings that may name a place on the disk."""
RELEASE = 30.0
"""Seconds that the folder of a run may stay held after its processes were ended."""


def goes_far(on: str, processes: int | None, several: Mapping[str, Any]) -> bool:
    """Is a training for a cluster? Raises UsageError for what cannot be together with it."""
    if check_where(on) == HERE:
        if processes is not None:
            raise UsageError("--processes are those of a cluster", hint="with --on local or --on ray://HOST:10001")
        return False
    if processes is not None and processes < 1:
        raise UsageError(f"processes must be at least 1, got {processes}", hint="leave it out to use all places")
    if launched():
        raise UsageError("--on starts processes itself, and torchrun has started this one", hint="leave torchrun out")
    for kind in several:
        raise UsageError(
            f"--on trains one net over several machines, and --{kind} trains several nets",
            hint=f"leave --on or --{kind} out; hubel search --on trains many nets side by side",
        )
    return True


def as_anywhere(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings whose paths are whole, so that they say the same wherever one stands.

    >>> as_anywhere({"data": "digits", "out": "/runs", "epochs": 3})
    {'data': 'digits', 'out': '/runs', 'epochs': 3}
    """
    found = dict(given)
    for name in PATHS:
        value = found.get(name)
        if isinstance(value, str) and value and value not in SOURCES and (name == "out" or os.path.exists(value)):
            found[name] = os.path.abspath(value)
    return found


@dataclass(frozen=True)
class Far:
    """What is to be trained on a cluster."""

    job: Mapping[str, Any]
    """What `hubel.train` takes."""
    recipe: Recipe
    """Says cores and device."""
    out: Path
    """Where the folder of the run is, or will be."""


def far(given: Mapping[str, Any], resume: str | None, watch: Watcher, **how: Any) -> Far:
    """A new run, or one that goes on; `how`: what `hubel.train` takes besides settings, for a new one."""
    if is_series(resume):
        raise UsageError("--on trains one net, and a series has several", hint="leave --on out")
    found, beside = (None, {}) if resume is None else to_resume(resume, given, watch)
    if found is not None:
        job = {"resume": os.path.abspath(found), **as_anywhere(beside)}
        return Far(job, compose(read_file(found / "config.yaml")), Path(os.path.abspath(found)).parent)
    recipe = requested(given)
    whole = plainly(recipe)
    job = as_anywhere({"out": whole["out"], **{name: whole[name] for name in given}})
    return Far({**job, **how}, recipe, Path(job["out"]))


@dataclass
class Told(Watcher):
    """Remembers which folder the run is in, and which epoch it is at."""

    folder: str = ""
    epoch: int = 0

    def training(self, plan: Plan) -> None:
        """It is in a folder now."""
        self.folder, self.epoch = plan.run, plan.epoch


class Expedition:
    """A training on a cluster, from its first start to its end."""

    def __init__(self, on: str, processes: int | None, do: Do, watch: Watcher) -> None:
        """`do` trains at each place: a mapping of what `hubel.train` takes, and whom to tell; the folder comes back."""
        self.on, self.processes, self.do, self.watch = on, processes, do, watch
        self.told = Told()
        self.asked = False

    def train(self, far: Far) -> Path:
        """The run, trained to its end.

        Raises what the training raises, Stopped among it; HubelError where places are lost again and again.
        """
        train, out = far.recipe.train, far.out
        out.mkdir(parents=True, exist_ok=True)
        if "resume" not in far.job:
            read_afar(far.recipe, self.on, self.watch)
        with Joined(self.on, cores=train.threads or 1, gpu=train.device != "cpu") as joined, Signals() as self.signals:
            count = self._count(joined)
            self.watch.remark(f"{joined.told(count, 'process')}; the run is written into {out}, which all must see")
            mark = out / f".hubel-{secrets.token_hex(6)}"
            mark.touch()
            try:
                return self._to_the_end(joined, count, dict(far.job), [str(mark), *_paths(far.job)])
            finally:
                mark.unlink(missing_ok=True)

    def _count(self, joined: Joined) -> int:
        room = joined.room
        if self.processes is not None and self.processes > room:
            raise UsageError(
                f"{plural(self.processes, 'process')} asked for, and the cluster has {plural(room, 'place')} of "
                f"{plural(joined.cores, 'core')}{' and a GPU' if joined.gpu else ''}",
                hint=f"--processes {room}, fewer --threads, or more machines: ray start --address HOST:6379",
            )
        return self.processes or room

    def _to_the_end(self, joined: Joined, count: int, job: dict[str, Any], paths: list[str]) -> Path:
        gang = Gang(joined, Several(self.told, self.watch), self._obey)
        losses, reached = 0, -1
        while True:
            try:
                return Path(gang.compute(count, self.do, job, paths))
            except Stopped:
                raise Stopped(Path(self.told.folder), self.signals) from None
            except Lost as lost:
                if self.asked:
                    raise Stopped(Path(self.told.folder), self.signals) from None
                losses = 1 if self.told.epoch > reached else losses + 1
                reached = self.told.epoch
                left = min(count, self._left(joined))
                if losses >= LOSSES or not left:
                    raise self._given_up(lost, losses) from None
                resume = self._saved()
                since = f"from what is saved in {resume}" if resume else "from the start: nothing had been saved"
                self.watch.remark(
                    f"a place was lost ({lost.what}); taken up again by {plural(left, 'process')} {since}"
                )
                count = left
                if resume and "resume" not in job:
                    job = {"resume": resume}

    def _obey(self) -> None:
        """Ctrl-C here is an order to the run; before there is one, all simply ends."""
        if not self.signals.received or self.asked:
            return
        self.asked = True
        if not self.told.folder:
            error = HubelError(f"stopped by {self.signals.received} before the training began; nothing is kept")
            error.exit_code = self.signals.exit_code
            raise error
        give(RunStore(self.told.folder), "stop")

    def _left(self, joined: Joined) -> int:
        """Places that are left, once the cluster knows what it has lost."""
        since = time.monotonic()
        while self.told.folder and RunStore(self.told.folder).is_held() and time.monotonic() - since < RELEASE:
            time.sleep(0.2)
        return joined.room

    def _saved(self) -> str:
        """The folder to go on in; "" where no state has been saved in it."""
        folder = self.told.folder
        return folder if folder and generations(RunStore(folder)) else ""

    def _given_up(self, lost: Lost, losses: int) -> HubelError:
        resume = self._saved()
        hint = f"go on: hubel train --resume {resume}, here or with --on" if resume else "nothing had been saved"
        return HubelError(f"{plural(losses, 'place')} lost one after the other; the last: {lost.what}", hint=hint)


def _paths(job: Mapping[str, Any]) -> list[str]:
    """What of a job lies on the disk, besides the folder of runs."""
    found = [str(job[name]) for name in (*PATHS[:-1], "resume") if name in job]
    return [path for path in found if os.path.isabs(path)]
