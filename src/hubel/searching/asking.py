"""What a search was asked for, as it is written into its folder and read back."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from hubel.assembly.requests import requested
from hubel.errors import DAMAGED, ArtefactError, UsageError, unknown
from hubel.recipes.continuing import plainly
from hubel.recipes.schema import Recipe, compose, flatten, seconds
from hubel.runtime.cluster import Joined
from hubel.runtime.places import HERE, check_where
from hubel.searching.axes import Axis, Space
from hubel.searching.budget import Budget
from hubel.searching.engines import ENGINES
from hubel.searching.limits import Limits
from hubel.searching.nets.engines import HOW, usual_space_of, way_of
from hubel.searching.nets.spaces import recorded
from hubel.store import RunStore

NAME = "search.json"
FIXED = ("time", "epochs", "out", "name", "target", "compare_start", "probe")
"""Settings of a training that have no place in a search, which has its own, or would be tried with each trial."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A search before its first trial."""

    given: Mapping[str, Any]
    """What the user said of the recipe: the data, and settings that are the same for all trials."""
    space: Space = field(default_factory=lambda: Space(axes=()))
    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=Budget)
    engine: str = "random"
    seed: int = 0
    nets: str = ""
    """How architectures are searched; "" where settings are."""
    cells: bool = False
    """Is it cells, and not whole lists of layers, that are searched?"""
    full: int = 0
    """Epochs of a whole training; 0 before that is settled."""
    rungs: tuple[int, ...] = ()
    """Epochs at which trials are compared."""
    finals: float = 0.0
    """Seconds or epochs kept for the finalists."""
    default_net: str = ""
    epoch_seconds: float = 0.0
    after: float = 0.0
    """Seconds that measuring and reporting the winner takes."""
    crowd: float = 0.0
    """Seconds for a second of computing, when that was timed; 0 where it was not."""
    precision: Mapping[str, Any] = field(default_factory=dict)
    """The arithmetic found fastest here, where it was looked for."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "given": dict(self.given), "space": self.space.to_dict(), "limits": self.limits.to_dict(),
            "budget": self.budget.to_dict(), "engine": self.engine, "seed": self.seed, "nets": self.nets,
            "cells": self.cells,
            "full": self.full, "rungs": list(self.rungs), "finals": self.finals, "default_net": self.default_net,
            "epoch_seconds": self.epoch_seconds, "after": self.after, "crowd": self.crowd,
            "precision": dict(self.precision),
        }  # fmt: skip

    def with_budget(self, budget: Budget) -> Ask:
        """The same with what `budget` says in place of what was said before."""
        said = {name: value for name, value in budget.to_dict().items() if value is not None}
        return replace(self, budget=replace(self.budget, **said))


def write_ask(store: RunStore, ask: Ask) -> None:
    """Into the folder of the search."""
    store.write_json(NAME, ask.to_dict())


def read_ask(store: RunStore) -> Ask:
    """What the search in a folder was asked for. Raises ArtefactError where there is none, or it is damaged."""
    if not store.exists(NAME):
        raise ArtefactError(
            f"there is no search in {str(store.folder)!r}",
            hint="give its folder: hubel search --resume search/photos-1",
        )
    found = store.read_json(NAME)
    try:
        return Ask(
            **{
                **found,
                "space": _recorded(found),
                "limits": Limits(**found["limits"]),
                "budget": Budget(**found["budget"]),
                "rungs": tuple(found["rungs"]),
            }
        )
    except (TypeError, KeyError, ValueError, AttributeError, UsageError) as error:
        why = error.what if isinstance(error, UsageError) else error
        raise ArtefactError(f"{store.path(NAME)} is no search: {why}", hint=DAMAGED) from None


def _recorded(found: Mapping[str, Any]) -> Space:
    """The space of a search, of which older ones with nets say the kind alone: it was the usual one."""
    said = dict(found["space"])
    if found["nets"] and "space" not in said:
        said["space"] = usual_space_of(found["nets"], cells=found["cells"]).plain()
    return recorded(said)


def plain_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON holds them, checked by the schema."""
    whole = plainly(compose(given))
    return {name: whole[name] for name in given}


def fixed_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is the same for all trials, by short names. Raises UsageError for what a search has otherwise."""
    found = {name: value for name, value in flatten(settings).items() if value is not None}
    wrong = [name for name in FIXED if name in found and name != "epochs"]
    if wrong:
        raise UsageError(
            f"{wrong[0]} belongs to a single training, and no search has that setting",
            hint=f"take it out of the recipe file, or {wrong[0]}=… away; hubel search --help has what a search takes",
        )
    requested({key: value for key, value in found.items() if key != "epochs"})
    compose(found)
    return found


def refuse_anew(**given: Any) -> None:
    """Raise UsageError for what a search was asked for when it began, and has no effect when it goes on."""
    usual = {"nets": "", "engine": "random", "cells": False, "seed": 0, "out": "search"}
    new = [name for name, value in given.items() if value is not None and value != usual.get(name)]
    if new:
        raise UsageError(
            f"a search goes on with what it was asked for, and {new[0].rstrip('_')} is given anew",
            hint="beside --resume: --time, --trials, --epochs (all in all) and --on",
        )


def joined(on: str, recipe: Recipe) -> AbstractContextManager[object]:
    """The cluster that `on` names, for as long as a search takes: one that is not there is told before it begins.

    Raises UsageError, MissingExtra; HubelError for a cluster that cannot be joined or has no room for a trial.
    """
    if check_where(on) == HERE:
        return nullcontext()
    return Joined(on, cores=recipe.train.threads or 1, gpu=recipe.train.device != "cpu")


def budget_of(time: float | str | None, trials: int | None, epochs: int | None) -> Budget:
    """What a search may take, as a user says it. Raises UsageError.

    >>> budget_of("20m", None, 100)
    Budget(time=1200.0, trials=None, epochs=100)
    """
    try:
        found: Any = None if time is None else seconds(time)
    except ValueError as error:
        raise UsageError(f"time {error}, got {time!r}", hint="--time 20m") from None
    return Budget(time=_positive("time", found), trials=_count("trials", trials), epochs=_count("epochs", epochs))


def limits_of(params: float | None, macs: float | None, megabytes: float | None, milliseconds: float | None) -> Limits:
    """The most that a net may cost, as a user says it. Raises UsageError."""
    return Limits(
        params=_count("max_params", params), macs=_count("max_macs", macs), megabytes=_positive("max_mb", megabytes),
        milliseconds=_positive("max_ms", milliseconds),
    )  # fmt: skip


def check_nets(how: str, *, cells: bool, engine: str) -> None:
    """Raise UsageError for an engine or a way of searching nets that there is not, or for what goes with none."""
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    if not how and cells:
        raise UsageError("cells are searched with --nets", hint=f"--nets evolution --cells; ways: {', '.join(HOW)}")
    if not how:
        return
    way_of(how)
    if engine != "random":
        raise UsageError(f"--engine {engine} proposes settings, and --nets {how} nets", hint="leave one of them out")


def example_of(name: str) -> str:
    """A limit as it may be given.

    >>> example_of("max_params"), example_of("epochs")
    ('--max-params 100k', '--epochs 100')
    """
    usual = {"time": "20m", "trials": "20", "max_params": "100k", "max_macs": "5M", "max_mb": "1", "max_ms": "2"}
    return f"--{name.replace('_', '-')} {usual.get(name, '100')}"


def _positive(name: str, given: Any) -> float | None:
    if given is None:
        return None
    if not isinstance(given, (int, float)) or isinstance(given, bool) or not 0 < given < 1e15:
        raise UsageError(f"{name} must be a number above 0, got {given!r}", hint=f"for example {example_of(name)}")
    return float(given)


def _count(name: str, given: Any) -> int | None:
    found = _positive(name, given)
    if found is not None and found != int(found):
        raise UsageError(f"{name} must be a whole number, got {given!r}", hint=f"for example {example_of(name)}")
    return None if found is None else int(found)


def usual_space(recipe: Recipe, *, points: bool, given: Mapping[str, Any], limited: bool) -> Space:
    """What is searched where the user names no space: around what `hubel train` would choose.

    `recipe` has every open setting chosen; what the user gave is left as it is. `limited`: is the net's size?
    """
    axes: list[Axis] = []

    def add(axis: Axis) -> None:
        if given.get(axis.name.partition(".")[0]) is None:
            axes.append(axis)

    rate = recipe.optimizer.lr or 0.001
    add(Axis(name="lr", low=float(f"{rate / 8:.3g}"), high=float(f"{rate * 4:.3g}"), log=True))
    decay = recipe.optimizer.weight_decay
    if decay:
        add(Axis(name="weight_decay", low=float(f"{decay / 30:.3g}"), high=float(f"{decay * 10:.3g}"), log=True))
    size = recipe.train.batch_size
    if isinstance(size, int):
        add(Axis(name="batch_size", choices=tuple(dict.fromkeys((max(4, size // 4), max(8, size // 2), size)))))
    if recipe.loss.loss == "cross-entropy":
        add(Axis(name="label_smoothing", choices=(0.0, 0.05, 0.1, 0.2)))
    net = recipe.model.model or ""
    if given.get("model") is None and given.get("model_options") is None:
        if net == "quicknet":
            widths = (0.0625, 0.125, 0.25, 0.5, 1.0, 1.5) if limited else (0.25, 0.5, 1.0, 1.5)
            axes.append(Axis(name="quicknet.width", choices=widths))
        elif net == "mlp":
            axes.append(Axis(name="mlp.hidden", choices=((16,), (64,), (64, 64), (256,), (256, 128, 64))))
    if not points and given.get("augment") is None:
        chain = ",".join(recipe.augment.augment or ("none",))
        more = (
            f"{chain},erase={max(2, _side(recipe) // 4)}" if chain != "none" else f"erase={max(2, _side(recipe) // 4)}"
        )
        add(Axis(name="augment", choices=tuple(dict.fromkeys((chain, "none", more)))))
    return Space(axes=tuple(axes))


def _side(recipe: Recipe) -> int:
    size = recipe.data.img_size
    return min(size) if isinstance(size, tuple) else int(size or 32)
