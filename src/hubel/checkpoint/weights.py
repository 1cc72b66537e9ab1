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

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hubel.checkpoint.classifier import Classifier, Provenance
from hubel.checkpoint.judging import compare, filled, judge_architecture, meet, texts
from hubel.checkpoint.learnt import file_of as learnt_file
from hubel.checkpoint.learnt import read_learnt
from hubel.checkpoint.manifest import (
    About,
    File,
    columns_of,
    net_of,
    read_manifest,
    understood,
)
from hubel.checkpoint.packed import SUFFIX as PACKED
from hubel.checkpoint.packed import read_packed_header, unpack
from hubel.checkpoint.saving import FORMS, fits, names_of
from hubel.checkpoint.tensors import (
    check_sum,
    read_about,
    read_header,
    read_tensors,
    sha256_of,
    table_in,
)
from hubel.checkpoint.threshold import read_threshold, threshold_file
from hubel.checkpoint.trust import file_of, read_trust
from hubel.errors import DAMAGED, ArtefactError, near
from hubel.store import FILE_LIMIT, RunStore, opened, parse_json, read_into, shown
from hubel.words import amount


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
    files = names_of(name, manifest.form, prefix="")
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


@contextmanager
def _chosen(path: Path, wanted: File) -> Iterator[tuple[int, int]]:
    """The file, or its successor that was not renamed any more, that has the size and digest of the manifest."""
    if wanted.size > FILE_LIMIT:
        raise ArtefactError(
            f"{shown(str(path))} would have {amount(wanted.size)}, more than {amount(FILE_LIMIT)}", hint=DAMAGED
        )
    following = path.with_name(f"{path.name}.next")
    chosen = following if not fits(path, wanted) and fits(following, wanted) else path
    with opened(chosen) as (descriptor, size):
        if size != wanted.size or sha256_of(descriptor) != wanted.sha256:
            raise ArtefactError(
                f"{shown(str(path))} is not the file its JSON describes (sha-256 or size differ): damaged or exchanged",
                hint="copy a checkpoint's files together, or take other weights of the run (--which last)",
            )
        yield descriptor, size
