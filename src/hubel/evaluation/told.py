"""What the lines of a run's tables say, sample by sample, for a comparison with another run; a reader for each task.

N samples, K classes or columns, D draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubel.metrics.intervals import mean_known
from hubel.metrics.overlap import drawn_iou
from hubel.metrics.several import drawn_precision
from hubel.words import cell_text, visible

Rows = list[dict[str, str]]
Drawing = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the lines of a run's tables say, sample by sample."""

    truth: tuple[str | float, ...]
    """N: true answers in words that do not depend on how classes are numbered; or true numbers."""
    goodness: np.ndarray | None = None
    """N: 1 for right and 0 for wrong, or minus the distance to the target, NaN where nothing is asked; None where an
    answer is no such thing."""
    classes: tuple[str, ...] = ()
    drawn: Drawing | None = None
    """Of a task whose number is no count of right samples: D N, how often each sample counts -> D, that number, and
    D K, that of each class."""
    form: str = ""
    """What the run was asked of each sample, as what it does, where runs on the same samples may differ in it."""


def of_classes(document: Mapping[str, Any], tables: Mapping[str, Rows]) -> Told:
    """One class a sample."""
    rows = tables["predictions.csv"]
    return Told(truth=tuple(row["label"] for row in rows), goodness=np.array([float(row["right"]) for row in rows]))


def of_numbers(document: Mapping[str, Any], tables: Mapping[str, Rows]) -> Told:
    """One number a sample."""
    rows = tables["predictions.csv"]
    return Told(
        truth=tuple(float(row["target"]) for row in rows),
        goodness=np.array([-abs(float(row["error"])) for row in rows]),
    )


def of_labels(document: Mapping[str, Any], tables: Mapping[str, Rows]) -> Told:
    """Several labels a sample."""
    rows, names = tables["predictions.csv"], tuple(document["per_class"])
    each = [set(cell_text(row["labels"]).split("|")) for row in rows]
    # By place: a label may be called as one of the columns before it is.
    shares = np.array([list(map(float, list(row.values())[-len(names) :])) for row in rows])
    there = np.array([[visible(name) in known for name in names] for known in each])
    return Told(
        truth=tuple("|".join(sorted(known)) for known in each),
        goodness=np.array([float(row["right"]) for row in rows]),
        classes=names,
        drawn=lambda weights: _mean_over_classes(drawn_precision(shares, there, weights)),
    )


def of_areas(document: Mapping[str, Any], tables: Mapping[str, Rows]) -> Told:
    """A class for each pixel."""
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
        drawn=lambda weights: _mean_over_classes(drawn_iou(hits, areas + said - hits, weights)),
    )


def of_pictures(document: Mapping[str, Any], tables: Mapping[str, Rows]) -> Told:
    """Pictures given back: decibels of each, and of the pictures of each class where they have several."""
    rows = tables["predictions.csv"]
    decibels = np.array([float(row["psnr"]) for row in rows])
    truth = tuple(cell_text(row["class"]) for row in rows)
    names = tuple(sorted(set(truth))) if len(set(truth)) > 1 else ()
    there = np.array([[each == name for name in names] for each in truth], dtype=float).reshape(len(rows), len(names))

    def drawn(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _share(weights @ decibels, weights.sum(1)), _share((weights * decibels) @ there, weights @ there)

    return Told(truth=truth, classes=names, drawn=drawn, form=f"gives back pictures of {document['given']}")


def of_nearest(document: Mapping[str, Any], tables: Mapping[str, Rows]) -> Told:
    """Whether the nearest other sample is of the same class; nothing is asked where there is no other of it."""
    rows = tables["predictions.csv"]
    return Told(
        truth=tuple(cell_text(row["class"]) for row in rows),
        goodness=np.array([float(row["hit"] or "nan") for row in rows]),
    )


COLOURS = ("red", "green", "blue", "grey")


def of_pixels(document: Mapping[str, Any], tables: Mapping[str, Rows]) -> Told:
    """How near a function comes to each pixel of the picture that it learnt."""
    rows = tables["predictions.csv"]
    colours = [name for name in COLOURS if rows and name in rows[0]]
    return Told(
        truth=tuple(f"{row['row']} {row['column']} {' '.join(row[name] for name in colours)}" for row in rows),
        goodness=np.array([-float(row["mse"]) for row in rows]),
    )


def of_series_of_classes(document: Mapping[str, Any], tables: Mapping[str, Rows]) -> Told:
    """Classes at the end of series, which are right or wrong, or after each step, of which a share is right."""
    places, rows = _series(tables["predictions.csv"])
    names = tuple(sorted(document["per_class"]))
    columns = {visible(name): k for k, name in enumerate(names)}
    asked = np.zeros((len(rows), len(names)), dtype=np.int64)
    right = np.zeros_like(asked)
    for row in tables["predictions.csv"]:
        cell = places[row["id"]], columns[cell_text(row["class"])]
        asked[cell] += 1
        right[cell] += row["class"] == row["predicted"]
    truth = tuple("|".join(f"{row['step']} {row['class']}" for row in each) for each in rows)
    if (asked.sum(1) == 1).all():
        return Told(truth=truth, goodness=right.sum(1).astype(float))

    def drawn(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hits, of = weights @ right, weights @ asked
        return _share(hits.sum(1), of.sum(1)), _share(hits, of)

    return Told(truth=truth, classes=names, drawn=drawn)


def of_series_of_numbers(document: Mapping[str, Any], tables: Mapping[str, Rows]) -> Told:
    """Numbers step by step: the share of a simple rule's squared error that is gone, the mean over columns.

    The simple rule's error is that over all series, in every draw, since the tables keep it only so.
    """
    places, rows = _series(tables["predictions.csv"])
    names = tuple(document["columns"])
    count = len(names)
    # By place: a column of numbers may be called as one of the first three is.
    cells = [[float(cell or "nan") for cell in list(row.values())[3:]] for row in tables["predictions.csv"]]
    values = np.array(cells).reshape(-1, 2, count)
    truth, squares = values[:, 0], np.square(values[:, 1] - values[:, 0])
    which = np.array([places[row["id"]] for row in tables["predictions.csv"]])
    errors, asked = np.zeros((2, len(rows), count))
    np.add.at(errors, which, np.nan_to_num(squares))
    np.add.at(asked, which, np.isfinite(squares).astype(float))
    simple = np.array([float(document["columns"][name]["simple_rmse"]) for name in names])
    moving = simple > 1e-6 * (np.abs(np.nanmean(truth, axis=0)) + np.nanstd(truth, axis=0))

    def drawn(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gone = 1 - _share(weights @ errors, weights @ asked) / np.where(moving, np.square(simple), np.nan)
        return np.nan_to_num(mean_known(gone)), gone

    what = "foretells the next step of" if document["foretold"] else "says, of each series,"
    return Told(
        truth=tuple("|".join(" ".join(list(row.values())[2 : 3 + count]) for row in each) for each in rows),
        classes=names if count > 1 else (),
        drawn=drawn,
        form=f"{what} {', '.join(names)}",
    )


def each_line(rows: Rows) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Ids and paths of samples that have a line each."""
    return tuple(int(row["id"]) for row in rows), tuple(row["path"] for row in rows)


def each_series(rows: Rows) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Ids and titles of series, which have a line an answer."""
    _, found = _series(rows)
    return tuple(int(lines[0]["id"]) for lines in found), tuple(lines[0]["series"] for lines in found)


def each_pixel(rows: Rows) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Pixels in their order, which have no paths."""
    return tuple(range(len(rows))), ()


def _series(rows: Rows) -> tuple[dict[str, int], list[Rows]]:
    """Id -> position, and the lines of each series."""
    found: dict[str, Rows] = {}
    for row in rows:
        found.setdefault(row["id"], []).append(row)
    return {name: place for place, name in enumerate(found)}, list(found.values())


def _mean_over_classes(each_DK: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.nan_to_num(mean_known(each_DK)), each_DK


def _share(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """NaN where there is nothing to divide by."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
