"""How honest probabilities are after a default training, and how well strange pictures are told, by what a run learnt.

    python benchmarks/trust.py [--seeds 5]                     digits, trained with nothing said
    python benchmarks/trust.py --mnist --limit 20000 --epochs 4      also MNIST, before five kinds of strange pictures

Calibration: `hubel train` with nothing said, the error of 15 bins on the test split, before the temperature and after,
as the run's summary has it. Strange pictures before a net that knows MNIST (2,000 test samples): CIFAR-10 in grey at
28 x 28, MNIST turned by 90 degrees, inverted, uniform noise, pixels shuffled; AUROC of each single score and of the
mixture that the training has chosen without having seen any of these. One JSON line a run, then the claims.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import hubel
from hubel.assembly.trusting import Look
from hubel.checkpoint import load
from hubel.metrics.strangeness import separation, strangeness
from hubel.records.own_data import own_data

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


def before_strangers(run: hubel.Run) -> dict[str, dict[str, float]]:
    """AUROC of every score and of the mixture, for each kind of strange pictures."""
    classifier = load(run.folder)
    assert classifier.trust is not None
    own = own_data(run.folder, classifier)
    look = Look(classifier, own.decoded, torch.device("cpu"))
    rows = own.ids("test")[:TESTED]
    pictures = own.decoded.images[rows]
    draw = np.random.default_rng(1)
    flat = pictures.reshape(len(pictures), -1)
    mixed = np.take_along_axis(flat, np.argsort(draw.random(flat.shape), axis=1), axis=1).reshape(pictures.shape)
    odd = {
        "cifar-10 in grey": grey_things(TESTED),
        "turned by 90 degrees": np.rot90(pictures, axes=(2, 3)).copy(),
        "inverted": 255 - pictures,
        "uniform noise": draw.integers(0, 256, pictures.shape, dtype=np.uint8),
        "pixels shuffled": mixed,
    }
    home = look.at(rows)
    usual, trust = strangeness(*home, classifier.trust.familiar), classifier.trust
    found = {}
    for kind, given in odd.items():
        away = look.at_pictures(given)
        single = strangeness(*away, trust.familiar)
        found[kind] = {name: separation(usual[name], values) for name, values in single.items()}
        found[kind]["mixture"] = separation(trust.strange(*home), trust.strange(*away))
        found[kind]["unknown"] = float((trust.familiarity(*away) < 0.05).mean())
        print(
            json.dumps({"strange": kind, **{name: round(value, 4) for name, value in found[kind].items()}}), flush=True
        )
    return found


def claim(name: str, target: str, measured: str, met: bool) -> None:
    """One row of the results."""
    print(
        json.dumps(
            {"section": "Trust", "name": name, "target": target, "measured": measured, "met": met}, ensure_ascii=False
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--mnist", action="store_true")
    parser.add_argument("--limit", type=int, help="MNIST's training pictures")
    parser.add_argument("--epochs", type=int, help="on MNIST")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
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
