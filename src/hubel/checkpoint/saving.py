"""Trained weights written: the files of one name (`hubel.checkpoint.weights` says which), replaced all or none.

The new tensors are written beside the old ones as `*.next`; the JSON then changes over to their digests in one rename;
last, the files take their places. Wherever this is cut, exactly one set of files fits the JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hubel.checkpoint.classifier import ModelSpec, views_of
from hubel.checkpoint.judging import described
from hubel.checkpoint.manifest import (
    MANIFEST_LIMIT,
    VERSION,
    About,
    Architecture,
    File,
    Form,
    Manifest,
    Sight,
    TableColumns,
    plain_of,
    read_manifest,
)
from hubel.checkpoint.packed import SUFFIX as PACKED
from hubel.checkpoint.packed import pack
from hubel.checkpoint.tensors import sha256_of, write_tensors
from hubel.data.columns import Columns
from hubel.data.preprocessing import Preprocessing
from hubel.errors import ArtefactError, UsageError
from hubel.runtime import environment
from hubel.store import RunStore, opened, shown

EPOCH = "epoch-{:06d}"
"""What the weights of an epoch are called that a run keeps; 0 are those before the first step."""
FORMS = (".safetensors", PACKED)
"""Files of weights, each of which may stand alone."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def save_weights(
    store: RunStore,
    name: str,
    model_state: Mapping[str, torch.Tensor],
    *,
    spec: ModelSpec,
    preprocessing: Preprocessing | None,
    class_names: Sequence[str],
    columns: Columns | None = None,
    recipe: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float | int | str | None] | None = None,
    data_digest: str = "",
    probes: tuple[torch.Tensor, torch.Tensor] | None = None,
    form: Form = "safetensors",
) -> None:
    """Write weights/`name`, replacing what had that name only when all of the new is on the disk.

    `model_state` is a state dict; `probes` are golden images (see `golden_images`) and the logits the model gave them.
    In the `form` "packed" zeros are left out and values that are shared stand once (`hubel.checkpoint.packed`).
    Raises SaveFailed, and leaves the old checkpoint loadable, when the disk does not take it.
    """
    files, other = names_of(name, form), names_of(name, "safetensors" if form == "packed" else "packed")
    _settle(store, name)
    net = _said(spec, preprocessing, columns, class_names, metrics, data_digest)
    about = _about(net, recipe)
    weights = _write(store, files.weights, model_state, about=about)
    golden = None if probes is None else _write(store, files.probes, {"images": probes[0], "logits": probes[1]})
    manifest = Manifest(
        **net,
        format="hubel-weights",
        recipe=dict(recipe or {}),
        tensors=described(model_state),
        weights=weights,
        probes=golden,
        form=form,
    )
    store.write_json(files.manifest, plain_of(manifest), sealed=True, limit=MANIFEST_LIMIT)
    for file in (files.weights, files.probes) if golden else (files.weights,):
        store.rename(f"{file}.next", file)
    for file in (other.weights, *([] if golden else [files.probes])):
        if store.exists(file):
            store.remove(file)


def packed_size(
    model_state: Mapping[str, torch.Tensor],
    *,
    spec: ModelSpec,
    preprocessing: Preprocessing | None,
    class_names: Sequence[str],
    columns: Columns | None = None,
    recipe: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float | int | str | None] | None = None,
    data_digest: str = "",
) -> int:
    """Bytes of the file that `save_weights` writes of these in the form "packed"; nothing is written."""
    net = _said(spec, preprocessing, columns, class_names, metrics, data_digest)
    return len(pack(model_state, about=_about(net, recipe)))


def _said(
    spec: ModelSpec, preprocessing: Preprocessing | None, columns: Columns | None, class_names: Sequence[str],
    metrics: Mapping[str, float | int | str | None] | None, data_digest: str,
) -> dict[str, Any]:  # fmt: skip
    """What is said of a net in its JSON and in its header."""
    here = environment()
    return {
        "version": VERSION,
        "architecture": Architecture(**spec.to_dict()),
        "class_names": list(class_names),
        "preprocessing": None if preprocessing is None else Sight(**preprocessing.to_dict()),
        "columns": None if columns is None else TableColumns.model_validate(columns.to_dict()),
        "metrics": dict(metrics or {}),
        "data_digest": data_digest,
        "made_with": {"hubel": str(here["hubel"]), "torch": str(here["torch"])},
    }


def _about(net: Mapping[str, Any], recipe: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the header says. How long a run took stays out of it: the same weights are the same bytes."""
    lasting = {key: value for key, value in net["metrics"].items() if key not in ("seconds", "images_per_second")}
    return plain_of(About(format="hubel-net", views=views_of(recipe or {}), **{**net, "metrics": lasting}))


def _write(store: RunStore, file: str, tensors: Mapping[str, torch.Tensor], *, about: Any = "") -> File:
    with store.writing(f"{file}.next", read_back=True) as writer:
        if file.endswith(PACKED):
            writer.write(pack(tensors, about=about))
        else:
            write_tensors(writer, tensors, about=json.dumps(about, separators=(",", ":")) if about else "")
    return File(size=writer.size, sha256=writer.sha256)


def _settle(store: RunStore, name: str) -> None:
    """Finish, or forget, what an interrupted save left under this name."""
    files = names_of(name)
    possible = (files.weights, names_of(name, "packed").weights, files.probes)
    left = [file for file in possible if store.exists(f"{file}.next")]
    if not left:
        return
    try:
        manifest = read_manifest(store.path(files.manifest))
    except ArtefactError:
        manifest = None
    for file in left:
        wanted = manifest and (manifest.probes if file == files.probes else manifest.weights)
        if wanted and not fits(store.path(file), wanted) and fits(store.path(f"{file}.next"), wanted):
            store.rename(f"{file}.next", file)
        else:
            store.remove(f"{file}.next")


# names and files


@dataclass(frozen=True)
class Names:
    """The files of weights of one name."""

    manifest: str
    weights: str
    probes: str


def names_of(name: str, form: Form = "safetensors", prefix: str = "weights/") -> Names:
    """Where weights of that name lie; raises UsageError for one that no file should have."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"weights must be named with letters, digits, - and _, got {shown(name)}", hint="try 'best'")
    return Names(f"{prefix}{name}.json", f"{prefix}{name}.{form}", f"{prefix}{name}.probes.safetensors")


def fits(path: Path, wanted: File) -> bool:
    """Is it there, with the size and digest of the manifest?"""
    try:
        with opened(path, limit=wanted.size) as (descriptor, size):
            return size == wanted.size and sha256_of(descriptor) == wanted.sha256
    except ArtefactError:
        return False
