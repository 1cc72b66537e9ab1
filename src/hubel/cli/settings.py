"""The recipe's settings as command-line options: names, types, choices and help all come from the one schema."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Union, get_args, get_origin

import typer

from hubel.errors import UsageError
from hubel.recipes.schema import SECTIONS, choices, flatten, parse_assignments

SHORT = {"batch_size": "-b", "workers": "-j", "epochs": "-e", "model": "-m"}
SPELLINGS = {
    "batch_size": ("--batch",),
    "img_size": ("--imgsz",),
    "weight_decay": ("--wd",),
    "optimizer": ("--optimiser",),
    "initialise": ("--initialize",),
}
SAID = {"fit", "batch_size", "class_weights", "unfreeze"}
"""Settings whose help names the choices already."""
TITLES = {
    "data": "Data", "model": "Net", "transfer": "Transfer", "optimizer": "Optimiser", "schedule": "Schedule",
    "loss": "Loss", "augment": "Augmentation", "train": "Training", "run": "Run folder",
}  # fmt: skip


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes, besides its own options, one for every setting; it gets them as the mapping `settings`.

    Only what was given is in the mapping, so that a flag overrides a file and a default overrides nothing.
    """
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "settings"]
    names = [name for section in SECTIONS.values() for name in section.model_fields if name != "data"]

    def run(**given: Any) -> None:
        settings = {name: given.pop(name) for name in names}
        settings = {name: value for name, value in settings.items() if value is not None}
        for name in ("model_options", "initialise_options", "schedule_options"):
            if name in settings:
                settings[name] = _pairs(name, settings[name])
        command(**given, settings=settings)

    options = [
        _option(section, name) for section in SECTIONS for name in SECTIONS[section].model_fields if name in names
    ]
    run.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in [*own, *options]}
    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    return run


def _option(section: str, name: str) -> inspect.Parameter:
    field = SECTIONS[section].model_fields[name]
    flag = f"--{name.rstrip('_').replace('_', '-')}"
    words = choices(field.annotation)
    kinds = {part for part in _parts(field.annotation) if part is not type(None)}
    help_text = (field.description or "") + (f": {', '.join(words)}" if words and name not in SAID else "")
    flags = [flag, *SPELLINGS.get(name, ()), *([SHORT[name]] if name in SHORT else [])]
    if bool in kinds:
        flags = [f"{flag}/--no-{name.replace('_', '-')}"]
    annotation: Any = bool | None if bool in kinds else _plain(kinds, words)
    if dict in kinds:
        annotation, flags = list[str] | None, [flag.removesuffix("s")]
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if default not in (None, "", {}, ()) and not isinstance(default, bool):
        help_text += f" (default {default})"
    option = typer.Option(
        *flags, help=help_text, rich_help_panel=TITLES[section], show_default=False, metavar=_metavar(name, kinds)
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[annotation, option]
    )


def _metavar(name: str, kinds: set[Any]) -> str | None:
    if name in ("time", "save_every"):
        return "TIME"
    if name == "img_size":
        return "N|HxW"
    if name == "unfreeze":
        return "NAME|N"
    if bool in kinds:
        return None
    return (
        "LIST"
        if tuple in kinds
        else "N"
        if int in kinds
        else "X"
        if float in kinds
        else "NAME=VALUE"
        if dict in kinds
        else "TEXT"
    )


def _plain(kinds: set[Any], words: tuple[str, ...]) -> Any:
    # Words and numbers together ("full" or 64), durations and lists are read as text; the schema checks them.
    if kinds == {int}:
        return int | None
    if kinds == {float}:
        return str | None
    return str | None


def _parts(annotation: Any) -> set[Any]:
    """The plain types inside an annotation: int | None -> {int, NoneType}."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _parts(get_args(annotation)[0])
    if origin is Union or str(origin) == "<class 'types.UnionType'>":
        return set().union(*(_parts(part) for part in get_args(annotation)))
    return {origin or annotation}


def _pairs(name: str, words: list[str]) -> dict[str, Any]:
    """Options such as "width=0.5" as a mapping."""
    from hubel.recipes.schema import parse_value

    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"{name} takes name=value, got {word!r}", hint="e.g. --model-option width=0.5")
        found[key] = parse_value(value)
    return found


def assignments(words: list[str]) -> dict[str, Any]:
    """Settings from `--set optimizer.lr=0.05` and from bare words such as `epochs=3`."""
    return flatten(parse_assignments(words))
