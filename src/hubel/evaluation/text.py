"""How numbers of an evaluation are written: for people, for JSON and for spreadsheets."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from unicodedata import east_asian_width


def percent(share: float, digits: int = 2) -> str:
    """A share as a percentage, an en dash where it is not known; never rounded up to 100.

    >>> percent(0.98765), percent(0.99999), percent(1.0), percent(float("nan"))
    ('98.77 %', '99.99 %', '100.00 %', '–')
    """
    if math.isnan(share):
        return "–"
    text = f"{100 * share:.{digits}f}"
    if share < 1 and float(text) == 100:
        text = f"{100 - 10**-digits:.{digits}f}"
    return f"{text} %"


def span(interval: tuple[float, float], digits: int = 1) -> str:
    """An interval of shares in per cent.

    >>> span((0.97, 0.994))
    '97.0–99.4 %'
    """
    low, high = interval
    return "" if math.isnan(low) else f"{percent(low, digits)[:-2]}–{percent(high, digits)}"


def number(value: float, digits: int = 3) -> str:
    """A plain number, an en dash where it is not known.

    >>> number(0.12345), number(float("nan"))
    ('0.123', '–')
    """
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def plural(count: int, noun: str) -> str:
    """A count with its noun and thousands separated.

    >>> plural(1, "sample"), plural(10_000, "class")
    ('1 sample', '10,000 classes')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}{'es' if noun.endswith('s') else 's'}"


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(0.5), duration(42), duration(75), duration(3725)
    ('0.5 s', '42 s', '1 min 15 s', '1 h 2 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def width(text: str) -> int:
    """Columns that `text` takes in a terminal.

    >>> width("cat"), width("猫")
    (3, 2)
    """
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def clean(text: str) -> str:
    """`text` with a dot for every letter that a terminal would obey or cannot show.

    >>> clean("\\x1b[31mred")
    '·[31mred'
    """
    return "".join(letter if letter.isprintable() else "·" for letter in text)


def fit(text: str, columns: int) -> str:
    """`text` on one line of exactly `columns`, cut with an ellipsis or padded; control characters become dots.

    >>> fit("wire-haired fox terrier", 12), fit("cat", 5)
    ('wire-haired…', 'cat  ')
    """
    text = clean(text)
    if width(text) > columns:
        while width(text) > columns - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (columns - width(text))


def plain(value: object) -> object:
    """JSON's view of a value: numpy becomes lists and numbers, what is not finite becomes None.

    >>> import numpy as np
    >>> plain({"auc": np.array([0.5, np.nan])})
    {'auc': [0.5, None]}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""A CSV table. Text that a spreadsheet would run as a formula gets an apostrophe in front; NaN is an empty cell.

    >>> csv_text(["class", "f1"], [["=1+1", 0.5], ["cat", float("nan")]])
    "class,f1\n'=1+1,0.5\ncat,\n"
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_cell(value) for value in header])
    writer.writerows([_cell(value) for value in row] for row in rows)
    # A file name that is no valid text must not keep the table from being written.
    return out.getvalue().encode("utf-8", "replace").decode()


def _cell(value: object) -> object:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r", "\n"):
        return f"'{value}"
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value
