"""A search begun, or taken up again: its folder, its data, what was asked for, and its engine."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from hubel.data.afar import reading_over
from hubel.data.sources import SOURCES
from hubel.data.splits import Splits
from hubel.errors import UsageError
from hubel.records.folder import edits_of
from hubel.runtime.places import HERE, check_where
from hubel.searching.asking import Ask, plain_settings, read_ask, usual_space, write_ask
from hubel.searching.axes import Space, in_words
from hubel.searching.budget import DEFAULT_TIME, Budget, Clock
from hubel.searching.halving import rungs
from hubel.searching.hunt import Hunt, least_time, too_short
from hubel.searching.journal import Journal
from hubel.searching.members import check_members
from hubel.searching.proposing import nets_of, proposer, read_words, usual_text
from hubel.searching.workshop import Workshop
from hubel.store import RunStore
from hubel.watching import Watcher
from hubel.words import duration, plural

CHILD_EPOCHS = 4
"""Epochs of a net of an architecture search, where nothing is said and the defaults would take more."""


def begin_search(
    ask: Ask, space: Space | None, *, out: str, name: str | None, since: float, watch: Watcher, on: str = HERE
) -> Hunt:  # fmt: skip
    """A new search in a folder of its own. Raises UsageError where the budget or the space has no room for a trial."""
    check_where(on)
    given = plain_settings(ask.given)
    source = str(given["data"])
    if source not in SOURCES and Path(source).exists():
        given["data"] = os.path.abspath(source)  # wherever one stands when the search goes on
    if ask.budget.time is ask.budget.trials is ask.budget.epochs is None:
        ask = replace(ask, budget=replace(ask.budget, time=DEFAULT_TIME))
        watch.remark(f"{duration(DEFAULT_TIME)} are searched, as nothing else is said: --time, --trials or --epochs")
    full_asked = given.pop("epochs", None)
    with reading_over(on, watch):
        workshop = Workshop(given, watch)
    defaults = workshop.defaults
    if space is None and not ask.nets:
        points = workshop.first.preprocessing is None
        space = usual_space(defaults, points=points, given=given, limited=bool(ask.limits))
    if ask.nets:
        space, ask = nets_of(ask, space, workshop, given, watch)
    space = space or Space(axes=())
    clash = [axis.name for axis in space.axes if "." not in axis.name and given.get(axis.name) is not None]
    if clash:
        raise UsageError(
            f"{clash[0]} is fixed ({given[clash[0]]}) and in the space",
            hint=f"leave one of them out: --set {clash[0]}=…",
        )
    usual = defaults.train.epochs or 1
    full = int(full_asked or (min(CHILD_EPOCHS, usual) if ask.nets else usual))
    ask = replace(ask, given=given, space=space, default_net=defaults.model.model or "", full=full)
    watch.stage("timing the defaults")
    seconds, after = workshop.settle()
    spent = clock_of(since).spent
    if reason := too_short(ask, seconds, after + spent):
        raise UsageError(
            reason, hint=f"--time {least_time(seconds, after + spent)}, or fewer pictures: --set limit=1000"
        )
    shares = ask.budget.shares(full, seconds, after=after, one=not ask.nets)
    at = (shares.full,) if ask.nets else rungs(shares.full)
    ask = replace(
        ask, full=shares.full, rungs=at, finals=shares.finals, epoch_seconds=seconds, after=after,
        precision=workshop.precision, crowd=workshop.crowd,
    )  # fmt: skip
    check_members(ask, workshop, watch)
    engine = proposer(ask)
    store = RunStore.create(out, name or Path(source.rstrip("/")).stem or "search")
    write_ask(store, ask)
    watch.remark(
        f"{store.folder}: {ask.budget.said}; a whole training has {plural(ask.full, 'epoch')} of about "
        f"{duration(seconds)}" + (f", trials are compared after {', '.join(map(str, at[:-1]))}" if at[1:] else "")
    )
    hunt = Hunt(
        store=store, ask=ask, workshop=workshop, engine=engine, clock=clock_of(since), watch=watch, on=on
    )  # fmt: skip
    if not hunt.room.roomy:
        watch.remark("there is no time for several whole trainings: the best of the comparison alone is trained whole")
    return hunt


def take_up_search(folder: Path, budget: Budget, *, since: float, watch: Watcher, on: str = HERE) -> Hunt:
    """A search where its journal stands; `budget` replaces what it says of what was allowed. Raises ArtefactError."""
    check_where(on)
    store = RunStore.open(folder)
    ask = read_ask(store).with_budget(budget)
    journal = Journal(store)
    first = next((folder / trial.folder for trial in journal.trials if (folder / trial.folder).is_dir()), None)
    splits, edits = None, edits_of(RunStore(first)) if first is not None else ()
    if first is not None:
        splits = Splits.from_dict(RunStore.open(first).read_json("split.json", limit=1 << 30))
    with reading_over(on, watch):
        workshop = Workshop(ask.given, watch, splits=splits, edits=edits)
    workshop.precision = dict(ask.precision)
    write_ask(store, ask)
    return Hunt(
        store=store, ask=ask, workshop=workshop, clock=Clock(journal.spent, since), watch=watch,
        engine=proposer(ask), on=on,
    )  # fmt: skip


def clock_of(since: float) -> Clock:
    """The clock of a search that began at `since`."""
    return Clock(0.0, since)


__all__ = ["begin_search", "in_words", "read_words", "take_up_search", "usual_text"]
