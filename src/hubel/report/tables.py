"""Results as tables for a terminal: what `rich` draws in colour on a screen and as plain lines in a pipe.

Names come from users' folders and are shown letter by letter, never read as markup.

>>> from rich.console import Console
>>> Console(width=40).print(rows_table([{"run": "[red]", "accuracy": 0.5}], formats={"accuracy": "{:.1%}"}))
run     accuracy
────────────────
[red]      50.0%
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hubel.evaluation import Comparison, Evaluation, RegressionEvaluation
from hubel.evaluation.comparison import TITLES, shown_columns, written_number
from hubel.words import percent, visible


def evaluation_table(evaluation: Evaluation | RegressionEvaluation, *, classes: int = 20) -> RenderableType:
    """The result as a sentence, the headline numbers, and for a classifier `classes` hardest classes and mix-ups."""
    head = _table("", ("", "right"), "95 % interval")
    for row in evaluation.rows():
        head.add_row(*map(_text, row))
    parts: list[RenderableType] = [_text(evaluation.sentence, "bold"), Text(), head]
    if isinstance(evaluation, Evaluation):
        parts += [Text(), _class_table(evaluation, classes)]
        if evaluation.most_confused:
            parts += [Text(), _confused_table(evaluation)]
    return Group(*parts)


def _class_table(evaluation: Evaluation, limit: int) -> Table:
    shown, names, t = evaluation.hardest(limit), evaluation.class_names, evaluation.per_class
    title = "class" if len(shown) == len(names) else f"the {len(shown)} hardest of {len(names)} classes"
    table = _table(title, *((name, "right") for name in ("precision", "recall", "F1", "samples")))
    for k in shown:
        numbers = (percent(t.precision[k], 1), percent(t.recall[k], 1), percent(t.f1[k], 1), f"{t.support[k]:,}")
        table.add_row(_text(names[k]), *map(_text, numbers))
    return table


def _confused_table(evaluation: Evaluation) -> Table:
    table = _table("most often confused", "called", ("times", "right"), ("of its class", "right"))
    for c in evaluation.most_confused[:5]:
        names = (evaluation.class_names[c.label], evaluation.class_names[c.predicted])
        table.add_row(*map(_text, (*names, f"{c.count:,}", percent(c.share, 1))))
    return table


def comparison_table(comparison: Comparison) -> RenderableType:
    """Runs side by side, the best one in bold, and what the paired tests say."""
    shown = shown_columns(comparison)
    table = _table("run", *((TITLES[name], "right") for name in shown), ("samples", "right"))
    for i, name in enumerate(comparison.names):
        cells = [written_number(column, comparison.numbers[column][i]) for column in shown]
        style = "bold" if name == comparison.best else ""
        table.add_row(*(_text(cell, style) for cell in (name, *cells, f"{comparison.samples[i]:,}")))
    sentences = [_text(test.sentence) for test in comparison.tests]
    if comparison.unpaired:
        sentences.append(_text(f"Tested on other samples: {', '.join(comparison.unpaired)}.", "dim"))
    return Group(table, *([Text()] if sentences else []), *sentences)


def rows_table(rows: Sequence[Mapping[str, object]], *, formats: Mapping[str, str] | None = None) -> Table:
    """Rows of one kind, for example a list of runs: the keys of the first are the columns, numbers stand to the right.

    `formats`: column -> format string for its numbers; None shows as an en dash.
    """
    formats = formats or {}
    columns = list(rows[0]) if rows else []
    numeric = {c for c in columns if any(isinstance(row.get(c), (int, float)) for row in rows)}
    table = _table(*((column.replace("_", " "), "right" if column in numeric else "left") for column in columns))
    for row in rows:
        table.add_row(*(_text(_cell(row.get(column), formats.get(column, ""))) for column in columns))
    return table


def _text(text: str, style: str = "") -> Text:
    """Letters as they are, none of them obeyed."""
    return Text(visible(text, lines=False), style=style)


def _cell(value: object, form: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return form.format(value) if form else f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"
    return str(value)


def _table(*columns: str | tuple[str, str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
    for column in columns:
        title, justify = column if isinstance(column, tuple) else (column, "left")
        table.add_column(_text(title), justify=justify, overflow="fold" if justify == "left" else "ellipsis")  # type: ignore[arg-type]
    return table
