"""Where commands print: results to standard output, remarks and errors to standard error."""

from __future__ import annotations

import sys
import textwrap
from typing import Any

from rich.console import Console
from rich.text import Text

from hubel.errors import HubelError


def out() -> Console:
    """The console for results. Made at each call, so that a redirected stream is honoured; 80 columns in a pipe."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def err() -> Console:
    """The console for progress, remarks and errors."""
    return Console(stderr=True, highlight=False)


def say(*parts: Any) -> None:
    """Print results; tables and text alike. No markup is read, so that a class named [red] stays as it is."""
    out().print(*parts, markup=False)


def note(text: str) -> None:
    """A remark that is not a result: standard error, dim."""
    err().print(Text(text, style="dim"), soft_wrap=not sys.stderr.isatty())


def print_error(error: HubelError) -> None:
    """`error:` and what, then the hint on its own lines; on a terminal, lines break between words."""
    message = Text.assemble(("error: ", "bold red"), error.what)
    if error.hint:
        message.append("\n" + "\n".join(hanging("  ", line) for line in error.hint.splitlines()))
    err().print(message, soft_wrap=not sys.stderr.isatty())


def hanging(head: str, text: str, *, indent: int | None = None) -> str:
    """`head` and text, whose further lines on a terminal begin below the text; one line in a pipe or a file."""
    if not sys.stdout.isatty() or not text:
        return head + text
    below = " " * (len(head) if indent is None else indent)
    return textwrap.fill(text, out().width, initial_indent=head, subsequent_indent=below, break_long_words=False)
