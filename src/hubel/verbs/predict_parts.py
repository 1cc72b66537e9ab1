"""Predict for very many pictures: in parts, here or over a cluster, going on wherever it was stopped."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from hubel.data.manifest import Problem
from hubel.deploy.files import is_shipped
from hubel.deploy.parts import OF_A_PART, Answering, Part, Parts
from hubel.deploy.prediction import gather, nothing_in
from hubel.errors import DataError, HubelError, UsageError
from hubel.faces.progress import shows_progress
from hubel.records.ledger import find_folder
from hubel.records.nets import load
from hubel.runtime.cluster import share_out
from hubel.runtime.places import HERE, check_where
from hubel.runtime.threading import check_threads
from hubel.runtime.threading import threads as computing_with
from hubel.store import read_regular
from hubel.store.kinds import is_detector
from hubel.verbs.predict import opened, predict
from hubel.watching import SILENT, Watcher
from hubel.words import plural

__all__ = ["Parts", "predict_parts"]


@shows_progress
def predict_parts(
    run: str | PathLike[str] | Sequence[str | PathLike[str]],
    pictures: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    out: str | PathLike[str],
    on: str = HERE,
    part_size: int = OF_A_PART,
    which: str = "best",
    views: str | None = None,
    device: str = "auto",
    fast: bool = False,
    threads: int | None = None,
    follow_links: bool = False,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Parts:
    """Classify files and what lies below folders into a CSV file a part in the folder `out`; `run` as of `predict`.

    `on`: "here", "local" (a cluster of Ray started here), "ray://HOST:PORT" or "HOST:PORT" (extra `cluster`). Each
    place of a cluster has `threads` cores (one if not given), and a GPU where there are any and `device` is not "cpu".
    Nets, pictures and versions must
    be the same on all machines: a folder that all of them see. Called again with the same `out`, what is missing is
    done; each file is in the result exactly once, and the bytes are the same wherever they come from.

    Raises UsageError, DataError, ArtefactError, MissingExtra; HubelError for a cluster that is not there.
    """
    began = time.perf_counter()
    check_where(on)
    check_threads(threads if on == HERE else None)
    given = [run] if isinstance(run, (str, PathLike)) else list(run)
    nets = [_named(net) for each in given for net in opened(each)]
    digests = [_digest(net, which) for net in nets]
    watch.stage("listing the pictures")
    left_out: list[Problem] = []
    files = _listed(pictures, follow_links, left_out)
    if left_out:
        watch.remark(f"{plural(len(left_out), 'file')} left out; first: {left_out[0].path}: {left_out[0].reason}")
    settings = {"which": which, "views": views, "device": device, "fast": fast}
    asked = {"nets": digests, **{k: v for k, v in settings.items() if k != "device"}}
    answering = Answering(Path(fspath(out)), files, asked, part_size)
    waiting = answering.missing
    places = share_out(
        on if waiting else HERE, _answerer, (nets, settings), cores=threads or 1, gpu=device != "cpu",
        most=len(waiting), watch=watch,
    )  # fmt: skip
    with answering.store.lock(), computing_with(threads if on == HERE else None), places:
        watch.stage("answering")
        while waiting or places.busy:
            while waiting and places.free:
                number = waiting.pop(0)
                places.give(number, lambda number=number: answering.of(number))  # type: ignore[misc]
            done = places.take()
            if done.error is not None:
                first = answering.of(done.key)[0]
                raise (
                    HubelError(f"part {done.key}, from {first} on: {done.error.what}") if done.given_up else done.error
                )
            answering.write(done.key, done.result)
            watch.progress(len(answering.done), answering.parts)
    watch.done()
    return answering.result(places.lost, time.perf_counter() - began)


def _answerer(nets: Sequence[str], settings: dict[str, Any]) -> Callable[[list[str]], Part]:
    """What answers at a place: the files of a part in, its answers out."""
    missing = [net for net in nets if os.path.isabs(net) and not os.path.exists(net)]
    if missing:
        raise DataError(
            f"{os.uname().nodename} does not see {missing[0]}", hint="put runs and pictures where all machines see them"
        )
    files = any(is_shipped(net) or is_detector(net) for net in nets)
    ready = list(nets) if files else [load(net, which=settings["which"]) for net in nets]
    usual = {"which": "best", "views": None, "fast": None} if files else {}
    said = {k: v for k, v in settings.items() if k in ("views", "device", "fast")}
    said = {k: usual[k] if k in usual and not v else v for k, v in said.items()}
    if files and settings["which"] != "best":
        said["which"] = settings["which"]  # refused there, in its words

    def answer(paths: list[str]) -> Part:
        if not any(os.path.lexists(path) for path in paths):
            raise DataError(
                f"{os.uname().nodename} sees none of the {len(paths):,} files of this part; first: {paths[0]}",
                hint="they were taken away, or lie where not all machines see them",
            )
        try:
            found = predict(ready, paths, verbose=False, **said)
        except DataError:  # none of them can be read: why not is asked one by one
            return Part(csv="", read=0, unread=tuple((path, reason(path)) for path in paths))
        unread = tuple((problem.path, problem.reason) for problem in found.problems if problem.left_out)
        return Part(csv=found.to_csv(), read=len(found), unread=unread)

    def reason(path: str) -> str:
        try:
            predict(ready, [path], verbose=False, **said)
        except DataError as error:
            return error.what.rpartition(f"{path}: ")[2]
        return "read at the second attempt only"

    return answer


def _listed(pictures: Any, follow_links: bool, problems: list[Problem]) -> list[str]:
    """Every file once, by its whole path. Raises UsageError for what is no file, DataError where there is none."""
    found: dict[str, None] = {}
    for item in gather(pictures, problems, follow_links=follow_links):
        if not isinstance(item, PathLike):
            raise UsageError(f"files are answered in parts, got {type(item).__name__}", hint="hubel.predict(run, …)")
        found[os.path.abspath(item)] = None
    if not found:
        what = f"{problems[0].path}: {problems[0].reason}" if problems else nothing_in(pictures)
        raise DataError(what, hint="give files or folders: hubel predict RUN new/ --on local --out answers/")
    return list(found)


def _named(net: Any) -> str:
    """A net by its whole path, which says the same on another machine; a published one by its name."""
    place = Path(net) if is_detector(net) or is_shipped(net) else find_folder(net)
    return fspath(net) if place is None else os.path.abspath(place)


def _digest(net: str, which: str) -> str:
    if is_detector(net):
        return hashlib.sha256(read_regular(Path(net) / "detector.json")).hexdigest()
    if is_shipped(net):
        return hashlib.sha256(read_regular(net)).hexdigest()
    known = load(net, which=which)
    if known.preprocessing is None:
        raise UsageError("pictures are answered in parts, and this run answers points", hint="leave --on out")
    return known.provenance.sha256
