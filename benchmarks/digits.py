"""`hubel train digits` with nothing else said: cold process to finished report, and the accuracy on the test split.

    python benchmarks/digits.py [--seeds 5]

The test split is the same for all seeds (split_seed 0); a seed changes weights, order and augmentation. One JSON line
per seed, then mean, standard deviation and the median wall time of the whole process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hubel import runtime

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(parser.parse_args().seeds):
            words = ["train", "digits", "--quiet", "--seed", str(seed), "--out", folder]
            started = time.perf_counter()
            subprocess.run([sys.executable, "-m", "hubel", *words], stdout=subprocess.DEVNULL, check=True)
            seconds = time.perf_counter() - started
            summary = json.loads((Path(folder) / f"digits-{seed + 1}" / "summary.json").read_text())
            rows.append((summary["test"]["accuracy"], seconds))
            print(json.dumps({"seed": seed, "test_accuracy": rows[-1][0], "seconds": seconds}), flush=True)
    accuracies, times = zip(*rows, strict=True)
    total = {
        "mean_accuracy": statistics.mean(accuracies),
        "deviation": statistics.stdev(accuracies),
        "seconds": {"median": statistics.median(times), "most": max(times)},
        "environment": runtime.environment(),
    }
    print(json.dumps(total))
