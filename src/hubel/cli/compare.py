"""`hubel compare RUN RUN …`: results side by side, and whether one is better by more than luck."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hubel.cli.console import note, say
from hubel.cli.options import JSON, expanded, out
from hubel.cli.output import print_json, write_file
from hubel.errors import HubelError, UsageError


def command(
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help="two runs or more, a series, or two series")],
    file: Annotated[Path | None, out("also write the comparison as a page, such as compare.html", "--report")] = None,
    as_json: JSON = False,
) -> None:
    """Set runs side by side: results, a test of the difference, and the settings in which they differ.

    hubel compare photos-1 photos-2
    hubel compare runs/photos-* --out compare.html
    hubel compare runs/photos-seeds-1
    """
    show_side_by_side(runs, file, as_json=as_json)


def show_side_by_side(runs: list[str], file: Path | None, *, as_json: bool = False) -> None:
    """Print runs, or two series, side by side; a series among others stands for its runs."""
    from hubel.records.ledger import find_folder, find_series
    from hubel.records.series import each_run

    asked = expanded(runs)
    series = [folder for name in asked if find_folder(name) is None and (folder := find_series(name)) is not None]
    names = each_run(asked)
    if len(series) == len(asked) == 2:
        show_series(series, names, file, as_json=as_json)
        return
    if len(names) < 2:
        raise UsageError(f"two runs or more are compared, got {len(names)}", hint=f"hubel runs show {names[0]}")
    show_comparison(names, file, as_json=as_json)


def show_series(series: list[Path], names: list[str], file: Path | None, *, as_json: bool = False) -> None:
    """Print two series side by side, member by member; the page of the comparison has all their runs."""
    from hubel.verbs.compare import page, weigh_series

    beside, found = weigh_series(series)
    if as_json:
        print_json({"series": beside.to_dict(), "comparison": found.to_dict()})
    else:
        say(f"{beside}\n\n{found.sentence}")
    if file is not None:
        write_file(file, page(names, [found.sentence]).encode(errors="backslashreplace"), told=False)
        note(f"wrote {file}")


def show_comparison(names: list[str], file: Path | None, *, as_json: bool = False) -> None:
    """Print runs side by side, and write the page of the comparison where one is wanted."""
    from hubel.records.side_by_side import compare

    comparison = compare(names)
    found, lines = weighed(names) if len(names) > 1 else ({}, [])
    if as_json:
        print_json({"runs": comparison.to_dict()} | ({"comparison": found} if found else {}))
    else:
        say("\n".join([str(comparison), *(["", *lines] if lines else [])]))
    if file is not None:
        from hubel.verbs.compare import page

        write_file(file, page(names).encode(errors="backslashreplace"), told=False)
        note(f"wrote {file}")


def weighed(names: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Whether the best run is better by more than luck, as plain data and in lines; why that cannot be said where runs
    were not measured alike: one that was never measured can still be laid beside another.
    """
    from hubel.verbs.compare import weigh

    try:
        found = weigh(names)
    except HubelError as error:
        why = f"no test of the difference: {error.what}" + (f"; {error.hint}" if error.hint else "")
        return {"findings": [why]}, [why]
    return dict(found.to_dict()), [*found.findings, *found.against]
