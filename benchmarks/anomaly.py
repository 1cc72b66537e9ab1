"""Strange pictures: MNIST with one digit normal, and defects planted in digits and photographs; a peer beside.

    python benchmarks/anomaly.py mnist [--digits 8,2] [--methods pca,knn,autoencoder] [--seconds 30] [--seeds 0]
    python benchmarks/anomaly.py planted --photos FOLDER [--methods pca,patchcore,fpi] [--seconds 60]
    python benchmarks/anomaly.py patchcore --photos FOLDER [--peer PYTHON]

`mnist`: one digit of the training part is normal, all ten of the test part are judged; mean and worst AUROC over the
digits, as in Deep SVDD's protocol; the processor's seconds stand beside those of the clock, which on a machine that
others use as well are more. `planted`: digits, crops of photographs of anything (most pictures of FOLDER to learn
from, the others to judge by), and views of one part, as a camera over a belt has them (of --parts photographs, one
after the other), with a scratch, a blob, a swapped patch or a blurred patch in half of the judged ones; AUROC of
pictures and of pixels by kind of defect. `patchcore`: ours and anomalib's (`--peer`: a Python that has anomalib) on the
same features of a net with published weights, parts seen again and again with a faint blob in half of them: AUROC, and
the processor's milliseconds from the maps of a picture to its score; without a peer ours alone. A line of JSON for
every result; --threads N (1) for computing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from hubel import runtime
from hubel.anomalies.detecting import Parts, divide, judge, learn
from hubel.anomalies.eyes import Eyes
from hubel.anomalies.methods import METHODS
from hubel.anomalies.patchwise import Bank
from hubel.anomalies.seeing import open_eyes
from hubel.anomalies.settings import Settings
from hubel.data.manifest import Manifest
from hubel.data.preprocessing import Preprocessing
from hubel.data.sources import open_source
from hubel.metrics.roc import auroc
from hubel.watching import SILENT

KINDS = ("scratch", "blob", "swapped patch", "blur")


def tell(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def mnist(given: argparse.Namespace) -> None:
    """One digit normal, nine not."""
    manifest = open_source("mnist")
    assert manifest.arrays is not None
    images, test = manifest.arrays.transpose(0, 3, 1, 2), np.asarray(manifest.given_split) == "test"
    eyes = Eyes(preprocessing=Preprocessing(height=28, width=28, channels=1))
    for name in given.methods:
        for seed in given.seeds:
            found, seconds, processor = {}, [], []
            for digit in given.digits:
                normal = np.flatnonzero(~test & (manifest.labels == digit))
                began, used = time.perf_counter(), time.process_time()
                state = METHODS.get(name).fit(eyes, images[normal], Settings(seconds=given.seconds, seed=seed), SILENT)
                seconds.append(time.perf_counter() - began)
                processor.append(time.process_time() - used)
                scores, _ = METHODS.get(name).look(eyes, state, images[test])
                found[digit] = auroc(scores, (manifest.labels[test] != digit).astype(int))[0]
                tell(benchmark="mnist", method=name, seed=seed, digit=digit, auroc=round(found[digit], 4),
                     seconds=round(seconds[-1], 2), processor_seconds=round(processor[-1], 2))  # fmt: skip
            worst = min(found, key=found.__getitem__)
            tell(benchmark="mnist", method=name, seed=seed, mean=round(statistics.mean(found.values()), 4),
                 worst=round(found[worst], 4), worst_digit=worst, digits=len(found),
                 seconds_a_digit=round(statistics.mean(seconds), 1),
                 most_processor_seconds=round(max(processor), 1), threads=torch.get_num_threads(),
                 environment=runtime.environment(torch.device("cpu")))  # fmt: skip


def plant(images: np.ndarray, kind: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """N C H W with one defect each, and N H W where it is."""
    rng = np.random.default_rng(seed)
    found, masks = images.copy(), np.zeros((len(images), *images.shape[2:]), np.int8)
    side = images.shape[2]
    y, x = np.mgrid[:side, : images.shape[3]]
    for row in range(len(images)):
        size = rng.integers(side // 8, side // 4)
        top, left = rng.integers(2, side - size - 2, 2)
        box = (y >= top) & (y < top + size) & (x >= left) & (x < left + size)
        if kind == "scratch":
            angle = rng.uniform(0, np.pi)
            along = (y - top - size / 2) * np.sin(angle) + (x - left - size / 2) * np.cos(angle)
            off = (y - top - size / 2) * np.cos(angle) - (x - left - size / 2) * np.sin(angle)
            mask = (np.abs(off) < max(0.7, side / 60)) & (np.abs(along) < size)
            level = 255 if images[row][:, mask].mean() < 128 else 0
            found[row][:, mask] = level
        elif kind == "blob":
            mask = np.hypot(y - top - size / 2, x - left - size / 2) < size / 2
            shift = 90 if images[row][:, mask].mean() < 128 else -90
            found[row][:, mask] = np.clip(images[row][:, mask].astype(int) + shift, 0, 255)
        elif kind == "swapped patch":
            mask, other = box, images[(row + 1 + rng.integers(len(images) - 1)) % len(images)]
            found[row][:, mask] = other[:, mask]
        else:
            mask = box
            soft = np.stack([gaussian_filter(plane.astype(float), side / 24) for plane in images[row]])
            found[row][:, mask] = soft[:, mask].astype(np.uint8)
        masks[row] = mask & (found[row] != images[row]).any(axis=0)
    return found, masks


def crops(folder: Path, side: int, each: int, seed: int, part: slice) -> np.ndarray:
    """N 3 side side: crops of photographs, whose shorter side was brought to twice that."""
    rng, found = np.random.default_rng(seed), []
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    for path in np.array(files, dtype=object)[np.random.default_rng(0).permutation(len(files))][part]:
        picture = Image.open(path).convert("RGB")
        scale = 2 * side / min(picture.size)
        small = picture.resize((max(side, round(picture.width * scale)), max(side, round(picture.height * scale))))
        pixels = np.asarray(small)
        for _ in range(each):
            top, left = (rng.integers(0, length - side + 1) for length in pixels.shape[:2])
            found.append(pixels[top : top + side, left : left + side].transpose(2, 0, 1))
    return np.stack(found)


def planted(given: argparse.Namespace) -> None:
    """Defects of four kinds: in digits, in photographs of anything, in views of one part."""
    manifest = open_source("mnist")
    assert manifest.arrays is not None
    digits, test = manifest.arrays.transpose(0, 3, 1, 2), np.asarray(manifest.given_split) == "test"
    sets = {
        "digits": (digits[~test][: given.pictures], digits[test][:400]),
        "photographs": (
            crops(given.photos, given.side, -(-given.pictures // 80), 0, slice(0, -20)),
            crops(given.photos, given.side, 20, 1, slice(-20, None)),
        ),
        **{
            f"views of {photo.stem}": (
                parts_of(photo, given.side, given.pictures, 0), parts_of(photo, given.side, 400, 1)
            )
            for photo in sorted(given.photos.glob("*.JPEG"))[: given.parts]
        },
    }  # fmt: skip
    for where, (normal, judged) in sets.items():
        if not where.startswith(given.only):
            continue
        eyes = Eyes(
            preprocessing=Preprocessing(height=normal.shape[2], width=normal.shape[3], channels=normal.shape[1])
        )
        rows = np.random.default_rng(0).permutation(len(normal))
        parts = Parts(
            fit=np.sort(rows[len(rows) // 5 :]), held=np.sort(rows[: len(rows) // 5]), suspicious=rows[:0], far=rows[:0]
        )
        half = len(judged) // 2
        for name in given.methods:
            learnt = learn(name, eyes, normal, parts, 0.05, Settings(seconds=given.seconds))
            for kind in KINDS:
                bad, masks = plant(judged[half:], kind, 1)
                every = np.concatenate([np.zeros_like(masks), masks])
                truth = np.repeat([0, 1], [half, len(bad)])
                found = judge(learnt, np.concatenate([judged[:half], bad]), truth, every)
                tell(benchmark="planted", data=where, method=name, kind=kind, auroc=round(found.auroc, 4),
                     pixel_auroc=None if found.pixel_auroc != found.pixel_auroc else round(found.pixel_auroc, 4),
                     learnt_seconds=round(learnt.seconds, 1), ms_a_picture=round(1000 * found.each, 2))  # fmt: skip


PEER = """
import json, sys, time, numpy as np, torch
from anomalib.models.image.patchcore.torch_model import PatchcoreModel
about = np.load(sys.argv[1])
torch.set_num_threads(int(sys.argv[2])); torch.manual_seed(0)
model = PatchcoreModel(layers=["layer2", "layer3"], backbone="resnet18", pre_trained=False, num_neighbors=9)
# The same features as ours: what anomalib does after them is what is compared.
bank = torch.from_numpy(about["normal"])
model.embedding_store.append(bank) if hasattr(model, "embedding_store") else None
try:
    model.subsample_embedding(float(about["share"]))
except TypeError:
    model.subsample_embedding(bank, float(about["share"]))
maps = torch.from_numpy(about["test"]); N, F, h, w = maps.shape
began = time.process_time(); scores = []
with torch.inference_mode():
    for one in maps:
        rows = one.reshape(F, -1).T.contiguous()
        near, where = model.nearest_neighbors(embedding=rows, n_neighbors=1)
        scores.append(float(model.compute_anomaly_score(near.reshape(1, -1), where.reshape(1, -1), rows)))
print(json.dumps({"seconds": time.process_time() - began, "scores": scores}))
"""


def parts_of(photo: Path, side: int, count: int, seed: int) -> np.ndarray:
    """N 3 side side: the middle of a photograph as a camera over a belt sees one part again and again, a little moved,
    lit otherwise, with noise."""
    rng = np.random.default_rng(seed)
    picture = Image.open(photo).convert("RGB")
    scale = 1.6 * side / min(picture.size)
    pixels = np.asarray(picture.resize((round(picture.width * scale), round(picture.height * scale)))).astype(float)
    middle = [(length - side) // 2 for length in pixels.shape[:2]]
    found = np.empty((count, 3, side, side), np.uint8)
    for row in range(count):
        top, left = (start + int(rng.integers(-side // 24, side // 24 + 1)) for start in middle)
        seen = pixels[top : top + side, left : left + side] * rng.uniform(0.92, 1.08) + rng.normal(
            0, 4, (side, side, 3)
        )
        found[row] = seen.clip(0, 255).astype(np.uint8).transpose(2, 0, 1)
    return found


def patchcore(given: argparse.Namespace) -> None:
    """Ours and anomalib's on the same features: of six photographs 80 normal views, 100 others, and 100 with a blob
    that is hardly seen. Both score the maps of one picture after the other.
    """
    photos = sorted(given.photos.glob("*.JPEG"))[:6]
    apart, sooner = [], []
    for photo in photos:
        normal, fine = parts_of(photo, 96, 80, 0), parts_of(photo, 96, 200, 1)
        bad = faint(fine[100:], plant(fine[100:], "blob", 1)[0])
        every, truth = np.concatenate([fine[:100], bad]), np.repeat([0, 1], 100)
        listed = Manifest(
            source="views", kind="arrays", arrays=normal.transpose(0, 2, 3, 1), labels=np.zeros(len(normal), np.int64),
            class_names=("views",), given_split=np.full(len(normal), "", "<U5"),
        )  # fmt: skip
        eyes = open_eyes("efficientnet_lite0", listed, img_size=96).eyes
        parts = divide(eyes, normal, 0.05, keep_suspicious=True)
        learnt = learn("patchcore", eyes, normal, parts, 0.05, Settings())
        seen = eyes.maps(every)
        began = time.process_time()
        bank = Bank(learnt.state["bank"])
        scores = np.concatenate([bank.judge(seen[row : row + 1])[0] for row in range(len(every))])
        ours = time.process_time() - began
        found = auroc(scores, truth)[0]
        tell(benchmark="patchcore", photo=photo.stem, side="ours", auroc=round(found, 4),
             ms_a_picture=round(1000 * ours / len(every), 2), coreset=len(learnt.state["bank"]))  # fmt: skip
        if given.peer is None:
            tell(benchmark="patchcore", side="peer", missing="--peer PYTHON: one that has anomalib")
            continue
        maps = eyes.maps(normal[parts.fit])
        rows = maps.transpose(0, 2, 3, 1).reshape(-1, maps.shape[1])
        place = Path("patchcore-peer.npz")
        np.savez(place, normal=rows, test=seen, share=np.array(min(1.0, len(learnt.state["bank"]) / len(rows))))
        done = subprocess.run(
            [given.peer, "-c", PEER, str(place), str(given.threads)], capture_output=True, text=True, check=True
        )
        place.unlink()
        said = json.loads(done.stdout.splitlines()[-1])
        value = auroc(np.array(said["scores"]), truth)[0]
        tell(benchmark="patchcore", photo=photo.stem, side="peer", auroc=round(value, 4),
             ms_a_picture=round(1000 * said["seconds"] / len(every), 2))  # fmt: skip
        apart.append(found - value)
        sooner.append(said["seconds"] / ours)
    if apart:
        tell(benchmark="patchcore", auroc_apart=[round(float(x), 4) for x in (np.mean(apart), min(apart), max(apart))],
             times_sooner=[round(float(x), 2) for x in (np.median(sooner), min(sooner), max(sooner))])  # fmt: skip


def faint(plain: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """Defects of which a third is left: hard enough that not every one is found."""
    return (plain * (2 / 3) + marked / 3).round().astype(np.uint8)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", choices=["mnist", "planted", "patchcore"], nargs="?", default="mnist")
    arguments.add_argument("--methods", default="pca,knn,mahalanobis,ocsvm,forest,autoencoder,vae")
    arguments.add_argument("--digits", default="0,1,2,3,4,5,6,7,8,9")
    arguments.add_argument("--seeds", default="0")
    arguments.add_argument("--seconds", type=float, default=30.0)
    arguments.add_argument("--pictures", type=int, default=800)
    arguments.add_argument("--side", type=int, default=64)
    arguments.add_argument(
        "--only", default="", choices=["digits", "photographs", "views"], help="of planted: some of it"
    )
    arguments.add_argument("--parts", type=int, default=3, help="of planted: so many photographs for a part each")
    arguments.add_argument("--photos", type=Path)
    arguments.add_argument("--peer")
    arguments.add_argument("--threads", type=int, default=1)
    given = arguments.parse_args()
    given.methods = given.methods.split(",")
    given.digits = [int(word) for word in given.digits.split(",")]
    given.seeds = [int(word) for word in given.seeds.split(",")]
    torch.set_num_threads(given.threads)
    if given.what != "mnist" and given.photos is None:
        sys.exit("--photos FOLDER: photographs to cut crops from")
    {"mnist": mnist, "planted": planted, "patchcore": patchcore}[given.what](given)


if __name__ == "__main__":
    main()
