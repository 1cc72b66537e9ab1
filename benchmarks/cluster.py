"""Prediction over two nodes of a Ray cluster on this machine, one of which is killed: every file once, the same bytes?

    python benchmarks/cluster.py [--pictures 200000] [--model quicknet] [--repeat 1]        (needs hubel[cluster])

Small PNG files (the digits, shifted so that no two are alike) are answered in parts: here with one thread, on one node
of one core, on two nodes, and on two of which one is killed after half of the parts. Told of each: files, rate, places
lost, and whether its CSV files are those of the first. Rates leave out what starting a cluster takes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import hubel
from hubel.watching import Watcher

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}


def draw(folder: Path, count: int) -> None:
    """`count` PNG files of 8 by 8, a thousand to a folder."""
    digits = (load_digits().images * 16).clip(0, 255).astype(np.uint8)
    random = np.random.default_rng(0)
    for number in range(count):
        place = folder / f"{number // 1000:05}"
        place.mkdir(exist_ok=True)
        shifted = np.roll(digits[number % len(digits)], random.integers(0, 8, 2), (0, 1))
        Image.fromarray(shifted ^ random.integers(0, 8, (8, 8), dtype=np.uint8)).save(place / f"{number:08}.png")


class Half(Watcher):
    """When places had begun, and what to do after half of the parts."""

    def __init__(self, what: Callable[[], Any]) -> None:
        self.what, self.began, self.killed = what, 0.0, False

    def progress(self, done: int, total: int) -> None:
        self.began = self.began or time.perf_counter()
        if 2 * done >= total and not self.killed:
            self.killed = True
            self.what()


def digest(folder: Path) -> str:
    """Of all CSV files, by their names."""
    found = hashlib.sha256()
    for path in sorted(folder.glob("*.csv")):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def answer(run: Path, pictures: Path, out: Path, size: int, watch: Half, **settings: Any) -> dict[str, Any]:
    found = hubel.predict_parts(run, pictures, out=out, part_size=size, watch=watch, device="cpu", **settings)
    seconds = time.perf_counter() - watch.began  # from the first part on, which started the places
    return {"files": found.files, "read": found.read, "lost": found.lost, "digest": digest(out)[:16],
            "pictures_per_second": round((found.files - size) / max(seconds, 1e-9))}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200_000)
    parser.add_argument("--model", default="quicknet")
    parser.add_argument("--repeat", type=int, default=1)
    asked = parser.parse_args()
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        run = hubel.train("digits", model=asked.model, epochs=2, threads=1, out=root / "runs", verbose=False).folder
        (root / "pictures").mkdir()
        draw(root / "pictures", asked.pictures)
        size = max(16, asked.pictures // 48)
        for turn in range(asked.repeat):
            ways: dict[str, tuple[int, bool]] = {"here": (0, False), "1 node": (1, False), "2 nodes": (2, False),
                                                 "2 nodes, 1 killed": (2, True)}  # fmt: skip
            for name, (nodes, kills) in ways.items():
                out = root / f"{turn} {name}"
                if not nodes:
                    found = answer(run, root / "pictures", out, size, Half(lambda: None), threads=1)
                    print(json.dumps({"way": name, **found}), flush=True)
                    continue
                cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
                others = [cluster.add_node(num_cpus=1) for _ in range(nodes - 1)]
                kill = (lambda: cluster.remove_node(others[-1], allow_graceful=False)) if kills else lambda: None  # noqa: B023
                found = answer(run, root / "pictures", out, size, Half(kill), on=cluster.address)
                print(json.dumps({"way": name, **found}), flush=True)
                cluster.shutdown()


if __name__ == "__main__":
    main()
