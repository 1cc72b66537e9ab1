"""Bench: how fast a net answers, in every form it can be served in, at every batch size."""

from __future__ import annotations

import time
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from hubel import runtime
from hubel.checkpoint import Classifier
from hubel.deploy import latency as bench_room
from hubel.deploy.files import is_shipped, open_file, refuse_settings
from hubel.deploy.latency import FORMS, Form, Latency, Timing
from hubel.deploy.layer_times import LayerTimes, layer_times
from hubel.errors import UsageError
from hubel.faces.progress import shows_progress
from hubel.models import create_model
from hubel.models.files import known_as
from hubel.records.nets import keeps_outputs, made_for, open_net, outputs_of
from hubel.server.settings import Limits
from hubel.watching import SILENT, Watcher

if TYPE_CHECKING:
    from hubel.server.bench import ServedLoads

__all__ = ["FORMS", "Form", "Latency", "LayerTimes", "Timing", "bench", "bench_layers", "bench_server", "sizes_up_to"]


@shows_progress
def bench(
    net: str | Path | Classifier, *, batches: Sequence[int] = (1, 2, 4, 8, 16), forms: Sequence[str] = (),
    shape: Sequence[int] | None = None, num_classes: int | None = None, seconds: float = 1.0, device: str = "auto",
    threads: int | None = None, verbose: bool | None = None, watch: Watcher = SILENT,
) -> Latency:  # fmt: skip
    """Latency and throughput of a run, a classifier, or an architecture by name (with fresh weights); also of a file
    that `hubel export` wrote, with all that is in it.

    `shape` (C H W) and `num_classes` are for an architecture (None: what it was made for; a run has its own), `shape`
    also for a file, which takes pictures of any size. `forms`:
    see FORMS; () for all.
    Raises UnknownName, UsageError, ArtefactError.
    """
    if is_shipped(net):
        refuse_settings(
            str(net), {"--form": (tuple(forms), ()), "--num-classes": (num_classes, None), "--device": (device, "auto")}
        )
        return _file(str(net), batches, shape, seconds, threads, watch)
    model, given, title = _net(net, shape, num_classes)
    target = runtime.pick_device(device)

    def tell(text: str) -> None:
        watch.stage(text)
        if text.endswith("compiled"):
            watch.remark("torch.compile may take minutes; --form eager --form ready leaves it out")

    runtime.check_threads(threads)
    with runtime.threads(threads):
        return bench_room.latency(
            model.to(target),
            given,
            title=title,
            batches=batches,
            forms=forms,
            seconds=seconds,
            progress=tell,
        )


@shows_progress
def bench_layers(
    net: str | Path | Classifier, *, batch: int = 1, shape: Sequence[int] | None = None,
    num_classes: int | None = None, seconds: float = 1.0, device: str = "auto", threads: int | None = None,
    verbose: bool | None = None, watch: Watcher = SILENT,
) -> LayerTimes:  # fmt: skip
    """How long each layer of a net takes, as PyTorch runs it, with `batch` pictures; else as `bench`."""
    if is_shipped(net):
        raise UsageError(
            f"{net} is an exported file, into whose layers nobody looks", hint="time the run that it was made of"
        )
    if batch < 1:
        raise UsageError(f"at least 1 picture goes through a net, got {batch}", hint="--batch-size 1")
    model, given, title = _net(net, shape, num_classes)
    runtime.check_threads(threads)
    watch.stage("timing layers")
    with runtime.threads(threads):
        return layer_times(
            model.to(runtime.pick_device(device)), given, title=title, batch=batch, seconds=seconds
        )  # fmt: skip


def _file(
    path: str, batches: Sequence[int], shape: Sequence[int] | None, seconds: float, threads: int | None, watch: Watcher
) -> Latency:
    """An exported file on pictures of the size that its net takes, or of `shape`."""
    runtime.check_threads(threads)
    started = time.perf_counter()
    file = open_file(path, threads=threads or torch.get_num_threads())
    if shape is not None and (len(shape) != 3 or min(shape) < 1 or shape[0] != file.preprocessing.channels):
        raise UsageError(
            f"{path} takes pictures of {file.preprocessing.channels} channels in any size, got {tuple(shape)}",
            hint=f"e.g. --input {file.preprocessing.channels}x480x640",
        )
    form = Form(
        name="exported", what=f"ONNX Runtime {file.runtime.version}, decoded bytes in, answers out",
        difference=file.away, allowed=file.allowed, setup_seconds=time.perf_counter() - started, missing="",
    )  # fmt: skip
    with runtime.threads(threads):
        return bench_room.file_latency(
            file.runtime.run, form, shape or file.preprocessing.shape, title=f"{path} ({file.architecture})",
            parameters=file.parameters, batches=batches, seconds=seconds, progress=watch.stage,
        )  # fmt: skip


@shows_progress
def bench_server(
    run: str | PathLike[str], *, clients: int = 16, rates: Sequence[float] = (), seconds: float = 1.0,
    batch: int = 16, workers: int = 1, device: str = "auto", threads: int | None = None, form: str = "ready",
    exact: bool = False, verbose: bool | None = None, watch: Watcher = SILENT,
) -> ServedLoads:  # fmt: skip
    """How `hubel serve` answers one client, and `clients` of them, over loopback with a JPEG of 256 x 256 pixels.

    Each asks again as soon as it is answered; `rates` are requests in a second at random moments besides.
    Raises UsageError, ArtefactError.
    """
    from hubel.server.bench import measure  # the server's own libraries are loaded for it only
    from hubel.verbs.serve import settings_for

    runtime.check_threads(threads)
    settings = settings_for(
        run, port=0, batch=batch, workers=workers, device=device, threads=threads, exact=exact, form=form,
        limits=Limits(queue=max(64, clients), connections=clients + 64),
    )  # fmt: skip
    numbers = sorted({1, clients})
    return measure(settings, clients=numbers, rates=rates, seconds=seconds, watch=watch)


def sizes_up_to(most: int) -> list[int]:
    """1, 2, 4, … and `most`.

    >>> sizes_up_to(12)
    [1, 2, 4, 8, 12]
    """
    if most < 1:
        raise UsageError(f"the largest batch must be at least 1, got {most}", hint="leave --batch-size out for 1 to 16")
    return [*(1 << k for k in range(most.bit_length()) if 1 << k < most), most]


def _net(
    net: str | Path | Classifier, shape: Sequence[int] | None, num_classes: int | None
) -> tuple[nn.Module, tuple[int, ...], str]:
    """The net, the shape of a picture, and what to call it."""
    net = net if isinstance(net, Classifier) else known_as(str(net))
    opened = open_net(net)
    if isinstance(opened, Classifier):
        if shape is not None:
            raise UsageError(
                f"a trained run has its own input shape, and {'x'.join(map(str, shape))} is given",
                hint="leave --input out, or name an architecture",
            )
        keeps_outputs("a trained run", num_classes)
        name = "classifier" if isinstance(net, Classifier) else str(net)
        return opened.model, made_for(opened), f"{name} ({opened.spec.architecture})"
    shape = tuple(shape or made_for(opened))
    if len(shape) not in (1, 3) or min(shape) < 1:
        raise UsageError(f"a picture has channels x height x width, got {shape}", hint="e.g. --input 3x224x224")
    with runtime.seeded(0):
        sides = (shape[1], shape[2]) if len(shape) == 3 else None
        classes = outputs_of(str(net), num_classes)
        model = create_model(str(net), num_classes=classes, in_chans=shape[0], img_size=sides).eval()
    return model, shape, f"{net}{'' if classes is None else f' (K = {classes})'}, fresh weights"
