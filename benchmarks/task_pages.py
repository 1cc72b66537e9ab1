"""The runs of the pages on tasks: each command as a user types it, what the terminal said, its figure, its time.

    python benchmarks/task_pages.py [NAME ...] [--threads 1] [--keep FOLDER]     all of them, or those named
    python benchmarks/task_pages.py [NAME ...] --data FOLDER                     what they learn from, and no run
    python benchmarks/task_pages.py --check                                      do the pages show these runs?

Writes docs/pictures/task-NAME.* and, in docs, what stands between the lines `<!-- run: NAME -->` and `<!-- end -->`.
A run takes up to two minutes of one thread; seconds of the clock and of the processor are told, since others may use
the machine as well. MNIST is looked for below HUBEL_DATA, photographs in its folder photos/; what is not named so is
made here, or is a part of scikit-learn. `--keep` leaves the runs, with their reports, in FOLDER.
"""

from __future__ import annotations

import argparse
import base64
import csv
import io
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from sklearn.datasets import load_diabetes

import hubel
from hubel.figures.bars import estimates
from hubel.runtime.machine import processor
from hubel.words import duration

sys.path.insert(0, str(Path(__file__).parent))  # the scripts are no package: each also runs by itself

from heard import RATE, shaft, sound

from tasks import DATA, several, shapes

DOCS = Path(__file__).parents[1] / "docs"
START, END = "<!-- run: {} -->\n", "<!-- end -->\n"
COLUMNS = 80
EPOCHS = 6
"""Lines on epochs that are shown; of more, the first and the last."""


@dataclass(frozen=True)
class Run:
    """What is typed, in a folder where `make` has put the data, and the figure that comes of it."""

    page: str
    commands: tuple[str, ...]
    figure: str
    """The run's own drawing, below the folder; where it ends in html, what `drawn` takes from there."""
    shows: str
    make: Callable[[Path], None] | None = None
    drawn: Callable[[Path], tuple[str, bytes]] | None = None
    """Where the figure is no file of the run: suffix and bytes of the figure."""


def make_table(folder: Path) -> None:
    """442 patients (Efron et al. 2004, in scikit-learn): ten measurements, and how far diabetes went on in a year."""
    known = load_diabetes(scaled=False)
    rows = [[*row, target] for row, target in zip(known.data.tolist(), known.target.tolist(), strict=True)]
    _write(folder / "diabetes.csv", [[*known.feature_names, "progression"], *rows])


def make_log(folder: Path) -> None:
    """Two tables of a rhythm of two columns with noise: 2,000 hours as they should be, 500 in which it pauses twice."""
    draw = np.random.default_rng(0)
    for name, count, pauses in (("power.csv", 2000, ()), ("later.csv", 500, (200, 400))):
        at = np.arange(count)
        load = 10 + 3 * np.sin(0.5 * at)
        for start in pauses:
            load[start : start + 6] = load[start - 1]
        heat = 5 * np.cos(0.5 * at) + np.sin(0.11 * at)
        values = np.stack([load, heat], 1) + draw.normal(0, 0.2, (count, 2))
        rows = [[step, f"{one:.3f}", f"{two:.3f}"] for step, (one, two) in enumerate(values)]
        _write(folder / name, [["hour", "load", "heat"], *rows])


def _write(path: Path, rows: list[list[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def make_pairs(folder: Path) -> None:
    """1,000 pictures of two or three digits, and a table of which are there."""
    several(folder / "pairs", 1000)


def make_scenes(folder: Path) -> None:
    """600 pictures of discs, squares and triangles, with their masks."""
    shapes(folder / "scenes", 600)


def make_photo(folder: Path) -> None:
    """One photograph."""
    shutil.copy(sorted((DATA / "photos").glob("*.JPEG"))[0], folder / "photo.jpg")


def make_signals(folder: Path) -> None:
    """Vibrations of a shaft, 80 of each kind."""
    for number, kind in enumerate(("even", "loose", "chipped")):
        (folder / "shafts" / kind).mkdir(parents=True)
        for k in range(80):
            np.save(folder / "shafts" / kind / f"{k}.npy", shaft(kind, np.random.default_rng((number, k, 1))))


def make_sounds(folder: Path) -> None:
    """Sounds of a second, 60 of each kind."""
    for number, kind in enumerate(("hum", "chirp", "click", "hiss")):
        (folder / "noises" / kind).mkdir(parents=True)
        for k in range(60):
            with wave.open(str(folder / "noises" / kind / f"{k}.wav"), "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", ""))
                heard = sound(kind, np.random.default_rng((number, k, 1)))
                file.writeframes((heard * 32767).astype("<i2").tobytes())


def make_parts(folder: Path) -> None:
    """Discs with a hole, 64 x 64 pixels: 120 good ones to learn from; 30 good, 15 scratched, 15 with a blob to judge.

    One of those to learn from is pure noise: such things are in folders of good parts.
    """
    draw = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    for place, count in (("good", 119), ("mixed/good", 30), ("mixed/scratch", 15), ("mixed/blob", 15)):
        (folder / "parts" / place).mkdir(parents=True)
        for k in range(count):
            from_middle = np.hypot(y - 32 - draw.normal(0, 0.4), x - 32 - draw.normal(0, 0.4))
            level = np.where((from_middle < 24) & (from_middle > 8), 170, 60).astype(float)
            angle, far = draw.uniform(0, 2 * np.pi), draw.uniform(13, 19)
            top, left = 32 + far * np.sin(angle), 32 + far * np.cos(angle)
            if place.endswith("blob"):
                level -= 70 * np.exp(-((y - top) ** 2 + (x - left) ** 2) / 8)
            board = Image.fromarray((level + draw.normal(0, 12, level.shape)).clip(0, 255).astype(np.uint8))
            if place.endswith("scratch"):
                off = 7 * np.array([np.cos(angle), -np.sin(angle)])
                ImageDraw.Draw(board).line((left - off[0], top - off[1], left + off[0], top + off[1]), fill=230)
            board.save(folder / "parts" / place / f"{k:03}.png")
    noise = draw.integers(0, 256, (64, 64)).astype(np.uint8)
    Image.fromarray(noise).save(folder / "parts" / "good" / "119.png")


def maps_shown(folder: Path) -> tuple[str, bytes]:
    """Of the report on strange pictures: the strangest of each kind of defect, with its map."""
    text = (next((folder / "detectors").iterdir()) / "anomaly.html").read_text()
    found = re.findall(r'src="data:image/\w+;base64,([^"]+)".*?</figure>', text, re.DOTALL)
    names = re.findall(r"</strong> (?:strange|normal) · ([^<]+)<br>", text)
    first = {Path(name).parts[0]: data for name, data in reversed(list(zip(names, found, strict=False)))}
    boards = [Image.open(io.BytesIO(base64.b64decode(first[kind]))).convert("RGB") for kind in ("blob", "scratch")]
    wide = Image.new("RGB", (sum(board.width for board in boards) + 24, max(board.height for board in boards)), "white")
    wide.paste(boards[0], (0, 0))
    wide.paste(boards[1], (boards[0].width + 24, 0))
    out = io.BytesIO()
    wide.save(out, "JPEG", quality=85)
    return "jpg", out.getvalue()


def methods_shown(folder: Path) -> tuple[str, bytes]:
    """What each simple method gets on the validation part, with its interval."""
    found = hubel.baseline("digits", verbose=False)
    tried = sorted(found.tried, key=lambda one: -one.score)
    figure = estimates([f"{one.learner}, {one.features}" for one in tried], [one.score for one in tried],
                       [one.interval for one in tried], title="validation accuracy, 95 % interval",
                       share=True, width=560)  # fmt: skip
    return figure.kind, figure.data


RUNS = {
    "classify": Run("task-classify", ("hubel train digits --epochs 10",), "runs/digits-1/figures/confusion.svg",
                    "Which of ten digits is taken for which: nearly all on the diagonal."),
    "multilabel": Run("task-multilabel", ("hubel train pairs/ --epochs 8",), "runs/pairs-1/figures/by_class.svg",
                      "The average precision of each digit.", make_pairs),
    "regress": Run("task-regress", ("hubel train diabetes.csv --column target=progression",
                                    "hubel baseline diabetes.csv --column target=progression"),
                   "runs/diabetes-1/figures/scatter.svg",
                   "What the net said of each patient of the test part against what was measured.", make_table),
    "reconstruct": Run("task-reconstruct", ("hubel train mnist --task reconstruct --limit 5000 --epochs 6",),
                       "runs/mnist-1/figures/given_back.png", "Ten digits above what the net gave back of them."),
    "vae": Run("task-reconstruct", ("hubel train mnist --model vae --limit 5000 --epochs 6",),
               "runs/mnist-1/figures/given_back.png",
               "Ten digits above what the variational autoencoder gave back of them."),
    "segment": Run("task-segment", ("hubel train scenes/ --epochs 8",), "runs/scenes-1/figures/overlays.jpeg",
                   "Pictures, their true areas, and those the net finds.",
                   make_scenes),
    "embed": Run("task-embed", ("hubel train mnist --task embed --limit 3000 --epochs 2",),
                 "runs/mnist-1/figures/near.*", "Digits, each with those nearest to it."),
    "sequence": Run("task-sequence",
                    ("hubel train power.csv --task sequence --column time=hour --model gru --epochs 20",
                     "hubel predict runs/power-1 later.csv"),
                    "runs/power-1/figures/in_the_middle.svg", "A series as it was and as it was foretold.", make_log),
    "rows": Run("task-sequence", ("hubel train mnist --task sequence --model lstm --limit 5000 --epochs 8",),
                "runs/mnist-1/figures/by_step.svg", "How often the right digit is said after so many rows."),
    "shafts": Run("task-signals", ("hubel train shafts/ --epochs 10",), "runs/shafts-1/figures/confusion.svg",
                   "Which of three kinds of vibration is taken for which.", make_signals),
    "noises": Run("task-signals", ("hubel train noises/ --img-size 32 --epochs 8",),
                  "runs/noises-1/figures/confusion.svg", "Which of four kinds of sound is taken for which.",
                  make_sounds),
    "field": Run("task-field", ("hubel train photo.jpg --task field --epochs 25",), "runs/photo-1/figures/field.*",
                 "A photograph, its gradient and its Laplacian, above those of a SIREN.", make_photo),
    "anomaly": Run("anomaly",
                   ("hubel anomaly parts/good --test parts/mixed --method padim --features pixels "
                    "--false-alarms 0.05",),
                   "detectors/parts-1/anomaly.html",
                   "A part with a dark blob and one with a scratch, each beside its map.", make_parts, maps_shown),
    "baseline": Run("baselines", ("hubel baseline digits --out simple.html",), "simple.html",
                    "What each simple method gets, with its interval.", None, methods_shown),
}  # fmt: skip


def ran(name: str, run: Run, folder: Path, threads: int) -> str:
    """What the terminal shows of the commands, one after the other, and their time, as Markdown."""
    ours = os.pathsep.join(filter(None, [str(Path(hubel.__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads), "COLUMNS": str(COLUMNS), "HUBEL_DATA": str(DATA), "PYTHONPATH": ours,
    }  # fmt: skip
    lines, began, before, load = [], time.perf_counter(), _worked(), os.getloadavg()[0]
    for command in run.commands:
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(command)], cwd=folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout}")
        lines += [f"$ {command}", *folded(shortened(done.stdout.rstrip().splitlines())), ""]
    took, worked = time.perf_counter() - began, _worked() - before
    others = f", which others used as well (load {load:.1f} on {os.cpu_count()} cores)" if load > 0.5 else ""
    return (
        "```text\n" + "\n".join(lines).rstrip() + "\n```\n\n"
        f"From start to end {duration(took)}, of which the processor worked {duration(worked)}: "
        f"{'one thread' if threads == 1 else f'{threads} threads'}, {processor()}{others}. One run, {date.today()}, "
        f"hubel {hubel.__version__}, PyTorch {torch.__version__}. Again: `python benchmarks/task_pages.py {name}`."
    )


def _worked() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def shortened(lines: list[str]) -> list[str]:
    """The same with the epochs between the first ones and the last ones left out.

    >>> shortened(["data", *(f"epoch {k}/9" for k in range(1, 10)), "test"])
    ['data', 'epoch 1/9', 'epoch 2/9', '…', 'epoch 8/9', 'epoch 9/9', 'test']
    """
    epochs = [row for row, line in enumerate(lines) if line.startswith("epoch ")]
    if len(epochs) <= EPOCHS:
        return lines
    return [*lines[: epochs[2]], "…", *lines[epochs[-2] :]]


def folded(lines: list[str]) -> list[str]:
    """The same with sentences that are wider than a terminal going on below their own words; tables are left alone.

    >>> folded(["test     " + 30 * "word "])[1]
    '         word word word word word word word word word word word word word word word'
    """
    found = []
    for line in lines:
        head = re.match(r"\w+:? {2,}|", line)
        indent = " " * len(head[0] if head else "")
        found += [line] if len(line) <= COLUMNS or line.startswith(" ") else textwrap.wrap(
            line, COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )  # fmt: skip
    return found


def pictured(name: str, run: Run, folder: Path) -> str:
    """Writes the figure into docs; the line that shows it."""
    if run.drawn is not None:
        suffix, data = run.drawn(folder)
    else:
        (file,) = sorted(folder.glob(run.figure))
        suffix, data = file.suffix[1:].replace("jpeg", "jpg"), file.read_bytes()
    place = DOCS / "pictures" / f"task-{name}.{suffix}"
    place.write_bytes(data)
    return f"![{run.shows}](pictures/{place.name})"


def put(name: str, run: Run, block: str) -> None:
    """Writes what stands between the run's two lines on its page."""
    page = DOCS / f"{run.page}.md"
    start = START.format(name)
    before, found, rest = page.read_text().partition(start)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        sys.exit(f"{page.name} has no line {start.strip()}, or no {END.strip()} behind it")
    page.write_text(f"{before}{start}\n{block}\n\n{END}{after}")


def lacking() -> list[str]:
    """What the pages do not show of the runs: the commands as they are given here, an end, the time, the figure."""
    found = []
    for name, run in RUNS.items():
        text = (DOCS / f"{run.page}.md").read_text()
        _, _, rest = text.partition(START.format(name))
        block, _, _ = rest.partition(END)
        if tuple(re.findall(r"^\$ (hubel .*)$", block, re.MULTILINE)) != run.commands:
            found.append(f"{run.page}.md: the commands of {name} are others than those of the script")
        if "From start to end " not in block or f"task_pages.py {name}`" not in block:
            found.append(f"{run.page}.md: no time of {name}")
        drawn = re.findall(r"!\[[^]]+\]\((pictures/[^)]+)\)", block)
        if len(drawn) != 1 or not (DOCS / drawn[0]).is_file():
            found.append(f"{run.page}.md: no figure of {name}")
    return found


def main() -> None:
    """Run what is asked for."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(RUNS)}")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--keep", type=Path)
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--check", action="store_true")
    given = arguments.parse_args()
    if given.check:
        sys.exit("\n".join(lacking()) or 0)
    for name in given.names or RUNS:
        if name not in RUNS:
            arguments.error(f"there is no run {name}; there are {', '.join(RUNS)}")
        run = RUNS[name]
        if given.data is not None:
            given.data.mkdir(parents=True, exist_ok=True)
            if run.make is not None:
                run.make(given.data)
            continue
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) if given.keep is None else given.keep / name
            folder.mkdir(parents=True, exist_ok=True)
            if run.make is not None:
                run.make(folder)
            block = ran(name, run, folder, given.threads)
            put(name, run, f"{block}\n\n{pictured(name, run, folder)}")
            print(f"{name}\n{block}\n", flush=True)


if __name__ == "__main__":
    main()
