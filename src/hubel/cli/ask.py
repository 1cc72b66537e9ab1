"""`hubel ask`: the field's interchangeable terms."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from hubel.cli.console import say
from hubel.cli.options import JSON
from hubel.cli.output import print_json


def command(
    words: Annotated[list[str] | None, typer.Argument(metavar="TERM", help="a term, such as dense layer")] = None,
    as_json: JSON = False,
) -> None:
    """What a term means, what else it is called, its formula, its component, and its place in the book.

    Case, dashes and plurals do not matter. Without TERM, all terms are listed.

    hubel ask dense layer
    hubel ask "log loss"
    """
    from hubel.verbs.ask import ask, terms

    if not words:
        if as_json:
            print_json([asdict(term) for term in terms()])
        else:
            say("\n".join(f"{term.term:<34}{', '.join(term.also[:2])}" for term in terms()))
        return
    found = ask(" ".join(words))
    if as_json:
        print_json(asdict(found))
    else:
        say(str(found))
