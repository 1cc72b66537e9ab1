"""`hubel runs`: what runs there are; one of them; and away with some."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.compare import show_side_by_side
from hubel.cli.console import note, say
from hubel.cli.options import JSON, expanded, option
from hubel.cli.output import print_json
from hubel.errors import UsageError
from hubel.words import plural, visible

if TYPE_CHECKING:
    from hubel.records.ledger import RunRecord
    from hubel.verbs.search import Search
    from hubel.verbs.series import Series


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="ls|show|rm", help="what to do, and with which runs; else all are listed"),
    ] = None,
    folder: Annotated[
        str, option("--out", "--output-dir", "--project", metavar="FOLDER", help="folder of runs")
    ] = "runs",
    yes: Annotated[bool, option("--yes", "-y", help="rm: do not ask")] = False,
    report: Annotated[
        Path | None, option("--report", metavar="FILE", hidden=True, help="as hubel compare --out")
    ] = None,
    as_json: JSON = False,
) -> None:
    """List all runs, show what one was asked for and what came out, or remove some.

    hubel runs
    hubel runs show photos-1
    hubel runs show runs/photos-folds-1
    hubel runs rm photos-1 photos-2
    """
    task, names = (words[0], words[1:]) if words and words[0] in ("ls", "show", "rm") else ("", words or [])
    if not task and names:
        show_side_by_side(names, report, as_json=as_json)
    elif task == "rm":
        _remove(_named(names, "rm", folder), yes=yes)
    elif task == "show":
        _show(_named(names, "show", folder), as_json=as_json)
    elif names:
        raise UsageError(f"ls takes no names, got {names[0]!r}", hint=f"hubel runs show {names[0]}")
    else:
        _list(folder, as_json=as_json)


def _named(names: list[str], task: str, folder: str) -> list[str]:
    """The runs that were named: as they are, or in the folder of runs."""
    if not names:
        raise UsageError(f"{task} needs the name of a run", hint=f"hubel runs {task} photos-1")
    inside = [str(Path(folder, name)) if Path(folder, name).is_dir() else name for name in names]
    return expanded(inside)


def _list(folder: str, *, as_json: bool) -> None:
    from hubel.records.ledger import runs
    from hubel.records.searches import searches

    found = runs(folder)
    of_searches = (*searches(folder), *(searches() if folder == "runs" else ()))
    for name, reason in found.unreadable.items():
        note(f"{name}: {reason}")
    if as_json:
        print_json([*found.rows, *map(asdict, of_searches)])
        return
    if found.rows or not of_searches:
        say(str(found))
    if of_searches:
        say(("\n" if found.rows else "") + "searches (hubel runs --out SEARCH lists the trials of one):")
    for each in of_searches:
        best = each.best or f"{each.status}: hubel search --resume {each.search}"
        say(textwrap.fill(f"{each.search}  {each.data}, {plural(each.trials, 'trial')}. {best}", 80,
                          subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))  # fmt: skip


def _show(names: Sequence[str], *, as_json: bool) -> None:
    from hubel.records.ledger import RunRecord

    found = [_named_thing(name) for name in names]
    if as_json:
        print_json(
            [
                {**each.row(), "folder": str(each.folder), "recipe": each.recipe, "summary": each.summary}
                if isinstance(each, RunRecord)
                else each.to_dict()
                for each in found
            ]
        )
        return
    for number, each in enumerate(found):
        lines = (
            _lines(each)
            if isinstance(each, RunRecord)
            else [line for key, value in each.facts().items() for line in _entry(key, value)]
        )
        say(("\n" if number else "") + "\n".join(lines))


def _named_thing(name: str) -> RunRecord | Series | Search:
    """A run; or what several are together: a series, or a search that has ended."""
    from hubel.records.ledger import RunRecord, find_folder, find_run, find_series
    from hubel.records.searches import ended_search

    search = ended_search(name)
    if search is not None:
        from hubel.verbs.search import read_search

        return read_search(search)
    series = None if find_folder(name) is not None else find_series(name)
    if series is not None:
        from hubel.verbs.series import Series

        return Series(series)
    return RunRecord(find_run(name))


def _lines(run: RunRecord) -> list[str]:
    """What a run is, and its settings section by section, in 80 columns."""
    row = {key: value for key, value in run.row().items() if value not in (None, "")}
    row |= {key: f"{row[key]:.2%}" for key in ("val_accuracy", "test_accuracy") if key in row}
    facts = [("folder", run.folder), *((key.replace("_", " "), value) for key, value in row.items() if key != "run")]
    if run.report.is_file():
        facts.append(("report", run.report))
    if run.members:
        facts.append(("members", ", ".join(run.members)))
    for section, settings in run.recipe.items():
        if run.members and section != "data":  # the first member's, and so are not those of the whole
            continue
        said = [f"{key}={_short(value)}" for key, value in settings.items() if value not in (None, {}, [], "")]
        if said:
            facts.append((section, ", ".join(said)))
    return [line for key, value in facts for line in _entry(key, value)]


def _entry(key: str, value: object) -> list[str]:
    head, text = f"{key:<15}", visible(_short(value), lines=False)
    return textwrap.wrap(text, 80, initial_indent=head, subsequent_indent=" " * 15, break_long_words=False,
                         break_on_hyphens=False) or [head.rstrip()]  # fmt: skip


def _short(value: object) -> str:
    """A value as a line shows it.

    >>> _short(0.253717), _short(["flip", "erase=8"])
    ('0.2537', 'flip,erase=8')
    """
    if isinstance(value, list):
        return ",".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _remove(names: Sequence[str], *, yes: bool) -> None:
    from hubel.records.removal import removable, remove

    folders = [removable(name) for name in names]  # all of them are known to be runs before the first one goes
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"{', '.join(map(str, folders))} would go, and nobody is there to ask", hint="say --yes")
        for folder in folders:
            say(str(folder))
        typer.confirm("remove all of this for good?" if len(folders) > 1 else "remove it for good?", abort=True)
    for folder in folders:
        note(f"removed {remove(folder)}")
