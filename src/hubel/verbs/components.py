"""What parts there are: layers, blocks, activations, losses, optimisers, schedules, kernels, metrics and more.

Read from the registries themselves, with those that a user has added; `hubel.lessons.parts` has the list without them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_sample_image
from torch import nn

from hubel.data.augment import AUGMENTATIONS, build_augment, preview
from hubel.data.augment_audio import SOUND
from hubel.data.augment_video import VIDEO
from hubel.errors import UsageError, unknown
from hubel.figures.contact_sheet import contact_sheet
from hubel.figures.panels import Line, panels
from hubel.figures.theme import Figure
from hubel.lessons.parts import Part, choose, find
from hubel.metrics import METRICS, Metric
from hubel.nn.activations import ACTIVATIONS
from hubel.nn.blocks import BLOCKS
from hubel.nn.init import INITIALISERS, initialise
from hubel.nn.kernels import KERNELS, Kernel, apply_kernel
from hubel.nn.layers import LAYERS
from hubel.nn.losses import LOSSES
from hubel.registry import Component, Registry
from hubel.runtime import seeded
from hubel.training.optimisers import OPTIMISERS, Optimiser, build_optimiser
from hubel.training.schedules import SCHEDULES
from hubel.verbs.plot import activations, losses, schedules

__all__ = ["PICTURES", "Part", "component", "components", "picture"]

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


def components(pattern: str = "*", *, kind: str = "") -> tuple[Part, ...]:
    """All parts, or those of a kind, whose name fits a shell pattern, in the order of the registries.

    Raises UnknownName for a kind that is not there.

    >>> [part.name for part in components("*elu", kind="activations")][:3]
    ['relu', 'leaky-relu', 'prelu']
    """
    return choose(_all(), pattern, kind=kind)


def component(name: str) -> tuple[Part, ...]:
    """The parts called `name`: one, or several of different kinds. Raises UnknownName with near names.

    >>> print(component("gelu")[0].formula)
    x Φ(x)
    """
    return find(_all(), name)


def _all() -> Iterator[Part]:
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


# ------------------------------------------------------------------------------------------------ pictures


def picture(kind: str) -> Figure:
    """All parts of a kind in one drawing, computed by the parts themselves. Raises UnknownName for other kinds.

    >>> picture("schedules").kind
    'svg'
    """
    if kind not in PICTURES:
        raise unknown("picture", kind, PICTURES)
    return PICTURES[kind]()


def _activations() -> Figure:
    names = [name for name in ACTIVATIONS if ACTIVATIONS.get(name).pointwise]
    title = "Activations with their derivatives (sine with ω = 3)"
    return panels(activations(names), title=title, names=("function", "derivative"), y_range=(-2, 4))


def _schedules() -> Figure:
    title = "Schedules: factor of the base rate over 100 steps, ten an epoch"
    return panels(schedules(SCHEDULES.names()), title=title, columns=5, y_range=(-0.05, 1.05))


def _losses() -> Figure:
    names = [name for name in LOSSES if LOSSES.get(name).classifies]
    title = "Losses: over the error (mse, l1, smooth-l1, huber), else over the lead of the right class's logit"
    return panels(losses(names), title=title, names=("loss", "slope"), columns=5, y_range=(-2, 5))


def _optimisers() -> Figure:
    """Sixty steps of each down a long valley, (x² + 20 y²) / 2, from (−4, 1)."""
    drawings: dict[str, list[Line]] = {}
    for name in OPTIMISERS:
        if name == "muon-sphere":  # it moves along a sphere only, and the valley has none
            continue
        place = nn.Parameter(torch.tensor([[-4.0, 1.0]]))
        holder = nn.ParameterList([place])
        rates = {"gd": 0.08, "sgd": 0.08, "momentum": 0.02, "nesterov": 0.02, "rmsprop": 0.1, "adam": 0.3, "adamw": 0.3,
                 "adagrad": 1.0, "adadelta": 100.0, "muon": 0.5}  # fmt: skip
        optimiser = build_optimiser(name, holder, lr=rates[name])
        path = [place.detach().clone()]
        for _ in range(60):
            loss = (place[0, 0] ** 2 + 20 * place[0, 1] ** 2) / 2
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            path.append(place.detach().clone())
        points = torch.cat(path).numpy()
        drawings[name] = [(points[:, 0], points[:, 1])]
    title = "Optimisers: 60 steps from (−4, 1) down the valley (x² + 20 y²) / 2, whose floor is (0, 0)"
    return panels(drawings, title=title, columns=5, x_range=(-4.5, 2), y_range=(-1.3, 1.3))


def _initialisations() -> Figure:
    """Standard deviation of the values behind each of thirty dense layers of 128 with ReLU, and with tanh."""
    depth = np.arange(1, 31)
    drawings: dict[str, list[Line]] = {}
    with torch.no_grad(), seeded(0):
        images = torch.randn(128, 128)
        for name in INITIALISERS:
            lines = []
            for act in (nn.ReLU(), nn.Tanh()):
                x, spread = images, []
                layers = nn.ModuleList(nn.Linear(128, 128) for _ in depth)
                initialise(layers, name)
                for layer in layers:
                    x = act(layer(x))
                    spread.append(max(x.std().item(), 1e-8))
                lines.append((depth, np.array(spread)))
            drawings[name] = lines
    title = "Initialisations: spread of the values after each of 30 dense layers"
    return panels(drawings, title=title, names=("with ReLU", "with tanh"), columns=5, y_range=(1e-8, 100), log=True)


def _augmentations() -> Figure:
    tile = _tile()
    rows: dict[str, list[np.ndarray]] = {"as it is": [tile[0].permute(1, 2, 0).numpy()]}
    for name in AUGMENTATIONS:
        entry = AUGMENTATIONS.get(name)
        if entry.kind != "mix":
            rows[entry.example] = list(preview(tile, build_augment(entry.example), torch.tensor([1]), epochs=8)[0])
    return contact_sheet(rows, title="Augmentations: one picture in eight epochs")


def _kernels() -> Figure:
    tile = _tile().float() / 255
    rows: dict[str, list[np.ndarray]] = {}
    for name in KERNELS:
        out = apply_kernel(tile, name)
        signed = bool(KERNELS[name].weights.sum() == 0)
        shown = ((out / 2 + 0.5) if signed else out / max(1.0, float(KERNELS[name].weights.sum()))).clamp(0, 1)
        pair = (tile, shown)
        rows[name] = [(image[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy() for image in pair]
    return contact_sheet(rows, title="Before, after the kernel")


def _tile() -> torch.Tensor:
    """1 3 64 64, uint8: the flower that comes with scikit-learn."""
    photo = torch.from_numpy(np.ascontiguousarray(load_sample_image("flower.jpg")[::6, ::6]))
    return photo[4:68, 14:78].permute(2, 0, 1)[None].contiguous()


PICTURES: dict[str, Callable[[], Figure]] = {
    "activations": _activations,
    "losses": _losses,
    "optimisers": _optimisers,
    "schedules": _schedules,
    "initialisations": _initialisations,
    "augmentations": _augmentations,
    "kernels": _kernels,
}


def check_picture(kind: str, path: str) -> None:
    """Raise UsageError if the picture of `kind` cannot be written to a file of this name."""
    wanted = "png" if kind in ("augmentations", "kernels") else "svg"
    if not path.endswith(f".{wanted}"):
        raise UsageError(f"the picture of {kind} is a {wanted} file, got {path!r}", hint=f"--picture {kind}.{wanted}")
