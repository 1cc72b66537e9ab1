"""What an export takes and what comes of it: seconds with the proof, labels and probabilities, size, milliseconds.

    .venv/bin/python benchmarks/export.py                       # ResNet-18 at 224², 1,000 odd pictures
    .venv/bin/python benchmarks/export.py --model quicknet --size 32 --pictures 100
    .venv/bin/python benchmarks/export.py forms --model resnet20 --size 32      # labels of every form and the server

A net is trained for a moment on pictures that are made here, since what it has learnt does not matter; then
`hubel export` is run as a user runs it, in a process of its own, and the file is asked about odd pictures (every
orientation, mode and size) beside the run. float32 and int8 are timed in turns, decoded bytes in, probabilities out.
`forms` asks ONNX, program, page (by the runner's twin in Python) and a server about the same pictures: all of the test
part, and as many odd ones.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from hubel import runtime
from hubel.deploy.files import open_file
from hubel.deploy.latency import side_by_side
from hubel.deploy.odd import odd_pictures, scene
from hubel.records.nets import load
from hubel.records.own_data import own_data
from hubel.verbs.predict import predict
from hubel.verbs.train import train
from hubel.watching import SILENT

sys.path.insert(0, str(Path(__file__).parent))  # the scripts are no package: each also runs by itself

from serving import free_port, served


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


def photographed(model: str, size: int, folder: Path) -> Path:
    """The folder of a run that was trained for a moment."""
    return train(
        str(photographs(folder / "photos")), out=str(folder / "runs"), model=model, img_size=size, epochs=1, limit=33,
        val_fraction=0.1, test_fraction=0.8,
    ).folder  # fmt: skip


def by_form(model: str, size: int, pictures: int, folder: Path) -> Iterator[dict[str, object]]:
    """What each form, and the server, says of all pictures of the test part and of `pictures` odd ones."""
    run = photographed(model, size, folder)
    own = own_data(run, load(run), SILENT)
    tested = len(own.ids("test"))
    for form, suffix in (("onnx", "onnx"), ("program", "pt2"), ("page", "html")):
        exported(run, folder / f"net.{suffix}", "--to", form, "--pictures", str(tested + pictures))
        said = json.loads((folder / f"net.{suffix}.parity.json").read_text())
        yield {name: said[name] for name in ("form", "pictures", "real", "labels_differ", "ties", "largest_difference")}
    root = Path(own.scan.manifest.root)
    files = [(root / own.scan.manifest.files[row]).read_bytes() for row in own.ids("test")]
    files += [data for _, data in odd_pictures(pictures)]
    by_run = predict(run, files, device="cpu")
    port = free_port()
    with served([sys.executable, "-m", "hubel", "serve", str(run), "--port", str(port)], port, 1):
        answers = [asked(port, data) for data in files]
    shares = np.array([list(each["probabilities"].values()) for each in answers])
    yield {
        "form": "server", "pictures": len(files), "real": tested,
        "labels_differ": sum(a["label"] != b for a, b in zip(answers, by_run.labels, strict=True)),
        "largest_difference": float(np.abs(shares - by_run.probabilities).max()),
    }  # fmt: skip


def asked(port: int, picture: bytes) -> dict[str, Any]:
    """What the server says of one picture."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", data=picture, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        said: dict[str, Any] = json.loads(answer.read())["predictions"][0]
    return said


def measured(model: str, size: int, pictures: int, repeats: int, folder: Path) -> dict[str, object]:
    """Everything that this page promises."""
    run = photographed(model, size, folder)
    plain, small = folder / "plain.onnx", folder / "small.onnx"
    seconds = [exported(run, plain) for _ in range(repeats)]
    exported(run, small, "--int8", "--accept-loss", "100")
    files = [data for _, data in odd_pictures(pictures)]
    by_run, by_file = predict(run, files, device="cpu"), predict(plain, files)
    opened = {
        name: open_file(path, threads=torch.get_num_threads()) for name, path in (("float32", plain), ("int8", small))
    }
    picture = torch.from_numpy(scene(np.random.default_rng(0), size, size)[None])
    calls = {name: lambda some, file=file: file.runtime.run(some.numpy()) for name, file in opened.items()}
    timings = {timing.form: timing for timing in side_by_side(calls, picture, 5.0)}
    return {
        "model": model, "size": size,
        "export_seconds": {"median": float(np.median(seconds)), "all": seconds},
        "parity": json.loads((folder / "plain.onnx.parity.json").read_text()),
        "odd_pictures": pictures,
        "labels_equal": sum(a == b for a, b in zip(by_run.labels, by_file.labels, strict=True)),
        "largest_difference": float(np.abs(by_run.probabilities - by_file.probabilities).max()),
        "bytes": {"float32": plain.stat().st_size, "int8": small.stat().st_size},
        "milliseconds": {
            name: {"median": 1e3 * each.median, "p10": 1e3 * each.p10, "p90": 1e3 * each.p90, "calls": each.calls}
            for name, each in timings.items()
        },
        "int8_cost": json.loads((folder / "small.onnx.int8.json").read_text()),
        "environment": runtime.environment(torch.device("cpu")),
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("part", nargs="?", default="time", choices=["time", "forms"])
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        if words.part == "forms":
            for row in by_form(words.model, words.size, words.pictures, Path(place)):
                print(json.dumps(row), flush=True)
        else:
            print(json.dumps(measured(words.model, words.size, words.pictures, words.repeats, Path(place)), indent=1))
