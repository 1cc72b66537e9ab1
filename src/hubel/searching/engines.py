"""Who says what is tried next: at random, or Optuna's samplers behind the same face.

An engine is a function of (what was tried, number of the trial, attempt, seed) and keeps nothing: a search that was
killed goes on with the same proposals.
"""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from hubel.errors import UsageError, missing_extra
from hubel.searching.axes import Axis, Space
from hubel.searching.journal import Trial

ENGINES = ("random", "tpe", "gp")
FIRST = 8
"""Trials drawn at random before a model of them is worth anything."""


@dataclass(frozen=True)
class Proposal:
    """What to try next."""

    values: dict[str, Any]
    origin: str


class Engine(Protocol):
    """Proposes members of a space."""

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """The member to try as trial `number`; another one at each further attempt."""
        ...


class Drawn:
    """Every trial drawn at random, by itself (Bergstra, Bengio, JMLR 13, 2012)."""

    def __init__(self, space: Space, seed: int, default_net: str) -> None:
        self.space, self.seed, self.default_net = space, seed, default_net

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """A draw that depends on nothing but its number."""
        random = Random(f"{self.seed}/{number}/{attempt}")
        return Proposal(self.space.draw(random, default_net=self.default_net), "drawn at random")


class Modelled:
    """Optuna's samplers: the tree of Parzen estimators, or a Gaussian process. Needs the extra `search`."""

    def __init__(self, kind: str, space: Space, seed: int, default_net: str) -> None:
        try:
            self.optuna: Any = importlib.import_module("optuna")
        except ImportError:
            raise missing_extra("optuna", "search", f"--engine {kind}") from None
        self.optuna.logging.set_verbosity(logging.ERROR)
        self.kind, self.space, self.seed, self.default_net = kind, space, seed, default_net
        self.random = Drawn(space, seed, default_net)
        self.distributions = {axis.name: self._distribution(axis) for axis in space.axes}

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """What the model of all trials so far expects most of."""
        known = [trial for trial in tried if trial.score is not None and trial.status != "failed" and trial.values]
        if len(known) < FIRST or attempt > 2:  # a model that insists on what cannot be tried is left aside
            return self.random.propose(tried, number, attempt)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its remarks on what is experimental are none of the user's business
            study = self.optuna.create_study(direction="maximize", sampler=self._sampler(number, attempt))
            for trial in known:
                study.add_trial(self._told(trial, max(other.epochs for other in known)))
            asked = study.ask(self.distributions)
        drawn = {axis.name: self._back(axis, asked.params[axis.name]) for axis in self.space.axes}
        return Proposal(self.space.relevant(drawn, self.default_net), f"{self.kind.upper()} of {len(known)} trials")

    def _sampler(self, number: int, attempt: int) -> Any:
        seed = Random(f"{self.seed}/{number}/{attempt}").randrange(1 << 31)
        samplers = self.optuna.samplers
        if self.kind == "gp":
            try:
                return samplers.GPSampler(seed=seed, n_startup_trials=FIRST)
            except ImportError as error:
                raise missing_extra(str(getattr(error, "name", "scipy")), "search", "--engine gp") from None
        return samplers.TPESampler(seed=seed, n_startup_trials=FIRST, multivariate=True)

    def _told(self, trial: Trial, longest: int) -> Any:
        """A trial as Optuna knows it: one that was not promoted is one that was pruned, with its score at the rung."""
        params, states = self._params(trial.values), self.optuna.trial.TrialState
        pruned = self.kind == "tpe" and trial.epochs < longest
        return self.optuna.trial.create_trial(
            params=params,
            distributions={name: self.distributions[name] for name in params},
            state=states.PRUNED if pruned else states.COMPLETE,
            value=None if pruned else trial.score,
            intermediate_values={point.epochs: point.score for point in trial.points},
        )

    def _params(self, values: Mapping[str, Any]) -> dict[str, Any]:
        found = {}
        for axis in self.space.axes:
            value = values.get(axis.name, axis.choices[0] if axis.choices else axis.settle(axis.low))
            found[axis.name] = _index(axis, value) if axis.choices else value
        return found

    def _distribution(self, axis: Axis) -> Any:
        kinds = self.optuna.distributions
        if axis.choices:
            return kinds.CategoricalDistribution(list(range(len(axis.choices))))
        if axis.whole:
            return kinds.IntDistribution(int(axis.low), int(axis.high), log=axis.log)
        return kinds.FloatDistribution(axis.low, axis.high, log=axis.log)

    def _back(self, axis: Axis, value: Any) -> Any:
        return axis.choices[value] if axis.choices else axis.settle(value)


def _index(axis: Axis, value: Any) -> int:
    """Which of the choices; what JSON made a list of was a tuple."""
    wanted = tuple(value) if isinstance(value, list) else value
    return axis.choices.index(wanted)


def engine_of(name: str, space: Space, seed: int, default_net: str) -> Engine:
    """The engine called `name`. Raises MissingExtra."""
    if name == "random":
        return Drawn(space, seed, default_net)
    if not space.axes:
        raise UsageError(f"--engine {name} needs a space, got none", hint="--space lr=1e-4..1e-1:log")
    return Modelled(name, space, seed, default_net)
