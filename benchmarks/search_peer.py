"""The peer of `hubel search`: Keras Tuner within the same time, as somebody who knows it would use it.

    python benchmarks/search_peer.py FOLDER [--time 20m] [--threads 1] [--seed 0]

Run by the interpreter HUBEL_PEER_KERASTUNER (made by benchmarks/peers.py), which has torch, keras and keras-tuner;
nothing of hubel is imported. FOLDER has train/CLASS/… and test/CLASS/…, small pictures of one size.

Keras Tuner has neither a limit of time nor a net of its own. So: two to four blocks of one or two convolutions with
batch norm and ReLU, 16 to 64 maps that double, max pooling, global pooling, drop-out, Adam; searched are those, the
rate, the batch and whether pictures are mirrored and moved. Hyperband with at most nine epochs a trial and a tenth of
the training pictures held out, as often as it goes into 60 % of the time; then the best settings are trained anew on
all of FOLDER/train for what is left, the rate down a cosine to nought at its end. The time is wall time from the start
of the process, imports and reading included, the test left out.

One JSON line: test accuracy, best validation accuracy, trials, epochs, settings, seconds, versions.
"""

from __future__ import annotations

import time

BEGUN = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
import math  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
import tempfile  # noqa: E402
from contextlib import suppress  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

os.environ["KERAS_BACKEND"] = "torch"

import keras  # noqa: E402
import keras_tuner  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from keras import layers  # noqa: E402
from PIL import Image  # noqa: E402

MOST_EPOCHS, HELD, SEARCHED = 9, 0.1, 0.6
"""Epochs of a trial; the share of the training pictures that choose; the share of the time that is searched."""


def gone() -> float:
    """Seconds since the process began."""
    return time.perf_counter() - BEGUN


def seconds_of(text: str) -> float:
    """90s, 20m, 1h."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    assert found, f"a time is written 90s, 20m or 1h, got {text!r}"
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def read(folder: Path, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The pictures as bytes N H W C and the labels N of a folder with one folder a class, in a mixed order."""
    classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    pairs = [(path, k) for k, name in enumerate(classes) for path in sorted((folder / name).iterdir())]
    order = random.permutation(len(pairs))
    images = np.stack([np.asarray(Image.open(pairs[place][0]).convert("RGB")) for place in order])
    return images, np.array([pairs[place][1] for place in order])


class Nets(keras_tuner.HyperModel):
    """What is searched."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.shape, self.classes = shape, classes

    def build(self, hp: Any) -> keras.Model:
        """The net of some settings."""
        inputs = keras.Input(self.shape, dtype="uint8")
        x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
        if hp.Boolean("augment", default=True):
            x = layers.RandomFlip("horizontal")(x)
            x = layers.RandomTranslation(0.1, 0.1)(x)
        maps, each = hp.Choice("maps", [16, 32, 64], default=32), hp.Int("convolutions", 1, 2, default=2)
        for block in range(hp.Int("blocks", 2, 4, default=3)):
            for _ in range(each):
                x = layers.Conv2D(min(256, maps * 2**block), 3, padding="same", use_bias=False)(x)
                x = layers.ReLU()(layers.BatchNormalization()(x))
            x = layers.MaxPooling2D()(x)
        x = layers.Dropout(hp.Float("dropout", 0.0, 0.5, step=0.1, default=0.2))(layers.GlobalAveragePooling2D()(x))
        model = keras.Model(inputs, layers.Dense(self.classes)(x))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        rate = hp.Float("rate", 3e-4, 1e-2, sampling="log", default=1e-3)
        model.compile(optimizer=keras.optimizers.Adam(rate), loss=loss, metrics=["accuracy"])
        return model

    def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        """Trains it with the batch that belongs to the settings."""
        return model.fit(*args, batch_size=hp.Choice("batch", [32, 64, 128], default=64), **kwargs)


class Over(keras_tuner.errors.FatalError):  # type: ignore[misc]  # the one kind that ends a search
    """The time for searching is used up."""


class Until(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends the search at a point of time, in the middle of a trial if need be, and counts epochs."""

    epochs = 0

    def __init__(self, end: float) -> None:
        super().__init__()
        self.end = end

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if gone() > self.end:
            raise Over

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        Until.epochs += 1  # of the class: the tuner gives a copy of this to each trial


class Cosine(keras.callbacks.Callback):  # type: ignore[misc]
    """Lets the rate fall to nought at a point of time, and ends there."""

    def __init__(self, rate: float, end: float) -> None:
        super().__init__()
        self.rate, self.begun, self.end, self.steps = rate, gone(), end, 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        part = min(1.0, (gone() - self.begun) / max(1e-6, self.end - self.begun))
        self.model.optimizer.learning_rate = 0.5 * self.rate * (1 + math.cos(math.pi * part))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps += 1
        if gone() > self.end:
            raise Over


def trained(nets: Nets, best: Any, images: np.ndarray, labels: np.ndarray, allowed: float) -> tuple[keras.Model, float]:
    """The best settings anew, on all pictures, until the time is over; the net, and how many epochs it had."""
    model, falling = nets.build(best), Cosine(float(best.get("rate")), allowed)
    with suppress(Over):
        nets.fit(best, model, images, labels, epochs=10_000, verbose=0, callbacks=[falling])
    return model, falling.steps * best.get("batch") / len(labels)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("folder", type=Path)
    words.add_argument("--time", default="20m")
    words.add_argument("--threads", type=int, default=1)
    words.add_argument("--seed", type=int, default=0)
    said = words.parse_args()
    allowed = seconds_of(said.time)
    torch.set_num_threads(said.threads)
    keras.utils.set_random_seed(said.seed)
    images, labels = read(said.folder / "train", np.random.default_rng(said.seed))
    held = round(HELD * len(labels))
    nets = Nets(images.shape[1:], int(labels.max()) + 1)
    with tempfile.TemporaryDirectory() as folder:
        tuner = keras_tuner.Hyperband(
            nets, objective="val_accuracy", max_epochs=MOST_EPOCHS, hyperband_iterations=100, seed=said.seed,
            directory=folder, project_name="search",
        )  # fmt: skip
        with suppress(Over):
            tuner.search(
                images[held:], labels[held:], validation_data=(images[:held], labels[:held]), verbose=0,
                callbacks=[Until(SEARCHED * allowed)],
            )  # fmt: skip
        ended = [trial for trial in tuner.oracle.get_best_trials(1) if trial.score is not None]
        # Where no trial came to its end, the settings that a Keras user begins with.
        best = ended[0].hyperparameters if ended else keras_tuner.HyperParameters()
        score = ended[0].score if ended else None
        trials = len(tuner.oracle.trials)
    model, epochs = trained(nets, best, images, labels, allowed)
    took = gone()
    seen, named = read(said.folder / "test", np.random.default_rng(0))
    answers = model.predict(seen, batch_size=500, verbose=0).argmax(axis=1)
    settings = {name: value for name, value in best.values.items() if not name.startswith("tuner/")}
    found = {"side": "keras-tuner", "time": allowed, "seconds": round(took, 1), "seed": said.seed}
    found |= {"test_accuracy": float((answers == named).mean()), "best_validation": score, "trials": trials}
    found |= {"search_epochs": Until.epochs, "final_epochs": round(epochs, 1), "parameters": model.count_params()}
    found |= {"settings": settings, "train": len(labels), "val": held, "test": len(named)}
    versions = {"keras": keras.__version__, "keras_tuner": keras_tuner.__version__, "torch": torch.__version__}
    print(json.dumps(found | versions))


if __name__ == "__main__":
    main()
