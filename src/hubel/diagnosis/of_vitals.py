"""Checks of the looks that a run took at its net while it learnt (`hubel.events.Vitals`)."""

from __future__ import annotations

from collections.abc import Iterator

from hubel.diagnosis.checks import examines, found, warning
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.record import Record
from hubel.words import percent

LOOKS = 2
"""That must agree, one after the other: the first steps of a run are restless."""


@examines(
    "during",
    warning("parts-fall-silent", "during", "more than half of the units of a part were at nought for every picture"),
    warning("parts-saturated", "during", "more than half of the values of a part were at an end of their range"),
    warning("parts-starve", "during", "the first part got less than a ten-thousandth of the gradient of the last"),
)
def read_vitals(record: Record) -> Iterator[Finding]:
    """The last looks, part by part."""
    looks = list(record.vitals)[-LOOKS:]
    if len(looks) < LOOKS:
        return
    rate = record.lr or 0.0
    lower = {"lr": rate / 10} if rate else {}
    less = f"--lr {rate / 10:.2g}" if rate else "a tenth of the learning rate"
    where = f"hubel gradient-flow {record.name or 'RUN'}"
    for key, name, word in (
        ("silent", "parts-fall-silent", "of the units are at nought for every picture"),
        ("saturated", "parts-saturated", "of the values are at an end of their range"),
    ):
        shares = {part: min(look.get(part, {}).get(key, 0.0) for look in looks) for part in looks[-1]}
        part, share = max(shares.items(), key=lambda each: each[1], default=("", 0.0))
        if share > 0.5:
            yield found(
                name,
                f"in {part!r} {percent(share, 0)} {word}", share=share, parts=sum(one > 0.5 for one in shares.values()),
                lr=rate, mend=f"{less}, or --initialise he-normal", settings=lower, shown=where,
            )  # fmt: skip
    ratios = [
        {
            part: values["gradient"] / values["weight"] for part, values in look.items()
            if values.get("gradient", 0.0) > 0 and values.get("weight", 0.0) > 0
        }
        for look in looks
    ]  # fmt: skip
    if all(len(each) >= 3 for each in ratios):
        shares_ = [next(iter(each.values())) / list(each.values())[-1] for each in ratios]
        if max(shares_) < 1e-4:
            yield found(
                "parts-starve", f"{next(iter(ratios[-1]))!r} gets {max(shares_):.1g} of the gradient of the last part",
                ratio=max(shares_), lr=rate, mend="--initialise he-normal, or a net with batch norm or residuals",
                settings={"initialise": "he-normal"}, shown=where,
            )  # fmt: skip
