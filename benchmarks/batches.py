"""How large a batch may be where a training has few epochs: validation accuracy on CIFAR-10's JPEG files, by batch.

    python benchmarks/batches.py PICTURES [--pictures 22000] [--epochs 2 6] [--batches 1000 256 128]
    python benchmarks/batches.py PICTURES --model mobilenet_v1 --model-option width=0.25 --epochs 2

PICTURES is a folder with train/CLASS/*.jpg and test/CLASS/*.jpg (`python -m benchmarks distill` unpacks it). Whatever
else the recipe leaves open, the rate for that batch among it, is chosen by hubel. A twentieth or a tenth of the
training pictures is the validation split; nothing is chosen by the few test pictures that a run has to have.

One JSON line a run, with the processor's seconds of the whole run.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from distill import one, table  # type: ignore[import-not-found]

TEST = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--pictures", dest="count", type=int, default=22_000, help="training pictures")
    parser.add_argument("--model", default="quicknet")
    parser.add_argument("--model-option", nargs="*", default=["width=0.5"])
    parser.add_argument("--epochs", nargs="+", type=int, default=[2, 6])
    parser.add_argument("--batches", nargs="+", type=int, default=[1000, 256, 128])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    words = parser.parse_args()
    options = {name: json.loads(value) for name, _, value in (word.partition("=") for word in words.model_option)}
    with tempfile.TemporaryDirectory() as place:
        data = table(words.pictures, Path(place), {"train": words.count, "test": TEST})
        for epochs in words.epochs:
            for seed in words.seeds:
                for batch in words.batches:
                    began = time.process_time()
                    _, line = one(
                        data, words.pictures, model=words.model, model_options=options, epochs=epochs,
                        batch_size=batch, seed=seed, threads=words.threads, out=str(Path(place) / "runs"),
                        verbose=False,
                    )  # fmt: skip
                    told = {name: line[name] for name in ("model", "parameters", "epochs", "val_accuracy")}
                    print(json.dumps({**told, "pictures": words.count, "batch": batch, "seed": seed,
                                      "processor_seconds": round(time.process_time() - began, 1)}),
                          flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
