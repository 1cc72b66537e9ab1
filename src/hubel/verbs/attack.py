"""Attack: change a picture so little that nobody sees it, and so that the net says something else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hubel.checkpoint import Classifier
from hubel.errors import UsageError
from hubel.figures.theme import Figure
from hubel.figures.tiles import tiles
from hubel.records.subjects import Look, look, samples_of
from hubel.robustness import attacks
from hubel.robustness.attacks import Attack
from hubel.watching import SILENT, Watcher


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """One picture, before and after."""

    done: Attack
    look: Look
    before: tuple[str, float]
    """Class and probability."""
    after: tuple[str, float]

    @property
    def sentence(self) -> str:
        """The result in words."""
        size = f"changing no pixel by more than {255 * self.done.largest[0]:.2g} of 255"
        if not self.done.flipped[0]:
            return f"The net still says {self.after[0]} ({self.after[1]:.0%}) after {size}."
        said, says = (f"{name} ({share:.0%})" for name, share in (self.before, self.after))
        return f"The net said {said}; {size}, it says {says}."


def attack(
    run: str | Path | Classifier,
    picture: Any,
    *,
    method: str = "pgd",
    eps: float = 4 / 255,
    steps: int = 20,
    seed: int = 0,
    device: str = "auto",
) -> Attacked:
    """Attack one picture by "fgsm", "pgd" or "flip" (the smallest change); `eps` is the largest change, of 1."""
    seen = look(run, picture, device=device)
    done = attacks.attack(
        seen.model,
        seen.image,
        method=method,
        eps=eps,
        pixels=attacks.Pixels.of(seen.preprocessing),
        steps=steps,
        seed=seed,
    )
    before, after = (seen.ranking(part[0], 1)[0] for part in (done.before, done.after))
    return Attacked(done=done, look=seen, before=before, after=after)


@dataclass(frozen=True, kw_only=True)
class Success:
    """How often an attack succeeds on a set."""

    method: str
    eps: float
    samples: int
    right: int
    """Samples that the net classified rightly before."""
    flipped: int
    """Of these, wrong afterwards."""

    @property
    def sentence(self) -> str:
        """The result in words."""
        before, after = self.right / self.samples, (self.right - self.flipped) / self.samples
        change = "the smallest change" if np.isnan(self.eps) else f"{255 * self.eps:.2g} of 255"
        share = f"{self.flipped / self.right:.0%}" if self.right else "none"
        return (
            f"{self.method} with {change}: accuracy falls from {before:.1%} to {after:.1%} on {self.samples:,} "
            f"samples; {share} of the right decisions flip."
        )


def attack_rate(
    run: str | Path | Classifier,
    data: str | Path | None = None,
    *,
    method: str = "pgd",
    eps: float = 4 / 255,
    steps: int = 20,
    split: str = "test",
    limit: int | None = 500,
    seed: int = 0,
    device: str = "auto",
    watch: Watcher = SILENT,
) -> Success:
    """Attack a `split` of the run's data, or other `data`: how many right decisions flip?"""
    samples = samples_of(run, data, split=split, limit=limit, device=device, seed=seed, watch=watch)
    preprocessing = samples.classifier.preprocessing
    assert preprocessing is not None
    channels = preprocessing.channels
    mean, std = (tuple(np.broadcast_to(part, channels).tolist()) for part in (preprocessing.mean, preprocessing.std))
    right = flipped = 0
    watch.stage(f"attacking {len(samples.rows):,} samples")
    done_rows = 0
    for batch in samples.batches(64):
        done = attacks.attack(
            samples.classifier.model, batch.images, method=method, eps=eps, labels=batch.labels,
            pixels=attacks.Pixels(mean, std), steps=steps, seed=seed,
        )  # fmt: skip
        was_right = done.before.argmax(axis=1) == batch.labels.cpu().numpy()
        right += int(was_right.sum())
        flipped += int((done.flipped & was_right).sum())
        done_rows += len(batch)
        watch.progress(done_rows, len(samples.rows))
    return Success(
        method=method, eps=float("nan") if method == "flip" else eps, samples=done_rows, right=right, flipped=flipped
    )


def drawn(found: Attacked) -> Figure:
    """The picture, the change (enlarged so that it can be seen, grey is none), and what the net gets."""
    scale = found.look.preprocessing
    after = np.asarray(scale.denormalise(torch.from_numpy(found.done.images)))[0]
    before = found.look.pixels.astype(np.float64) / 255
    change = after - before
    largest = float(np.abs(change).max()) or 1.0
    shown = [
        found.look.pixels,
        np.clip(127.5 + 127.5 * change / largest, 0, 255).round().astype(np.uint8),
        np.clip(255 * after, 0, 255).round().astype(np.uint8),
    ]
    labels = [f"{name} {share:.0%}" for name, share in (found.before, found.after)]
    labels.insert(1, f"change x {1 / (2 * largest):.0f}")
    return tiles(shown, labels=labels, side=220, columns=3, alt=found.sentence, caption=found.sentence)


def as_eps(text: str) -> float:
    """A share of 1 from "4/255" or "0.016".

    >>> as_eps("4/255") == 4 / 255, as_eps("0.1")
    (True, 0.1)
    """
    above, slash, below = text.partition("/")
    try:
        value = float(above) / float(below) if slash else float(above)
    except (ValueError, ZeroDivisionError):
        value = -1.0
    if not 0 < value <= 1:
        raise UsageError(f"eps must be a share of 1 such as 4/255 or 0.016, got {text!r}")
    return value
