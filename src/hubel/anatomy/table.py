"""Tables as text: the same header and rows as Markdown or HTML. Cells are strings."""

from __future__ import annotations

import html
from collections.abc import Sequence

Rows = Sequence[Sequence[str]]


def to_markdown(header: Sequence[str], rows: Rows, *, left: int = 1) -> str:
    """A Markdown table; the first `left` columns are flush left, numbers flush right.

    >>> print(to_markdown(["layer", "params"], [["conv1", "320"]]))
    | layer | params |
    | :---- | -----: |
    | conv1 |    320 |
    """
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in (header, *rows)]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        return (
            "| "
            + " | ".join(
                c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
            )
            + " |"
        )

    rule = (
        "| " + " | ".join(":" + "-" * (w - 1) if i < left else "-" * (w - 1) + ":" for i, w in enumerate(widths)) + " |"
    )
    return "\n".join([line(cells[0]), rule, *(line(row) for row in cells[1:])])


def to_html(header: Sequence[str], rows: Rows, *, left: int = 1, caption: str = "") -> str:
    """An HTML table for notebooks, everything escaped."""

    def line(row: Sequence[str], tag: str) -> str:
        sides = ("left" if i < left else "right" for i in range(len(row)))
        return (
            "<tr>"
            + "".join(
                f'<{tag} style="text-align:{s}">{html.escape(c)}</{tag}>' for c, s in zip(row, sides, strict=True)
            )
            + "</tr>"
        )

    body = "\n".join(line(row, "td") for row in rows)
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead>{line(header, 'th')}</thead>\n<tbody>{body}</tbody></table>"
