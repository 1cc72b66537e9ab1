"""Does every architecture go through the commands, and does it learn? One line a net, one table at the end.

    python benchmarks/zoo_smoke.py                          every net, one thread; go on where the last call stopped
    python benchmarks/zoo_smoke.py --match 'resnet*' --seconds 20
    python benchmarks/zoo_smoke.py --retry --seconds 60     once more, with more time, what failed or did not learn
    python benchmarks/zoo_smoke.py --cheapest-first --minutes 50   as many as end in this time
    python benchmarks/zoo_smoke.py --jobs 12                so many nets at a time, for a machine with the cores
    python benchmarks/zoo_smoke.py --out docs/zoo_smoke.md  … and write the table as Markdown

Each net is trained by `hubel train`, with every setting as hubel chooses it but the size of the pictures and the
length of the run; then `hubel predict` answers 110 picture files (so many that the net is made ready first) and
`hubel bench` times it plain and made ready. Nothing here knows a net by its class: what a net needs before it learns
(filters computed from the pictures, planes that organise themselves) the command must give it.

Nets for pictures see scikit-learn's 1,797 handwritten digits, grey or as three equal channels, at their own smallest
sensible size; nets over points see the irises; nets for volumes are left out.
A net has --seconds for its forward and backward passes, counted from
its multiply-accumulates. It learned if its answers on the test split are better than chance by more than three standard
deviations. Each result is appended to a file of JSON lines as it comes. No network is needed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from hubel import __version__, runtime
from hubel.cli import main as main_of_hubel
from hubel.models import CARDS, Card, create_model, list_models

for name in ("train", "predict", "bench"):  # loaded once, not in every fork
    importlib.import_module(f"hubel.cli.{name}")
    importlib.import_module(f"hubel.verbs.{name}")

ROWS = Path(__file__).parents[1] / "build" / "zoo_smoke.jsonl"
SPEED = 20e9
"""Multiply-accumulates a second of one thread, about; decides how much of the data a net sees."""
FILES = 110
"""Pictures to predict: from 100 on the net is made ready."""
TRAINING = 1437
"""Digits to learn from in the split that hubel makes."""
DEPTH = {"vit_l_16": 6, "vit_l_32": 6, "vit_h_14": 4}
"""Blocks of nets of 300 million parameters and more, whose optimiser alone would need gigabytes."""
PICTURED = tuple(name for name, card in CARDS.items() if "volumes" not in card.tags)
"""Nets for pictures or points: digits have no depth that a net for volumes could learn from."""
PATCH = {"vit_b_16": 16, "vit_b_32": 32, "vit_l_16": 16, "vit_l_32": 32, "vit_h_14": 14}
"""Sides that the transformers take are multiples of their patches."""


@dataclass(frozen=True)
class Row:
    """What came of one net."""

    net: str
    data: str
    size: str
    parameters: int
    samples: int
    """Shown in all."""
    score: float
    chance: float
    test: int
    """Samples of the test split."""
    predicted: str
    """ "110 files", "" for nets over points, or what went wrong."""
    bench: str
    """Milliseconds for one picture, plain and ready, or what went wrong."""
    seconds: float
    """Of the three commands together."""
    fault: str
    """What `hubel train` said where it failed."""

    @property
    def refused(self) -> bool:
        """It does something else than these data ask for, and the command says what."""
        return "task" in self.fault

    @property
    def learns(self) -> bool:
        """Trained, and better than chance by three standard deviations."""
        return not self.fault and self.score > self.chance + 3 * (self.chance * (1 - self.chance) / self.test) ** 0.5

    @property
    def whole(self) -> bool:
        """All three commands did their part, or the first said why not."""
        return self.refused or (self.learns and "error" not in self.predicted and "error" not in self.bench)


def side_of(card: Card) -> int | None:
    """The side of the pictures: small, but no smaller than the net can honestly take. None for points."""
    if card.img_size is None:
        return None
    own = card.img_size if isinstance(card.img_size, int) else 28
    return PATCH.get(card.name) or max(card.min_size, min(own, 16))


def macs_of(card: Card, side: int) -> tuple[int, int]:
    """Parameters and multiply-accumulates of a picture, without any memory."""
    options = {"layers": DEPTH[card.name]} if card.name in DEPTH else {}
    with torch.device("meta"):
        net = create_model(card.name, num_classes=10, in_chans=card.in_chans, img_size=side, **options)
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():  # under no_grad it trips over views of weights
        net.eval()(torch.empty(1, card.in_chans, side, side, device="meta"))
    return sum(parameter.numel() for parameter in net.parameters()), counter.get_total_flops() // 2


def passes_of(parameters: int, macs: int) -> float:
    """Seconds that one picture takes in training: forward, backward, its share of what a step of 32 takes besides."""
    return 3 * macs / SPEED + (0.01 + 3e-9 * parameters) / 32


def length_of(parameters: int, macs: int, seconds: float) -> tuple[int, int]:
    """Digits to learn from and epochs: what fits into the seconds, but 320 at least."""
    affordable = int(seconds / passes_of(parameters, macs))
    return min(TRAINING, max(320, affordable)), max(1, min(15, affordable // TRAINING))


def cost_of(name: str) -> float:
    """Seconds that one picture takes in training, about; nets over points come first."""
    side = side_of(CARDS[name])
    return 0.0 if side is None else passes_of(*macs_of(CARDS[name], side))


def hubel(*words: str, limit: float) -> subprocess.CompletedProcess[str]:
    """One command, in a fork of this process, which has loaded torch already: most of what a short command takes."""
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as complaint:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            os.dup2(answer.fileno(), 1)
            os.dup2(complaint.fileno(), 2)
            try:
                main_of_hubel(list(words))
            except SystemExit as end:
                sys.stdout.flush()
                os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))
            except BaseException:
                traceback.print_exc()
            os._exit(1)
        end, code = time.monotonic() + limit, None
        while code is None:
            done, status = os.waitpid(child, os.WNOHANG)
            code = os.waitstatus_to_exitcode(status) if done else None
            if code is None and time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                raise subprocess.TimeoutExpired(words, limit)
            time.sleep(0.02)
        texts = [os.pread(file.fileno(), 1 << 26, 0).decode() for file in (answer, complaint)]
    return subprocess.CompletedProcess(words, code, *texts)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The error of a command in one line."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("error")]
    return (lines or done.stderr.splitlines() or ["no word"])[-1][:160]


def try_net(name: str, wanted: argparse.Namespace, folder: Path) -> Row:
    """Train, predict and bench one net by the commands."""
    card, started = CARDS[name], time.perf_counter()
    side = side_of(card)
    if side is None:
        parameters, samples, train = (
            card.params or 0,
            40 * 90,
            ["train", "iris", "--epochs", "40", "--test-fraction", "0.3"],
        )
    else:
        parameters, macs = macs_of(card, side)
        limit, epochs = length_of(parameters, macs, wanted.seconds)
        samples = limit * epochs
        train = [
            "train", "digits", "--img-size", str(side), "--in-chans", str(card.in_chans),
            "--limit", str(limit), "--epochs", str(epochs), "--no-compile",
        ]  # fmt: skip
    if name in DEPTH:
        train += ["--model-option", f"layers={DEPTH[name]}"]
    done = hubel(*train, "--model", name, "--threads", "1", "--out", str(folder), "--quiet", limit=wanted.limit)
    runs = sorted(folder.glob("*-*"), key=lambda path: path.stat().st_mtime)
    fault = "" if done.returncode == 0 else said(done)
    score, chance, test, predicted, bench = 0.0, 1 / 3 if side is None else 1 / 10, 1, "", ""
    if not fault:
        result = json.loads((runs[-1] / "evaluation.json").read_text())
        if "top1" in result:
            score, test = float(result["top1"]), int(result["samples"])
        else:  # a net that gives pictures back: the share of their variance, of which the mean picture gives back none
            score, chance = float(result["explained"]), 0.0
        run = str(runs[-1])
        if side is not None:
            predicted = answered(hubel("predict", run, str(folder / "pictures"), "--format", "csv", limit=wanted.limit))
        forms = ("--form", "eager", "--form", "ready", "--seconds", "0.2", "--threads", "1", "--json")
        bench = timed(hubel("bench", run, "--batch-size", "1", *forms, limit=wanted.limit))
    return Row(
        net=name,
        data="iris" if side is None else "digits",
        size="4 numbers" if side is None else f"{side}x{side}",
        parameters=parameters,
        samples=samples,
        score=score,
        chance=chance,
        test=test,
        predicted=predicted,
        bench=bench,
        seconds=time.perf_counter() - started,
        fault=fault,
    )


def answered(done: subprocess.CompletedProcess[str]) -> str:
    lines = len(done.stdout.splitlines()) - 1
    return f"{lines} files" if done.returncode == 0 and lines == FILES else f"error: {lines} answers, {said(done)}"


def timed(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode:
        return said(done)
    report = json.loads(done.stdout)
    wrong = [form["name"] for form in report["forms"] if form["missing"] or not form["agrees"]]
    if wrong:
        return f"error: {', '.join(wrong)} missing or with other answers"
    return " / ".join(f"{1000 * row['median']:.3g}" for row in report["timings"])


HEADER = """# Does every architecture learn?

Each net of the catalogue, by `make zoo-smoke`: trained from random weights by `hubel train`, asked by `hubel predict`
for {files} picture files (so many that it is made ready first), and timed by `hubel bench`, with one thread.
This is a smoke test and no league table: the nets had seconds. It shows that the three commands take every net, that
gradients flow and that answers beat guessing. What the nets reach when trained in full stands in the
[table of architectures](models.md#all-of-them).

- **data and size:** scikit-learn's handwritten digits, grey or as three equal channels, with the stem for small images;
  nets over points see the irises. All settings but the size and the length are those that hubel chooses.
- **samples** shown in all, 320 at least: what fits into a few seconds (`--seconds`), reckoned from the net's
  multiply-accumulates and parameters. Where that was too little to beat guessing by three standard deviations, the last
  column says so; `--retry --seconds 60` gives such nets more.
- **score:** right answers on the test split, beside what guessing gets; of a net that gives pictures back, the share of
  their variance, beside that of the mean picture.
- **predicted**, and milliseconds for one picture **plain / ready**.
- **seconds** for the three commands together: good for orders of magnitude only.

"""


def device_name() -> str:
    """What `--device auto` takes on this machine."""
    return runtime.environment(runtime.pick_device("auto"))["device_name"]


def remark(row: Row) -> str:
    """What the last column says of a net."""
    if row.fault:
        return row.fault.removeprefix("error: ") if row.refused else f"**fails:** {row.fault}"
    if "error" in row.predicted or "error" in row.bench:
        return "**fails**"
    return "" if row.learns else f"no better than guessing after {row.samples:,}"


def markdown(rows: list[Row], wanted: argparse.Namespace) -> str:
    absent = [f"`{name}`" for name in PICTURED if name not in {row.net for row in rows}]
    remarks = [remark(row) for row in rows]
    broken = sum("**fails" in text for text in remarks)
    early = sum(text.startswith("no better") for text in remarks)
    refused = sum(row.refused for row in rows)
    lines = [
        HEADER.format(files=FILES),
        f"{date.today()}, hubel {__version__}, torch {torch.__version__}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {device_name()}"
        f"{', ' if wanted.note else ''}{wanted.note}; `--seconds {wanted.seconds:g}`.\n\n",
        f"Of {len(rows)} nets {len(rows) - broken - refused} go through all three commands, {broken} fail, and "
        f"{refused} do something that these data cannot teach, and are refused with a reason. "
        f"{early} had not beaten guessing yet.\n\n",
        f"Not run ({len(absent)} of {len(PICTURED)}; `make zoo-smoke` goes on with them, where its file of results is "
        f"kept): {', '.join(absent)}.\n\n"
        if absent
        else "",
        "| net | data | size | parameters | samples | score | guessing | predicted | plain / ready | seconds | |\n",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    ]
    for row, text in zip(rows, remarks, strict=True):
        score, samples = (f"{100 * row.score:.1f} %", f"{row.samples:,}") if not row.fault else ("", "")
        lines.append(
            f"| `{row.net}` | {row.data} | {row.size} | {row.parameters:,} | {samples} | {score} "
            f"| {100 * row.chance:.0f} % | {row.predicted} | {row.bench} | {row.seconds:.0f} | {text} |\n"
        )
    return "".join(lines)


def in_turn(names: list[str]) -> list[str]:
    """The cheapest net of each family first, then the second cheapest of each: a run cut short has seen every kind."""
    places: dict[str, int] = {}
    seen: dict[str, int] = {}
    for name in sorted(names, key=lambda name: CARDS[name].params or 0):
        family = CARDS[name].builder_at.partition(":")[0]
        places[name] = seen[family] = seen.get(family, 0) + 1
    return sorted(names, key=lambda name: (places[name], CARDS[name].params or 0, name))


def known_rows(path: Path) -> dict[str, Row]:
    """The last row of each net; rows of an older form of this script are passed over."""
    known: dict[str, Row] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            row = Row(**json.loads(line))
        except TypeError:
            continue
        known[row.net] = row
    return known


def tried(names: list[str], wanted: argparse.Namespace, end: float) -> Iterator[Row]:
    """Net by net, each result kept as it comes."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "pictures").mkdir()
        for number, digit in enumerate(load_digits().images[:FILES]):
            Image.fromarray((digit * 15).astype("uint8")).save(folder / "pictures" / f"{number:03}.png")
        for name in names:
            if time.monotonic() > end:
                return
            try:
                row = try_net(name, wanted, folder)
            except subprocess.TimeoutExpired as late:
                row = lost_row(name, late.timeout, f"error: no end after {late.timeout:.0f} s")
            with wanted.rows.open("a") as file:
                file.write(json.dumps(asdict(row)) + "\n")
            yield row


def asked(name: str, wanted: argparse.Namespace) -> Row:
    """One net in a process of its own: this script, which appends to the same file."""
    words = ["--match", name, "--seconds", str(wanted.seconds), "--limit", str(wanted.limit)]
    words += ["--rows", str(wanted.rows), "--retry"]
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True)
    row = known_rows(wanted.rows).get(name)
    return row or lost_row(name, 0.0, f"error: {(done.stderr.splitlines() or ['no word'])[-1][:160]}")


def lost_row(name: str, seconds: float, fault: str) -> Row:
    """Of a net that gave no result at all."""
    return Row(name, "", "", 0, 0, 0.0, 0.1, 1, "", "", seconds, fault)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", default="*", help="names of the nets")
    parser.add_argument("--seconds", type=float, default=12.0, help="for the passes of one net")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds after which a command counts as hung")
    parser.add_argument("--cheapest-first", action="store_true", help="by the cost of a net's passes")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no net after so long")
    parser.add_argument("--jobs", type=int, default=1, help="nets at a time, each in a process of one thread")
    parser.add_argument("--rows", type=Path, default=ROWS, help="where results are appended, and looked up")
    parser.add_argument("--retry", action="store_true", help="only once more what did not pass")
    parser.add_argument("--table", action="store_true", help="train nothing, only write the table")
    parser.add_argument("--note", default="", help="what else the table should say of the machine")
    parser.add_argument("--out", type=Path, help="write the table here")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    os.environ.update(OMP_NUM_THREADS="1", PYTHONPATH=str(Path(__file__).parents[1] / "src"))
    wanted.rows.parent.mkdir(parents=True, exist_ok=True)
    known = known_rows(wanted.rows)
    names = in_turn([] if wanted.table else [name for name in list_models(wanted.match) if name in PICTURED])
    if wanted.cheapest_first:
        names.sort(key=cost_of)
    names = [name for name in names if name not in known or (wanted.retry and not known[name].whole)]
    print(f"{'net':26} {'size':>9} {'samples':>8} {'score':>7}  {'predicted':10} {'plain / ready':>15} {'seconds':>8}")
    with ThreadPoolExecutor(wanted.jobs) as several:  # threads that only wait for processes
        end = time.monotonic() + 60 * wanted.minutes

        def asked_in_time(name: str) -> Row | None:
            return asked(name, wanted) if time.monotonic() < end else None

        for row in several.map(asked_in_time, names) if wanted.jobs > 1 else tried(names, wanted, end):
            if row is None:
                continue
            known[row.net] = row
            verdict = "" if row.whole else f"  {row.fault or 'NO BETTER THAN GUESSING' if not row.learns else 'FAILS'}"
            print(
                f"{row.net:26} {row.size:>9} {row.samples:8,} {100 * row.score:6.1f}%  {row.predicted:10} "
                f"{row.bench:>15} {row.seconds:8.1f}{verdict}",
                flush=True,
            )
    rows = [known[name] for name in PICTURED if name in known]
    lost = [row.net for row in rows if not row.whole]
    print(f"{len(rows) - len(lost)} of {len(rows)} pass" + (f"; not {', '.join(lost)}" if lost else ""))
    if wanted.out:
        wanted.out.write_text(markdown(rows, wanted))
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
