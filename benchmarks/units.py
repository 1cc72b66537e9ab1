"""The patches that excite each unit most, over all of CIFAR-10: one pass, and memory that does not grow with the data.

    python benchmarks/units.py FOLDER [--run RUN] [--stage 2] [--k 9] [--few 5000] [--out units.png]

FOLDER holds pictures by class (the training part of CIFAR-10 as JPEG). Without --run, a small convnet is trained on it
for two epochs first. Each size is run in a process of its own, twice: the first fills the cache of decoded pictures,
the second is measured. Memory is sampled a hundred times a second: "own" is what the process holds for itself, "mapped"
what the system lends it of the decoded file and takes back when somebody needs it. "list" is what the names and labels
of the samples take before the pass begins, which no pass can do without.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from hubel.runtime import environment


def memory() -> dict[str, int]:
    """Bytes that this process holds for itself and of files."""
    found = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("RssAnon", "RssFile"):
            found[name] = int(rest.split()[0]) * 1024
    return found


def child(run: str, folder: str, stage: str, k: int, limit: int | None, out: str) -> None:
    """One run of the verb; prints its figures as JSON."""
    from hubel.records.samples import samples_of
    from hubel.report.drawings.features import draw_units
    from hubel.verbs import units as verb

    samples = samples_of(run, folder, limit=limit)
    count, start = len(samples.rows), memory()["RssAnon"]
    del samples
    peak, done = {"RssAnon": 0, "RssFile": 0}, threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            for name, value in memory().items():
                peak[name] = max(peak[name], value)

    thread = threading.Thread(target=watch)
    thread.start()
    passes: list[int] = []
    original = verb.top_patches

    def counted(model: object, batches: object, *rest: object, **named: object) -> object:
        def count_them() -> object:
            for batch in batches:  # type: ignore[attr-defined]
                passes.append(len(batch))
                yield batch

        return original(model, count_them(), *rest, **named)  # type: ignore[arg-type]

    verb.top_patches = counted  # type: ignore[assignment]
    started = time.perf_counter()
    found = verb.units(run, folder, stage=stage, k=k, limit=limit, made=False)
    seconds = time.perf_counter() - started
    done.set()
    thread.join()
    if out:
        Path(out).write_bytes(draw_units(found).data)
    kept = sum(array.nbytes for array in (found.top.values, found.top.ids, found.top.boxes))
    print(json.dumps({
        "samples": count, "looked at": sum(passes), "seconds": seconds, "list": start, "own": peak["RssAnon"],
        "mapped": peak["RssFile"], "kept": kept, "units": len(found.top.values),
    }))  # fmt: skip


def main() -> None:
    """Train if need be, run both sizes, print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--run", default="")
    parser.add_argument("--stage", default="2")
    parser.add_argument("--k", type=int, default=9)
    parser.add_argument("--few", type=int, default=5000)
    parser.add_argument("--out", default="")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child is not None:
        child(wanted.run, wanted.folder, wanted.stage, wanted.k, wanted.child or None, wanted.out)
        return
    with tempfile.TemporaryDirectory() as place:
        if not wanted.run:
            from hubel.verbs.train import train

            settings = {"model": "mnist_cnn", "epochs": 2, "threads": 1, "device": "cpu"}
            wanted.run = str(train(wanted.folder, out=place, **settings).folder)
        print(f"{environment()['processor']}, torch {environment()['torch']}, k = {wanted.k}")
        print(f"{'samples':>9}{'passes':>8}{'seconds':>9}{'units':>7}{'kept':>10}{'list':>9}{'own':>9}{'mapped':>9}")
        for limit in (wanted.few, 0):
            words = [sys.executable, __file__, wanted.folder, "--run", wanted.run, "--stage", wanted.stage]
            words += ["--k", str(wanted.k), "--child", str(limit), "--out", "" if limit else wanted.out]
            lines = [subprocess.run(words, check=True, capture_output=True, text=True).stdout for _ in range(2)]
            found = json.loads(lines[-1].splitlines()[-1])
            sizes = "".join(f"{found[name] / 2**20:6.0f} MB" for name in ("list", "own", "mapped"))
            passes = found["looked at"] / found["samples"]
            head = f"{found['samples']:9,}{passes:8.2f}{found['seconds']:9.1f}{found['units']:7}"
            print(f"{head}{found['kept'] / 1024:7.0f} kB{sizes}", flush=True)


if __name__ == "__main__":
    main()
