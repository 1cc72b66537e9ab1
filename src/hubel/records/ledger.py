"""Run folders read back: one run as an object, and all runs as a table."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any, Self

from hubel.checkpoint.published import published_folder
from hubel.errors import DAMAGED, ArtefactError, UsageError, near
from hubel.models import CARDS, TIMM
from hubel.models.pretrained import WEIGHTS, is_published, published
from hubel.records.searches import winner_of
from hubel.store import RunStore, parse_json, parse_yaml, shown
from hubel.store.kinds import is_detector
from hubel.views import html_table, in_short
from hubel.words import MEASURES

SERIES = "series.json"
"""What marks the folder of a series: several runs of one training (`hubel.records.series`)."""


class History(dict[str, list[float]]):
    """Columns of metrics.csv by name, one entry an epoch: train_loss, val_accuracy, …; prints as a table."""

    @property
    def rows(self) -> list[dict[str, float]]:
        """The same, epoch by epoch."""
        return [dict(zip(self, values, strict=True)) for values in zip(*self.values(), strict=True)]

    def _cells(self) -> list[list[str]]:
        return [[in_short(value) for value in row.values()] for row in self.rows]

    def __str__(self) -> str:
        lines = [list(self), *self._cells()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self))]
        return "\n".join("  ".join(f"{c:>{w}}" for c, w in zip(line, widths, strict=True)) for line in lines)

    def _repr_html_(self) -> str:
        return html_table(list(self), self._cells())


@dataclass(frozen=True)
class RunRecord:
    """A run folder: what was asked for, how it went, what came out.

    `recipe`, `history` and `summary` are read from the folder when they are first asked for.
    """

    folder: Path

    @property
    def name(self) -> str:
        """The folder's own name: "photos-1"."""
        return self.folder.name

    def __fspath__(self) -> str:
        """A run may stand wherever its folder may: `hubel.train("photos/", from_=run)`."""
        return str(self.folder)

    @cached_property
    def recipe(self) -> dict[str, dict[str, Any]]:
        """The resolved recipe, by section.

        Raises ArtefactError when config.yaml is damaged, and for weights without a training.
        """
        self.require_training()
        name = shown(str(self.folder / "config.yaml"))
        found = parse_yaml(RunStore.open(self.folder).read_bytes("config.yaml", limit=1 << 20), name=name)
        if not isinstance(found, dict) or not all(isinstance(part, dict) for part in found.values()):
            raise ArtefactError(f"{name} is no recipe: it must hold sections of settings", hint=DAMAGED)
        return {str(section): {str(key): value for key, value in part.items()} for section, part in found.items()}

    @cached_property
    def history(self) -> History:
        """Columns of metrics.csv, one entry an epoch: train_loss, val_accuracy, … Raises ArtefactError if damaged."""
        lines = RunStore.open(self.folder).read_lines("metrics.csv")
        try:
            head, *rows = list(csv.reader(lines)) or [[]]
            if len(set(head)) < len(head) or any(len(row) != len(head) for row in rows):
                raise ValueError("its lines have different lengths")
            return History(
                {key: [float(row[i] or "nan") for row in rows] for i, key in enumerate(head)} if rows else {}
            )
        except (ValueError, csv.Error) as error:
            name = shown(str(self.folder / "metrics.csv"))
            raise ArtefactError(f"{name} is no table of numbers: {error}", hint=DAMAGED) from None

    @cached_property
    def vitals(self) -> list[dict[str, Any]]:
        """The looks that were taken at the net while it learnt (`hubel.events.Vitals`), in their order; [] without."""
        return [said for said in self._events("vitals") if isinstance(said.get("parts"), dict)]

    @cached_property
    def findings(self) -> list[dict[str, Any]]:
        """What the doctor said while it ran (`hubel.diagnosis.finding.Finding` as plain data); [] without."""
        words = ("id", "severity", "title", "mend")
        return [said for said in self._events("finding") if all(isinstance(said.get(word), str) for word in words)]

    def _events(self, kind: str) -> list[dict[str, Any]]:
        """The lines of one kind in the log; damaged ones are passed over."""
        store = RunStore.open(self.folder)
        if not store.exists("events.jsonl"):
            return []
        found = []
        for line in store.read_lines("events.jsonl"):
            if f'"{kind}"' in line:
                with suppress(ArtefactError):
                    said = parse_json(line.encode(), name="events.jsonl")
                    if isinstance(said, dict) and said.get("event") == kind:
                        found.append(said)
        return found

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What summary.json says: status, best epoch, test results, seconds; {} for a run that never got that far.

        Raises ArtefactError when it is damaged.
        """
        store = RunStore.open(self.folder)
        if not store.exists("summary.json"):
            return {}
        name, found = shown(str(self.folder / "summary.json")), store.read_json("summary.json")
        for part in (found, *(found.get(key, {}) for key in ("best", "test", "val") if isinstance(found, dict))):
            if not isinstance(part, dict):
                raise ArtefactError(
                    f"{name} is no summary of a run: it must hold objects, got {shown(part)}", hint=DAMAGED
                )
            wrong = [key for key, kind in _KINDS.items() if not _is(part, key, kind)]
            if wrong:
                raise ArtefactError(
                    f"{name} is no summary of a run: {wrong[0]} cannot be {shown(part[wrong[0]])}", hint=DAMAGED
                )
        return found

    def require_training(self) -> None:
        """Raise ArtefactError for weights that came without a training: published or imported ones."""
        if self.folder.is_dir() and not (self.folder / "config.yaml").is_file():
            raise ArtefactError(
                f"{self.name} is weights without a training: how they came about is not known here",
                hint="hubel predict, explain, evaluate with labelled data, summary and export take them, and "
                "hubel train DATA --from starts from them",
            )

    def require_own_training(self) -> Self:
        """The same run. Raises ArtefactError for weights and for what was made: they have none to go on with."""
        self.require_training()
        if self.made:
            some = self.folder.parent / self.members[0] if self.members else "RUN"
            raise ArtefactError(
                f"{self.folder} was made of other runs, and has no training of its own to repeat or to go on with",
                hint=f"take one of those: {some}",
            )
        return self

    @property
    def status(self) -> str:
        """ "finished", "stopped" (by a signal or an error; it can be resumed) or "unfinished"."""
        return str(self.summary.get("status", "unfinished"))

    @property
    def made(self) -> bool:
        """Was it made of runs that had been trained, as an ensemble or a compressed net is, without a training?"""
        return self.summary.get("reason") in ("ensemble", "compressed")

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the runs that answer together in it; () for every other run."""
        store = RunStore.open(self.folder)
        if self.summary.get("reason") != "ensemble" or not store.exists("ensemble.json"):
            return ()
        with suppress(ArtefactError, KeyError, TypeError):
            return tuple(Path(str(each["run"])).name for each in store.read_json("ensemble.json")["members"])
        return ()

    @property
    def net(self) -> str:
        """What it is called, and of few nets that answer together which."""
        name = str(self.row()["model"])
        return f"{name} of {' and '.join(self.members)}" if 1 < len(self.members) < 4 else name

    @property
    def report(self) -> Path:
        """The page to read."""
        return self.folder / "report.html"

    def row(self) -> dict[str, Any]:
        """One line for a list of runs."""
        recipe, summary, history = self.recipe, self.summary, self.history
        best = summary.get("best", {})
        test, counts = summary.get("test", {}), value_of(summary)
        return {
            "run": self.name,
            "status": self.status,
            "data": str(recipe.get("data", {}).get("data", "")),
            "model": "ensemble"
            if summary.get("reason") == "ensemble"
            else str(recipe.get("model", {}).get("model", "")),
            "epochs": len(next(iter(history.values()), [])),
            "val_accuracy": best.get("val_accuracy"),
            "test_accuracy": test.get("accuracy"),
            "score": "" if counts is None or not test else told_score(*counts),
            "val_loss": best.get("val_loss"),
            "seconds": summary.get("seconds"),
        }


@dataclass(frozen=True)
class Runs:
    """All runs of a folder, oldest first; prints as a table."""

    rows: tuple[dict[str, Any], ...]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Folder -> why it could not be read."""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def _repr_html_(self) -> str:
        head = list(self.rows[0]) if self.rows else []
        table = html_table(head, [["" if cell is None else cell for cell in row.values()] for row in self.rows])
        lost = html_table(["unreadable", "why"], self.unreadable.items()) if self.unreadable else ""
        return (table if self.rows else f"<p>{escape(str(self))}</p>") + lost

    def __str__(self) -> str:
        if not self.rows:
            return "no runs yet; start one: hubel train digits"
        shown = [
            (
                r["run"],
                r["status"],
                r["model"],
                str(r["epochs"]),
                told_share(r["val_accuracy"]),
                told_share(r["test_accuracy"]) or r["score"],
            )
            for r in self.rows
        ]
        head = ("run", "status", "model", "epochs", "val", "test")
        widths = [max(len(line[i]) for line in (head, *shown)) for i in range(len(head))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in (head, *shown)
        )


_KINDS: dict[str, type | tuple[type, ...]] = {
    "status": str, "reason": str, "sentence": str, "epochs": int, "parameters": int,
    **dict.fromkeys(("seconds", "val_accuracy", "val_loss", "accuracy"), (int, float, type(None))),
}  # fmt: skip
"""What stands in a summary and is shown without another look."""


def _is(part: Mapping[str, Any], key: str, kind: type | tuple[type, ...]) -> bool:
    return key not in part or (isinstance(part[key], kind) and not isinstance(part[key], bool))


def value_of(summary: Mapping[str, Any]) -> tuple[str, float] | None:
    """Which number of a finished run counts, and its value: of the test, else of what was chosen by."""
    part = summary.get("test") or summary.get("val") or {}
    known = ((name, part.get(name)) for name in MEASURES)
    return next(((name, float(value)) for name, value in known if isinstance(value, (int, float))), None)


def told_score(name: str, value: float) -> str:
    """What counts of a test where that is no accuracy, with its name; "" for an accuracy.

    >>> told_score("mean_iou", 0.4626), told_score("psnr", 21.7512), told_score("accuracy", 0.9)
    ('46.26 % mean IoU', '21.75 PSNR in dB', '')
    """
    measure = MEASURES.get(name)
    return "" if measure is None or name == "accuracy" else f"{measure.written(value)} {measure.title}"


def told_share(share: float | None) -> str:
    """A share in per cent; "" where it is not known."""
    return "" if share is None else f"{share:.2%}"


def runs(out: str | Path = "runs") -> Runs:
    """The runs in folder `out`, oldest first. A folder that is no run is passed over; a damaged run is named."""
    folder = Path(out)
    if not folder.is_dir():
        return Runs(())
    rows: list[dict[str, Any]] = []
    unreadable: dict[str, str] = {}
    found = [path for path in folder.iterdir() if (path / "config.yaml").is_file()]
    found += [path for path in folder.iterdir() if (path / SERIES).is_file()]
    marks = {path: path / SERIES if (path / SERIES).is_file() else path / "config.yaml" for path in found}
    for path in sorted(found, key=lambda path: (marks[path].stat().st_mtime_ns, path.name)):
        try:
            rows.append(series_row(path) if marks[path].name == SERIES else RunRecord(path).row())
        except ArtefactError as error:
            unreadable[str(path)] = error.what
    return Runs(tuple(rows), unreadable)


_ELSEWHERE = {".html": "page, which answers in a browser", ".pt2": "program, which PyTorch opens"}
"""Exported files that hubel itself does not run."""


def find_run(run: str | PathLike[str]) -> Path:
    """The folder of a run: a path, the name of one in `runs/`, or a net whose ImageNet weights were published.

    Raises ArtefactError: for what is none of these, with near names, and for weights that cannot be had.
    """
    found = find_folder(run)
    if found is not None and found.is_file() and found.suffix.lower() == ".onnx":
        raise ArtefactError(
            f"{str(found)!r} is an exported file, which answers and cannot be looked into",
            hint="hubel predict, evaluate and bench take it; all else needs the run that it was made of",
        )
    if found is not None and found.is_file() and found.suffix.lower() in _ELSEWHERE:
        raise ArtefactError(
            f"{str(found)!r} is an exported {_ELSEWHERE[found.suffix.lower()]}",
            hint="give the run that it was made of, or an ONNX file of it: hubel export RUN",
        )
    if found is not None:
        return found
    if is_published(str(run)):
        return published_folder(published(str(run)))
    series = find_series(run)
    if series is not None:
        raise _of_many(series)
    if is_detector(run):
        raise ArtefactError(
            f"{str(run)!r} is a detector (hubel anomaly), and here a run is needed",
            hint="hubel predict and hubel export take detectors; hubel runs lists the runs",
        )
    raise _nowhere(str(run))


def _of_many(series: Path) -> ArtefactError:
    """The error where one net is due, and a series of runs is named: it names one of them, and what takes all."""
    members = sorted(str(path.parent) for path in series.glob("*/config.yaml"))
    plan = RunStore.open(series).read_json(SERIES)
    curve = isinstance(plan, dict) and plan.get("kind") == "curve"
    if not members:
        hint = f"go on with it: hubel curve {series}" if curve else f"go on with it: hubel train --resume {series}"
    elif curve:
        hint = f"name one of them: {members[0]}; hubel curve {series} says what they tell together"
    else:
        hint = f"name one of them: {members[0]}; hubel runs show, compare and predict take the whole"
    what = f"{str(series)!r} is a {'learning curve' if curve else 'series'} of {len(members)} runs"
    return ArtefactError(f"{what}, and has no net of its own", hint=hint)


def _nowhere(name: str) -> ArtefactError:
    """The error for what is neither a run nor a net with published weights: an architecture, or a name near others."""
    if name in CARDS or name.startswith(TIMM):
        return ArtefactError(
            f"{name!r} is an architecture whose weights nobody has published, and there is no run of that name"
            if name in CARDS else f"{name!r} is an architecture, and there is no run of that name",
            hint=f"train it: hubel train DATA --model {name}; with weights: hubel models --pretrained",
        )  # fmt: skip
    path = Path(name)
    where = path.parent if path.parent.is_dir() and str(path.parent) != "." else Path("runs")
    names = [p.name for p in where.iterdir() if (p / "config.yaml").is_file()] if where.is_dir() else []
    close = near(path.name, names)
    nets = [] if close else near(name, dict.fromkeys(entry.model for entry in WEIGHTS))
    if nets:
        hint = f"did you mean {' or '.join(map(repr, nets))}? nets with weights: hubel models --pretrained"
    elif close:
        hint = f"did you mean {str(where / close[0])!r}?"
    else:
        hint = "list them: hubel runs; make one: hubel train digits"
    return ArtefactError(f"there is no run {str(path)!r}", hint=hint)


def find_series(run: str | PathLike[str]) -> Path | None:
    """The folder of a series, by its path or its name in `runs/`; None for what is none."""
    if not isinstance(run, (str, PathLike)) or not str(run).strip():
        return None
    return next((path for path in (Path(run), Path("runs") / run) if (path / SERIES).is_file()), None)


def series_row(folder: Path) -> dict[str, Any]:
    """One line for a list of runs: of a series, whose accuracies are the means over its members."""
    store = RunStore.open(folder)
    plan = store.read_json(SERIES)
    summary = store.read_json("summary.json") if store.exists("summary.json") else {}
    if not isinstance(plan, dict) or not isinstance(summary, dict) or not isinstance(plan.get("recipe"), dict):
        raise ArtefactError(f"{folder / SERIES} is no plan of a series", hint=DAMAGED)
    members = [RunRecord(path.parent) for path in folder.glob("*/config.yaml")]
    mean = summary.get("mean")
    return {
        "run": folder.name,
        "status": str(summary.get("status", "unfinished")),
        "data": str(plan["recipe"].get("data", "")),
        "model": f"{len(plan.get('members', []))} {plan.get('kind', 'runs')}",
        "epochs": sum(len(next(iter(run.history.values()), [])) for run in members),
        "val_accuracy": summary.get("val_accuracy"),
        "test_accuracy": summary.get("test_accuracy"),
        "score": told_score(str(summary.get("metric")), mean) if isinstance(mean, float) else "",
        "val_loss": None,
        "seconds": summary.get("seconds"),
    }


def is_run(name: str) -> bool:
    """Is this the folder or the name of a run that is here, and no file of its own?"""
    found = find_folder(name) if name.strip() else None
    return (found is not None and found.is_dir()) or find_series(name) is not None


def find_folder(run: str | PathLike[str]) -> Path | None:
    """The folder of a run on this machine, or None; raises UsageError for what can be no name of one."""
    if not isinstance(run, (str, PathLike)):
        raise UsageError(
            f"a run is given by its folder or its name, got {type(run).__name__}", hint='for example "runs/photos-1"'
        )
    if not str(run).strip():
        raise UsageError(f"a run needs a name, got {str(run)!r}", hint="list them: hubel runs")
    path = Path(run)
    for candidate in (path, Path("runs") / path):
        if (candidate / "config.yaml").is_file():
            return candidate
    for candidate in (path, Path("search") / path):
        winner = winner_of(candidate)  # a search stands for the run that it ended in
        if winner is not None:
            return winner
    if path.is_file() or (path / "best.json").is_file():
        return path
    for candidate in (path, Path("runs") / path):  # imported weights: no training has left its recipe there
        if (candidate / "weights" / "best.json").is_file():
            return candidate
    return None
