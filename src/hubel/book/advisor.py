"""Advice: what do you have? Which methods fit, and what the book measured of their strengths and weaknesses."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from hubel.book.reading import recorded
from hubel.book.verdicts import VERDICTS
from hubel.errors import UsageError, near
from hubel.views import Viewed

__all__ = ["WORDS", "Advice", "Advised", "Evidence", "advise", "methods"]

WORDS = {
    "pictures": "one picture a sample (this is assumed if neither is said)", "table": "rows of numbers",
    "few": "under about a hundred samples a class", "many": "tens of thousands of samples",
    "unlabelled": "most samples have no label", "doubtful": "labels may be wrong",
    "strange": "to be found: what is not normal", "explain": "decisions must be justified",
    "tiny": "it has to run on a small device", "shifted": "objects stand anywhere in the picture",
    "turned": "pictures come in any orientation",
}  # fmt: skip
"""What one can say of a problem, besides the number of samples."""
KINDS = ("pictures", "table")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A strength or a weakness, and the claim whose measured verdict it rests on ("" if none)."""

    says: str
    row: str
    verdict: str

    @property
    def source(self) -> str:
        """ "E168, quick, mnist: it came out differently"; "" where nothing of the book bears on it."""
        found = recorded()["quick"].get(self.row, {})
        data = next((name for name, verdict in found.items() if verdict == self.verdict), "")
        return f"{self.row}, {data}: {VERDICTS[self.verdict]}" if data else ""


@dataclass(frozen=True, slots=True)
class Advice:
    """A method, for what it is made, and what was measured of it."""

    method: str
    command: str
    what: tuple[str, ...]
    least: int
    """Samples from which on it makes sense."""
    most: int
    """Samples up to which it is worth a try; 0: any."""
    suits: tuple[str, ...]
    ill: tuple[str, ...]
    strengths: tuple[Evidence, ...]
    weaknesses: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Advised(Viewed):
    """The methods that fit, best first."""

    asked: tuple[str, ...]
    samples: int | None
    methods: tuple[Advice, ...]
    left_out: int
    """How many more would do, with less to be said for them."""

    def __str__(self) -> str:
        samples = "" if self.samples is None else f", {self.samples:,} samples"
        lines = [f"For {', '.join(self.asked)}{samples}:"]
        for place, each in enumerate(self.methods, 1):
            lines += ["", f"{place}. {each.method}", f"   {each.command}"]
            for sign, found in (("+", each.strengths), ("−", each.weaknesses)):
                for one in found:
                    text = one.says + (f" ({one.source})" if one.source else "")
                    lines.append(textwrap.fill(text, 78, initial_indent=f"   {sign} ", subsequent_indent="     "))
        if self.left_out:
            lines += ["", f"{self.left_out} more fit less well: hubel ask --advise --json has all of them"]
        return "\n".join(lines)


@cache
def methods() -> tuple[Advice, ...]:
    """All methods that advice knows."""
    rows = json.loads(resources.files("hubel.book").joinpath("advice.json").read_text("utf-8"))
    return tuple(
        Advice(**row | {name: tuple(row[name]) for name in ("what", "suits", "ill")}
               | {name: tuple(Evidence(**one) for one in row[name]) for name in ("strengths", "weaknesses")})
        for row in rows
    )  # fmt: skip


def advise(words: Sequence[str] = (), *, most: int | None = 3) -> Advised:
    """Which methods fit what one has: words of `WORDS` and a number of samples; `most` None: all that fit.

    Under 1,000 samples count as few and from 20,000 on as many, if neither is said.
    Raises UsageError for another word, and for two numbers.

    >>> [each.command for each in advise(["table", "150"]).methods]
    ['hubel baseline table.csv']
    >>> advise(["pictures", "turned"]).methods[0].command
    'hubel train photos/ --model p4_cnn'
    """
    asked, samples = _understood(words)
    known = set(asked)
    if samples is not None and not known & {"few", "many"}:
        known |= {"few"} if samples < 1000 else {"many"} if samples >= 20_000 else set()
    fitting = [
        (_score(each, known, samples), each) for each in methods() if set(each.what) & known and _fits(each, samples)
    ]
    special = known - {*KINDS, "few", "many"}
    chosen = [(score, each) for score, each in fitting if not special or special & set(each.suits) or score > 0]
    ordered = [each for _, each in sorted(chosen, key=lambda pair: -pair[0])]
    return Advised(asked, samples, tuple(ordered[:most]), max(0, len(ordered) - len(ordered[:most])))


def _understood(words: Sequence[str]) -> tuple[tuple[str, ...], int | None]:
    asked: list[str] = []
    samples: int | None = None
    for word in (part.strip().casefold() for given in words for part in given.replace(",", "").split()):
        if word.isdecimal() and word.isascii():
            if samples is not None:
                raise UsageError(
                    f"one number of samples, got {samples} and {word}", hint="hubel ask --advise table 150"
                )
            samples = int(word)
        elif word in WORDS:
            asked.append(word)
        else:
            close = near(word, list(WORDS))
            told = f"did you mean {', '.join(close)}? " if close else ""
            raise UsageError(
                f"advice knows no {word!r}", hint=f"{told}words: {', '.join(WORDS)}, and a number of samples"
            )
    if not set(asked) & set(KINDS):
        asked.insert(0, KINDS[0])
    return tuple(dict.fromkeys(asked)), samples


def _fits(each: Advice, samples: int | None) -> bool:
    return samples is None or (each.least <= samples and (not each.most or samples <= each.most))


def _score(each: Advice, known: set[str], samples: int | None) -> int:
    """What was said of the problem weighs more than how much data there is."""
    amount = {"few", "many"}
    suits = sum(2 if word in amount else 4 for word in known & set(each.suits))
    return suits - 3 * len(known & set(each.ill)) + (samples is not None and each.most > 0)
