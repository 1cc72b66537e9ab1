"""The modules of a net that hold no others, in the order in which a pass calls them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from hubel.nn.modes import evaluating
from hubel.nn.taps import watch
from hubel.types import Shape


@dataclass(frozen=True, slots=True)
class Leaf:
    """One call of a module. `parameters` are its own."""

    name: str
    kind: str
    output: Shape
    """Without the batch."""
    parameters: int


def leaves(model: nn.Module, shape: Shape) -> list[Leaf]:
    """Each call of a leaf in one forward pass of one blank sample of `shape`; the model is left as it was.

    >>> [(leaf.kind, leaf.output) for leaf in leaves(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), (2,))]
    [('Linear', (3,)), ('ReLU', (3,))]

    Of a module that gives several things, as an LSTM gives its states too, the output is the first.
    """
    found: list[Leaf] = []

    def note(name: str, module: nn.Module, inputs: object, output: object) -> None:
        output = output[0] if isinstance(output, tuple) and output else output
        if isinstance(output, torch.Tensor):
            own = sum(parameter.numel() for parameter in module.parameters(recurse=False))
            found.append(Leaf(name, type(module).__name__, tuple(output.shape[1:]), own))

    inside = {name: module for name, module in model.named_modules() if not list(module.children())}
    device = next(iter(model.parameters()), torch.zeros(0)).device
    with watch(inside, note), evaluating(model), torch.no_grad():
        model(torch.zeros(1, *shape, device=device))
    return found
