"""What the commands that draw one picture share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hubel.cli.console import note
from hubel.cli.progress import Showing

if TYPE_CHECKING:
    from hubel.figures.theme import Figure


@contextmanager
def watched() -> Iterator[Showing]:
    """A progress line that is cleared at the end, also after an error."""
    watch = Showing()
    try:
        yield watch
    finally:
        watch.done()


def write(figure: Figure, path: Path) -> None:
    """Write the drawing and say where it is; the ending follows what the drawing is."""
    path = path.with_suffix(f".{figure.kind}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(figure.data)
    note(f"wrote {path}")
