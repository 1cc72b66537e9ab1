"""Looks at a net while it learnt, as curves: one figure a number, one line a part of the net."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hubel.figures.curves import curves
from hubel.figures.theme import Figure

MOST = 6
"""Parts that a figure shows; of more, the first, the last and some between."""
SETTLING = 5
"""Looks whose noise and signal are taken together: each by itself is a rough guess."""
SHOWN = {
    "updates": ("update", "Update, in lengths of the weights"),
    "gradients": ("gradient", "Length of the gradient"),
    "silent": ("silent", "Share of silent units"),
    "saturated": ("saturated", "Share of saturated values"),
    "drift": ("drift", "Drift of batch norm, in deviations"),
}


def draw_vitals(looks: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """A figure each for updates, gradients, silent units, saturated values and drift, where there is something to draw.

    >>> looks = [{"step": s, "parts": {"conv": {"update": 0.01 / s, "gradient": 1.0}}} for s in (1, 20, 40)]
    >>> list(draw_vitals(looks))
    ['updates', 'gradients']
    """
    found: dict[str, Figure] = {}
    if len(looks) < 2:
        return found
    steps = [float(look["step"]) for look in looks]
    for name, (key, title) in SHOWN.items():
        parts = [part for part in looks[-1]["parts"] if any(key in look["parts"].get(part, {}) for look in looks)]
        series = {part: [_number(look["parts"].get(part, {}).get(key)) for look in looks] for part in _some(parts)}
        series = {part: values for part, values in series.items() if any(map(math.isfinite, values))}
        if series:
            share = key in ("silent", "saturated")
            found[name] = curves(series, x=steps, title=title, x_label="updates of the weights", share=share)
    return found | _of_the_whole(looks)


def _of_the_whole(looks: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """How large a batch goes half by chance, and what augmentation costs, from the looks that asked for it."""
    asked = [look for look in looks if look.get("whole")]
    found: dict[str, Figure] = {}
    steps = [float(look["step"]) for look in asked]
    noise, signal, batch, *losses = (
        [_number(look["whole"].get(key)) for look in asked]
        for key in ("noise", "signal", "batch", "augmented", "clean")
    )
    scales = [critical_batch(noise[: k + 1][-SETTLING:], signal[: k + 1][-SETTLING:]) for k in range(len(asked))]
    if sum(map(math.isfinite, scales)) > 1:
        found["noise"] = curves(
            {"half of a step is chance": scales, "this run": batch}, x=steps, x_label="updates of the weights",
            title="Batch size where half a step is chance", steep=True,
        )  # fmt: skip
    if sum(map(math.isfinite, losses[0])) > 1:
        found["augmentation"] = curves(
            {"augmented": losses[0], "clean": losses[1]}, x=steps, x_label="updates of the weights",
            title="Loss of pictures, augmented and clean",
        )  # fmt: skip
    return found


def critical_batch(noise: Sequence[float], signal: Sequence[float]) -> float:
    """Mean noise over mean signal; NaN where the signal is lost in it (McCandlish et al., arXiv:1812.06162).

    >>> critical_batch([100.0, 140.0], [1.0, 0.5]), critical_batch([1.0], [-0.1])
    (160.0, nan)
    """
    top, under = sum(noise), sum(signal)
    return top / under if under > 0 else math.nan


def _some(parts: Sequence[str]) -> list[str]:
    if len(parts) <= MOST:
        return list(parts)
    return [parts[round(k * (len(parts) - 1) / (MOST - 1))] for k in range(MOST)]


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan
