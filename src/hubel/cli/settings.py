"""The recipe's form as command-line options: `hubel.recipes.form` says all that there is to say about them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Annotated, Any

from hubel.cli.options import option
from hubel.errors import UsageError
from hubel.recipes.form import BEGINNER, Field, fields
from hubel.recipes.schema import flatten, parse_assignments, parse_value

ROLES = ("file", "label", "target", "mask", "split", "group")
"""What a column of a table may be."""
Verb = Callable[..., None]
PRETEXT = ("method", "probe_data", "target_decay")
"""Settings of learning without labels, which is a command of its own."""


def with_settings(*, without: Collection[str] = PRETEXT) -> Callable[[Verb], Verb]:
    """A command that takes, besides its own options, one for every setting; it gets them as the mapping `settings`.

    Only what was given is in the mapping, so that a flag overrides a file and a default overrides nothing.
    `without`: settings that would have no effect there.
    """
    return lambda command: _extended(command, without)


def _extended(command: Verb, without: Collection[str]) -> Verb:
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "settings"]
    form = [field for field in fields() if field.name not in {*without, *(p.name for p in own)}]
    form.sort(key=lambda field: BEGINNER.index(field.name) if field.beginner else len(BEGINNER))

    def run(**given: Any) -> None:
        settings = {field.name: given.pop(field.name) for field in form}
        settings = {name: value for name, value in settings.items() if value is not None}
        for field in form:
            if field.kind == "names and values" and field.name in settings:
                read = columns if field.name == "columns" else lambda words, flag=field.flag: pairs(flag, words)
                settings[field.name] = read(settings[field.name])
        command(**given, settings=settings)

    places = [p for p in own if p.kind is not p.KEYWORD_ONLY]
    taken = [*places, *map(_parameter, form), *(p for p in own if p.kind is p.KEYWORD_ONLY)]
    run.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in taken}
    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    return run


def _parameter(field: Field) -> inspect.Parameter:
    names = [field.flag, *field.spellings]
    # Words and numbers together ("full" or 64), durations and lists are read as text; the schema checks them.
    kind: Any = str | None
    if field.kind == "yes or no":
        kind = bool | None
        names = ["/".join((field.flag, field.flag.replace("--", "--no-", 1))), *field.spellings]
    elif field.kind == "names and values":
        kind = list[str] | None
    elif field.kind == "whole number":
        kind = int | None
    taken = option(
        *names, help=field.help, rich_help_panel=field.title, show_default=False, metavar=field.shape or None,
        hidden=not field.beginner,
    )  # fmt: skip
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, taken]
    )


def pairs(flag: str, words: list[str]) -> dict[str, Any]:
    """Options such as "width=0.5" as a mapping; UsageError for what is no pair.

    >>> pairs("--model-option", ["width=0.5", "hidden=[64, 64]"])
    {'width': 0.5, 'hidden': [64, 64]}
    """
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{flag} takes name=value, got {word!r}", hint=f"e.g. {flag} width=0.5")
        found[key.strip()] = parse_value(value)
    return found


def columns(words: list[str] | None) -> dict[str, str]:
    """Columns such as "label=grade" by what they are; unlike other values, the names stay text as it is.

    >>> columns(["label=01", "group="])
    {'label': '01', 'group': ''}
    """
    found = {}
    for word in words or ():
        role, equals, name = word.partition("=")
        if not equals:
            raise UsageError(f"--column takes role=name, got {word!r}", hint="for example --column file=image_name")
        found[role.strip()] = name
    return found


def columns_among(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """The columns among bare words, and the other words: `--column file=scan label=grade` says two columns.

    >>> columns_among(["label=grade", "epochs=3", "target=0.9"])
    ({'label': 'grade'}, ['epochs=3', 'target=0.9'])
    """
    # "target" is a setting, too: the accuracy at which training stops, a number.
    bare = [word.partition("=") for word in words]
    found = [f"{role}={name}" for role, _, name in bare if role in ROLES and not name.replace(".", "", 1).isdecimal()]
    return columns(found), [word for word in words if word not in found]


def assignments(words: list[str]) -> dict[str, Any]:
    """Settings from `--set optimizer.lr=0.05` and from bare words such as `epochs=3`."""
    return flatten(parse_assignments(words))
