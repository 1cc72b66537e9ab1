"""`hubel book`: five lectures whose every number is counted and whose claims are measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.console import note, say
from hubel.cli.options import JSON, option
from hubel.cli.output import print_json, watched, write_file
from hubel.errors import UsageError


def command(
    what: Annotated[
        list[str] | None, typer.Argument(metavar="WHAT", help="a chapter (5), an experiment (5.2), a row (W58, E36)")
    ] = None,
    full: Annotated[bool, option("--full", help="more seeds and samples, where an experiment has a full form")] = False,
    facts: Annotated[bool, option("--facts", help="count the figures only, and run no experiment")] = False,
    folder: Annotated[
        Path | None, option("--out", "--output", metavar="FOLDER", help="write it as pages into this folder")
    ] = None,
    check: Annotated[bool, option("--check", help="exit 1 where a figure or verdict is not the recorded one")] = False,
    as_json: JSON = False,
) -> None:
    """Five university lectures on deep learning: every number counted, every claim measured, each error named.

    Figures of the lectures are the rows W1 to W196, claims E1 to E176. Without WHAT, the whole book is made.

    hubel book --out book
    hubel book 5
    hubel book W31 E36
    """
    if full and facts:
        raise UsageError("--facts runs no experiment: it does not go with --full", hint="leave one of them out")
    from hubel.verbs.book import files_of, read_book

    with watched() as watch:
        found = read_book(what or (), full=full, facts_only=facts, watch=watch)
    if as_json:
        print_json(found.to_dict())
    else:
        say(str(found))
    if folder is not None:
        _write(folder, files_of(found))
    if check:
        _check(found.problems())


def _write(folder: Path, files: dict[str, bytes]) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out must name a folder, got the file {str(folder)!r}", hint="--out book")
    for name, data in files.items():
        write_file(folder / name, data, told=False)
    note(f"wrote {folder / 'index.html'}")


def _check(problems: list[str]) -> None:
    for problem in problems:
        note(problem)
    if problems:
        raise typer.Exit(1)
    note("every figure and every verdict is the recorded one")
