"""All parts, read from the registries themselves, with those that a user has added."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from hubel.data.augment import AUGMENTATIONS
from hubel.data.augment_audio import SOUND
from hubel.data.augment_video import VIDEO
from hubel.lessons.parts import Part
from hubel.metrics import METRICS, Metric
from hubel.nn.activations import ACTIVATIONS
from hubel.nn.blocks import BLOCKS
from hubel.nn.init import INITIALISERS
from hubel.nn.kernels import KERNELS, Kernel
from hubel.nn.layers import LAYERS
from hubel.nn.losses import LOSSES
from hubel.nn.optimisers import OPTIMISERS, Optimiser
from hubel.registry import Component, Registry
from hubel.training.schedules import SCHEDULES

REGISTRIES: dict[str, Registry[Any]] = {
    "layers": LAYERS,
    "blocks": BLOCKS,
    "activations": ACTIVATIONS,
    "losses": LOSSES,
    "optimisers": OPTIMISERS,
    "schedules": SCHEDULES,
    "initialisations": INITIALISERS,
    "augmentations": AUGMENTATIONS,
    "sound": SOUND,
    "video": VIDEO,
    "kernels": KERNELS,
    "metrics": METRICS,
}
_SETTING = {
    "losses": "--loss {}",
    "optimisers": "--optimizer {}",
    "schedules": "--schedule {}",
    "initialisations": "--initialise {}",
    "augmentations": "--augment {}",
    "sound": "hubel.data.augment_audio.{}",
    "video": "hubel.data.augment_video.{}",
}


def all_parts() -> Iterator[Part]:
    """Every part of every kind, in the order of the registries.

    >>> next(all_parts()).kind
    'layers'
    """
    for kind, registry in REGISTRIES.items():
        for name, entry in registry.items():
            yield _part(kind, name, entry)


def _part(kind: str, name: str, entry: Any) -> Part:
    if isinstance(entry, Kernel):
        rows = " | ".join(" ".join(f"{weight:.3g}" for weight in row) for row in entry.weights[:3])
        return Part(
            kind=kind, name=name, title=entry.title, formula=rows + (" | …" if len(entry.weights) > 3 else ""),
            source="folklore", note=entry.note, options="", rows=entry.rows,
            used=f"hubel kernels PHOTO --kernel {name}",
        )  # fmt: skip
    if isinstance(entry, Metric):
        better = "larger is better" if entry.larger_is_better else "smaller is better"
        return Part(
            kind=kind, name=name, title=entry.title, formula=entry.formula, source=entry.source, options="",
            note=f"{entry.task}, {better}. {entry.note}".strip(), used=f"hubel evaluate RUN --metrics {name}", rows=(),
        )  # fmt: skip
    used = getattr(entry, "example", "") or (entry.build.__name__ if kind in ("sound", "video") else name)
    return Part(
        kind=kind, name=name, title=entry.title, formula=entry.formula, source=entry.source, note=entry.note,
        options=_options(kind, entry), used=_SETTING.get(kind, "").format(used), rows=entry.rows,
    )  # fmt: skip


def _options(kind: str, entry: Component[Any]) -> str:
    if isinstance(entry, Optimiser):
        return ", ".join([f"lr={entry.lr:g}", *(f"{name}={value}" for name, value in entry.settings.items())])
    given = {"weight", "first", "steps", "steps_per_epoch", "inplace", "device", "dtype"}
    given |= {"images", "draws", "height", "width"} if kind == "augmentations" else set()
    given |= {"waves", "spectra", "clips", "ids", "seed", "epoch"} if kind in ("sound", "video") else set()
    parameters = inspect.signature(entry.build).parameters.values()
    return ", ".join(
        p.name if p.default is p.empty else f"{p.name}={_shown(p.default)}"
        for p in parameters
        if p.name not in given and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    )


def _shown(default: object) -> str:
    return f"{default:.4g}" if isinstance(default, float) else getattr(default, "__name__", str(default))
