"""What a running verb looks like: a live bar on a terminal, one line an epoch everywhere else."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from hubel.cli.console import err
from hubel.training.events import EpochDone, Event, Finished, StepDone
from hubel.watching import Plan, Watcher

REFRESH = 0.1
"""Seconds between two looks at the loss: each look waits for the device."""


PATIENCE = 2.0
"""Seconds that a stage may take, or is going to take at its present speed, without a bar."""


class Showing(Watcher):
    """Stages, remarks and the progress of training on standard error."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console: Console = err()
        self.live = self.console.is_terminal and not quiet
        self.quiet = quiet
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        self.name = ""
        self.begun = time.perf_counter()
        self.looked = 0.0
        self.epochs = 0
        self.started = 0.0
        self.images = 0

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
        if self.bar is None and done < total and whole > PATIENCE:
            self._open(self.name, total)
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=done, total=total, note=f"{done:,} of {total:,}")

    def remark(self, text: str) -> None:
        """A line that stays."""
        self.console.print(Text(f"note: {text}", style="yellow"), soft_wrap=True)

    def training(self, plan: Plan) -> None:
        """Say what is about to be trained, and open the bar."""
        self._close()
        self.epochs = plan.epochs
        if self.quiet:
            return
        size = "" if plan.shape is None else f", {'x'.join(str(side) for side in plan.shape[1:])} pixels"
        colour = "" if plan.shape is None else ", colour" if plan.shape[0] == 3 else ", grey"
        what = f"{plan.classes} classes" if plan.classes else "a number"
        train, val, test = (plan.samples[name] for name in ("train", "val", "test"))
        count = f"{train:,} to train on, {val:,} to choose by, {test:,} to test"
        together = f" in {plan.processes} processes" if plan.processes > 1 else ""
        recipe = (
            f"{plan.epochs} {'epoch' if plan.epochs == 1 else 'epochs'} of {plan.steps} steps, "
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
            self.console.print(Text.assemble((f"{title:<8}", "bold"), text), soft_wrap=not self.live)
        if self.live:
            self._open("training", plan.steps)

    def event(self, event: Event) -> None:
        """Show a step on the bar, an epoch as a line."""
        if self.quiet:
            return
        if isinstance(event, StepDone):
            self._step(event)
        elif isinstance(event, EpochDone):
            self.console.print(self._epoch(event), soft_wrap=True)
            self.images, self.started = 0, 0.0
        elif isinstance(event, Finished):
            self._close()

    def _step(self, event: StepDone) -> None:
        now = time.perf_counter()
        if self.started == 0.0:
            self.started = now
        else:
            self.images += event.images
        if self.bar is None or self.task is None or now - self.looked < REFRESH:
            return
        self.looked = now
        speed = self.images / max(now - self.started, 1e-9)
        steps_left = event.steps * (self.epochs - event.epoch) - event.step
        left = steps_left * event.images / speed if self.images else float("nan")
        note = f"loss {event.loss.item():.4f}  {speed:,.0f} images/s  {clock(left)} left"
        title = f"epoch {event.epoch + 1}/{self.epochs}"
        self.bar.update(self.task, completed=event.step, total=event.steps, description=title, note=note)

    def _epoch(self, event: EpochDone) -> Text:
        row = event.row
        count = f"{event.epoch + 1:>{len(str(self.epochs))}}/{self.epochs}"
        # A head that is fitted has no epochs: its rows are penalties, and how many will be tried is not known.
        head = f"penalty {row['penalty']:<6g}" if "penalty" in row else f"epoch {count}"
        parts = [head, f"loss {row['train_loss']:.4f}"]
        if "val_loss" in row:
            parts.append(f"val loss {row['val_loss']:.4f}")
        if "val_accuracy" in row:
            parts.append(f"accuracy {row['val_accuracy']:.2%}")
        if "penalty" not in row:  # a head's fit passes over features, and not over pictures
            parts.append(f"{row['images_per_second']:,.0f} images/s")
        text = Text("  ".join(parts))
        return text.append(" best", style="green") if event.best else text

    def _open(self, title: str, total: int) -> None:
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[note]}"),
            console=self.console, transient=True,
        )  # fmt: skip
        self.task = self.bar.add_task(title, total=total, note="")
        self.bar.start()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
        self.bar = self.task = None

    def done(self) -> None:
        """Leave the terminal tidy."""
        self._close()


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
