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
from hubel.metrics.intervals import Interval
from hubel.metrics.overlap import drawn_iou
from hubel.metrics.several import drawn_precision
from hubel.words import cell_text, visible

Rows = list[dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the lines of a run's tables say, sample by sample."""

    truth: tuple[str | float, ...]
    """N: true answers in words that do not depend on how classes are numbered; or true numbers."""
    goodness: np.ndarray | None = None
    """N: 1 for right and 0 for wrong, or minus the distance to the target; None where an answer is no such thing."""
    classes: tuple[str, ...] = ()
    by_class: Callable[[np.ndarray], np.ndarray] | None = None
    """Of a task whose number is a mean over classes: D N, how often each sample counts -> D K, that of each class."""


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
    points: str = "points"
    """Of what a difference is told."""
    means: str = ""
    """What these points are, where that is not plain."""
    drawn: str = ""
    """What is drawn again, "picture", where the number is a mean over classes; "" where samples are counted."""
    each: str = ""
    """What that number is called of one class."""
    counted: str = ""
    """What is counted besides, where both can be done."""

    @property
    def main(self) -> str:
        """The number that decides which run is the better one."""
        return self.order[0][0]

    @property
    def falls(self) -> bool:
        """Is less of it better?"""
        return self.order[0][1]


def _of_classes(document: Mapping[str, Any], tables: Mapping[str, Rows]) -> Told:
    rows = tables["predictions.csv"]
    return Told(truth=tuple(row["label"] for row in rows), goodness=np.array([float(row["right"]) for row in rows]))


def _of_numbers(document: Mapping[str, Any], tables: Mapping[str, Rows]) -> Told:
    rows = tables["predictions.csv"]
    return Told(
        truth=tuple(float(row["target"]) for row in rows),
        goodness=np.array([-abs(float(row["error"])) for row in rows]),
    )


def _of_labels(document: Mapping[str, Any], tables: Mapping[str, Rows]) -> Told:
    rows, names = tables["predictions.csv"], tuple(document["per_class"])
    each = [set(cell_text(row["labels"]).split("|")) for row in rows]
    # By place: a label may be called as one of the columns before it is.
    shares = np.array([list(map(float, list(row.values())[-len(names) :])) for row in rows])
    there = np.array([[visible(name) in known for name in names] for known in each])
    return Told(
        truth=tuple("|".join(sorted(known)) for known in each),
        goodness=np.array([float(row["right"]) for row in rows]),
        classes=names,
        by_class=lambda weights: drawn_precision(shares, there, weights),
    )


def _of_areas(document: Mapping[str, Any], tables: Mapping[str, Rows]) -> Told:
    rows, names = tables["predictions.csv"], tuple(document["per_class"])
    places = {int(row["id"]): place for place, row in enumerate(rows)}
    columns = {visible(name): k for k, name in enumerate(names)}
    found = np.zeros((3, len(rows), len(names)), dtype=np.int64)
    truth: list[list[str]] = [[] for _ in rows]
    for row in tables["areas.csv"]:
        place, name = places[int(row["id"])], cell_text(row["class"])
        found[:, place, columns[name]] = int(row["pixels"]), int(row["said"]), int(row["right"])
        if found[0, place, columns[name]]:  # others stand there since a net says them
            truth[place].append(f"{name} {row['pixels']}")
    areas, said, hits = found
    return Told(
        truth=tuple("|".join(sorted(each)) for each in truth),
        classes=names,
        by_class=lambda weights: drawn_iou(hits, areas + said - hits, weights),
    )


KINDS: dict[str, Kind] = {
    "classification": Kind(
        columns=tuple(NUMBERS), order=(("top1", False), ("log_loss", True)), read=_of_classes
    ),
    "regression": Kind(
        columns=("rmse", "mae", "mse", "r2", "bias"), order=(("rmse", True), ("mae", True)), read=_of_numbers,
        means="the share of samples on which it is nearer, less that on which it is farther",
    ),
    "multilabel": Kind(
        columns=("mean_ap", "exact", "micro_f1", "macro_f1", "wrong"), order=(("mean_ap", False), ("exact", False)),
        read=_of_labels, points="points of mAP", drawn="sample", each="average precision",
        counted="all labels of a sample right",
    ),
    "segment": Kind(
        columns=("mean_iou", "pixel_accuracy"), order=(("mean_iou", False), ("pixel_accuracy", False)),
        read=_of_areas, tables=("predictions.csv", "areas.csv"), points="points of mean IoU", drawn="picture",
        each="IoU",
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
        kind = kind_of(document)
        try:
            rows = {name: list(_rows(tables[name])) for name in kind.tables if name in tables}
            predictions = rows["predictions.csv"]
            paths = tuple(row["path"] for row in predictions)
            if len(predictions) != document["samples"]:
                raise ValueError(f"{len(predictions)} predictions for {document['samples']} samples")
            for name in kind.tables:
                if name not in rows:
                    raise ValueError(f"{name} is not there")
            return cls(
                task=document["task"],
                numbers={column: _float(document[column]) for column in kind.columns},
                intervals={name: (_float(low), _float(high)) for name, (low, high) in document["intervals"].items()},
                ids=tuple(int(row["id"]) for row in predictions),
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


def kind_of(document: object) -> Kind:
    """How what `evaluation.json` tells of is compared; ArtefactError for what is not."""
    task = document.get("task") if isinstance(document, dict) else None
    if isinstance(task, str) and task in KINDS:
        return KINDS[task]
    if isinstance(task, str):
        raise ArtefactError(
            f"runs are compared by their classes, labels, numbers or masks, and a run of the task {task} has none",
            hint="series are tested, of every task but field: hubel train --seeds 5 of each, then hubel compare "
            "SERIES SERIES",
        )
    raise ArtefactError(
        "evaluation.json must be whole, and does not say of which task it is",
        hint="measure the run again: hubel evaluate RUN --out RUN",
    )


def _rows(text: str) -> Iterator[dict[str, str]]:
    """The lines of a table by the names of its columns, in their order; one called as another has its place as well."""
    lines = csv.reader(io.StringIO(text))
    head: list[str] = []
    for place, name in enumerate(next(lines, [])):
        head.append(f"{name} ({place})" if name in head else name)
    yield from (dict(zip(head, cells, strict=True)) for cells in lines if cells)


def _float(value: float | None) -> float:
    return float("nan") if value is None else float(value)
