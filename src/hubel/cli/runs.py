"""`hubel runs`."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    names: Annotated[
        list[str] | None, typer.Argument(help="runs to set side by side; all are listed without", show_default=False)
    ] = None,
    out: Annotated[str, typer.Option(help="folder of runs")] = "runs",
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """List all runs, or compare some: results, and the settings in which they differ.

      hubel runs
      hubel runs runs/photos-1 runs/photos-2
    """
    from hubel.cli.console import note, say
    from hubel.verbs.runs import compare, runs

    if names:
        comparison = compare(names)
        say(comparison.to_json() if json else str(comparison))
        return
    found = runs(out)
    for folder, reason in found.unreadable.items():
        note(f"{folder}: {reason}")
    if json:
        from json import dumps

        say(dumps(list(found.rows), indent=1))
    else:
        say(str(found))
