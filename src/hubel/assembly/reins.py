"""What a training does of what it is asked while it is under way: between two steps, and written down.

Pausing and stepping change no number. Other settings are taken up as `hubel train --resume` takes them up: the state is
saved, the run begins a new segment there, and its training is put together anew from that state. So a run that was
altered and killed resumes to the same bits, whatever came after.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from hubel.assembly.accord import Accord, Verdict
from hubel.errors import HubelError
from hubel.recipes.continuing import Segment
from hubel.records.control import Answer, Log, Order, reply
from hubel.runtime import world
from hubel.store import RunStore
from hubel.training.logbook import Logbook
from hubel.training.loop import finished
from hubel.training.resume import Signals
from hubel.training.state import Training
from hubel.watching import Watcher

POLL = 0.05
"""Seconds between two looks at the log in a pause."""
HEAD = "a head is fitted here, and no epochs are trained: no setting would change anything"


class Reins:
    """The orders to a run, as long as this process trains it; `bind` them to each training that it puts together."""

    def __init__(self, store: RunStore, check: Callable[[Mapping[str, Any]], Segment]) -> None:
        self.store = store
        self.check = check
        """What a run goes on with; raises a HubelError for settings that it cannot take up."""
        self.log = Log(store)
        self.queue = self.log.new()
        """Read and not obeyed yet: what came before this sitting, to begin with."""
        self.earlier = True
        self.waits = False
        self.left: int | None = None
        """Steps until it waits again."""
        self.altering: Order | None = None
        """The order by which the run goes on otherwise, until its new segment has begun."""
        self.accord: Accord | None = None
        """With the other processes, where there are any."""
        self.parting = False
        """Do they know that all leave?"""

    def bind(self, training: Training, book: Logbook, signals: Signals, watch: Watcher, *, fits_head: bool) -> None:
        """From here on this is the training that is meant, and its folder is held."""
        self.training, self.book, self.signals, self.watch = training, book, signals, watch
        self.fits_head = fits_head
        self.accord = Accord(training.step) if world() > 1 else None
        if self.altering is not None:
            self._answer(self.altering)
            self.altering = None
        if self.earlier:
            self.earlier = False
            for order in [order for order in self.queue if order.command != "set"]:
                self._answer(order, "it came when nothing was training here")
            self.queue = [order for order in self.queue if order.command == "set"]

    def refuse(self, error: HubelError) -> None:
        """The settings could not be taken up after all; bind it again to the training as it was."""
        if self.altering is not None:
            self._answer(self.altering, error.what)
            self.watch.remark(f"not taken up: {error.what}")
            self.altering = None

    def obey(self, *, stepped: bool) -> bool:
        """Do what was asked since; True where the loop must be left: to stop, or to go on otherwise."""
        if stepped and self.left is not None:
            self.left -= 1
            if self.left == 0:
                self.left, self.waits = None, True
        if self.accord is None:
            return self._take() or (self.waits and self._wait())
        if not stepped or not self.accord.due(self.training.step):
            return False
        leaves = self._take() or (self.waits and self._wait()) or bool(self.signals.received)
        alters = self.altering is not None and not self.signals.received
        self.parting = leaves and not alters
        verdict = Verdict.ALTER if alters else Verdict.LEAVE if leaves else Verdict.GO
        self.accord.tell(verdict, self.training.step, soon=self.left is not None)
        return leaves

    def part(self) -> None:
        """Let the other processes go, now that everything is saved: whoever starts them may end all with the first."""
        if self.accord is not None and self.parting:
            self.accord.part()

    def _wait(self) -> bool:
        began = time.perf_counter()
        self.book.save()
        self._tell("paused", f"paused; it goes on with: hubel control {self.store.folder} resume")
        try:
            while self.waits and not self.signals.received:
                time.sleep(POLL)
                if self.accord is not None:
                    self.accord.tell(Verdict.WAIT, self.training.step)
                if self._take():
                    return True
            if not self.signals.received and self.left is None:
                self._tell("resumed", "going on")
            return False
        finally:
            self.training.paused += time.perf_counter() - began

    def _take(self) -> bool:
        self.queue += self.log.new()
        while self.queue:
            order = self.queue.pop(0)
            if order.command == "set":
                if self._alters(order):
                    self.altering = order
                    return True
            else:
                self._answer(order)
                if order.command == "save":
                    self.book.save()
                elif order.command == "stop":
                    self._tell("stop", "asked to stop")
                    return True
                else:
                    self.waits = order.command == "pause"
                    self.left = order.steps if order.command == "step" else None
        return False

    def _alters(self, order: Order) -> bool:
        """Will the run go on otherwise? An order that changes nothing is done; one that cannot be is refused."""
        why = HEAD if self.fits_head else ""
        try:
            segment = self.check(order.settings)
            why = why or (self._over(segment) if segment.learns_otherwise else "")
        except HubelError as error:
            segment, why = None, error.what
        if why:
            self._answer(order, why)
            self.watch.remark(f"not taken up: {why}")
            return False
        if segment is None or not segment.changed:
            self._answer(order)
            return False
        self._tell("set", f"taken up after {self.training.step:,} steps: {segment}")
        return True

    def _over(self, segment: Segment) -> str:
        """Why nothing would be left to train; "" where something is."""
        was, self.training.recipe = self.training.recipe, segment.recipe
        try:
            reason = finished(self.training) if self.training.history else ""
        finally:
            self.training.recipe = was
        return f"nothing would be left to train: the end by {reason} is reached" if reason else ""

    def _answer(self, order: Order, refused: str = "") -> None:
        reply(self.store, Answer(id=order.id, step=self.training.step, refused=refused))

    def _tell(self, event: str, text: str) -> None:
        self.book.note({"event": event, "epoch": self.training.epoch + 1, "updates": self.training.step, "told": text})
        self.watch.remark(text)
