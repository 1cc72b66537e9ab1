"""The cost of corruptions: milliseconds a picture in colour at 32 x 32 and 224 x 224, on one thread.

    python benchmarks/corruptions.py [--rounds 3] [--threads 1]

Medians of interleaved rounds, each the mean of five severities, as JSON, with the machine. The target is 2 ms at
32 x 32 and 20 ms at 224 x 224, in the mean over the nineteen of ImageNet-C.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np
import torch

from hubel import runtime
from hubel.robustness.corruptions import CORRUPTIONS, SEVERITIES, chosen, corrupt

PICTURES = {32: 64, 224: 4}
"""Side -> pictures a batch."""


def made(count: int, side: int) -> np.ndarray:
    """Soft blobs with some grain."""
    draw = np.random.default_rng(0)
    coarse = draw.random((count, 3, side // 8, side // 8)).repeat(8, axis=2).repeat(8, axis=3)
    return np.uint8(255 * (0.8 * coarse + 0.2 * draw.random((count, 3, side, side))))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--threads", type=int, default=1)
    given = arguments.parse_args()
    torch.set_num_threads(given.threads)
    found: dict[str, dict[str, float]] = {}
    for side, count in PICTURES.items():
        pictures = made(count, side)
        taken: dict[str, list[float]] = {name: [] for name in CORRUPTIONS}
        for _ in range(given.rounds + 1):  # the first fills tables
            for name, times in taken.items():
                start = time.perf_counter()
                for severity in SEVERITIES:
                    corrupt(pictures, range(count), name, severity)
                times.append(1e3 * (time.perf_counter() - start) / count / len(SEVERITIES))
        medians = {name: statistics.median(times[1:]) for name, times in taken.items()}
        mean = {"mean of the nineteen": statistics.mean(medians[name] for name in chosen([], 3))}
        found[f"{side}x{side}"] = {name: round(value, 3) for name, value in (mean | medians).items()}
    about = runtime.environment(torch.device("cpu"))
    print(json.dumps({"milliseconds a picture": found, "threads": given.threads, "environment": about}, indent=1))


if __name__ == "__main__":
    main()
