"""Bring weights from elsewhere into a run folder, from where every other verb takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hubel.checkpoint import ModelSpec, golden_images, golden_logits, save_weights
from hubel.checkpoint.foreign import read_foreign
from hubel.checkpoint.published import fetch
from hubel.data.preprocessing import Preprocessing
from hubel.errors import ArtefactError, UsageError
from hubel.models import card, resolve
from hubel.models.fitting import Fit, fit_weights
from hubel.models.pretrained import IMAGENET_MEAN, IMAGENET_STD, published
from hubel.runtime import generator, seeded
from hubel.store import RunStore

PUBLISHED = "published"
"""In place of a file: the ImageNet weights that were published for the architecture."""


@dataclass(frozen=True)
class Imported:
    """Where the weights are now, and what became of each tensor."""

    run: str
    """The run folder."""
    architecture: str
    num_classes: int
    img_size: tuple[int, int]
    fit: Fit
    left_out: tuple[str, ...]
    """Entries of the file that were no tensors."""


def import_weights(
    file: str | Path,
    *,
    model: str,
    out: str | Path = "runs",
    class_names: Sequence[str] = (),
    num_classes: int | None = None,
    in_chans: int | None = None,
    img_size: int | tuple[int, int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    options: Mapping[str, Any] | None = None,
    partial: bool = False,
) -> Imported:
    """Read `file` safely (or the "published" weights), fit it to the architecture `model`, write a run folder.

    `num_classes` None takes it from the head in the file, `img_size` None the published size, `mean` and `std` None
    those of ImageNet (none for one channel). Raises ArtefactError when tensors of the net get no value, unless
    `partial` allows it; UnknownName for an architecture that is not known, UsageError for settings that cannot be.
    """
    name, built_with = resolve(model, options or {})
    entry = card(name)
    given = None if str(file) != PUBLISHED else published(name)
    foreign = read_foreign(file) if given is None else read_foreign(fetch(given), legacy=True)
    size = img_size or (given.size if given else None) or entry.img_size
    if size is None:
        raise UsageError(
            f"{name} takes points, and weights are imported for nets that take pictures", hint="hubel models"
        )
    height, width = (size, size) if isinstance(size, int) else size
    channels = in_chans or entry.in_chans
    spec = ModelSpec(
        architecture=name, num_classes=num_classes or len(class_names) or entry.num_classes, in_chans=channels,
        img_size=(height, width), options=built_with,
    )  # fmt: skip
    if num_classes is None and not class_names:
        spec = _with_head(spec, foreign.tensors)
    if class_names and len(class_names) != spec.num_classes:
        raise UsageError(f"{len(class_names)} class names came for {spec.num_classes} outputs", hint="one name a line")
    with seeded(0):
        net = spec.build()
    fit = fit_weights(net, foreign.tensors)
    if not fit.complete and not partial:
        raise ArtefactError(
            f"the weights do not fill {name}: {told(fit)}", hint="--partial leaves those at random values"
        )
    usual = channels == 3
    preprocessing = Preprocessing(
        height=height, width=width, channels=channels, fit="crop",
        mean=tuple(mean if mean is not None else (given.mean if given else IMAGENET_MEAN) if usual else ()),
        std=tuple(std if std is not None else (given.std if given else IMAGENET_STD) if usual else ()),
        interpolation=given.interpolation if given else "bilinear",
    )  # fmt: skip
    net.eval()
    noise = torch.randint(0, 256, (8, channels, height, width), dtype=torch.uint8, generator=generator(0))
    images = golden_images(noise)
    store = RunStore.create(out, name.replace("/", "-"))
    save_weights(
        store, "best", net.state_dict(),
        spec=spec, preprocessing=preprocessing,
        class_names=class_names or [f"class {number}" for number in range(spec.num_classes)],
        recipe={"imported": Path(file).name if given is None else given.file, "sha256": foreign.sha256},
        probes=(images, golden_logits(net, preprocessing, images)),
    )  # fmt: skip
    return Imported(str(store.folder), name, spec.num_classes, (height, width), fit, foreign.left_out)


def told(fit: Fit) -> str:
    """What did not fit, in one line."""
    parts = []
    if fit.mismatched:
        name, wanted, came = fit.mismatched[0]
        parts.append(
            f"{len(fit.mismatched)} differ in shape (the first, {name!r}: {_by(wanted)} wanted, {_by(came)} came)"
        )
    for names, what in ((fit.missing, "are missing"), (fit.unexpected, "are not in the net")):
        if names:
            parts.append(f"{len(names)} {what} (the first: {names[0]!r})")
    return "; ".join(parts) or "all tensors fit"


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "one number"


def _with_head(spec: ModelSpec, tensors: Mapping[str, torch.Tensor]) -> ModelSpec:
    """The spec with as many classes as the head in the file has outputs, where the file has such a head."""
    with torch.device("meta"):
        head = getattr(spec.build(), "head", "")
    for name in (f"{head}.bias", f"{head}.weight"):
        if name in tensors and tensors[name].ndim:
            return ModelSpec(**{**vars(spec), "num_classes": tensors[name].shape[0]})
    return spec
