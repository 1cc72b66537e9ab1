"""One picture through ResNet-18: what `hubel predict` does against a plain eager model.

    python benchmarks/latency.py [--threads 2] [--model resnet18] [--size 224] [--turns 40]

The plain model is `model.eval()` and `model(x)` under `torch.no_grad()`, in PyTorch's default memory format. Ours is
the path of `hubel predict` for a picture that is decoded: bytes to floats, the net made ready, softmax, a named answer;
the net alone is a row of its own, and so is the plain model compared with itself, which shows the noise. Taken in turn,
four calls each, the first of which is not counted; prints medians, 10th and 90th percentiles, and the median of the
ratios of the turns. Target: at most 0.8 times the plain model's time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from hubel.checkpoint import Classifier, ModelSpec
from hubel.checkpoint.classifier import Provenance
from hubel.data.preprocessing import Preprocessing
from hubel.deploy.prediction import answers
from hubel.deploy.ready import ready
from hubel.runtime import environment, seeded, threads

BLOCK = 4


def classifier_of(name: str, size: int) -> Classifier:
    """A thousand classes, with batch norms that have seen data."""
    spec = ModelSpec(architecture=name, num_classes=1000, in_chans=3, img_size=(size, size))
    with seeded(0):
        model = spec.build()
        with torch.no_grad():
            for _ in range(3):
                model.train()(torch.randn(4, 3, size, size))
    return Classifier(
        model=model.eval(),
        preprocessing=Preprocessing(height=size, width=size).with_statistics((0.48, 0.46, 0.41), (0.23, 0.22, 0.23)),
        class_names=tuple(f"class {index}" for index in range(1000)),
        spec=spec,
        provenance=Provenance(source="benchmark"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--turns", type=int, default=40)
    options = parser.parse_args()
    with threads(options.threads) as count:
        classifier = classifier_of(options.model, options.size)
        model, device = classifier.model, torch.device("cpu")
        drawn = np.random.default_rng(0)
        picture = drawn.integers(0, 256, (1, 3, options.size, options.size), np.uint8)
        assert classifier.preprocessing is not None
        images = classifier.preprocessing.normalise(torch.from_numpy(picture))
        fast = ready(model, images)

        def plain() -> torch.Tensor:
            with torch.no_grad():
                return model(images)

        runs: dict[str, Callable[[], object]] = {
            "plain eager": plain,
            "plain eager, again": plain,
            "hubel predict, pixels to answer": lambda: answers(classifier, ["x"], picture, device, fast=True),
            "hubel's net alone": lambda: fast(images),
            "hubel predict --no-fast": lambda: answers(classifier, ["x"], picture, device, fast=False),
        }
        difference = float((fast(images) - plain()).abs().max())
        taken: dict[str, list[float]] = {name: [] for name in runs}
        spread: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(options.turns + 1):
            for name, run in runs.items():
                block = []
                for _ in range(BLOCK):
                    started = time.perf_counter()
                    run()
                    block.append(time.perf_counter() - started)
                if turn:
                    taken[name].append(float(np.median(block[1:])))
                    spread[name] += block[1:]
        facts = environment()
        machine = f"{facts['processor']}, {facts['cores']} cores, {count} threads, torch {facts['torch']}"
        print(f"{options.model}, {options.size} x {options.size}, batch 1; {machine}")
        print(f"ready: {fast}; logits differ by {difference:.1e}")
        base = np.array(taken["plain eager"])
        for name in runs:
            low, middle, high = 1e3 * np.quantile(spread[name], (0.1, 0.5, 0.9))
            ratios = np.array(taken[name]) / base
            first, last = np.quantile(ratios, (0.25, 0.75))
            print(f"{name:<34}{middle:8.1f} ms ({low:.1f} to {high:.1f})   {np.median(ratios):.3f} x "
                  f"(quartiles {first:.3f} to {last:.3f})")  # fmt: skip


if __name__ == "__main__":
    main()
