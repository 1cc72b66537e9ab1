"""The proof of an exported file: the net and the file asked about the same pictures, before anything is written."""

from __future__ import annotations

from dataclasses import replace

from hubel.deploy import likeness, parity
from hubel.deploy.exporting import Made
from hubel.deploy.likeness import Likenesses
from hubel.deploy.parity import Parity, Pictures
from hubel.deploy.wanted import Wanted, reference
from hubel.errors import ArtefactError


def proven(
    to: str, made: Made, wanted: Wanted, seen: Pictures, *, split: str, tolerance: float
) -> Parity | Likenesses:  # fmt: skip
    """How far the file is from the net; ArtefactError where that is too far."""
    found: Parity | Likenesses
    if wanted.ending is not None:
        assert made.gives is not None
        found = likeness.compare(to, wanted, wanted.ending, seen, made.gives, split=split, tolerance=tolerance)
    else:
        found = _of_classes(to, made, wanted, seen, split=split, tolerance=tolerance)
    if not found.holds:
        first = found.first_different or found.worst
        raise ArtefactError(
            f"the {to} file does not give the net's answers, so it was not written: {found.sentence}",
            hint=f"the first is {first}; --tolerance allows more, and --to another form",
        )
    return found


def _of_classes(to: str, made: Made, wanted: Wanted, seen: Pictures, *, split: str, tolerance: float) -> Parity:
    assert made.says is not None
    file = made.says(seen.whole)
    net = reference(wanted, seen.placed, familiar=file.familiarity is not None)
    found = parity.compare(
        to, net.probabilities, file.probabilities, seen, split=split, tolerance=tolerance,
        rounds=made.plain is not None, limits=wanted.limits,
    )  # fmt: skip
    if net.familiarity is None or file.familiarity is None:
        return found
    return replace(found, known_differ=parity.told_otherwise(net.familiarity, file.familiarity))
