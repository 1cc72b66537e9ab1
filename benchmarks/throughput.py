"""Images a second of `hubel train`'s loop beside a bare PyTorch loop: same net, batch, data in memory, optimiser.

    python benchmarks/throughput.py [--threads 2]

Bare: images as floats in memory, already normalised, gathered with an index; forward, loss, backward, step. Ours: `fit`
with everything it does besides (bytes gathered and normalised, numbers checked, events, sums), with no augmentation,
since the bare loop has none. Both use channels_last and the same fused optimiser. They run side by side in one process,
a few steps of one and then of the other; the ratio is taken pair by pair and its median counts. One JSON line per net.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional as F

from hubel import runtime
from hubel.data.batches import batches
from hubel.data.decode import Decoded
from hubel.data.preprocessing import Preprocessing
from hubel.events import StepDone
from hubel.models import create_model
from hubel.nn.optimisers import build_optimiser
from hubel.recipes.schema import compose
from hubel.training.loop import Training, fit


def ours(name: str, decoded: Decoded, scale: Preprocessing, steps: int, batch: int) -> Iterator[None]:
    """One step of `fit` for every `next`."""
    runtime.seed_all(0)
    channels, height, width = scale.shape
    net = create_model(name, num_classes=10, in_chans=channels, img_size=(height, width))
    net = net.to(memory_format=torch.channels_last)
    run = Training(
        recipe=compose({"epochs": 1, "lr": 0.01}),
        model=net,
        optimiser=build_optimiser("nesterov", net, lr=0.01),
        schedule=lambda step, history: 1.0,
        loss=torch.nn.CrossEntropyLoss(),
        batches=lambda epoch, start: batches(
            decoded, decoded.ids, preprocessing=scale, batch_size=batch, shuffle=True, channels_last=True
        ),
        steps_per_epoch=steps,
        measure=lambda model: {},
    )
    for event in fit(run):
        if isinstance(event, StepDone):
            yield


def bare(name: str, decoded: Decoded, scale: Preprocessing, steps: int, batch: int) -> Iterator[None]:
    """The same without any of our training code."""
    runtime.seed_all(0)
    channels, height, width = scale.shape
    net = create_model(name, num_classes=10, in_chans=channels, img_size=(height, width))
    net = net.to(memory_format=torch.channels_last).train()
    optimiser = build_optimiser("nesterov", net, lr=0.01)
    images = scale.normalise(torch.from_numpy(decoded.images)).to(memory_format=torch.channels_last)
    labels = torch.from_numpy(decoded.labels)
    order = torch.randperm(len(labels))
    for step in range(steps):
        rows = order[step * batch : (step + 1) * batch]
        loss = F.cross_entropy(net(images[rows]), labels[rows])
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        yield


def race(name: str, channels: int, side: int, steps: int, batch: int, block: int) -> dict[str, object]:
    """Both loops side by side, `block` steps of one and then of the other: a machine that slows down slows both."""
    decoded, scale = data(channels, side, steps * batch)
    runners = {"ours": ours(name, decoded, scale, steps, batch), "bare": bare(name, decoded, scale, steps, batch)}
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    for number in range(steps // block):
        for which in sorted(runners, reverse=bool(number % 2)):
            started = time.perf_counter()
            for _ in range(block):
                next(runners[which])
            times[which].append(time.perf_counter() - started)
    pairs = list(zip(times["ours"], times["bare"], strict=True))[2:]  # the first blocks warm up
    ratios = sorted(theirs / mine for mine, theirs in pairs)
    return {
        "net": name,
        "images_per_second": {k: block * batch / statistics.median(v[2:]) for k, v in times.items()},
        "ratio": statistics.median(ratios),
        "quartiles": [ratios[len(ratios) // 4], ratios[3 * len(ratios) // 4]],
        "blocks": len(pairs),
        "environment": runtime.environment(),
    }


def data(channels: int, side: int, count: int) -> tuple[Decoded, Preprocessing]:
    """Random bytes: their contents do not matter for speed."""
    noise = np.random.default_rng(0).integers(0, 256, (count, channels, side, side), dtype=np.uint8)
    labels = np.arange(count, dtype=np.int64) % 10
    scale = Preprocessing(height=side, width=side, channels=channels, mean=(0.5,) * channels, std=(0.25,) * channels)
    return Decoded(images=noise, labels=labels, ids=np.arange(count), digest=""), scale


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with runtime.threads(options.threads):
        print(json.dumps(race("mnist_cnn", 1, 28, 600, 128, 5)), flush=True)
        print(json.dumps(race("resnet18", 3, 32, 24, 128, 1)), flush=True)
