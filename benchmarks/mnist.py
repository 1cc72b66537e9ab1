"""MNIST to 99.0 % test accuracy: `hubel train` beside Keras 3 (torch backend) with its own published MNIST convnet.

    HUBEL_PEER_PYTHON=… python benchmarks/mnist.py [--seeds 5] [--peer-seeds 1]

Keras: the convnet of its code examples (conv 32, pool, conv 64, pool, dropout 0.5, dense; Adam, batch 128, validation
split 0.1), trained epoch by epoch until the test accuracy reaches 99.0 %; only the time inside `fit` counts, and
so does ours, validation included: imports and reading the data are left out on both sides. Ours: the same net, `--model
mnist_cnn`, with the recipe of this file's `OURS`, whose epochs, rate and precision were chosen on the validation split.
HUBEL_PEER_PYTHON has keras and torch; HUBEL_DATA has the IDX files. One JSON line per measurement, then the ratio of
the median times; a run that ends below 99.0 % counts as infinitely long.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from hubel import runtime

OURS = [
    "--model", "mnist_cnn", "--epochs", "2", "--batch-size", "96", "--lr", "0.008", "--augment", "translate=1",
    "--label-smoothing", "0", "--precision", "bf16",
]  # fmt: skip
TARGET = 0.99

KERAS = """
import json, os, sys, time
os.environ["KERAS_BACKEND"] = "torch"
import numpy as np
import keras
from keras import layers
seed, epochs, target, arrays = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
keras.utils.set_random_seed(seed)
data = np.load(arrays)
x, y = data["x"].astype("float32")[..., None] / 255, keras.utils.to_categorical(data["y"], 10)
tx, ty = data["tx"].astype("float32")[..., None] / 255, keras.utils.to_categorical(data["ty"], 10)
model = keras.Sequential([
    keras.Input(shape=(28, 28, 1)), layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2),
    layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2), layers.Flatten(), layers.Dropout(0.5),
    layers.Dense(10, activation="softmax"),
])
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
seconds, accuracies = 0.0, []
for epoch in range(epochs):
    started = time.perf_counter()
    model.fit(x, y, batch_size=128, epochs=1, validation_split=0.1, verbose=0)
    seconds += time.perf_counter() - started
    accuracies.append(model.evaluate(tx, ty, verbose=0)[1])
    if accuracies[-1] >= target:
        break
print(json.dumps({"seconds": seconds, "epochs": len(accuracies), "test_accuracy": accuracies}))
"""


def idx(path: Path) -> bytes:
    """The bytes of an IDX file."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


if __name__ == "__main__":
    import numpy as np

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--peer-seeds", type=int, default=1, help="runs of Keras, which takes minutes each")
    parser.add_argument("--epochs", type=int, default=15, help="Keras gives up after so many")
    options = parser.parse_args()
    folder = Path(os.environ.get("HUBEL_DATA", Path(__file__).parents[2] / "shared" / "data")) / "mnist"
    peer = os.environ.get("HUBEL_PEER_PYTHON")
    found: dict[str, list[float]] = {"ours": [], "keras": []}
    with tempfile.TemporaryDirectory() as temporary:
        arrays = Path(temporary) / "mnist.npz"
        parts = {}
        for key, name, skip, shape in (
            ("x", "train-images-idx3-ubyte", 16, (-1, 28, 28)), ("y", "train-labels-idx1-ubyte", 8, (-1,)),
            ("tx", "t10k-images-idx3-ubyte", 16, (-1, 28, 28)), ("ty", "t10k-labels-idx1-ubyte", 8, (-1,)),
        ):  # fmt: skip
            path = next(p for p in (folder / f"{name}.gz", folder / name) if p.exists())
            parts[key] = np.frombuffer(idx(path), np.uint8, offset=skip).reshape(shape)
        np.savez(arrays, **parts)
        for seed in range(options.seeds):
            words = ["train", "mnist", "--quiet", "--data-dir", str(folder), "--seed", str(seed), "--out", temporary]
            subprocess.run([sys.executable, "-m", "hubel", *words, *OURS], stdout=subprocess.DEVNULL, check=True)
            summary = json.loads((Path(temporary) / f"mnist-{seed + 1}" / "summary.json").read_text())
            row = {"seconds": summary["seconds"], "epochs": summary["epochs"], "test": summary["test"]["accuracy"]}
            print(json.dumps({"side": "ours", "seed": seed, **row}), flush=True)
            found["ours"].append(summary["seconds"] if row["test"] >= TARGET else float("inf"))
            if peer and seed < options.peer_seeds:
                done = subprocess.run(
                    [peer, "-c", KERAS, str(seed), str(options.epochs), str(TARGET), str(arrays)],
                    capture_output=True, text=True, check=True,
                )  # fmt: skip
                result = json.loads(done.stdout.splitlines()[-1])
                print(json.dumps({"side": "keras", "seed": seed, **result}), flush=True)
                found["keras"].append(result["seconds"])
    medians = {side: statistics.median(times) for side, times in found.items() if times}
    ratio = medians["keras"] / medians["ours"] if "keras" in medians else None
    print(json.dumps({"seconds_to_99_percent": medians, "ratio": ratio, "environment": runtime.environment()}))
