"""Data care against planted faults: flipped labels found, and changed copies of pictures.

    [HUBEL_PEER_CLEANLAB=…] python benchmarks/cleaning.py [--seeds 5] [--mnist 10000] [--cifar PICTURES.tar.gz] [--mend]

Flips: 5 % of the labels of digits (and of the first pictures of MNIST) at random, or to the next class; heads on the
pixels out of five folds, as `hubel clean DATA --folds 5`. Twins: of CIFAR-10's first pictures 300 are cropped to at
least 90 %, saved as JPEG 50, halved, made 20 % brighter or darker, mirrored; a pair of two originals counts against the
precision, also where the originals are twins themselves. Where HUBEL_PEER_CLEANLAB names an interpreter with cleanlab
(`benchmarks/peers.py cleanlab`), it ranks the same labels by the same probabilities, in its three ways.

--blur PLACE …: of 300 pictures of a folder, 5 % each are blurred by a Gaussian of 2, 3, 4 pixels and saved as JPEG 90,
as the others are; which of them `hubel clean` calls blurred, and which of the others.

--nets N: 5 % of the labels of N pictures of CIFAR-10 (and of digits, and of MNIST, with --mnist 1) flipped at random,
judged as `hubel clean RUN` does by the default net that learnt from them, or by --folds heads on what it sees in the
end, or as `hubel clean --eyes NET` does.

--cost RUN: seconds and memory of `hubel clean RUN`, stage by stage.

--mend: of 10 % of the labels flipped at random, what `hubel clean RUN --accept` wins back, or with --folds 5 what heads
on the pixels do. Three nets learn from the same pictures, with the wrong labels, with those mended, and with the right
ones; all are tested on the same other pictures, whose labels are right, and compared in pairs. digits, and with --cifar
10,000 pictures of it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from sklearn.metrics import roc_auc_score

import hubel
from hubel.care.folds import deal, predict_out_of_fold
from hubel.care.labels import judge_labels
from hubel.care.twins import find_pairs, grey32, grouped
from hubel.data.sources import open_source
from hubel.evaluation.comparison import Graded, compare
from hubel.features.space import nearest
from hubel.runtime import environment
from hubel.watching import Watcher

PEER = """
import sys, numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
given = np.load(sys.argv[1])
labels, chances = given["labels"], given["chances"]
ways = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
scores = {way: get_label_quality_scores(labels, chances, method=way) for way in ways}
issues = find_label_issues(labels, chances, return_indices_ranked_by="self_confidence")
np.savez(sys.argv[2], issues=issues, **scores)
"""
"""What cleanlab makes of the same labels and probabilities."""


def peer(labels: np.ndarray, chances: np.ndarray) -> dict[str, np.ndarray]:
    """cleanlab's scores by way, and the rows that it calls wrong; {} where it is not there."""
    python = os.environ.get("HUBEL_PEER_CLEANLAB")
    if not python:
        return {}
    with tempfile.TemporaryDirectory() as scratch:
        given, said = Path(scratch, "given.npz"), Path(scratch, "said.npz")
        np.savez(given, labels=labels, chances=chances)
        subprocess.run([python, "-c", PEER, str(given), str(said)], check=True)
        with np.load(said) as found:
            return {name: found[name] for name in found.files}


def flips(name: str, pixels: np.ndarray, right: np.ndarray, kind: str, seeds: range) -> dict[str, object]:
    """AUROC and precision at k, the number planted, and the expected number; a row a seed."""
    rows, beside = [], []
    started = time.perf_counter()
    for seed in seeds:
        rng = np.random.default_rng(seed)
        count, planted = len(right), round(0.05 * len(right))
        wrong = rng.permutation(count)[:planted]
        given = right.copy()
        given[wrong] = (given[wrong] + (rng.integers(1, 10, planted) if kind == "random" else 1)) % 10
        chances = predict_out_of_fold(pixels, given, deal(given, list(range(count)), 5, seed), seed=seed)
        flat = pixels.reshape(count, -1).astype(np.float32)
        near = nearest(flat, flat, k=6).indices[:, 1:]
        check = judge_labels(chances, given, near, tuple("0123456789"), folds=5, by="pixels")
        truth = np.zeros(count, bool)
        truth[wrong] = True
        low, high = check.interval
        theirs = peer(given, chances)
        if theirs:
            issues = theirs.pop("issues")
            beside.append(
                {way: (roc_auc_score(truth, -scores), truth[np.argsort(scores, kind="stable")[:planted]].mean())
                 for way, scores in theirs.items()}
                | {"issues": (truth[issues].mean() if len(issues) else float("nan"), truth[issues].sum() / planted)}
            )  # fmt: skip
        rows.append(
            (roc_auc_score(truth, -check.scores), truth[np.argsort(check.scores)[:planted]].mean(), check.expected,
             low <= planted <= high)
        )  # fmt: skip
    auroc, precision, expected, inside = (np.array(column, float) for column in zip(*rows, strict=True))
    return {
        "what": f"{name}, 5 % flipped ({kind})", "seeds": len(rows), "planted": planted,
        "auroc": [round(float(v), 5) for v in (auroc.mean(), auroc.std())],
        "precision_at_k": [round(float(v), 4) for v in (precision.mean(), precision.std())],
        "expected": [round(float(v), 1) for v in (expected.mean(), expected.std())], "inside": int(inside.sum()),
        "cleanlab (auroc, precision at k; issues: precision, recall)": {
            way: [round(float(np.mean([one[way][place] for one in beside])), 5) for place in (0, 1)]
            for way in (beside[0] if beside else ())
        },
        "seconds": round((time.perf_counter() - started) / len(rows), 1),
    }  # fmt: skip


def changed(image: Image.Image, how: str, rng: np.random.Generator) -> Image.Image:
    """A copy as somebody may have made it."""
    width, height = image.size
    if how == "crop":
        share = rng.uniform(0.9, 1.0)
        w, h = round(width * share), round(height * share)
        x, y = rng.integers(0, width - w + 1), rng.integers(0, height - h + 1)
        return image.crop((x, y, x + w, y + h))
    if how == "jpeg 50":
        file = io.BytesIO()
        image.save(file, "JPEG", quality=50)
        return Image.open(file)
    if how == "half":
        return image.resize((width // 2, height // 2), Image.Resampling.BILINEAR)
    if how == "brightness":
        factor = rng.choice([0.8, 1.2])
        return image.point(lambda level: min(255, int(level * factor)))
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def opened(place: Path, count: int) -> list[Image.Image]:
    """The first pictures of a tar archive or a folder."""
    if place.is_dir():
        paths = sorted(path for path in place.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        return [Image.open(path).convert("RGB") for path in paths[:count]]
    with tarfile.open(place) as tar:
        files = (member for member in tar if member.isfile() and member.name.endswith(".jpg"))
        return [Image.open(tar.extractfile(next(files))).convert("RGB") for _ in range(count)]  # type: ignore[arg-type]


def twins(place: Path, count: int, seed: int) -> dict[str, object]:
    """Recall by change (is a copy in the group of its original?) and precision of the pairs."""
    rng = np.random.default_rng(seed)
    images = opened(place, count)
    count = len(images)
    changes = ("crop", "jpeg 50", "half", "brightness", "mirror")
    owner, how = list(range(count)), ["" for _ in range(count)]
    for row in rng.permutation(count)[:300].tolist():
        for change in changes:
            images.append(changed(images[row], change, rng))
            owner.append(row)
            how.append(change)
    small = np.stack([np.asarray(i.convert("RGB").resize((32, 32), Image.Resampling.BOX)) for i in images])
    started = time.perf_counter()
    pairs = find_pairs(grey32(small.transpose(0, 3, 1, 2)))
    seconds = time.perf_counter() - started
    groups = grouped(pairs, lambda row: (0.0,), [""] * len(images), [""] * len(images))
    group_of = {row: number for number, group in enumerate(groups) for row in group.rows}
    found = {row for row in range(count, len(images)) if row in group_of and group_of[row] == group_of.get(owner[row])}
    recall = {c: np.mean([row in found for row in range(count, len(images)) if how[row] == c]) for c in changes}
    return {
        "what": f"twins among {len(images)} pictures of {place.name}", "seed": seed, "pairs": len(pairs),
        "recall": {change: round(float(value), 4) for change, value in recall.items()},
        "precision": round(sum(owner[p.first] == owner[p.second] for p in pairs) / max(1, len(pairs)), 4),
        "seconds": round(seconds, 1),
    }  # fmt: skip


def blurred(place: Path, count: int, seed: int) -> dict[str, object]:
    """Recall by the width of the blur, and how many of the pictures that nobody blurred are called so."""
    rng = np.random.default_rng(seed)
    paths = sorted(path for path in place.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    chosen = [paths[row] for row in rng.permutation(len(paths))[:count]]
    each = max(1, len(chosen) // 20)
    sigma = [[0, 2, 3, 4][min(3, row // each + 1) if row < 3 * each else 0] for row in range(len(chosen))]
    with tempfile.TemporaryDirectory() as folder:
        for row, path in enumerate(chosen):
            image = Image.open(path).convert("RGB")
            file = Path(folder, "ab"[row % 2], f"{row}.jpg")
            file.parent.mkdir(exist_ok=True)
            (image.filter(ImageFilter.GaussianBlur(sigma[row])) if sigma[row] else image).save(file, quality=90)
        started = time.perf_counter()
        found = hubel.clean(folder, verbose=False)
        seconds = time.perf_counter() - started
        said = {int(Path(found.name(one.row)).stem) for one in found.oddities if one.kind == "blurred"}
    return {
        "what": f"blur among {len(chosen)} pictures of {place.name}", "seed": seed,
        "recall": {s: round(sum(r in said for r in range(len(chosen)) if sigma[r] == s) / each, 3) for s in (2, 3, 4)},
        "others called blurred": [str(chosen[row].relative_to(place)) for row in sorted(said) if not sigma[row]],
        "seconds": round(seconds, 1),
    }  # fmt: skip


def written(folder: Path, pictures: np.ndarray, labels: np.ndarray) -> Path:
    """Pictures N H W (C) as a folder of class folders."""
    for row, (picture, label) in enumerate(zip(pictures, labels.tolist(), strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / str(label) / f"{row:05}.png")
    return folder


def mended(name: str, pictures: np.ndarray, right: np.ndarray, learnt: int, seed: int, accept: float,
           epochs: int, folds: int | None) -> dict[str, object]:  # fmt: skip
    """What accepting suggestions wins back of what 10 % wrong labels cost; tested on the pictures after `learnt`."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(right))
    pictures, right = pictures[order], right[order]
    wrong = rng.permutation(learnt)[: learnt // 10]
    given = right[:learnt].copy()
    given[wrong] = (given[wrong] + rng.integers(1, 10, len(wrong))) % 10
    tested: dict[str, Graded] = {}
    with tempfile.TemporaryDirectory() as scratch:
        test = written(Path(scratch, "test"), pictures[learnt:], right[learnt:])
        noisy = written(Path(scratch, "noisy"), pictures[:learnt], given)
        clean = written(Path(scratch, "clean"), pictures[:learnt], right[:learnt])
        learnt_from = noisy
        for what, folder in (("wrong", noisy), ("mended", noisy), ("right", clean)):
            if what == "mended":  # by the net that learnt from the wrong labels, or by heads on the pixels
                hubel.clean(noisy if folds else learnt_from, folds=folds, accept=accept, verbose=False)
                new = {edit.file: edit.new for edit in hubel.edit(noisy).log}
            run = hubel.train(
                str(folder), from_="none", epochs=epochs, seed=seed, test_fraction=0, out=str(Path(scratch, "runs")),
                verbose=False,
            )  # fmt: skip
            learnt_from = run.folder
            tested[what] = Graded.of(run.evaluate(test, verbose=False))
    truth = {f"{given[row]}/{row:05}.png": str(right[row]) for row in range(learnt)}
    accuracy = {what: float(one.goodness.mean()) for what, one in tested.items()}
    lost = accuracy["right"] - accuracy["wrong"]
    (pair,) = compare({what: tested[what] for what in ("wrong", "mended")}).tests
    return {
        "what": f"{name}, 10 % flipped, suggestions from {accept:g} on accepted", "seed": seed, "pictures": learnt,
        "edits": len(new), "right ones": sum(truth[file] == label for file, label in new.items()),
        "planted": len(wrong), "accuracy": {what: round(value, 4) for what, value in accuracy.items()},
        "won back": round((accuracy["mended"] - accuracy["wrong"]) / lost, 3) if lost > 0 else None,
        "paired": pair.sentence,
    }  # fmt: skip


def by_a_net(
    name: str, pictures: np.ndarray, right: np.ndarray, seed: int, *, epochs: int | None, eyes: str, folds: int | None
) -> dict[str, object]:
    """5 % flipped at random, judged by the default net that learnt from them, on what it sees by so many heads
    (`folds`), or on what `eyes` see."""
    rng = np.random.default_rng(seed)
    planted = round(0.05 * len(right))
    wrong = rng.permutation(len(right))[:planted]
    given = right.copy()
    given[wrong] = (given[wrong] + rng.integers(1, 10, planted)) % 10
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = written(Path(scratch, "noisy"), pictures, given)
        if eyes:
            found = hubel.clean(folder, eyes=eyes, folds=folds, seed=seed, verbose=False)
            judge = eyes
        else:
            run = hubel.train(
                str(folder), from_="none", epochs=epochs, seed=seed, test_fraction=0, out=str(Path(scratch, "runs")),
                verbose=False,
            )  # fmt: skip
            found = hubel.clean(run.folder, folds=folds, seed=seed, verbose=False)
            judge = f"the default net, {run.summary['epochs']} epochs" + (f", by {folds} heads" if folds else "")
        assert found.labels is not None
        truth = np.array([int(found.name(row).split("/")[-1].split(".")[0]) in set(wrong.tolist())
                          for row in range(len(found.manifest))])  # fmt: skip
    scores = found.labels.scores
    return {
        "what": f"{name}, 5 % flipped (random), judged by {judge}",
        "seed": seed, "pictures": len(right), "planted": planted, "auroc": round(roc_auc_score(truth, -scores), 5),
        "precision_at_k": round(float(truth[np.argsort(scores, kind="stable")[:planted]].mean()), 4),
        "expected": round(found.labels.expected, 1), "interval": [round(end, 1) for end in found.labels.interval],
        "countable": found.labels.countable, "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip


class Stages(Watcher):
    """How long each stage of a verb takes, in seconds."""

    def __init__(self) -> None:
        self.taken: dict[str, float] = {}
        self.now, self.since = "opening", time.perf_counter()

    def stage(self, text: str) -> None:
        now = time.perf_counter()
        self.taken[self.now] = round(self.taken.get(self.now, 0.0) + now - self.since, 1)
        self.now, self.since = text, now


def cost(run: Path) -> dict[str, object]:
    """Seconds of each stage of `hubel clean RUN`, those after the features together, and the most memory in GB."""
    stages = Stages()
    found = hubel.clean(run, watch=stages)
    stages.stage("end")
    features = sum(taken for name, taken in stages.taken.items() if name == "reading features")
    return {
        "what": f"hubel clean {run.name}", "pictures": len(found.manifest), "stages": stages.taken,
        "seconds": round(sum(stages.taken.values()), 1),
        "without features": round(sum(stages.taken.values()) - features, 1),
        "memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }  # fmt: skip


def cifar_pictures(archive: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` pictures of the training part, evenly from all classes, and their labels."""
    names: dict[str, int] = {}
    taken: dict[str, int] = {}
    images, labels = [], []
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = member.name.split("/")
            if not member.isfile() or "train" not in parts or taken.get(parts[-2], 0) >= count // 10:
                continue
            taken[parts[-2]] = taken.get(parts[-2], 0) + 1
            images.append(np.asarray(Image.open(tar.extractfile(member)).convert("RGB")))  # type: ignore[arg-type]
            labels.append(names.setdefault(parts[-2], len(names)))
    return np.stack(images), np.array(labels)


def main() -> None:
    """Measure and print, a line each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=10, help="the first seed; 0 and 1 were looked at while building")
    parser.add_argument("--mnist", type=int, default=0, metavar="N", help="also so many pictures of MNIST")
    parser.add_argument("--cifar", type=Path, help="CIFAR-10 as JPEG files in a tar archive")
    parser.add_argument("--mend", action="store_true", help="only what accepted suggestions win back")
    parser.add_argument("--accept", type=float, default=0.8, help="the least probability of a suggestion")
    parser.add_argument("--nets", type=int, default=0, metavar="N", help="only flips, judged by nets, of N pictures")
    parser.add_argument("--epochs", type=int, help="that such a net learns, where not as many as by default")
    parser.add_argument("--folds", type=int, help="heads by which is judged, instead of what a net said")
    parser.add_argument("--eyes", default="", metavar="NET", help="judged by what this net sees instead")
    parser.add_argument("--twins", nargs="+", type=Path, metavar="PLACE", help="only twins, in folders or tar archives")
    parser.add_argument(
        "--cost", type=Path, metavar="RUN", help="only how long `hubel clean RUN` takes, and its memory"
    )
    parser.add_argument("--blur", nargs="+", type=Path, metavar="PLACE", help="only blur, in folders of photographs")
    asked = parser.parse_args()
    print(json.dumps({"machine": environment()["device_name"]}))
    seeds = range(asked.first, asked.first + asked.seeds)
    digits = open_source("digits")
    assert digits.arrays is not None
    for place in asked.twins or ():
        for seed in seeds:
            print(json.dumps(twins(place, 2000, seed)), flush=True)
    for place in asked.blur or ():
        for seed in seeds:
            print(json.dumps(blurred(place, 300, seed)), flush=True)
    if asked.cost:
        print(json.dumps(cost(asked.cost)), flush=True)
    if asked.twins or asked.blur or asked.cost:
        return
    if asked.mend:
        plain = digits.arrays.reshape(-1, 8, 8)
        for seed in seeds:
            print(
                json.dumps(mended("digits", plain, digits.labels, 1300, seed, asked.accept, 20, asked.folds)),
                flush=True,
            )
        if asked.cifar:
            images, labels = cifar_pictures(asked.cifar, 12_000)
            for seed in seeds:
                print(
                    json.dumps(mended("CIFAR-10", images, labels, 10_000, seed, asked.accept, 10, asked.folds)),
                    flush=True,
                )
        return
    if asked.nets:
        sets = {"digits": (digits.arrays.reshape(-1, 8, 8), digits.labels)}
        if asked.mnist:
            whole = open_source("mnist")
            assert whole.arrays is not None
            rows = np.random.default_rng(0).permutation(len(whole))[: asked.nets]
            sets["mnist"] = whole.arrays[rows].reshape(-1, 28, 28), whole.labels[rows]
        if asked.cifar:
            sets["CIFAR-10"] = cifar_pictures(asked.cifar, asked.nets)
        for name, (images, labels) in sets.items():
            for seed in seeds:
                said = by_a_net(name, images, labels, seed, epochs=asked.epochs, eyes=asked.eyes, folds=asked.folds)
                print(json.dumps(said), flush=True)
        return
    for kind in ("random", "next"):
        print(json.dumps(flips("digits", digits.arrays, digits.labels, kind, seeds)), flush=True)
    if asked.mnist:
        mnist = open_source("mnist")
        assert mnist.arrays is not None
        rows = np.random.default_rng(0).permutation(len(mnist))[: asked.mnist]
        print(json.dumps(flips("mnist", mnist.arrays[rows], mnist.labels[rows], "random", seeds[:1])), flush=True)
    if asked.cifar:
        print(json.dumps(twins(asked.cifar, 2000, asked.first)), flush=True)


if __name__ == "__main__":
    main()
