"""The search itself: the defaults first, then what the engine proposes, the best of each rung promoted; then finals.

Every step is a function of the journal, so a search that was killed goes on where its last line stands.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hubel.assembly.follow import Stopped
from hubel.errors import HubelError, UsageError
from hubel.recipes.schema import Recipe
from hubel.searching.asking import Ask
from hubel.searching.axes import in_words
from hubel.searching.budget import SPARE, Clock
from hubel.searching.engines import Engine, Proposal
from hubel.searching.halving import promotion
from hubel.searching.journal import Journal, Trial
from hubel.searching.limits import Cost, Counter
from hubel.searching.room import Room
from hubel.searching.running import Outcome, begin
from hubel.searching.shared import share_weights
from hubel.searching.trainers import Failed, Job, Trainer, places_of
from hubel.searching.workshop import Workshop
from hubel.store import RunStore
from hubel.watching import Watcher
from hubel.words import duration, percent, plural

TRIES = 200
"""Proposals that may be refused one after the other before nothing new is expected."""
SLOW = 5
"""Proposals too slow for the time that is left, after which nothing new is tried."""
ROUNDS = 2
"""How often the finalists are trained again."""


@dataclass(kw_only=True)
class Hunt:
    """A search under way."""

    store: RunStore
    ask: Ask
    workshop: Workshop
    engine: Engine
    clock: Clock
    watch: Watcher
    on: str
    """Where trials are trained: here, or on a cluster."""

    def __post_init__(self) -> None:
        self.journal = Journal(self.store)
        samples = len(self.workshop.first.splits.val)
        self.room = Room(ask=self.ask, journal=self.journal, clock=self.clock, samples=samples)
        self.trainer = Trainer(self.store.folder, self.workshop, self.on)
        self.counter = Counter(self.ask.limits, self.workshop.device)
        self.exhausted = False
        """Did the engine run out of members that were not tried?"""

    # the flow

    def run(self) -> None:
        """Search until the budget is used up. Raises Stopped, SaveFailed; UsageError where nothing can be tried."""
        with places_of(self.trainer, self.ask, self.watch) as self.places:
            for trial in [trial for trial in self.journal.trials if trial.status == "under way"]:
                self._send(trial, self._target(trial))
            share_weights(self.engine, self.store, self.ask, self.workshop, self.journal, self.clock, self.watch)
            if not self.journal.tried:
                self._defaults()
            while True:
                self._wait_for_a_place()
                if not (self.room.searches() and self._step()):
                    if not self.places.busy:
                        break
                    self._take()
            self._see_one_through()
            self._finals()
            self._take_all()

    def _step(self) -> bool:
        """One promotion or one new trial; False where neither is possible in what is left."""
        promoted = promotion(self.journal.tried, self.ask.rungs)
        if promoted is not None:
            trial, until = self._defaults_before(*promoted)
            if self.room.fits(trial, until, finals=self.room.is_kept_for(trial)):
                self._send(trial, until)
                return True
        if self.ask.budget.trials is not None and len(self.journal.tried) >= self.ask.budget.trials:
            return False
        return self.room.fits(None, self.ask.rungs[0]) and self._new()

    def _defaults_before(self, trial: Trial, until: int) -> tuple[Trial, int]:
        """Where only one is trained to its end, the defaults go as far as any other first, to be compared there."""
        usual = next((each for each in self.journal.tried if not each.values), None)
        if self.room.roomy or usual is None or usual.status != "waiting" or usual.epochs >= until:
            return trial, until
        return usual, until

    def _defaults(self) -> None:
        """Trial 1 is what `hubel train` would do, trained to its end where there is room for several such trainings."""
        recipe = self.workshop.recipe({}, **self._also())
        cost = self.counter.cost(self.workshop.spec(recipe))
        broken = self.ask.limits.broken(cost)
        if broken:
            self.watch.remark(f"the defaults are not among what is allowed: {broken}")
            self._refuse({}, "limit", broken)
            return
        until = self.ask.full if self.room.roomy else self.ask.rungs[0]
        self._begin(Proposal({}, "the defaults"), recipe, cost, until, by_default=True)

    def _new(self) -> bool:
        number = len(self.journal.tried) + 1
        known = {self._key(trial.values) for trial in self.journal.tried}
        refused = {self._key(each.values) for each in self.journal.refused}
        slow = 0
        for turn in range(TRIES):
            proposal = self.engine.propose(self.journal.tried, number, turn)
            key = self._key(proposal.values)
            if key in known or key in refused:
                continue
            found = self._member(proposal.values)
            if found is None:
                refused.add(key)
                continue
            if not self.room.fits(None, self.ask.rungs[0], macs=found[1].macs):
                slow += 1
                if slow == SLOW:
                    return False
                continue
            self._begin(proposal, *found, self.ask.rungs[0])
            return True
        self.exhausted = True
        self.watch.remark("nothing in the space is left that was not tried")
        return False

    def _see_one_through(self) -> None:
        """Where the defaults were not, nothing may have been trained to its end yet: the best so far is."""
        best = self.room.foremost()
        if best is not None and not self.room.ended_well():
            self._send(best, self.ask.full)
            self._take_all()

    def _finals(self) -> None:
        """The best few once more, with other seeds, as long as the budget lasts."""
        done = self._ended_best_first()
        if len(done) < 2:
            self._use_what_is_left()
            self._take_all()
            done = self._ended_best_first()
        if len(done) < 2:
            return
        first = [done[0], *(trial for trial in done if trial.number == 1), done[1]]
        finalists = list({trial.number: trial for trial in first}.values())
        rounds = ROUNDS if self.ask.budget.time or self.ask.budget.epochs else 1
        for turn in range(1, rounds + 1):
            for trial in finalists:
                seed = self._seed + turn
                again = any(t.again == trial.number and t.seed == seed for t in self.journal.trials)
                self._wait_for_a_place()
                if not again and self.room.fits(trial, self.ask.full, anew=True, finals=True):
                    recipe = self.workshop.recipe(self._settings(trial.values), **self._also(), seed=seed)
                    proposal = Proposal(trial.values, f"trial {trial.number} with seed {seed}")
                    self._begin(proposal, recipe, trial.cost, self.ask.full, again=trial.number, seed=seed)

    def _ended_best_first(self) -> list[Trial]:
        ended = [trial for trial in self.journal.tried if trial.status == "finished" and trial.score is not None]
        return sorted(ended, key=lambda trial: (-(trial.score or 0.0), trial.number))

    def _use_what_is_left(self) -> None:
        """Fewer than two finalists: the most promising of the others go on, where what was kept for finals allows."""
        waiting = [trial for trial in self.journal.tried if trial.status == "waiting"]
        for trial in sorted(waiting, key=lambda trial: (-trial.epochs, -(trial.score or 0.0), trial.number)):
            self._wait_for_a_place()
            if self.room.fits(trial, self.ask.full, finals=True):
                self._send(trial, self.ask.full)

    # one trial

    def _begin(
        self, proposal: Proposal, recipe: Recipe, cost: Cost, until: int, *, again: int = 0, seed: int | None = None,
        by_default: bool = False,
    ) -> None:  # fmt: skip
        number = len(self.journal.trials) + 1
        try:
            running = begin(
                self.workshop, recipe, self.journal, by_default=by_default, values=proposal.values
            )  # fmt: skip
        except UsageError as error:
            self._refuse(proposal.values, "contradiction", error.what)
            return
        self.journal.write(
            "trial", trial=number, values=proposal.values, origin=proposal.origin, cost=asdict(cost),
            folder=running.store.folder.name, again=again, seed=self._seed if seed is None else seed,
            spent=self.clock.spent,
        )  # fmt: skip
        self.trainer.remember(running)
        self._send(self.journal.trial(number), until)

    def _send(self, trial: Trial, until: int) -> None:
        """Let a trial be trained up to `until` epochs, at the next place that is free."""
        self._wait_for_a_place()
        self.watch.stage(f"trial {trial.number}: {in_words(trial.values)}")
        trial.status = "under way"
        self.room.away[trial.number] = max(0, until - trial.epochs)
        timed = self.ask.budget.time is not None
        self.places.give(
            trial.number, lambda: Job(trial.folder, until, self.room.left(finals=True) if timed else None)
        )  # fmt: skip

    def _wait_for_a_place(self) -> None:
        while not self.places.free:
            self._take()

    def _take_all(self) -> None:
        while self.places.busy:
            self._take()

    def _take(self) -> None:
        """The next training that is done, written down."""
        done = self.places.take()
        trial = self.journal.trial(done.key)
        del self.room.away[trial.number]
        if isinstance(done.error, Stopped):  # what was stopped is the search: its trial goes on with it
            done.error.hint = f"go on: hubel search --resume {self.store.folder}"
        if done.error is not None and not done.given_up:
            raise done.error
        if done.error is not None:
            self._ended(trial, "failed", done.error.what)
        elif isinstance(done.result, Failed):
            self._ended(trial, "failed", done.result.reason)
        else:
            self._told(trial, done.result)
        self.watch.progress(*self.room.share())

    def _told(self, trial: Trial, found: Outcome) -> None:
        status = "waiting"
        self.room.crowd = found.crowd or self.room.crowd
        if found.ended == "time":
            status = "cut"
        elif found.ended or found.epochs >= self.ask.full:
            status = "finished"
        for rung in self.ask.rungs:
            if trial.epochs < rung < found.epochs and rung <= len(found.curve):
                score, seconds = found.curve[rung - 1]
                self.journal.write("rung", trial=trial.number, epochs=rung, score=score, seconds=seconds)
        self.journal.write(
            "rung", trial=trial.number, epochs=found.epochs, score=found.score, seconds=found.seconds, status=status,
            spent=self.clock.spent,
        )  # fmt: skip
        self.watch.remark(
            f"trial {trial.number:<3} {score_words(found.score)} after {plural(found.epochs, 'epoch')}"
            f"{'' if status != 'cut' else ', out of time'}: {in_words(trial.values)}"
            + (f" (seed {trial.seed})" if trial.again else "")
        )

    def _ended(self, trial: Trial, status: str, reason: str) -> None:
        self.journal.write("end", trial=trial.number, status=status, reason=reason, spent=self.clock.spent)
        self.watch.remark(f"trial {trial.number:<3} {status}: {reason}")

    # members of the space

    def _member(self, values: Mapping[str, Any]) -> tuple[Recipe, Cost] | None:
        """The recipe and the cost of a member that may be tried; None for one that is refused, and written down."""
        try:
            recipe = self.workshop.recipe(self._settings(values), **self._also())
            cost = self.counter.cost(self.workshop.spec(recipe))
        except HubelError as error:
            self._refuse(values, "contradiction", error.what)
            return None
        broken = self.ask.limits.broken(cost)
        if broken:
            self._refuse(values, "limit", broken)
            return None
        return recipe, cost

    def _refuse(self, values: Mapping[str, Any], kind: str, reason: str) -> None:
        self.journal.write("refused", values=dict(values), kind=kind, reason=reason.partition("\n")[0][:300])

    def _settings(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return self.ask.space.settings(values, self.ask.given)

    def _also(self) -> dict[str, Any]:
        return {"epochs": self.ask.full, "out": str(self.store.folder), "name": "trial"}

    @property
    def _seed(self) -> int:
        return int(self.ask.given.get("seed") or 0)

    @staticmethod
    def _key(values: Mapping[str, Any]) -> str:
        return json.dumps(values, sort_keys=True, default=str)

    def _target(self, trial: Trial) -> int:
        if trial.again or (trial.number == 1 and self.room.roomy):
            return self.ask.full
        return next((rung for rung in self.ask.rungs if rung > trial.epochs), self.ask.full)


def score_words(score: float) -> str:
    """A score as it is read: accuracy in per cent, or a loss.

    >>> score_words(0.9712), score_words(-0.25)
    ('97.12 %', 'loss 0.25')
    """
    return percent(score) if score >= 0 else f"loss {-score:.4g}"


def least_time(seconds: float, after: float) -> str:
    """The least time that one epoch fits into, as it is typed, where reading and reporting take `after`.

    >>> least_time(3.6, 38.0), least_time(100.0, 80.0)
    ('46s', '4m')
    """
    least = 1.05 * (seconds + after) / (1 - SPARE)
    return f"{math.ceil(least)}s" if least < 90 else f"{math.ceil(least / 60)}m"


def too_short(ask: Ask, seconds: float, after: float) -> str:
    """Why the budget ends before one epoch is done; "" where it does not."""
    time = ask.budget.time
    if time is None or seconds + after <= time * (1 - SPARE):
        return ""
    return (
        f"an epoch takes about {duration(seconds)} here, reading and reporting {duration(after)}, "
        f"and {duration(time)} are allowed"
    )
