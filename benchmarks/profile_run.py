"""Where the time of `hubel train` on CIFAR-10 goes: a table, a picture, and what each part of the speed is worth.

    python benchmarks/profile_run.py [--data FOLDER] [--steps 8] [--write]

First a profile: a few steps of the default run under torch's profiler; each operation's own time goes to the part it
belongs to. Then the same step with one thing undone at a time, in turns with the default: float32 instead of what the
trial chose, memory in C H W order, pictures augmented one by one or not at all, the loss of every step read at once.
Whether freed memory stays with the process is settled once, so that this pair runs in processes of their own.
`--write` renews the table and the picture of docs/speed.md. One JSON line for the profile and one for each thing
undone.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from airbench import pictures
from peak import default_run, seconds_a_step
from torch.profiler import ProfilerActivity, profile, record_function

from hubel import runtime
from hubel.assembly.build import build
from hubel.assembly.prepare import Prepared
from hubel.assembly.wire import assemble
from hubel.figures.bars import bars
from hubel.training.loop import Training
from hubel.types import Batch

DOCS = Path(__file__).parents[1] / "docs"
PICTURE = DOCS / "pictures" / "speed-profile.svg"
BEGIN, END = "<!-- profile: written by benchmarks/profile_run.py -->", "<!-- end of the profile -->"
BATCH = "a batch is fetched"
# What an operation is called -> the part it belongs to; the first that fits counts.
PARTS = (
    ("convolutions, backward", r"convolution_backward|ConvolutionBackward"),
    ("convolutions, forward", r"conv"),
    ("batch norm", r"batch_norm|BatchNorm"),
    ("activations", r"gelu|Gelu|relu|Relu"),
    ("pooling", r"pool|Pool"),
    ("casts and copies", r"aten::(copy_|to|_to_copy|clone|contiguous)$|ToCopy|autocast"),
    ("head and loss", r"mm|linear|softmax|nll|cross_entropy|Mm|Nll|Softmax"),
)
OPTIMISER, DATA, REST = "optimiser", "batch: gather, augment", "all else"


def named(training: Training) -> None:
    """Put a name on the making of batches, which has no operation of its own to be known by."""
    original = training.batches

    def fetched(epoch: int, start: int) -> Iterator[Batch]:
        found = iter(original(epoch, start))
        while True:
            with record_function(BATCH):
                batch = next(found, None)
            if batch is None:
                return
            yield batch

    training.batches = fetched


def shares(training: Training, steps: int) -> tuple[dict[str, float], float]:
    """Share of each part in the time of a step, and a step's seconds. One step before warms up and is not counted."""
    named(training)
    running = seconds_a_step(training)
    next(running)
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        times = [next(running) for _ in range(steps)]
    main = min(event.thread for event in watched.events())
    found: dict[str, float] = defaultdict(float)
    for event in watched.events():
        parent, family = event, event.name
        while parent.cpu_parent is not None:
            parent = parent.cpu_parent
            family += " " + parent.name
        if event.thread != main and "evaluate_function" not in family:
            continue  # a helper that works beside the steps costs none of their time
        if "Optimizer.step" in family:
            part = OPTIMISER
        elif BATCH in family:
            part = DATA
        else:
            part = next((name for name, words in PARTS if re.search(words, event.name)), REST)
        found[part] += event.self_cpu_time_total / 1e6
    total = sum(times)
    found[REST] += max(0.0, total - sum(found.values()))  # Python between the operations
    return {name: seconds / total for name, seconds in sorted(found.items(), key=lambda pair: -pair[1])}, total / steps


def reading_losses(training: Training) -> None:
    """Look at every loss at once, as a loop with `loss.item()` does."""
    original = training.loss

    class Read(torch.nn.Module):
        def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            loss: torch.Tensor = original(logits, labels)
            loss.item()
            return loss

    training.loss = Read()


def one_by_one(training: Training) -> None:
    """Flip and shift each picture by itself, as a data set's transform does, instead of the whole batch at once."""
    original = training.batches

    def fetched(epoch: int, start: int) -> Iterator[Batch]:
        for batch in original(epoch, start):
            lot = runtime.generator(epoch, start)
            done = []
            for image in batch.images:
                wide = torch.nn.functional.pad(image[None], (2,) * 4, mode="reflect")[0]
                y, x, mirror = torch.randint(0, 5, (3,), generator=lot).tolist()
                cut = wide[:, y : y + image.shape[1], x : x + image.shape[2]]
                done.append(cut.flip(-1) if mirror % 2 else cut)
            images = torch.stack(done).contiguous(memory_format=torch.channels_last)
            yield Batch(images, batch.labels, batch.ids, batch.soft_labels)

    training.batches = fetched


def undone(prepared: Prepared, training: Training) -> dict[str, Callable[[], Training]]:
    """Name -> the same training with one thing undone."""
    recipe = training.recipe

    def other(change: Callable[[Training], None] | None = None, **settings: object) -> Training:
        model, _ = build(prepared)
        made = assemble(recipe.change(**settings), prepared, model)
        if change is not None:
            change(made)
        return made

    found: dict[str, Callable[[], Training]] = {"as it is": other}
    if training.precision != torch.float32:
        found["float32 arithmetic"] = lambda: other(precision="fp32")
    found |= {
        "pictures and filters in C H W order": lambda: other(channels_last=False),
        "augmentation picture by picture": lambda: other(one_by_one, augment=("none",)),
        "no augmentation": lambda: other(augment=("none",)),
        "every loss read at once": lambda: other(reading_losses),
    }
    return found


def compared(ways: dict[str, Callable[[], Training]], rounds: int) -> dict[str, tuple[float, float, float]]:
    """Name -> median and quartiles of its step's time in parts of the default's, measured in turns."""
    running = {name: seconds_a_step(make()) for name, make in ways.items()}
    for steps in running.values():
        next(steps)
    found: dict[str, list[float]] = {name: [] for name in running}
    for number in range(rounds):
        times = {name: next(running[name]) for name in sorted(running, reverse=bool(number % 2))}
        for name, seconds in times.items():
            found[name].append(seconds / times["as it is"])
    result = {}
    for name, ratios in found.items():
        ordered = sorted(ratios)
        result[name] = (statistics.median(ratios), ordered[len(ordered) // 4], ordered[3 * len(ordered) // 4])
    return result


def without_kept_memory(data: Path, given: argparse.Namespace, pairs: int) -> tuple[float, float, float]:
    """The step's time where freed memory goes back to the system, in parts of the default's: median, least, most."""
    ratios = []
    for number in range(pairs):
        times = {}
        for word in sorted(("--keep", "--give-back"), reverse=bool(number % 2)):
            words = ["--data", str(data), "--steps", "5", "--threads", str(given.threads), "--seconds-only"]
            words += ["--give-back"] if word == "--give-back" else []
            words += ["--set", *given.set] if given.set else []
            done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True)
            times[word] = json.loads(done.stdout)["seconds_a_step"]
        ratios.append(times["--give-back"] / times["--keep"])
    return statistics.median(ratios), min(ratios), max(ratios)


def table(row: dict[str, object], parts: dict[str, float], ways: dict[str, tuple[float, float, float]]) -> str:
    """The part of docs/speed.md between the two marks."""
    lines = [
        f"A step of `hubel train` on CIFAR-10 as it is by default ({row['model']}, {row['precision']}, batches of "
        f"{row['batch']}) on {row['threads']} cores ({row['processor']}), torch {row['torch']}: "
        f"{1000 * float(str(row['seconds_a_step'])):.0f} ms, "
        f"{float(str(row['images_a_second'])):,.0f} pictures a second.",
        "",
        "| part of a step | share |",
        "| --- | ---: |",
        *(f"| {name} | {100 * share:.1f} % |" for name, share in parts.items()),
        "",
        f"![Share of each part in the time of a training step](pictures/{PICTURE.name})",
    ]
    if ways:
        lines += [
            "",
            "The same step with one thing undone, measured in turns with the default (medians, quartiles in brackets):",
            "",
            "| undone | time of a step, in parts of the default's |",
            "| --- | ---: |",
            *(f"| {n} | {m:.2f} ({low:.2f}–{high:.2f}) |" for n, (m, low, high) in ways.items() if n != "as it is"),
        ]
    return "\n".join(lines)


def write(text: str, parts: dict[str, float]) -> None:
    """Renew the page and its picture."""
    page = DOCS / "speed.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
    drawing = bars(list(parts.values()), list(parts), title="share of a training step, CIFAR-10", share=True)
    PICTURE.write_bytes(drawing.data)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with train/CLASS/*.jpg and test/CLASS/*.jpg")
    parser.add_argument("--steps", type=int, default=8, help="steps under the profiler")
    parser.add_argument("--rounds", type=int, default=6, help="rounds of the comparison; 0 leaves it out")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--write", action="store_true", help="renew docs/speed.md and its picture")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings other than the default's")
    parser.add_argument(
        "--seconds-only", action="store_true", help="time the steps without a profiler, print that only"
    )
    parser.add_argument("--give-back", action="store_true", help="let freed memory go back to the system")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as unpacked, runtime.threads(options.threads):
        began = time.perf_counter()
        folder = pictures(options.data, Path(unpacked))
        prepared, training = default_run(folder, options.set, keep=not options.give_back)
        if options.seconds_only:
            timed = [seconds for seconds, _ in zip(seconds_a_step(training), range(options.steps + 1), strict=False)]
            print(json.dumps({"seconds_a_step": statistics.median(timed[1:]), "steps": options.steps}))
            sys.exit()
        facts = runtime.environment(training.device)
        size = training.recipe.train.batch_size
        batch = size if isinstance(size, int) else len(prepared.ids("train"))
        ways = undone(prepared, training)
        found, seconds = shares(training, options.steps)
        row: dict[str, object] = {
            "model": training.recipe.model.model,
            "precision": str(training.precision).removeprefix("torch."),
            "batch": batch,
            "threads": options.threads,
            "processor": facts["processor"],
            "torch": facts["torch"],
            "seconds_a_step": seconds,
            "images_a_second": batch / seconds,
            "shares": found,
        }
        print(json.dumps(row), flush=True)
        relative = compared(ways, options.rounds) if options.rounds else {}
        if options.rounds:
            relative["freed memory given back to the system"] = without_kept_memory(folder, options, 2)
        for name, (median, low, high) in relative.items():
            print(
                json.dumps({"undone": name, "times": median, "quartiles": [low, high], "rounds": options.rounds}),
                flush=True,
            )
        if options.write:
            write(table(row, found, relative), found)
            print(json.dumps({"written": "docs/speed.md", "seconds": time.perf_counter() - began}), flush=True)
