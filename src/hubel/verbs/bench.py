"""Bench: how fast a net answers, in every form it can be served in, at every batch size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

from torch import nn

from hubel import runtime
from hubel.checkpoint import Classifier
from hubel.checkpoint.sizing import check_fresh
from hubel.deploy import latency as bench_room
from hubel.deploy.latency import FORMS, Form, Latency, Timing
from hubel.errors import UsageError
from hubel.figures import timing
from hubel.figures.theme import Figure
from hubel.models import CARDS, card, create_model
from hubel.records.nets import load
from hubel.watching import SILENT, Watcher

__all__ = ["FORMS", "Form", "Latency", "Timing", "as_json", "bench", "drawn", "sizes_up_to"]


def bench(
    net: str | Path | Classifier,
    *,
    batches: Sequence[int] = (1, 2, 4, 8, 16),
    forms: Sequence[str] = (),
    shape: Sequence[int] | None = None,
    seconds: float = 1.0,
    device: str = "auto",
    threads: int | None = None,
    watch: Watcher = SILENT,
) -> Latency:
    """Latency and throughput of a run, a classifier, or an architecture by name (with fresh weights).

    `shape`: C H W, for an architecture (None: what it was made for; a run has its own). `forms`: see FORMS; () for all.
    Raises UnknownName, UsageError, ArtefactError.
    """
    model, given, title = _net(net, shape)
    target = runtime.pick_device(device)

    def tell(text: str) -> None:
        watch.stage(text)
        if text.endswith("compiled"):
            watch.remark("torch.compile may take minutes; --form eager --form ready leaves it out")

    with runtime.threads(threads):
        return bench_room.latency(
            model.to(target),
            given,
            title=title,
            batches=batches,
            forms=forms,
            seconds=seconds,
            progress=tell,
        )


def sizes_up_to(most: int) -> list[int]:
    """1, 2, 4, … and `most`.

    >>> sizes_up_to(12)
    [1, 2, 4, 8, 12]
    """
    if most < 1:
        raise UsageError(f"the largest batch must be at least 1, got {most}")
    return [*(1 << k for k in range(most.bit_length()) if 1 << k < most), most]


def drawn(found: Latency) -> Figure:
    """Latency and throughput by batch size, a line a form."""
    times: dict[str, tuple[list[float], list[float], list[float]]] = {}
    batches: dict[str, list[int]] = {}
    for each in found.timings:
        low, middle, high = times.setdefault(each.form, ([], [], []))
        low.append(each.p10)
        middle.append(each.median)
        high.append(each.p90)
        batches.setdefault(each.form, []).append(each.batch)
    return timing.by_batch(times, batches, title=f"{found.title}, {'x'.join(map(str, found.shape))}")


def as_json(found: Latency) -> str:
    """Everything that was measured, as JSON; seconds as numbers, what is not known as null."""
    facts: dict[str, Any] = asdict(found)
    for row, each in zip(facts["timings"], found.timings, strict=True):
        row["images_per_second"] = each.images_per_second
    for row, form in zip(facts["forms"], found.forms, strict=True):
        row["agrees"] = form.agrees
    for row in (*facts["timings"], *facts["forms"]):
        row |= {key: None for key, value in row.items() if isinstance(value, float) and not isfinite(value)}
    return json.dumps(facts, indent=1, ensure_ascii=False)


def _net(net: str | Path | Classifier, shape: Sequence[int] | None) -> tuple[nn.Module, tuple[int, ...], str]:
    """The net, the shape of a picture, and what to call it."""
    name = "classifier" if isinstance(net, Classifier) else str(net)
    trained = isinstance(net, Classifier) or (name not in CARDS and not name.endswith((".yaml", ".yml")))
    if trained and not name.startswith("timm/"):
        classifier = net if isinstance(net, Classifier) else _run(name)
        if shape is not None:
            raise UsageError("a trained run has its own input shape", hint="leave --input out, or name an architecture")
        spec = classifier.spec
        given = (spec.in_chans, *(spec.img_size or ()))
        return classifier.model, given, f"{name} ({spec.architecture})"
    entry = card(name)
    if shape is None:
        size = entry.img_size
        shape = (entry.in_chans, *(() if size is None else (size, size) if isinstance(size, int) else size))
    if len(shape) not in (1, 3) or min(shape) < 1:
        raise UsageError(f"a picture has channels x height x width, got {tuple(shape)}", hint="e.g. --input 3x224x224")
    sides = (shape[1], shape[2]) if len(shape) == 3 else None
    check_fresh(name, shape[0], sides)
    with runtime.seeded(0):
        model = create_model(name, in_chans=shape[0], img_size=sides).eval()
    return model, tuple(shape), f"{name}, fresh weights"


def _run(name: str) -> Classifier:
    """The classifier of a run; for a name that is neither run nor net, near names of nets."""
    if not Path(name).exists() and not (Path("runs") / name).exists() and "/" not in name:
        card(name)
    return load(name)
