"""`hubel edit`: decide about labels, pictures and classes; take it back; read what was decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.console import note, out, say
from hubel.cli.options import COLUMN, DATA_ROOT, FOLLOW_LINKS, IMAGES, JSON, option
from hubel.cli.output import print_json, table, watched
from hubel.cli.settings import columns

if TYPE_CHECKING:
    from hubel.data.editing import Edits


def command(
    source: Annotated[
        str,
        typer.Argument(metavar="DATA", help="a folder of class folders, or a CSV or JSONL table; it is not touched"),
    ],
    do: Annotated[
        str,
        typer.Argument(
            metavar="WHAT", help="relabel, exclude, merge, group, label, unlabel, undo, log (the default) or apply"
        ),
    ] = "log",
    words: Annotated[
        list[str] | None, typer.Argument(metavar="WORD", help="files, and the class, label or group that they get")
    ] = None,
    new_class: Annotated[bool, option("--new-class", help="the class or label that is named may be a new one")] = False,
    copy: Annotated[
        Path | None, option("--copy", "--out", metavar="FOLDER", help="with apply: the new folder of a clean copy")
    ] = None,
    who: Annotated[str, option("--who", metavar="NAME", help="who decides, if not the user of this machine")] = "",
    column: COLUMN = None,
    images: IMAGES = None,
    follow_links: FOLLOW_LINKS = False,
    data_root: DATA_ROOT = None,
    as_json: JSON = False,
) -> None:
    """Edit labels without touching a file: every decision is a line of edits.jsonl, and can be taken back.

    hubel edit photos/ relabel cat/17.jpg cat/18.jpg dog
    hubel edit photos/ exclude 'cat/blurred-*.jpg'
    hubel edit photos/ merge cats cat
    hubel edit photos/ group 'film-1/*.png' film-1
    hubel edit scenes/ label 17.jpg dog
    hubel edit scenes/ unlabel 17.jpg cat
    hubel edit scenes/ relabel 17.jpg 'cat|dog'
    hubel edit photos/ undo
    hubel edit photos/ log
    hubel edit photos/ apply --copy photos-clean
    """
    from hubel.verbs.edit import edit

    with watched() as watch:
        found = edit(
            source, do, *(words or []), new_class=new_class, copy=copy, who=who, columns=columns(column), images=images,
            follow_links=follow_links, data_root=data_root, watch=watch,
        )  # fmt: skip
    if as_json:
        print_json(found.to_dict())
    elif do == "log":
        show_log(found)
    else:
        say(str(found))


def show_log(found: Edits) -> None:
    """Every edit with its id, when and who, and what has become of it."""
    if found.log:
        grid = table("id", "when", "who", "state", "edit", left=("id", "when", "who", "state", "edit"))
        for one in found.log:
            grid.add_row(one.id, one.when[:16].replace("T", " "), one.who, found.state(one), one.sentence)
        out().print(grid)
    say(found.sentence)
    for problem in found.problems:
        note(f"{problem.path}: {problem.reason}")
