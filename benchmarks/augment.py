"""The cost of augmentation: milliseconds a batch, on one thread, for chains as they stand in recipes.

    python benchmarks/augment.py [--batch 128] [--side 32] [--repeat 30] [--device cpu]

Beside ours, the same flip and shift done image by image with torch slices, as a data set's transform does it, and with
one choice for the whole batch. Medians of interleaved rounds as JSON, with the machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from hubel import runtime
from hubel.data.augment import AUGMENTATIONS, PRESETS, build_augment


def one_by_one(images: torch.Tensor) -> torch.Tensor:
    """Flip and shift with a loop over the images."""
    changed = []
    for image in images:
        padded = F.pad(image[None].float(), (2, 2, 2, 2), mode="reflect")[0].to(torch.uint8)
        y, x = torch.randint(0, 5, (2,)).tolist()
        part = padded[:, y : y + image.shape[1], x : x + image.shape[2]]
        changed.append(part.flip(2) if torch.rand(()) < 0.5 else part)
    return torch.stack(changed)


def whole_batch(images: torch.Tensor) -> torch.Tensor:
    """Flip and shift all images alike: the least it can cost."""
    padded = F.pad(images, (2, 2, 2, 2), mode="reflect")
    y, x = torch.randint(0, 5, (2,)).tolist()
    return padded[:, :, y : y + images.shape[2], x : x + images.shape[3]].flip(3)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--batch", type=int, default=128)
    arguments.add_argument("--side", type=int, default=32)
    arguments.add_argument("--repeat", type=int, default=30)
    arguments.add_argument("--device", default="cpu")
    given = arguments.parse_args()
    device = runtime.pick_device(given.device)
    torch.set_num_threads(1)
    images = torch.randint(0, 256, (given.batch, 3, given.side, given.side), dtype=torch.uint8, device=device)
    ids = torch.arange(given.batch, device=device)
    works: dict[str, Callable[[], object]] = {
        "image by image: flip, translate=2": lambda: one_by_one(images),
        "one choice a batch: flip, translate=2": lambda: whole_batch(images),
    }
    chains = ["flip,translate=2", *PRESETS, *(AUGMENTATIONS.get(name).example for name in AUGMENTATIONS)]
    for chain in chains:
        augment = build_augment(chain)
        if augment.mixes:
            works[chain] = lambda a=augment: a.mix(images, ids % 10, 10, ids, seed=0, epoch=0)
        else:
            works[chain] = lambda a=augment: a(images, ids, seed=0, epoch=0)
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(given.repeat):
        for name, work in works.items():
            runtime.synchronise(device)
            start = time.perf_counter()
            work()
            runtime.synchronise(device)
            taken[name].append(time.perf_counter() - start)
    result = {name: round(1e3 * statistics.median(times), 3) for name, times in taken.items()}
    batch = f"{given.batch} images of 3x{given.side}x{given.side}, uint8"
    print(json.dumps({"batch": batch, "milliseconds": result, "environment": runtime.environment(device)}, indent=1))


if __name__ == "__main__":
    main()
