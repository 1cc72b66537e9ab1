"""What a net may cost, and what it does cost: counted from its shapes before anything of it is trained.

>>> limits = Limits(params=100_000)
>>> spec = ModelSpec(architecture="mlp", num_classes=10, in_chans=1, img_size=(8, 8), options={"hidden": [64]})
>>> cost = count(spec)
>>> cost.params, cost.macs, limits.broken(cost)
(4810, 4736, '')
>>> Limits(params=1_000).broken(cost)
'4,810 parameters, and 1,000 are allowed'
"""

from __future__ import annotations

import json
import math
import statistics
import time
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch

from hubel import runtime
from hubel.anatomy.graph import record
from hubel.checkpoint import ModelSpec
from hubel.checkpoint.sizing import sized
from hubel.errors import UsageError
from hubel.nn.layout import arrange
from hubel.nn.modes import evaluating
from hubel.tasks import Task
from hubel.words import amount, short

PASSES = 15
"""Timed passes of one picture; their median is what counts."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a net costs wherever it runs, and how long it takes here."""

    params: int
    macs: int
    """Multiply-accumulates for one picture."""
    megabytes: float
    """Of weights and buffers as they are saved, 10^6 bytes."""
    milliseconds: float | None = None
    """For one picture on this machine, as the net is trained (`hubel bench` times faster forms); None: not timed."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that a net may cost; None is no limit."""

    params: int | None = None
    macs: int | None = None
    megabytes: float | None = None
    milliseconds: float | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) is not None for field in fields(self))

    def broken(self, cost: Cost) -> str:
        """Which limits a net exceeds, in words; "" for none."""
        found = []
        if self.params is not None and cost.params > self.params:
            found.append(f"{cost.params:,} parameters, and {self.params:,} are allowed")
        if self.macs is not None and cost.macs > self.macs:
            found.append(f"{short(cost.macs)} MACs, and {short(self.macs)} are allowed")
        if self.megabytes is not None and cost.megabytes > self.megabytes:
            found.append(f"{amount(cost.megabytes * 1e6)}, and {amount(self.megabytes * 1e6)} are allowed")
        if self.milliseconds is not None and cost.milliseconds is not None and cost.milliseconds > self.milliseconds:
            found.append(f"{cost.milliseconds:.3g} ms a picture, and {self.milliseconds:g} are allowed")
        return "; ".join(found)

    def excess(self, cost: Cost) -> float:
        """How many times too large a net is by the limit it exceeds most; at most 1 inside all of them."""
        pairs = [
            (cost.params, self.params), (cost.macs, self.macs), (cost.megabytes, self.megabytes),
            (cost.milliseconds, self.milliseconds),
        ]  # fmt: skip
        return max([value / most for value, most in pairs if most and value is not None], default=0.0)

    @property
    def flags(self) -> str:
        """As they are given on the command line."""
        names = {
            "--max-params": self.params, "--max-macs": self.macs, "--max-mb": self.megabytes,
            "--max-ms": self.milliseconds,
        }  # fmt: skip
        return " ".join(f"{flag} {typed(value)}" for flag, value in names.items() if value is not None)

    def enough(self, cost: Cost) -> str:
        """The flags by which a net that exceeds them would be allowed."""
        given = {
            "--max-params": (self.params, cost.params), "--max-macs": (self.macs, cost.macs),
            "--max-mb": (self.megabytes, cost.megabytes),
            # a time is never measured twice alike
            "--max-ms": (self.milliseconds, 1.2 * (cost.milliseconds or 0.0)),
        }  # fmt: skip
        return " ".join(
            f"{flag} {typed(value)}" for flag, (most, value) in given.items() if most is not None and value > most
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def typed(value: float) -> str:
    """A limit as it is written on the command line, never less than it is.

    >>> typed(5_000_000), typed(100_000), typed(4904), typed(0.5), typed(0.43321)
    ('5M', '100k', '4904', '0.5', '0.434')
    """
    if value == int(value):
        for power, sign in ((10**9, "G"), (10**6, "M"), (1000, "k")):
            if value % power == 0:
                return f"{int(value) // power}{sign}"
        return str(int(value))
    place = 2 - math.floor(math.log10(value))
    return f"{math.ceil(round(value * 10**place, 6)) / 10**place:.{max(0, place)}f}".rstrip("0").rstrip(".")


def count(spec: ModelSpec, task: Task | None = None) -> Cost:
    """Parameters, MACs and bytes of a net, without building its weights; MACs of what `task` asks of it, else of it
    as it is. Raises UsageError for what is no net.
    """
    model, size = sized(spec)
    shape = (spec.in_chans, *(spec.img_size or ()))
    try:
        macs = record(model if task is None else task.answering(model), shape, whole=False).macs
    except UsageError:
        raise
    except Exception as error:  # a net of one's own may fail in any way over shapes alone
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"{size.what} cannot be counted: {first[:160]}", hint="try it: hubel summary NET") from error
    return Cost(
        params=sum(parameter.numel() for parameter in model.parameters()),
        macs=macs,
        megabytes=round(size.weight_bytes / 1e6, 6),
    )


def timed(spec: ModelSpec, device: torch.device) -> float:
    """Milliseconds that one picture takes here: the median of `PASSES` passes through fresh weights, one thread set."""
    with runtime.seeded(0):
        model = arrange(spec.build().to(device), torch.channels_last)
    picture = torch.zeros(1, spec.in_chans, *(spec.img_size or ()), device=device)
    taken = []
    with evaluating(model), torch.inference_mode():
        for turn in range(PASSES + 3):
            started = time.perf_counter()
            model(picture)
            runtime.synchronise(device)
            if turn >= 3:  # the first passes make buffers
                taken.append(time.perf_counter() - started)
    return 1000 * statistics.median(taken)


class Counter:
    """Counts each net once; times it only where there is a limit on that and the others hold."""

    def __init__(self, limits: Limits, device: torch.device) -> None:
        self.limits, self.device = limits, device
        self._known: dict[str, Cost] = {}

    def cost(self, spec: ModelSpec) -> Cost:
        """What a net costs. Raises UsageError for options that no net has."""
        key = json.dumps(spec.to_dict(), sort_keys=True, default=str)
        known = self._known.get(key)
        if known is None:
            known = count(spec)
            if self.limits.milliseconds is not None and not self.limits.broken(known):
                known = Cost(**{**asdict(known), "milliseconds": round(timed(spec, self.device), 4)})
            self._known[key] = known
        return known
