"""Attack: change a picture so little that nobody sees it, and so that the net says something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubel.checkpoint import Classifier
from hubel.errors import UsageError
from hubel.faces.progress import shows_progress
from hubel.records.samples import samples_of
from hubel.records.subjects import decided, see_picture
from hubel.robustness.attacks import AttackedPicture, AttackRate, attack_batches, attack_picture
from hubel.watching import SILENT, Watcher
from hubel.words import plural


def attack(
    run: str | Path | Classifier,
    picture: Any,
    *,
    method: str = "pgd",
    eps: float = 4 / 255,
    steps: int = 20,
    target: str | int | None = None,
    seed: int = 0,
    device: str = "auto",
) -> AttackedPicture:
    """Attack one picture by "fgsm", "pgd" or "flip" (the smallest change); `eps` is the largest change, of 1.

    Of a net that says several labels one is attacked, so that it is said no more, or is said: `target` by name or
    number, else the most probable.
    """
    seen = see_picture(run, picture, device=device, several=True)
    net, names = seen.decision(target)
    return attack_picture(
        net, seen.image, seen.pixels, seen.preprocessing, names, method=method, eps=eps, steps=steps, seed=seed
    )


@shows_progress
def attack_rate(
    run: str | Path | Classifier,
    data: str | Path | None = None,
    *,
    method: str = "pgd",
    eps: float = 4 / 255,
    steps: int = 20,
    target: str | int | None = None,
    split: str = "test",
    limit: int | None = 500,
    seed: int = 0,
    device: str = "auto",
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> AttackRate:
    """Attack a `split` of the run's data, or other `data`: how many right decisions flip?

    Of a net that says several labels `target` names the one whose decision is attacked.
    """
    samples = samples_of(
        run, data, split=split, limit=limit, device=device, seed=seed, judged=True, several=True, watch=watch
    )
    asked = samples.classifier
    assert asked.preprocessing is not None
    total = len(samples.rows)
    watch.stage(f"attacking {plural(total, 'sample')}")
    return attack_batches(
        decided(asked, target), samples.batches(64), asked.preprocessing, method=method, eps=eps,
        steps=steps, seed=seed, progress=lambda done: watch.progress(done, total),
    )  # fmt: skip


def as_eps(text: str) -> float:
    """A share of 1 from "4/255" or "0.016". Raises UsageError for what is none.

    >>> as_eps("4/255") == 4 / 255, as_eps("0.1")
    (True, 0.1)
    """
    above, slash, below = text.partition("/")
    try:
        value = float(above) / float(below) if slash else float(above)
    except (ValueError, ZeroDivisionError):
        value = -1.0
    if not 0 < value <= 1:
        raise UsageError(
            f"eps must be a share of 1 such as 4/255 or 0.016, got {text!r}", hint="4/255 is usual: hardly to be seen"
        )
    return value
