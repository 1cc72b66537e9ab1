"""`hubel runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    names: Annotated[
        list[str] | None, typer.Argument(help="runs to set side by side; all are listed without", show_default=False)
    ] = None,
    out: Annotated[str, typer.Option(help="folder of runs")] = "runs",
    report: Annotated[
        Path | None, typer.Option(help="also write the comparison as a page, such as compare.html", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """List all runs, or compare some: results, and the settings in which they differ.

    hubel runs
    hubel runs runs/photos-1 runs/photos-2
    """
    from hubel.cli.console import note, say
    from hubel.records.ledger import compare, runs

    if names:
        comparison = compare(names)
        say(comparison.to_json() if json else str(comparison))
        if len(names) > 1 and not json:
            say(findings(names))
        if report is not None:
            from hubel.verbs.compare import write_page

            write_page(names, report)
        return
    found = runs(out)
    for folder, reason in found.unreadable.items():
        note(f"{folder}: {reason}")
    if json:
        from json import dumps

        say(dumps(list(found.rows), indent=1))
    else:
        say(str(found))


def findings(names: list[str]) -> str:
    """Whether the best run is better by more than luck; "" where the runs were not all measured alike."""
    from hubel.errors import HubelError
    from hubel.verbs.compare import weigh

    try:
        return "\n" + "\n".join(test.sentence for test in weigh(names).tests)
    except HubelError as error:  # a run that was never measured can still be laid beside another
        return f"\nno test of the difference: {error.what}"
