"""How numbers, amounts and tables are written, said once: for people, for JSON and for spreadsheets.

One meaning a unit: kB, MB and GB are powers of 1000 (`amount`), KiB, MiB and GiB powers of 1024 (`binary_amount`).
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any
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


def magnitude(value: float) -> str:
    """A number of which only the power of ten matters.

    >>> magnitude(2.4e-7), magnitude(0.0)
    ('2e-07', '0')
    """
    return f"{value:.0e}" if value else "0"


def number(value: float, digits: int = 3) -> str:
    """A plain number, an en dash where it is not known.

    >>> number(0.12345), number(float("nan"))
    ('0.123', '–')
    """
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def in_full(value: float) -> str:
    """A number in the units of somebody's data: four figures, and no powers of ten where it can be written out.

    >>> [in_full(value) for value in (233511.2, -12078.4, 3.14159, 0.00002, float("nan"))]
    ['233,511', '-12,078', '3.142', '2e-05', '–']
    """
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"


def in_figures(value: float, figures: int = 6) -> str:
    """A number that is answered, with so many figures at least, and no powers of ten where it can be written out.

    >>> in_figures(1234567.8), in_figures(2.5), in_figures(12345.6, 3), in_figures(0.00001234, 3)
    ('1234568', '2.5', '12346', '1.23e-05')
    """
    return f"{value:.0f}" if 10 ** (figures - 1) <= abs(value) < 1e15 else f"{value:.{figures}g}"


def plural(count: int, noun: str) -> str:
    """A count with its noun and thousands separated.

    >>> plural(1, "sample"), plural(10_000, "class"), plural(11, "penalty"), plural(2, "more series")
    ('1 sample', '10,000 classes', '11 penalties', '2 more series')
    """
    if noun.endswith("series"):
        return f"{count:,} {noun}"
    many = f"{noun[:-1]}ies" if re.search("[^aeiou]y$", noun) else f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else many}"


def short(value: float, *, digits: int = 3) -> str:
    """A count with a letter, three figures: 23296 -> "23.3k".

    >>> [short(n) for n in (0, 650, 23_296, 61_100_840, 1.96e10, 1e11)]
    ['0', '650', '23.3k', '61.1M', '19.6G', '100G']
    """
    for power, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= power * 0.9995:
            return f"{value / power:.{digits}g}{letter}"
    return f"{value:.{digits}g}" if value != int(value) else str(int(value))


def amount(size: float) -> str:
    """A number of bytes in powers of 1000, as disks and files are sold and listed.

    >>> amount(999), amount(999_999), amount(102_000_000), amount(2e12)
    ('999 bytes', '1 MB', '102 MB', '2 TB')
    >>> amount(1)
    '1 byte'
    """
    for power, unit in ((1e18, "EB"), (1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= power * (0.9995 if power > 1e3 else 1):
            return f"{size / power:.3g} {unit}"
    return "1 byte" if round(size) == 1 else f"{size:.0f} bytes"


def binary_amount(size: float) -> str:
    """A number of bytes in powers of 1024, as memory is counted.

    >>> [binary_amount(n) for n in (512, 802_816, 3.2e9)]
    ['512 B', '784 KiB', '2.98 GiB']
    """
    for power, unit in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= power:
            value = size / power
            return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"
    return f"{size:.0f} B"


def is_decimal(text: str) -> bool:
    """Is an amount of bytes written in powers of 1000?

    >>> is_decimal("8 GB"), is_decimal("8GiB"), is_decimal("8G")
    (True, False, False)
    """
    bare = text.strip().upper()
    return bare.endswith("B") and not bare.endswith("IB")


def parse_amount(text: str) -> int:
    """Bytes from a number with a unit: GB is 1000³, GiB and a bare G are 1024³. Raises ValueError for other texts.

    >>> parse_amount("8GB"), parse_amount("512 MiB"), parse_amount("1k"), parse_amount("100")
    (8000000000, 536870912, 1024, 100)
    """
    bare = text.strip().upper().removesuffix("B").removesuffix("I")
    power = "KMGT".find(bare[-1:]) + 1 if bare else 0
    size = float(bare[:-1] if power else bare) * (1000 if is_decimal(text) else 1024) ** power
    if not 0 <= size < math.inf:
        raise ValueError(f"no amount of bytes: {text!r}")
    return int(size)


def in_units(value: float, units: tuple[tuple[str, float], ...]) -> str:
    """A value in the largest unit of which it has at least one, with three digits.

    >>> in_units(0.0042, (("Wh", 1e-3), ("kWh", 1.0)))
    '4.2 Wh'
    """
    name, size = next(((n, s) for n, s in reversed(units) if value >= s), units[0])
    return f"{value / size:.3g} {name}"


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


def visible(text: str, *, lines: bool = True) -> str:
    r"""Text as a terminal may get it: what it would obey is named instead. Without `lines` all is on one line.

    Control characters, what turns the reading direction, and the bytes of a file name that is no UTF-8.

    >>> visible("cat\x1b[2J.png"), visible("caf\udce9.png"), visible("two\nlines"), visible("two\nlines", lines=False)
    ('cat\\x1b[2J.png', 'caf\\xe9.png', 'two\nlines', 'two\\x0alines')
    """
    return (_OBEYED if lines else _OBEYED_OR_BREAK).sub(_named, text)


_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_OBEYED_OR_BREAK = re.compile(_OBEYED.pattern[:-1] + "\t\n]")


def _named(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # stands for a byte that is no UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def in_columns(text: str, columns: int) -> str:
    """`text` on one line of exactly `columns`, cut with an ellipsis or padded; control characters are named.

    >>> in_columns("wire-haired fox terrier", 12), in_columns("cat", 5)
    ('wire-haired…', 'cat  ')
    """
    text = visible(text, lines=False)
    if width(text) > columns:
        while width(text) > columns - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (columns - width(text))


def plain(value: object) -> Any:
    """JSON's view of a value: dataclasses become dictionaries, arrays lists, what is not finite None.

    >>> import numpy as np
    >>> plain({"auc": np.array([0.5, np.nan])})
    {'auc': [0.5, None]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_OBEYED_BY_SHEETS = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""A CSV table. Text that a spreadsheet would run as a formula gets an apostrophe in front; NaN is an empty cell.

    >>> csv_text(["class", "f1"], [["=1+1", 0.5], ["cat", float("nan")]])
    "class,f1\n'=1+1,0.5\ncat,\n"
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_cell(value) for value in header])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return visible(out.getvalue())  # also a file name that is no text can be written


def _cell(value: object) -> object:
    if isinstance(value, str) and value[:1] in _OBEYED_BY_SHEETS:
        return f"'{value}"
    if isinstance(value, float):
        return "" if math.isnan(value) else in_figures(value)
    return value


def cell_text(cell: str) -> str:
    """Text as it was before `csv_text` made it harmless to a spreadsheet.

    >>> cell_text("'=1+1"), cell_text("'tis")
    ('=1+1', "'tis")
    """
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _OBEYED_BY_SHEETS else cell


@dataclass(frozen=True, slots=True)
class Measure:
    """A number by which finished runs are held against each other."""

    title: str
    share: bool = True
    """Is it told in per cent?"""
    falls: bool = False
    """Is less of it better?"""
    ends: tuple[float, float] = (0.0, 1.0)
    """It lies between these."""
    below: str = ""
    """What a share below nothing is told as, which is none: so many times this."""

    def written(self, value: float) -> str:
        """A value as it is told.

        >>> MEASURES["skill"].written(0.25), MEASURES["skill"].written(-2.0)
        ('25.00 %', '3 times its error')
        """
        if self.below and value < 0:
            return f"{in_figures(1 - value, 3)} times {self.below}"
        return percent(value) if self.share else in_full(value)


MEASURES = {
    "accuracy": Measure("accuracy"),
    "mean_iou": Measure("mean IoU"),
    "mean_ap": Measure("mAP"),
    "recall": Measure("recall@1"),
    "skill": Measure("gain on the simple rule", ends=(-math.inf, 1.0), below="its error"),
    "psnr": Measure("PSNR in dB", share=False, ends=(-math.inf, math.inf)),
    "rmse": Measure("rmse", share=False, falls=True, ends=(0.0, math.inf)),
}
"""Which number of a test counts, the first that there is."""
