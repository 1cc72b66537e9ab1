"""The list of checks: what each looks for, when it is made, and how grave it is. One table for code, docs and tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from hubel.diagnosis.finding import Finding, Severity
from hubel.registry import Registry

Stage = Literal["static", "data", "start", "steps", "overfit", "during", "after"]
STAGES: tuple[Stage, ...] = ("static", "data", "start", "steps", "overfit", "during", "after")
"""In the order in which they are made: what is read off settings, a pass over the data, the net before its first step,
steps on a copy, eight samples learnt by heart; then while a run trains, and when it is over."""


Need = Literal["anything", "classes", "reference", "logits"]
NEEDS: Mapping[Need, str] = {
    "classes": "they are about labels that are classes",
    "reference": "they need a class or a number that each answer is to come to",
    "logits": "they are about a head that names one class",
}
"""Why checks are not made where they have no meaning. "classes": labels are classes; "reference": what the net answers
can be held against a label, as logits or numbers; "logits": it answers with a logit for each class."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A thing that can be wrong with a training."""

    id: str
    stage: Stage
    severity: Severity
    looks_for: str
    """What it looks for, as the table in the manual says it."""
    symptom: bool = False
    """Is it what other faults lead to as well? It is then not said where a cause was found."""
    yields_to: tuple[str, ...] = ()
    """Checks whose findings explain this one: it is then not said."""
    needs: Need = "anything"
    """What must be there for it to have a meaning."""


CHECKS: Registry[Check] = Registry("check", listing="docs/doctor.md")
Examine = Callable[[Any], Iterable[Finding]]
EXAMINERS: list[tuple[Stage, tuple[str, ...], Examine]] = []
"""Functions that make one or more checks: (stage, ids, function), in the order in which they are made."""


def examines(stage: Stage, *checks: Check) -> Callable[[Examine], Examine]:
    """Decorator: the function makes these checks, all of one stage."""

    def file(function: Examine) -> Examine:
        for check in checks:
            CHECKS.add(check.id, check)
        EXAMINERS.append((stage, tuple(check.id for check in checks), function))
        return function

    return file


def _check(
    severity: Severity,
    name: str,
    stage: Stage,
    looks_for: str,
    *,
    symptom: bool = False,
    yields_to: tuple[str, ...] = (),
    needs: Need = "anything",
) -> Check:
    return Check(
        id=name, stage=stage, severity=severity, looks_for=looks_for, symptom=symptom, yields_to=yields_to, needs=needs
    )  # fmt: skip


error = partial(_check, "error")
"""A check of something that must hold in every healthy training."""
warning = partial(_check, "warning")
"""A check by a threshold."""
note = partial(_check, "note")
"""A check of something that is only good to know."""


def found(
    name: str,
    title: str,
    *,
    mend: str,
    shown: str = "",
    severity: Severity | None = None,
    settings: Mapping[str, Any] | None = None,
    also: Mapping[str, float | int | str] | None = None,
    **evidence: float | int | str,
) -> Finding:
    """A finding of a check; `evidence` and `also` are its numbers by name (underscores are read as spaces)."""
    numbers = evidence | dict(also or {})
    return Finding(
        id=name, severity=severity or CHECKS.get(name).severity, title=title, mend=mend, reproduction=shown,
        evidence={key.replace("_", " "): value for key, value in numbers.items()}, settings=settings or {},
    )  # fmt: skip
