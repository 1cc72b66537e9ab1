"""The cost of safety: `hubel train` on CIFAR-10's JPEG files with a checkpoint every epoch beside the same without any.

    python benchmarks/safety.py [--data FOLDER] [--epochs 4] [--limit 10000] [--model NAME] [--pairs 3]

FOLDER holds train/CLASS/*.jpg (HUBEL_DATA/cifar10-jpeg.tar.gz is unpacked if there is none). Both sides are the same
program and the same training; with: weights best and last and the state are written, brought to the disk and
read back after every epoch, whatever it costs (the rule that saving may take 1 % of the time is switched off), and the
log is brought to the disk; without: nothing is written after the folder has been made. Pairs run one after the other in
changing order. What counts is the wall time of the loop, from the first step to the end of the last save; one JSON
line. By its rule `hubel train` skips saves that would cost more than 1 % (SAVE_SHARE): this is the price where it never
does.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from hubel import runtime
from hubel.events import EpochDone, Event
from hubel.verbs import train as training_verb
from hubel.watching import Watcher

HOME = Path(__file__).resolve().parents[1]


class Clock(Watcher):
    """Notes when training begins and when each epoch has ended."""

    def __init__(self) -> None:
        self.started = 0.0
        self.epochs = 0

    def training(self, plan: dict[str, Any]) -> None:
        """The loop is about to begin."""
        self.started = time.perf_counter()

    def event(self, event: Event) -> None:
        """Count the epochs, to see that both sides did the same."""
        self.epochs += isinstance(event, EpochDone)

    def stage(self, text: str) -> None:
        """The report is no part of the loop: its beginning is the end of the last save."""
        if self.started and text.startswith("measuring"):
            raise Ended(time.perf_counter() - self.started)


class Ended(Exception):
    """The loop is done; how many seconds it took is the first argument."""


class Logbook(training_verb.Logbook):
    """Saves at the end of every epoch, as often as that is."""

    def event(self, event: Event) -> None:
        """Log as always; save after each epoch."""
        self.saved_at = time.perf_counter()
        self.cost = float("inf")
        super().event(event)
        if isinstance(event, EpochDone):
            started = time.perf_counter()
            self.save()
            SPENT.append(time.perf_counter() - started)


class Nothing(training_verb.Logbook):
    """Writes nothing at all."""

    def event(self, event: Event) -> None:
        """Keep the best weights, as any training without checkpoints would; no file."""
        if isinstance(event, EpochDone) and event.best:
            self.kept = {k: v.detach().clone() for k, v in self.training.measured_model.state_dict().items()}

    def save(self, *, finished: bool = False) -> None:
        """Nothing."""


SPENT: list[float] = []
"""Seconds that each save took."""


def timed(book: type[training_verb.Logbook], data: Path, out: Path, given: argparse.Namespace) -> float:
    """Seconds of one training with this logbook."""
    usual, training_verb.Logbook = training_verb.Logbook, book  # type: ignore[misc]
    clock = Clock()
    try:
        training_verb.train(
            data, model=given.model, epochs=given.epochs, limit=given.limit, seed=1, out=str(out), watch=clock
        )
    except Ended as end:
        assert clock.epochs == given.epochs
        return float(end.args[0])
    finally:
        training_verb.Logbook = usual  # type: ignore[misc]
    raise RuntimeError("the training never told that it had ended")


def pictures(data: Path | None, folder: Path) -> Path:
    """The folder of pictures, unpacked if need be."""
    if data is not None:
        return data
    archive = Path(os.environ.get("HUBEL_DATA", HOME.parent / "shared" / "data")) / "cifar10-jpeg.tar.gz"
    if not archive.exists():
        sys.exit(f"needs --data FOLDER or {archive}")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    found = sorted(folder.rglob("train"))
    return found[0].parent if found else folder


def main() -> None:
    """Measure and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--data", type=Path)
    words.add_argument("--model", help="the default net if not given")
    words.add_argument("--epochs", type=int, default=4)
    words.add_argument("--limit", type=int, default=10_000)
    words.add_argument("--pairs", type=int, default=3)
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = pictures(given.data, folder / "pictures")
        sides = {"with": Logbook, "without": Nothing}
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        timed(Nothing, data, folder / "first", argparse.Namespace(**{**vars(given), "epochs": 1}))  # fills the cache
        for pair in range(given.pairs):
            for side in list(sides) if pair % 2 else list(sides)[::-1]:
                os.sync()
                seconds[side].append(timed(sides[side], data, folder / f"{side}-{pair}", given))
    ratios = [ours / plain for ours, plain in zip(seconds["with"], seconds["without"], strict=True)]
    result = {
        "claim": "a checkpoint every epoch costs at most 1 % of the wall time of a training on CIFAR-10",
        "seconds": {side: [round(value, 2) for value in values] for side, values in seconds.items()},
        "cost_percent": [round(100 * (ratio - 1), 2) for ratio in ratios],
        "median_cost_percent": round(100 * (statistics.median(ratios) - 1), 2),
        "seconds_a_save": round(statistics.median(SPENT), 4),
        "saves_percent": round(100 * sum(SPENT) / sum(seconds["with"]), 2),
        "settings": {key: str(value) for key, value in vars(given).items()},
        "machine": runtime.environment(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
