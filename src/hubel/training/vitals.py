"""How a net is while it learns, part by part: gradients, updates, silent and saturated units, the drift of its norms.

A look is taken on some steps only, and on what lies there anyway: the gradients of the step, the weights before and
after it, and one pass of a few of its pictures in evaluation mode. It changes no weight, no statistic and no random
number, so a run that is looked at has the bits of one that is not. Looks take at most SHARE of the time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hubel.events import Vitals
from hubel.nn.modes import evaluating
from hubel.nn.taps import watch
from hubel.runtime import out_of_memory
from hubel.types import Batch

EVERY = 20
"""Steps from one look to the next at least."""
DEEP = 4
"""Looks from one that asks more to the next."""
SHARE = 0.01
"""Of the time, at most, that looking takes; a look that would take more waits."""
PICTURES = 32
"""Of the step's batch, whose activations are looked at."""
SILENT = (nn.ReLU, nn.ReLU6, nn.Threshold, nn.Hardswish, nn.SELU, nn.ELU, nn.GELU, nn.SiLU, nn.LeakyReLU)
"""Activations behind which a unit that gives exactly nought to every picture is silent: it learns nothing there."""
BOUNDED: Mapping[type[nn.Module], tuple[float, float]] = {
    nn.Sigmoid: (0.0, 1.0), nn.Tanh: (-1.0, 1.0), nn.Hardsigmoid: (0.0, 1.0), nn.Hardtanh: (-1.0, 1.0),
}  # fmt: skip
"""Activations that flatten out at both ends, and where."""
FLAT = 0.01
"""Share of the range, at either end, in which a unit counts as saturated: a sigmoid's slope is below 0.01 there."""


class Looks:
    """Takes looks at a model: `due` before a step, `before` and `after` around its update."""

    def __init__(self, model: nn.Module, deeper: Callable[[Batch], dict[str, float]] | None = None) -> None:
        """`deeper` is asked at every fourth look what needs passes of its own (`hubel.training.deeper`)."""
        self.model, self.deeper, self.taken = model, deeper, 0
        self.parts = parts_of(model)
        kinds: tuple[type[nn.Module], ...] = (*SILENT, *BOUNDED)
        self.watched = {name: module for name, module in model.named_modules() if isinstance(module, kinds)}
        self.places = {name: self._place(name) for name in self.watched}
        self.cost = 0.0
        self.began = time.perf_counter()
        self.next = 0
        self.weights: list[torch.Tensor] = []
        self.gradients: dict[str, float] = {}
        self.means = self._means()

    def due(self, step: int) -> bool:
        """Is it time for a look at the update that follows `step` updates?"""
        if step < self.next:
            return False
        spent = time.perf_counter() - self.began
        return self.next == 0 or self.cost <= SHARE * spent

    def before(self) -> bool:
        """Take note of gradients and weights, which the update is about to change; False where memory is too short."""
        started = time.perf_counter()
        try:
            self.weights = [p.detach().clone() for part in self.parts.values() for p in part]
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            self.next, self.weights = sys.maxsize, []
            return False
        self.gradients = {
            name: _length(p.grad for p in part if p.grad is not None) for name, part in self.parts.items()
        }
        self.cost += time.perf_counter() - started
        return True

    def after(self, batch: Batch, *, epoch: int, step: int, precision: torch.dtype) -> Vitals:
        """What the update did, and how the net stands after it."""
        started = time.perf_counter()
        earlier = iter(self.weights)
        found: dict[str, dict[str, float]] = {}
        for name, part in self.parts.items():
            old = [next(earlier) for _ in part]
            weight = _length(old)
            moved = _length(torch._foreach_sub([p.detach() for p in part], old))
            found[name] = {
                "gradient": self.gradients[name],
                "weight": weight,
                "update": moved / weight if weight > 0 else float("nan"),
            }
        self.weights = []
        images = batch.images[:PICTURES]
        if images.ndim == 5:  # two views of each picture, as nets learn from that learn without labels
            images = images[:, 0]
        for name, numbers in self._activations(images, precision).items():
            found.setdefault(name, {}).update(numbers)
        means = self._means()
        for name, drift in _drifts(self.means, means).items():
            found.setdefault(name, {})["drift"] = drift
        self.means = means
        whole = self.deeper(batch) if self.deeper is not None and self.taken % DEEP == 1 else {}
        self.taken += 1
        self.cost += time.perf_counter() - started
        self.next = step + EVERY
        return Vitals(epoch, step, found, whole)

    def _place(self, name: str) -> str:
        """The part an activation belongs to: its own, else that of the last parameter before it in the net."""
        own = part_of(name, self.parts)
        if own in self.parts:
            return own
        last = next(iter(self.parts), "")
        for module, found in self.model.named_modules():
            if module == name:
                break
            if next(found.parameters(recurse=False), None) is not None:
                last = part_of(module, self.parts)
        return last

    def _activations(self, images: torch.Tensor, precision: torch.dtype) -> dict[str, dict[str, float]]:
        """Part -> share of silent units and of saturated values, over all activations in it."""
        silent: dict[str, list[torch.Tensor]] = {}
        flat: dict[str, list[torch.Tensor]] = {}

        def hear(name: str, module: nn.Module, _: Any, output: Any) -> None:
            if not isinstance(output, torch.Tensor) or output.ndim < 2:
                return
            part = self.places[name]
            if isinstance(module, SILENT):
                units = output.movedim(1, 0).flatten(1)
                silent.setdefault(part, []).append((units == 0).all(1).float())
            else:
                low, high = next(ends for kind, ends in BOUNDED.items() if isinstance(module, kind))
                near = FLAT * (high - low)
                flat.setdefault(part, []).append(((output < low + near) | (output > high - near)).float().mean()[None])

        half = precision != torch.float32
        cast = torch.autocast(images.device.type, dtype=precision) if half else nullcontext()
        images = images[:, 0] if images.ndim == 5 else images  # several views of each: B V C H W
        with evaluating(self.model), torch.no_grad(), cast, watch(self.watched, hear):
            self.model(images)
        found: dict[str, dict[str, float]] = {}
        for key, values in (("silent", silent), ("saturated", flat)):
            for part, shares in values.items():
                found.setdefault(part, {})[key] = float(torch.cat(shares).mean())
        return found

    def _means(self) -> dict[str, list[tuple[torch.Tensor, torch.Tensor]]]:
        """Part -> running means and variances of its batch norms."""
        found: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}
        for name, module in self.model.named_modules():
            if isinstance(module, _BatchNorm) and module.running_mean is not None and module.running_var is not None:
                kept = module.running_mean.detach().clone(), module.running_var.detach().clone()
                found.setdefault(part_of(name, self.parts), []).append(kept)
        return found


def parts_of(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The parameters of a net by the part they stand in, in its order: stages, head, and what else it has.

    >>> from hubel.models import create_model
    >>> [(name, len(part)) for name, part in parts_of(create_model("mnist_cnn", num_classes=10, in_chans=1)).items()]
    [('block1', 2), ('block2', 2), ('dense', 2)]
    """
    named = [name for name in (*getattr(model, "stages", ()), getattr(model, "head", "")) if name]
    found: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        found.setdefault(part_of(name, named), []).append(parameter)
    return found


def part_of(name: str, parts: Iterable[str]) -> str:
    """Which of `parts` a module or parameter belongs to; else the first word of its own name.

    >>> part_of("layer1.0.conv1.weight", ["layer1", "fc"]), part_of("stem.conv.weight", ["layer1"])
    ('layer1', 'stem')
    """
    known = list(parts)
    owners = [part for part in known if f"{name}.".startswith(f"{part}.")]
    return max(owners, key=len) if owners else name.partition(".")[0]


def _length(tensors: Iterable[torch.Tensor]) -> float:
    """The Euclidean length of all of them together."""
    known = list(tensors)
    return float(torch.stack(torch._foreach_norm(known)).float().norm()) if known else 0.0


def _drifts(
    before: Mapping[str, list[tuple[torch.Tensor, torch.Tensor]]],
    now: Mapping[str, list[tuple[torch.Tensor, torch.Tensor]]],
) -> dict[str, float]:
    """Part -> mean distance that its running means have moved since the last look, in deviations."""
    found = {}
    for name, pairs in now.items():
        moved = [
            ((new - old).abs() / (variance + 1e-5).sqrt()).mean()
            for (new, variance), (old, _) in zip(pairs, before[name], strict=True)
        ]
        found[name] = float(torch.stack(moved).mean())
    return found
