"""The recipe as a form: one field a setting, as plain data. The command line makes flags of it, a page its inputs.

Names, kinds, choices, bounds and help all come from the schema; here stands only what a schema does not say: which
settings a beginner needs, which have a letter, and what a value looks like.

>>> field = field_of("batch_size")
>>> field.flag, field.kind, field.spellings[0], field.beginner
('--batch-size', 'number or word', '--batch', True)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from hubel.recipes.schema import SECTIONS, SPELLINGS, choices

TITLES = {
    "data": "Data", "model": "Net", "transfer": "Transfer", "distillation": "Teacher", "pretext": "Without labels",
    "optimizer": "Optimiser", "schedule": "Schedule", "loss": "Loss", "augment": "Augmentation", "train": "Training",
    "run": "Run folder",
}  # fmt: skip
"""What a section is called above its fields."""

BEGINNER = ("model", "task", "preset", "from_", "epochs", "time", "img_size", "batch_size", "lr", "device", "out")
"""What is asked for first; everything else is chosen from the data, and well."""

_SHAPES = {
    "time": "TIME", "save_every": "TIME", "img_size": "N|HxW", "unfreeze": "NAME|N", "device": "DEVICE",
    "model": "MODEL", "data": "DATA", "from_": "RUN|MODEL", "teacher": "RUN", "out": "FOLDER", "batch_size": "N",
    "fold": "K/N", "data_dir": "FOLDER", "data_root": "FOLDER",
    "images": "FOLDER", "probe_data": "FOLDER", "columns": "ROLE=NAME",
}  # fmt: skip
_SAID = {"fit", "batch_size", "class_weights", "sampler", "unfreeze", "head"}
"""Settings whose help names the choices already."""


@dataclass(frozen=True)
class Field:
    """One setting as a person meets it."""

    name: str
    """As in Python and in a recipe: "batch_size"."""
    section: str
    title: str
    """Of its section: "Training"."""
    flag: str
    spellings: tuple[str, ...]
    """Other flags that mean the same."""
    kind: str
    """What it takes: "yes or no", "whole number", "number", "word", "words", "number or word", "names and values"."""
    shape: str
    """How a value looks: N, X, TIME, NAME=VALUE …; "" for yes or no."""
    choices: tuple[str, ...]
    """All words it takes, where they are few; () where any will do."""
    default: Any
    """What it is when nothing is said; None where that is chosen from the data."""
    least: float | None
    most: float | None
    help: str
    beginner: bool


def fields() -> tuple[Field, ...]:
    """All settings, in the order of the schema."""
    return tuple(
        _field(section, name, info) for section, kind in SECTIONS.items() for name, info in kind.model_fields.items()
    )


def field_of(name: str) -> Field:
    """The field of a setting by its short name."""
    return next(field for field in fields() if field.name == name)


def _field(section: str, name: str, info: FieldInfo) -> Field:
    kinds = {part for part in _parts(info.annotation) if part is not type(None)}
    words = choices(info.annotation)
    default = info.get_default(call_default_factory=True)
    text = (info.description or "") + (f": {', '.join(words)}" if words and name not in _SAID else "")
    if default not in (None, "", {}, ()) and not isinstance(default, bool):
        text += f" (default {default})"
    bare = name.rstrip("_").replace("_", "-")
    flag = f"--{bare.removesuffix('s')}" if dict in kinds else f"--{bare}"
    spellings = (*((f"--{bare}",) if dict in kinds else ()), *_spellings(name, bare))
    return Field(
        name=name,
        section=section,
        title=TITLES[section],
        flag=flag,
        spellings=tuple(spelling for spelling in spellings if spelling != flag),
        kind=_kind(kinds, words),
        shape=_SHAPES.get(name, _shape(kinds)),
        choices=words,
        default=default,
        least=_bound(info, "ge", "gt"),
        most=_bound(info, "le", "lt"),
        help=text,
        beginner=name in BEGINNER,
    )


def _spellings(name: str, bare: str) -> tuple[str, ...]:
    others = [other.replace("_", "-") for other, meant in SPELLINGS.items() if meant == name]
    return tuple(f"--{other}" for other in others if other != bare)


def _parts(annotation: Any) -> set[Any]:
    """The plain types inside an annotation: int | None -> {int, NoneType}."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _parts(get_args(annotation)[0])
    if origin is Union or str(origin) == "<class 'types.UnionType'>":
        return set().union(*(_parts(part) for part in get_args(annotation)))
    return {origin or annotation}


def _kind(kinds: set[Any], words: tuple[str, ...]) -> str:
    if bool in kinds:
        return "yes or no"
    if dict in kinds:
        return "names and values"
    if int in kinds and (words or len(kinds) > 1):
        return "number or word"
    return "whole number" if kinds == {int} else "number" if kinds == {float} else "words" if tuple in kinds else "word"


def _shape(kinds: set[Any]) -> str:
    if bool in kinds:
        return ""
    shapes = ((tuple, "LIST"), (int, "N"), (float, "X"), (dict, "NAME=VALUE"))
    return next((shape for kind, shape in shapes if kind in kinds), "TEXT")


def _bound(info: FieldInfo, *names: str) -> float | None:
    found = [getattr(rule, name) for rule in info.metadata for name in names if hasattr(rule, name)]
    return float(found[0]) if found else None
