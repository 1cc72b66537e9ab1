"""The doctor beside a training: at the end of each epoch, from the loop's own numbers, which costs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch

from hubel.assembly.ready import Ready
from hubel.diagnosis.checks import Stage
from hubel.diagnosis.examining import examine, examine_record
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.of_net import judge_maps
from hubel.diagnosis.of_parts import look_across
from hubel.diagnosis.recipe import patient_of, stages_of
from hubel.diagnosis.record import Record
from hubel.errors import UsageError
from hubel.events import EpochDone, Event, Overflowed, Skipped, Vitals
from hubel.runtime.distributed import launched
from hubel.training.state import Training
from hubel.watching import Watcher

__all__ = ["Attendant", "Finding", "at_a_glance", "check_doctor", "check_up", "for_one_run"]

WHILE: tuple[Stage, ...] = ("during",)


class Attendant:
    """Asked with every event of a training; answers with what is new to say. Silent for a healthy one."""

    def __init__(self, training: Training, before: Sequence[Finding] = (), known: Iterable[str] = ()) -> None:
        """`before`: what a check-up has found already, said with the first event; `known`: what was said earlier."""
        self.training = training
        self.before = [one for one in before if one.severity != "note"]
        self.known = {*known, *(one.id for one in before)}
        self.skipped = 0
        self.overflows: list[int] = []
        self.vitals: list[dict[str, dict[str, float]]] = []

    def __call__(self, event: Event) -> Iterator[Finding]:
        """The findings that this event gives rise to, each once in a run."""
        yield from self.before
        self.before = []
        self.skipped += isinstance(event, Skipped)
        if isinstance(event, Overflowed):
            self.overflows.append(event.steps)
        if isinstance(event, Vitals):
            self.vitals.append(event.parts)
        if isinstance(event, EpochDone):
            training = self.training
            record = Record(
                name="", rows=training.history, vitals=self.vitals, skipped=self.skipped,
                overflows=self.overflows, steps=training.steps_per_epoch,
                recipe=training.recipe.model_dump(mode="json"),
            )  # fmt: skip
            for one in examine_record(record, WHILE).findings:
                if one.id not in self.known and one.severity != "note":
                    self.known.add(one.id)
                    yield one


def for_one_run(wanted: bool) -> None:
    """Raise UsageError where a check-up is wanted before a whole series of runs."""
    if wanted:
        raise UsageError("--doctor goes with one run, not with a series", hint="hubel doctor DATA, before it")


def at_a_glance(ready: Ready) -> tuple[Finding, ...]:
    """What is said before every new run: of what its parts share, and of one that starts from nothing what one picture
    says. Its training begins as if nobody looked."""
    shared = tuple(look_across(ready.prepared))
    if ready.facts or ready.prepared.preprocessing is None:
        return shared
    run = ready.training
    image = torch.zeros(1, *ready.prepared.decoded.images.shape[1:], device=run.device)
    net = run.model if run.objective is not None else run.task.answering(run.model)
    return (*shared, *judge_maps(net, image))


def check_doctor(given: Mapping[str, Any], *, far: bool) -> None:
    """Raise UsageError, before anything is read, where a check-up cannot be made before the training that is asked for.

    `far`: will it be trained elsewhere, or by processes that are still to be started?
    """
    source = given.get("data") or "DATA"
    if far or launched():
        raise UsageError(
            "a check-up is made in one process, and this training is for several or for other machines",
            hint=f"hubel doctor {source} makes it; then train without the check-up",
        )
    if given.get("method") is not None:
        raise UsageError(
            f"a check-up is of what a net answers to samples, and {given['method']} learns from turns or views of them",
            hint="leave doctor out; hubel pretrain itself tells when what it learns collapses, and the run's report "
            "measures the features",
        )


def check_up(ready: Ready, watch: Watcher) -> tuple[Finding, ...]:
    """The check-up before a new run, on copies: its training begins as if nobody had looked."""
    found = examine(patient_of(ready), stages=stages_of(ready), watch=watch)
    watch.remark(f"doctor: {found.sentence}")
    return found.findings
