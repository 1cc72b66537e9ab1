"""How far answers can be trusted: honest probabilities, strange pictures, sets, and nets where the world shifts.

    python benchmarks/trust.py [--seeds 5]                     digits, trained with nothing said
    python benchmarks/trust.py --mnist --limit 20000 --epochs 4      also MNIST, before five kinds of strange pictures
    python benchmarks/trust.py sets [--splits 20]              how often each kind of sets holds the truth
    python benchmarks/trust.py cifar --minutes 10 --seeds 5 --pictures 10000     calibration on CIFAR-10's pictures
    python benchmarks/trust.py robust --minutes 10 --pictures 10000 --seeds 3    --robust against plain, equal time
    python benchmarks/trust.py blurpool --epochs 6 --pictures 4000 --seeds 3     blur-pool against max-pool
    python benchmarks/trust.py blurpool --augment alternating-flip …     where training moves no picture
    HUBEL_PEER_OOD=PEER/bin/python python benchmarks/trust.py ood-peer [--run RUN]    the scores of pytorch-ood
    python benchmarks/trust.py halvings --epochs 6 --pictures 4000 --seeds 3     maxima, strides and blurs in one net
    python benchmarks/trust.py turned --seeds 3                  plain, group-equivariant and harmonic nets, turned
    python benchmarks/trust.py cost --minutes 3 --seeds 2        what all that takes at the end of a training
    python benchmarks/trust.py six --seeds 3                     a net of the digits 0 to 5 before 6 to 9
    python benchmarks/trust.py labels --model mnist_cnn --pictures 1000 --epochs 15 --seeds 3    several digits in one
    python benchmarks/trust.py ood-peer --cifar --minutes 5 --pictures 10000     the same before a net for CIFAR-10

Calibration: `hubel train` with nothing said, the error of 15 bins on the test split, before the logits are made honest
and after, as the run's summary has it. Strange pictures before a net that knows MNIST (2,000 test samples): CIFAR-10 in
grey at 28 x 28, MNIST turned by 90 degrees, inverted, uniform noise, pixels shuffled; AUROC of each single score and of
the mixture that the training has chosen without having seen any of these. `sets`: a net of the digits, stopped early;
its validation and test samples are split in halves again and again, one half fits map and limits, the other is covered.
`ood-peer`: net, pictures and features the same for both sides; before a net for CIFAR-10 the strangers are parts of
photographs, textures of patches, and MNIST in colour. `labels`: two or three digits of MNIST in
one picture of 40 x 40 pixels (`benchmarks/tasks.py`), test pictures beside parts of photographs, capital letters in the
place of the digits, noise, and the test pictures turned, inverted and shuffled. One JSON line a run, then the claims.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

import hubel
from hubel.assembly import trusting
from hubel.assembly.seeing import Look
from hubel.assembly.trusting import learn_trust
from hubel.checkpoint import load
from hubel.checkpoint.trust import ACCEPTED
from hubel.data.sources import open_source
from hubel.metrics.calibrators import choose_calibrator
from hubel.metrics.intervals import mean_interval
from hubel.metrics.probability import log_softmax
from hubel.metrics.sets import KINDS, coins, fit_sets
from hubel.metrics.strangeness import separation, strangeness
from hubel.records.own_data import own_data
from hubel.verbs import conclude
from tasks import several

DATA = Path(os.environ.get("HUBEL_DATA", Path(__file__).parents[2] / "shared" / "data"))
TESTED = 2_000


def calibrated(seeds: int, folder: str, threads: int) -> list[dict[str, float]]:
    """What the digits' summaries say, a seed each."""
    found = []
    for seed in range(seeds):
        run = hubel.train("digits", seed=seed, out=folder, threads=threads, verbose=False)
        told = run.summary["trust"]["test"]
        found.append(
            {"seed": seed, "before": told["ece_before"], "after": told["ece_after"], "cover": told["coverage"]}
        )
        print(json.dumps({"data": "digits", **found[-1], "accuracy": run.summary["test"]["accuracy"]}), flush=True)
    return found


def grey_things(count: int) -> np.ndarray:
    """Pictures of CIFAR-10's test part: N 1 28 28 grey bytes."""
    found: list[np.ndarray] = []
    with tarfile.open(DATA / "cifar10-jpeg.tar.gz") as packed:
        for member in packed:
            if "test/" in member.name and member.isfile() and len(found) < count:
                file = packed.extractfile(member)
                assert file is not None
                grey = Image.open(io.BytesIO(file.read())).convert("L").resize((28, 28), Image.Resampling.BILINEAR)
                found.append(np.asarray(grey))
    return np.stack(found)[:, None]


def colour_things(own: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """What is none of CIFAR-10's classes, N 3 32 32 bytes each: parts of photographs, textures (a patch of one of its
    `own` pictures, again and again), and MNIST's digits in one colour on another."""
    draw = np.random.default_rng(2)
    photos = [Image.open(path).convert("RGB") for path in sorted((DATA / "photos").glob("*.JPEG"))]
    parts, textures, digits = (np.empty((count, 32, 32, 3), np.uint8) for _ in range(3))
    ink = open_source("mnist", data_dir=str(DATA / "mnist")).arrays
    assert ink is not None
    for row in range(count):
        photo = photos[row % len(photos)]
        side = int(draw.integers(min(photo.size) // 3, min(photo.size) + 1))
        x, y = (int(draw.integers(0, length - side + 1)) for length in photo.size)
        parts[row] = np.asarray(photo.crop((x, y, x + side, y + side)).resize((32, 32), Image.Resampling.BOX))
        top, left = draw.integers(0, 25, 2).tolist()
        textures[row] = np.tile(own[row % len(own)].transpose(1, 2, 0)[top : top + 8, left : left + 8], (4, 4, 1))
        digit = Image.fromarray(ink[int(draw.integers(len(ink))), :, :, 0]).resize((32, 32), Image.Resampling.BILINEAR)
        share = np.asarray(digit)[:, :, None] / 255
        digits[row] = share * draw.integers(0, 256, 3) + (1 - share) * draw.integers(0, 256, 3)
    return {
        name: found.transpose(0, 3, 1, 2).copy()
        for name, found in (("photographs", parts), ("textures of patches", textures), ("mnist in colour", digits))
    }


def seen_by(run: hubel.Run) -> tuple[Look, Any, dict[str, np.ndarray]]:
    """(the net at work, its own data, kinds of strange pictures N C H W made beside its test part and from it)."""
    own = own_data(run.folder, load(run.folder))
    look = Look(load(run.folder), own.decoded, torch.device("cpu"))
    pictures = own.decoded.images[own.ids("test")[:TESTED]]
    draw = np.random.default_rng(1)
    flat = pictures.reshape(len(pictures), -1)
    mixed = np.take_along_axis(flat, np.argsort(draw.random(flat.shape), axis=1), axis=1).reshape(pictures.shape)
    odd = {
        "turned by 90 degrees": np.rot90(pictures, axes=(2, 3)).copy(),
        "inverted": 255 - pictures,
        "uniform noise": draw.integers(0, 256, pictures.shape, dtype=np.uint8),
        "pixels shuffled": mixed,
    }
    if pictures.shape[1:] == (1, 28, 28):
        odd = {"cifar-10 in grey": grey_things(TESTED)} | odd
    if pictures.shape[1:] == (3, 32, 32):
        odd = colour_things(pictures, TESTED)
    return look, own, odd


def before_strangers(run: hubel.Run, given: dict[str, np.ndarray] | None = None) -> dict[str, dict[str, float]]:
    """AUROC of every score and of the mixture, for each kind of strange pictures: those `given`, or all that fit."""
    look, own, odd = seen_by(run)
    odd = given or odd
    trust = load(run.folder).trust
    assert trust is not None
    home = look.at(own.ids("test")[:TESTED])
    usual = strangeness(*home, trust.familiar)
    found = {}
    for kind, pictures in odd.items():
        away = look.at_pictures(pictures)
        single = strangeness(*away, trust.familiar)
        found[kind] = {name: separation(usual[name], values) for name, values in single.items()}
        found[kind]["mixture"] = separation(trust.strange(*home), trust.strange(*away))
        found[kind]["unknown"] = float((trust.familiarity(*away) < 0.05).mean())
        print(
            json.dumps({"strange": kind, **{name: round(value, 4) for name, value in found[kind].items()}}), flush=True
        )
    return found


def lettered(count: int) -> np.ndarray:
    """N 1 40 40 bytes: two or three capital letters as bright as digits, in a fourth of the picture each."""
    draw, found = np.random.default_rng(3), np.zeros((count, 1, 40, 40), np.uint8)
    font = ImageFont.load_default(size=20)
    for row in range(count):
        board = Image.new("L", (40, 40))
        for place in draw.permutation(4)[: draw.integers(2, 4)].tolist():
            x, y = (20 * (place % 2) + 10, 20 * (place // 2) + 10)
            letter = "ABCDEFGHJKLMNPQRTUVWXYZ"[int(draw.integers(23))]  # but for those that look like 0, 1 and 5
            ImageDraw.Draw(board).text((x, y), letter, fill=255, font=font, anchor="mm")
        found[row, 0] = np.asarray(board)
    return found


def grey_parts(count: int, side: int) -> np.ndarray:
    """N 1 side side bytes: parts of photographs in grey."""
    draw = np.random.default_rng(2)
    photos = [Image.open(path).convert("L") for path in sorted((DATA / "photos").glob("*.JPEG"))]
    found = np.empty((count, 1, side, side), np.uint8)
    for row in range(count):
        photo = photos[row % len(photos)]
        wide = int(draw.integers(min(photo.size) // 3, min(photo.size) + 1))
        x, y = (int(draw.integers(0, length - wide + 1)) for length in photo.size)
        found[row, 0] = np.asarray(photo.crop((x, y, x + wide, y + wide)).resize((side, side), Image.Resampling.BOX))
    return found


def before_no_digits(options: argparse.Namespace, folder: Path) -> None:
    """A net that says which digits are in a picture, before pictures of none: AUROC, and how many it calls unknown."""
    found: list[dict[str, dict[str, float]]] = []
    usual = []
    scenes = several(folder / "scenes", options.pictures)
    for seed in range(options.seeds):
        run = hubel.train(
            scenes, model=options.model, epochs=options.epochs or 12, seed=seed, split_seed=seed,
            out=str(folder / "runs"), threads=options.threads, verbose=False,
        )  # fmt: skip
        _, own, odd = seen_by(run)
        pictures = own.decoded.images[own.ids("test")]
        odd |= {"letters": lettered(len(pictures)), "photographs": grey_parts(len(pictures), pictures.shape[2])}
        odd = {name: strange[:, :, :40, :40] for name, strange in odd.items()}
        known = run.summary["trust"]["test"]["known"]
        said = {"seed": seed, "mean_ap": run.summary["test"]["mean_ap"], "known": known, "samples": len(pictures)}
        print(json.dumps(said | {"scores": run.summary["trust"]["scores"]}), flush=True)
        usual.append(100 * (1 - known))
        found.append(before_strangers(run, odd))
    for kind in found[0]:
        told, unknown = ([each[kind][name] for each in found] for name in ("mixture", "unknown"))
        measured = (
            f"AUROC {statistics.mean(told):.3f} ({min(told):.3f}–{max(told):.3f}, {len(told)} seeds); "
            f"{100 * statistics.mean(unknown):.1f} % called unknown"
        )
        claim(f"Several digits in a picture before {kind}", "AUROC ≥ 0.95", measured, min(told) >= 0.95)
    measured = f"{statistics.mean(usual):.1f} % ({min(usual):.1f}–{max(usual):.1f} %, {len(usual)} seeds)"
    claim("Test pictures of several digits called unknown", "2 to 8 %", measured, 2 <= statistics.mean(usual) <= 8)


def before_other_digits(options: argparse.Namespace, folder: Path) -> None:
    """A net that learnt MNIST's digits 0 to 5, before 6 to 9: AUROC of every score and of the mixture."""
    source = open_source("mnist", data_dir=str(DATA / "mnist"))
    images, labels = source.arrays, source.labels
    assert images is not None
    test = source.given_split == "test"
    learnt = np.flatnonzero(~test & (labels < 6))[: options.limit or 12_000]
    for part, rows in (("train", learnt), ("test", np.flatnonzero(test & (labels < 6)))):
        for digit in range(6):
            (folder / "six" / part / str(digit)).mkdir(parents=True)
        for row in rows:
            Image.fromarray(images[row, :, :, 0]).save(folder / "six" / part / str(labels[row]) / f"{row}.png")
    others = images[np.flatnonzero(test & (labels >= 6))[:TESTED]].transpose(0, 3, 1, 2).copy()
    found = []
    for seed in range(options.seeds):
        run = hubel.train(
            str(folder / "six"), epochs=options.epochs or 4, seed=seed, threads=options.threads, verbose=False,
            out=str(folder / "runs"),
        )  # fmt: skip
        found.append(before_strangers(run, {"the other four digits": others})["the other four digits"])
        print(json.dumps({"seed": seed, "accuracy": run.summary["test"]["accuracy"]}), flush=True)
    means = {name: statistics.mean(row[name] for row in found) for name in found[0] if name != "unknown"}
    mixture = [row["mixture"] for row in found]
    best = max((name for name in means if name != "mixture"), key=lambda name: means[name])
    claim(
        "six of MNIST's classes against the other four, AUROC of the mixture", "≥ 0.93",
        f"{means['mixture']:.3f} ({min(mixture):.3f}–{max(mixture):.3f}, {len(mixture)} seeds); best single score "
        f"({best}): {means[best]:.3f}; {100 * statistics.mean(row['unknown'] for row in found):.1f} % called unknown",
        min(mixture) >= 0.93,
    )  # fmt: skip


def covered(splits: int, folder: str, threads: int) -> None:
    """Of each kind of sets: how often it holds the truth, how large it is, and the worst class, over `splits` halves.

    `exact` is without the rule that no set is empty, which is what the promise is about.
    """
    run = hubel.train("digits", epochs=2, out=folder, threads=threads, verbose=False)
    own = own_data(run.folder, load(run.folder))
    rows = np.concatenate([own.ids("val"), own.ids("test")])
    logits, _ = Look(load(run.folder), own.decoded, torch.device("cpu")).at(rows)
    labels, draw = own.scan.manifest.labels[rows], np.random.default_rng(0)
    found: dict[str, dict[str, list[float]]] = {kind: {"held": [], "exact": [], "size": []} for kind in KINDS}
    for _ in range(splits):
        order = draw.permutation(len(rows))
        fit, rest = order[: len(order) // 2], order[len(order) // 2 :]
        how = choose_calibrator(logits[fit], labels[fit]).calibrator
        sets = fit_sets(how(logits[fit]), labels[fit], coins(logits[fit]), ACCEPTED)
        shares, coin, truth = np.exp(log_softmax(how(logits[rest]))), coins(logits[rest]), labels[rest]
        for kind in KINDS:
            inside = sets.within(shares, kind, coin)
            right = inside[np.arange(len(rest)), truth]
            alone = sets.strictly(shares, kind, coin)[np.arange(len(rest)), truth]
            found[kind]["held"].append(float(right.mean()))
            found[kind]["exact"].append(float(alone.mean()))
            found[kind]["size"].append(float(inside.sum(axis=1).mean()))
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    for kind, numbers in found.items():
        means = {name: round(statistics.mean(values), 4) for name, values in numbers.items()}
        low, high = min(numbers["exact"]), max(numbers["exact"])
        print(json.dumps({"sets": kind, **means, "splits": splits, "accuracy": round(accuracy, 4)}), flush=True)
        claim(
            f"coverage of the 95 % sets, {kind}, digits after 2 epochs (accuracy {100 * accuracy:.1f} %)",
            "94.0–96.5 %",
            f"{100 * means['exact']:.2f} % (mean of {splits} splits, {100 * low:.1f}–{100 * high:.1f} %); with no set "
            f"empty {100 * means['held']:.2f} %, {means['size']:.2f} classes on average",
            0.94 <= means["exact"] <= 0.965,
        )


def cifar(folder: Path, count: int, tested: int) -> dict[str, Any]:
    """Settings of a training on some of CIFAR-10's JPEG files, which are unpacked into `folder`."""
    from distill import table

    with tarfile.open(DATA / "cifar10-jpeg.tar.gz") as packed:
        packed.extractall(folder, filter="data")
    pictures = next(path for path in (folder, *sorted(folder.iterdir())) if (path / "train").is_dir())
    file = table(pictures, folder, {"train": count, "test": tested})
    return {"data": file, "columns": {"file": "file", "label": "label", "split": "split"}, "images": str(pictures)}


def calibrated_on_cifar(options: argparse.Namespace, folder: Path) -> None:
    """The calibration error after so many minutes, a seed each."""
    said = cifar(folder, options.pictures, options.tested)
    rows = []
    for seed in range(options.seeds):
        run = hubel.train(
            **said, time=f"{options.minutes}m", seed=seed, out=str(folder / "runs"), threads=options.threads,
            verbose=False,
        )  # fmt: skip
        told, whole = run.summary["trust"], json.loads((run.folder / "evaluation.json").read_text())
        # Of all test samples: of the 2,000 that a summary measures, each of 15 bins is less surely known.
        rows.append(told["test"] | {"kind": told["calibration"], "ece_whole": whole["calibration"]["ece"]})
        line = {"data": "cifar10", "seed": seed, "accuracy": run.summary["test"]["accuracy"], **rows[-1]}
        print(json.dumps(line), flush=True)
    after = [100 * row["ece_whole"] for row in rows]
    text = (
        f"{statistics.mean(after):.2f} % ({min(after):.2f}–{max(after):.2f} %, {len(after)} seeds; "
        f"{100 * statistics.mean(row['ece_before'] for row in rows):.1f} % before)"
    )
    name = f"calibration error: CIFAR-10, {options.pictures:,} pictures, {options.minutes:g} minutes"
    claim(name, "≤ 2 %", text, statistics.mean(after) <= 2)


def paired(name: str, plain: list[float], other: list[float]) -> str:
    """A difference in points, its mean with the 95 % interval over the seeds."""
    apart = [100 * (b - a) for a, b in zip(plain, other, strict=True)]
    if len(apart) == 1:
        return f"{name} {apart[0]:+.1f} points (1 seed)"
    low, high = mean_interval(np.array(apart))
    return f"{name} {statistics.mean(apart):+.1f} points ({low:+.1f} to {high:+.1f}, {len(apart)} seeds)"


def raced(options: argparse.Namespace, folder: Path, what: dict[str, Any], shifts: int) -> list[list[dict[str, Any]]]:
    """Pairs of runs, plain and with `what`, of equal time or --epochs: what `hubel robust` measures of each.

    Clean accuracy is that of the whole test split, since a point is less than what --measured pictures can tell.
    """
    said = cifar(folder, options.pictures, options.tested)
    length: dict[str, Any] = {"epochs": options.epochs} if options.epochs else {"time": f"{options.minutes}m"}
    length |= {"augment": options.augment} if options.augment else {}
    pairs = []
    for seed in range(options.seeds):
        pair = []
        for more in ({}, what):
            run = hubel.train(
                **said, **length, seed=seed, out=str(folder / "runs"), threads=options.threads, verbose=False,
                **{"model": options.model, **more},
            )  # fmt: skip
            found = run.robust(limit=options.measured, shifts=shifts, corruptions=["none"] if shifts else [])
            line = {
                "seed": seed, "with": more, "clean": run.summary["test"]["accuracy"],
                "corrupted": None if shifts else statistics.mean(found.accuracy(name) for name in found.corruptions),
                "same": [list(curve.consistency) for curve in found.curves[:2]], "epochs": run.summary["epochs"],
            }  # fmt: skip
            print(json.dumps(line), flush=True)
            pair.append(line)
        pairs.append(pair)
    return pairs


def robust(options: argparse.Namespace, folder: Path) -> None:
    """`--robust` against plain training, equal time."""
    pairs = raced(options, folder, {"robust": True}, shifts=0)
    gain = paired("corrupted", *([pair[k]["corrupted"] for pair in pairs] for k in (0, 1)))
    cost = paired("clean", *([pair[k]["clean"] for pair in pairs] for k in (0, 1)))
    more, less = (
        statistics.mean(100 * (pair[1][key] - pair[0][key]) for pair in pairs) for key in ("corrupted", "clean")
    )
    claim(
        f"--robust on CIFAR-10, {options.pictures:,} pictures, {options.minutes:g} minutes each",
        "corrupted ≥ +8 points, clean ≥ −1", f"{gain}; {cost}", more >= 8 and less >= -1,
    )  # fmt: skip


def consistency(options: argparse.Namespace, folder: Path) -> None:
    """What `--jsd 12` adds to `--robust` on digits, on validation samples: a third of the epochs, and as many."""
    arms = {
        "plain": {"epochs": 24}, "robust": {"epochs": 24, "robust": True},
        "jsd, a third of the epochs": {"epochs": 8, "robust": True, "jsd": 12.0},
        "jsd": {"epochs": 24, "robust": True, "jsd": 12.0},
    }  # fmt: skip
    found: dict[str, list[dict[str, float]]] = {name: [] for name in arms}
    for seed in range(options.seeds):
        for name, settings in arms.items():
            began = time.process_time()
            run = hubel.train(
                "digits", seed=seed, val_fraction=0.2, out=str(folder), threads=options.threads, verbose=False,
                baseline=False, **settings,
            )  # fmt: skip
            seconds = time.process_time() - began
            said = run.robust(split="val", shifts=0, limit=300)
            corrupted = statistics.mean(said.accuracy(each) for each in said.corruptions)
            line = {"clean": said.clean.accuracy, "corrupted": corrupted, "processor_seconds": seconds}
            print(json.dumps({"arm": name, "seed": seed, **line}), flush=True)
            found[name].append(line)
    clean, corrupted = (
        {name: [line[key] for line in lines] for name, lines in found.items()} for key in ("clean", "corrupted")
    )
    for name in ("jsd, a third of the epochs", "jsd"):
        gain = paired("corrupted", corrupted["robust"], corrupted[name])
        cost = paired("clean", clean["robust"], clean[name])
        more = statistics.mean(corrupted[name]) - statistics.mean(corrupted["robust"])
        claim(f"--robust with {name}, against --robust, digits", "corrupted better", f"{gain}; {cost}", more > 0)


def blurpool(options: argparse.Namespace, folder: Path) -> None:
    """A net whose strides blur first against the same net, equal time or epochs: answers that stay under shifts."""
    pairs = raced(options, folder, {"model_options": {"blur": 4}}, shifts=4)
    same = [[statistics.mean(pair[k]["same"][0][1:]) for pair in pairs] for k in (0, 1)]
    clean = [[pair[k]["clean"] for pair in pairs] for k in (0, 1)]
    gain = statistics.mean(b - a for a, b in zip(*same, strict=True))
    claim(
        f"answers that stay under shifts of 1–4 pixels, blur-pool against max-pool ({options.model})", "more stay",
        f"{paired('same answer', *same)}; {paired('clean', *clean)}", gain > 0,
    )  # fmt: skip


def halvings(options: argparse.Namespace, folder: Path) -> None:
    """One net that halves by maxima, by strides, and by each with a blur: answers that stay, shifted by 0 to 8."""
    said = cifar(folder, options.pictures, options.tested)
    arms: dict[str, dict[str, Any]] = {
        "max": {}, "stride": {"halving": "stride"}, "max, blur": {"blur": 4},
        "stride, blur": {"halving": "stride", "blur": 4},
    }  # fmt: skip
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in arms}
    for seed in range(options.seeds):
        for name, how in arms.items():
            run = hubel.train(
                **said, epochs=options.epochs or 6, model=options.model, model_options=how, seed=seed, verbose=False,
                out=str(folder / "runs"), threads=options.threads,
                **({"augment": options.augment} if options.augment else {}),
            )  # fmt: skip
            curve = run.robust(limit=options.measured, shifts=8, corruptions=["none"]).curves[0]
            line = {"clean": run.summary["test"]["accuracy"], "same": list(curve.consistency)}
            print(json.dumps({"seed": seed, "halving": name, **line}), flush=True)
            found[name].append(line)
    for name in list(arms)[1:]:
        same = [[statistics.mean(line["same"][1:]) for line in found[arm]] for arm in ("max", name)]
        clean = [[line["clean"] for line in found[arm]] for arm in ("max", name)]
        claim(
            f"{options.model} halved by {name}, against by max: the same answer under shifts of 1–8 pixels",
            "fewer stay" if name == "stride" else "more stay",
            f"{paired('same answer', *same)}; {paired('clean', *clean)}",
            (statistics.mean(same[1]) > statistics.mean(same[0])) == (name != "stride"),
        )


def turned(options: argparse.Namespace, folder: Path) -> None:
    """Nets that saw upright digits only, asked about turned ones: plain, group-equivariant, harmonic."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ("quicknet", "p4_cnn", "harmonic_net")}
    for seed in range(options.seeds):
        for name, lines in found.items():
            run = hubel.train(
                "mnist", data_dir=str(DATA / "mnist"), limit=options.limit or 10_000, epochs=options.epochs or 4,
                model=name, augment=["none"], seed=seed, threads=options.threads, out=str(folder / "runs"),
                verbose=False, baseline=False,
            )  # fmt: skip
            measured = run.robust(limit=options.measured, shifts=1, corruptions=["none"])
            curve = next(each for each in measured.curves if each.name == "turned")
            lines.append(
                {"clean": run.summary["test"]["accuracy"], **dict(zip(curve.at, curve.consistency, strict=True))}
            )
            print(json.dumps({"seed": seed, "net": name, "right": list(curve.accuracy), **lines[-1]}), flush=True)
    for name in list(found)[1:]:
        same = [[line[30.0] for line in found[arm]] for arm in ("quicknet", name)]
        quarter = [[line[90.0] for line in found[arm]] for arm in ("quicknet", name)]
        claim(
            f"{name} against a plain net, upright digits learnt: answers that stay when pictures are turned",
            "more stay", f"{paired('by 30 degrees', *same)}; {paired('by 90 degrees', *quarter)}",
            statistics.mean(same[1]) > statistics.mean(same[0]),
        )  # fmt: skip


def cost(options: argparse.Namespace, folder: Path) -> None:
    """What calibration, scores and sets take at the end of a training, as a share of it."""
    taken: list[float] = []

    def timed(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **more: Any) -> Any:
            start = time.perf_counter()
            found = work(*given, **more)
            taken[-1] += time.perf_counter() - start
            return found

        return run

    trusting.learn_trust = timed(learn_trust)  # hubel.train looks them up there
    conclude.trust_facts = timed(trusting.trust_facts)
    for seed in range(options.seeds):
        taken.append(0.0)
        run = hubel.train(
            **cifar(folder, options.pictures, TESTED), time=f"{options.minutes}m", from_="none", seed=seed,
            out=str(folder / "runs"), threads=options.threads, verbose=False,
        )  # fmt: skip
        line = {"seed": seed, "seconds": taken[-1], "training": run.summary["seconds"], "epochs": run.summary["epochs"]}
        print(json.dumps(line), flush=True)
        taken[-1] /= run.summary["seconds"]
    shares = [100 * share for share in taken]
    claim(
        f"calibration, scores and sets at the end of {options.minutes:g} minutes, {options.pictures:,} of CIFAR-10",
        "≤ 3 % of its time",
        f"{statistics.mean(shares):.1f} % ({min(shares):.1f}–{max(shares):.1f}, {len(shares)} runs)",
        statistics.mean(shares) <= 3,
    )  # fmt: skip


def ood_peer(options: argparse.Namespace, folder: Path) -> None:
    """Net, pictures and features the same: AUROC of each score of pytorch-ood, and of the mixture."""
    peer = os.environ.get("HUBEL_PEER_OOD")
    if not peer:
        raise SystemExit("HUBEL_PEER_OOD names the Python of an environment with pytorch-ood")
    run = hubel.Run(options.run) if options.run else None
    if run is None and options.cifar:
        run = hubel.train(
            **cifar(folder, options.pictures, TESTED), time=f"{options.minutes}m", from_="none",
            out=str(folder / "runs"), threads=options.threads, verbose=False,
        )  # fmt: skip
        print(json.dumps({"accuracy": run.summary["test"]["accuracy"], "epochs": run.summary["epochs"]}), flush=True)
    if run is None:
        run = hubel.train(
            "mnist", data_dir=str(DATA / "mnist"), limit=options.limit or 20_000, epochs=options.epochs or 4,
            out=str(folder), threads=options.threads, verbose=False,
        )  # fmt: skip
    look, own, odd = seen_by(run)
    rows = own.ids("train")[:5_000]
    model = look.model
    head = model.get_submodule(str(model.head))
    bias = torch.zeros(len(head.weight)) if head.bias is None else head.bias
    arrays = {"weight": head.weight.detach().numpy(), "bias": bias.detach().numpy()}
    arrays["train labels"] = own.scan.manifest.labels[rows]
    said = {"train": look.at(rows), "own": look.at(own.ids("test")[:TESTED])}
    for name, (logits, features) in said.items():
        assert features is not None
        arrays |= {f"{name} logits": logits, f"{name} features": features}
    for kind, pictures in odd.items():
        logits, features = look.at_pictures(pictures)
        arrays |= {f"strange logits:{kind}": logits, f"strange features:{kind}": features}
    np.savez(folder / "said.npz", **arrays)
    script = Path(__file__).with_name("trust_peer.py")
    done = subprocess.run([peer, str(script), str(folder / "said.npz")], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    theirs = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(theirs), done.stderr, flush=True)
    ours = before_strangers(run)
    mixture = [row["mixture"] for row in ours.values()]
    means = {name: statistics.mean(row.values()) for name, row in theirs["auroc"].items()}
    best = max(means, key=lambda name: means[name])
    claim(
        "strange pictures told, mixture against every score of pytorch-ood, same net and pictures",
        "a higher mean than each",
        f"mean {statistics.mean(mixture):.4f}, worst {min(mixture):.4f}; best of {len(means)} ({best} of pytorch-ood "
        f"{theirs['pytorch-ood']}): mean {means[best]:.4f}, worst {min(theirs['auroc'][best].values()):.4f}",
        statistics.mean(mixture) > means[best],
    )


def claim(name: str, target: str, measured: str, met: bool) -> None:
    """One row of the results."""
    print(
        json.dumps(
            {"section": "Trust", "name": name, "target": target, "measured": measured, "met": met}, ensure_ascii=False
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "part",
        nargs="?",
        default="digits",
        choices=[
            "digits",
            "sets",
            "cifar",
            "robust",
            "jsd",
            "blurpool",
            "halvings",
            "turned",
            "ood-peer",
            "six",
            "labels",
            "cost",
        ],
    )
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--pictures", type=int, default=10_000, help="training pictures of CIFAR-10")
    parser.add_argument("--tested", type=int, default=10_000, help="test pictures of CIFAR-10")
    parser.add_argument("--measured", type=int, default=1_000, help="pictures that are corrupted or moved")
    parser.add_argument("--model", default="quicknet", help="of robust, blurpool and labels")
    parser.add_argument("--run", help="of ood-peer: a run that is trained already")
    parser.add_argument("--cifar", action="store_true", help="of ood-peer: a net for CIFAR-10, and strangers in colour")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--mnist", action="store_true")
    parser.add_argument("--limit", type=int, help="MNIST's training pictures")
    parser.add_argument("--epochs", type=int, help="on MNIST; of robust and blurpool in the place of --minutes")
    parser.add_argument("--augment", nargs="+", help="of robust and blurpool, in the place of the default's")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        parts = {
            "cifar": calibrated_on_cifar,
            "robust": robust,
            "jsd": consistency,
            "blurpool": blurpool,
            "halvings": halvings,
            "turned": turned,
            "ood-peer": ood_peer,
            "six": before_other_digits,
            "labels": before_no_digits,
            "cost": cost,
        }
        if options.part in parts:
            parts[options.part](options, Path(folder))
            return
        if options.part == "sets":
            covered(options.splits, folder, options.threads)
            return
        digits = calibrated(options.seeds, folder, options.threads)
        after = [100 * row["after"] for row in digits]
        before = [100 * row["before"] for row in digits]
        text = (
            f"{statistics.mean(after):.2f} % ({min(after):.2f}–{max(after):.2f} %, {len(after)} seeds); "
            f"{statistics.mean(before):.1f} % before the temperature"
        )
        claim("calibration error after the default training: digits", "≤ 2 %", text, statistics.mean(after) <= 2)
        if options.mnist:
            said = {"limit": options.limit, "epochs": options.epochs}
            run = hubel.train(
                "mnist", data_dir=str(DATA / "mnist"), out=folder, threads=options.threads, verbose=False,
                **{name: value for name, value in said.items() if value is not None},
            )  # fmt: skip
            told = run.summary["trust"]["test"]
            text = f"{100 * told['ece_after']:.2f} % (1 seed); {100 * told['ece_before']:.1f} % before the temperature"
            claim("the same, MNIST", "≤ 0.5 %", text, told["ece_after"] <= 0.005)
            found = before_strangers(run)
            mixture = [row["mixture"] for row in found.values()]
            singles = {
                name: statistics.mean(row[name] for row in found.values()) for name in next(iter(found.values()))
            }
            singles = {name: value for name, value in singles.items() if name not in ("mixture", "unknown")}
            best = max(singles, key=lambda name: singles[name])
            text = (
                f"mean {statistics.mean(mixture):.3f}, worst {min(mixture):.3f} of {len(mixture)} kinds; best single "
                f"score ({best}): mean {singles[best]:.3f}, worst {min(row[best] for row in found.values()):.3f}"
            )
            met = statistics.mean(mixture) >= 0.97 and min(mixture) >= 0.93
            claim("strange pictures told from MNIST's, AUROC of the mixture", "mean ≥ 0.97, worst ≥ 0.93", text, met)


if __name__ == "__main__":
    main()
