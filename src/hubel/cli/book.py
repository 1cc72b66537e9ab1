"""`hubel book`: five lectures whose every number is counted and whose claims are measured."""

from __future__ import annotations

from dataclasses import asdict
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
    notebook: Annotated[
        Path | None,
        option("--notebook", metavar="FOLDER", help="write it as Jupyter notebooks that run; WHAT: chapters"),
    ] = None,
    check: Annotated[bool, option("--check", help="exit 1 where a figure or verdict is not the recorded one")] = False,
    quiz: Annotated[bool, option("--exercises", help="questions to answer at the prompt; WHAT: chapters")] = False,
    seed: Annotated[int | None, option("--seed", min=0, metavar="N", help="other numbers in the exercises")] = None,
    workers: Annotated[
        int | None, option("--workers", min=1, metavar="N", help="processes that measure (one a core, at most 4)")
    ] = None,
    as_json: JSON = False,
) -> None:
    """Five university lectures on deep learning: every number counted, every claim measured, each error named.

    Figures of the lectures are the rows W1 to W196, claims E1 to E176. Without WHAT, the whole book is made.

    hubel book --out book
    hubel book 5
    hubel book W31 E36
    hubel book 8 --exercises
    hubel book --notebook notebooks
    """
    if notebook is not None:
        if facts or check or quiz or as_json or folder is not None or seed is not None or workers is not None:
            raise UsageError(
                "--notebook measures nothing: only WHAT and --full go with it", hint="hubel book 8 --notebook out"
            )
        from hubel.verbs.book import write_notebooks

        _write(notebook, write_notebooks(what or [], full=full), "practical.ipynb", "--notebook")
        return
    if quiz:
        if full or facts or check or workers is not None:
            raise UsageError(
                "--exercises measures nothing: it goes with no --full, --facts, --check or --workers",
                hint="hubel book 8 --exercises",
            )
        _exercises(what or [], seed or 0, folder, as_json=as_json)
        return
    if seed is not None:
        raise UsageError(
            "--seed is of the exercises: experiments have their own", hint="hubel book --exercises --seed 1"
        )
    if facts and (full or workers is not None):
        other = "--full" if full else "--workers"
        raise UsageError(f"--facts runs no experiment: it does not go with {other}", hint="leave one of them out")
    from hubel.verbs.book import files_of, read_book

    with watched() as watch:
        found = read_book(what or (), full=full, facts_only=facts, workers=workers, watch=watch)
    if as_json:
        print_json(found.to_dict())
    else:
        say(str(found))
    if folder is not None:
        from hubel.studio.loose import lessons

        _write(folder, files_of(found, lessons()))
    if check:
        _check(found.problems())


def _exercises(chapters: list[str], seed: int, folder: Path | None, *, as_json: bool) -> None:
    from hubel.verbs.book import check, exercise_page, list_exercises

    found = list_exercises(chapters, seed=seed)
    if folder is not None:
        _write(folder, {"exercises.html": exercise_page(found, seed)}, "exercises.html")
    if as_json:
        print_json([asdict(each) for each in found])
    if as_json or folder is not None:
        return
    right = asked = 0
    for place, each in enumerate(found, 1):
        say(f"{place} of {len(found)}, chapter {each.chapter}\n{each.question}")
        try:
            answer = input("> ")
        except EOFError:
            break
        asked += 1
        good = check(each, answer)
        right += good
        say("\n".join(["right" if good else f"no: {each.said}", *(f"  {line}" for line in each.way), ""]))
    say(f"{right} of {asked} right")


def _write(folder: Path, files: dict[str, bytes], first: str = "index.html", flag: str = "--out") -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{flag} must name a folder, got the file {str(folder)!r}", hint=f"{flag} book")
    for name, data in files.items():
        write_file(folder / name, data, told=False)
    note(f"wrote {folder / first}")


def _check(problems: list[str]) -> None:
    for problem in problems:
        note(problem)
    if problems:
        raise typer.Exit(1)
    note("every figure and every verdict is the recorded one")
