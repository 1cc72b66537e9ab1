"""`trace`: a formula or a net as a computation graph with the actual values, forward, then backward."""

from __future__ import annotations

from collections.abc import Mapping

from hubel.lessons import expression
from hubel.lessons.expression import Round
from hubel.lessons.tape import Tape, play
from hubel.records.subjects import net_and_pictures

__all__ = ["Tape", "formula", "net"]


def formula(text: str, values: Mapping[str, float], *, steps: int = 1, rate: float | None = None) -> tuple[Round, ...]:
    """Forward, every local derivative, backward and update of a formula, `steps` times.

    >>> [step.value for step in formula("L = w**2", {"w": 2}, steps=3, rate=0.25)]
    [4.0, 1.0, 0.25]
    """
    return expression.trace(text, values, steps=steps, rate=rate)


def net(target: str, data: str, *, seed: int = 0, maps: int = 1) -> Tape:
    """Run a net forward and backward on one sample and write down every operation.

    `target`: a run, a name or a layer list; `data`: "digits:3" or a picture file.
    """
    sample = net_and_pictures(target, data, seed=seed)
    return play(sample.model, sample.images, sample.labels, maps=maps)
