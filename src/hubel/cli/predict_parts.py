"""`hubel predict --on`: very many pictures, answered in parts, here or over a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from hubel.cli.console import say
from hubel.cli.options import expanded
from hubel.cli.output import print_json, watched
from hubel.errors import UsageError


def answer_in_parts(
    nets: Sequence[str], pictures: Sequence[str], out: Path | None, *, as_json: bool, refused: Sequence[str],
    **settings: Any,
) -> None:  # fmt: skip
    """Fill the folder `out` with parts and say what is there; exit code 3 where some files cannot be read."""
    if refused:
        raise UsageError(f"{refused[0]} has no meaning where answers go into parts", hint=f"leave {refused[0]} out")
    if out is None:
        raise UsageError("a folder for the parts is needed", hint="hubel predict RUN new/ --on local --out answers/")
    if not pictures:
        raise UsageError("a picture is needed", hint=f"hubel predict {nets[0]} new/ --on local --out answers/")
    from hubel.verbs.predict_parts import predict_parts

    with watched() as watch:
        found = predict_parts(list(nets), expanded(list(pictures)), out=out, watch=watch, **settings)
    if as_json:
        print_json(found.to_dict())
    else:
        say(str(found))
    if found.unread:
        raise typer.Exit(3)
