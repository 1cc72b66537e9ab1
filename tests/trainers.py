"""Small trainings for the tests of crashes and resumption: everything that could go wrong is switched on."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hubel.checkpoint import load_state
from hubel.checkpoint.tensors import as_bytes
from hubel.events import EpochDone, Event, StepDone
from hubel.store import RunStore
from hubel.watching import Watcher

SETTINGS: dict[str, Any] = {
    "model": "layers",
    "model_options": {
        "layers": [
            "conv 4 3x3",
            "batchnorm",
            "relu",
            "conv 6 3x3",
            "relu",
            "maxpool 2",
            "flatten",
            "dropout 0.3",
            "dense K",
        ]
    },
    "epochs": 4,
    "batch_size": 32,
    "micro_batch": 16,
    "augment": "translate=1",
    "ema": 0.9,
    "limit": 250,
    "threads": 1,
    "device": "cpu",
    "save_every": 0.01,
}
"""Batch norm, drop-out, order, augmentation, accumulation, a moving average, saves inside every epoch; and filters of
several channels, whose memory order (channels last) a resumed optimiser must find again."""

CLOCKS = ("seconds", "images_per_second")


def flags(out: Path, **changes: Any) -> list[str]:
    """The same settings for the command line."""
    words = ["train", "digits", "--quiet", "--out", str(out)]
    for key, value in {**SETTINGS, **changes}.items():
        if key == "model_options":
            words += ["--set", f"model_options={json.dumps(value)}"]
        else:
            words += [f"--{key.replace('_', '-')}", str(value)]
    return words


def fingerprint(run: Path) -> dict[str, str]:
    """Digests of all that must be equal: weights, optimiser, average, batch-norm statistics, metrics, the best."""
    store = RunStore(run)
    state = load_state(store)
    digest = hashlib.sha256()
    for name in sorted(state.tensors):
        digest.update(name.encode() + as_bytes(state.tensors[name].contiguous()))
    found = {"state": digest.hexdigest(), "step": str(state.meta["training"]["step"])}
    for name in ("best", "last"):
        document = store.read_json(f"weights/{name}.json", sealed=True, limit=1 << 22)
        found[name] = document["weights"]["sha256"]
        found[f"{name} probes"] = document["probes"]["sha256"]
        found[f"{name} metrics"] = str({k: v for k, v in document["metrics"].items() if k not in CLOCKS})
    rows = csv.DictReader((run / "metrics.csv").read_text().splitlines())
    found["metrics"] = str([{k: v for k, v in row.items() if k not in CLOCKS} for row in rows])
    found["events"] = str(steps_logged(run))
    return found


def steps_logged(run: Path) -> list[tuple[int, int, float]]:
    """(epoch, step, loss) of every step in the log."""
    events = [json.loads(line) for line in RunStore(run).read_lines("events.jsonl")]
    return [(e["epoch"], e["step"], e["loss"]) for e in events if e["event"] == "step"]


def quietly(work: Callable[[], object]) -> Callable[[], object]:
    """`work` with nothing on the screen, for forked children."""

    def silent() -> object:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        return work()

    return silent


class Enough(Exception):
    """A training has done a few steps: it can read its run, or follow its recipe."""


class Brief(Watcher):
    """Lets a training do `most` steps or one epoch, and then leaves."""

    def __init__(self, most: int, epochs: int = 1) -> None:
        self.most, self.epochs = most, epochs

    def event(self, event: Event) -> None:
        self.most -= isinstance(event, StepDone)
        self.epochs -= isinstance(event, EpochDone)
        if self.most <= 0 or self.epochs <= 0:
            raise Enough
