"""Stream: what a run or a detector says of pictures that arrive in a folder, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

from hubel import runtime
from hubel.anomalies.artefact import load as load_detector
from hubel.anomalies.looking import sightings
from hubel.anomalies.streaming import Stream
from hubel.data.arriving import arriving
from hubel.deploy.prediction import Predictions, classify
from hubel.errors import DataError, UsageError
from hubel.records.nets import load
from hubel.store.kinds import is_detector
from hubel.views import Viewed


@dataclass(frozen=True, kw_only=True)
class Answer(Viewed):
    """What is said of one picture of a stream."""

    name: str
    told: str = ""
    """In words."""
    said: dict[str, Any]
    """As plain data: of a detector score, strange, mean, recent, drifting; of a run label and probabilities."""
    problem: str = ""
    """Why it could not be read."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"file": self.name, **self.said}


def stream(
    run: str | PathLike[str], folder: str | PathLike[str], *, window: int = 10, idle: float | None = None,
    which: str = "best", views: str | None = None, device: str = "auto", follow_links: bool = False,
) -> Iterator[Answer]:  # fmt: skip
    """An answer a picture, as they arrive in `folder` (and to those that are there); without end, or until none came
    for `idle` seconds. Of a detector, moving averages over `window` scores are kept beside.

    Raises UsageError, DataError where the folder is not there or goes, ArtefactError.
    """
    looks = arriving(fspath(folder), idle=idle, follow_links=follow_links)
    if is_detector(run):
        if which != "best" or views is not None:
            raise UsageError("--which and --views have no meaning for a detector", hint="leave them out")
        return _by_detector(fspath(run), looks, window, device)
    return _by_run(run, looks, which, views, device)


def _by_detector(place: str, looks: Iterator[list[str]], window: int, device: str) -> Iterator[Answer]:
    known = load_detector(place, device=str(runtime.pick_device(device)))
    passing = Stream(known.usual_scores, window=window, rate=known.methods[0].threshold.asked)
    for paths in looks:
        for path in paths:
            try:
                (one,) = sightings(known, path)
            except DataError as error:
                yield Answer(name=path, said={}, problem=error.what)
                continue
            now = passing.add(one.score)
            said = {"score": one.score, "strange": one.strange, "mean": now.mean, "recent": now.recent,
                    "drifting": now.drifting}  # fmt: skip
            words = f"{one.score:>7.2f}  mean {now.mean:>6.2f}  {'STRANGE' if one.strange else 'normal':<8}"
            yield Answer(name=path, said=said, told=words + (" drifting" if now.drifting else ""))


def _by_run(
    run: str | PathLike[str], looks: Iterator[list[str]], which: str, views: str | None, device: str
) -> Iterator[Answer]:
    net = load(run, which=which)
    if not net.labels:
        raise UsageError(f"only nets for labels answer a stream, and the task is {net.task}", hint="a run on labels")
    for paths in looks:
        for path in paths:
            try:
                found: Predictions = classify(net, path, views=views, device=device)
            except DataError as error:
                yield Answer(name=path, said={}, problem=error.what)
                continue
            one = found[0]
            said: dict[str, Any] = {"label": one.label, "value": one.value} if not one.probabilities else {
                "label": one.label, "probability": one.probability, "probabilities": one.probabilities,
            }  # fmt: skip
            told = f"  {one.label}" + (f" {one.probability:.1%}" if one.probabilities else "")
            yield Answer(name=path, said=said, told=told)
