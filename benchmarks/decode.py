"""From 60,000 JPEG files to bytes in memory: scan and decode, once, beside one pass of torchvision's own loader.

    python benchmarks/decode.py FOLDER [--repeat 3] [--size 32] [--workers 2]

FOLDER holds train/CLASS/*.jpg and test/CLASS/*.jpg (or class folders). Ours: list, read every file, SHA-256, check to
the last byte, decode, fit, write the cache, open it. Later starts: list, compare sizes and times, open the cache; each
in a process of its own. Peer: ImageFolder over the same files and one pass of DataLoader with the same number of worker
processes; what it reads is thrown away. It runs in the interpreter that HUBEL_PEER_PYTHON names, whose environment has
torchvision; without it only our side is measured. Rounds alternate; one JSON line per measurement, then one with the
medians and the ratio. An uncounted round comes first, so that both sides find the files in the page cache.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PEER = """
import sys, time
started = time.perf_counter()
import torch
from torch.utils.data import ConcatDataset, DataLoader
# Its compiled operators do not load beside a CPU build of torch; reading pictures needs none of them, but their names.
operators = torch.library.Library("torchvision", "DEF")
while True:
    try:
        import torchvision
        break
    except RuntimeError as error:
        missing = str(error).partition("torchvision::")[2].partition(" ")[0]
        if not missing:
            raise
        operators.define(missing + "(Tensor x) -> Tensor")
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose, Resize, ToTensor
imported = time.perf_counter()
folder, size, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
import os
parts = [os.path.join(folder, part) for part in ("train", "test")]
roots = parts if all(map(os.path.isdir, parts)) else [folder]
steps = ToTensor() if size == 32 else Compose([Resize((size, size)), ToTensor()])
data = ConcatDataset([ImageFolder(root, steps) for root in roots])
count = sum(len(labels) for _, labels in DataLoader(data, batch_size=256, num_workers=workers))
print(imported - started, time.perf_counter() - imported, count)
"""

OURS = """
import sys, time
started = time.perf_counter()
from hubel.data.decode import prepare
from hubel.data.preprocessing import Preprocessing
from hubel.data.sources import open_source
imported = time.perf_counter()
folder, size, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
found, decoded = prepare(
    open_source(folder), Preprocessing(height=size, width=size, fit="squash"), workers=workers, cache_dir=sys.argv[4]
)
print(imported - started, time.perf_counter() - imported, len(decoded))
"""


def timed(python: str, code: str, *arguments: object) -> dict[str, float]:
    """Seconds of one process: its imports, its work, and what it and its workers used of the processor in all."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [python, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    imports, work, count = done.stdout.split()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"imports": float(imports), "work": float(work), "cpu": round(cpu, 2), "pictures": int(count)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--repeat", type=int, default=3)
    arguments.add_argument("--size", type=int, default=32)
    arguments.add_argument("--workers", type=int, default=2)
    given = arguments.parse_args()
    peer = os.environ.get("HUBEL_PEER_PYTHON")
    sides: dict[str, list[float]] = {"first": [], "later": [], "peer": []}
    for number in range(-1, given.repeat):
        with tempfile.TemporaryDirectory() as cache:
            runs = {
                "first": lambda: timed(sys.executable, OURS, given.folder, given.size, given.workers, cache),
                "later": lambda: timed(sys.executable, OURS, given.folder, given.size, given.workers, cache),
                "peer": lambda: timed(str(peer), PEER, given.folder, given.size, given.workers),
            }
            for side in ("first", "later", *(["peer"] if peer else [])):
                os.sync()
                result = runs[side]()
                if number >= 0:
                    sides[side].append(result["work"])
                    load = os.getloadavg()[0]
                    print(json.dumps({"round": number, "side": side, **result, "load": load}), flush=True)
    medians = {side: round(statistics.median(values), 3) for side, values in sides.items() if values}
    summary = {
        "claim": "scan and decode take at most 0.6 of one pass of the peer; later starts at most 1 s",
        "medians": medians,
        "ratio": round(medians["first"] / medians["peer"], 3) if peer else None,
        "workers": given.workers,
        "cores": os.cpu_count(),
        "machine": platform.platform(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
