"""A training that is ready, run to its end: what the loop tells is logged, saved and passed on, whatever comes between.

    with kept(store, ready, watch, reins) as run:    the folder is this process's, signals and orders are obeyed
        summary = run.to_its_end()            every event; a save now and then; the last one
        …                                     the folder is still held: results are written into it

With several processes the first keeps the run so, and the others compute `beside` it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hubel import runtime
from hubel.assembly.accord import Accord, Verdict
from hubel.assembly.looking import looks_at
from hubel.assembly.ready import Ready
from hubel.assembly.reins import Reins
from hubel.assembly.transfer.head import events, only_head
from hubel.assembly.transfer.plan import learnt
from hubel.errors import HubelError
from hubel.events import Collapsed, EpochDone, Event, Finished, MicroBatchHalved, Skipped, StepDone, ThreadsChanged
from hubel.recipes.continuing import Segment
from hubel.records.folder import begin_segment
from hubel.store import RunStore, SaveFailed
from hubel.training.energy import Meter
from hubel.training.logbook import Logbook, RankLog
from hubel.training.loop import NonFinite, fit
from hubel.training.resume import Signals
from hubel.watching import Watcher
from hubel.words import plain

STOPPED = 130
"""Exit code of a run that an order stopped: that of Ctrl-C, which does the same."""
ROLLBACKS = 3
"""How often a run may go back to its last saved state before it gives up."""


class Stopped(HubelError):
    """A signal asked the run to stop; it can be resumed."""

    def __init__(self, folder: Path, signals: Signals) -> None:
        super().__init__(
            f"stopped by {signals.received or 'an order'}; everything so far is saved in {folder}",
            hint=f"go on: hubel train --resume {folder}",
        )
        self.folder = folder
        self.exit_code = signals.exit_code or STOPPED


class Remarked(Protocol):
    """Something that is said of a training while it runs, and written down."""

    @property
    def told(self) -> str:
        """As a remark."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the log."""


Attending = Callable[[Event], Iterable[Remarked]]
"""Asked with every event what there is to say."""


def nobody(event: Event) -> Iterable[Remarked]:
    """Says nothing."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A training whose folder is held."""

    store: RunStore
    ready: Ready
    book: Logbook
    meter: Meter
    signals: Signals
    watch: Watcher
    reins: Reins
    attend: Attending = nobody

    def to_its_end(self, until: int | None = None) -> dict[str, Any] | None:
        """Run the loop, logging and saving; what is known at its end, for summary.json.

        None where it was asked to go on otherwise (`reins.altering`), or where `until` epochs are done and more would
        follow: its state is saved. Raises Stopped when a signal or an order asked for it, NonFinite, SaveFailed;
        summary.json then says why it stopped.
        """
        store, training = self.store, self.ready.training
        try:
            finished = self._events(until)
            self.book.save(finished=finished is not None)
        except (NonFinite, SaveFailed) as error:
            store.sweep()
            with suppress(SaveFailed):  # the disk may still be full; the error itself is the news
                self._stopped(error.what)
            raise
        store.sweep()  # the room of the oldest state is not needed any more
        if finished is None and not self.signals.received and self.reins.altering is not None:
            return None
        if finished is None and not self.signals.received and until is not None and training.epoch >= until:
            self._stopped(f"asked for {until} epochs so far")
            return None
        if finished is None:
            self._stopped(self.signals.received or "order")
            self.reins.part()
            self.watch.done()
            raise Stopped(store.folder, self.signals)
        return {
            "status": "finished",
            "reason": finished.reason,
            "epochs": finished.epochs,
            "seconds": finished.seconds,
            "preparation_seconds": self.ready.prepared.seconds,
            "parameters": sum(p.numel() for p in training.model.parameters()),
            **learnt(training),
            "best": plain(training.best),
            "energy": self.meter.energy().to_dict(),
        }

    @property
    def _last(self) -> int:
        """The number of epochs after which it ends by itself."""
        return self.ready.training.recipe.train.epochs or 1

    def _stopped(self, reason: str) -> None:
        best = plain(self.ready.training.best)
        self.store.write_json("summary.json", {"status": "stopped", "reason": reason, "best": best})

    def _events(self, until: int | None) -> Finished | None:
        """Read the loop to its end; None if a signal asked to stop, or `until` epochs are done.

        Rolls back where the recipe says so.
        """
        training = self.ready.training
        for attempt in range(ROLLBACKS + 1):
            try:
                if self.reins.obey(stepped=False):
                    return None
                for event in events(training, self.ready.prepared, self.watch, self.ready.seen):
                    self.book.event(event)
                    self.watch.event(event)
                    for one in self.attend(event):
                        self.book.note({"event": "finding", **one.to_dict()})
                        self.watch.remark(one.told)
                    if isinstance(event, (Skipped, MicroBatchHalved, ThreadsChanged, Collapsed)):
                        self.watch.remark(event.told)
                    if isinstance(event, Finished):
                        return event
                    if self.reins.obey(stepped=isinstance(event, StepDone)) or self.signals.received:
                        return None
                    if until is not None and isinstance(event, EpochDone) and until <= event.epoch + 1 < self._last:
                        return None
            except NonFinite as error:
                if training.recipe.train.on_nonfinite != "rollback" or attempt == ROLLBACKS:
                    raise
                self.book.roll_back(error)
                self.watch.remark(f"{error.what}; back to step {training.step}, that step will be left out")
        return None


@contextmanager
def kept(
    store: RunStore,
    ready: Ready,
    watch: Watcher,
    reins: Reins,
    state: Mapping[str, Any] | None = None,
    segment: Segment | None = None,
    attend: Attending = nobody,
) -> Iterator[Kept]:
    """Hold the folder of a run while it is trained; inside, signals and orders are obeyed and energy is counted.

    `state`: what was saved beside the tensors, when the run is resumed; `segment`: what is new from here on; `attend`
    is asked with every event what there is to say, which is told and written into the log.
    """
    training, saved = ready.training, state or {}
    watch.training(ready.plan(str(store.folder)))
    meter = Meter(
        processor=str(runtime.environment()["device_name"]),
        intensity=training.recipe.run.grid_intensity,
        watch_gpus=training.device.type == "cuda",
        processes=runtime.world(),
        spent=saved.get("energy"),
    )
    with store.lock(), Signals() as signals, meter:
        store.sweep()
        for name, size in saved.get("logs", {}).items():
            store.rewind(name, size)
        if segment is not None and segment.changed:
            begin_segment(
                store, segment, epoch=training.epoch, step=training.step, steps=training.steps_per_epoch,
                best=plain(training.best),
            )  # fmt: skip
        if training.recipe.train.vitals:  # here and not where it is put together: trials take no looks
            training.looks = looks_at(training, ready.prepared)
        book = Logbook(store, training, ready.subject, meter, watch)
        book.begin()
        reins.bind(training, book, signals, watch, fits_head=only_head(ready.prepared, training.model))
        yield Kept(
            store=store, ready=ready, book=book, meter=meter, signals=signals, watch=watch, reins=reins, attend=attend
        )  # fmt: skip


def beside(store: RunStore, ready: Ready) -> bool:
    """Train as one of the other processes of a run: compute, and write nothing but a log of one's own.

    False where the first process says that the run goes on otherwise, from the state that it saves. What else it says
    between two steps is done here, too (`hubel.assembly.accord`). Signals come to all processes at once. The first must
    not lose us in the middle of an exchange: it stops between two steps and saves, and when it is gone our next
    exchange fails.
    """
    training = ready.training
    log, accord = RankLog(store, training.device), Accord(training.step)
    with Signals() as signals:
        try:
            for event in fit(training):
                log.event(event)
                if not isinstance(event, StepDone) or not accord.due(training.step):
                    continue
                said, waited = accord.hear(training.step)
                training.paused += waited
                if said is Verdict.ALTER:
                    return False
                if said is Verdict.LEAVE:
                    log.line({"event": "stopped", "reason": signals.received or "order"})
                    accord.part()
                    raise Stopped(store.folder, signals)
        except RuntimeError:
            if not signals.received:
                raise
            log.line({"event": "stopped", "reason": signals.received})
            raise Stopped(store.folder, signals) from None
    return True
