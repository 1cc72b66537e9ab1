"""Tables as text: the same header and rows as Markdown, CSV or HTML. Cells are strings."""

from __future__ import annotations

import csv
import html
import io
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


def to_csv(header: Sequence[str], rows: Rows) -> str:
    """Comma-separated values, one header line, quoted where needed.

    >>> to_csv(["a", "b"], [["1,5", "2"]])
    'a,b\\n"1,5",2\\n'
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([header, *rows])
    return out.getvalue()


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


def short(number: float, *, digits: int = 3) -> str:
    """A count with a letter, three figures: 23296 -> "23.3k".

    >>> [short(n) for n in (0, 650, 23_296, 61_100_840, 1.96e10, 1e11)]
    ['0', '650', '23.3k', '61.1M', '19.6G', '100G']
    """
    for power, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= power * 0.9995:
            return f"{number / power:.{digits}g}{letter}"
    return f"{number:.{digits}g}" if number != int(number) else str(int(number))


def bytes_of(number: float) -> str:
    """Bytes in binary units.

    >>> [bytes_of(n) for n in (512, 802_816, 3.2e9)]
    ['512 B', '784 KB', '2.98 GB']
    """
    for power, unit in ((1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")):
        if number >= power:
            value = number / power
            return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"
    return f"{number:.0f} B"
