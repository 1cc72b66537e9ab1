"""`hubel control`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from hubel.cli.console import say
from hubel.cli.options import JSON, RUN
from hubel.cli.output import print_json
from hubel.cli.settings import assignments
from hubel.errors import UsageError


def command(
    run: RUN,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="pause|resume|step|set|save|stop", help="what to do; step N, set NAME=VALUE …"),
    ] = None,
    as_json: JSON = False,
) -> None:
    """Pause, step, alter, save or stop a training that is under way, from another window.

    It is obeyed between two steps. Other settings are those that --resume takes (lr, weight_decay, augment, epochs,
    patience, …); what was altered stands in the run, and the report says where.

    hubel control runs/photos-1 pause
    hubel control runs/photos-1 step 5
    hubel control runs/photos-1 set lr=0.01 epochs=40
    hubel control runs/photos-1 resume
    """
    from hubel.verbs.control import control

    if not words:
        raise UsageError(
            "what to do is needed: pause, resume, step, set, save or stop", hint=f"hubel control {run} pause"
        )
    name, rest = words[0], words[1:]
    steps, settings = 1, {}
    if name == "set":
        settings = assignments(rest)
    elif name == "step" and len(rest) == 1 and rest[0].isdecimal():
        steps = int(rest[0])
    elif rest:
        raise UsageError(f"{name} takes no {rest[0]!r}", hint=f"hubel control {run} {name}")
    found = control(run, name, steps=steps, settings=settings)
    if as_json:
        print_json(asdict(found))
    else:
        say(str(found))
