"""Going on with a run: which one, and how a restored training takes up what is said beside `--resume`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hubel.errors import UsageError
from hubel.recipes.continuing import HERE, Segment, asked
from hubel.recipes.schema import compose
from hubel.records.ledger import find_run
from hubel.training.loop import finished
from hubel.training.resume import latest_unfinished
from hubel.training.state import Training
from hubel.watching import Watcher


def to_resume(resume: str, given: Mapping[str, Any], watch: Watcher) -> tuple[Path | None, dict[str, Any]]:
    """The run to go on with, if there is one, and what of the `given` settings it takes. Raises ArtefactError."""
    if resume != "auto":
        return Path(find_run(resume)), dict(given)
    found, passed_over = latest_unfinished(given.get("out", "runs"), asked(compose(given)) or None)
    if found is None and passed_over:
        watch.remark(f"no unfinished run has the same data and recipe: {passed_over}")
    return found, {name: value for name, value in given.items() if name in HERE}


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
            "epochs": (f"{training.epoch} epochs are done", f"--epochs {training.epoch + 1} at least"),
            "time": (f"{training.seconds:.0f} seconds are spent", "--time with more than that"),
            "target": ("the target is reached", "--target with more than that"),
            "patience": ("the validation result has not improved for so long", "--patience with more than that"),
        }
        what, hint = done[reason]
        raise UsageError(f"nothing would be left to train: {what}", hint=hint)
