"""What a weights file is, in words: the closed schemas of weights/NAME.json and of what a file says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hubel.checkpoint.classifier import ModelSpec
from hubel.data.columns import Columns
from hubel.data.preprocessing import Preprocessing
from hubel.errors import DAMAGED, ArtefactError, HubelError
from hubel.store import parse_json, read_regular, shown, unseal

VERSION: Literal[1] = 1
MANIFEST_LIMIT = 4 << 20
"""Bytes of the JSON: twenty thousand class names fit."""
Form = Literal["safetensors", "packed"]
"""How the tensors are stored, which is how their file ends."""


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class File(_Closed):
    """A file beside it."""

    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Architecture(_Closed):
    """A net of the catalogue."""

    name: str = Field(min_length=1, max_length=200)
    num_classes: int = Field(ge=1, le=1_000_000)
    in_chans: int = Field(ge=1, le=4096)
    img_size: Annotated[list[Annotated[int, Field(ge=1, le=16384)]], Field(min_length=2, max_length=2)] | None
    options: dict[str, Any]


class Sight(_Closed):
    """How it sees pictures."""

    height: int = Field(ge=1, le=16384)
    width: int = Field(ge=1, le=16384)
    channels: int
    fit: str
    mean: list[float]
    std: list[float]
    interpolation: str
    crop_share: float = 1.0
    levels: list[float] | None = None
    takes: str = ""


class TableColumn(_Closed):
    """One column of a table."""

    name: str = Field(max_length=1000)
    words: list[str] = Field(max_length=1000)
    mean: float = Field(allow_inf_nan=False)
    std: float = Field(gt=0, allow_inf_nan=False)


class TableColumns(_Closed):
    """How rows of a table, or files of numbers, become what the net takes."""

    columns: list[TableColumn] = Field(max_length=4096)
    answers: list[TableColumn] = Field(max_length=4096)
    files: Literal["", "signals", "volumes"] = ""


class Net(_Closed):
    """What weights are, wherever it is said."""

    version: Literal[1]
    architecture: Architecture
    class_names: list[str] = Field(max_length=100_000)
    preprocessing: Sight | None
    columns: TableColumns | None = None
    metrics: dict[str, float | int | str | None]
    data_digest: str = Field(max_length=200)
    made_with: dict[str, str]


class About(Net):
    """The closed schema of what a weights file says about itself in its header, so that it is useful alone."""

    format: Literal["hubel-net"]
    views: str = Field(max_length=40)
    """Views of a picture that it was measured with."""


class Manifest(Net):
    """The closed schema of weights/NAME.json: an unknown key is an error, as is a missing one."""

    format: Literal["hubel-weights"]
    recipe: dict[str, Any]
    tensors: dict[str, str]
    """Each name with its dtype and shape: "F32 64 3 7 7"."""
    weights: File
    probes: File | None
    form: Form = "safetensors"


Said = TypeVar("Said", About, Manifest)


def net_of(said: Net, where: str) -> tuple[ModelSpec, tuple[str, ...], Preprocessing | None]:
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


def read_manifest(path: Path) -> Manifest:
    """weights/NAME.json, its seal checked; raises ArtefactError."""
    name = shown(str(path))
    document = unseal(parse_json(read_regular(path, limit=MANIFEST_LIMIT), name=name, limit=MANIFEST_LIMIT), name=name)
    return understood(Manifest, document, name)


def understood(kind: type[Said], document: Any, name: str) -> Said:
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


def _preprocessing(manifest: Net) -> Preprocessing | None:
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


def plain_of(manifest: BaseModel) -> dict[str, Any]:
    """A manifest as plain data; what later readers know and has its usual value is left out, for older ones."""
    document = manifest.model_dump()
    if document.get("columns", 0) is None:
        del document["columns"]
    if document["preprocessing"] is not None:
        usual = {"crop_share": 1.0, "levels": None}
        known = document["preprocessing"].items()
        document["preprocessing"] = {name: value for name, value in known if name not in usual or value != usual[name]}
    if document.get("form") == "safetensors":
        del document["form"]
    return document


def columns_of(said: Net) -> Columns | None:
    """How rows of a table become numbers; None for a net that takes no table."""
    return None if said.columns is None else Columns.from_dict(said.columns.model_dump())
