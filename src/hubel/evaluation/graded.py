"""What a comparison needs to know of a run, read from what its folder keeps, for every task whose runs are compared.

N samples, K classes, D draws.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hubel.errors import ArtefactError
from hubel.evaluation.classification import NUMBERS, Evaluation
from hubel.evaluation.regression import RegressionEvaluation
from hubel.evaluation.result import TaskResult
from hubel.evaluation.told import (
    Rows,
    Told,
    each_line,
    each_pixel,
    each_series,
    of_areas,
    of_classes,
    of_labels,
    of_nearest,
    of_numbers,
    of_pictures,
    of_pixels,
    of_series_of_classes,
    of_series_of_numbers,
)
from hubel.metrics.intervals import Interval
from hubel.words import plural


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How runs of one task are held against each other."""

    columns: tuple[str, ...]
    """Numbers of `evaluation.json` that stand in a table."""
    order: tuple[tuple[str, bool], ...]
    """By which of them a run is better, the first that differs; whether less is better."""
    read: Callable[[Mapping[str, Any], Mapping[str, Rows]], Told]
    tables: tuple[str, ...] = ("predictions.csv",)
    """Files that `read` needs."""
    samples: Callable[[Rows], tuple[tuple[int, ...], tuple[str, ...]]] = each_line
    """Ids and paths of the samples, from the lines of `predictions.csv`."""
    points: str = "points"
    """Of what a difference is told."""
    scale: float = 100.0
    """By what a difference is multiplied where it is written: 1 for a number that is no share."""
    means: str = ""
    """What these points are, where that is not plain."""
    drawn: str = ""
    """What is drawn again, "picture", where the number is no count of right samples; "" where samples are counted."""
    each: str = ""
    """What that number is called of one class."""
    counted: str = ""
    """What is counted besides, where both can be done."""
    by: str = ""
    """What is counted, where that is not plain: "recall@1"."""
    together: bool = False
    """Does the answer to one sample depend on which others there are? Then only tests of the same ones are compared."""
    complete: str = ""
    """Why there is no interval, where a test holds all samples that there are."""
    apart: str = ""
    """Why runs are not in pairs whose samples are others, where these come from no split."""

    @property
    def share(self) -> bool:
        """Is the number that decides a share of something?"""
        return self.scale == 100 and not self.falls

    @property
    def drawn_ones(self) -> str:
        """What is drawn again, in the plural."""
        return plural(2, self.drawn)[2:]

    @property
    def main(self) -> str:
        """The number that decides which run is the better one."""
        return self.order[0][0]

    @property
    def falls(self) -> bool:
        """Is less of it better?"""
        return self.order[0][1]


KINDS: dict[str, Kind] = {
    "classification": Kind(
        columns=tuple(NUMBERS), order=(("top1", False), ("log_loss", True)), read=of_classes
    ),
    "regression": Kind(
        columns=("rmse", "mae", "mse", "r2", "bias"), order=(("rmse", True), ("mae", True)), read=of_numbers,
        means="the share of samples on which it is nearer, less that on which it is farther",
    ),
    "multilabel": Kind(
        columns=("mean_ap", "exact", "micro_f1", "macro_f1", "wrong"), order=(("mean_ap", False), ("exact", False)),
        read=of_labels, points="points of mAP", drawn="sample", each="average precision",
        counted="all labels of a sample right",
    ),
    "segment": Kind(
        columns=("mean_iou", "pixel_accuracy"), order=(("mean_iou", False), ("pixel_accuracy", False)),
        read=of_areas, tables=("predictions.csv", "areas.csv"), points="points of mean IoU", drawn="picture",
        each="IoU",
    ),
    "reconstruct": Kind(
        columns=("psnr", "mse", "explained"), order=(("psnr", False), ("mse", True)), read=of_pictures,
        points="decibels of PSNR", scale=1, drawn="picture", each="PSNR",
    ),
    "embed": Kind(
        columns=("recall@1", "recall@5", "recall@10", "map_at_r", "nearest_class", "auroc", "equal_error"),
        order=(("recall@1", False), ("map_at_r", False)), read=of_nearest, by="recall@1", points="points of recall@1",
        together=True,
    ),
    "field": Kind(
        columns=("psnr", "mse", "slopes", "bends"), order=(("psnr", False), ("mse", True)), read=of_pixels,
        samples=each_pixel, points="decibels of PSNR", scale=1, together=True,
        complete="All pixels of the picture are there, so none were drawn that an interval could be of: this holds of "
        "this picture and these two trainings. Whether it is more than the luck of a seed, trainings with other seeds "
        "say (--seed).",
        apart="learnt another picture than {best}, or the same at another size: no test is made of that.",
    ),
    "sequence of classes": Kind(
        columns=("accuracy", "most_frequent"), order=(("accuracy", False),), read=of_series_of_classes,
        samples=each_series, points="points of accuracy", drawn="series", each="accuracy",
    ),
    "sequence of numbers": Kind(
        columns=("skill",), order=(("skill", False),), read=of_series_of_numbers, samples=each_series,
        points="points of squared error less", drawn="series", each="squared error less",
    ),
}  # fmt: skip
"""By what `evaluation.json` says that it is of."""


@dataclass(frozen=True, kw_only=True)
class Graded:
    """What a comparison needs to know of a run: its numbers, and sample by sample how good its answers are."""

    task: str
    numbers: dict[str, float]
    intervals: dict[str, Interval]
    ids: tuple[int, ...]
    """N; everything below is in the same order."""
    paths: tuple[str, ...]
    """Empty where the samples have none."""
    told: Told

    @classmethod
    def of(cls, run: Evaluation | RegressionEvaluation | TaskResult) -> Graded:
        """From the result itself. Raises ArtefactError for one of a task whose runs are not compared."""
        if isinstance(run, TaskResult):
            return cls.read(run.to_dict(), run.tables())
        truth: list[str | float]
        if isinstance(run, Evaluation):
            task, truth = "classification", [run.class_names[k] for k in run.labels]
            goodness = (run.labels == run.predicted).astype(np.float64)
        else:
            task, truth = "regression", run.targets.tolist()
            goodness = -np.abs(run.predicted - run.targets)
        return cls(
            task=task,
            numbers={column: getattr(run, column) for column in KINDS[task].columns},
            intervals=dict(run.intervals),
            ids=tuple(run.ids.tolist()),
            paths=run.paths or (),
            told=Told(truth=tuple(truth), goodness=goodness),
        )

    @classmethod
    def read(cls, document: Mapping[str, Any], tables: Mapping[str, str]) -> Graded:
        """From what a run folder keeps: evaluation.json and the text of the tables that its kind needs, by name.

        Raises ArtefactError when they do not fit together, and for a task whose runs are not compared.
        """
        name = name_of(document)
        kind = KINDS[name]
        try:
            rows = {name: list(_rows(tables[name])) for name in kind.tables if name in tables}
            ids, paths = kind.samples(rows["predictions.csv"])
            if len(ids) != document["samples"]:
                raise ValueError(f"{len(ids)} predictions for {document['samples']} samples")
            for table in kind.tables:
                if table not in rows:
                    raise ValueError(f"{table} is not there")
            return cls(
                task=name,
                numbers=_numbers(document, kind),
                intervals=_intervals(document, kind),
                ids=ids,
                paths=paths if any(paths) else (),
                told=kind.read(document, rows),
            )
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, csv.Error) as error:
            raise ArtefactError(
                f"evaluation.json and {' and '.join(kind.tables)} must belong together and be whole: {error}",
                hint="measure the run again: hubel evaluate RUN --out RUN",
            ) from error

    @property
    def kind(self) -> Kind:
        """How runs of its task are compared."""
        return KINDS[self.task]

    @cached_property
    def rank(self) -> tuple[float, ...]:
        """Smaller is better."""
        return tuple(self.numbers[name] if falls else -self.numbers[name] for name, falls in self.kind.order)

    @cached_property
    def positions(self) -> np.ndarray:
        """N positions that put the samples in the order of their ids."""
        return np.argsort(np.array(self.ids), kind="stable")

    @cached_property
    def samples(self) -> tuple[tuple[int, ...], tuple[str | float, ...]]:
        """Ids and true answers in the order of the ids."""
        return tuple(self.ids[i] for i in self.positions), tuple(self.told.truth[i] for i in self.positions)

    @cached_property
    def ordered_paths(self) -> tuple[str, ...]:
        """Paths in the order of the ids."""
        return tuple(self.paths[i] for i in self.positions) if self.paths else ()


def name_of(document: object) -> str:
    """Of which of `KINDS` it is what `evaluation.json` tells of; ArtefactError for none."""
    task = document.get("task") if isinstance(document, dict) else None
    if task == "sequence" and isinstance(document, dict):
        return "sequence of classes" if "accuracy" in document else "sequence of numbers"
    if isinstance(task, str) and task in KINDS:
        return task
    what = "does not say of which task it is" if task is None else f"says of a task {task!r}, which is none"
    raise ArtefactError(
        f"evaluation.json must be whole, and {what}", hint="measure the run again: hubel evaluate RUN --out RUN"
    )


def kind_of(document: object) -> Kind:
    """How what `evaluation.json` tells of is compared; ArtefactError for what is not."""
    return KINDS[name_of(document)]


def _numbers(document: Mapping[str, Any], kind: Kind) -> dict[str, float]:
    """Those of its columns, `recall@5` being the one at 5 of several; those that decide must be there."""
    deciding, found = {name for name, _ in kind.order}, {}
    for column in kind.columns:
        name, _, place = column.partition("@")
        part, key = (document[name], place) if place else (document, name)
        found[column] = _float(part[key] if column in deciding else part.get(key))
    return found


def _intervals(document: Mapping[str, Any], kind: Kind) -> dict[str, Interval]:
    """By column; a task that has one interval has it of the number that decides."""
    if kind.complete:
        return {}
    told = {kind.main: document["interval"]} if "interval" in document else document["intervals"]
    titles = {column.partition("@")[0]: column for column in reversed(kind.columns)}
    return {titles.get(name, name): (_float(low), _float(high)) for name, (low, high) in told.items()}


def _rows(text: str) -> Iterator[dict[str, str]]:
    """The lines of a table by the names of its columns, in their order; one called as another has its place as well."""
    lines = csv.reader(io.StringIO(text))
    head: list[str] = []
    for place, name in enumerate(next(lines, [])):
        head.append(f"{name} ({place})" if name in head else name)
    yield from (dict(zip(head, cells, strict=True)) for cells in lines if cells)


def _float(value: float | None) -> float:
    return float("nan") if value is None else float(value)
