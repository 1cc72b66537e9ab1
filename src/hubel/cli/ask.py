"""`hubel ask`: the field's interchangeable terms."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from hubel.cli.console import say
from hubel.cli.options import JSON, option
from hubel.cli.output import print_json


def command(
    words: Annotated[list[str] | None, typer.Argument(metavar="TERM", help="a term, such as dense layer")] = None,
    advice: Annotated[
        bool, option("--advise", help="which method fits what you have: pictures 300 tiny; alone, what can be said")
    ] = False,
    as_json: JSON = False,
) -> None:
    """What a term means, what else it is called, its formula, its component, and its place in the book.

    Case, dashes and plurals do not matter. Without TERM, all terms are listed.

    hubel ask dense layer
    hubel ask "log loss"
    hubel ask --advise pictures 300 tiny
    """
    from hubel.verbs.ask import WORDS, advise, ask, terms

    if advice:
        if not words:
            rows = "\n".join(f"  {word:<12}{meaning}" for word, meaning in WORDS.items())
            say(f"What do you have? Words of these, and how many samples:\n{rows}\n\n  hubel ask --advise table 150")
            return
        found = advise(words, most=None if as_json else 3)
        if as_json:
            print_json(asdict(found))
        else:
            say(str(found))
        return

    if not words:
        if as_json:
            print_json([asdict(term) for term in terms()])
        else:
            say("\n".join(f"{term.term:<34}{', '.join(term.also[:2])}" for term in terms()))
        return
    term = ask(" ".join(words))
    if as_json:
        print_json(asdict(term))
    else:
        say(str(term))
