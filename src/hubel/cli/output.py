"""The four things that a command hands over, each said once: JSON, CSV, a picture or another file, and a table."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from hubel.cli.console import asked, note, out
from hubel.cli.log import Lines, to_file, to_screen
from hubel.errors import UsageError
from hubel.faces.progress import Showing
from hubel.store import RunStore
from hubel.watching import SILENT, Several, Watcher
from hubel.words import visible

if TYPE_CHECKING:
    from hubel.figures.theme import Figure

_HARMFUL = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@contextmanager
def watched(*others: Watcher, quiet: bool = False) -> Iterator[Watcher]:
    """Who is told what a verb does: the screen, the log, and `others`; all is tidy at the end, also after an error."""
    log = asked()
    shown: Watcher = SILENT
    if log.form == "json":
        shown = Lines(to_screen)
    elif log.tells("warning"):
        shown = Showing(quiet=quiet or not log.tells("info"))
    stages = [Stages()] if log.tells("debug") and log.form == "text" else []
    watch = Several(shown, *stages, *([Lines(to_file(log.file))] if log.file else []), *others)
    try:
        yield watch
    finally:
        watch.done()


class Stages(Watcher):
    """Names every stage, for those who want to know where the time goes."""

    def stage(self, text: str) -> None:
        """Say which stage begins."""
        note(text)


def as_json(value: Any, *, indent: int | None = 1) -> str:
    r"""JSON that people can read, in which no terminal finds a command.

    >>> as_json(["tea \u0447\u0430\u0439", "\x9b2J", "caf\udce9"], indent=None)
    '["tea \u0447\u0430\u0439", "\\u009b2J", "caf\\udce9"]'
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_json(value: Any, *, indent: int | None = 1) -> None:
    """Print plain data as JSON, in UTF-8 whatever the console says."""
    _send(as_json(value, indent=indent) + "\n")


def print_data(text: str) -> None:
    """Print CSV or another text that a program reads, in UTF-8 whatever the console says."""
    _send(visible(text))


def _send(text: str) -> None:
    sys.stdout.flush()
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:  # somebody has put a stream of text in its place
        sys.stdout.write(text)
    else:
        stream.write(text.encode())
        stream.flush()


class Grid(Table):
    """A table without lines, whose cells are made visible before their columns are measured."""

    def __init__(self, *, gap: int = 2, header: bool = True) -> None:
        super().__init__(box=None, padding=(0, gap, 0, 0), header_style="bold", pad_edge=False, show_header=header)

    def add_row(self, *cells: Any, **settings: Any) -> None:
        """A row of texts."""
        super().add_row(*map(_cell, cells), **settings)


def _cell(cell: Any) -> Any:
    if isinstance(cell, Text) and visible(cell.plain) != cell.plain:
        return Text(visible(cell.plain), style=cell.style)
    return Text(visible(cell)) if isinstance(cell, str) else cell


def table(*titles: str, left: Iterable[str] = (), gap: int = 2) -> Grid:
    """An empty table as all commands print it: no lines, numbers to the right, the columns in `left` to the left."""
    grid = Grid(gap=gap)
    words = set(left)
    for title in titles:
        grid.add_column(title, justify="left" if title in words else "right", no_wrap=title not in words)
    return grid


def bold(text: str) -> None:
    """A line that stands out."""
    out().print(Text(text, style="bold"))


def write_figure(figure: Figure, path: Path, *, beside: Iterable[str] = ()) -> Path:
    """Write a drawing and say where it is; the ending follows what the drawing is.

    `beside`: the data it was made from, which must not be overwritten.
    """
    named = path if path.name in ("", "..") else path.with_suffix(f".{figure.kind}")
    return write_file(named, figure.data, beside=beside)


def write_file(path: Path, data: bytes, *, beside: Iterable[str] = (), told: bool = True) -> Path:
    """Write a whole file or leave the old one as it was, and say where it is.

    Raises UsageError where that would overwrite or stand among the data in `beside`.
    """
    keep_off(path, beside)
    if path.name in ("", "..") or path.is_dir():
        raise UsageError(f"--out must name a file, got {str(path)!r}", hint=f"e.g. --out {path / 'picture.png'}")
    path.parent.mkdir(parents=True, exist_ok=True)
    RunStore(path.parent).write_bytes(path.name, data)
    if told:
        note(f"wrote {path}")
    return path


def keep_off(path: Path, data: Iterable[str]) -> None:
    """Raise UsageError where writing `path` would overwrite what is read, or put a file among a class's pictures."""
    here = path.absolute()
    for word in data:
        source = Path(word).absolute()
        among = here.parent.is_dir() and source.is_dir() and source in here.parent.parents
        if among or (here == source and source.is_file()):
            raise UsageError(
                f"{str(path)!r} belongs to the data: nothing is written there", hint="give another file with --out"
            )
