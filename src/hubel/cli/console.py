"""Where commands print: results to standard output, remarks and errors to standard error.

What is printed never harms the terminal, and a terminal never harms the work: control characters are shown, not sent;
what a console's encoding lacks is replaced; and a stream that takes nothing more (closed, its reader gone, its disk
full) loses the words and not the training.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
import textwrap
import time
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from hubel.cli.log import Log, fault, to_file, to_screen
from hubel.errors import HubelError
from hubel.faces.terminal import Terminal, err

__all__ = ["Steady", "err", "hanging", "lost", "note", "out", "print_error", "say", "settle"]

_PLAIN = {
    "█": "#", "━": "-", "╸": "-", "╺": "-", "…": "...", "·": "-", "×": "x", "±": "+-", "−": "-", "–": "-", "—": "-",
    "→": "->", "←": "<-", "≤": "<=", "≥": ">=", "≈": "~", "²": "2", "³": "3", "“": '"', "”": '"', "‘": "'", "’": "'",
}  # fmt: skip
"""What stands for our own signs on a console that lacks them; a question mark stands for all others."""


def out() -> Console:
    """The console for results. Made at each call, so that a redirected stream is honoured; 80 columns in a pipe."""
    return Terminal(highlight=False, markup=False, emoji=False, soft_wrap=not sys.stdout.isatty())


def say(*parts: Any) -> None:
    """Print results; tables and text alike. No markup is read, so that a class named [red] stays as it is."""
    out().print(*parts)


_log = Log()


def use(log: Log) -> None:
    """Tell from now on what `log` asks for, and in its form."""
    global _log
    _log = log


def asked() -> Log:
    """How much is told, and in which form."""
    return _log


def _told(facts: dict[str, Any]) -> bool:
    """Hand a record to the log's file; whether it also went to the screen as a line of JSON."""
    if _log.file:
        to_file(_log.file)(facts)
    if _log.form == "json":
        to_screen(facts)
    return _log.form == "json"


def note(text: str) -> None:
    """A remark that is not a result: standard error, dim."""
    if _told({"event": "note", "level": "info", "text": text}) or not _log.tells("info"):
        return
    err().print(Text(text, style="dim"), soft_wrap=not sys.stderr.isatty())


def print_error(error: HubelError) -> None:
    """`error:` and what, then the hint on its own lines; on a terminal, lines break between words."""
    if _told(fault(error)):
        return
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


# ---------------------------------------------------------------- streams that cost no work


class Steady(io.RawIOBase):
    """A stream that swallows what it cannot pass on, and remembers the first reason in `lost`."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.lost: OSError | None = None

    def write(self, data: Any) -> int:
        """Write some of `data`, or nothing of it once the stream has failed."""
        while self.lost is None:
            try:
                taken = self.raw.write(data)
            except OSError as error:
                self.lost = error
            else:
                if taken is not None:
                    return int(taken)
                time.sleep(0.01)  # the reader of a pipe that must not be waited for is slower than we are
        return len(data)

    def writable(self) -> bool:
        """Always: that is the point."""
        return True

    def fileno(self) -> int:
        """The descriptor below."""
        return int(self.raw.fileno())

    def isatty(self) -> bool:
        """Is a terminal below?"""
        return bool(self.raw.isatty())


def settle() -> None:
    """Make standard output and error steady, and able to print any character. Once, before anything is printed."""
    # A closed stream's number would be given to the next file that is opened, and prints would land in there.
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    codecs.register_error("hubel", _replace)
    sys.stdout = _settled(sys.stdout, 1)
    sys.stderr = _settled(sys.stderr, 2)


def _settled(stream: TextIO | None, number: int) -> TextIO:
    buffer = getattr(stream, "buffer", None)
    raw: Any
    if stream is None or buffer is None:
        raw, encoding, lines = io.FileIO(number, "wb", closefd=False), "utf-8", False
    else:
        raw, encoding, lines = getattr(buffer, "raw", buffer), stream.encoding, stream.isatty()
    return io.TextIOWrapper(
        io.BufferedWriter(Steady(raw)), encoding=encoding, errors="hubel", line_buffering=lines or number == 2
    )


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign, "?") for sign in signs), error.end


def lost(stream: TextIO) -> OSError | None:
    """Why a settled stream did not take everything; None when it did, or when only its reader has gone (head, less)."""
    stream.flush()
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    error = raw.lost if isinstance(raw, Steady) else None
    return None if error is None or error.errno in (errno.EPIPE, errno.EBADF, errno.EINVAL) else error
