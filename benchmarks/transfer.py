"""A new head on a frozen ResNet-18: `hubel train --from` beside fastai's `fit` with a frozen body.

    HUBEL_PEER_FASTAI=… python benchmarks/transfer.py                   # time: 10,000 pictures of 160 x 160, 20 epochs
    HUBEL_PEER_FASTAI=… python benchmarks/transfer.py --accuracy        # accuracy: all epochs of both, smaller

Both sides start from the same weights, see the same pictures (CIFAR-10's JPEG files, enlarged to 160 x 160), learn a
head for five of its classes, and are measured on the same test pictures. The weights come from training ResNet-18 for a
moment on the five other classes, since no network is used here; --weights takes others (a run of hubel's).

hubel: the kind of head is chosen by a look at the stages (--head takes it instead), then every picture passes once
through the net as it is, and mirrored too with --views 2; the head is fitted at up to eleven penalties, of which the
validation pictures choose one. The whole command is timed: reading, decoding, the frozen
passes, the fits; the features are not on the disk beforehand. What follows, the measurement of the test pictures and
the report, is not part of it, on neither side.

fastai (HUBEL_PEER_FASTAI, made by benchmarks/peers.py): ImageDataLoaders from the same files at the same size, enlarged
once beforehand so that its workers decode small files, batch 64, `vision_learner`'s own head for ResNet-18, the body
frozen as in the first phase of `fine_tune`, one-cycle at twice its default rate. An epoch is a training pass and a
validation pass, as it is by default. Of one epoch --peer-steps batches of each pass are timed, the first few left out,
and the time of --epochs epochs is extrapolated from their mean: what starts and ends an epoch is not counted, in its
favour.

With --accuracy both sides run to their ends on 2,000 pictures of 64 x 64, fastai through all its epochs, and are
compared on 5,000 test pictures. Its head is larger than ours: maximum and mean of the maps, a hidden layer of 512.

One JSON line a side, then the ratio of the times or the difference of the accuracies in points.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import hubel
from hubel import runtime
from hubel.events import Finished
from hubel.verbs.train import train
from hubel.watching import Watcher

OLD = ("automobile", "bird", "deer", "frog", "truck")
NEW = ("airplane", "cat", "dog", "horse", "ship")

FASTAI = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import torch
folder, weights, epochs, size, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
torch.set_num_threads(threads)
import fastai
from fastai.vision.all import *
import numpy as np
from torchvision.models import resnet18
set_seed(0)
loaders = ImageDataLoaders.from_folder(folder, train="train", valid="val", bs=64, num_workers=threads,
                                       batch_tfms=[Flip(), Normalize.from_stats(*json.loads(sys.argv[6]))])
def arch(weights=None, **unused):
    net = resnet18(num_classes=1000)
    state = {k: torch.from_numpy(v) for k, v in np.load(sys.argv[2]).items() if not k.startswith("fc.")}
    assert not [k for k in net.load_state_dict(state, strict=False).missing_keys if not k.startswith("fc.")]
    return net
from fastai.vision.learner import model_meta
model_meta[arch] = model_meta[resnet18]
learn = vision_learner(loaders, arch, metrics=accuracy, normalize=False, pretrained=True)
learn.freeze()
steps = int(sys.argv[7])
class Clock(Callback):
    def before_fit(self): self.epochs, self.marks = [time.perf_counter()], {True: [], False: []}
    def after_epoch(self): self.epochs.append(time.perf_counter())
    def after_batch(self):
        self.marks[self.training].append(time.perf_counter())
        if steps and self.iter + 1 >= steps:
            raise CancelTrainException() if self.training else CancelValidException()
clock = Clock()
with learn.no_bar(), learn.no_logging():
    learn.fit_one_cycle(epochs, 2e-3, cbs=clock)
    found = {"fastai": fastai.__version__, "torch": torch.__version__}
    if steps:
        batches = {True: len(loaders.train), False: len(loaders.valid)}
        # The first batches are left out: workers start, memory is asked for. Each pass needs four batches at least.
        skip = min(3, *(len(marks) - 2 for marks in clock.marks.values()))
        mean = {part: (marks[-1] - marks[skip]) / (len(marks) - 1 - skip) for part, marks in clock.marks.items()}
        found["epoch"] = sum(mean[part] * batches[part] for part in mean)
        names = {True: "training", False: "validation"}
        found["batches"] = {names[part]: len(marks) - 1 - skip for part, marks in clock.marks.items()}
    else:
        test = loaders.test_dl(get_image_files(Path(folder) / "test"), with_labels=True)
        predicted, targets = learn.get_preds(dl=test)
        found["epochs"] = [b - a for a, b in zip(clock.epochs, clock.epochs[1:])]
        found["accuracy"] = float((predicted.argmax(1) == targets).float().mean())
print(json.dumps(found))
"""


class Clock(Watcher):
    """When the head was ready: before the test pictures are measured and the report is written."""

    ready = 0.0

    def event(self, event: object) -> None:
        if isinstance(event, Finished):
            self.ready = time.perf_counter()


def pictures(archive: Path, folder: Path, classes: tuple[str, ...], size: int, counts: dict[str, int]) -> Path:
    """FOLDER/train, /val and /test with so many pictures in all of the named classes, enlarged to `size` pixels."""
    each = {split: -(-count // len(classes)) for split, count in counts.items()}
    from_train = dict.fromkeys(classes, 0)
    from_test = dict.fromkeys(classes, 0)
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = member.name.split("/")
            if not member.isfile() or parts[-2] not in classes:
                continue
            name, taken = parts[-2], from_train if parts[-3] == "train" else from_test
            number = taken[name]
            taken[name] += 1
            if taken is from_test:
                split = "test" if number < each["test"] else ""
            else:
                split = "train" if number < each["train"] else "val" if number < each["train"] + each["val"] else ""
            if not split:
                continue
            file = tar.extractfile(member)
            assert file is not None
            target = folder / split / name / f"{number:05}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            picture = Image.open(file).convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
            picture.save(target, quality=95)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000, help="training pictures")
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=20, help="of the peer; all but a few are extrapolated")
    parser.add_argument("--peer-steps", type=int, default=40, help="batches of the peer that are timed")
    parser.add_argument("--accuracy", action="store_true", help="run both sides to the end, smaller, and compare")
    parser.add_argument("--test", type=int, default=1_000, help="test pictures")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--head", choices=("linear", "mlp", "stages"), help="instead of what would be chosen")
    parser.add_argument("--views", type=int, default=1)
    parser.add_argument("--weights", help="a run of a ResNet-18; else one is trained on five other classes")
    parser.add_argument("--source-pictures", type=int, default=2_000, help="to train those weights on, at 64 pixels")
    options = parser.parse_args()
    if options.accuracy:
        options.pictures, options.size, options.test, options.peer_steps = min(options.pictures, 2_000), 64, 5_000, 0
    data = Path(os.environ.get("HUBEL_DATA", Path(__file__).parents[2] / "shared" / "data")) / "cifar10-jpeg.tar.gz"
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        os.environ["HUBEL_HOME"] = str(base / "cache")
        if options.weights:
            source = options.weights
        else:
            small = pictures(data, base / "old", OLD, 64, {"train": options.source_pictures, "val": 500, "test": 250})
            run = train(
                small, model="resnet18", model_options={"stem": "full"}, epochs=6, out=str(base / "runs"), views="none",
                augment="flip", threads=options.threads, device="cpu",
            )  # fmt: skip
            print(json.dumps({"source": run.summary["test"]}), flush=True)
            source = str(run.folder)
        counts = {"train": options.pictures, "val": options.pictures // 10, "test": options.test}
        folder = pictures(data, base / "new", NEW, options.size, counts)
        clock = Clock()
        started = time.perf_counter()
        run = train(
            folder, from_=source, unfreeze="head", head=options.head, img_size=options.size, views="none",
            feature_views=options.views, out=str(base / "runs"), threads=options.threads, device="cpu",
            precision="fp32", watch=clock,
        )  # fmt: skip
        ours = {
            "head": run.recipe["transfer"]["head"],
            "seconds": clock.ready - started,
            "accuracy": run.summary["test"]["accuracy"],
        }
        print(json.dumps({"side": "hubel", **ours, "reading": run.summary["preparation_seconds"]}), flush=True)
        python = os.environ.get("HUBEL_PEER_FASTAI")
        if not python:
            print("fastai is left out: HUBEL_PEER_FASTAI names no interpreter (benchmarks/peers.py)", file=sys.stderr)
            return
        classifier = hubel.load(source)
        assert classifier.preprocessing is not None
        scale = json.dumps([classifier.preprocessing.mean, classifier.preprocessing.std])
        weights = base / "weights.npz"
        np.savez(weights, **{name: value.numpy() for name, value in classifier.model.state_dict().items()})
        done = subprocess.run(
            [python, "-c", FASTAI, str(folder), str(weights), str(1 if options.peer_steps else options.epochs),
             str(options.size), str(options.threads), scale, str(options.peer_steps)],
            capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            sys.exit(done.stderr[-2000:])
        found = json.loads(done.stdout.splitlines()[-1])
        theirs = options.epochs * found["epoch"] if options.peer_steps else sum(found["epochs"])
        print(json.dumps({"side": "fastai", "seconds": theirs, **found}))
        print(
            json.dumps(
                {
                    "ratio": theirs / ours["seconds"],
                    "points": 100 * (ours["accuracy"] - found["accuracy"]) if options.accuracy else None,
                    "pictures": options.pictures,
                    "size": options.size,
                    "epochs": options.epochs,
                    "environment": runtime.environment() | {"threads": options.threads},
                }
            )
        )


if __name__ == "__main__":
    main()
