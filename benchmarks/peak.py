"""How much of the processor's arithmetic a step of the default CIFAR-10 net uses, beside plain matrix products.

    python benchmarks/peak.py [--data FOLDER] [--steps 12] [--side 2048] [--set NAME=VALUE ...]

The run is that of `hubel train FOLDER` with nothing else said, up to its arithmetic (bf16 where a trial shows a
gain), which the plain matrix products share. Steps of `fit`, with all they do (gathering, augmentation, checks,
optimiser), and blocks of products of square matrices take turns; each step is compared with the blocks before and
after it, and the median of those fractions counts. Operations counted: those of convolutions and products of the net,
forward and backward, by torch's own counter; the optimiser's products are left out. The reference is the best of
three sizes of matrices, chosen beforehand. One JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from airbench import pictures
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from hubel import runtime
from hubel.assembly.build import build
from hubel.assembly.prepare import Prepared, prepare
from hubel.assembly.trials import paced
from hubel.assembly.wire import assemble
from hubel.events import StepDone
from hubel.recipes.schema import compose
from hubel.training.loop import Training, fit
from hubel.watching import SILENT

SIDES = (1024, 2048, 4096)


def default_run(data: Path, words: list[str], *, keep: bool = True) -> tuple[Prepared, Training]:
    """What `hubel train data` is about to do, with settings such as "batch_size=256"."""
    if keep:
        runtime.keep_memory()
    settings = dict(word.split("=", 1) for word in words)
    prepared = prepare(compose({"data": str(data)}, settings))
    model, _ = build(prepared)
    recipe = paced(prepared, model, SILENT)
    return prepared, assemble(recipe, prepared, model)


def operations(model: nn.Module, shape: tuple[int, ...]) -> int:
    """Floating-point operations of forward and backward for one picture (a multiplication and an addition are two)."""
    few = 4
    images = torch.zeros(few, *shape).to(next(model.parameters()).device)
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(model(images), torch.zeros(few, dtype=torch.long, device=images.device)).backward()
    model.zero_grad(set_to_none=True)
    return counter.get_total_flops() // few


def products(side: int, dtype: torch.dtype, device: torch.device, seconds: float) -> float:
    """Operations a second of products of two `side` x `side` matrices, over about `seconds` seconds."""
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    torch.mm(a, b)
    count, started = 0, 0.0
    runtime.synchronise(device)
    started = time.perf_counter()
    while count < 2 or time.perf_counter() - started < seconds:
        torch.mm(a, b)
        count += 1
        runtime.synchronise(device)
    return 2 * side**3 * count / (time.perf_counter() - started)


def seconds_a_step(training: Training) -> Iterator[float]:
    """How long each step took, from the end of the one before (or of the pause) to its own end."""
    started = time.perf_counter()
    for event in fit(training):
        runtime.synchronise(training.device)
        if isinstance(event, StepDone):
            yield time.perf_counter() - started
        started = time.perf_counter()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with train/CLASS/*.jpg and test/CLASS/*.jpg")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--side", type=int, help=f"of the matrices; else the best of {SIDES}")
    parser.add_argument("--seconds", type=float, default=0.7, help="of each block of products")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings other than the default's")
    options = parser.parse_args()
    if options.steps < 3:
        sys.exit("at least three steps are needed: the first two warm up")
    with tempfile.TemporaryDirectory() as unpacked, runtime.threads(options.threads):
        prepared, training = default_run(pictures(options.data, Path(unpacked)), options.set)
        assert prepared.preprocessing is not None
        device, dtype = training.device, training.precision
        rates = {side: products(side, dtype, device, options.seconds) for side in (options.side,) if side} or {
            side: products(side, dtype, device, options.seconds) for side in SIDES
        }
        side = max(rates, key=lambda n: rates[n])
        each = operations(training.model, prepared.preprocessing.shape)
        batch = len(prepared.ids("train")) // training.steps_per_epoch
        size = training.recipe.train.batch_size
        batch = size if isinstance(size, int) else batch
        steps, fractions, peaks, times = seconds_a_step(training), [], [], []
        before = products(side, dtype, device, options.seconds)
        for number in range(options.steps):
            took = next(steps)
            after = products(side, dtype, device, options.seconds)
            if number >= 2:
                peak = (before + after) / 2
                fractions.append(each * batch / took / peak)
                peaks.append(peak)
                times.append(took)
            before = after
        fractions.sort()
        row = {
            "model": training.recipe.model.model,
            "dtype": str(dtype).removeprefix("torch."),
            "batch": batch,
            "threads": options.threads,
            "operations_a_picture": each,
            "seconds_a_step": statistics.median(times),
            "gflops_of_the_step": each * batch / statistics.median(times) / 1e9,
            "gflops_of_products": statistics.median(peaks) / 1e9,
            "side": side,
            "fraction": statistics.median(fractions),
            "quartiles": [fractions[len(fractions) // 4], fractions[3 * len(fractions) // 4]],
            "steps": len(fractions),
            "settings": options.set,
        }
        print(json.dumps(row), flush=True)
