"""What an export takes and what comes of it: seconds with the proof, labels and probabilities, size, milliseconds.

    .venv/bin/python benchmarks/export.py                       # ResNet-18 at 224², 1,000 odd pictures
    .venv/bin/python benchmarks/export.py --model quicknet --size 32 --pictures 100

A net is trained for a moment on pictures that are made here, since what it has learnt does not matter; then
`hubel export` is run as a user runs it, in a process of its own, and the file is asked about odd pictures (every
orientation, mode and size) beside the run. float32 and int8 are timed in turns, decoded bytes in, probabilities out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hubel import runtime
from hubel.deploy.latency import side_by_side
from hubel.deploy.odd import odd_pictures, scene
from hubel.deploy.shipped import open_shipped
from hubel.verbs.predict import predict
from hubel.verbs.train import train


def photographs(folder: Path, classes: int = 3, each: int = 110) -> Path:
    """Pictures of waves and boxes, tinted by class, as JPEG files of about 300 x 250 pixels."""
    for label in range(classes):
        (folder / f"class{label}").mkdir(parents=True)
        for number in range(each):
            random = np.random.default_rng((label, number))
            pixels = scene(random, 240 + number % 30, 300 + number % 40).astype(int)
            pixels[:, :, label % 3] = np.minimum(255, pixels[:, :, label % 3] + 40)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"class{label}" / f"{number:03}.jpg", quality=90)
    return folder


def exported(run: Path, out: Path, *words: str) -> float:
    """Seconds of one `hubel export`, start of the process included."""
    started = time.perf_counter()
    command = [sys.executable, "-P", "-m", "hubel", "export", str(run), "--out", str(out), *words]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def measured(model: str, size: int, pictures: int, repeats: int, folder: Path) -> dict[str, object]:
    """Everything that this page promises."""
    run = train(
        str(photographs(folder / "photos")), out=str(folder / "runs"), model=model, img_size=size, epochs=1, limit=33,
        val_fraction=0.1, test_fraction=0.8,
    ).folder  # fmt: skip
    plain, small = folder / "plain.onnx", folder / "small.onnx"
    seconds = [exported(run, plain) for _ in range(repeats)]
    exported(run, small, "--int8", "--accept-loss", "100")
    files = [data for _, data in odd_pictures(pictures)]
    by_run, by_file = predict(run, files, device="cpu"), predict(plain, files)
    opened = {
        name: open_shipped(path, threads=torch.get_num_threads())
        for name, path in (("float32", plain), ("int8", small))
    }
    picture = torch.from_numpy(scene(np.random.default_rng(0), size, size)[None])
    calls = {name: lambda some, file=file: file.runtime.run(some.numpy()) for name, file in opened.items()}
    timings = {timing.form: timing for timing in side_by_side(calls, picture, 5.0)}
    return {
        "model": model, "size": size,
        "export_seconds": {"median": float(np.median(seconds)), "all": seconds},
        "parity": json.loads((folder / "plain.parity.json").read_text()),
        "odd_pictures": pictures,
        "labels_equal": sum(a == b for a, b in zip(by_run.labels, by_file.labels, strict=True)),
        "largest_difference": float(np.abs(by_run.probabilities - by_file.probabilities).max()),
        "bytes": {"float32": plain.stat().st_size, "int8": small.stat().st_size},
        "milliseconds": {
            name: {"median": 1e3 * each.median, "p10": 1e3 * each.p10, "p90": 1e3 * each.p90, "calls": each.calls}
            for name, each in timings.items()
        },
        "int8_cost": json.loads((folder / "small.int8.json").read_text()),
        "environment": runtime.environment(torch.device("cpu")),
    }  # fmt: skip


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    words.add_argument("--model", default="resnet18")
    words.add_argument("--size", type=int, default=224)
    words.add_argument("--pictures", type=int, default=1000)
    words.add_argument("--repeats", type=int, default=3)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(measured(asked.model, asked.size, asked.pictures, asked.repeats, Path(place)), indent=1))
