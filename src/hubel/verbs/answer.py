"""Answer: what nets say whose task is no label, of pictures, of points, and of series in tables."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any

import numpy as np

from hubel import runtime
from hubel.checkpoint import Classifier
from hubel.data.kinds import refuse_file
from hubel.data.one_picture import size_from
from hubel.data.series import is_table, read_series
from hubel.data.signals import read_signals
from hubel.deploy.ensemble import say_together
from hubel.deploy.points import TABLES, read_points
from hubel.deploy.prediction import in_batches
from hubel.errors import UsageError
from hubel.evaluation.answers import answer_points, answer_some, check_together, with_classes
from hubel.evaluation.fields import rendered
from hubel.evaluation.metric_learning import embedded
from hubel.records.samples import samples_of
from hubel.tasks.answers import Answers
from hubel.watching import Watcher


def answer(members: list[Classifier], given: Any, settings: dict[str, Any]) -> Answers:
    """What a net says whose task is no label, or several of one task together.

    Raises UsageError for nets of different tasks, and for what is for labels; ArtefactError for nets without a mean.
    """
    net = members[0]
    if len(members) > 1:
        check_together(members)
    if settings.pop("views") not in (None, "none"):
        raise UsageError(f"views are averaged of classes, and the task is {net.task}", hint="leave --views out")
    if settings.pop("fast"):
        raise UsageError(f"only nets for labels are made ready, and the task is {net.task}", hint="leave --fast out")
    settings["watch"].stage("answering")
    device = runtime.pick_device(settings.pop("device"))
    further = settings.pop("classes")
    if further is not None and net.task != "embed":
        raise UsageError(f"further classes are for the task embed, and this is {net.task}", hint="leave them out")
    if net.preprocessing is None:
        return _of_series(members, given, device) if net.columns is not None else _at_points(net, given, device)
    if len(members) > 1 and net.several:
        return say_together(
            members, given, lambda member, items: _of_pictures(member, items, device, settings),
            follow_links=settings["follow_links"],
        )  # fmt: skip
    if further is not None:
        found = samples_of(net, fspath(further), device=str(device), watch=settings["watch"])
        points = embedded(net, found.decoded, found.rows, device)
        there, labels = np.unique(found.labels, return_inverse=True)
        net = with_classes(net, [found.manifest.class_names[k] for k in there], points, labels)
    return _of_pictures(net, given, device, settings, members[1:])


def _of_pictures(
    net: Classifier, given: Any, device: Any, settings: dict[str, Any], others: Sequence[Classifier] = ()
) -> Answers:
    return in_batches(given, answer_some(net, device, others), found=Answers(), **settings)


def seconded(run: Any, net: Classifier, second: str | PathLike[str], device: str, watch: Watcher) -> Classifier:
    """The net with a second one asked about what is known (`hubel.anomalies.asked.with_second`)."""
    from hubel.anomalies.asked import with_second  # which brings what trainings are assembled of

    return with_second(run, net, second, runtime.pick_device(device), watch)


def _at_points(net: Classifier, given: Any, device: Any) -> Answers:
    """What a net that holds a picture says at points, or as a picture of any size. Raises UsageError for what is none.

    `given`: "640x480" (width and height), "0.5,-1" (y and x), a table of points, an array N 2; or many of these.
    """
    found = Answers()
    for item in given if isinstance(given, (list, tuple)) else [given]:
        text = fspath(item) if isinstance(item, (str, PathLike)) else None
        size = None if text is None else size_from(text)
        if size is not None:
            found.append(rendered(net, *size, device))
            continue
        if text is not None and "," not in text and not text.casefold().endswith(TABLES):
            raise UsageError(
                f"a net that holds a picture is asked for a size or for points, got {text!r}",
                hint="640x480, or 0.5,-1 (down and across, from -1 to 1), or a table of such points",
            )
        points = read_points(item, net.spec.in_chans)
        found += answer_points(net, points.names, points.values, device)
    return found


def _of_series(members: Sequence[Classifier], given: Any, device: Any) -> Answers:
    """What nets say at the end of every series of tables, or of signals. Raises UsageError for what is neither."""
    net, *others = members
    assert net.columns is not None
    if net.columns.files:
        return Answers(answer_points(net, *_scaled(net, *read_signals(given, net.columns, ())), device, others))
    said = net.provenance.recipe.get("data", {}).get("columns")
    found = Answers()
    for item in given if isinstance(given, (list, tuple)) else [given]:
        if not (isinstance(item, (str, PathLike)) and is_table(fspath(item))):
            refuse_file(item, "rows in time (.csv, .tsv or .jsonl files)")
            raise UsageError(
                f"a net that reads rows in time takes tables, got {type(item).__name__} {str(item)[:80]!r}",
                hint="hubel predict RUN new.csv, with the columns that it was trained on",
            )
        found += answer_points(net, *_scaled(net, *read_series(item, net.columns, said)), device, others)
    return found


def _scaled(net: Classifier, names: tuple[str, ...], values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    assert net.columns is not None
    return names, net.columns.scaled(values)
