"""Which kind of file a net learnt from, and files of another kind, which it gives no sensible answer to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from hubel.data.manifest import BadPicture, printable
from hubel.data.preprocessing import PICTURES, SOUNDS, Preprocessing
from hubel.data.sounds import FORMAT
from hubel.errors import DataError
from hubel.words import plural

if TYPE_CHECKING:
    from hubel.data.images import Look
    from hubel.data.scan import Scan

OTHERS = "another kind"
"""How a problem of this kind is called."""
WAY_OUT = "a net answers for files such as it learnt from: give those, or take another net (hubel runs lists them)"


def kind_of(form: str) -> str:
    """Which kind of file a format is, as `Preprocessing.takes` calls it; "" for what is in no file.

    >>> kind_of("WAV"), kind_of("PNG"), kind_of("")
    ('sounds', 'pictures', '')
    """
    return SOUNDS if form == FORMAT else PICTURES if form else ""


def taken(looks: Iterable[Look]) -> str:
    """The kind of file that all of them are, as `Preprocessing.takes` says it; "" where some are of another."""
    kinds = {kind_of(look.format) for look in looks}
    return kinds.pop() if len(kinds) == 1 else ""


def require_taken(look: Look, preprocessing: Preprocessing) -> None:
    """Raise BadPicture for a picture where sounds were learnt, and for a sound where pictures were."""
    here = kind_of(look.format)
    if here and preprocessing.takes not in ("", here):
        raise BadPicture(OTHERS, f"it is a {here[:-1]}, and this net learnt from {preprocessing.takes}")


def require_all_taken(scan: Scan, preprocessing: Preprocessing) -> None:
    """Raise DataError where some of the files are of another kind than `preprocessing` takes."""
    odd = [row for row, look in enumerate(scan.looks) if preprocessing.takes not in ("", kind_of(look.format))]
    if odd:
        here = kind_of(scan.looks[odd[0]].format)
        raise DataError(
            f"this net learnt from {preprocessing.takes}, and {printable(scan.manifest.source)} holds "
            f"{plural(len(odd), here[:-1])}; first: {scan.manifest.name(odd[0])}",
            hint=WAY_OUT,
        )


def refuse_file(given: object, learnt: str) -> None:
    """Raise DataError where `given` names a file, which the caller cannot take: its net learnt from something else.

    `learnt` says from what, and how such files end: "signals (.npy files)".
    """
    if isinstance(given, (str, os.PathLike)) and os.path.isfile(given):
        name = printable(os.fspath(given))
        raise DataError(f"this net learnt from {learnt}, and {name!r} is another kind of file", hint=WAY_OUT)
