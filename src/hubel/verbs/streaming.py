"""Stream: what a run or a detector says of what arrives: files in a folder, lines of a table that grows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

from hubel import runtime
from hubel.anomalies.artefact import load as load_detector
from hubel.anomalies.looking import sightings
from hubel.anomalies.step_artefact import load_steps
from hubel.anomalies.step_streaming import StepStream
from hubel.anomalies.streaming import Stream
from hubel.checkpoint import Classifier
from hubel.data.arriving import arriving
from hubel.data.series import is_table
from hubel.data.series_growing import NewSteps, answered_lines
from hubel.data.signals import SUFFIXES
from hubel.deploy.prediction import classify_values
from hubel.errors import DataError, UsageError
from hubel.evaluation.step_answers import answer_steps
from hubel.records.nets import load
from hubel.store.kinds import is_detector, judges_steps
from hubel.verbs.predict import Answers, Predictions, predict
from hubel.views import Viewed


@dataclass(frozen=True, kw_only=True)
class Answer(Viewed):
    """What is said of one file, or one line, of a stream."""

    name: str
    told: str = ""
    """In words."""
    said: dict[str, Any]
    """As plain data: what `hubel predict --json` says of it; of a detector also mean, recent, drifting."""
    problem: str = ""
    """Why it could not be read."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"file": self.name, **self.said}


def stream(
    run: str | PathLike[str], source: str | PathLike[str], *, window: int = 10, idle: float | None = None,
    which: str = "best", views: str | None = None, device: str = "auto", follow_links: bool = False,
) -> Iterator[Answer]:  # fmt: skip
    """An answer to each file as it arrives in the folder `source` (and to those that are there), or to each whole line
    of a table `source` that grows; without end, or until none came for `idle` seconds. Of a detector, moving averages
    over `window` scores are kept beside.

    Lines are for runs on tables, whether rows follow one another (`--task sequence`) or not, and for detectors of
    strange steps. Raises UsageError, DataError where the source is not there or goes, ArtefactError.
    """
    place = fspath(source)
    target = str(runtime.pick_device(device))
    if is_detector(run) and (which != "best" or views is not None):
        raise UsageError("--which and --views have no meaning for a detector", hint="leave them out")
    if is_table(place) and not os.path.isdir(place):
        return _of_table(run, place, window, idle, which, views, target)
    if judges_steps(run):
        known = load_steps(run, device=target)
        if not known.columns.files:
            raise UsageError(
                f"this detector takes lines of a table, and {place} is none",
                hint=f"hubel predict {run} --stream NEW.csv",
            )
        looks = arriving(place, idle=idle, follow_links=follow_links, suffixes=SUFFIXES)
        return _by_file(
            looks, lambda path: _said_of_signal(known.methods[0], predict(run, path, device=device, verbose=False))
        )
    if is_detector(run):
        return _by_detector(fspath(run), arriving(place, idle=idle, follow_links=follow_links), window, target)
    net = load(run, which=which)
    if net.columns is not None and not net.columns.files:
        raise UsageError(
            f"this run takes lines of a table, and {place} is none", hint=f"hubel predict {run} --stream NEW.csv"
        )
    if net.columns is None and net.preprocessing is None:
        raise UsageError("this run takes points, which do not arrive in files", hint=f"hubel predict {run} 0.5,-1")
    looks = arriving(place, idle=idle, follow_links=follow_links, suffixes=None if net.columns is None else SUFFIXES)
    return _by_file(looks, lambda path: _said_of_file(net, path, views, device))


def _of_table(
    run: str | PathLike[str], place: str, window: int, idle: float | None, which: str, views: str | None, target: str
) -> Iterator[Answer]:  # fmt: skip
    """Line by line, of detectors of steps and of runs on tables."""
    if is_detector(run):
        if not judges_steps(run):
            raise UsageError("a detector of strange pictures takes no table", hint="--stream FOLDER, of pictures")
        known = load_steps(run, device=target)
        if known.columns.files:
            raise UsageError("this detector takes signals, and no table", hint="--stream FOLDER, of .npy files")
        passing = StepStream(known, window)
        lines = answered_lines(place, known.columns, known.said, passing.add, idle=idle, restart=passing.restart)
    else:
        net = load(run, which=which)
        if net.columns is None or net.columns.files:
            raise UsageError(
                "lines of a table are for runs that learnt from tables", hint="--stream FOLDER, of files that arrive"
            )
        if views not in (None, "none"):
            raise UsageError("views are of pictures, and this run reads tables", hint="leave --views out")
        if net.task == "sequence":
            said = net.provenance.recipe.get("data", {}).get("columns") or {}
            device = runtime.pick_device(target)
            lines = answered_lines(place, net.columns, said, lambda new: answer_steps(net, new, device), idle=idle)
        else:
            alone = {"series": "", "time": ""}
            lines = answered_lines(place, net.columns, alone, lambda new: _said_of_rows(net, new), idle=idle)
    for one in lines:
        yield Answer(name=one.name, told=f"  {one.told}", said=one.said, problem=one.problem)


def _said_of_rows(net: Classifier, new: NewSteps) -> list[tuple[str, dict[str, Any]]]:
    """Of rows that do not follow one another."""
    values = new.values[:, new.first :].T
    names = tuple(f"line {line}" for line in new.lines)
    found = classify_values(net, names, values)
    return [(one.told(), one.to_dict()) for one in found]


def _said_of_file(net: Classifier, path: str, views: str | None, device: str) -> tuple[str, dict[str, Any]]:
    """What `predict` says of it, all of that."""
    found = predict(net, path, views=views, device=device, verbose=False)
    if isinstance(found, Predictions):
        return found[0].told(), found[0].to_dict()
    assert isinstance(found, Answers)
    return found[0].line, found[0].to_dict()


def _said_of_signal(method: str, found: Any) -> tuple[str, dict[str, Any]]:
    if found.problems or not found:
        raise DataError(found.problems[0].reason if found.problems else "it holds no signal")
    return f"{found[0].worst:.2f}  {found[0].told}", {"method": method} | found[0].to_dict()


def _by_file(
    looks: Iterator[list[str]], says: Callable[[str], tuple[str, dict[str, Any]]]
) -> Iterator[Answer]:  # fmt: skip
    for paths in looks:
        for path in paths:
            try:
                words, said = says(path)
            except DataError as error:
                yield Answer(name=path, said={}, problem=error.reason or error.what)
                continue
            yield Answer(name=path, said=said, told=f"  {words}")


def _by_detector(place: str, looks: Iterator[list[str]], window: int, device: str) -> Iterator[Answer]:
    known = load_detector(place, device=device)
    passing = Stream(known.usual_scores, window=window, rate=known.methods[0].threshold.asked)
    for paths in looks:
        for path in paths:
            try:
                (one,) = sightings(known, path)
            except DataError as error:
                yield Answer(name=path, said={}, problem=error.reason or error.what)
                continue
            now = passing.add(one.score)
            said = one.to_dict() | {"mean": now.mean, "recent": now.recent, "drifting": now.drifting}
            words = f"{one.score:>7.2f}  mean {now.mean:>6.2f}  {'STRANGE' if one.strange else 'normal':<8}"
            yield Answer(name=path, said=said, told=words + (" drifting" if now.drifting else ""))
