"""Chapter 10, sounds and machines: noisy copies of sounds, and how long an epoch takes as nets grow."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import nn

from hubel.book.bench import digits, fit, right
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.plots import Bars, Listing
from hubel.book.verdicts import NEEDS_GPU, Finding, exact, more_right
from hubel.data.augment_audio import add_noise, spectrogram
from hubel.nn.blocks import vgg_block
from hubel.runtime.seeds import seeded

TONES = (400.0, 440.0, 484.0, 532.0)
"""Hertz at 8,000 samples a second: a tone and a bit apart."""


def tones(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips of a quarter of a second, count 2048: a tone and its octave at any phase, labels count."""
    draw = np.random.RandomState(seed)
    labels = np.arange(count) % len(TONES)
    pitch = np.array(TONES)[labels] * 2 ** (draw.uniform(-0.2, 0.2, count) / 12)
    t = np.arange(2048) / 8000
    turns = 2 * np.pi * pitch[:, None] * t
    waves = np.sin(turns + draw.uniform(0, 6.28, (count, 1))) + 0.5 * np.sin(
        2 * turns + draw.uniform(0, 6.28, (count, 1))
    )
    return torch.from_numpy(waves.astype(np.float32)), torch.from_numpy(labels)


def _seen(waves: torch.Tensor) -> torch.Tensor:
    """Logarithms of the lower 96 bins of the spectrogram, B 1 96 M."""
    return (spectrogram(waves)[:, None, :96] + 1e-2).log()


def sounds(budget: Budget) -> Outcome:
    """A small convnet on spectrograms, trained with and without noisy and shifted copies."""
    waves, y = tones(200, 0)
    test, truth = tones(600, 1)
    noisy = add_noise(test, torch.arange(len(test)), snr=-6, seed=1, epoch=0)

    def net() -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(1, 12, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 16, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2), nn.AdaptiveAvgPool2d((24, 1)), nn.Flatten(), nn.Linear(16 * 24, 4))  # fmt: skip

    draws = np.random.RandomState(126)

    def with_noise(batch: torch.Tensor) -> torch.Tensor:
        epoch = int(draws.randint(1 << 30))
        return _seen(add_noise(batch, torch.arange(len(batch)), snr=float(draws.uniform(-9, 20)), seed=2, epoch=epoch))

    hits = {}
    for name, change in (("none", _seen), ("noise", with_noise)):
        with seeded(126, 0):
            model = net()
        fit(model, waves, y, steps=budget.steps, seed=126, batch=50, lr=3e-3, change=change)
        hits[name] = {told: right(model, _seen(given), truth) for told, given in (("clean", test), ("noisy", noisy))}
    rows = [[name, *(f"{100 * h.mean():.1f} %" for h in found.values())] for name, found in hits.items()]
    return Outcome(
        {"E126": more_right(hits["noise"]["noisy"], hits["none"]["noisy"], "on noisy sounds, noisy copies beside none",
                            by=0.2)},
        (Listing("Right on 600 sounds", ["copies", "clean", "noisy"], rows),),
        f"200 sounds to learn, four tones {TONES[0]:.0f} to {TONES[-1]:.0f} Hz; noise of 6 dB above the sound; 25 % is "
        "chance. Copies in another pitch or tempo are not measured.",
    )  # fmt: skip


def _growing(blocks: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(blocks):
        layers.append(vgg_block(16 * 2 ** (i - 1) if i else 1, 16 * 2**i, 2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16 * 2 ** (blocks - 1), 10))


def _epoch(blocks: int, device: str, x: torch.Tensor, y: torch.Tensor, steps: int) -> float:
    """Seconds of an epoch of 60,000 digits, from some of its steps."""
    with seeded(133, blocks):
        net = _growing(blocks).to(device)
    given, wanted = x.to(device), y.to(device)
    fit(net, given, wanted, steps=2, seed=133)
    begun = time.perf_counter()
    fit(net, given, wanted, steps=steps, seed=133)  # each step reads its loss, and so waits for the device
    return (time.perf_counter() - begun) / steps * 60_000 / 128


def machines(budget: Budget) -> Outcome:
    """Seconds an epoch of nets of two to eight convolutions, on one core and, where there is one, on a GPU."""
    data = digits(1000, 1)
    taken = {"one core": {n: _epoch(n, "cpu", data.x, data.y, budget.steps) for n in (1, 2, 3, 4)}}
    there = torch.cuda.is_available()
    if there:
        taken["GPU"] = {n: _epoch(n, "cuda", data.x, data.y, 20 * budget.steps) for n in (1, 2, 3, 4)}
    rows = [[f"{2 * n} convolutions", *(f"{where[n]:.0f}" for where in taken.values())] for n in (1, 2, 3, 4)]
    finding = Finding(NEEDS_GPU, f"an epoch of the deepest takes {taken['one core'][4]:.0f} s on one core")
    if there:
        times = {n: taken["one core"][n] / taken["GPU"][n] for n in (1, 4)}
        finding = exact(times[4] > max(5.0, times[1]), f"a GPU is {times[1]:.0f} times faster with two convolutions "
                        f"and {times[4]:.0f} times with eight")  # fmt: skip
    return Outcome(
        {"E133": finding},
        (Listing("Seconds for 60,000 digits, once", ["net", *taken], rows),
         Bars("Seconds an epoch, one core", {f"{2 * n} convolutions": s for n, s in taken["one core"].items()})),
        f"Times of this machine, from {budget.steps} steps of 128; the other half of the claim needs a GPU.",
    )  # fmt: skip


EXPERIMENTS = (
    Experiment("10.4", "Copies of sounds", ("E126",), "Four tones, 200 clips of a quarter of a second, a small convnet "
               "on spectrograms.", sounds, Budget(30, steps=300), Budget(6, steps=40),
               "copies with noise gain more than 20 points on noisy sounds, by interval"),
    Experiment("10.6", "The machine", ("E133",), "Nets of two to eight convolutions on digits, a few steps timed.",
               machines, Budget(30, steps=10), Budget(8, steps=2),
               "a GPU is more than five times faster on the deepest net, and gains more there than on the smallest"),
)  # fmt: skip
