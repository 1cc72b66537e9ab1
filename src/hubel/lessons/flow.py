"""Gradient flow: for one batch, how strong activations and gradients are from layer to layer, and what is wrong.

    vanishing   the gradient is a thousand times shorter at the first layer than at the last one
    exploding   it is a thousand times longer, or not a number any more
    fading      the activations are a thousand times weaker behind the last hidden layer than behind the first
    dead        units that are zero for every image of the batch

>>> import torch
>>> from torch import nn
>>> from hubel.lessons.tape import play
>>> torch.manual_seed(0)
<torch._C.Generator ...>
>>> deep = nn.Sequential(*[layer for _ in range(8) for layer in (nn.Linear(16, 16), nn.Sigmoid())], nn.Linear(16, 3))
>>> report = flow(play(deep, torch.randn(32, 16), torch.zeros(32, dtype=torch.long)))
>>> len(report.layers), report.verdicts[0][:9]
(9, 'vanishing')
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hubel.lessons.tape import Note, Tape
from hubel.views import Viewed

STRONG = 1e3
"""Ratio between layers that counts as vanishing or exploding."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer with weights, and the activation behind it."""

    module: str
    operation: str
    activation_mean: float
    activation_deviation: float
    zeros: float
    """Share of zeros behind the activation."""
    dead: float
    """Share of channels or units that are zero for the whole batch."""
    gradient: float
    """Length of d loss / d output, the whole batch."""
    weight: float
    """Root mean square of the weights."""
    weight_gradient: float
    """Root mean square of d loss / d weights."""


@dataclass(frozen=True, slots=True)
class Flow(Viewed):
    """All layers from input to output."""

    model: str
    batch: int
    loss: float
    layers: tuple[Layer, ...]
    verdicts: tuple[str, ...]
    """What is wrong, in words; empty if nothing stands out."""


def flow(tape: Tape) -> Flow:
    """Read the layers with weights off a tape, and judge them."""
    layers = []
    for place, note in enumerate(tape.notes):
        if note.weight is None or note.weight_gradient is None:
            continue
        behind = _activation_behind(tape, place)
        layers.append(
            Layer(
                note.module,
                note.operation,
                behind.value.mean,
                behind.value.deviation,
                behind.value.zeros,
                behind.dead,
                note.gradient.norm if note.gradient else 0.0,
                _rms(note.weight.norm, note.weight.shape),
                _rms(note.weight_gradient.norm, note.weight_gradient.shape),
            )
        )
    return Flow(tape.model, tape.batch, tape.loss, tuple(layers), tuple(_verdicts(tape, layers)))


def _activation_behind(tape: Tape, place: int) -> Note:
    """The last elementwise operation in the chain behind a layer, else the layer itself."""
    best = tape.notes[place]
    index = place
    for later in range(place + 1, min(place + 6, len(tape.notes))):
        note = tape.notes[later]
        if index in note.inputs and note.weight is None and note.value.shape == best.value.shape:
            best, index = note, later
    return best


def _rms(norm: float, shape: tuple[int, ...]) -> float:
    return norm / math.sqrt(max(1, math.prod(shape)))


def _verdicts(tape: Tape, layers: list[Layer]) -> list[str]:
    found = []
    if not math.isfinite(tape.loss) or any(not math.isfinite(layer.weight_gradient) for layer in layers):
        found.append("exploding: the loss or a gradient is not a finite number")
        return found
    strengths = [layer.gradient for layer in layers if layer.gradient > 0]
    silent = [layer.module for layer in layers if layer.weight_gradient == 0]
    if silent:
        found.append(f"no gradient at all reaches {', '.join(silent[:4])}")
    if len(strengths) > 1:
        first, last = strengths[0], strengths[-1]
        if last > STRONG * first:
            found.append(
                f"vanishing: the gradient is {last / first:.0f} times shorter at the first layer than at the last"
            )
        elif first > STRONG * last:
            found.append(
                f"exploding: the gradient is {first / last:.0f} times longer at the first layer than at the last"
            )
    hidden = [layer.activation_deviation for layer in layers[:-1] if layer.activation_deviation > 0]
    if len(hidden) > 1 and hidden[0] > STRONG * hidden[-1]:
        found.append(f"fading: the activations become {hidden[0] / hidden[-1]:.0f} times weaker from first to last")
    images = "the image" if tape.batch == 1 else f"all {tape.batch} images"
    found += [
        f"dead: {layer.dead:.0%} of the units behind {layer.module} are zero for {images}"
        for layer in layers
        if layer.dead >= 0.5
    ]
    return found
