"""Strong scaling on one machine: one step's batch in one process and in two, started by torchrun.

    python benchmarks/scaling.py [--repeat 3] [--model resnet18] [--size 32] [--batch 128]

The same recipe and the same batch of --batch pictures (the digits, at --size) in one process with one thread, in one
process with two threads, and in two processes with one thread each (gloo). Images a second of the last epoch as the run
reports them, so without start-up. Efficiency is the two processes' speed by twice that of one process with one thread;
what two threads in one process reach is told beside it. Rounds alternate; an uncounted round comes first.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAYS = {"1 process, 1 thread": (1, 1), "1 process, 2 threads": (1, 2), "2 processes, 1 thread": (2, 1)}


def pace(processes: int, threads: int, settings: dict[str, object]) -> float:
    """Images a second of a run's last epoch."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "train.py"
        script.write_text(
            f"import hubel\nhubel.train('digits', **{settings | {'out': folder, 'threads': threads}!r})\n"
        )
        start = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--standalone"]
        command = [*(start if processes > 1 else [sys.executable]), str(script)]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)}
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(done.stderr)
        with open(Path(folder) / "digits-1" / "metrics.csv", encoding="utf-8") as file:
            return float(list(csv.DictReader(file))[-1]["images_per_second"])


def main() -> None:
    """Measure, print a line of JSON for each run and one with medians and efficiencies."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeat", type=int, default=3)
    arguments.add_argument("--model", default="resnet18")
    arguments.add_argument("--size", type=int, default=32)
    arguments.add_argument("--batch", type=int, default=128)
    given = arguments.parse_args()
    settings: dict[str, object] = {
        "model": given.model, "img_size": given.size, "in_chans": 3, "batch_size": given.batch, "epochs": 2,
        "limit": 6 * given.batch, "device": "cpu", "precision": "fp32", "compile": False,
    }  # fmt: skip
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    for number in range(-1, given.repeat):
        for name, (processes, threads) in WAYS.items():
            rate = pace(processes, threads, settings)
            if number >= 0:
                found[name].append(rate)
                line = {"round": number, "way": name, "images_per_second": round(rate, 1), "load": os.getloadavg()[0]}
                print(json.dumps(line), flush=True)
    one, both, two = (statistics.median(found[name]) for name in WAYS)
    summary = {
        "claim": "strong scaling from one process to two on two cores",
        "images_per_second": {name: round(statistics.median(rates), 1) for name, rates in found.items()},
        "spread": {name: [round(min(rates), 1), round(max(rates), 1)] for name, rates in found.items()},
        "efficiency_of_two_processes": round(two / (2 * one), 3),
        "efficiency_of_two_threads": round(both / (2 * one), 3),
        "two_processes_against_two_threads": round(two / both, 3),
        "recipe": settings,
        "cores": os.cpu_count(),
        "machine": platform.platform(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
