"""Curves of activations, losses and schedules, computed by the parts themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from hubel.errors import UsageError, unknown
from hubel.nn.activations import ACTIVATIONS
from hubel.nn.losses import LOSSES, build_loss
from hubel.training.schedules import ALSO_CALLED, SCHEDULES, build_schedule

Curve = tuple[np.ndarray, np.ndarray]
"""x and y of equal length."""


def activation_curves(names: Sequence[str]) -> dict[str, list[Curve]]:
    """For each activation: x and f(x), x and f'(x), on [-4, 4].

    >>> curves = activation_curves(["relu"])["relu"]
    >>> [float(y[-1]) for _, y in curves]
    [4.0, 1.0]
    """
    found: dict[str, list[Curve]] = {}
    for name in names:
        name = {"siren": "sine", "swish": "silu"}.get(name, name)
        entry = ACTIVATIONS.get(name)
        if not entry.pointwise:
            raise UsageError(
                f"{name!r} looks along the channels: it has no curve of one number",
                hint="name one of a single number: relu, gelu, tanh",
            )
        x = torch.linspace(-4, 4, 321, dtype=torch.float64, requires_grad=True)
        # Omega 30, as in the paper, would be drawn as a black bar.
        y = (entry.build(omega=3) if name == "sine" else entry.build()).double()(x)
        slope = torch.autograd.grad(y.sum(), x)[0] if y.requires_grad else torch.zeros_like(x)
        at = x.detach().numpy()
        found[name] = [(at, y.detach().numpy()), (at, slope.numpy())]
    return found


def loss_curves(names: Sequence[str]) -> dict[str, list[Curve]]:
    """For each loss: its value and slope over the error (regression) or over the lead of the true class (classes)."""
    found: dict[str, list[Curve]] = {}
    for name in names:
        entry = LOSSES.get(name)
        x = torch.linspace(-4, 4, 161, dtype=torch.float64, requires_grad=True)
        values = torch.stack([_at(name, point, classes=entry.classifies) for point in x])
        (slope,) = torch.autograd.grad(values.sum(), x)
        at = x.detach().numpy()
        found[name] = [(at, values.detach().numpy()), (at, slope.numpy())]
    return found


def _at(name: str, x: torch.Tensor, *, classes: bool) -> torch.Tensor:
    loss = build_loss(name).double()
    try:
        if classes and name not in ("mse", "l1", "huber", "smooth-l1"):
            return loss(torch.stack([x, torch.zeros_like(x)])[None], torch.tensor([0])).squeeze()
        return loss(x[None], torch.zeros(1, dtype=torch.float64)).squeeze()
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise UsageError(
            f"loss {name!r} takes more than one number: it has no curve ({error})", hint="hubel components losses"
        ) from error


def schedule_curves(names: Sequence[str]) -> dict[str, list[Curve]]:
    """For each schedule: the factor at each of 100 steps."""
    found: dict[str, list[Curve]] = {}
    for name in names:
        if ALSO_CALLED.get(name, name) not in SCHEDULES:
            raise unknown("schedule", name, SCHEDULES, listing="hubel components schedules")
        schedule = build_schedule(name, total_steps=100, steps_per_epoch=10)
        history = [1.0] * 24
        values = [schedule(t, history[: t // 5]) for t in range(100)]
        found[name] = [(np.arange(100.0), np.array(values))]
    return found
