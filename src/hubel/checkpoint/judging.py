"""Does a file hold what a net needs? Names, types and shapes before memory is spent, values and answers after."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import nn

from hubel.checkpoint.classifier import ModelSpec, golden_logits
from hubel.checkpoint.sizing import TooMuchWork, check_memory, sized
from hubel.checkpoint.tensors import Table, first_not_finite, table_of
from hubel.data.preprocessing import Preprocessing
from hubel.errors import DAMAGED, ArtefactError, HubelError, UsageError
from hubel.models import CARDS
from hubel.models.ensemble import NAME as ENSEMBLE
from hubel.models.files import unread
from hubel.runtime import seeded
from hubel.store import shown
from hubel.words import amount, plural

TOLERANCE = 1e-4
"""Largest deviation of a golden logit, relative to the largest logit: devices and kernels differ by less."""
_TIMM = re.compile(r"timm/[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?")
_TIMM_OPTIONS = frozenset({"pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir"})
"""Words with which timm would fetch or open files; a checkpoint may not say them."""


def judge_architecture(spec: ModelSpec, wanted: Mapping[str, str], size: int) -> None:
    """Build the net without memory and compare it with the file; raises ArtefactError before any is spent."""
    away = unread(spec.architecture)
    if away is not None:
        raise ArtefactError(away[0], hint=away[1])
    ours = spec.architecture in CARDS or spec.architecture == ENSEMBLE
    known = ours or _TIMM.fullmatch(spec.architecture)
    if not known or (not ours and not _TIMM_OPTIONS.isdisjoint(spec.options)):
        raise ArtefactError(
            f"the checkpoint names the architecture {shown(spec.architecture)}, which is not in the catalogue",
            hint="register a net of your own before reading it: hubel.register_model(…); or install the package that "
            "offers it; else another version of hubel made it, and the nets of this one are: hubel models",
        )
    try:
        model, needed = sized(spec, most_calls=10_000 + 100 * len(wanted))
    except TooMuchWork as error:
        raise ArtefactError(
            "the architecture in the checkpoint is far larger than its weights", hint=DAMAGED
        ) from error
    except HubelError as error:
        raise ArtefactError(f"the checkpoint's architecture cannot be built: {error.what}", hint=error.hint) from error
    if needed.weight_bytes > 2 * size + (256 << 20):
        raise ArtefactError(
            f"the checkpoint's architecture needs {amount(needed.weight_bytes)}, its file has {amount(size)}",
            hint=DAMAGED,
        )
    compare(described(model.state_dict()), wanted, f"the architecture {spec.architecture!r}", "the checkpoint")
    try:
        check_memory(needed)
    except UsageError as error:
        raise ArtefactError(error.what, hint="a machine with more memory can load it") from error


def meet(
    model: nn.Module,
    preprocessing: Preprocessing | None,
    golden: Mapping[str, torch.Tensor],
    spec: ModelSpec,
    where: str,
) -> None:
    """Raise ArtefactError unless the model gives the golden images their golden logits."""
    images, logits = golden.get("images"), golden.get("logits")
    if images is None or logits is None or len(golden) != 2 or images.dim() < 2 or len(images) > 1000:
        raise ArtefactError(f"{where} must hold images and logits, and nothing else", hint=DAMAGED)
    right_kind = images.dtype == (torch.uint8 if preprocessing else torch.float32)
    right_shape = preprocessing is None or tuple(images.shape[1:]) == preprocessing.shape
    if not right_kind or not right_shape or tuple(logits.shape) != (len(images), spec.num_classes):
        raise ArtefactError(f"{where} does not fit the preprocessing and the classes of the checkpoint", hint=DAMAGED)
    try:
        found = golden_logits(model, preprocessing, images)
    except RuntimeError as error:
        raise ArtefactError(
            f"the model cannot take the golden images in {where}: {shown(str(error))}", hint=DAMAGED
        ) from error
    apart = float((found - logits.float()).abs().max()) if found.shape == logits.shape and len(images) else 0.0
    allowed = TOLERANCE * max(1.0, float(logits.abs().max()) if len(images) else 0.0)
    if found.shape != logits.shape or not apart <= allowed:
        raise ArtefactError(
            "the model answers its golden images otherwise than when it was saved: "
            f"off by {apart:.3g}, allowed {allowed:.3g}",
            hint="the architecture or the preprocessing changed since; load it with the hubel named under made_with",
        )


def filled(spec: ModelSpec, tensors: Mapping[str, torch.Tensor], where: str) -> nn.Module:
    """The net with its weights, in evaluation mode; raises ArtefactError for values that are none."""
    broken = first_not_finite(tensors)
    if broken is not None:
        raise ArtefactError(f"{where}: tensor {broken!r} holds NaN or infinity", hint="take another checkpoint")
    with seeded(0):
        model = spec.build()
    model.load_state_dict(tensors)
    return model.eval()


def described(tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """The same of tensors that are here."""
    return texts(table_of(tensors))


def texts(table: Table) -> dict[str, str]:
    """Each name with its dtype and shape: "F32 64 3 7 7"."""
    return {name: _text(code, shape) for name, code, shape in table}


def _text(code: str, shape: tuple[int, ...]) -> str:
    return " ".join([code, *map(str, shape)])


def compare(wanted: Mapping[str, str], found: Mapping[str, str], of: str, where: str) -> None:
    """Raise ArtefactError naming the first tensors in which the file differs."""
    if wanted == found:
        return
    missing = [name for name in wanted if name not in found]
    strange = [name for name in found if name not in wanted]
    other = [name for name in wanted if name in found and wanted[name] != found[name]]
    if other:
        name = other[0]
        text = f"tensor {shown(name)} is {shown(found[name])}, not {shown(wanted[name])}"
    elif missing:
        text = f"{plural(len(missing), 'tensor')} missing, first {shown(missing[0])}"
    else:
        text = f"{plural(len(strange), 'tensor')} too many, first {shown(strange[0])}"
    raise ArtefactError(
        f"{where} does not fit {of}: {text}", hint="it was saved for another architecture or class count"
    )
