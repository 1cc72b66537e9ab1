"""Signals and sounds that are made here: what a net gets on them, in what time, and the pictures of the docs.

    python benchmarks/heard.py signals [--epochs 40]     vibrations of a shaft: even, loose, chipped
    python benchmarks/heard.py sounds [--epochs 12]      hums, chirps, clicks and hisses, as spectrograms
    ... --pictures FOLDER                                also writes the picture of the docs there

One JSON line a run: accuracy on the test part with its 95 % interval, seconds, parameters.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np

import hubel
from hubel.data.sounds import spectrogram
from hubel.figures.areas import areas
from hubel.figures.theme import CYCLE, Figure, canvas, finish, style

EACH = 80
"""Files of a class."""
RATE, STEPS = 16_000, 400
SHOWN = 4


def shaft(kind: str, draw: np.random.Generator) -> np.ndarray:
    """T numbers: a turn takes 18 to 26 steps; loose ones sway every second turn, chipped ones knock each turn."""
    turn, phase = draw.uniform(18, 26), draw.uniform(0, 2 * np.pi)
    at = 2 * np.pi * np.arange(STEPS) / turn + phase
    found = np.sin(at) + 0.4 * np.sin(2 * at + draw.uniform(0, 6))
    if kind == "loose":
        found += 0.5 * np.sin(0.5 * at)
    if kind == "chipped":
        found += 1.2 * np.exp(-((at % (2 * np.pi)) / 0.35))
    return found + 0.7 * draw.normal(size=STEPS)


def sound(kind: str, draw: np.random.Generator) -> np.ndarray:
    """S numbers from -1 to 1: a second of sound, in noise as loud as a tenth of it."""
    at = np.arange(RATE) / RATE
    if kind == "hum":
        tone = draw.uniform(120, 260)
        found = np.sum([np.sin(2 * np.pi * k * tone * at) / k for k in (1, 2, 3)], axis=0)
    elif kind == "chirp":
        low, slope = draw.uniform(400, 1500), draw.uniform(600, 1800)
        found = np.sin(2 * np.pi * (low * at + slope * at * at))
    elif kind == "click":
        found = np.zeros(RATE)
        for start in draw.integers(0, RATE - 400, 6):
            found[start : start + 400] += draw.normal(size=400) * np.exp(-np.arange(400) / 60)
    else:
        found = np.convolve(draw.normal(size=RATE), np.ones(int(draw.integers(2, 9))), "same")
    found = found / np.abs(found).max() + 0.1 * draw.normal(size=RATE)
    return np.asarray(0.8 * found / np.abs(found).max())


def signals(out: Path, epochs: int, threads: int, pictures: Path | None) -> None:
    """Three kinds of vibration, told by convolutions over time."""
    kinds = ("even", "loose", "chipped")
    _made(out / "shafts", kinds, lambda path, kind, draw: np.save(path.with_suffix(".npy"), shaft(kind, draw)))
    _trained(out / "shafts", epochs, threads)
    if pictures is not None:
        (pictures / "task-signals.svg").write_bytes(drawn(kinds).data)


def drawn(kinds: tuple[str, ...], steps: int = 160) -> Figure:
    """A signal of each kind above the other, its first `steps` steps."""
    draw = np.random.default_rng(0)
    with style():
        drawing = canvas(640, 300)
        for number, kind in enumerate(kinds):
            axes = drawing.add_subplot(len(kinds), 1, number + 1)
            axes.plot(shaft(kind, draw)[:steps], color=CYCLE[number], linewidth=1.4)
            axes.set_ylabel(kind)
            axes.set_yticks([0])
            axes.set_xlim(0, steps)
            axes.tick_params(labelbottom=number == len(kinds) - 1)
        axes.set_xlabel("step")
        return finish(drawing, caption="", alt="The first 160 steps of a vibration of each kind: even, loose, chipped.")


def sounds(out: Path, epochs: int, threads: int, pictures: Path | None) -> None:
    """Four kinds of sound, told from their spectrograms by a net that learns from nothing but them."""
    kinds = ("hum", "chirp", "click", "hiss")

    def save(path: Path, kind: str, draw: np.random.Generator) -> None:
        with wave.open(str(path.with_suffix(".wav")), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes((sound(kind, draw) * 32767).astype("<i2").tobytes())

    _made(out / "noises", kinds, save)
    _trained(out / "noises", epochs, threads, model="quicknet")
    if pictures is not None:
        draw = np.random.default_rng(0)
        rows = [(kind, [spectrogram(sound(kind, draw), RATE)[None] for _ in range(SHOWN)]) for kind in kinds]
        figure = areas(rows, (), side=150, alt="Spectrograms of four sounds of each class.")
        (pictures / "task-sounds.jpg").write_bytes(figure.data)


def _made(folder: Path, kinds: tuple[str, ...], save: Callable[[Path, str, np.random.Generator], None]) -> None:
    for number, kind in enumerate(kinds):
        (folder / kind).mkdir(parents=True)
        for k in range(EACH):
            save(folder / kind / str(k), kind, np.random.default_rng((number, k, 1)))


def _trained(folder: Path, epochs: int, threads: int, **settings: str) -> None:
    run = hubel.train(folder, epochs=epochs, out=folder.parent, threads=threads, device="cpu", verbose=False,
                      test_fraction=0.25, val_fraction=0.15, **settings)  # fmt: skip
    net = hubel.load(run.folder)
    print(json.dumps({"data": folder.name, "model": net.spec.architecture, "epochs": run.summary["epochs"],
                      "parameters": sum(p.numel() for p in net.model.parameters()),
                      "seconds": run.summary["seconds"], **run.summary["test"]}), flush=True)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["signals", "sounds"])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pictures", type=Path)
    given = parser.parse_args()
    part, usual = {"signals": (signals, 40), "sounds": (sounds, 12)}[given.part]
    with tempfile.TemporaryDirectory() as place:
        part(Path(place), given.epochs or usual, given.threads, given.pictures)
