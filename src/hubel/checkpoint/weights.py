"""Trained weights on disk: files under one name, of which the JSON, written last, makes the first two valid.

    weights/best.safetensors          the model's tensors; any safetensors tool opens it; its header says what net it is
    weights/best.packed               the same in few bytes, in its place (hubel.checkpoint.packed)
    weights/best.probes.safetensors   golden images and the logits the model gave them
    weights/best.json                 what it is: architecture, classes, preprocessing, recipe, metrics, sha-256 of both
    weights/epoch-000005.*            the same of an epoch that was kept (`keep_every`)
    weights/best.learnt.safetensors   what its task learnt after the training (hubel.checkpoint.learnt)
    weights/best.trust.safetensors    how far its answers can be trusted (hubel.checkpoint.trust)

Replacing a checkpoint: the new tensors are written beside the old ones as `*.next`; the JSON then changes over to their
digests in one rename; last, the files take their places. Wherever this is cut, exactly one set of files fits the JSON,
and `load` finds it by its digest.

Loading trusts nothing (the order of `load`): regular file, no link, size, digest, header against the table, the net
built without memory from its name in the catalogue, names and types and shapes equal, only then values, all finite,
golden logits met within 1e-4.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hubel.checkpoint.classifier import Classifier, ModelSpec, Provenance, views_of
from hubel.checkpoint.judging import TOLERANCE, compare, described, filled, judge_architecture, meet, texts
from hubel.checkpoint.learnt import file_of as learnt_file
from hubel.checkpoint.learnt import read_learnt
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
    columns_of,
    net_of,
    plain_of,
    read_manifest,
    understood,
)
from hubel.checkpoint.packed import SUFFIX as PACKED
from hubel.checkpoint.packed import pack, read_packed_header, unpack
from hubel.checkpoint.tensors import (
    check_sum,
    read_about,
    read_header,
    read_tensors,
    sha256_of,
    table_in,
    write_tensors,
)
from hubel.checkpoint.threshold import read_threshold, threshold_file
from hubel.checkpoint.trust import file_of, read_trust
from hubel.data.columns import Columns
from hubel.data.preprocessing import Preprocessing
from hubel.errors import DAMAGED, ArtefactError, UsageError, near
from hubel.runtime import environment
from hubel.store import FILE_LIMIT, RunStore, opened, parse_json, read_into, shown
from hubel.words import amount

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
    files, other = _names(name, form), _names(name, "safetensors" if form == "packed" else "packed")
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


def load(path: str | Path, which: str = "best") -> Classifier:
    """The classifier in a run folder (its weights called `which`), or in one weights file.

    That is a .safetensors or .packed file, or the .json beside it. A weights file alone is enough: its header says what
    it is. With the two files beside it, its digest and its golden logits are checked as well. Raises ArtefactError,
    with the reason and the way out, for anything that is not exactly what was saved.
    """
    alone = Path(path)
    if alone.suffix in FORMS and not alone.is_dir() and not alone.with_suffix(".json").exists():
        return _load_alone(alone)
    folder, name = _find(Path(path), which)
    manifest = read_manifest(folder / f"{name}.json")
    if alone.suffix in FORMS and alone.suffix != f".{manifest.form}":
        return _load_alone(alone)  # the JSON beside it is of another file
    files = _names(name, manifest.form, prefix="")
    spec, class_names, preprocessing = net_of(manifest, f"{name}.json")
    with _chosen(folder / files.weights, manifest.weights) as (descriptor, size):
        held = _held(descriptor, size, files.weights, packed=manifest.form == "packed")
        compare(manifest.tensors, held.texts, "the list of tensors in its JSON", files.weights)
        judge_architecture(spec, manifest.tensors, held.bytes)
        tensors = held.read()
    model = filled(spec, tensors, files.weights)
    if manifest.probes is not None:
        with _chosen(folder / files.probes, manifest.probes) as (descriptor, size):
            golden = _held(descriptor, size, files.probes).read()
        meet(model, preprocessing, golden, spec, files.probes)
    return Classifier(
        model=model,
        preprocessing=preprocessing,
        columns=columns_of(manifest),
        class_names=class_names,
        spec=spec,
        provenance=Provenance(
            source=str(folder / files.weights),
            recipe=manifest.recipe,
            metrics=manifest.metrics,
            data_digest=manifest.data_digest,
            made_with=manifest.made_with,
            sha256=manifest.weights.sha256,
        ),
        learnt=read_learnt(folder / Path(learnt_file(name)).name, manifest.weights.sha256),
        trust=read_trust(folder / Path(file_of(name)).name, manifest.weights.sha256, classes=spec.num_classes),
        threshold=read_threshold(folder / Path(threshold_file(name)).name, manifest.weights.sha256, class_names),
    )


def _load_alone(path: Path) -> Classifier:
    """The classifier in a weights file that nothing lies beside, by what its header says."""
    name = shown(str(path))
    with opened(path) as (descriptor, size):
        held = _held(descriptor, size, name, packed=path.suffix == PACKED)
        if not held.about:
            raise ArtefactError(
                f"{name} stands alone, and nothing in it says which net it belongs to",
                hint=f"import it: hubel import-weights {path} --as ARCHITECTURE, or copy {path.stem}.json beside it",
            )
        net = understood(About, held.about, name)
        spec, class_names, preprocessing = net_of(net, name)
        judge_architecture(spec, held.texts, held.bytes)
        digest = sha256_of(descriptor)
        tensors = held.read()
    if held.total is not None:
        check_sum(tensors, held.total, name=name)
    return Classifier(
        model=filled(spec, tensors, name),
        preprocessing=preprocessing,
        columns=columns_of(net),
        class_names=class_names,
        spec=spec,
        provenance=Provenance(
            source=str(path),
            recipe={"augment": {"views": net.views}},
            metrics=net.metrics,
            data_digest=net.data_digest,
            made_with=net.made_with,
            sha256=digest,
        ),
    )


@dataclass(frozen=True)
class _Held:
    """What a file of tensors holds, none of which is read yet."""

    texts: dict[str, str]
    """Each name with its dtype and shape."""
    bytes: int
    """What all of them take."""
    about: Any
    """What the file says of itself; "" for nothing."""
    total: str | None
    """The check sum of the tensors' bytes; None where it has been held against the file already."""
    read: Callable[[], dict[str, torch.Tensor]]


def _held(descriptor: int, size: int, name: str, *, packed: bool = False) -> _Held:
    """The same of a file that is open; raises ArtefactError for a damaged one."""
    if packed:
        data = bytearray(size)
        os.lseek(descriptor, 0, os.SEEK_SET)
        read_into(descriptor, memoryview(data))
        header = read_packed_header(data, name=name)
        about = header.about if isinstance(header.about, dict) else ""
        return _Held(texts(header.table), header.tensor_bytes, about, None, lambda: unpack(data, header, name=name))
    said, total = read_about(descriptor, size, name=name)
    about = parse_json(said.encode("utf-8", "replace"), name=f"what {name} says it is") if said else ""
    entries = read_header(descriptor, size, name=name)
    return _Held(texts(table_in(entries)), size, about, total, lambda: read_tensors(descriptor, entries, name=name))


# names and files


@dataclass(frozen=True)
class _Names:
    manifest: str
    weights: str
    probes: str


def _names(name: str, form: Form = "safetensors", prefix: str = "weights/") -> _Names:
    if not _NAME.fullmatch(name):
        raise UsageError(f"weights must be named with letters, digits, - and _, got {shown(name)}", hint="try 'best'")
    return _Names(f"{prefix}{name}.json", f"{prefix}{name}.{form}", f"{prefix}{name}.probes.safetensors")


def _find(path: Path, which: str) -> tuple[Path, str]:
    """The folder that holds the weights, and their name."""
    if path.suffix in (*FORMS, ".json") and not path.is_dir():
        return path.parent, path.name.removesuffix(path.suffix)
    if not path.is_dir():
        raise ArtefactError(
            f"there is no run or weights file {shown(str(path))}", hint="give a run folder, such as runs/digits-1"
        )
    folder = path / "weights" if (path / "weights").is_dir() else path
    known = [entry.removesuffix(".json") for entry in RunStore(folder).names() if entry.endswith(".json")]
    if which not in known:
        close = near(which, known)
        hint = f"it has: {', '.join(close or known)}" if known else "its training has not saved any yet"
        raise ArtefactError(f"{shown(str(path))} holds no weights called {shown(which)}", hint=hint)
    return folder, which


def _write(store: RunStore, file: str, tensors: Mapping[str, torch.Tensor], *, about: Any = "") -> File:
    with store.writing(f"{file}.next", read_back=True) as writer:
        if file.endswith(PACKED):
            writer.write(pack(tensors, about=about))
        else:
            write_tensors(writer, tensors, about=json.dumps(about, separators=(",", ":")) if about else "")
    return File(size=writer.size, sha256=writer.sha256)


def _settle(store: RunStore, name: str) -> None:
    """Finish, or forget, what an interrupted save left under this name."""
    files = _names(name)
    possible = (files.weights, _names(name, "packed").weights, files.probes)
    left = [file for file in possible if store.exists(f"{file}.next")]
    if not left:
        return
    try:
        manifest = read_manifest(store.path(files.manifest))
    except ArtefactError:
        manifest = None
    for file in left:
        wanted = manifest and (manifest.probes if file == files.probes else manifest.weights)
        if wanted and not _fits(store.path(file), wanted) and _fits(store.path(f"{file}.next"), wanted):
            store.rename(f"{file}.next", file)
        else:
            store.remove(f"{file}.next")


def _fits(path: Path, wanted: File) -> bool:
    try:
        with opened(path, limit=wanted.size) as (descriptor, size):
            return size == wanted.size and sha256_of(descriptor) == wanted.sha256
    except ArtefactError:
        return False


@contextmanager
def _chosen(path: Path, wanted: File) -> Iterator[tuple[int, int]]:
    """The file, or its successor that was not renamed any more, that has the size and digest of the manifest."""
    if wanted.size > FILE_LIMIT:
        raise ArtefactError(
            f"{shown(str(path))} would have {amount(wanted.size)}, more than {amount(FILE_LIMIT)}", hint=DAMAGED
        )
    following = path.with_name(f"{path.name}.next")
    chosen = following if not _fits(path, wanted) and _fits(following, wanted) else path
    with opened(chosen) as (descriptor, size):
        if size != wanted.size or sha256_of(descriptor) != wanted.sha256:
            raise ArtefactError(
                f"{shown(str(path))} is not the file its JSON describes (sha-256 or size differ): damaged or exchanged",
                hint="copy a checkpoint's files together, or take other weights of the run (--which last)",
            )
        yield descriptor, size


__all__ = ["EPOCH", "TOLERANCE", "load", "save_weights"]
