"""CIFAR-10 as a folder of JPEG files: `hubel train` with nothing else said, beside the recipe of airbench94_muon.

    python -m benchmarks airbench --only peer                     eight epochs, to the accuracy that is the goal
    python -m benchmarks airbench --only peer --stop 2            its seconds an epoch from two, in a quiet moment
    python -m benchmarks airbench --only ours --seeds 0 1 2
    python -m benchmarks airbench --device cuda                   both, and the package `airbench`, on a GPU

The peer is benchmarks/airbench_peer.py in float32: its own recipe to its own end, six views at the test. Its time
begins when the decoded pictures are in memory, and leaves the epochs' measurements out. Ours is the whole process:
imports, scan and decoding of 60,000 files with an empty cache, choices, training with a validation every epoch, test
and report; the rows also say what training alone took and what the report's test says of one view and of all. Ours
trains on 47,500 of the 50,000 pictures, the rest being its validation split; the peer trains on all of them.

With `--device cuda` a second peer joins, train94 of the package `airbench` from the interpreter HUBEL_PEER_AIRBENCH,
which is its author's code with the SGD recipe; it takes the same pictures as the tensors that its loader looks for.
The GPU part could not be run where the tables of RESULTS.md were made. Phases may be run apart; benchmarks/claims.py
puts them together.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from hubel import runtime

HERE = Path(__file__).parent
# Runs in the interpreter of the package: the tensors where it looks for them, one run to warm up, then the timed ones.
PACKAGE = """
import contextlib, io, json, pathlib, sys
import torch
sys.path.append(sys.argv[1])  # last: the folder has a module named like the package
from airbench_peer import read
pathlib.Path("cifar10").mkdir()
for split in ("train", "test"):
    images, labels = read(pathlib.Path(sys.argv[2]) / split)
    found = {"images": images.permute(0, 2, 3, 1).contiguous(), "labels": labels, "classes": list("0123456789")}
    torch.save(found, f"cifar10/{split}.pt")
import airbench
airbench.warmup94(verbose=False)
for seed in map(int, sys.argv[3:]):
    torch.manual_seed(seed)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        airbench.train94(run=seed)
    cells = [cell.strip() for cell in printed.getvalue().splitlines()[-2].split("|")]
    print(json.dumps({"side": "package", "seed": seed, "accuracy": float(cells[-3]), "seconds": float(cells[-2])}))
"""


def pictures(given: Path | None, folder: Path) -> Path:
    """The folder with train/CLASS/*.jpg and test/CLASS/*.jpg, unpacked from HUBEL_DATA where none is given."""
    if given is not None:
        return given.resolve()
    archive = Path(os.environ.get("HUBEL_DATA", HERE.parents[1] / "shared" / "data")) / "cifar10-jpeg.tar.gz"
    if not archive.exists():
        sys.exit(f"{archive} does not exist: give --data FOLDER, or set HUBEL_DATA")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return next(path for path in (folder, *sorted(folder.iterdir())) if (path / "train").is_dir())


def show(row: dict[str, object]) -> None:
    print(json.dumps(row), flush=True)


def ours(data: Path, seed: int, given: argparse.Namespace) -> None:
    """One whole process of `hubel train`, with a cache of its own that is empty."""
    with tempfile.TemporaryDirectory() as temporary:
        words = ["train", str(data), "--seed", str(seed), "--out", temporary, "--name", "airbench", "--quiet"]
        words += [] if given.device == "cpu" else ["--device", given.device]
        environment = os.environ | {"HUBEL_CACHE": str(Path(temporary) / "cache")}
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "hubel", *words, *given.settings], env=environment, capture_output=True, text=True
        )
        seconds = time.perf_counter() - started
        if done.returncode:
            sys.exit(f"hubel {' '.join(words)} failed:\n{done.stderr}")
        run = next(Path(temporary).glob("airbench*"))
        summary = json.loads((run / "summary.json").read_text())
        test = summary["test"]
        with open(run / "metrics.csv", encoding="utf-8", newline="") as table:
            validation = [float(row["val_accuracy"]) for row in csv.DictReader(table)]
    show(
        {
            "side": "ours", "seed": seed, "seconds": seconds, "training": summary["seconds"],
            "reading": summary["preparation_seconds"], "epochs": summary["epochs"], "accuracy": test["accuracy"],
            "views": test.get("views", "none"), "one_view": test.get("one_view", test)["accuracy"],
            "validation": validation, "device": given.device,
            "settings": given.settings,
        }
    )  # fmt: skip


def peer(data: Path, seed: int, given: argparse.Namespace) -> None:
    """The recipe of airbench94_muon; its rows as they come, then one with the whole."""
    words = ["--data", str(data), "--seed", str(seed), "--device", given.device]
    words += ["--stop", str(given.stop)] if given.stop else []
    words += ["--limit", str(given.limit)] if given.limit else []
    command = [sys.executable, str(HERE / "airbench_peer.py"), *words]
    epochs: list[dict[str, float]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            row = json.loads(line)
            if "epoch" in row:
                epochs.append(row)
                show({"side": "peer epoch", **row, "device": given.device})
            elif "accuracy_six_views" in row:
                each = {
                    "epoch_seconds": [e["seconds"] for e in epochs],
                    "epoch_accuracy": [e["accuracy"] for e in epochs],
                }
                show({"side": "peer", **row, **each, "device": given.device})
    if process.returncode:
        sys.exit("the peer failed")


def package(data: Path, seeds: list[int]) -> None:
    """train94 of the package, by its author's code, on CUDA."""
    python = os.environ.get("HUBEL_PEER_AIRBENCH")
    if not python:
        show({"side": "package", "left_out": "HUBEL_PEER_AIRBENCH names no interpreter with airbench"})
        return
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [python, "-c", PACKAGE, str(HERE), str(data), *map(str, seeds)], cwd=folder, capture_output=True, text=True
        )
    if done.returncode:
        sys.exit(f"the package airbench failed:\n{done.stderr}")
    for line in done.stdout.splitlines():
        show(json.loads(line) | {"device": "cuda"})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("ours", "peer", "package"), help="one side now, the others another time")
    parser.add_argument("--data", type=Path, help="folder with train/CLASS/*.jpg and test/CLASS/*.jpg")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of ours and of the package")
    parser.add_argument("--peer-seeds", type=int, nargs="+", default=[0], help="of the recipe of airbench94_muon")
    parser.add_argument(
        "--stop", type=int, help="the peer ends after so many of its epochs: for its speed, not its goal"
    )
    parser.add_argument("--limit", type=int, help="the peer takes so many pictures only: to try the script")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--settings", nargs=argparse.REMAINDER, default=[], help="more words for hubel train; last")
    options = parser.parse_args()
    if options.device == "cuda":
        runtime.pick_device("cuda")
    with tempfile.TemporaryDirectory() as unpacked:
        data = pictures(options.data, Path(unpacked))
        if options.only in (None, "peer"):
            for seed in options.peer_seeds:
                peer(data, seed, options)
        if options.only in (None, "ours"):
            for seed in options.seeds:
                ours(data, seed, options)
        if options.only == "package" or (options.only is None and options.device == "cuda"):
            package(data, options.seeds)
