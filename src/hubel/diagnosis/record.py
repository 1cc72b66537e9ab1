"""What a run recorded, as far as the doctor reads it: curves, events, results. It needs no net and no data."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hubel.checkpoint import load
from hubel.errors import ArtefactError, HubelError
from hubel.records.ledger import RunRecord
from hubel.store import RunStore

EVENTS_LIMIT = 1 << 26
"""Bytes of a log that are read at most."""


@dataclass(kw_only=True)
class Record:
    """A run, or as much of it as there is so far."""

    name: str
    rows: Sequence[Mapping[str, float]]
    """An epoch each: train_loss, val_accuracy, lr, …"""
    vitals: Sequence[Mapping[str, Mapping[str, float]]] = ()
    """What was seen of each part at each look: gradient, weight, silent, …"""
    skipped: int = 0
    """Steps that were left out, not being finite."""
    overflows: Sequence[int] = ()
    """fp16: steps that the scaler left out, of each epoch that had some."""
    steps: int = 0
    """Of an epoch."""
    summary: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    samples: Mapping[str, int] = field(default_factory=dict)
    """By split."""
    majority: float | None = None
    """Share of the largest class among what was measured last."""
    confusion: np.ndarray | None = None
    """K K, true by predicted, of the split that was measured last."""
    classes: tuple[str, ...] = ()
    unreadable: str = ""
    """Why the weights do not load or do not answer as they did, "" where they do."""

    def column(self, name: str) -> list[float]:
        """Values of a column, epoch by epoch; [] where an epoch lacks it."""
        found = [row[name] for row in self.rows if name in row]
        return found if len(found) == len(self.rows) else []

    @property
    def lr(self) -> float | None:
        """The rate of the recipe."""
        value = self.recipe.get("optimizer", {}).get("lr")
        return float(value) if isinstance(value, (int, float)) else None


def read_record(folder: Path) -> Record:
    """What the run in `folder` recorded. Raises ArtefactError where its table or summary is damaged."""
    run, store = RunRecord(folder), RunStore.open(folder)
    data: Any = store.read_json("data.json", limit=1 << 30) if store.exists("data.json") else {}
    skipped, overflows, steps = _events(store)
    names, confusion = _confusion(store)
    support = None if confusion is None else confusion.sum(1)
    return Record(
        name=str(folder), vitals=[_numbers(look["parts"]) for look in run.vitals],
        rows=run.history.rows if store.exists("metrics.csv") else [], skipped=skipped, overflows=overflows, steps=steps,
        summary=run.summary, recipe=run.recipe, samples=data.get("samples", {}) if isinstance(data, dict) else {},
        majority=None if support is None or not support.sum() else float(support.max() / support.sum()),
        confusion=confusion, classes=names, unreadable=_weights(folder) if (folder / "weights").is_dir() else "",
    )  # fmt: skip


def _numbers(parts: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The parts of a look, without what is no number."""
    return {
        str(part): {str(k): float(v) for k, v in values.items() if isinstance(v, (int, float))}
        for part, values in parts.items()
        if isinstance(values, Mapping)
    }


def _events(store: RunStore) -> tuple[int, list[int], int]:
    """Steps left out, those that overflowed by epoch, and the largest number of a step."""
    skipped = steps = 0
    overflows: list[int] = []
    if store.exists("events.jsonl"):
        with suppress(HubelError, ValueError):
            for line in store.read_bytes("events.jsonl", limit=EVENTS_LIMIT).splitlines():
                event = json.loads(line)
                skipped += event.get("event") == "skipped"
                if event.get("event") == "overflowed" and isinstance(event.get("steps"), int):
                    overflows.append(event["steps"])
                step = event.get("step")
                steps = max(steps, step if isinstance(step, int) else 0)
    return skipped, overflows, steps


def _confusion(store: RunStore) -> tuple[tuple[str, ...], np.ndarray | None]:
    """Names of classes, and true by predicted; None where none was measured, or the file is not one."""
    if not store.exists("confusion.csv"):
        return (), None
    try:
        head, *rows = csv.reader(store.read_bytes("confusion.csv", limit=1 << 26).decode().splitlines())
        table = np.array([[int(cell) for cell in row[1:]] for row in rows])
        if table.ndim != 2 or table.shape[0] != table.shape[1]:
            return (), None
        return tuple(head[1:]), table
    except (ValueError, UnicodeDecodeError, csv.Error):
        return (), None


def _weights(folder: Path) -> str:
    """Loading checks the answers to a few samples that were kept with the weights."""
    try:
        load(folder, "best")
    except ArtefactError as error:
        return error.what
    except HubelError:  # a package of its net is missing here, say: nothing is known then
        return ""
    return ""
