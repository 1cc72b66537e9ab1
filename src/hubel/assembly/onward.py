"""Going on with a run: which one, and how a restored training takes up what is said beside `--resume`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hubel.assembly.reins import Reins
from hubel.errors import UsageError
from hubel.recipes.continuing import HERE, Segment, asked, continued
from hubel.recipes.schema import compose, read_file
from hubel.records.ledger import find_run, find_series
from hubel.records.own_data import placed
from hubel.store import RunStore
from hubel.training.loop import finished
from hubel.training.resume import latest_unfinished
from hubel.training.state import Training
from hubel.watching import Watcher


def is_series(resume: str | os.PathLike[str] | None) -> bool:
    """Is it a series of runs, and no single one, that is to be gone on with?"""
    return resume not in (None, "auto") and find_series(resume) is not None


def to_resume(resume: str, given: Mapping[str, Any], watch: Watcher) -> tuple[Path | None, dict[str, Any]]:
    """The run to go on with, if there is one, and what of the `given` settings it takes. Raises ArtefactError."""
    if resume != "auto":
        return Path(find_run(resume)), dict(given)
    found, passed_over = latest_unfinished(given.get("out", "runs"), asked(compose(given)) or None)
    if found is None and passed_over:
        watch.remark(f"no unfinished run has the same data and recipe: {passed_over}")
    return found, {name: value for name, value in given.items() if name in HERE}


def going_on(folder: Path, given: Mapping[str, Any]) -> Segment:
    """The recipe of the run in `folder` as it goes on with what is `given`, its data as they are found from here.

    A data_root that is given is kept, as it is found from anywhere: who reads the run's data next looks there.
    Raises UsageError for a setting that the run is made of.
    """
    written = compose(read_file(folder / "config.yaml"))
    saved, given = placed(folder, written), dict(given)
    if given.get("data_root"):
        saved = saved.change(data_root=written.data.data_root)
        given["data_root"] = os.path.abspath(os.path.expanduser(given["data_root"]))
    return continued(saved, given, folder)


def take_up(training: Training, segment: Segment, *, fits_head: bool) -> None:
    """Let a restored training follow the settings of its new segment. Raises UsageError where they would do nothing."""
    if fits_head and segment.learns_otherwise:
        raise UsageError(
            f"a head is fitted here, and no epochs are trained: {', '.join(segment.changed)} would change nothing",
            hint="leave them out, or begin another run with --unfreeze last",
        )
    if "time" in segment.changed:
        training.allowed = None
    if "epochs" in segment.changed:
        training.timed = False
    if "micro_batch" in segment.changed:
        training.micro_batch = segment.recipe.train.micro_batch
    reason = finished(training) if training.history and segment.learns_otherwise else ""
    if reason:
        done = {
            "epochs": (f"epoch {training.epoch} is done", f"--epochs {training.epoch + 1} at least"),
            "time": (f"{training.seconds:.0f} seconds are spent", "--time with more than that"),
            "target": ("the target is reached", "--target with more than that"),
            "patience": ("the validation result has not improved for so long", "--patience with more than that"),
        }
        what, hint = done[reason]
        raise UsageError(f"nothing would be left to train: {what}", hint=hint)


def reins_of(store: RunStore) -> Reins:
    """What obeys the orders to a run; settings among them are taken up as those beside `--resume` are."""
    return Reins(store, lambda settings: going_on(store.folder, settings))
