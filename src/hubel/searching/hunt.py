"""The search itself: the defaults first, then what the engine proposes, the best of each rung promoted; then finals.

Every step is a function of the journal, so a search that was killed goes on where its last line stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hubel.assembly.follow import Stopped
from hubel.errors import ArtefactError, HubelError, RunLocked, UsageError
from hubel.recipes.schema import Recipe
from hubel.searching.asking import Ask
from hubel.searching.axes import in_words
from hubel.searching.budget import SPARE, Clock
from hubel.searching.engines import Engine, Proposal
from hubel.searching.halving import promotion
from hubel.searching.journal import Journal, Trial
from hubel.searching.limits import Cost, Counter
from hubel.searching.running import Diverged, Outcome, Running, begin, go_on
from hubel.searching.workshop import Workshop
from hubel.store import RunStore, SaveFailed
from hubel.watching import Watcher
from hubel.words import duration, percent, plural

TRIES = 200
"""Proposals that may be refused one after the other before nothing new is expected."""
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

    def __post_init__(self) -> None:
        self.journal = Journal(self.store)
        self.counter = Counter(self.ask.limits, self.workshop.device)
        self.exhausted = False
        """Did the engine run out of members that were not tried?"""

    # the flow

    def run(self) -> None:
        """Search until the budget is used up. Raises Stopped, SaveFailed; UsageError where nothing can be tried."""
        for trial in [trial for trial in self.journal.trials if trial.status == "under way"]:
            self._advance(trial, None, self._target(trial), finals=bool(trial.again))
        if not self.journal.tried:
            self._defaults()
        while self._searches() and self._step():
            self.watch.progress(*self._share())
        self._see_one_through()
        self._finals()

    def _step(self) -> bool:
        """One promotion or one new trial; False where neither is possible in what is left."""
        promoted = promotion(self.journal.tried, self.ask.rungs)
        if promoted is not None and self._fits(*promoted):
            return self._advance(promoted[0], None, promoted[1])
        if self.ask.budget.trials is not None and len(self.journal.tried) >= self.ask.budget.trials:
            return False
        return self._fits(None, self.ask.rungs[0]) and self._new()

    def _defaults(self) -> None:
        """Trial 1 is what `hubel train` would do, trained to its end."""
        recipe = self.workshop.recipe({}, **self._also())
        cost = self.counter.cost(self.workshop.spec(recipe))
        broken = self.ask.limits.broken(cost)
        if broken:
            self.watch.remark(f"the defaults are not among what is allowed: {broken}")
            self._refuse({}, "limit", broken)
            return
        self._begin(Proposal({}, "the defaults"), recipe, cost, self.ask.full, by_default=True)

    def _new(self) -> bool:
        number = len(self.journal.tried) + 1
        known = {self._key(trial.values) for trial in self.journal.tried}
        refused = {self._key(each.values) for each in self.journal.refused}
        for turn in range(TRIES):
            proposal = self.engine.propose(self.journal.tried, number, turn)
            key = self._key(proposal.values)
            if key in known or key in refused:
                continue
            found = self._member(proposal.values)
            if found is None:
                refused.add(key)
                continue
            self._begin(proposal, *found, self.ask.rungs[0])
            return True
        self.exhausted = True
        self.watch.remark("nothing in the space is left that was not tried")
        return False

    def _see_one_through(self) -> None:
        """Where the defaults were not allowed, nothing may have been trained to its end yet: the best so far is."""
        known = [trial for trial in self.journal.tried if trial.status == "waiting"]
        if known and not self._ended_well():
            best = max(known, key=lambda trial: (trial.epochs, trial.score or 0.0, -trial.number))
            self._advance(best, None, self.ask.full, finals=True)

    def _ended_well(self) -> bool:
        return any(trial.status in ("finished", "cut") for trial in self.journal.tried)

    def _finals(self) -> None:
        """The best few once more, with other seeds, as long as the budget lasts."""
        done = sorted(
            (trial for trial in self.journal.tried if trial.status == "finished" and trial.score is not None),
            key=lambda trial: (-(trial.score or 0.0), trial.number),
        )
        if len(done) < 2:
            self._use_what_is_left()
            return
        first = [done[0], *(trial for trial in done if trial.number == 1), done[1]]
        finalists = list({trial.number: trial for trial in first}.values())
        rounds = ROUNDS if self.ask.budget.time or self.ask.budget.epochs else 1
        for turn in range(1, rounds + 1):
            for trial in finalists:
                seed = self._seed + turn
                again = any(t.again == trial.number and t.seed == seed for t in self.journal.trials)
                if not again and self._fits(trial, self.ask.full, anew=True, finals=True):
                    recipe = self.workshop.recipe(self._settings(trial.values), **self._also(), seed=seed)
                    proposal = Proposal(trial.values, f"trial {trial.number} with seed {seed}")
                    self._begin(proposal, recipe, trial.cost, self.ask.full, again=trial.number, seed=seed)

    def _use_what_is_left(self) -> None:
        """Fewer than two finalists: the most promising of the others go on, where what was kept for finals allows."""
        waiting = [trial for trial in self.journal.tried if trial.status == "waiting"]
        for trial in sorted(waiting, key=lambda trial: (-trial.epochs, -(trial.score or 0.0), trial.number)):
            if self._fits(trial, self.ask.full, finals=True):
                self._advance(trial, None, self.ask.full, finals=True)

    # one trial

    def _begin(
        self, proposal: Proposal, recipe: Recipe, cost: Cost, until: int, *, again: int = 0, seed: int | None = None,
        by_default: bool = False,
    ) -> None:  # fmt: skip
        number = len(self.journal.trials) + 1
        try:
            running = begin(self.workshop, recipe, by_default=by_default)
        except UsageError as error:
            self._refuse(proposal.values, "contradiction", error.what)
            return
        self.journal.write(
            "trial", trial=number, values=proposal.values, origin=proposal.origin, cost=asdict(cost),
            folder=running.store.folder.name, again=again, seed=self._seed if seed is None else seed,
            spent=self.clock.spent,
        )  # fmt: skip
        self._advance(self.journal.trial(number), running, until, finals=bool(again))

    def _advance(self, trial: Trial, running: Running | None, until: int, *, finals: bool = False) -> bool:
        self.watch.stage(f"trial {trial.number}: {in_words(trial.values)}")
        left = self._left(finals=True) if self.ask.budget.time is not None else None
        try:
            running = running or go_on(self.workshop, self.store.folder / trial.folder)
            found = running.train(until=until, left=left)
        except SaveFailed:
            raise
        except RunLocked:
            raise
        except Stopped as error:  # what was stopped is the search: its trial goes on with it
            error.hint = f"go on: hubel search --resume {self.store.folder}"
            raise
        except (Diverged, UsageError, ArtefactError) as error:
            self._ended(trial, "failed", str(error).partition("\n")[0])
            return True
        self._told(trial, found)
        return True

    def _told(self, trial: Trial, found: Outcome) -> None:
        status = "waiting"
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

    # the budget

    def _target(self, trial: Trial) -> int:
        if trial.again or trial.number == 1:
            return self.ask.full
        return next((rung for rung in self.ask.rungs if rung > trial.epochs), self.ask.full)

    def _left(self, *, finals: bool) -> float:
        """Seconds that may still be trained; those of the finals among them or not."""
        whole = self.ask.budget.time or 0.0
        return whole * (1 - SPARE) - self.ask.after - self.clock.spent - (0.0 if finals else self.ask.finals)

    def _searches(self) -> bool:
        budget = self.ask.budget
        if budget.epochs is not None and self.journal.epochs + self.ask.rungs[0] > budget.epochs - self._kept:
            return False
        return budget.time is None or self._left(finals=False) > 0

    @property
    def _kept(self) -> float:
        if self.ask.budget.epochs is None:
            return 0.0
        whole = 0 if self._ended_well() else self.ask.full - self.ask.rungs[0]
        return max(self.ask.finals, whole) if self.journal.tried or self.journal.refused else 0.0

    def _fits(self, trial: Trial | None, until: int, *, anew: bool = False, finals: bool = False) -> bool:
        """Would `until` epochs of a trial (None: of a new one) end inside the budget?"""
        budget, done = self.ask.budget, 0 if trial is None or anew else trial.epochs
        if budget.epochs is not None:
            kept = 0.0 if finals else self._kept
            if self.journal.epochs + until - done > budget.epochs - kept:
                return False
        if budget.time is None:
            return True
        if trial is not None and trial.epochs:
            an_epoch = trial.seconds / trial.epochs
        else:
            times = sorted(each.seconds / each.epochs for each in self.journal.tried if each.epochs)
            an_epoch = times[len(times) // 2] if times else self.ask.epoch_seconds
        return 1.1 * an_epoch * (until - done) <= self._left(finals=finals)

    def _share(self) -> tuple[int, int]:
        """Done and in all, for a bar."""
        budget = self.ask.budget
        if budget.epochs is not None:
            return min(self.journal.epochs, budget.epochs), budget.epochs
        if budget.time is not None:
            return min(int(self.clock.spent), int(budget.time)), int(budget.time)
        return len(self.journal.tried), budget.trials or len(self.journal.tried)


def score_words(score: float) -> str:
    """A score as it is read: accuracy in per cent, or a loss.

    >>> score_words(0.9712), score_words(-0.25)
    ('97.12 %', 'loss 0.25')
    """
    return percent(score) if score >= 0 else f"loss {-score:.4g}"


def too_short(ask: Ask, seconds: float, after: float) -> str:
    """Why the budget ends before one epoch is done; "" where it does not."""
    time = ask.budget.time
    if time is None or seconds + after <= time * (1 - SPARE):
        return ""
    return (
        f"an epoch takes about {duration(seconds)} here, reading and reporting {duration(after)}, "
        f"and {duration(time)} are allowed"
    )
