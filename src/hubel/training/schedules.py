"""Learning-rate schedules: pure functions of the step that give a factor of the base rate. Nothing is remembered.

Letters: t the step (0, 1, 2, …), T all steps, e = t / steps_per_epoch the epoch as a fraction, f(t) the factor.

Because a factor depends on the step alone (and for `plateau` on the validation history, which is in the event log), a
resumed run cannot have a wrong rate, and a schedule can be drawn without training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from hubel.errors import UsageError
from hubel.registry import Component, Registry, checked_options

__all__ = ["SCHEDULES", "Factor", "Schedule", "build_schedule"]

USUAL = "hubel components NAME of the schedule says what is usual"
"""The way out of an option that cannot be."""

CYCLES = 5
"""Of the schedule `cycles`, where nothing is said."""
Factor = Callable[[int, Sequence[float]], float]
"""(step, validation history) -> factor of the base rate."""


class Schedule:
    """A schedule ready to be asked: `schedule(step)`, or `schedule(step, history)` for those that look at results.

    `needs_history` says whether the second argument matters: the validation values so far, one per epoch.
    """

    def __init__(self, name: str, factor: Factor, *, total_steps: int, warmup_steps: int, needs_history: bool) -> None:
        self.name = name
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.needs_history = needs_history
        self._factor = factor

    def __call__(self, step: int, history: Sequence[float] = ()) -> float:
        """The factor of the base rate at a step from 0 on; after the last step it stays what it was there."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        return self._factor(min(step, max(self.total_steps - 1, 0)) - self.warmup_steps, history)

    def curve(self) -> list[float]:
        """The factor at every step, for drawing."""
        return [self(step) for step in range(self.total_steps)]


Builder = Callable[..., Factor]
SCHEDULES: Registry[Component[Builder]] = Registry("schedule", listing="hubel components schedules")
ALSO_CALLED = {"1/t": "inverse-time", "none": "fixed", "constant": "fixed", "triangle": "linear"}


def build_schedule(
    name: str, *, total_steps: int, steps_per_epoch: int = 1, warmup_steps: int = 0, **options: Any
) -> Schedule:
    """The schedule called `name` for a run of `total_steps`, after a linear warm-up of `warmup_steps` if wanted.

    The warm-up takes equal steps and is at the full rate with step `warmup_steps` (Goyal et al., arXiv:1706.02677);
    the schedule proper then has the remaining steps for itself. `options` are the schedule's own; None means its usual.

    Raises UnknownName, and UsageError for options or lengths that cannot be.

    >>> cosine = build_schedule("cosine", total_steps=12, warmup_steps=2)
    >>> [round(cosine(step), 2) for step in (0, 1, 2, 7, 11)]
    [0.33, 0.67, 1.0, 0.5, 0.02]
    """
    entry = SCHEDULES.get(ALSO_CALLED.get(name, name))
    if total_steps < 1 or steps_per_epoch < 1:
        raise UsageError(
            f"a schedule needs at least one step, got {total_steps} in all, {steps_per_epoch} an epoch",
            hint="the run has no samples or no epochs: raise --epochs",
        )
    if not 0 <= warmup_steps < total_steps:
        raise UsageError(
            f"the warm-up must be shorter than the run: {warmup_steps} of {total_steps} steps",
            hint=f"use at most {total_steps - 1}, a tenth is usual",
        )
    given = checked_options(f"schedule {name!r}", entry.build, options, hidden=("steps", "steps_per_epoch"))
    factor = entry.build(steps=total_steps - warmup_steps, steps_per_epoch=steps_per_epoch, **given)
    return Schedule(
        name, factor, total_steps=total_steps, warmup_steps=warmup_steps, needs_history=entry.build is plateau
    )


def fixed(*, steps: int, steps_per_epoch: int) -> Factor:
    """f = 1."""
    return lambda t, history: 1.0


def inverse_time(*, steps: int, steps_per_epoch: int, decay: float = 1.0) -> Factor:
    """f = 1 / (1 + k e): with k = 1 the rate after n epochs is η₀/(n + 1), the η₀/t of Robbins and Monro."""
    _positive("decay", decay)
    return lambda t, history: 1 / (1 + decay * (t / steps_per_epoch))


def exponential(*, steps: int, steps_per_epoch: int, decay: float = 0.1) -> Factor:
    """f = exp(−k e), smooth inside the epoch; k = 0.1 halves the rate about every seven epochs."""
    _positive("decay", decay)
    return lambda t, history: math.exp(-decay * t / steps_per_epoch)


def step(*, steps: int, steps_per_epoch: int, gamma: float = 0.1, milestones: Sequence[float] = (0.5, 0.75)) -> Factor:
    """f = γⁿ, n the milestones passed, which are shares of the run (ResNet on CIFAR: one half, three quarters)."""
    _fraction("gamma", gamma)
    if any(not 0 < share < 1 for share in milestones):
        raise UsageError(
            f"milestones must be shares of the run between 0 and 1, got {list(milestones)}", hint="use 0.5,0.75"
        )
    turns = [share * steps for share in milestones]
    return lambda t, history: float(gamma ** sum(t >= turn for turn in turns))


def cosine(*, steps: int, steps_per_epoch: int, final: float = 0.0) -> Factor:
    """f = final + (1 − final)(1 + cos(π t / T)) / 2."""
    _fraction("final", final)
    return lambda t, history: final + (1 - final) * (1 + math.cos(math.pi * t / steps)) / 2


def cycles(*, steps: int, steps_per_epoch: int, cycles: int = CYCLES) -> Factor:
    """f = (1 + cos(π u)) / 2, u the share of the cycle: a cosine that begins anew, at most once an epoch.

    Cycles have the same number of whole epochs, the first also what is left over. The weights at the end of each are
    kept (`cycle-1`, …), and answer together as a snapshot ensemble: hubel ensemble RUN --snapshots.
    """
    ends = [end * steps_per_epoch for end in cycle_ends(max(1, steps // steps_per_epoch), cycles)]
    over = steps - ends[-1]  # of an epoch that the warm-up has begun
    borders = [0, *(end + over for end in ends)]

    def factor(t: int, history: Sequence[float]) -> float:
        cycle = max(k for k in range(len(ends)) if t >= borders[k])
        share = (t - borders[cycle]) / (borders[cycle + 1] - borders[cycle])
        return (1 + math.cos(math.pi * share)) / 2

    return factor


def cycle_ends(epochs: int, cycles: int) -> list[int]:
    """The epochs after which a cycle has ended, of so many in all. Raises UsageError for less than one cycle.

    >>> cycle_ends(20, 5), cycle_ends(11, 3), cycle_ends(2, 5)
    ([4, 8, 12, 16, 20], [5, 8, 11], [1, 2])
    """
    if not isinstance(cycles, int) or cycles < 1:
        raise UsageError(f"cycles must be a whole number, at least 1, got {cycles}", hint=USUAL)
    cycles = min(cycles, epochs)
    return [epochs - (cycles - 1 - k) * (epochs // cycles) for k in range(cycles)]


def linear(*, steps: int, steps_per_epoch: int, peak: float = 0.0, start: float = 0.2, final: float = 0.0) -> Factor:
    """A straight line from 1 to `final` at T; with `peak` a triangle: from `start` up to 1 at that share of the run."""
    _fraction("final", final)
    _fraction("start", start)
    if not 0 <= peak < 1:
        raise UsageError(f"peak must be a share of the run from 0 to below 1, got {peak}", hint="0.2 is usual")
    top = peak * steps

    def factor(t: int, history: Sequence[float]) -> float:
        if t < top:
            return start + (1 - start) * t / top
        return 1 + (final - 1) * (t - top) / (steps - top)

    return factor


def one_cycle(
    *, steps: int, steps_per_epoch: int, peak: float = 0.3, start: float = 0.04, final: float = 4e-6
) -> Factor:
    """Half a cosine up from `start` to 1 at the share `peak`, half a cosine down to `final`."""
    _fraction("start", start)
    _fraction("final", final)
    if not 0 < peak < 1:
        raise UsageError(f"peak must be a share of the run between 0 and 1, got {peak}", hint="0.3 is usual")
    top = peak * steps

    def factor(t: int, history: Sequence[float]) -> float:
        low, share = (start, 1 - t / top) if t < top else (final, (t - top) / (steps - top))
        return low + (1 - low) * (1 + math.cos(math.pi * share)) / 2

    return factor


def plateau(
    *,
    steps: int,
    steps_per_epoch: int,
    gamma: float = 0.1,
    patience: int = 5,
    threshold: float = 1e-4,
    mode: str = "min",
    lowest: float = 1e-4,
) -> Factor:
    """f = γⁿ, n the times the validation value did not improve for more than `patience` epochs in a row.

    An improvement is a change by more than the share `threshold` of the best value, downwards (`mode` "min": a loss) or
    upwards ("max": an accuracy). The factor never falls below `lowest`. Replayed from the history at each call.
    """
    _fraction("gamma", gamma)
    if mode not in ("min", "max"):
        raise UsageError(f"mode must be min or max, got {mode!r}", hint="min for a loss, max for an accuracy")
    if patience < 0:
        raise UsageError(f"patience must not be negative, got {patience}", hint="10 is usual, 0 waits for no epoch")
    sign = 1 if mode == "min" else -1

    def factor(t: int, history: Sequence[float]) -> float:
        best, waited, value = math.inf, 0, 1.0
        for entry in history:
            entry = sign * entry
            if entry < best - threshold * abs(best) if math.isfinite(best) else math.isfinite(entry):
                best, waited = entry, 0
            else:
                waited += 1
            if waited > patience:
                value, waited = value * gamma, 0
        return max(value, lowest)

    return factor


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise UsageError(f"{name} must be above 0, got {value}", hint=USUAL)


def _fraction(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UsageError(f"{name} must be between 0 and 1, got {value}", hint=USUAL)


for name, builder, title, formula, source, note, rows in (
    ("fixed", fixed, "Fixed", "f = 1", "folklore", "Simple, and rarely the best.", ("C82",)),
    ("inverse-time", inverse_time, "Time decay, 1/t", "f = 1 / (1 + k e)",
     "Robbins & Monro, Annals of Mathematical Statistics 22, 1951", "Falls fast, then hardly at all.", ("C83", "C84")),
    ("exponential", exponential, "Exponential decay", "f = exp(−k e)", "folklore", "", ("C83", "C85")),
    ("step", step, "Step decay", "f = γⁿ after n milestones", "He et al., arXiv:1512.03385, section 4.2",
     "The schedule of the classic ImageNet and CIFAR papers.", ("C83",)),
    ("cosine", cosine, "Cosine", "f = (1 + cos(π t / T)) / 2", "Loshchilov & Hutter, arXiv:1608.03983",
     "Falls slowly, then fast, then gently: a good default.", ("C83",)),
    ("cycles", cycles, "Cosine in cycles", "f = (1 + cos(π u)) / 2, u the share of the cycle",
     "Loshchilov & Hutter, arXiv:1608.03983; Huang et al., arXiv:1704.00109",
     "Each cycle ends in a net of its own; together they answer better than the last.", ("C83",)),
    ("linear", linear, "Linear or triangle", "f = 1 − t / T, or up to 1 at the peak first",
     "Smith, arXiv:1506.01186; to nought: Jordan, arXiv:2404.00498", "Best for short runs.", ("C83",)),
    ("one-cycle", one_cycle, "One-cycle", "half a cosine up to 1 at the peak, half a cosine down to almost 0",
     "Smith & Topin, arXiv:1708.07120", "Permits a high rate in the middle.", ("C83", "C86")),
    ("plateau", plateau, "Reduce on plateau", "f = γⁿ after n waits of more than `patience` epochs", "folklore",
     "For runs whose length is not known.", ("C83",)),
):  # fmt: skip
    SCHEDULES.add(name, Component(title=title, build=builder, formula=formula, source=source, note=note, rows=rows))
