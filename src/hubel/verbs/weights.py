"""Bring weights from elsewhere into a run folder, from where every other verb takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hubel.checkpoint import ModelSpec, golden_images, golden_logits, save_weights
from hubel.checkpoint.foreign import read_foreign
from hubel.checkpoint.published import fetch
from hubel.checkpoint.sizing import check_memory, sized
from hubel.data.preprocessing import Preprocessing
from hubel.errors import ArtefactError, UsageError
from hubel.models import card, resolve
from hubel.models.fitting import Fit, aligned, fit_weights, other_head, renamed
from hubel.models.pretrained import IMAGENET_MEAN, IMAGENET_STD, published
from hubel.runtime import generator, seeded
from hubel.store import RunStore, shown
from hubel.views import Viewed

PUBLISHED = "published"
"""In place of a file: the ImageNet weights that were published for the architecture."""
MOST_CLASSES, MOST_SIDE = 1_000_000, 16_384
"""Of what a checkpoint can say: outputs, and pixels a side."""
GOLDEN = 1e-3
"""Largest deviation of a golden logit, relative to the largest: the other side may have computed elsewhere."""


@dataclass(frozen=True)
class Imported(Viewed):
    """Where the weights are now, and what became of each tensor."""

    run: str
    """The run folder."""
    architecture: str
    num_classes: int
    img_size: tuple[int, int]
    in_chans: int
    fit: Fit
    left_out: tuple[str, ...]
    """Entries of the file that were no tensors."""
    checked: bool = False
    """Were golden logits given, and met?"""


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
    fit: str | None = None,
    interpolation: str | None = None,
    crop_share: float | None = None,
    options: Mapping[str, Any] | None = None,
    rename: Sequence[tuple[str, str]] = (),
    golden: str | Path | None = None,
    partial: bool = False,
) -> Imported:
    """Read `file` safely (or the "published" weights), fit it to the architecture `model`, write a run folder.

    `num_classes` None takes it from the head in the file, `in_chans` None from its first layer, `img_size` None the
    published size, `mean` and `std` None those of ImageNet (none for one channel), and so on for the preprocessing.
    `rename` says which names in the file are which in the net: ("linear", "fc"). `golden` is a .safetensors file of
    `images` (N C H W as the net takes them) and the `logits` (N K) it must give to them.

    Raises ArtefactError when tensors of the net get no value, unless `partial` allows it, and where the golden logits
    are not met; UnknownName for an architecture that is not known, UsageError for settings that cannot be.
    """
    name, built_with = resolve(model, options or {})
    entry = card(name)
    given = None if str(file) != PUBLISHED else published(name)
    size = img_size if img_size is not None else given.size if given else entry.img_size
    if size is None:
        raise UsageError(
            f"{name} takes points, and weights are imported for nets that take pictures", hint="hubel models"
        )
    height, width = (size, size) if isinstance(size, int) else size
    for what, value, most in (("num_classes", num_classes, MOST_CLASSES), ("img_size", max(height, width), MOST_SIDE)):
        if value is not None and not 1 <= value <= most:
            raise UsageError(
                f"{what} must be 1 to {most:,}, got {value:,}", hint=f"leave --{what.replace('_', '-')} out"
            )
    if class_names and num_classes not in (None, len(class_names)):
        raise UsageError(f"{len(class_names)} class names came for {num_classes} outputs", hint="one name a line")

    usual_share = given.size / given.resize if given and fit in (None, "crop") else 1.0

    def seen(channels: int) -> Preprocessing:
        usual = channels == 3
        return Preprocessing(
            height=height, width=width, channels=channels, fit=fit or "crop",
            mean=tuple(mean if mean is not None else (given.mean if given else IMAGENET_MEAN) if usual else ()),
            std=tuple(std if std is not None else (given.std if given else IMAGENET_STD) if usual else ()),
            interpolation=interpolation or (given.interpolation if given else "bilinear"),
            crop_share=usual_share if crop_share is None else crop_share,
        )  # fmt: skip

    channels = entry.in_chans if in_chans is None else in_chans
    seen(channels)  # what cannot be is said before a long file is read
    spec = ModelSpec(
        architecture=name, num_classes=num_classes or len(class_names) or entry.num_classes, in_chans=channels,
        img_size=(height, width), options=built_with,
    )  # fmt: skip
    skeleton, needed = sized(spec)
    check_memory(needed)
    foreign = read_foreign(file) if given is None else read_foreign(fetch(given))
    tensors = renamed(foreign.tensors, rename)
    spec = _as_in_file(spec, skeleton, tensors, classes=num_classes is None and not class_names, stem=in_chans is None)
    preprocessing = seen(spec.in_chans)
    with seeded(0):
        net = spec.build()
    found = fit_weights(net, tensors, ordered=foreign.ordered)
    if class_names and len(class_names) != _outputs(net, spec, found):
        raise UsageError(
            f"{len(class_names)} class names came for {_outputs(net, spec, found)} outputs", hint="one name a line"
        )
    if not found.complete and not partial:
        raise ArtefactError(f"the weights do not fill {name}: {told(found)}", hint=_way_out(found))
    net.eval()
    if golden is not None:
        _check_golden(net, Path(golden))
    noise = torch.randint(0, 256, (8, spec.in_chans, height, width), dtype=torch.uint8, generator=generator(0))
    images = golden_images(noise)
    store = RunStore.create(out, name.replace("/", "-"))
    save_weights(
        store, "best", net.state_dict(),
        spec=spec, preprocessing=preprocessing,
        class_names=class_names or [f"class {number}" for number in range(spec.num_classes)],
        recipe={"imported": Path(file).name if given is None else given.file, "sha256": foreign.sha256},
        probes=(images, golden_logits(net, preprocessing, images)),
    )  # fmt: skip
    return Imported(
        str(store.folder), name, spec.num_classes, (height, width), spec.in_chans, found, foreign.left_out,
        checked=golden is not None,
    )  # fmt: skip


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


def _as_in_file(
    spec: ModelSpec, skeleton: nn.Module, tensors: Mapping[str, torch.Tensor], *, classes: bool, stem: bool
) -> ModelSpec:
    """The spec with as many `classes` as the head in the file has outputs, and channels as its `stem` takes."""
    wanted = {name: value for name, value in skeleton.state_dict().items() if value is not None}
    named, _ = aligned(wanted, tensors)
    head = str(getattr(skeleton, "head", ""))
    theirs = other_head(wanted, named, head) or head
    outputs = next((named[key] for end in ("bias", "weight") if (key := f"{theirs}.{end}") in named), None)
    if classes and outputs is not None and outputs.ndim:
        spec = replace(spec, num_classes=outputs.shape[0])
    first = next((name for name, value in wanted.items() if value.ndim == 4), None)
    # By name, or, where no name fits, the first filters of the file; a stem in groups says nothing about channels.
    came = named.get(first or "") if first in named else next((v for v in named.values() if v.ndim == 4), None)
    if stem and first is not None and wanted[first].shape[1] == spec.in_chans and came is not None and came.ndim == 4:
        fits = came.shape[0] == wanted[first].shape[0] and came.shape[2:] == wanted[first].shape[2:]
        spec = replace(spec, in_chans=came.shape[1]) if fits and came.shape[1] in (1, 3) else spec
    return spec


def _outputs(net: nn.Module, spec: ModelSpec, found: Fit) -> int:
    """Outputs of the head that came, where it did not fit; else of the net."""
    head = f"{getattr(net, 'head', '')}."
    return next((came[0] for name, _, came in found.mismatched if name.startswith(head) and came), spec.num_classes)


def _way_out(found: Fit) -> str:
    if found.missing and found.unexpected:
        old, new = (name.rpartition(".")[0] or name for name in (found.unexpected[0], found.missing[0]))
        return f"say which name is which, e.g. --rename {old}={new}; --partial leaves what is missing at random values"
    return "--partial leaves those at random values"


def _check_golden(net: nn.Module, path: Path) -> None:
    """Raise ArtefactError unless the net gives the images in a file the logits beside them, within a thousandth."""
    given = read_foreign(path).tensors
    images, logits = given.get("images"), given.get("logits")
    if images is None or logits is None or images.ndim != 4 or logits.ndim != 2 or len(images) != len(logits):
        raise ArtefactError(
            f"{shown(str(path))} must hold images (N C H W) and logits (N K)",
            hint='save_file({"images": x, "logits": net(x)}, FILE) of safetensors.torch writes one',
        )
    try:
        found = golden_logits(net, None, images)
    except (RuntimeError, UsageError) as error:
        raise ArtefactError(f"the net cannot take the golden images: {shown(str(error), 200)}") from error
    apart = float((found - logits.float()).abs().max()) if found.shape == logits.shape else float("inf")
    if not apart <= GOLDEN * max(1.0, float(logits.abs().max())):
        raise ArtefactError(
            f"the net answers the golden images otherwise: off by {apart:.3g}",
            hint="a tensor stands in the wrong place, or the architecture is another one: --rename, --option",
        )
