"""Text on a terminal: a console through which no control character of a name or a foreign file gets."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from hubel.words import visible


class Terminal(Console):
    """A console through which no control character of a name, a class or a foreign file reaches the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of anything printable, with their text made visible."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def err() -> Console:
    """The console for progress, remarks and errors."""
    return Terminal(stderr=True, highlight=False, markup=False, emoji=False)
