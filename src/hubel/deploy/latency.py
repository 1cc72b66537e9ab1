"""How long a net takes to answer, at each batch size, in each form that it can be served in.

The forms are timed in turn, a few calls each, again and again, so that a busy moment of the machine meets all of them;
the first call after each change of form is not counted, since the threads of the one before may still be spinning. What
counts is the whole call, pictures in, logits out, on a device that has finished.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel import runtime
from hubel.deploy import onnx
from hubel.deploy.ready import difference, ready
from hubel.errors import UsageError, unknown
from hubel.nn.fuse import twin_of
from hubel.nn.modes import evaluating
from hubel.runtime import out_of_memory
from hubel.views import Viewed
from hubel.words import plain, plural

FORMS = {
    "eager": "the net as trained, as PyTorch runs it: model.eval(), torch.no_grad()",
    "ready": "as hubel predict runs it: norms folded, filters packed, memory format and threads measured",
    "compiled": "torch.compile",
    "onnx": "ONNX Runtime on the CPU",
}
BLOCK = 4
"""Calls of a form before the next has its turn, one of them not counted."""
FEWEST, MOST = 12, 400
"""Calls of a form that are counted, whatever the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One way to run the net."""

    name: str
    what: str
    """Details: how many norms were folded, which version of which runtime, how many threads."""
    difference: float
    """Largest difference of a logit from eager's, over all batch sizes; NaN if the form could not be made."""
    allowed: float
    """The largest difference that passes."""
    setup_seconds: float
    missing: str
    """Why the form could not be made; "" if it could."""

    @property
    def agrees(self) -> bool:
        """Are its logits eager's, within the tolerance?"""
        return not self.missing and self.difference <= self.allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One form at one batch size. Seconds a call."""

    form: str
    batch: int
    calls: int
    median: float
    p10: float
    p90: float
    p99: float
    ratio: float
    """Time by eager's time: the median over turns in which both were measured; NaN without eager."""

    @property
    def images_per_second(self) -> float:
        """Throughput at the median."""
        return self.batch / self.median


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(Viewed):
    """What was measured."""

    title: str
    shape: tuple[int, ...]
    """Of one picture, C H W."""
    parameters: int
    environment: dict[str, object]
    """Machine, versions, threads: `hubel.runtime.machine`."""
    forms: tuple[Form, ...]
    timings: tuple[Timing, ...]
    """By batch size, then by form."""
    stopped: str
    """Why larger batches were left out; "" if none was."""

    def of(self, form: str, batch: int = 1) -> Timing:
        """The timing of a form at a batch size; raises KeyError if it was not measured."""
        for timing in self.timings:
            if (timing.form, timing.batch) == (form, batch):
                return timing
        raise KeyError(f"{form} at batch {batch} was not measured")

    def to_json(self) -> str:
        """Everything that was measured, as JSON; seconds as numbers, what is not known as null."""
        facts: dict[str, Any] = asdict(self)
        for row, each in zip(facts["timings"], self.timings, strict=True):
            row["images_per_second"] = each.images_per_second
        for row, form in zip(facts["forms"], self.forms, strict=True):
            row["agrees"] = form.agrees
        return json.dumps(plain(facts), indent=1, ensure_ascii=False)


def latency(
    model: nn.Module,
    shape: Sequence[int],
    *,
    title: str = "",
    batches: Sequence[int] = (1, 2, 4, 8, 16),
    forms: Sequence[str] = (),
    seconds: float = 1.0,
    images: torch.Tensor | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Latency:
    """Time `model` on random pictures of `shape` (C H W), or on `images` (B C H W), repeated to each of `batches`.

    Each form runs for about `seconds` at each batch size, but at least FEWEST times. `forms`: of FORMS; () for all. A
    form that cannot be made here, or fails, is named with the reason. The model is left as it was. Raises UnknownName
    for a form, UsageError for an impossible batch size, and what the model raises for such pictures.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    >>> found = latency(net, (3, 2, 2), batches=[1, 2], forms=["eager", "ready"], seconds=0.01)
    >>> [(timing.form, timing.batch) for timing in found.timings]
    [('eager', 1), ('ready', 1), ('eager', 2), ('ready', 2)]
    >>> found.of("ready", 2).p10 <= found.of("ready", 2).p99
    True
    """
    for name in forms:
        if name not in FORMS:
            raise unknown("form", name, FORMS)
    if not batches or min(batches) < 1:
        raise UsageError(f"batch sizes must be at least 1, got {list(batches)}", hint="batches=[1, 16] is usual")
    parameter = next(model.parameters(), None)
    device = parameter.device if parameter is not None else torch.device("cpu")
    if images is None:
        images = torch.randn((min(max(batches), 64), *shape), generator=runtime.generator(0)).to(device)
    calls: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {}
    made: dict[str, tuple[str, float, str]] = {}
    for name in forms or FORMS:
        progress(f"making ready: {name}")
        started = time.perf_counter()
        try:
            calls[name], what = _MAKE[name](model, images)
            made[name] = (what, time.perf_counter() - started, "")
        except Unavailable as reason:
            made[name] = ("", 0.0, str(reason))
    timings: list[Timing] = []
    away: dict[str, tuple[float, float]] = {}
    stopped = ""
    for batch in batches:
        pictures = images.repeat(-(-batch // len(images)), *[1] * (images.dim() - 1))[:batch].contiguous()
        progress(f"batch {batch}")
        try:
            timings += _measured(model, calls, made, pictures, away, seconds)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if batch == min(batches) or not out_of_memory(error):
                raise
            stopped = f"memory ran out at batch {batch}"
            break
    return Latency(
        title=title or type(model).__name__,
        shape=tuple(shape),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        environment=runtime.environment(device),
        forms=tuple(_form(name, *made[name], *away.get(name, (float("nan"), 0.0))) for name in made),
        timings=tuple(timings),
        stopped=stopped,
    )


def file_latency(
    answer: Callable[[np.ndarray], object],
    form: Form,
    shape: Sequence[int],
    *,
    title: str,
    parameters: int,
    batches: Sequence[int],
    seconds: float,
    progress: Callable[[str], None] = lambda text: None,
) -> Latency:
    """Time an exported file on random pictures of `shape` (C H W), decoded bytes in, answers out.

    `answer` takes N H W C uint8; `form` says what is timed.
    """
    channels, height, width = shape
    noise = torch.randint(0, 256, (max(batches), height, width, channels), generator=runtime.generator(0))
    pictures = noise.to(torch.uint8)
    timings: list[Timing] = []
    for batch in batches:
        progress(f"batch {batch}")
        timings += side_by_side({form.name: lambda some: answer(some.numpy())}, pictures[:batch], seconds)
    return Latency(
        title=title, shape=tuple(shape), parameters=parameters, environment=runtime.environment(torch.device("cpu")),
        forms=(form,), timings=tuple(timings), stopped="",
    )  # fmt: skip


class Unavailable(Exception):
    """A form cannot be made here; the message is one line for the user."""


def _form(name: str, what: str, seconds: float, missing: str, away: float, allowed: float) -> Form:
    return Form(
        name=name, what=what, difference=away, allowed=allowed, setup_seconds=seconds, missing=missing
    )  # fmt: skip


def _measured(
    model: nn.Module,
    calls: dict[str, Callable[[torch.Tensor], torch.Tensor]],
    made: dict[str, tuple[str, float, str]],
    pictures: torch.Tensor,
    away: dict[str, tuple[float, float]],
    seconds: float,
) -> list[Timing]:
    """Check and time every form at one batch size; a form that fails is dropped, and `made` says why."""
    with evaluating(model), torch.no_grad():
        plain = model(pictures)
    for name, call in list(calls.items()):
        started = time.perf_counter()
        try:
            with _torch_only():
                found, allowed = difference(plain, call(pictures))
        except (torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:
            if name == "eager" or out_of_memory(error):
                raise
            del calls[name]
            made[name] = ("", 0.0, f"failed at batch {len(pictures)}: {_line(error)}")
            continue
        if name == "compiled":  # it compiles at its first call, and again at the first batch of another size
            what, before, missing = made[name]
            made[name] = (what, before + time.perf_counter() - started, missing)
        before_away, before_allowed = away.get(name, (0.0, allowed))
        away[name] = (max(before_away, found), max(before_allowed, allowed))
    return side_by_side(calls, pictures, seconds)


def side_by_side(
    calls: Mapping[str, Callable[[torch.Tensor], object]], pictures: torch.Tensor, seconds: float
) -> list[Timing]:
    """All forms in turn at one batch size."""
    taken: dict[str, list[list[float]]] = {name: [] for name in calls}
    started, counted = time.perf_counter(), 0
    while counted < FEWEST or (counted < MOST and time.perf_counter() - started < seconds * len(calls)):
        for name, call in calls.items():
            block = []
            for _ in range(BLOCK):
                begun = time.perf_counter()
                call(pictures)
                runtime.synchronise(pictures.device)
                block.append(time.perf_counter() - begun)
            taken[name].append(block[1:])
        counted += BLOCK - 1
    return [_timing(name, len(pictures), taken) for name in calls]


def _timing(name: str, batch: int, taken: Mapping[str, list[list[float]]]) -> Timing:
    mine = np.array(taken[name])  # turns, calls
    p10, median, p90, p99 = (float(value) for value in np.quantile(mine, (0.1, 0.5, 0.9, 0.99)))
    ratio = float("nan")
    if "eager" in taken:
        ratio = float(np.median(np.median(mine, axis=1) / np.median(np.array(taken["eager"]), axis=1)))
    return Timing(form=name, batch=batch, calls=mine.size, median=median, p10=p10, p90=p90, p99=p99, ratio=ratio)


# ---------------------------------------------------------------- the forms

Call = Callable[[torch.Tensor], torch.Tensor]


def _eager(model: nn.Module, images: torch.Tensor) -> tuple[Call, str]:
    def call(pictures: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return model(pictures)

    model = twin_of(model)
    return call, f"PyTorch {torch.__version__}, {_threads(torch.get_num_threads(), images)}"


def _ready(model: nn.Module, images: torch.Tensor) -> tuple[Call, str]:
    # One picture decides, since one picture is what waiting is about.
    fast = ready(model, images[:1])
    note = f" ({fast.note})" if fast.note else ""
    return fast, f"{fast}{note}" if images.device.type == "cpu" else f"{fast.form}, {images.device}{note}"


def _compiled(model: nn.Module, images: torch.Tensor) -> tuple[Call, str]:
    reason = no_compiler(images.device)
    if reason:
        raise Unavailable(reason)
    torch.compiler.reset()  # what was compiled before counts towards the limit of recompilations
    with _torch_only():
        built = torch.compile(twin_of(model))

    def call(pictures: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return built(pictures)

    return call, f"torch.compile, {_threads(torch.get_num_threads(), images)}"


def _onnx(model: nn.Module, images: torch.Tensor) -> tuple[Call, str]:
    if images.device.type != "cpu":
        raise Unavailable("ONNX Runtime is measured on the CPU only: --device cpu")
    absent = onnx.absent()
    if absent:
        raise Unavailable(f"{absent} is not installed: pip install 'hubel[export]'")
    try:
        session = onnx.Session(onnx.exported(twin_of(model), images[:2]), threads=torch.get_num_threads())
    except Exception as error:
        raise Unavailable(f"the net cannot be written as ONNX: {_line(error)}") from None
    return session, f"ONNX Runtime {session.version}, {_threads(torch.get_num_threads(), images)}"


_MAKE: dict[str, Callable[[nn.Module, torch.Tensor], tuple[Call, str]]] = {
    "eager": _eager, "ready": _ready, "compiled": _compiled, "onnx": _onnx,
}  # fmt: skip


def no_compiler(device: torch.device) -> str:
    """Why `torch.compile` cannot work for this device, in a line; "" if it should.

    >>> no_compiler(torch.device("meta"))
    'torch.compile is measured on CPU and CUDA only'
    """
    if device.type not in ("cpu", "cuda"):
        return "torch.compile is measured on CPU and CUDA only"
    if runtime.has_compiler(device):
        return ""
    if device.type == "cuda":
        return "torch.compile needs the package triton for CUDA"
    return f"torch.compile needs a C++ compiler: {os.environ.get('CXX') or 'g++ or clang++'} is not found"


@contextmanager
def _torch_only() -> Iterator[None]:
    """Without warnings about what the compiler itself uses of PyTorch's deprecated parts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _threads(count: int, images: torch.Tensor) -> str:
    if images.device.type != "cpu":
        return str(images.device)
    return plural(count, "thread")


def _line(error: BaseException) -> str:
    return ((str(error).strip().splitlines() or [""])[0] or type(error).__name__)[:160]
