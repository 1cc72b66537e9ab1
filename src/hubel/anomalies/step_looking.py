"""The whole of it for steps: read, learnt, thresholds found, other steps looked at and judged."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hubel import runtime
from hubel.anomalies.artefact import load
from hubel.anomalies.looking import sightings
from hubel.anomalies.settings import Settings
from hubel.anomalies.sighting import Sightings
from hubel.anomalies.step_artefact import load_steps
from hubel.anomalies.step_data import read_steps, refuse_strange
from hubel.anomalies.step_results import JudgedSteps, StepAnomalies, judge_steps, measure_steps
from hubel.anomalies.steps import learn_steps
from hubel.data.manifest import Problem
from hubel.errors import DataError, UsageError
from hubel.store.kinds import judges_steps
from hubel.watching import Watcher
from hubel.words import plural

SAID = 3
"""Problems that are said one by one."""


def search_steps(
    good: str, test: str | None, methods: Sequence[str], settings: Settings, *, columns: Mapping[str, str],
    window: int | None, normal: Sequence[str], rate: float, keep_odd: bool, watch: Watcher,
) -> StepAnomalies:  # fmt: skip
    """Learn from the normal steps in `good`, and judge those in `test`. Raises UsageError, DataError."""
    watch.stage("reading the normal steps")
    steps = read_steps(good, columns=columns, normal=normal)
    _say(steps.problems, watch)
    if steps.decided:
        watch.remark(steps.decided)
    refuse_strange(steps, good)
    name = Path(os.path.abspath(good)).stem or "steps"
    known = learn_steps(
        steps, methods, settings, name=name, rate=rate, window=window, said=columns, keep_odd=keep_odd, watch=watch
    )
    judged = JudgedSteps()
    if test is not None:
        watch.stage("looking")
        others = read_steps(test, columns=columns, known=known.columns, kind=known.kind, normal=normal)
        judged = judge_steps(known, others)
        _say(others.problems, watch)
    return StepAnomalies(name=name, detector=known, judged=judged, methods=measure_steps(known, judged))


def _say(problems: Sequence[Problem], watch: Watcher) -> None:
    for problem in problems[:SAID]:
        watch.remark(f"{problem.path}: {problem.reason}")
    if len(problems) > SAID:
        watch.remark(f"and {plural(len(problems) - SAID, 'remark')} more")


def judged_steps(detector: str | os.PathLike[str], given: Any, *, device: str = "auto") -> JudgedSteps:
    """What a detector of steps says of tables, NumPy files or folders of them: one, or many."""
    known = load_steps(detector, device=str(runtime.pick_device(device)))
    items = list(given) if isinstance(given, (list, tuple)) else [given]
    if not items:
        raise UsageError("a table or a signal is needed", hint=f"hubel predict {detector} new.csv")
    found = JudgedSteps()
    found.kind = known.kind
    for item in items:
        if not isinstance(item, (str, os.PathLike)):
            raise UsageError(f"a detector of steps takes files and folders, got {type(item).__name__}", hint="new.csv")
        if not os.path.exists(item):
            raise DataError(
                f"there is no file or folder {os.fspath(item)!r}", hint="new.csv, or a folder of .npy files"
            )
        some = judge_steps(
            known, read_steps(os.fspath(item), columns=known.said, known=known.columns, kind=known.kind)
        )  # fmt: skip
        found += some
        found.problems += some.problems
    return found


def ask_detector(
    detector: str | os.PathLike[str], given: Any, *, device: str, **settings: Any
) -> Sightings | JudgedSteps:
    """What a detector of pictures or of steps says, whichever it is; `settings` are those of `sightings`."""
    if judges_steps(detector):
        return judged_steps(detector, given, device=device)
    return sightings(load(detector, device=str(runtime.pick_device(device))), given, **settings)
