"""`hubel train digits` beside busy processes, against the same with one thread, and on the idle machine.

    python benchmarks/busy.py [--others 4] [--runs 3]

Whole processes in turn: one with nothing said of threads, one with OMP_NUM_THREADS=1, both while `--others` processes
count without end. Then the first alone. One JSON line a run, then the medians and their ratio. The digits are small: a
machine with many cores shows less.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hubel import runtime


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Inside the block so many processes count."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def seconds(**environment: str) -> float:
    """Wall time of a whole training."""
    said = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "hubel", "train", "digits", "--quiet", "--out", folder]
        started = time.perf_counter()
        subprocess.run(words, stdout=subprocess.DEVNULL, check=True, env=said | environment)
        return time.perf_counter() - started


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--others", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    taken: dict[str, list[float]] = {"beside others": [], "beside others, one thread": [], "alone": []}
    with busy(asked.others):
        for _ in range(asked.runs):
            taken["beside others"].append(seconds())
            taken["beside others, one thread"].append(seconds(OMP_NUM_THREADS="1"))
    for _ in range(asked.runs):
        taken["alone"].append(seconds())
    for name, values in taken.items():
        print(json.dumps({"what": name, "seconds": values}), flush=True)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    ratio = medians["beside others"] / medians["beside others, one thread"]
    print(json.dumps({"medians": medians, "against_one_thread": ratio, "environment": runtime.environment()}))
