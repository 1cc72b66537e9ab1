"""Learning curves against the truth: predicted accuracy at twice the pictures, and the accuracy with twice as many.

    python benchmarks/curve.py [--cases 20] [--only digits mnist cifar] [--cifar FOLDER] [--keep FOLDER]

A case is a set, a net, and a number of pictures n, drawn as `hubel train --train-fraction` draws them. The curve is
fitted to trainings on n/8, n/4, n/2 and n, three seeds each, and says what 2n would bring; three trainings on 2n are
the truth. All sizes of a case see the same test pictures. The target is 18 of 20 inside the 90 % interval. --cifar:
CIFAR-10 as a folder of train/CLASS and test/CLASS. What was finished in the folder --keep is not trained again.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import hubel
from hubel.evaluation.growing import grow
from hubel.runtime import environment

SEEDS = 3


@dataclass(frozen=True)
class Case:
    """A curve and its truth."""

    data: str
    model: str | None
    """None for what hubel chooses."""
    pictures: int
    """n; the truth is at twice as many."""
    whole: int
    """Pictures that the set has to learn from."""
    epochs: int
    split_seed: int = 0

    @property
    def name(self) -> str:
        """For its folder and its line."""
        return f"{Path(self.data).name}-{self.model or 'default'}-{self.pictures}-{self.split_seed}"


def cases(cifar: str | None) -> list[Case]:
    """Twenty, the quick ones first; CIFAR where it is given, else more of MNIST."""
    digits = [Case("digits", model, 718, 1437, epochs, seed) for model, epochs, seed in (
        (None, 8, 0), ("softmax_regression", 10, 1), ("mlp", 10, 2), (None, 8, 3), ("softmax_regression", 10, 4),
        ("mlp", 10, 5),
    )]  # fmt: skip
    mnist = [Case("mnist", model, n, 54_000, epochs) for model, n, epochs in (
        (None, 500, 8), (None, 1000, 8), (None, 2000, 6), (None, 4000, 5), ("softmax_regression", 1000, 10),
        ("softmax_regression", 4000, 10), ("mlp", 1000, 10), ("mlp", 4000, 8),
    )]  # fmt: skip
    more = [Case(cifar, model, n, 45_000, epochs) for model, n, epochs in (
        (None, 1000, 8), (None, 2000, 8), (None, 4000, 6), ("softmax_regression", 4000, 8), ("mlp", 2000, 8),
        ("mlp", 4000, 8),
    )] if cifar else [Case("mnist", model, n, 54_000, epochs, seed) for model, n, epochs, seed in (
        (None, 750, 8, 1), (None, 1500, 8, 2), (None, 3000, 5, 3), ("mlp", 500, 10, 1), ("mlp", 2000, 10, 2),
        ("softmax_regression", 2000, 10, 3),
    )]  # fmt: skip
    return [*digits, *mnist, *more]


def measured(case: Case, folder: Path) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """For each training: pictures learnt from, which test picture was right, and their labels."""
    ready = {}
    for path in folder.glob("*/config.yaml"):
        run = hubel.Run(path.parent)
        if run.status == "finished":
            ready[(run.recipe["data"]["train_fraction"], run.recipe["train"]["seed"])] = run
    for doublings in (-3, -2, -1, 0, 1):
        share = min(1.0, case.pictures * 2.0**doublings / case.whole)
        for seed in range(SEEDS):
            run = ready.get((share, seed)) or hubel.train(
                case.data, train_fraction=share, seed=seed, split_seed=case.split_seed, epochs=case.epochs,
                out=str(folder), verbose=False, **({"model": case.model} if case.model else {}),
            )  # fmt: skip
            rows = list(csv.DictReader((run.folder / "predictions.csv").open()))
            samples = json.loads((run.folder / "data.json").read_text())["samples"]["train"]
            yield samples, np.array([row["right"] == "1" for row in rows]), np.array([row["label"] for row in rows])


def judged(case: Case, folder: Path) -> dict[str, object]:
    """The prediction of a case and its truth."""
    started = time.perf_counter()
    found = list(measured(case, folder))
    known, truth = found[:-SEEDS], float(np.mean([right.mean() for _, right, _ in found[-SEEDS:]]))
    names = sorted(set(found[0][2].tolist()))
    labels = np.array([names.index(label) for label in found[0][2]])
    counts = [case.pictures // len(names)] * len(names)
    curve = grow(np.array([right for _, right, _ in known]), [n for n, _, _ in known], labels, counts, names)
    low, high = curve.interval
    return {
        "case": case.name, "pictures": curve.sizes[-1], "tested": curve.tested, "now": round(curve.now, 4),
        "predicted": round(curve.twice, 4), "interval": [round(low, 4), round(high, 4)], "measured": round(truth, 4),
        "inside": low <= truth <= high, "doubts": list(curve.doubts), "seconds": round(time.perf_counter() - started),
    }  # fmt: skip


def main() -> None:
    """Measure and print, a line each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="cases whose name begins so")
    parser.add_argument("--cifar", help="CIFAR-10 as a folder of pictures")
    parser.add_argument("--keep", type=Path, help="a folder for the runs, taken up again")
    asked = parser.parse_args()
    print(json.dumps({"machine": environment()["device_name"]}))
    chosen = [case for case in cases(asked.cifar) if not asked.only or case.name.startswith(tuple(asked.only))]
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        for case in chosen[: asked.cases]:
            folder = (asked.keep or Path(scratch)) / case.name
            folder.mkdir(parents=True, exist_ok=True)
            results.append(judged(case, folder))
            print(json.dumps(results[-1]), flush=True)
    told = [result for result in results if not result["doubts"]]
    print(json.dumps({"inside": sum(bool(result["inside"]) for result in told), "of": len(told), "target": "18 of 20",
                      "cannot tell": len(results) - len(told)}))  # fmt: skip


if __name__ == "__main__":
    main()
