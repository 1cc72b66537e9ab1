"""Occlusion against Captum's: how much faster, and is it the same map?

    python -m benchmarks.occlusion [--model resnet18] [--threads 2] [--images FOLDER] [--epochs 12]
    python -m benchmarks.occlusion --model vgg16      (a fresh net; about two minutes on two threads)

One picture of 224 x 224, patch 16, stride 8 (729 patches). Captum's best batch size is found on a map of stride 16; at
that size the whole map is timed. Runs are repeated, and the fastest counts, unless one takes more than half a minute.
The weights matter for the comparison of maps only: scores of a fresh net hardly move, so that rounding is all one would
see, and its maps have no structure to interpolate. With --images, the net first learns the pictures of that folder.

Captum comes first, in a process as its users have it; then, as `hubel explain` does, the process keeps its memory.
Prints a row for each way: seconds, times faster than Captum, largest difference in parts of the map's range, rank
correlation with Captum's map. With --images, then the rank correlation of the approximate map with our exact one for
five more pictures: what it is worth depends on the picture.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from captum.attr import Occlusion
from PIL import Image
from scipy.stats import spearmanr
from torch import nn

from hubel.explainers import attribute
from hubel.models import create_model
from hubel.runtime import environment, generator, keep_memory, seeded, threads


def best(run: Callable[[], np.ndarray], repeats: int) -> tuple[float, np.ndarray]:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - started)
        if times[-1] > 30:
            break
    return min(times), result


def pictures(folder: Path | None) -> torch.Tensor:
    if folder is None:
        return torch.randn(1, 3, 224, 224, generator=generator(0))
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))[:100]
    loaded = [np.asarray(Image.open(file).convert("RGB").resize((224, 224)), dtype=np.float32) for file in files]
    return (torch.from_numpy(np.stack(loaded)).permute(0, 3, 1, 2) / 255 - 0.45) / 0.25


def learn(net: nn.Module, images: torch.Tensor, epochs: int) -> None:
    """Tell the pictures apart: enough for maps with structure."""
    optimiser = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    net.train()
    for epoch in range(epochs):
        for rows in torch.randperm(len(images), generator=generator(1, epoch)).split(20):
            loss = nn.functional.cross_entropy(net(images[rows].flip(3) if epoch % 2 else images[rows]), rows)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--images", type=Path, help="a folder of pictures to learn and to explain")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--picture", type=int, default=7, help="which of them is explained")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 16, 32], help="Captum's patches at a time")
    parser.add_argument("--repeats", type=int, default=4)
    options = parser.parse_args()
    with threads(options.threads):
        images = pictures(options.images)
        with seeded(0):
            net = create_model(options.model, num_classes=max(len(images), 10), img_size=224)
        if options.images:
            learn(net, images, options.epochs)
        net.eval()
        image = images[options.picture % len(images)][None]
        target = int(net(image).argmax())

        def captum(size: int, stride: int = 8) -> np.ndarray:
            with torch.no_grad():
                found = Occlusion(net).attribute(
                    image,
                    (3, 16, 16),
                    strides=(3, stride, stride),
                    target=target,
                    baselines=0,
                    perturbations_per_eval=size,
                )
            return found[0, 0].numpy()

        def ours(method: str, image: torch.Tensor = image, target: int = target) -> np.ndarray:
            return attribute(net, image, method=method, target=target, patch=16, stride=8).map

        tried = {size: best(lambda size=size: captum(size, stride=16), 1)[0] for size in options.batches}
        size = min(tried, key=tried.__getitem__)
        slow, wanted = best(lambda: captum(size), options.repeats)
        keep_memory()  # as `hubel explain` does, and Captum's users do not
        ours("occlusion-fast")  # warm up
        rows = [(f"captum, batch {size}", slow, wanted)]
        for method in ("occlusion", "occlusion-fast"):
            rows.append((method, *best(lambda method=method: ours(method), options.repeats)))
        facts = environment()
        print(f"{options.model}, {facts['processor']}, {options.threads} threads, torch {facts['torch']}")
        print(f"{'':<20}{'seconds':>9}{'faster':>9}{'difference':>12}{'rank':>8}")
        for name, seconds, map_ in rows:
            difference = float(np.abs(map_ - wanted).max() / np.ptp(wanted))
            rank = spearmanr(map_.ravel(), wanted.ravel()).statistic
            print(f"{name:<20}{seconds:9.2f}{slow / seconds:8.1f}x{difference:12.1e}{rank:8.3f}")

        if options.images:
            ranks = []
            for other in (1, 2, 3, 20, 33):
                image = images[other % len(images)][None]
                target = int(net(image).argmax())
                maps = [ours(method, image, target).ravel() for method in ("occlusion", "occlusion-fast")]
                ranks.append(float(spearmanr(*maps).statistic))
            print(f"rank of occlusion-fast on five other pictures: {', '.join(f'{rank:.3f}' for rank in ranks)}")


if __name__ == "__main__":
    main()
