"""A check of what classes are called against what augmentation does to pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hubel.diagnosis.checks import examines, found, warning
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.patient import Patient

SIDES = {"mirror": (("left", "right"), ("b", "d"), ("p", "q"), ("east", "west"), ("links", "rechts")),
         "turn": (("6", "9"), ("n", "u"), ("up", "down"), ("top", "bottom"), ("north", "south"), ("b", "q"),
                  ("d", "p"))}  # fmt: skip
"""Names that change places in a mirror, or when a picture is turned upside down."""
DONE = {"mirror": "mirror images", "turn": "pictures upside down"}


@examines("data", warning("names-tell-sides", "data", "augmentation turns one class into another, by their names",
                          needs="classes"))  # fmt: skip
def read_names(patient: Patient) -> Iterator[Finding]:
    """Pairs of class names that differ in one word alone: left and right, 6 and 9."""
    for how in ("mirror", "turn"):
        if how not in patient.turned:
            continue
        pair = paired(patient.classes, how)
        if pair is not None:
            yield found(
                "names-tell-sides", f"training shows {DONE[how]}, and classes are called {pair[0]!r} and {pair[1]!r}",
                first=pair[0], second=pair[1], mend="--augment translate=2, without flips and turns",
                settings={"augment": ["translate=2"]}, shown="the class names",
            )  # fmt: skip
            return


def paired(names: tuple[str, ...], how: str) -> tuple[str, str] | None:
    """Two names of which one is the other's, mirrored or turned.

    >>> paired(("turn_left", "straight", "turn_right"), "mirror"), paired(("cat", "dog"), "mirror")
    (('turn_left', 'turn_right'), None)
    """
    by_words = {tuple(_words(name)): name for name in names}
    for one, other in SIDES[how]:
        for words, name in by_words.items():
            if one in words:
                partner = by_words.get(tuple(other if word == one else word for word in words))
                if partner is not None:
                    return name, partner
    return None


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()) if word]
