"""All checks in the order in which they are made: by stage, and the likeliest cause first."""

from __future__ import annotations

from hubel.diagnosis import (
    of_answers,
    of_copies,
    of_gradient,
    of_head,
    of_heart,
    of_labels,
    of_names,
    of_neighbours,
    of_net,
    of_record,
    of_resuming,
    of_shortcuts,
    of_signals,
    of_step,
    of_values,
    of_vitals,
    of_walk,
)  # fmt: skip
from hubel.diagnosis.checks import EXAMINERS, STAGES, Examine, Stage

ORDER = (
    of_net, of_values, of_labels, of_copies, of_resuming, of_names, of_neighbours, of_shortcuts,
    of_head, of_gradient, of_signals, of_answers, of_step, of_walk, of_heart, of_vitals, of_record,
)  # fmt: skip
"""Where checks are written down, the likeliest cause first."""


def in_order() -> list[tuple[Stage, tuple[str, ...], Examine]]:
    """All functions that examine, by stage and then in the order of causes."""
    places = {module.__name__: place for place, module in enumerate(ORDER)}
    return sorted(EXAMINERS, key=lambda each: (STAGES.index(each[0]), places.get(each[2].__module__, len(places))))
