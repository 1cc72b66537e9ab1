"""`hubel predict --stream`: files that arrive in a folder, lines that are written behind a table: each is answered."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from hubel.cli.console import note, say
from hubel.cli.output import print_json
from hubel.errors import UsageError
from hubel.store.kinds import is_detector, judges_steps
from hubel.words import in_columns


def follow(
    run: str, folder: str, *, as_json: bool, window: int | None, idle: str | None, which: str, views: str | None,
    device: str, follow_links: bool, refused: Sequence[str],
) -> None:  # fmt: skip
    """Print a line for each (JSON: an object a line) until Ctrl-C, or until none has come for `idle`."""
    from hubel.data.series import is_table
    from hubel.recipes.schema import seconds
    from hubel.verbs.streaming import stream

    if refused:
        raise UsageError(f"{refused[0]} has no meaning for --stream", hint=f"hubel predict {run} --stream {folder}")
    if window is not None and (not is_detector(run) or (judges_steps(run) and not is_table(folder))):
        raise UsageError(
            f"--window averages the scores of detectors, of pictures and of lines, and {run} gives none such",
            hint="leave --window out",
        )
    try:
        ends = None if idle is None else seconds(idle)
    except ValueError as error:
        raise UsageError(f"--idle {error}, got {idle!r}", hint="--idle 10m") from None
    lost = False
    answers = stream(
        run, folder, window=10 if window is None else window, idle=ends if isinstance(ends, float) else None,
        which=which, views=views, device=device, follow_links=follow_links,
    )  # fmt: skip
    whose = "lines behind" if is_table(folder) else "files that arrive in"
    note(f"{whose} {folder} are looked at; Ctrl-C ends it")
    for answer in answers:
        if answer.problem:
            lost = True
            note(f"{answer.name}: {answer.problem}")
        elif as_json:
            print_json(answer.to_dict(), indent=None)
        else:
            say(f"{in_columns(answer.name, 36)}{answer.told}")
    if lost:
        raise typer.Exit(3)
