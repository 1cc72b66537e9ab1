"""One command as it is called and as it explains itself: short help first, in 80 columns, no name ever cut."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Literal, get_args, get_origin

import typer
from typer.core import TyperCommand
from typer.main import get_command

from hubel.cli.options import BARE, SHORT
from hubel.errors import HubelError, UsageError, near

WIDTH = 80
NAMES = 24
"""Columns for the name of an option; where it is longer, its help begins on the next line."""

# typer carries its parser under different names from version to version; its errors have one family.
_Refusal: type[Exception] = typer.BadParameter.__mro__[1]


class Command(TyperCommand):
    """A command whose help is plain text; `everything` shows what is seldom needed, and all spellings."""

    everything = False

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page."""
        formatter.write("\n".join(page(self, everything=self.everything)) + "\n")


def run_command(name: str, function: Callable[..., None], summary: str, arguments: list[str]) -> int:
    """Call a command with the words of the command line; its exit code.

    Raises UsageError for options and values that are not taken.
    """
    command = as_command(name, function, summary)
    arguments = _with_bare(name, arguments)
    split = arguments.index("--") if "--" in arguments else len(arguments)
    if "--help-all" in arguments[:split]:
        command.everything, arguments = True, ["--help"]
    try:
        code = command.main(args=arguments, prog_name=f"hubel {name}", standalone_mode=False)
    except _Refusal as refusal:
        raise refused(command, refusal, arguments) from None
    except typer.Abort:  # Ctrl-D at a question
        return 1
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return code if isinstance(code, int) else 0


def _with_bare(name: str, arguments: list[str]) -> list[str]:
    """The words, with the value of an option that may stand without one, where another option or nothing follows it.

    >>> _with_bare("curve", ["photos", "--page", "--json"])
    ['photos', '--page', 'curve.html', '--json']
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    found: list[str] = []
    for place, word in enumerate(arguments):
        found.append(word)
        value = BARE.get((name, word))
        if value and place < end and (place + 1 >= end or arguments[place + 1].startswith("-")):
            found.append(value)
    return found


def as_command(name: str, function: Callable[..., None], summary: str) -> Command:
    """The command of a function. `summary` is said where Python runs without docstrings."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    spelling = {"help_option_names": ["-h", "--help"], "token_normalize_func": _dashed}
    app.command(name, cls=Command, help=inspect.getdoc(function) or summary, context_settings=spelling)(function)
    found = get_command(app)
    assert isinstance(found, Command)
    return found


def _dashed(name: str) -> str:
    """--batch_size is --batch-size."""
    return name.replace("_", "-")


_GROUP = "a table's column: --column group=NAME; pictures of one scene: hubel clean DATA --group auto; "
ELSEWHERE = {("predict", "--risk"): "hubel evaluate RUN --risk 0.01 says from which probability on it holds; "} | {
    (name, "--group"): _GROUP for name in ("data", "train", "curve", "doctor", "search")
}
"""Options that are asked for where others do what is meant: command and option -> where that is."""


def refused(command: Command, refusal: Exception, arguments: list[str]) -> HubelError:
    """Our error for what the parser does not take: what must hold, what came, and what to do."""
    said = str(getattr(refusal, "format_message", lambda: str(refusal))())
    more = f"all options: {_called(command)} --help-all"
    kind, option, parameter = (
        type(refusal).__name__, getattr(refusal, "option_name", ""), getattr(refusal, "param", None)
    )  # fmt: skip
    if kind == "NoSuchOption":
        known = [flag for each in command.params for flag in (*each.opts, *each.secondary_opts) if flag[:2] == "--"]
        close = near(str(option), known)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        hint = ELSEWHERE.get((command.name or "", str(option)), hint)
        return UsageError(f"{_called(command)} has no option {option}", hint=hint + more)
    if kind == "BadOptionUsage":
        return UsageError(f"{option} needs a value" if "requires" in said else said, hint=more)
    if kind == "MissingParameter" and parameter is not None:
        return UsageError(f"{_called(command)} needs {_title(parameter)}: {parameter.help}", hint=more)
    if parameter is not None:
        return UsageError(f"{_title(parameter)} must be {_wanted(parameter)}{_came(parameter, arguments)}", hint=more)
    return UsageError(said[:1].lower() + said[1:].removesuffix("."), hint=more)


def _title(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    return str(parameter.opts[0] if is_option else (parameter.metavar or parameter.name).strip("[]."))


def _wanted(parameter: Any) -> str:
    """What a parameter takes, in words."""
    kind = parameter.type_descriptor.annotation
    kinds = {kind, *get_args(kind)}
    text = "a whole number" if int in kinds else "a number" if float in kinds else "something else"
    words = next(([each.value for each in part] for part in kinds if isinstance(part, type(Enum))), None)
    words = words or next((list(get_args(part)) for part in kinds if get_origin(part) is Literal), None)
    if words is not None:
        return " or ".join(map(str, words))
    return text if getattr(parameter, "min", None) is None else f"{text} of at least {parameter.min}"


def _came(parameter: Any, arguments: list[str]) -> str:
    """What was given for an option, as far as it can be seen among the words."""
    for place, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if _dashed(name) in parameter.opts:
            return f", got {value if equals else next(iter(arguments[place + 1 :]), '')!r}"
    return ""


def _called(command: Command) -> str:
    return f"hubel {command.name}"


# ---------------------------------------------------------------- the page of help


def page(command: Command, *, everything: bool = False) -> Iterator[str]:
    """The help of a command, line by line; every line fits into 80 columns."""
    arguments = [each for each in command.params if each.param_type_name == "argument" and not _hidden(each)]
    options = [each for each in command.params if each.param_type_name == "option"]
    shown = [each for each in options if everything or not _hidden(each)]
    yield " ".join(["Usage:", _called(command), *map(_place, arguments), "[OPTIONS]"])
    yield ""
    yield from _prose(command.help or "")
    if any(getattr(each, "help", "") for each in arguments):
        yield ""
        for each in arguments:
            yield from _entry(str(each.metavar or each.name).strip("[]."), str(getattr(each, "help", "") or ""))
    panels = dict.fromkeys(str(getattr(each, "rich_help_panel", None) or "Options") for each in shown)
    for panel in panels if everything else ("Options",):
        yield ""
        yield f"{panel}:"
        for each in shown:
            if not everything or (getattr(each, "rich_help_panel", None) or "Options") == panel:
                yield from _entry(_names(each), _meaning(each, everything))
        if panel == "Options":
            yield from _entry("--help, -h", "this page")
            if everything:
                yield from _entry("--log FORMAT", "text, or json: what happens as JSON lines on standard error")
            elif any(map(_hidden, options)) or any(map(_others, options)):
                yield from _entry("--help-all", "all options, and all their spellings")


def _prose(text: str) -> Iterator[str]:
    """Paragraphs are wrapped; examples, which begin with the name of the program, stay as they are."""
    for number, block in enumerate(text.strip().split("\n\n")):
        if number:
            yield ""
        lines = [line.strip() for line in block.splitlines()]
        while lines and not lines[0].startswith("hubel "):
            end = next((i for i, line in enumerate(lines) if line.startswith("hubel ")), len(lines))
            yield from textwrap.wrap(" ".join(lines[:end]), WIDTH, break_on_hyphens=False, break_long_words=False)
            lines = lines[end:]
        yield from (f"  {line}" for line in lines)


def _entry(name: str, text: str) -> Iterator[str]:
    """A name and its meaning beside it, or below where the name is long."""
    head = f"  {name:<{NAMES}}"
    if len(name) >= NAMES:
        yield f"  {name}"
        head = " " * (NAMES + 2)
    indent = " " * (NAMES + 2)
    filled = textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False,
                           break_long_words=False)  # fmt: skip
    yield from filled or [head.rstrip()]


def _place(argument: Any) -> str:
    """An argument as the line of usage shows it.

    The dots say: and more of them.
    """
    name = str(argument.metavar or argument.name).strip("[].") + ("..." if argument.nargs != 1 else "")
    return name if argument.required else f"[{name}]"


def _hidden(parameter: Any) -> bool:
    return bool(getattr(parameter, "hidden", False))


def _names(option: Any) -> str:
    """The name, its letter, and what it takes."""
    first, letter = option.opts[0], SHORT.get(option.opts[0])
    name = first if letter is None or letter not in option.opts else f"{first}, {letter}"
    if option.secondary_opts and option.default is not False:
        name += f", {option.secondary_opts[0]}" if option.default is None else ""
        name = option.secondary_opts[0] if option.default is True else name
    taken = "" if option.is_flag else option.metavar or _KINDS.get(option.type_descriptor.annotation, "TEXT")
    return f"{name} {taken}".rstrip()


_KINDS: dict[Any, str] = {int: "N", float: "X", int | None: "N", float | None: "X"}


def _others(option: Any) -> list[str]:
    """Further spellings of an option."""
    return [flag for flag in option.opts[1:] if flag != SHORT.get(option.opts[0])]


def _meaning(option: Any, everything: bool) -> str:
    text = str(option.help or "")
    default = option.default.value if isinstance(option.default, Enum) else option.default
    if option.show_default and default not in (None, "", False, ()) and not option.is_flag:
        text += f" (default {default})"
    others = _others(option)
    if everything and others:
        text += f" [also {' '.join(others)}]"
    return text
