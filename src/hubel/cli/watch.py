"""`hubel watch`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from hubel.cli.console import out, say
from hubel.cli.options import RUN, option
from hubel.events import scored

if TYPE_CHECKING:
    from hubel.records.following import Following

BARS = "▁▂▃▄▅▆▇█"
WIDE = 60
"""Columns of the curve of the loss."""
ROWS = 8
"""Epochs that are listed, the last ones."""
LOOK = 0.1
"""Seconds between two looks at the log."""


def command(
    run: RUN,
    once: Annotated[bool, option("--once", help="show how it stands, and leave")] = False,
) -> None:
    """Watch a training that is under way, from another window; Ctrl-C ends the watching, not the training.

    hubel watch runs/photos-1
    """
    from rich.live import Live
    from rich.text import Text

    from hubel.records.following import Following
    from hubel.records.ledger import RunRecord, find_run
    from hubel.store import RunStore

    folder = Path(find_run(run))
    store = RunStore.open(folder)
    seen = Following(store)
    seen.look()

    def over() -> bool:
        return not store.is_held()

    row = RunRecord(folder).row()

    def shown() -> str:
        return view(seen, row, "not training" if over() else "")

    if once or over():
        say(shown())
        return
    if not sys.stdout.isatty():
        _lines(seen, over)
        return
    with Live(Text(shown()), console=out(), auto_refresh=False, transient=False) as live:
        while True:
            ended = over()
            if seen.look() or ended:
                live.update(Text(shown()), refresh=True)
            if ended:
                return
            time.sleep(LOOK)


def _lines(seen: Following, over: Callable[[], bool]) -> None:
    """For a pipe: a line an epoch and for whatever else happens."""
    rows = told = 0
    while True:
        ended = over()
        seen.look()
        for row in seen.rows[rows:]:
            say(_row(row))
        for text in seen.told[told:]:
            say(text)
        rows, told = len(seen.rows), len(seen.told)
        if ended:
            return
        time.sleep(LOOK)


def view(seen: Following, row: dict[str, object], note: str = "") -> str:
    """All of it as text of at most 80 columns."""
    state = note or ("paused" if seen.paused else f"epoch {seen.epoch}, step {seen.step}")
    if seen.finished:
        state = f"finished ({seen.finished})"
    lines = [f"{row.get('run', '')}  {row.get('data', '')}, {row.get('model', '')}  {state}"[:80]]
    if seen.losses:
        lines += [f"loss  {curve(seen.losses)}  {seen.losses[-1]:.4g}"]
    lines += [_row(done) for done in seen.rows[-ROWS:]]
    lines += [text[:80] for text in seen.told[-3:]]
    return "\n".join(lines)


def curve(values: list[float], wide: int = WIDE) -> str:
    """A line of bars: means of as many stretches of the values as there are columns, high is high.

    >>> curve([4.0, 3.0, 2.0, 1.0], wide=4)
    '█▆▃▁'
    """
    count = min(wide, len(values))
    cuts = [round(k * len(values) / count) for k in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(cuts)]
    finite = [mean for mean in means if mean == mean and abs(mean) != float("inf")]
    if not finite:
        return "?" * count
    low, high = min(finite), max(finite)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((mean - low) * scale)] if mean in finite else "?" for mean in means)


def _row(row: dict[str, float]) -> str:
    """An epoch in a line."""
    parts = [f"epoch {row.get('epoch', 0):.0f}", f"loss {row.get('train_loss', float('nan')):.4f}"]
    if "val_loss" in row:
        parts.append(f"val loss {row['val_loss']:.4f}")
    if score := scored(row):
        parts.append(score)
    if "lr" in row:
        parts.append(f"lr {row['lr']:.3g}")
    return "  ".join(parts)
