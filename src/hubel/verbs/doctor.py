"""Doctor: what is wrong with a training, before it, while it runs and afterwards; nothing looked at changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hubel.assembly.begin import make_ready
from hubel.assembly.requests import layered, requested
from hubel.assembly.together import computing
from hubel.diagnosis.examining import examine, examine_record
from hubel.diagnosis.finding import CheckUp, Finding
from hubel.diagnosis.patient import Patient
from hubel.diagnosis.recipe import patient_of, stages_of
from hubel.diagnosis.record import read_record
from hubel.diagnosis.trying import try_advice
from hubel.errors import UsageError
from hubel.faces.progress import shows_progress
from hubel.records.series import run_or_data
from hubel.watching import SILENT, Watcher

__all__ = ["CheckUp", "Finding", "check", "doctor"]


@shows_progress
def doctor(
    what: Any,
    loss: Any = None,
    batches: Iterable[Any] | None = None,
    optimizer: Any = None,
    *,
    val: Iterable[Any] | None = None,
    step: Callable[..., Any] | None = None,
    evaluate: Callable[..., Any] | None = None,
    predict: Callable[..., Any] | None = None,
    scheduler: Any = None,
    scheduler_steps: int | None = None,
    classes: Sequence[str] = (),
    frozen: Sequence[str] | None = None,
    augment: Any = None,
    average: nn.Module | None = None,
    test: Iterable[Any] | None = None,
    resumed: Iterable[Any] | None = None,
    seconds: float = 20.0,
    follow: bool = False,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
    **settings: Any,
) -> CheckUp:
    """Check a net, a loss and batches of the user's own before they are trained; what is given more is checked, too.

    `batches` and `val` give pairs of tensors, images (B C H W, or B F) and labels (B), and can be gone through more
    than once. `step(model, images, labels, optimizer)` is one update as the user's loop makes it,
    `predict(model, images)` gives logits B K as the user's program answers, `evaluate(model, batches)` an accuracy.
    `scheduler` belongs to the optimizer and is stepped `scheduler_steps` times in the whole run. `frozen` are names of
    layers that are meant not to learn, `augment` is what training does to images before the net sees them. `average` is
    a net with averaged weights as it stands, `test` gives the samples of the last word, `resumed` what is read after a
    stop at the end of an epoch.

    Where `what` is a data set or a run instead, its training is checked as `hubel doctor` does; `settings` are then
    those of `hubel.train`, and `follow` tries the first advice for a run.

    All of it works on copies: model, optimizer and random numbers come out as they went in, to the bit.
    Raises UsageError, DataError, ArtefactError.
    """
    if not isinstance(what, nn.Module):
        own = {"batches": batches, "val": val, "step": step, "evaluate": evaluate, "predict": predict,
               "scheduler": scheduler, "scheduler_steps": scheduler_steps, "classes": classes or None,
               "frozen": frozen, "average": average, "test": test, "resumed": resumed}  # fmt: skip
        given = [name for name, value in own.items() if value is not None]
        if given or not isinstance(what, (str, PathLike)):
            raise UsageError(
                f"hubel.doctor takes a torch module{f' where {given[0]} is given' if given else ''}, a data set or a "
                f"run; got {type(what).__name__}",
                hint="hubel.doctor(model, loss, batches), hubel.doctor('photos/') or hubel.doctor('runs/photos-1')",
            )
        said = {"loss": loss, "optimizer": optimizer, "augment": augment}
        settings |= {name: value for name, value in said.items() if value is not None}
        return check(fspath(what), seconds=seconds, follow=follow, watch=watch, **settings)
    if settings or follow:
        raise UsageError(
            f"hubel.doctor has no argument {next(iter(settings), 'follow')!r} for a net of one's own",
            hint="settings of a recipe go with data: hubel.doctor('photos/', lr=0.1)",
        )
    if loss is None or batches is None:
        raise UsageError("a net is checked with its loss and batches", hint="hubel.doctor(model, loss, batches)")
    for name, source in (("batches", batches), ("val", val), ("test", test), ("resumed", resumed)):
        if source is not None and (not isinstance(source, Iterable) or isinstance(source, Iterator)):
            raise UsageError(
                f"{name} must be something that can be gone through twice, got {type(source).__name__}",
                hint="a DataLoader, or a list of pairs (images, labels)",
            )
    if optimizer is not None and not isinstance(optimizer, torch.optim.Optimizer):
        raise UsageError(
            f"optimizer must be one of torch.optim, got {type(optimizer).__name__}",
            hint="torch.optim.Adam(model.parameters()), or leave it out",
        )
    if scheduler is not None and (scheduler_steps is None or scheduler_steps < 1):
        raise UsageError(
            "scheduler_steps must say how often the scheduler is stepped in the whole run",
            hint="scheduler_steps=epochs * len(loader), or =epochs where it is stepped once an epoch",
        )
    patient = Patient(
        name=type(what).__name__, model=what, loss=loss, batches=batches, optimiser=optimizer, val=val, step=step,
        evaluate=evaluate, predict=predict, schedule=scheduler, ticks=scheduler_steps, classes=tuple(classes),
        frozen=None if frozen is None else tuple(frozen), augment=augment, average=average, test=test, resumed=resumed,
        seconds=seconds,
    )  # fmt: skip
    patient.check_copies()
    found = examine(patient, watch=watch)
    watch.done()
    return found


@shows_progress
def check(
    what: str,
    *,
    config: str | Path | None = None,
    follow: bool = False,
    seconds: float = 20.0,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
    **settings: Any,
) -> CheckUp:
    """The check-up of a data set with the recipe that `train` would follow, or of a run by what it recorded.

    With `follow`, 50 steps are made with the run's recipe as it is, and 50 with the first advice followed.
    Raises UsageError, DataError, ArtefactError.
    """
    if follow:
        folder = run_or_data(what)
        if folder is None:
            raise UsageError(f"--try goes with a run, got {what}", hint="hubel doctor runs/photos-1 --try")
        _refuse(settings, config)
        return try_advice(folder, examine_record(read_record(folder)), watch)
    return _check(what, config=config, seconds=seconds, watch=watch, **settings)


def _check(what: str, *, config: str | Path | None = None, seconds: float, watch: Watcher, **settings: Any) -> CheckUp:
    folder = run_or_data(what)
    if folder is not None:
        _refuse(settings, config)
        return examine_record(read_record(folder))
    recipe = requested(layered(what, config, settings))
    if recipe.train.compile is None:
        recipe = recipe.change(compile=False)
    with computing(recipe):
        ready = make_ready(recipe, watch)
        found = examine(patient_of(ready, seconds=seconds), stages=stages_of(ready), watch=watch)
    watch.done()
    return found


def _refuse(settings: dict[str, Any], config: str | Path | None) -> None:
    given = [*settings, *(["config"] if config is not None else [])]
    if given:
        raise UsageError(
            f"a run has its own recipe, and {given[0]} is given",
            hint="leave it out, or name the data: hubel doctor DATA",
        )
