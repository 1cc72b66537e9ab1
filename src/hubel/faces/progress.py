"""What a running verb looks like: a live bar on a terminal, a cell written anew in a notebook, else a line an epoch."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from html import escape
from typing import Any, ParamSpec, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from hubel.events import EpochDone, Event, Finished, StepDone, scored
from hubel.faces.terminal import err
from hubel.watching import SILENT, Plan, Watcher
from hubel.words import plural, visible

REFRESH = 0.1
"""Seconds between two looks at the loss: each look waits for the device."""


NUMBERS = {"pixels": "a colour each", "series": "numbers"}
"""What is learnt where there are no classes, by what a sample is called; else a number."""
PATIENCE = 2.0
"""Seconds that a stage may take, or is going to take at its present speed, without a bar."""
LINES, HEAD = 30, 6
"""Lines that a notebook's cell shows at most, and how many of them are the first."""


class Showing(Watcher):
    """Stages, remarks and the progress of training on standard error."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console: Console = err()
        self.live = self.console.is_terminal and not quiet
        self.quiet = quiet
        self.bar: Progress | None = None
        self.task = TaskID(0)
        self.name = ""
        self.begun = time.perf_counter()
        self.looked = 0.0
        self.epochs = 0
        self.started = 0.0
        self.images = 0
        self.unit = "images"

    def stage(self, text: str) -> None:
        """Begin a stage; the bar of the one before goes away."""
        self._close()
        self.name = text
        self.begun = time.perf_counter()

    def progress(self, done: int, total: int) -> None:
        """Move the bar of the stage; it appears only where the stage is going to take more than a moment."""
        if not self.live:
            return
        whole = (time.perf_counter() - self.begun) * total / max(done, 1)
        if not self._is_open() and done < total and whole > PATIENCE:
            self._open(self.name, total)
        if self._is_open():
            self._move(done, total, self.name, f"{done:,} of {total:,}")

    def remark(self, text: str) -> None:
        """A line that stays."""
        self._line(Text(f"note: {text}", style="yellow"))

    def training(self, plan: Plan) -> None:
        """Say what is about to be trained, and open the bar."""
        self._close()
        self.epochs, self.unit = plan.epochs, plan.unit
        if self.quiet:
            return
        size = "" if plan.shape is None else f", {'x'.join(str(side) for side in plan.shape[1:])} pixels"
        colour = "" if plan.shape is None else ", colour" if plan.shape[0] == 3 else ", grey"
        what = plural(plan.classes, "class") if plan.classes else NUMBERS.get(plan.unit, "a number")
        what = f"labels not used ({plan.method})" if plan.method else what
        train, val, test = (plan.samples[name] for name in ("train", "val", "test"))
        count = f"{train:,} to train on, {val:,} to choose by, {test:,} to test"
        together = f" in {plan.processes} processes" if plan.processes > 1 else ""
        recipe = (
            f"{plural(plan.epochs, 'epoch')} of {plural(plan.steps, 'step')}, "
            f"batch {plan.batch_size}, "
            f"{plan.optimizer} at {plan.lr:g}"
        )
        if plan.fits_head:
            recipe = f"a head fitted to what the frozen net sees, at up to {plan.epochs} penalties"
        start = (("from", plan.transfer),) if plan.transfer else ()
        lines = (
            ("data", f"{plan.data}: {what}{size}{colour}; {count}"),
            ("model", f"{plan.model}, {plan.parameters:,} parameters, on {plan.device}{together}"),
            *start,
            ("recipe", recipe),
            ("run", plan.run),
        )  # fmt: skip
        for title, text in lines:
            self._line(Text.assemble((f"{title:<8}", "bold"), text), wrap=self.live)
        if self.live:
            self._open("training", plan.steps)

    def event(self, event: Event) -> None:
        """Show a step on the bar, an epoch as a line."""
        if self.quiet:
            return
        if isinstance(event, StepDone):
            self._step(event)
        elif isinstance(event, EpochDone):
            self._line(self._epoch(event))
            self.images, self.started = 0, 0.0
        elif isinstance(event, Finished):
            self._close()

    def _step(self, event: StepDone) -> None:
        now = time.perf_counter()
        if self.started == 0.0:
            self.started = now
        else:
            self.images += event.images
        if not self._is_open() or now - self.looked < REFRESH:
            return
        self.looked = now
        speed = self.images / max(now - self.started, 1e-9)
        self.epochs = max(self.epochs, event.epoch + 1)  # of a run within a time they are a guess
        steps_left = event.steps * (self.epochs - event.epoch) - event.step
        left = steps_left * event.images / speed if self.images else float("nan")
        note = f"loss {event.loss.item():.4f}  {speed:,.0f} {self.unit}/s  {clock(left)} left"
        title = f"epoch {event.epoch + 1}/{self.epochs}"
        self._move(event.step, event.steps, title, note)

    def _epoch(self, event: EpochDone) -> Text:
        row = event.row
        self.epochs = max(self.epochs, event.epoch + 1)  # of a run within a time they are a guess
        count = f"{event.epoch + 1:>{len(str(self.epochs))}}/{self.epochs}"
        # A head that is fitted has no epochs: its rows are penalties, and how many will be tried is not known.
        head = f"penalty {row['penalty']:<6g}" if "penalty" in row else f"epoch {count}"
        parts = [head, f"loss {row['train_loss']:.4f}"]
        if "val_loss" in row:
            parts.append(f"val loss {row['val_loss']:.4f}")
        if score := scored(row):
            parts.append(score)
        if "penalty" not in row:  # a head's fit passes over features, and not over pictures
            parts.append(f"{row['images_per_second']:,.0f} {self.unit}/s")
        text = Text("  ".join(parts))
        return text.append(" best", style="green") if event.best else text

    # how it is drawn: a notebook does the next five otherwise

    def _line(self, text: Text, *, wrap: bool = False) -> None:
        self.console.print(text, soft_wrap=not wrap)

    def _is_open(self) -> bool:
        return self.bar is not None

    def _open(self, title: str, total: int) -> None:
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[note]}"),
            console=self.console, transient=True,
        )  # fmt: skip
        self.task = self.bar.add_task(title, total=total, note="")
        self.bar.start()

    def _move(self, done: int, total: int, title: str, note: str) -> None:
        assert self.bar is not None
        self.bar.update(self.task, completed=done, total=total, description=title, note=note)

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
        self.bar = None

    def done(self) -> None:
        """Leave the terminal tidy."""
        self._close()


class InNotebook(Showing):
    """The same in the output of a notebook's cell: the last lines and the bar, written anew."""

    def __init__(self) -> None:
        super().__init__()
        self.live = True
        self.lines: list[str] = []
        self.open = ""
        self.drawn = 0.0
        self.display: Any = None

    def _line(self, text: Text, *, wrap: bool = False) -> None:
        self.lines.append(visible(text.plain))
        self._draw()

    def _is_open(self) -> bool:
        return bool(self.open)

    def _open(self, title: str, total: int) -> None:
        self._move(0, total, title, "")

    def _move(self, done: int, total: int, title: str, note: str) -> None:
        filled = round(20 * done / max(total, 1))
        self.open = f"{title}  {'█' * filled}{'░' * (20 - filled)}  {note}"
        if time.perf_counter() - self.drawn > REFRESH:
            self._draw()

    def _close(self) -> None:
        if self.open:
            self.open = ""
            self._draw()

    def _draw(self) -> None:
        from IPython import display

        self.drawn = time.perf_counter()
        some = self.lines if len(self.lines) <= LINES else [*self.lines[:HEAD], "…", *self.lines[HEAD - LINES :]]
        text = "\n".join([*some, visible(self.open)] if self.open else some)
        page = display.HTML(f"<pre style='white-space:pre-wrap'>{escape(text)}</pre>")
        if self.display is None:
            self.display = display.display(page, display_id=True)
        else:
            self.display.update(page)


def in_notebook() -> bool:
    """Does this process answer the cells of a notebook?"""
    ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    kinds = () if ipython is None else type(ipython()).__mro__  # Colab has a shell of its own, made from the usual one
    return any(kind.__name__ == "ZMQInteractiveShell" for kind in kinds)


def face(verbose: bool | None = None) -> Watcher:
    """Who tells how far a verb is: where somebody looks (a terminal, a notebook) if `verbose` is None, else as it says.

    >>> type(face(False)).__name__, type(face(True)).__name__
    ('Watcher', 'Showing')
    """
    if verbose is False:
        return SILENT
    if in_notebook():
        return InNotebook()
    looked_at = sys.stderr is not None and sys.stderr.isatty() and "PYTEST_CURRENT_TEST" not in os.environ
    return Showing() if verbose or looked_at else SILENT


@contextmanager
def watched(verbose: bool | None = None, *, quiet: bool = False) -> Iterator[Watcher]:
    """A watcher that is done at the end, also after an error; `quiet` shows remarks only."""
    watch = Showing(quiet=True) if quiet else face(verbose)
    try:
        yield watch
    finally:
        watch.done()


P = ParamSpec("P")
R = TypeVar("R")


def shows_progress(verb: Callable[P, R]) -> Callable[P, R]:
    """Gives a verb that takes `watch` and `verbose` a face, where its caller has given it no watcher."""

    @wraps(verb)
    def shown(*args: P.args, **settings: P.kwargs) -> R:
        verbose = settings.get("verbose")
        if "watch" in settings:
            return verb(*args, **settings)
        with watched(None if verbose is None else bool(verbose)) as watch:
            settings["watch"] = watch
            return verb(*args, **settings)

    return shown


def clock(seconds: float) -> str:
    """A duration as a clock shows it.

    >>> clock(75), clock(3700), clock(float("nan"))
    ('1:15', '1:01:40', '-:--')
    """
    if seconds != seconds or seconds == float("inf"):
        return "-:--"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
