"""What the time that a head on a frozen net leaves could buy, judged on training pictures that were kept back.

    HUBEL_FOLDERS=… python benchmarks/time_left.py [--folders trash flowers] [--ways views larger thaw] [--results FILE]

A head on all stages of EfficientNet-Lite0 is what `hubel train` chooses for about a thousand photographs, and it is
fitted long before ten minutes are over. Tried are ways to go on, each a whole `hubel.train` with settings that a user
can give:

    views     the frozen net looks at eight views of each picture (crops, colours) in place of it and its mirror image
    larger    the pictures are shown at 288 x 288 in place of 224 x 224
    thaw      the later half learns too, from the fitted head on, at a low rate
    all       everything learns, all stages at one rate, from crops and mirror images: a net beside the head's
    both      the mean of what the head's net and that one say, as `hubel predict HEAD ALL PICTURES` gives it
    second    ten minutes for all, with nothing said of what learns: a head, in the time left a second net that learns
              as a whole, and both as one

Folders as benchmarks/starts.py has them, thinned to --train pictures of their training part. One in three of those,
drawn class by class, is kept back; of the others one in ten chooses the penalty or the epoch, and the rest is learnt
from. --folds 3 keeps each back once. No test picture is read.

One JSON line a training: accuracy on what was kept back, the log loss, and against the head as it is, picture by
picture: how many are newly right and newly wrong, and how far the log loss falls, with its standard error. Seconds are
of the processor, of the whole training, with a cache of its own. The table on the last lines is over all folds.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from starts import FOLDERS, thinned

import hubel
from hubel import runtime

HEAD: dict[str, Any] = {"from_": "efficientnet_lite0", "unfreeze": "head", "head": "stages"}
WAYS: dict[str, dict[str, Any]] = {
    "head": HEAD,
    "views": HEAD | {"feature_views": 8, "augment": "photos"},
    "larger": HEAD | {"img_size": 288},
    "thaw": HEAD | {"unfreeze": "half", "lr": 1e-4, "layer_decay": 0.7, "epochs": 4},
    "all": {
        "from_": "efficientnet_lite0", "unfreeze": "all", "layer_decay": 1.0, "lr": 3e-4, "epochs": 8,
        "label_smoothing": 0.1, "augment": "flip,resized-crop=0.35",
    },
    "second": {"from_": "efficientnet_lite0", "time": "10m"},
}  # fmt: skip
BOTH = ("head", "all")
"""The nets whose answers are averaged in the way `both`."""
KEPT_BACK, CHOOSING = 3, 10
"""One in so many training pictures is kept back, and of the others one in so many chooses."""
PARTS = ("train", "val", "test")
CHOICES = [*list(WAYS)[1:], "both"]


def table_of(place: Path, target: Path, fold: int, seed: int) -> Path:
    """A table of the pictures under `place`/CLASS, those of a fold as its test part."""
    draw = np.random.default_rng(seed)
    lines = [("file", "label", "split")]
    for folder in sorted(path for path in place.iterdir() if path.is_dir()):
        files = sorted(folder.iterdir())
        for number, row in enumerate(draw.permutation(len(files))):
            chooses = (number // KEPT_BACK) % CHOOSING == 0
            split = "test" if number % KEPT_BACK == fold else "val" if chooses else "train"
            lines.append((str(files[row]), folder.name, split))
    with open(target, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    return target


def trained(table: Path, base: Path, settings: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """One whole training: where it lies, how long it took, how many pictures it had."""
    os.environ["HUBEL_HOME"] = str(base / "cache")
    began = time.process_time()
    run = hubel.train(table, out=base / "runs", threads=options.threads, seed=options.seed, verbose=False, **settings)
    seconds = time.process_time() - began
    counts = json.loads((run.folder / "data.json").read_text("utf-8"))["samples"]
    return {"run": run.folder, "seconds": round(seconds, 1), "counts": {part: counts[part] for part in PARTS}}


def judged(runs: Sequence[Path], table: Path) -> dict[str, Any]:
    """What the nets say together of the pictures that were kept back: right or not, and how probable the truth is."""
    with open(table, newline="", encoding="utf-8") as file:
        kept = [row for row in csv.DictReader(file) if row["split"] == "test"]
    names = hubel.load(runs[0]).class_names
    shares = hubel.predict(list(runs), [row["file"] for row in kept], verbose=False).probabilities
    labels = np.array([names.index(row["label"]) for row in kept])
    truth = shares[np.arange(len(labels)), labels]
    return {
        "right": (shares.argmax(1) == labels).astype(int).tolist(),
        "truth": [round(float(share), 5) for share in truth],
    }


def compared(row: dict[str, Any], head: dict[str, Any]) -> dict[str, Any]:
    """Accuracy and log loss of a way, and how far they are from the head's, over the same pictures."""
    right, other = np.array(row["right"]), np.array(head["right"])
    loss, usual = (-np.log(np.maximum(np.array(each["truth"]), 1e-5)) for each in (row, head))
    fall = usual - loss
    return {
        "accuracy": float(right.mean()),
        "log_loss": float(loss.mean()),
        "newly_right": int(((right == 1) & (other == 0)).sum()),
        "newly_wrong": int(((right == 0) & (other == 1)).sum()),
        "fall": float(fall.mean()),
        "error": float(fall.std(ddof=1) / math.sqrt(len(fall))),
    }


def tabled(rows: Sequence[dict[str, Any]]) -> str:
    """A line for each folder and way, over all its folds."""
    lines = ["| folder | way | kept back | right | newly right, newly wrong | log loss falls by | seconds |"]
    lines.append("| --- " * 7 + "|")
    for name in dict.fromkeys(row["folder"] for row in rows):
        heads = {row["fold"]: row for row in rows if row["folder"] == name and row["way"] == "head"}
        for way in (*WAYS, "both"):
            mine = [row for row in rows if row["folder"] == name and row["way"] == way and row["fold"] in heads]
            if not mine:
                continue
            joined, usual = (
                {key: [value for row in some for value in row[key]] for key in ("right", "truth")}
                for some in (mine, [heads[row["fold"]] for row in mine])
            )
            found, seconds = compared(joined, usual), sum(row["seconds"] for row in mine) / len(mine)
            against = f"{found['newly_right']}, {found['newly_wrong']} | {found['fall']:+.3f} ± {found['error']:.3f}"
            cells = f"{len(joined['right'])} | {found['accuracy']:.1%} | {against if way != 'head' else ' | '}"
            lines.append(f"| {name} | {way} | {cells} | {seconds:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folders", nargs="+", choices=list(FOLDERS), default=["trash", "flowers"], metavar="NAME")
    parser.add_argument("--ways", nargs="+", choices=CHOICES, default=CHOICES, metavar="WAY")
    parser.add_argument("--train", type=int, default=1_000, help="at most so many training pictures of each")
    parser.add_argument("--folds", type=int, default=1, choices=range(1, KEPT_BACK + 1))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--results", type=Path, help="JSON lines: what stands there is not measured again")
    options = parser.parse_args()
    place, rows = Path(os.environ.get("HUBEL_FOLDERS", "folders")), []
    if options.results and options.results.exists():
        rows = [json.loads(line) for line in options.results.read_text("utf-8").splitlines()]
    for name in options.folders:
        if not (place / name / "train").is_dir():
            print(f"{name} is left out: HUBEL_FOLDERS has no folder {name}/train", file=sys.stderr)
            continue
        for fold in range(options.folds):
            with tempfile.TemporaryDirectory() as temporary:
                base, made = Path(temporary), {}
                thin = thinned(place / name, base / name, {"train": options.train})
                table = table_of(thin / "train", base / f"{name}.csv", fold, options.seed)
                for way in ("head", *options.ways):
                    settings = {"folder": name, "fold": fold, "way": way, "seed": options.seed, "most": options.train}
                    if any(settings.items() <= row.items() for row in rows):
                        continue
                    for member in BOTH if way == "both" else (way,):
                        if member not in made:
                            made[member] = trained(table, base / member, WAYS[member], options)
                    mine = [made[member] for member in (BOTH if way == "both" else (way,))]
                    facts = {"seconds": sum(each["seconds"] for each in mine), "counts": mine[0]["counts"]}
                    rows.append(settings | facts | judged([each["run"] for each in mine], table))
                    head = next(r for r in rows if {**settings, "way": "head"}.items() <= r.items())
                    told = compared(rows[-1], head) | {"seconds": rows[-1]["seconds"]}
                    print(json.dumps(settings | told), flush=True)
                    if options.results:
                        with open(options.results, "a", encoding="utf-8") as file:
                            file.write(json.dumps(rows[-1] | {"environment": runtime.environment()}) + "\n")
    print(tabled(rows))


if __name__ == "__main__":
    main()
