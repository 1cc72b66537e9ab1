"""Trained weights on disk: files under one name, of which the JSON, written last, makes the first two valid.

    weights/best.safetensors          the model's tensors; any safetensors tool opens it; its header says what net it is
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
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn

from hubel.checkpoint.classifier import Classifier, ModelSpec, Provenance, golden_logits, views_of
from hubel.checkpoint.learnt import file_of as learnt_file
from hubel.checkpoint.learnt import read_learnt
from hubel.checkpoint.sizing import TooMuchWork, check_memory, sized
from hubel.checkpoint.tensors import (
    Entry,
    check_sum,
    first_not_finite,
    read_about,
    read_header,
    read_tensors,
    sha256_of,
    table_in,
    table_of,
    write_tensors,
)
from hubel.checkpoint.threshold import read_threshold, threshold_file
from hubel.checkpoint.trust import file_of, read_trust
from hubel.data.columns import Columns
from hubel.data.preprocessing import Preprocessing
from hubel.errors import DAMAGED, ArtefactError, HubelError, UsageError, near
from hubel.models import CARDS
from hubel.models.ensemble import NAME as ENSEMBLE
from hubel.models.files import unread
from hubel.runtime import environment, seeded
from hubel.store import FILE_LIMIT, RunStore, opened, parse_json, read_regular, shown, unseal
from hubel.words import amount, plural

VERSION: Literal[1] = 1
TOLERANCE = 1e-4
"""Largest deviation of a golden logit, relative to the largest logit: devices and kernels differ by less."""
EPOCH = "epoch-{:06d}"
"""What the weights of an epoch are called that a run keeps; 0 are those before the first step."""
MANIFEST_LIMIT = 4 << 20
"""Bytes of the JSON: twenty thousand class names fit."""
_TIMM = re.compile(r"timm/[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?")
_TIMM_OPTIONS = frozenset({"pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir"})
"""Words with which timm would fetch or open files; a checkpoint may not say them."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _File(_Closed):
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class _Architecture(_Closed):
    name: str = Field(min_length=1, max_length=200)
    num_classes: int = Field(ge=1, le=1_000_000)
    in_chans: int = Field(ge=1, le=4096)
    img_size: Annotated[list[Annotated[int, Field(ge=1, le=16384)]], Field(min_length=2, max_length=2)] | None
    options: dict[str, Any]


class _Preprocessing(_Closed):
    height: int = Field(ge=1, le=16384)
    width: int = Field(ge=1, le=16384)
    channels: int
    fit: str
    mean: list[float]
    std: list[float]
    interpolation: str
    crop_share: float = 1.0
    levels: list[float] | None = None


class _Column(_Closed):
    name: str = Field(max_length=1000)
    words: list[str] = Field(max_length=1000)
    mean: float = Field(allow_inf_nan=False)
    std: float = Field(gt=0, allow_inf_nan=False)


class _Columns(_Closed):
    columns: list[_Column] = Field(max_length=4096)
    answers: list[_Column] = Field(max_length=4096)


class _Net(_Closed):
    """What weights are, wherever it is said."""

    version: Literal[1]
    architecture: _Architecture
    class_names: list[str] = Field(max_length=100_000)
    preprocessing: _Preprocessing | None
    columns: _Columns | None = None
    metrics: dict[str, float | int | str | None]
    data_digest: str = Field(max_length=200)
    made_with: dict[str, str]


class _About(_Net):
    """The closed schema of what a weights file says about itself in its header, so that it is useful alone."""

    format: Literal["hubel-net"]
    views: str = Field(max_length=40)
    """Views of a picture that it was measured with."""


class _Manifest(_Net):
    """The closed schema of weights/NAME.json: an unknown key is an error, as is a missing one."""

    format: Literal["hubel-weights"]
    recipe: dict[str, Any]
    tensors: dict[str, str]
    """Each name with its dtype and shape: "F32 64 3 7 7"."""
    weights: _File
    probes: _File | None


_Said = TypeVar("_Said", _About, _Manifest)


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
) -> None:
    """Write weights/`name`, replacing what had that name only when all of the new is on the disk.

    `model_state` is a state dict; `probes` are golden images (see `golden_images`) and the logits the model gave them.
    Raises SaveFailed, and leaves the old checkpoint loadable, when the disk does not take it.
    """
    files = _names(name)
    _settle(store, files)
    here = environment()
    net: dict[str, Any] = {
        "version": VERSION,
        "architecture": _Architecture(**spec.to_dict()),
        "class_names": list(class_names),
        "preprocessing": None if preprocessing is None else _Preprocessing(**preprocessing.to_dict()),
        "columns": None if columns is None else _Columns.model_validate(columns.to_dict()),
        "metrics": dict(metrics or {}),
        "data_digest": data_digest,
        "made_with": {"hubel": str(here["hubel"]), "torch": str(here["torch"])},
    }
    # How long a run took stays out of the header: the same weights are the same bytes.
    lasting = {key: value for key, value in net["metrics"].items() if key not in ("seconds", "images_per_second")}
    about = _About(format="hubel-net", views=views_of(recipe or {}), **net | {"metrics": lasting})
    weights = _write(store, files.weights, model_state, about=json.dumps(_plain(about), separators=(",", ":")))
    golden = None if probes is None else _write(store, files.probes, {"images": probes[0], "logits": probes[1]})
    manifest = _Manifest(
        **net,
        format="hubel-weights",
        recipe=dict(recipe or {}),
        tensors=_described(model_state),
        weights=weights,
        probes=golden,
    )
    store.write_json(files.manifest, _plain(manifest), sealed=True, limit=MANIFEST_LIMIT)
    for file in (files.weights, files.probes) if golden else (files.weights,):
        store.rename(f"{file}.next", file)
    if golden is None:
        store.remove(files.probes)


def load(path: str | Path, which: str = "best") -> Classifier:
    """The classifier in a run folder (its weights called `which`), or in one weights file (.safetensors or .json).

    A .safetensors file alone is enough: its header says what it is. With the two files beside it, its digest and its
    golden logits are checked as well. Raises ArtefactError, with the reason and the way out, for anything that is not
    exactly what was saved.
    """
    alone = Path(path)
    if alone.suffix == ".safetensors" and not alone.is_dir() and not alone.with_suffix(".json").exists():
        return _load_alone(alone)
    folder, name = _find(Path(path), which)
    files = _names(name, prefix="")
    manifest = _read_manifest(folder / files.manifest)
    spec, class_names, preprocessing = _net(manifest, files.manifest)
    with _chosen(folder / files.weights, manifest.weights) as (descriptor, entries):
        _compare(manifest.tensors, _texts(entries), "the list of tensors in its JSON", files.weights)
        _judge_architecture(spec, manifest.tensors, manifest.weights.size)
        tensors = read_tensors(descriptor, entries, name=files.weights)
    model = _filled(spec, tensors, files.weights)
    if manifest.probes is not None:
        with _chosen(folder / files.probes, manifest.probes) as (descriptor, entries):
            golden = read_tensors(descriptor, entries, name=files.probes)
        _meet(model, preprocessing, golden, spec, files.probes)
    return Classifier(
        model=model,
        preprocessing=preprocessing,
        columns=_columns(manifest),
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
        about, total = read_about(descriptor, size, name=name)
        if not about:
            raise ArtefactError(
                f"{name} stands alone, and nothing in it says which net it belongs to",
                hint=f"import it: hubel import-weights {path} --as ARCHITECTURE, or copy {path.stem}.json beside it",
            )
        document = parse_json(about.encode("utf-8", "replace"), name=f"what {name} says it is")
        net = _understood(_About, document, name)
        spec, class_names, preprocessing = _net(net, name)
        entries = read_header(descriptor, size, name=name)
        _judge_architecture(spec, _texts(entries), size)
        digest = sha256_of(descriptor)
        tensors = read_tensors(descriptor, entries, name=name)
    check_sum(tensors, total, name=name)
    return Classifier(
        model=_filled(spec, tensors, name),
        preprocessing=preprocessing,
        columns=_columns(net),
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


def _net(said: _Net, where: str) -> tuple[ModelSpec, tuple[str, ...], Preprocessing | None]:
    """The architecture, the classes and the preprocessing that a manifest or a header describes."""
    sides = said.architecture.img_size
    spec = ModelSpec(
        architecture=said.architecture.name,
        num_classes=said.architecture.num_classes,
        in_chans=said.architecture.in_chans,
        img_size=None if sides is None else (sides[0], sides[1]),
        options=said.architecture.options,
    )
    class_names = tuple(said.class_names)
    if class_names and (len(class_names) != spec.num_classes or len(set(class_names)) != len(class_names)):
        raise ArtefactError(f"{where} must name each of its {spec.num_classes} classes once", hint=DAMAGED)
    return spec, class_names, _preprocessing(said)


def _columns(said: _Net) -> Columns | None:
    """The columns of a table that a manifest or a header describes."""
    return None if said.columns is None else Columns.from_dict(said.columns.model_dump())


def _filled(spec: ModelSpec, tensors: Mapping[str, torch.Tensor], where: str) -> nn.Module:
    """The net with its weights, in evaluation mode; raises ArtefactError for values that are none."""
    broken = first_not_finite(tensors)
    if broken is not None:
        raise ArtefactError(f"{where}: tensor {broken!r} holds NaN or infinity", hint="take another checkpoint")
    with seeded(0):
        model = spec.build()
    model.load_state_dict(tensors)
    return model.eval()


# names and files


@dataclass(frozen=True)
class _Names:
    manifest: str
    weights: str
    probes: str


def _names(name: str, prefix: str = "weights/") -> _Names:
    if not _NAME.fullmatch(name):
        raise UsageError(f"weights must be named with letters, digits, - and _, got {shown(name)}", hint="try 'best'")
    return _Names(f"{prefix}{name}.json", f"{prefix}{name}.safetensors", f"{prefix}{name}.probes.safetensors")


def _find(path: Path, which: str) -> tuple[Path, str]:
    """The folder that holds the weights, and their name."""
    if path.suffix in (".safetensors", ".json") and not path.is_dir():
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


def _write(store: RunStore, file: str, tensors: Mapping[str, torch.Tensor], *, about: str = "") -> _File:
    with store.writing(f"{file}.next", read_back=True) as writer:
        write_tensors(writer, tensors, about=about)
    return _File(size=writer.size, sha256=writer.sha256)


def _settle(store: RunStore, files: _Names) -> None:
    """Finish, or forget, what an interrupted save left under this name."""
    left = [file for file in (files.weights, files.probes) if store.exists(f"{file}.next")]
    if not left:
        return
    try:
        manifest = _read_manifest(store.path(files.manifest))
    except ArtefactError:
        manifest = None
    for file in left:
        wanted = manifest and (manifest.weights if file == files.weights else manifest.probes)
        if wanted and not _fits(store.path(file), wanted) and _fits(store.path(f"{file}.next"), wanted):
            store.rename(f"{file}.next", file)
        else:
            store.remove(f"{file}.next")


def _fits(path: Path, wanted: _File) -> bool:
    try:
        with opened(path, limit=wanted.size) as (descriptor, size):
            return size == wanted.size and sha256_of(descriptor) == wanted.sha256
    except ArtefactError:
        return False


@contextmanager
def _chosen(path: Path, wanted: _File) -> Iterator[tuple[int, dict[str, Entry]]]:
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
        yield descriptor, read_header(descriptor, size, name=shown(str(path)))


# the manifest


def _read_manifest(path: Path) -> _Manifest:
    name = shown(str(path))
    document = unseal(parse_json(read_regular(path, limit=MANIFEST_LIMIT), name=name, limit=MANIFEST_LIMIT), name=name)
    return _understood(_Manifest, document, name)


def _understood(kind: type[_Said], document: Any, name: str) -> _Said:
    """A document by its schema; raises ArtefactError for what came from a later hubel, or is none of ours."""
    if not isinstance(document, dict):
        raise ArtefactError(
            f"{name} is no description of a net: an object was expected, got {shown(document)}", hint=DAMAGED
        )
    if document.get("format") in ("hubel-weights", "hubel-net") and document.get("version") != VERSION:
        raise ArtefactError(
            f"{name} has format version {shown(document.get('version'))}, this hubel reads {VERSION}",
            hint="upgrade hubel: pip install -U hubel",
        )
    try:
        return kind(**document)
    except ValidationError as error:
        raise ArtefactError(f"{name} is no manifest of weights: {_first(error)}", hint=DAMAGED) from None


def _first(error: ValidationError) -> str:
    """The first complaint of a schema in one line, without the value it complains about."""
    first = error.errors()[0]
    return f"{shown('.'.join(str(part) for part in first['loc']))}: {first['msg']}"


def _preprocessing(manifest: _Net) -> Preprocessing | None:
    if manifest.preprocessing is None:
        return None
    try:
        found = Preprocessing.from_dict(manifest.preprocessing.model_dump())
    except HubelError as error:
        raise ArtefactError(f"the preprocessing in the checkpoint cannot be: {error.what}", hint=DAMAGED) from error
    if found.channels != manifest.architecture.in_chans:
        raise ArtefactError(
            f"the preprocessing makes {found.channels} channels, the net takes {manifest.architecture.in_chans}",
            hint=DAMAGED,
        )
    return found


def _plain(manifest: BaseModel) -> dict[str, Any]:
    """A manifest as plain data; what later readers know and has its usual value is left out, for older ones."""
    document = manifest.model_dump()
    if document.get("columns", 0) is None:
        del document["columns"]
    if document["preprocessing"] is not None:
        usual = {"crop_share": 1.0, "levels": None}
        known = document["preprocessing"].items()
        document["preprocessing"] = {name: value for name, value in known if name not in usual or value != usual[name]}
    return document


def _described(tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    return {name: _text(code, shape) for name, code, shape in table_of(tensors)}


def _texts(entries: Mapping[str, Entry]) -> dict[str, str]:
    return {name: _text(code, shape) for name, code, shape in table_in(entries)}


def _text(code: str, shape: tuple[int, ...]) -> str:
    return " ".join([code, *map(str, shape)])


def _compare(wanted: Mapping[str, str], found: Mapping[str, str], of: str, where: str) -> None:
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


# the architecture


def _judge_architecture(spec: ModelSpec, wanted: Mapping[str, str], size: int) -> None:
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
    _compare(_described(model.state_dict()), wanted, f"the architecture {spec.architecture!r}", "the checkpoint")
    try:
        check_memory(needed)
    except UsageError as error:
        raise ArtefactError(error.what, hint="a machine with more memory can load it") from error


def _meet(
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


__all__ = ["TOLERANCE", "load", "save_weights"]
