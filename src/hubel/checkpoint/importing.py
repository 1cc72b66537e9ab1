"""What a file of foreign weights says about its net, and whether it fits: classes, channels, names, golden answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from hubel.checkpoint.classifier import ModelSpec, golden_logits
from hubel.checkpoint.foreign import read_foreign
from hubel.data.preprocessing import Preprocessing
from hubel.errors import ArtefactError, UsageError
from hubel.models.fitting import Fit, aligned, at_the_place_of, other_head
from hubel.models.naming import in_order
from hubel.store import shown
from hubel.views import Viewed

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
    own: bool = False
    """Did the file say itself which net of hubel's it is? Then it needs no import."""
    checked: bool = False
    """Were golden logits given, and met?"""
    preprocessing: Preprocessing | None = None
    """How pictures are prepared for the net: as was said, and for the rest as is usual."""
    published: str = ""
    """The published weights that the file is, by its digest; "" for others."""


def as_in_file(
    spec: ModelSpec,
    skeleton: nn.Module,
    tensors: Mapping[str, torch.Tensor],
    *,
    classes: bool,
    stem: bool,
    ordered: bool,
) -> ModelSpec:
    """The spec with as many `classes` as the head in the file has outputs, and channels as its `stem` takes.

    Each only if asked for. `ordered`: the file has its author's order, so that a head without a name is found by it.
    """
    wanted = {name: value for name, value in skeleton.state_dict().items() if value is not None}
    named, _ = aligned(wanted, tensors)
    told = in_order(named)
    named, ordered = (named, ordered) if told is None else (told, True)
    head = str(getattr(skeleton, "head", ""))
    theirs = other_head(wanted, named, head) or head
    outputs = next((named[key] for end in ("bias", "weight") if (key := f"{theirs}.{end}") in named), None)
    if outputs is None and ordered:
        outputs = at_the_place_of(f"{head}.weight", wanted, named)
    if classes and outputs is not None and outputs.ndim:
        spec = replace(spec, num_classes=outputs.shape[0])
    first = next((name for name, value in wanted.items() if value.ndim == 4), None)
    # By name, or, where no name fits, the first filters of a file that has its order; a stem in groups says nothing.
    came = named.get(first or "")
    if came is None and ordered:
        came = next((value for value in named.values() if value.ndim == 4), None)
    if stem and first is not None and wanted[first].shape[1] == spec.in_chans and came is not None and came.ndim == 4:
        fits = came.shape[0] == wanted[first].shape[0] and came.shape[2:] == wanted[first].shape[2:]
        spec = replace(spec, in_chans=came.shape[1]) if fits and came.shape[1] in (1, 3) else spec
    return spec


def outputs_of(net: nn.Module, spec: ModelSpec, found: Fit) -> int:
    """Outputs of the head that came, where it did not fit; else of the net."""
    head = f"{getattr(net, 'head', '')}."
    return next((came[0] for name, _, came in found.mismatched if name.startswith(head) and came), spec.num_classes)


def way_out(found: Fit) -> str:
    """What to do about weights that do not fit."""
    if found.missing and found.unexpected:
        old, new = (name.rpartition(".")[0] or name for name in (found.unexpected[0], found.missing[0]))
        return f"say which name is which, e.g. --rename {old}={new}; --partial leaves what is missing at random values"
    return "--partial leaves those at random values"


def check_golden(net: nn.Module, path: Path) -> None:
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
        raise ArtefactError(
            f"the net cannot take the golden images: {shown(str(error), 200)}",
            hint="the file's images must be as the net takes them: in number of channels and in size",
        ) from error
    apart = float((found - logits.float()).abs().max()) if found.shape == logits.shape else float("inf")
    if not apart <= GOLDEN * max(1.0, float(logits.abs().max())):
        raise ArtefactError(
            f"the net answers the golden images otherwise: off by {apart:.3g}",
            hint="a tensor stands in the wrong place, or the architecture is another one: --rename, --option",
        )
