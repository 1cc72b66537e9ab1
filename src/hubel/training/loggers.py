"""The field's own logs of a training, for those who keep them: TensorBoard's event files and MLflow's runs.

Each is a watcher that the verb of training tells, beside the screen. The packages are extras, read only when asked for;
a log that cannot be written is told once and never costs a run.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from hubel.errors import missing_extra, unknown
from hubel.events import EpochDone, Event, Finished
from hubel.watching import Plan, Watcher


class ScalarLog(Watcher):
    """The numbers of every epoch, handed to a tool that keeps them: `tool` is its name, `complain` is told once."""

    def __init__(self, tool: str, complain: Callable[[str], None]) -> None:
        self.tool = tool
        self.complain = complain
        self.broken = ""
        """Why the tool took nothing any more."""

    def training(self, plan: Plan) -> None:
        """Begin."""
        self._try(lambda: self.open(plan))

    def event(self, event: Event) -> None:
        """Hand over the row of an epoch, and the end."""
        if isinstance(event, EpochDone):
            row = {tag(name): value for name, value in event.row.items() if name != "epoch"}
            self._try(lambda: self.write(row, event.epoch + 1))
        elif isinstance(event, Finished):
            self._try(self.finish)

    def done(self) -> None:
        """Close, whatever has happened."""
        self._try(self.close)

    def open(self, plan: Plan) -> None:
        """Begin a run of the tool."""

    def write(self, row: Mapping[str, float], epoch: int) -> None:
        """Keep the numbers of an epoch, counted from 1."""

    def finish(self) -> None:
        """The training has come to its end."""

    def close(self) -> None:
        """Nothing more comes."""

    def _try(self, work: Callable[[], None]) -> None:
        if self.broken:
            return
        try:
            work()
        except Exception as error:  # a tool of others: whatever it meets, the training goes on
            self.broken = f"{type(error).__name__}: {error}"
            self.complain(f"{self.tool} takes nothing any more ({self.broken}); the training goes on")


class TensorBoard(ScalarLog):
    """Event files in the run's own folder: `tensorboard --logdir runs` finds them. Raises MissingExtra."""

    def __init__(self, complain: Callable[[str], None]) -> None:
        super().__init__("tensorboard", complain)
        self.files = _wanted("tensorboard.summary.writer.event_file_writer", "tensorboard")
        self.protocol = _wanted("tensorboard.compat.proto.event_pb2", "tensorboard")
        self.summaries = _wanted("tensorboard.compat.proto.summary_pb2", "tensorboard")
        self.writer: Any = None

    def open(self, plan: Plan) -> None:
        """An event file beside config.yaml."""
        self.writer = self.files.EventFileWriter(plan.run)

    def write(self, row: Mapping[str, float], epoch: int) -> None:
        """A scalar for each number, at the step of the epoch."""
        values = [self.summaries.Summary.Value(tag=name, simple_value=float(value)) for name, value in row.items()]
        event = self.protocol.Event(wall_time=time.time(), step=epoch, summary=self.summaries.Summary(value=values))
        self.writer.add_event(event)
        self.writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self.writer is not None:
            self.writer.close()


class MLflow(ScalarLog):
    """A run of MLflow, where its own environment says (MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME). MissingExtra."""

    def __init__(self, complain: Callable[[str], None]) -> None:
        super().__init__("mlflow", complain)
        self.library = _wanted("mlflow", "mlflow")
        self.state = ""

    def open(self, plan: Plan) -> None:
        """A run with the name of ours, and what was chosen as its parameters."""
        self.library.start_run(run_name=Path(plan.run).name)
        self.state = "KILLED"
        names = ("run", "data", "model", "parameters", "epochs", "batch_size", "optimizer", "lr", "device")
        self.library.log_params({name: getattr(plan, name) for name in names})

    def write(self, row: Mapping[str, float], epoch: int) -> None:
        """A metric for each number."""
        self.library.log_metrics(dict(row), step=epoch)

    def finish(self) -> None:
        """It ended as it should."""
        self.state = "FINISHED"

    def close(self) -> None:
        """End the run, and say how it went."""
        if self.state:
            self.library.end_run(self.state)


LOGGERS: dict[str, Callable[[Callable[[str], None]], ScalarLog]] = {"tensorboard": TensorBoard, "mlflow": MLflow}


def build_loggers(names: Iterable[str], complain: Callable[[str], None]) -> list[Watcher]:
    """The loggers of these names, ready to be told; `complain` is told when one of them breaks.

    Raises UnknownName, and MissingExtra for a package that is not installed: before anything is trained.
    """
    found: list[Watcher] = []
    for name in dict.fromkeys(part.strip() for text in names for part in text.split(",") if part.strip()):
        if name not in LOGGERS:
            raise unknown("logger", name, LOGGERS)
        found.append(LOGGERS[name](complain))
    return found


def tag(name: str) -> str:
    """A column of metrics.csv as both tools group it.

    >>> tag("train_loss"), tag("val_accuracy"), tag("lr")
    ('loss/train', 'accuracy/val', 'lr')
    """
    part, _, kind = name.partition("_")
    return f"{kind}/{part}" if kind and part in ("train", "val") else name


def _wanted(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise missing_extra(extra, extra, f"logging to {extra}") from None
