"""What each task reaches and in what time, and what the loop adds to a bare loop of it.

    python benchmarks/tasks.py segment [--pictures 1500] [--time 5m]      shapes, and digits pasted over photographs
    python benchmarks/tasks.py segment --only digits --augment translate=4    digits alone, which no mirror leaves right
    python benchmarks/tasks.py segment --only digits --pictures 500 --time 2m --threads 1 --model resnet18
                                                                 by another net; --from efficientnet_lite0: a start
    python benchmarks/tasks.py reader [--pictures 6000] [--epochs 8]      the same digits, by one who is told their ink
    python benchmarks/tasks.py multilabel [--pictures 6000] [--time 5m]   two or three digits of MNIST in one picture
    python benchmarks/tasks.py embed [--limit 10000] [--epochs 8] [--loss …] [--learnt 56789]   MNIST: five digits
                                                                 learnt (0 to 4), all ten searched
    python benchmarks/tasks.py reconstruct [--limit 10000] [--epochs 8]   MNIST through a code of 32 numbers, and a VAE
    python benchmarks/tasks.py sequence [--time 5m] [--threads 2]         MNIST row by row through RNN, LSTM, GRU
    python benchmarks/tasks.py strange [--seeds 3]               steps that break a rhythm, by four methods
    python benchmarks/tasks.py pauses [--seeds 3] [--time 15s] [--methods all]   a rhythm that pauses, by a detector
                                                                 of hubel anomaly: its usual methods, those named, all
    python benchmarks/tasks.py field [--time 2m] [--threads 2]            photographs of 256x256, held by three nets
    python benchmarks/tasks.py loop [--pictures 256] [--rounds 3]         steps a second beside a bare loop, each task;
                                                                 --loops classify field: these alone

Masks are right by construction: they are drawn with the shapes, or are the digit's own ink. The split is hubel's; test
pictures are looked at once. One JSON line a run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

import hubel
from hubel.assembly.begin import make_ready
from hubel.assembly.requests import requested
from hubel.assembly.together import computing
from hubel.data.manifest import Manifest
from hubel.data.sources import open_source
from hubel.metrics.roc import auroc
from hubel.recipes.schema import Recipe, seconds
from hubel.training.state import Training
from hubel.training.step import step
from hubel.types import Batch
from hubel.watching import SILENT

DATA = Path(os.environ.get("HUBEL_DATA", Path(__file__).parents[2] / "shared" / "data"))
SIDE = 64
STEPS = 120
"""Of each loop, in a round of `loop`."""


def shapes(folder: Path, count: int) -> Path:
    """Discs, squares and triangles in any colour on noise, one to four of them, with their masks."""
    draw = np.random.default_rng(0)
    _folders(folder, "ground\ndisc\nsquare\ntriangle\n")
    for row in range(count):
        noise = (draw.normal(110, 25, (SIDE, SIDE, 3)) + draw.uniform(-40, 40, 3)).clip(0, 255)
        picture, mask = Image.fromarray(noise.astype(np.uint8)), Image.new("L", (SIDE, SIDE), 0)
        for _ in range(int(draw.integers(1, 5))):
            (x, y), size, kind = draw.integers(0, SIDE - 12, 2).tolist(), int(draw.integers(8, 22)), draw.integers(1, 4)
            colour = tuple(draw.integers(0, 255, 3).tolist())
            for board, fill in ((ImageDraw.Draw(picture), colour), (ImageDraw.Draw(mask), int(kind))):
                if kind == 1:
                    board.ellipse((x, y, x + size, y + size), fill=fill)
                elif kind == 2:
                    board.rectangle((x, y, x + size, y + size), fill=fill)
                else:
                    board.polygon([(x, y + size), (x + size, y + size), (x + size // 2, y)], fill=fill)
        _save(folder, row, picture, mask)
    return folder


def pasted(folder: Path, count: int) -> Path:
    """Digits of MNIST in any colour over parts of photographs: classes are ground and the ten digits."""
    digits = open_source("mnist", data_dir=str(DATA))
    _folders(folder, "\n".join(["ground", *(f"digit {k}" for k in range(10))]) + "\n")
    for row, (pixels, whose, there) in enumerate(_scenes(digits, count, 0, np.arange(len(digits)))):
        classes = np.array([0, *(1 + int(digits.labels[which]) for which, *_ in there)], np.uint8)
        _save(folder, row, Image.fromarray(pixels), Image.fromarray(classes[whose]))
    return folder


def _scenes(
    digits: Manifest, count: int, seed: int, from_: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, list[tuple[int, int, int]]]]:
    """(pixels H W 3; whose ink is seen at each, H W, 0 for the ground; digit, top and left of each) of `count` pictures
    with digits `from_` those rows.
    """
    draw = np.random.default_rng(seed)
    assert digits.arrays is not None
    photos = [Image.open(path).convert("RGB") for path in sorted((DATA / "photos").glob("*.JPEG"))]
    for row in range(count):
        photo = photos[row % len(photos)]
        x, y = (int(draw.integers(0, max(1, side - 2 * SIDE))) for side in photo.size)
        pixels = np.asarray(photo.crop((x, y, x + 2 * SIDE, y + 2 * SIDE)).resize((SIDE, SIDE))).copy()
        whose, there = np.zeros((SIDE, SIDE), np.uint8), []
        for number in range(int(draw.integers(1, 4))):
            which = int(from_[draw.integers(0, len(from_))])
            ink = digits.arrays[which, :, :, 0] > 100
            top, left = draw.integers(0, SIDE - 28, 2).tolist()
            pixels[top : top + 28, left : left + 28][ink] = draw.integers(0, 255, 3)
            whose[top : top + 28, left : left + 28][ink] = number + 1
            there.append((which, top, left))
        yield pixels, whose, there


def reader(pictures: int, epochs: int, out: Path, threads: int) -> None:
    """No target: the mean IoU of digits over photographs that one gets who is told whose ink every pixel is, and only
    has to read each digit where others cover it. He has learnt from digits that are in none of the pictures.
    """
    digits = open_source("mnist", data_dir=str(DATA))
    assert digits.arrays is not None

    def seen(scenes: Iterable[tuple[np.ndarray, np.ndarray, list[tuple[int, int, int]]]]) -> tuple[np.ndarray, ...]:
        """Each digit as it is seen (white) with what covers it (grey), its label, its row, its pixels of ink."""
        found = []
        for _, whose, there in scenes:
            for number, (which, top, left) in enumerate(there, start=1):
                cut = whose[top : top + 28, left : left + 28]
                view = np.where(cut == number, 255, np.where(cut > number, 128, 0)).astype(np.uint8)
                found.append((view, int(digits.labels[which]), which, int((whose == number).sum())))
        return tuple(np.array(column) for column in zip(*found, strict=True))

    views, labels, rows, ink = seen(_scenes(digits, pictures, 0, np.arange(len(digits))))
    learnt = seen(_scenes(digits, 2 * pictures, 1, np.setdiff1d(np.arange(len(digits)), rows)))
    for row, (view, label) in enumerate(zip(learnt[0], learnt[1], strict=True)):
        (out / "seen" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(view).save(out / "seen" / str(label) / f"{row:05}.png")
    run = hubel.train(out / "seen", epochs=epochs, out=out / "runs", threads=threads, verbose=False)
    said = run.predict(views[..., None]).probabilities.argmax(1)
    table = np.zeros((10, 10))
    np.add.at(table, (labels, said), ink)
    right = np.diag(table)
    each = right / (table.sum(0) + table.sum(1) - right)
    covered = (views == 128).any(axis=(1, 2))
    print(json.dumps({"task": "segment", "reader": "of exact ink", "pictures": pictures, "digits": len(labels),
                      "covered": round(float(covered.mean()), 4),
                      "read": {kind: round(float((said == labels)[of].mean()), 4)
                               for kind, of in (("covered", covered), ("whole", ~covered))},
                      "mean_iou": round(float((1 + each.sum()) / 11), 4), "worst": round(float(each.min()), 4)}),
          flush=True)  # fmt: skip


def _folders(folder: Path, classes: str) -> None:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    (folder / "classes.txt").write_text(classes)


def _save(folder: Path, row: int, picture: Image.Image, mask: Image.Image) -> None:
    picture.save(folder / "images" / f"{row:05}.png")
    mask.save(folder / "masks" / f"{row:05}.png")


def segment(
    pictures: int, allowed: float, only: str, augment: str | None, net: dict[str, object], out: Path, threads: int
) -> None:
    """Target: mean IoU of 0.95 in five minutes on both."""
    for name, make in (("shapes", shapes), ("digits over photographs", pasted)):
        if not name.startswith(only):
            continue
        folder = make(out / name.replace(" ", "-"), pictures)
        run = hubel.train(
            folder, time=allowed, augment=augment, out=out / "runs", threads=threads, verbose=False, **net
        )
        found = run.evaluate()
        print(json.dumps({"task": "segment", "data": name, "pictures": pictures, "augment": augment, **net,
                          "seconds": run.summary["seconds"], "epochs": run.summary["epochs"],
                          "mean_iou": run.summary["test"]["mean_iou"], "worst": min(found.iou.tolist()),
                          "interval": found.intervals["mean_iou"]}), flush=True)  # fmt: skip


def multilabel(pictures: int, allowed: float, out: Path, threads: int) -> None:
    """Target: mAP of 0.98 in five minutes."""
    run = hubel.train(
        several(out / "several", pictures), time=allowed, task="multilabel", out=out / "runs", threads=threads,
        verbose=False,
    )  # fmt: skip
    print(json.dumps({"task": "multilabel", "pictures": pictures, "seconds": run.summary["seconds"],
                      **run.summary["test"]}), flush=True)  # fmt: skip


def several(folder: Path, count: int) -> Path:
    """Two or three digits of MNIST in one picture of 40x40 pixels, and a table of which are there."""
    draw, digits = np.random.default_rng(0), open_source("mnist", data_dir=str(DATA))
    assert digits.arrays is not None
    folder.mkdir()
    lines = ["file,label"]
    for row in range(count):
        board, there = np.zeros((56, 56), np.uint8), set()
        for cell in draw.permutation(4)[: draw.integers(2, 4)].tolist():
            which = int(draw.integers(0, len(digits)))
            top, left = 28 * (cell // 2), 28 * (cell % 2)
            board[top : top + 28, left : left + 28] = digits.arrays[which, :, :, 0]
            there.add(int(digits.labels[which]))
        Image.fromarray(board).resize((40, 40)).save(folder / f"{row:05}.png")
        lines.append(f"{row:05}.png,{'|'.join(f'digit {k}' for k in sorted(there))}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def embed(limit: int, epochs: int, loss: str, turned: bool, known: str, out: Path, threads: int) -> None:
    """Target: recall@1 of 0.97 over ten digits of which five, those not `known`, were never seen in training."""
    digits = open_source("mnist", data_dir=str(DATA))
    assert digits.arrays is not None
    for part, kept in (("learnt", known), ("all", "0123456789")):
        rows = np.flatnonzero(digits.given_split == ("train" if part == "learnt" else "test"))
        rows = rows[np.isin(digits.labels[rows], [int(digit) for digit in kept])][
            : limit if part == "learnt" else 5_000
        ]
        for row in rows.tolist():
            place = out / part / str(digits.labels[row])
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(digits.arrays[row, :, :, 0]).save(place / f"{row:05}.png")
    run = hubel.train(
        out / "learnt", task="embed", epochs=epochs, loss=loss, turned_classes=turned, out=out / "runs",
        threads=threads, verbose=False,
    )  # fmt: skip
    found = run.evaluate(out / "all")
    by_class = {row[0]: row[2] for row in found.by_class()}
    print(json.dumps({"task": "embed", "loss": loss, "turned_classes": turned, "learnt": known, "limit": limit,
                      "epochs": epochs,
                      "seconds": run.summary["seconds"], **found.headline, "by_class": by_class}),
          flush=True)  # fmt: skip


def reconstruct(limit: int, epochs: int, out: Path, threads: int) -> None:
    """No target of its own: what comes back of MNIST's test digits."""
    for model in ("autoencoder", "vae"):
        run = hubel.train("mnist", task="reconstruct", model=model, limit=limit, epochs=epochs, out=out / "runs",
                          data_dir=str(DATA), threads=threads, verbose=False)  # fmt: skip
        print(json.dumps({"task": "reconstruct", "model": model, "limit": limit, "epochs": epochs,
                          "seconds": run.summary["seconds"], **run.summary["test"]}), flush=True)  # fmt: skip


def sequence(allowed: float, out: Path, threads: int) -> None:
    """Target: 98.5 % of MNIST's test digits through an LSTM in five minutes."""
    for model in ("lstm", "gru", "rnn"):
        run = hubel.train("mnist", task="sequence", model=model, time=allowed, out=out / "runs", data_dir=str(DATA),
                          threads=threads, verbose=False)  # fmt: skip
        found = run.evaluate()
        print(json.dumps({"task": "sequence", "model": model, "seconds": run.summary["seconds"],
                          "epochs": run.summary["epochs"], **found.headline, "interval": found.interval,
                          "after_half": float(found.by_step()[13])}), flush=True)  # fmt: skip


def strange(seeds: int, out: Path, threads: int) -> None:
    """No target of its own: AUROC of steps by each method, of a rhythm that pauses, runs fast, jumps or turns round."""
    for seed in range(seeds):
        draw = np.random.default_rng(seed)

        def rhythm(count: int, draw: np.random.Generator = draw) -> np.ndarray:
            at = np.arange(count)
            return np.stack([10 + 3 * np.sin(0.5 * at), 5 * np.cos(0.5 * at) + np.sin(0.11 * at)], 1) + draw.normal(
                0, 0.2, (count, 2)
            )

        def table(name: str, values: np.ndarray) -> Path:
            lines = (f"{step},{a:.4f},{b:.4f}" for step, (a, b) in enumerate(values))
            (out / name).write_text("\n".join(["hour,load,heat", *lines]) + "\n")
            return out / name

        run = hubel.train(table(f"normal{seed}.csv", rhythm(4000)), task="sequence", model="gru",
                          columns={"time": "hour"}, epochs=30, seed=seed, out=out / "runs", threads=threads,
                          verbose=False)  # fmt: skip
        later, truth = rhythm(4000), np.zeros(4000, bool)
        for place in range(100, 3900, 100):
            kind, span = ("pause", "fast", "jump", "round")[place // 100 % 4], slice(place, place + 8)
            truth[span] = True
            if kind == "pause":
                later[span, 0] = later[place - 1, 0]
            elif kind == "fast":
                later[span, 0] = 10 + 3 * np.sin(0.5 * place + 1.2 * np.arange(8))
            elif kind == "jump":
                truth[place + 1 : place + 8] = False
                later[place, 1] += 3
            else:
                later[span] = later[span][::-1].copy()
        (said,) = run.predict(table(f"later{seed}.csv", later))
        row = {name: round(auroc(scores[8:], truth[8:])[0], 4) for name, scores in (said.steps or {}).items()}
        alarms = {name: round(float((scores[8:][~truth[8:]] > 1).mean()), 4)
                  for name, scores in (said.steps or {}).items()}  # fmt: skip
        print(json.dumps({"task": "strange", "seed": seed, "seconds": run.summary["seconds"], "auroc": row,
                          "false_alarms": alarms}), flush=True)  # fmt: skip


def pauses(seeds: int, allowed: float, methods: str | None, out: Path, threads: int) -> None:
    """No target of its own: of a rhythm of 2,000 steps that pauses eight times for six steps in 1,000 others, what
    `hubel anomaly` tells, by method.
    """
    torch.set_num_threads(threads)

    def table(name: str, count: int, draw: np.random.Generator, odd: range) -> Path:
        at = np.arange(count)
        values = np.stack([10 + 3 * np.sin(0.5 * at), 5 * np.cos(0.5 * at)], 1) + 0.2 * draw.normal(size=(count, 2))
        words = np.full(count, "good", dtype=object)
        for start in odd:
            values[start : start + 6, 0], words[start : start + 6] = 10, "pause"
        lines = (
            f"{step},{a:.4f},{b:.4f},{word}" for step, ((a, b), word) in enumerate(zip(values, words, strict=True))
        )
        (out / name).write_text("\n".join(["hour,load,heat,label", *lines]) + "\n")
        return out / name

    for seed in range(seeds):
        draw = np.random.default_rng(seed)
        good = table(f"good{seed}.csv", 2000, draw, range(0))
        mixed = table(f"mixed{seed}.csv", 1000, draw, range(100, 900, 100))
        found = hubel.anomaly(good, mixed, columns={"time": "hour"}, method=methods, time=allowed, seed=seed,
                              out=out / f"found{seed}", device="cpu", verbose=False)  # fmt: skip
        print(json.dumps({"task": "pauses", "seed": seed, "auroc": {m.method: round(m.auroc, 4) for m in found.methods},
                          "false_alarms": {m.method: round(m.false, 4) for m in found.methods},
                          "caught": {m.method: round(m.caught, 4) for m in found.methods},
                          "seconds": {m.method: round(m.seconds, 1) for m in found.methods}}),
              flush=True)  # fmt: skip


def field(allowed: float, out: Path, threads: int) -> None:
    """Target: 35 dB in two minutes with sines, and ReLUs of as many weights at least 8 dB below."""
    for photo in sorted((DATA / "photos").glob("*.JPEG"))[:3]:
        for model, rate in (("siren", None), ("fourier_field", 0.001), ("mlp", 0.001)):
            rates = {} if rate is None else {"lr": rate}
            run = hubel.train(photo, task="field", model=model, time=allowed, img_size=(256, 256), fit="crop",
                              out=out / "runs", threads=threads, verbose=False, **rates)  # fmt: skip
            print(json.dumps({"task": "field", "photo": photo.stem, "model": model, "seconds": run.summary["seconds"],
                              "epochs": run.summary["epochs"], **run.evaluate().headline}), flush=True)  # fmt: skip


def loop(pictures: int, rounds: int, batch: int | None, only: list[str], out: Path, threads: int) -> None:
    """Target: at least 0.97 of the steps a second of a loop that does nothing but forward, backward and update.

    Steps are compared by their processor time. Batches are those that a training takes by itself, or of `batch`
    samples.
    """
    folder = shapes(out / "shapes", pictures)
    jobs: dict[str, dict[str, object]] = {
        "classify": {"data": "digits", "model": "resnet20"},
        "reconstruct": {"data": "mnist", "task": "reconstruct", "limit": pictures, "data_dir": str(DATA)},
        "segment": {"data": str(folder)},
        "embed": {"data": "mnist", "task": "embed", "limit": pictures, "data_dir": str(DATA)},
        "sequence": {
            "data": "mnist",
            "task": "sequence",
            "model": "lstm_rows",
            "limit": pictures,
            "data_dir": str(DATA),
        },
        "field": {"data": str(sorted((DATA / "photos").glob("*.JPEG"))[0]), "task": "field", "img_size": [64, 64]},
    }
    for task in only or jobs:
        settings = jobs[task]
        recipe = requested({"batch_size": batch, "epochs": 4, "augment": "none", "threads": threads, **settings})
        with computing(recipe):  # as a training does: its threads, and the memory of tensors kept
            ratios = [_ratio(recipe) for _ in range(rounds)]
        print(json.dumps({"loop": task, "batch": batch or "its own", "ratio": round(statistics.median(ratios), 4),
                          "rounds": [round(ratio, 4) for ratio in sorted(ratios)]}), flush=True)  # fmt: skip


def _ratio(recipe: Recipe) -> float:
    """Processor time of a step of the bare loop by that of one of ours: medians over steps taken in turns, so that a
    busy moment meets both.
    """
    runs = {kind: make_ready(recipe, SILENT).training for kind in ("bare", "hubel")}
    batches = [batch for epoch in range(2) for batch in runs["bare"].batches(epoch, 0)]
    while len(batches) < STEPS:
        batches += batches
    taken: dict[str, list[float]] = {"hubel": [], "bare": []}
    for at, batch in enumerate(batches[:STEPS]):
        for kind in ("bare", "hubel") if at % 2 else ("hubel", "bare"):
            started = time.process_time()
            {"bare": _bare, "hubel": _ours}[kind](runs[kind], batch)
            taken[kind].append(time.process_time() - started)
    return statistics.median(taken["bare"][2:]) / statistics.median(taken["hubel"][2:])


def _ours(training: Training, batch: Batch) -> None:
    training.forward.train()
    step(training, batch)


def _bare(training: Training, batch: Batch) -> None:
    training.forward.train()
    training.loss(training.forward(batch.images), training.task.targets(batch)).backward()
    clip = training.recipe.optimizer.clip_grad
    if clip:  # part of the update, as of every loop for recurrent nets
        torch.nn.utils.clip_grad_norm_(training.parameters, clip)
    training.optimiser.step()
    training.optimiser.zero_grad(set_to_none=True)


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "part",
        choices=[
            "segment",
            "reader",
            "multilabel",
            "embed",
            "reconstruct",
            "sequence",
            "strange",
            "pauses",
            "field",
            "loop",
        ],
    )
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--time", default="5m")
    parser.add_argument("--only", default="", choices=["shapes", "digits"], help="of segment: one of its two sets")
    parser.add_argument("--augment", help="of segment, as hubel train takes it; else as it chooses")
    parser.add_argument("--model", help="of segment: the net; else as it chooses")
    parser.add_argument("--from", help="of segment: a run, or a net with published weights")
    parser.add_argument("--lr", type=float, help="of segment: the rate, in the place of the one that hubel chooses")
    parser.add_argument("--unfreeze", help="of segment, with --from, as hubel train takes it")
    parser.add_argument("--layer-decay", type=float, help="of segment, with --from, as hubel train takes it")
    parser.add_argument("--img-size", type=int, help="of segment: pixels a side that the net sees; else as they are")
    parser.add_argument("--limit", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--loss", default="triplet", help="of embed")
    parser.add_argument("--turned-classes", action="store_true", help="of embed")
    parser.add_argument("--learnt", default="01234", help="of embed: the digits that are seen in training")
    parser.add_argument("--methods", help="of pauses, as hubel anomaly takes --method")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loops", nargs="+", default=[], help="of loop: these tasks; else each")
    parser.add_argument("--batch", type=int, help="of loop: samples a batch; else as many as a training takes")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        if given.part == "segment":
            allowed = float(str(seconds(given.time)))
            said = {
                "model": given.model, "from_": getattr(given, "from"), "unfreeze": given.unfreeze, "lr": given.lr,
                "layer_decay": given.layer_decay, "img_size": given.img_size,
            }  # fmt: skip
            net = {name: value for name, value in said.items() if value is not None}
            segment(given.pictures, allowed, given.only, given.augment, net, out, given.threads)
        elif given.part == "reader":
            reader(given.pictures, given.epochs, out, given.threads)
        elif given.part == "multilabel":
            multilabel(given.pictures, float(str(seconds(given.time))), out, given.threads)
        elif given.part == "embed":
            embed(given.limit, given.epochs, given.loss, given.turned_classes, given.learnt, out, given.threads)
        elif given.part == "reconstruct":
            reconstruct(given.limit, given.epochs, out, given.threads)
        elif given.part == "strange":
            strange(given.seeds, out, given.threads)
        elif given.part == "pauses":
            pauses(given.seeds, float(str(seconds(given.time))), given.methods, out, given.threads)
        elif given.part in ("sequence", "field"):
            {"sequence": sequence, "field": field}[given.part](float(str(seconds(given.time))), out, given.threads)
        else:
            loop(given.pictures, given.rounds, given.batch, given.loops, out, given.threads)


if __name__ == "__main__":
    main()
