"""CIFAR-10 to the same accuracy by other tools' documented recipes: measured steps, published epochs.

    HUBEL_PEER_PYTHON=… HUBEL_PEER_FASTAI=… python benchmarks/cifar_peers.py [--only keras fastai] [--steps 40]

No peer is run to its end here, which would take hours: a few hundred of its training steps are timed, and its time is
seconds a picture x 50,000 x the fewest epochs after which its documentation shows such an accuracy. All doubts are
decided in the peer's favour: its pictures lie decoded in memory, nothing is augmented, no epoch is validated, and the
first steps, which warm up, are not counted.

keras    examples/cifar10_resnet.py of Keras: ResNet-20 v1, Adam, batch 32; 92.16 % after its 200 epochs. Its rate falls
         for the first time after 80, and before that no ResNet-20 is above 91 % (He et al., arXiv 1512.03385, Figure 6,
         with the same rate schedule): 81 epochs.
fastai   wide ResNet-22 (six times as wide), batch 128, one cycle at 3e-3 with decay 0.4, as in its documentation of
         distributed training: 10 epochs, the shortest it documents. Its DAWNBench entry took 30 epochs to 94 %; whether
         10 are enough for 91 % is not said, and they are counted as if they were.

Left out: timm and torchvision's references document no recipe of CIFAR-10's size (their scripts and published results
are for ImageNet's), and Ultralytics' starts from ImageNet weights and publishes no accuracy for CIFAR-10. One JSON
line per peer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from airbench import pictures
from airbench_peer import read

PICTURES = 50_000
KERAS = """
import json, os, sys, time
os.environ["KERAS_BACKEND"] = "torch"
import numpy as np
import keras
from keras import layers, regularizers
steps, threads, arrays = int(sys.argv[1]), int(sys.argv[2]), np.load(sys.argv[3])
import torch
torch.set_num_threads(threads)
keras.utils.set_random_seed(0)
def unit(x, maps, kernel=3, strides=1, active=True):
    x = layers.Conv2D(maps, kernel, strides=strides, padding="same", kernel_initializer="he_normal",
                      kernel_regularizer=regularizers.L2(1e-4))(x)
    x = layers.BatchNormalization()(x)
    return layers.Activation("relu")(x) if active else x
inputs = keras.Input((32, 32, 3))
x = unit(inputs, 16)
for stage, maps in enumerate((16, 32, 64)):
    for block in range(3):
        strides = 2 if stage and not block else 1
        y = unit(unit(x, maps, strides=strides), maps, active=False)
        if strides == 2:
            x = layers.Conv2D(maps, 1, strides=2, padding="same", kernel_initializer="he_normal",
                              kernel_regularizer=regularizers.L2(1e-4))(x)
        x = layers.Activation("relu")(layers.add([x, y]))
x = layers.Flatten()(layers.AveragePooling2D(8)(x))
model = keras.Model(inputs, layers.Dense(10, activation="softmax", kernel_initializer="he_normal")(x))
model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.Adam(1e-3), metrics=["accuracy"])
images = arrays["x"].transpose(0, 2, 3, 1).astype("float32") / 255
images -= images.mean(axis=0)
labels = keras.utils.to_categorical(arrays["y"], 10)
class Clock(keras.callbacks.Callback):
    marks = []
    def on_train_batch_end(self, batch, logs=None):
        self.marks.append(time.perf_counter())
model.fit(images, labels, batch_size=32, epochs=1, verbose=0, callbacks=[Clock()])
seconds = np.diff(Clock.marks)[len(Clock.marks) // 5:]
print(json.dumps({"batch": 32, "seconds_a_step": list(np.percentile(seconds, (25, 50, 75))),
                  "mean": seconds.mean(), "steps": len(seconds), "version": keras.__version__,
                  "torch": torch.__version__, "parameters": model.count_params()}))
"""
FASTAI = """
import json, sys, time
import numpy as np
import torch
from torch import nn
import fastai
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.callback.core import Callback
from fastai.callback.schedule import Learner
steps, threads, arrays = int(sys.argv[1]), int(sys.argv[2]), np.load(sys.argv[3])
torch.set_num_threads(threads)
torch.manual_seed(0)
class Block(nn.Module):
    def __init__(self, inside, maps, stride):
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(inside), nn.BatchNorm2d(maps)])
        self.convs = nn.ModuleList([nn.Conv2d(inside, maps, 3, stride, 1, bias=False),
                                    nn.Conv2d(maps, maps, 3, 1, 1, bias=False)])
        self.short = None if inside == maps else nn.Conv2d(inside, maps, 1, stride, bias=False)
    def forward(self, x):
        y = torch.relu(self.norms[0](x))
        short = x if self.short is None else self.short(y)
        return short + self.convs[1](torch.relu(self.norms[1](self.convs[0](y))))
parts, inside = [nn.Conv2d(3, 16, 3, padding=1, bias=False)], 16
for stage, maps in enumerate((96, 192, 384)):
    for block in range(3):
        parts.append(Block(inside, maps, 2 if stage and not block else 1))
        inside = maps
net = nn.Sequential(*parts, nn.BatchNorm2d(inside), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                    nn.Linear(inside, 10))
images = torch.from_numpy(arrays["x"]).float() / 255
labels = torch.from_numpy(arrays["y"])
pairs = list(zip((images - images.mean((0, 2, 3), keepdim=True)) / images.std((0, 2, 3), keepdim=True), labels))
loaders = DataLoaders(DataLoader(pairs, bs=128, shuffle=True, drop_last=True), DataLoader(pairs[:128], bs=128))
class Clock(Callback):
    marks = []
    def after_batch(self):
        if self.training:
            self.marks.append(time.perf_counter())
learner = Learner(loaders, net, loss_func=nn.CrossEntropyLoss(), cbs=[Clock()])
with learner.no_bar(), learner.no_logging():
    learner.fit_one_cycle(1, 3e-3, wd=0.4)
seconds = np.diff(Clock.marks)[len(Clock.marks) // 5:]
print(json.dumps({"batch": 128, "seconds_a_step": list(np.percentile(seconds, (25, 50, 75))),
                  "mean": seconds.mean(), "steps": len(seconds), "version": fastai.__version__,
                  "torch": torch.__version__, "parameters": sum(p.numel() for p in net.parameters())}))
"""
# peer -> (variable that names its interpreter, code, batch, steps for each step asked for, epochs counted)
PEERS = {
    "keras": ("HUBEL_PEER_PYTHON", KERAS, 32, 8, 81),
    "fastai": ("HUBEL_PEER_FASTAI", FASTAI, 128, 0.4, 10),
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=tuple(PEERS), default=list(PEERS))
    parser.add_argument("--data", type=Path, help="folder with train/CLASS/*.jpg and test/CLASS/*.jpg")
    parser.add_argument("--steps", type=int, default=40, help="40 take about a minute for each peer on two cores")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        images, labels = read(
            pictures(options.data, Path(temporary) / "pictures") / "test"
        )  # as good as others to time
        for name in options.only:
            variable, code, batch, times, epochs = PEERS[name]
            python = os.environ.get(variable)
            if not python:
                print(json.dumps({"side": name, "left_out": f"{variable} names no interpreter"}), flush=True)
                continue
            rows = np.arange(max(5, round(options.steps * times)) * batch) % len(labels)
            arrays = Path(temporary) / f"{name}.npz"
            np.savez(arrays, x=images.numpy()[rows], y=labels.numpy()[rows])
            done = subprocess.run(
                [python, "-c", code, str(options.steps), str(options.threads), str(arrays)],
                capture_output=True, text=True, cwd=temporary,
            )  # fmt: skip
            if done.returncode:
                sys.exit(f"{name} failed:\n{done.stderr}")
            row = json.loads(done.stdout.splitlines()[-1])
            epoch = row["mean"] * PICTURES / batch
            print(
                json.dumps(
                    {"side": name, **row, "seconds_an_epoch": epoch, "epochs": epochs, "seconds": epoch * epochs}
                ),
                flush=True,
            )
