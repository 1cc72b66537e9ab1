"""A series: one training as several runs, of which each has another fold, seed or part of the training pictures.

A folder of its own holds `series.json` (what was asked, and the settings of each member), the members' run folders, and
in the end a summary, the pooled answers and a page. Which folder is which member follows from the recipe in it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubel.checkpoint import generations
from hubel.data.sources import SOURCES
from hubel.errors import DAMAGED, ArtefactError, UsageError
from hubel.events import SCORES
from hubel.recipes.continuing import asked, plainly, unlike
from hubel.recipes.schema import Recipe, compose, flatten, read_file
from hubel.records.folder import command
from hubel.records.ledger import SERIES, RunRecord, find_folder, find_run, find_series
from hubel.records.own_data import placed
from hubel.records.removal import strangers
from hubel.store import RunStore
from hubel.store.kinds import is_detector

KINDS = {"folds": "fold", "seeds": "run", "curve": "part"}
"""What a series is made of, and what the folder of a member is called."""


@dataclass(frozen=True, kw_only=True)
class SeriesRecord:
    """A folder of a series, read back."""

    folder: Path
    kind: str
    """One of `KINDS`."""
    recipe: Recipe
    """As it was asked for, its data as they are found from here."""
    members: tuple[dict[str, Any], ...]
    """The settings of each member that are not the recipe's."""

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.name

    @property
    def onward(self) -> str:
        """The command that goes on with it."""
        return f"{'hubel curve' if self.kind == 'curve' else 'hubel train --resume'} {self.folder}"

    def runs(self) -> dict[int, RunRecord]:
        """Place in `members` -> its run, of those that were begun; of several, one that has finished, or has saved."""
        found: dict[int, RunRecord] = {}
        for path in sorted(path.parent for path in self.folder.glob("*/config.yaml")):
            settings = flatten(compose(read_file(path / "config.yaml")))
            for place, member in enumerate(self.members):
                if all(settings[name] == value for name, value in member.items()):
                    run = RunRecord(path)
                    if place not in found or _come(run) > _come(found[place]):
                        found[place] = run
        return found

    @property
    def finished(self) -> bool:
        """Are all members and what is said of them together there?"""
        store = RunStore.open(self.folder)
        return store.exists("summary.json") and store.read_json("summary.json").get("status") == "finished"

    @property
    def summary(self) -> dict[str, Any]:
        """What was said of the members together; {} before the end."""
        store = RunStore.open(self.folder)
        return dict(store.read_json("summary.json")) if store.exists("summary.json") else {}


def _come(run: RunRecord) -> tuple[bool, bool]:
    """How far a run has come: whether it has finished, whether it has saved what it can go on from."""
    return run.status == "finished", bool(generations(RunStore.open(run.folder)))


def create_series(recipe: Recipe, kind: str, members: Sequence[Mapping[str, Any]]) -> SeriesRecord:
    """A new folder for a series, beside the runs. Raises SaveFailed where nothing can be written."""
    name = recipe.run.name or Path(os.path.abspath(recipe.data.data)).stem or "run"
    store = RunStore.create(recipe.run.out, f"{name}-{kind}")
    store.write_json("env.json", {"command": command(), "folder": os.getcwd()})
    plan = {"format": 1, "kind": kind, "recipe": plainly(recipe), "members": [dict(member) for member in members]}
    store.write_json(SERIES, plan)
    return read_series(store.folder)


def read_series(folder: Path) -> SeriesRecord:
    """The series in a folder. Raises ArtefactError for what is none."""
    found = RunStore.open(folder).read_json(SERIES)
    try:
        kind, members = str(found["kind"]), tuple(dict(member) for member in found["members"])
        recipe = placed(folder, compose(found["recipe"]))
        if kind not in KINDS or not members:
            raise ValueError(f"a series of {kind!r} with {len(members)} members")
        return SeriesRecord(folder=folder, kind=kind, recipe=recipe, members=members)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtefactError(f"{folder / SERIES} is no plan of a series: {error}", hint=DAMAGED) from error


def unfinished_series(recipe: Recipe, kind: str, members: Sequence[Mapping[str, Any]]) -> SeriesRecord | None:
    """The latest series of the same data, recipe and members that has not finished, if there is one."""
    found = []
    for path in Path(recipe.run.out).glob(f"*/{SERIES}"):
        try:
            series = read_series(path.parent)
            same = series.kind == kind and [dict(each) for each in members] == list(series.members)
            if same and not series.finished and not unlike(asked(series.recipe), asked(recipe)):
                found.append((path.stat().st_mtime_ns, series))
        except (ArtefactError, OSError):
            continue
    return max(found, key=lambda pair: pair[0])[1] if found else None


def chosen_by(summary: Mapping[str, Any]) -> float | None:
    """The score of a run's best epoch on validation; None where there is none but the loss."""
    best = summary.get("best", {})
    return next((float(best[f"val_{name}"]) for name in SCORES if f"val_{name}" in best), None)


def ratio_of(folders: Sequence[Path]) -> float:
    """Test samples per training sample, the mean over the runs of folds."""
    counts = [RunStore.open(folder).read_json("data.json", limit=1 << 30)["samples"] for folder in folders]
    return sum(count["test"] / max(1, count["train"]) for count in counts) / max(1, len(counts))


def each_run(names: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Runs by name, of a series each that has finished. Raises ArtefactError for a series of which none has."""
    found: list[str] = []
    for name in names:
        folder = None if find_folder(name) is not None else find_series(name)
        if folder is None:
            found.append(os.fspath(name))
            continue
        done = [str(run.folder) for _, run in sorted(read_series(folder).runs().items()) if run.status == "finished"]
        if not done:
            raise ArtefactError(
                f"no run of the series {str(folder)!r} has finished", hint=f"go on: hubel train --resume {folder}"
            )
        found += done
    return found


def run_or_data(what: str | os.PathLike[str]) -> Path | None:
    """The folder of the run that a word means; None where it means data.

    Raises ArtefactError for a series of runs, which is neither, and names its runs; and for weights without a training.
    """
    if os.fspath(what) in SOURCES:
        return None
    try:
        folder = find_run(what)
    except (ArtefactError, UsageError):
        if find_series(what) is not None or is_detector(what):
            raise
        return None
    if not os.path.exists(what) or (folder / "weights" / "best.json").is_file():
        RunRecord(folder).require_training()
    return folder if (folder / "config.yaml").is_file() else None


def folds_of(what: str | os.PathLike[str]) -> SeriesRecord | None:
    """The finished series of folds that a word means; None where it means anything else.

    Raises ArtefactError for folds of which some have not finished: between them they have not left out every picture.
    """
    folder = None if os.fspath(what) in SOURCES or find_folder(what) is not None else find_series(what)
    if folder is None:
        return None
    series = read_series(folder)
    if series.kind != "folds":
        return None
    done = sum(run.status == "finished" for run in series.runs().values())
    if done < len(series.members):
        raise ArtefactError(
            f"{done} of the {len(series.members)} folds of {str(folder)!r} have finished, and only all of them "
            "together have left out every picture once",
            hint=f"go on: {series.onward}",
        )
    return series


def sweep_unbegun(series: SeriesRecord) -> None:
    """Remove members' folders that were killed before they had saved anything. Only with the series' lock held."""
    for place in sorted(series.folder.iterdir()):
        if not place.is_dir() or place.is_symlink():
            continue
        begun = place / "config.yaml"
        if begun.is_file() and (RunRecord(place).status == "finished" or generations(RunStore.open(place))):
            continue
        if not strangers(place):
            shutil.rmtree(place)


def members_of(run: str | os.PathLike[str]) -> list[Path] | None:
    """The finished runs of a series, in their order; None for what is none. Raises ArtefactError where none finished.

    What answers together is asked by this: a series of folds or seeds is an ensemble.
    """
    folder = find_series(run)
    if folder is None:
        return None
    series = read_series(folder)
    found = [run.folder for _, run in sorted(series.runs().items()) if run.status == "finished"]
    if series.kind == "curve":
        raise ArtefactError(
            f"{str(folder)!r} is a learning curve, whose runs learnt from parts of the data: no ensemble",
            hint=f"name one of them: {found[-1]}" if found else f"go on: hubel curve {folder}",
        )
    if not found:
        raise ArtefactError(
            f"no run of the series {str(folder)!r} has finished", hint=f"go on: hubel train --resume {folder}"
        )
    return found
