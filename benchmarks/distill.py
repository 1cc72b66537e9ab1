"""A student of at most half a million parameters on CIFAR-10's JPEG files: with a teacher and without, in equal time.

    python benchmarks/distill.py PICTURES                     # all 50,000; about 50 minutes with two threads
    python benchmarks/distill.py PICTURES --pictures 400 --test 200 --teacher-time 10s --time 6s --seeds 1   # a look
    python benchmarks/distill.py PICTURES --pictures 5000 --teacher from_=efficientnet_lite0 unfreeze=all img_size=128

PICTURES is a folder with train/CLASS/*.jpg and test/CLASS/*.jpg (`python -m benchmarks distill` unpacks it). The
teacher is what `hubel train` makes of the training pictures in --teacher-time, by itself or with the settings that
--teacher gives; it is trained once, and its training is not counted. A student (--model, --model-option) has --time
for everything but measuring the test: reading, deciding, training, and with a teacher also asking it, whose kept
answers are thrown away before every run. Whatever else a student's recipe leaves open is chosen by hubel, with a
teacher as without. Each seed makes a pair of runs, one after the other, of the same split; the test pictures are
measured once a run, at its end, and nothing was chosen by them.

One JSON line a run, then one with the difference of the means in points and its spread over the seeds.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import hubel
from hubel.data.cache import home
from hubel.recipes.schema import seconds

MOST_PARAMETERS = 500_000
TARGET = 1.0
"""Points that the taught student is to be better, in the mean over the seeds."""


def table(pictures: Path, folder: Path, counts: dict[str, int]) -> Path:
    """A table of the first so many pictures of every split, as many of each class, which is written into `folder`."""
    file = folder / "cifar.csv"
    with open(file, "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["file", "label", "split"])
        for split, count in counts.items():
            classes = sorted(path for path in (pictures / split).iterdir() if path.is_dir())
            for place in classes:
                for picture in sorted(place.iterdir())[: count // len(classes)]:
                    writer.writerow([picture.relative_to(pictures), place.name, split])
    return file


def one(data: Path, pictures: Path, **settings: Any) -> tuple[hubel.Run, dict[str, Any]]:
    """A run, and the line that is printed of it."""
    began = time.perf_counter()
    run = hubel.train(
        data, columns={"file": "file", "label": "label", "split": "split"}, images=str(pictures), **settings
    )
    summary = run.summary
    line = {
        "seed": settings.get("seed", 0),
        "model": run.recipe["model"]["model"],
        "parameters": summary["parameters"],
        "epochs": summary["epochs"],
        "seconds_training": round(summary["seconds"], 1),
        "seconds_in_all": round(time.perf_counter() - began, 1),
        "val_accuracy": summary["best"]["val_accuracy"],
        "test_accuracy": summary["test"]["accuracy"],
        "test_samples": json.loads((run.folder / "data.json").read_text())["samples"]["test"],
    }
    if summary.get("teacher"):
        line["seconds_asking"] = json.loads((run.folder / "teacher.json").read_text())["seconds"]
        line["agreement"] = summary["teacher"]["test"]["agreement"]
    return run, line


def read(pairs: list[str]) -> dict[str, Any]:
    """Settings given as NAME=VALUE: numbers, true and false as in JSON, anything else a word.

    >>> read(["from_=efficientnet_lite0", "img_size=128"])
    {'from_': 'efficientnet_lite0', 'img_size': 128}
    """
    found: dict[str, Any] = {}
    for name, _, value in (pair.partition("=") for pair in pairs):
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--pictures", dest="count", type=int, default=50_000, help="training pictures")
    parser.add_argument("--test", type=int, default=10_000, help="test pictures")
    parser.add_argument("--model", default="quicknet")
    parser.add_argument("--model-option", nargs="*", default=["width=0.5"])
    parser.add_argument("--teacher", nargs="*", default=[], metavar="SETTING=VALUE", help="of hubel.train")
    parser.add_argument("--teacher-time", default="15m")
    parser.add_argument("--time", default="5m", help="of each student")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    words = parser.parse_args()
    options, settled = read(words.model_option), read(words.teacher)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["HUBEL_HOME"] = str(folder / "home")
        data = table(words.pictures, folder, {"train": words.count, "test": words.test})
        common: dict[str, Any] = {"threads": words.threads, "out": str(folder / "runs"), "verbose": False}
        teacher, line = one(data, words.pictures, time=words.teacher_time, **settled, **common)
        print(json.dumps({"side": "teacher", **line}), flush=True)
        found: dict[str, list[float]] = {"alone": [], "taught": []}
        for seed in range(words.seeds):
            for side, more in (("alone", {}), ("taught", {"teacher": teacher})):
                shutil.rmtree(home() / "answers", ignore_errors=True)
                settings = {"model": words.model, "model_options": options, "time": words.time, "seed": seed}
                _, line = one(data, words.pictures, **settings, **more, **common)
                assert line["parameters"] <= MOST_PARAMETERS, f"{line['parameters']:,} parameters are too many"
                print(json.dumps({"side": side, **line}), flush=True)
                found[side].append(line["test_accuracy"])
    apart = [100 * (taught - alone) for alone, taught in zip(found["alone"], found["taught"], strict=True)]
    mean = statistics.mean(apart)
    print(
        json.dumps(
            {
                "section": "The main job",
                "name": f"a student of ≤ 0.5 M parameters, {words.count:,} CIFAR-10 pictures, {seconds(words.time):g} "
                "s each: with a teacher against without",
                "target": f"≥ {TARGET:g} point better, mean of 3 seeds",
                "measured": f"{mean:+.2f} points, {min(apart):+.2f} to {max(apart):+.2f} over {len(apart)} seeds "
                f"({100 * statistics.mean(found['alone']):.2f} % → {100 * statistics.mean(found['taught']):.2f} %)",
                "met": mean >= TARGET,
            },
            ensure_ascii=False,
        )
    )


if __name__ == "__main__":
    main()
