"""What the doctor says: a finding, and all of them together."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hubel.views import Viewed
from hubel.words import duration, percent, plain, plural, visible

Severity = Literal["error", "warning", "note"]
RANK: tuple[Severity, ...] = ("error", "warning", "note")
"""From what spoils a training for certain to what is only worth knowing."""


@dataclass(frozen=True, kw_only=True)
class Finding(Viewed):
    """One thing that is wrong, or may be."""

    id: str
    """Of the check that found it; `docs/doctor.md` has a line on each."""
    severity: Severity
    """"error": what must hold in every healthy training does not; "warning": it looks wrong; "note": good to know."""
    title: str
    """What is wrong, in a sentence."""
    evidence: Mapping[str, float | int | str]
    """The numbers that say so."""
    reproduction: str
    """The fewest lines of code, or the command, that show it."""
    mend: str
    """One change: a flag of hubel or a line of code."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The same as settings of a recipe, where the mend is one: what `--try` tries."""

    @property
    def numbers(self) -> str:
        """The evidence in one line."""
        return ", ".join(f"{name} {shown(value)}" for name, value in self.evidence.items())

    def lines(self) -> list[str]:
        """As it is printed, 80 columns wide."""
        rows = ((f"{self.severity}: ", f"{self.title} [{self.id}]"), ("  seen:  ", self.numbers),
                ("  mend:  ", self.mend), ("  shown: ", self.reproduction))  # fmt: skip
        return [line for head, text in rows if text for line in _wrapped(head, text)]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    @property
    def told(self) -> str:
        """As a remark beside a training."""
        return f"doctor: {self.severity}: {self.title} ({self.numbers}); {self.mend} [{self.id}]"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "id": self.id, "severity": self.severity, "title": self.title, "evidence": plain(dict(self.evidence)),
            "reproduction": self.reproduction, "mend": self.mend, "settings": plain(dict(self.settings)),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Tried(Viewed):
    """What some steps did."""

    first: float
    """Loss of the first step."""
    last: float
    """Median of the last ten; NaN where it was not finite."""
    steps: int
    numbers: Mapping[str, float]
    """On the validation split: val_loss, val_accuracy; {} where nothing is held out."""

    @property
    def sentence(self) -> str:
        """In words."""
        if self.last != self.last:
            return f"loss {shown(self.first)}, and not finite after {plural(self.steps, 'step')}"
        accuracy = self.numbers.get("val_accuracy")
        more = "" if accuracy is None else f", validation accuracy {percent(accuracy, 1)}"
        return f"loss {shown(self.first)} to {shown(self.last)} in {plural(self.steps, 'step')}{more}"


@dataclass(frozen=True, kw_only=True)
class Trial(Viewed):
    """An advice followed on a copy, beside the run as it was."""

    advice: str
    """The check."""
    settings: Mapping[str, Any]
    as_it_was: Tried
    followed: Tried

    def lines(self) -> list[str]:
        """As it is printed."""
        words = " ".join(f"--{name.replace('_', '-')} {_said(value)}" for name, value in self.settings.items())
        return [
            *_wrapped("tried: ", f"{words} [{self.advice}]"),
            *_wrapped("  as it was: ", self.as_it_was.sentence),
            *_wrapped("  followed:  ", self.followed.sentence),
        ]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        both = {
            name: {"first": one.first, "last": one.last, "steps": one.steps, **one.numbers}
            for name, one in (("as_it_was", self.as_it_was), ("followed", self.followed))
        }
        return dict(plain({"advice": self.advice, "settings": dict(self.settings), **both}))


@dataclass(frozen=True, kw_only=True)
class CheckUp(Viewed):
    """Everything the doctor found, the most severe and most likely cause first."""

    subject: str
    """What was looked at."""
    findings: tuple[Finding, ...]
    asked: tuple[str, ...]
    """Checks that were made."""
    left_out: Mapping[str, str]
    """Checks that could not be made, and why not."""
    seconds: float
    trial: Trial | None = None
    """What the first advice did, where it was tried."""

    @property
    def healthy(self) -> bool:
        """Is there no error?"""
        return not any(one.severity == "error" for one in self.findings)

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the findings, in their order."""
        return tuple(one.id for one in self.findings)

    def count(self, severity: Severity) -> int:
        """Findings of a severity."""
        return sum(one.severity == severity for one in self.findings)

    @property
    def sentence(self) -> str:
        """The result in words."""
        counts = [plural(self.count(word), word) for word in RANK if self.count(word)]
        took = f"{plural(len(self.asked), 'check')} in {duration(self.seconds)}"
        return f"{self.subject}: {', '.join(counts) or 'nothing was found'} ({took})"

    def lines(self) -> list[str]:
        """As it is printed."""
        said = _wrapped("", self.sentence)
        for one in self.findings:
            said += ["", *one.lines()]
        if self.left_out:
            said.append("")
        for why, count in Counter(self.left_out.values()).most_common():
            said += _wrapped("note: ", f"{plural(count, 'check')} could not be made: {why}")
        if self.trial is not None:
            said += ["", *self.trial.lines()]
        return said

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def facts(self) -> dict[str, str]:
        """The result in words, finding by finding."""
        found = {"found": self.sentence}
        return found | {one.id: f"{one.severity}: {one.title} ({one.numbers}); {one.mend}" for one in self.findings}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "subject": self.subject, "healthy": self.healthy, "findings": [one.to_dict() for one in self.findings],
            "checks": list(self.asked), "left_out": dict(self.left_out), "seconds": round(self.seconds, 3),
            "trial": None if self.trial is None else self.trial.to_dict(),
        }  # fmt: skip


def shown(value: float | int | str) -> str:
    """A number as evidence is written.

    >>> shown(0.00012345), shown(12345), shown("first")
    ('0.000123', '12,345', 'first')
    """
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _said(value: Any) -> str:
    return (
        ",".join(map(str, value))
        if isinstance(value, (list, tuple))
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _wrapped(head: str, text: str) -> list[str]:
    text = visible(text)
    return textwrap.wrap(
        text, 80, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=False, break_on_hyphens=False
    ) or [head.rstrip()]
