"""A real pass, written down while it happens: every operation with its values, and the gradients that flow back.

Where `graph.record` needs shapes only, the tape runs the net on an actual image, forward and backward, and keeps for
each operation a few statistics, small pictures of its maps, and the same of its gradient.

>>> torch.manual_seed(0)
<torch._C.Generator ...>
>>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))
>>> tape = play(net, torch.ones(1, 1, 8, 8), torch.tensor([1]))
>>> [(note.operation, note.module) for note in tape.notes]
[('input', ''), ('conv2d', '0'), ('relu', '1'), ('flatten', '2'), ('linear', '3'), ('cross_entropy', '')]
>>> tape.notes[-1].inputs, tape.notes[-1].value.shape
((4,), ())
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from hubel.anatomy.graph import tensors_in
from hubel.errors import UsageError
from hubel.nn.modes import evaluating, training
from hubel.nn.taps import module_calls
from hubel.types import Shape
from hubel.views import Viewed

THUMBNAIL = 48
"""Largest side of the small pictures in pixels; larger maps are thinned."""
MOST_NOTES = 5_000
MOST_GROUPS = 48
"""A net with more operations is shown by stage."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """A tensor in a few numbers."""

    shape: Shape
    mean: float
    deviation: float
    low: float
    high: float
    zeros: float
    """Share of exact zeros, 0..1."""
    norm: float
    """Euclidean length."""
    finite: bool


@dataclass(frozen=True, slots=True)
class Note:
    """One operation of the pass."""

    operation: str
    module: str
    kind: str
    """Class of the innermost module, "" outside of one."""
    inputs: tuple[int, ...]
    """Indices of earlier notes."""
    value: Statistics
    gradient: Statistics | None
    """Of the loss by the value; None if no gradient reaches it."""
    maps: np.ndarray | None
    """n H W uint8: the first maps of the first image, each stretched to its own range; None for vectors."""
    numbers: tuple[float, ...]
    """The values themselves, if there are at most 16 for the first image."""
    weight: Statistics | None
    weight_gradient: Statistics | None
    dead: float
    """Share of channels (or units) that are zero for every image of the batch."""


@dataclass(frozen=True, slots=True)
class Tape(Viewed):
    """A whole pass."""

    model: str
    notes: tuple[Note, ...]
    loss: float
    batch: int


def play(
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor | None = None,
    *,
    train: bool = False,
    maps: int = 1,
) -> Tape:
    """Run forward and backward on images B C H W and labels B; without labels, on the classes the net chooses.

    The model is left as it was: modes, gradients and buffers. Raises UsageError if the pass fails.
    """
    mode = training if train else evaluating
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    parameters = [(parameter, parameter.grad) for parameter in model.parameters()]
    for parameter, _ in parameters:
        parameter.grad = None
    recorder = _Tape()
    start = images.detach().clone()
    if start.is_floating_point():
        start.requires_grad_()
    failed: Exception | None = None
    notes: tuple[Note, ...] = ()
    try:
        with mode(model), torch.enable_grad(), module_calls(model, recorder.enter, recorder.leave):
            recorder.begin(start)
            with recorder:
                logits = model(start)
                logits = logits[0] if isinstance(logits, tuple) else logits
                target = logits.argmax(1) if labels is None else labels.to(logits.device)
                recorder.stack.clear()
                loss = (
                    F.mse_loss(logits.squeeze(-1), target)
                    if target.is_floating_point()
                    else F.cross_entropy(logits, target)
                )
            loss.backward()
    except (RuntimeError, IndexError, ValueError) as error:
        failed = error
    else:
        notes = tuple(recorder.note(entry, maps) for entry in recorder.entries)
    finally:
        for parameter, gradient in parameters:
            parameter.grad = gradient
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(kept[name])
    if failed:
        first = str(failed).splitlines()[0] if str(failed) else type(failed).__name__
        raise UsageError(
            f"{type(model).__name__} cannot be run on images of shape {tuple(images.shape)}: {first}",
            hint="check the shape with: hubel summary NET --input CxHxW",
        ) from failed
    return Tape(type(model).__name__, notes, float(loss.detach()), len(images))


@dataclass(slots=True)
class _Entry:
    operation: str
    module: str
    kind: str
    inputs: tuple[int, ...]
    tensor: torch.Tensor
    weight: nn.Parameter | None


class _Tape(TorchFunctionMode):
    """Sees each call of a torch function from Python, with tensors that know their gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[_Entry] = []
        self.places: dict[int, int] = {}
        self.stack: list[tuple[str, str]] = []

    def begin(self, images: torch.Tensor) -> None:
        self.places[id(images)] = 0
        self.entries.append(_Entry("input", "", "", (), images, None))

    def enter(self, name: str, module: nn.Module, args: Any, kwargs: Any) -> None:
        self.stack.append((name, type(module).__name__))

    def leave(self, output: Any) -> None:
        self.stack.pop()

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        name = getattr(function, "__name__", "")
        given = list(tensors_in((args, kwargs or {})))
        inputs = tuple(dict.fromkeys(self.places[id(t)] for t in given if id(t) in self.places))
        made = [t for t in tensors_in(result) if t.is_floating_point()]
        if not inputs or not made or name in _SILENT or len(self.entries) >= MOST_NOTES:
            for tensor in made:
                if inputs and id(tensor) not in self.places:
                    self.places[id(tensor)] = inputs[0]
            return result
        weight = next((t for t in given if isinstance(t, nn.Parameter) and t.dim() > 1), None)
        module, kind = self.stack[-1] if self.stack else ("", "")
        for tensor in made:
            if tensor.requires_grad:
                tensor.retain_grad()
            self.places[id(tensor)] = len(self.entries)
            self.entries.append(_Entry(name.removesuffix("_"), module, kind, inputs, tensor, weight))
        return result

    def note(self, entry: _Entry, maps: int) -> Note:
        tensor = entry.tensor
        gradient = tensor.grad
        value = tensor.detach()
        weight = entry.weight
        first = (value[:1] if value.dim() else value).flatten()
        return Note(
            entry.operation,
            entry.module,
            entry.kind,
            entry.inputs,
            statistics(value),
            None if gradient is None else statistics(gradient),
            _thumbnails(value, maps) if value.dim() == 4 and maps else None,
            tuple(float(v) for v in first) if 0 < first.numel() <= 16 else (),
            None if weight is None else statistics(weight.detach()),
            None if weight is None or weight.grad is None else statistics(weight.grad),
            _dead(value),
        )


# Asking for a shape or a copy of the same numbers is not a step of the calculation.
_SILENT = frozenset(
    {"__get__", "contiguous", "detach", "requires_grad_", "retain_grad", "size", "clone", "to", "float"}
)


def statistics(tensor: torch.Tensor) -> Statistics:
    """A tensor in a few numbers, all 0 for an empty one."""
    if not tensor.numel():
        return Statistics(tuple(tensor.shape), 0, 0, 0, 0, 0, 0, True)
    numbers = tensor.detach().float()
    return Statistics(
        tuple(tensor.shape),
        float(numbers.mean()),
        float(numbers.std(correction=0)),
        float(numbers.min()),
        float(numbers.max()),
        float((numbers == 0).float().mean()),
        float(numbers.norm()),
        bool(numbers.isfinite().all()),
    )


def _dead(value: torch.Tensor) -> float:
    if value.dim() < 2 or not value.numel():
        return 0.0
    return float((value == 0).transpose(0, 1).flatten(1).all(dim=1).float().mean())


def _thumbnails(value: torch.Tensor, count: int) -> np.ndarray:
    """The first `count` maps of the first image as n H W uint8."""
    maps = value[0, :count].float()
    step = max(1, -(-max(maps.shape[1:]) // THUMBNAIL))
    maps = maps[:, ::step, ::step]
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return ((maps - low) / (high - low).clamp_min(1e-12) * 255).byte().cpu().numpy()


def staged(tape: Tape, most: int = MOST_GROUPS) -> list[list[int]]:
    """Indices of notes, grouped by module path at the greatest depth that gives at most `most` groups."""
    groups = [[i] for i in range(len(tape.notes))]
    depth = max((note.module.count(".") + 1 for note in tape.notes if note.module), default=1)
    while len(groups) > most and depth > 0:
        groups = []
        last = None
        for i, note in enumerate(tape.notes):
            path = ".".join(note.module.split(".")[:depth])
            if groups and path and path == last:
                groups[-1].append(i)
            else:
                groups.append([i])
            last = path
        depth -= 1
    return groups
