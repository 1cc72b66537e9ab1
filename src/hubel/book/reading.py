"""The book made: facts counted, experiments run, each row with its mark or its verdict."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from hubel.book.chapters import CHAPTERS, Chapter, Row, claims, contradictions, deck, wordings
from hubel.book.experiment import Experiment
from hubel.book.experiments import all_experiments, not_measured, settled
from hubel.book.fact import Counted, count, written
from hubel.book.facts import all_facts
from hubel.book.measuring import Run, measuring
from hubel.book.verdicts import MEASURED, ONLY_FULL, VERDICTS, Finding
from hubel.errors import UsageError
from hubel.runtime.threading import threads
from hubel.views import Viewed, html_table
from hubel.watching import SILENT, Watcher
from hubel.words import plural


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim and what came out."""

    claim: Row
    finding: Finding

    @property
    def verdict(self) -> str:
        """One of `hubel.book.verdicts.VERDICTS`."""
        return self.finding.verdict


@dataclass(frozen=True, slots=True)
class ChapterRead:
    """A chapter, or some rows of it."""

    chapter: Chapter
    facts: tuple[Counted, ...]
    claims: tuple[Claimed, ...]
    runs: tuple[Run, ...]

    @property
    def wrong(self) -> tuple[Counted, ...]:
        """Figures of the lectures that are wrong."""
        return tuple(each for each in self.facts if not each.fact.right)

    def count(self, verdict: str) -> int:
        """How many claims have this verdict."""
        return sum(each.verdict == verdict for each in self.claims)


@dataclass(frozen=True, slots=True)
class Book(Viewed):
    """What was asked for: whole chapters, or single rows."""

    chapters: tuple[ChapterRead, ...]
    budget: str
    """"quick", "full" or "facts": what the experiments were allowed."""
    rows: tuple[str, ...] = ()
    """Single rows that were asked for; none: whole chapters."""

    @property
    def figures(self) -> tuple[Counted, ...]:
        """The facts of all chapters."""
        return tuple(each for chapter in self.chapters for each in chapter.facts)

    @property
    def claims(self) -> tuple[Claimed, ...]:
        """All of them."""
        return tuple(each for chapter in self.chapters for each in chapter.claims)

    @property
    def data(self) -> dict[str, str]:
        """Claim -> the data it was measured on: "mnist", "digits", or "own"."""
        return {
            row: run.outcome.data for chapter in self.chapters for run in chapter.runs for row in run.experiment.rows
        }

    def in_full(self, claimed: Claimed) -> str:
        """The verdict that the full run was recorded with on the same data, where it is another one; "" else."""
        row = claimed.claim.row
        verdict = recorded().get("full", {}).get(row, {}).get(self.data.get(row, ""), claimed.verdict)
        return "" if self.budget == "full" or verdict == claimed.verdict else str(verdict)

    def problems(self) -> list[str]:
        """What differs from what is recorded: figures, verdicts, times; none where the book is as it should be."""
        known, data = recorded().get(self.budget, {}), self.data
        found = [f"{each.fact.row} ({each.fact.what}): counted {written(each.value)}, recorded "
                 f"{written(each.fact.correct)}" for each in self.figures if not each.holds]  # fmt: skip
        for each in self.claims:
            row, verdict = each.claim.row, each.verdict
            before = known.get(row, {}).get(data.get(row, ""))
            if verdict in MEASURED and before not in (None, verdict):
                found.append(f"{row}: {verdict}, recorded {before}")
        for chapter in self.chapters:
            found += [f"{run.experiment.number}: took {run.seconds:.0f} s, its budget is {run.allowed:.0f} s"
                      for run in chapter.runs if run.late]  # fmt: skip
        return found

    def __str__(self) -> str:
        return "\n".join(_told(self))

    def _repr_html_(self) -> str:
        head = ["chapter", "figures", "wrong", "claims", "as told", "differently", "undecided"]
        return html_table(head, [_tally(chapter) for chapter in self.chapters])

    def to_dict(self) -> dict[str, Any]:
        """Plain data: every row with its mark or verdict."""
        return {
            "budget": self.budget,
            "facts": [
                {
                    "row": each.fact.row, "chapter": chapter.chapter.number, "place": deck(each.fact.row),
                    "what": each.fact.what, "printed": each.fact.printed, "counted": each.value, "mark": each.mark,
                    "right": each.fact.right, "note": each.fact.note, "reason": each.fact.reason,
                    "command": each.fact.command,
                }
                for chapter in self.chapters for each in chapter.facts
            ],
            "claims": [
                {
                    "row": each.claim.row, "chapter": each.claim.chapter, "place": each.claim.deck,
                    "says": each.claim.says, "experiment": each.claim.experiment, "verdict": each.verdict,
                    "text": each.finding.text,
                }
                for each in self.claims
            ],
            "experiments": [
                {"number": run.experiment.number, "title": run.experiment.title, "seconds": round(run.seconds, 2)}
                for chapter in self.chapters for run in chapter.runs
            ],
        }  # fmt: skip


@cache
def recorded() -> dict[str, Any]:
    """Verdicts of recorded runs: budget -> claim -> data -> verdict, {"quick": {"E14": {"mnist": "confirmed"}}}."""
    return dict(json.loads(resources.files("hubel.book").joinpath("recorded.json").read_text("utf-8")))


def read(
    words: Sequence[str] = (), *, full: bool = False, facts_only: bool = False, workers: int | None = None,
    watch: Watcher = SILENT,
) -> Book:  # fmt: skip
    """The book, some of its chapters ("5"), some of its experiments ("5.2") or rows ("W58", "E36").

    Experiments compute with one thread, in several processes where this machine has the cores for it (`workers`; None:
    chosen), so that the same machine gives the same bits.
    Raises UsageError for what is no chapter and no row.
    """
    chapters, rows = chosen(words)
    budget = "facts" if facts_only else "full" if full else "quick"

    def picked(number: int, row: str) -> bool:
        return number in chapters or row in rows

    asked = {chapter.number: [claim for claim in claims().values()
                              if claim.chapter == chapter.number and picked(chapter.number, claim.row)]
             for chapter in CHAPTERS}  # fmt: skip
    wanted = [] if facts_only else _experiments([claim.row for found in asked.values() for claim in found], full)
    with threads(1), measuring(wanted, full=full, workers=workers, watch=watch) as finish:
        counted = {number: tuple(count(fact) for fact in facts if picked(number, fact.row))
                   for number, facts in all_facts().items()}  # fmt: skip
        runs = finish()
    parts = []
    for chapter in CHAPTERS:
        facts, its = counted.get(chapter.number, ()), asked[chapter.number]
        if facts or its:
            own = tuple(run for run in runs.values() if run.experiment.chapter == chapter.number)
            parts.append(ChapterRead(chapter, facts, tuple(_settle(its, own)), own))
    return Book(tuple(parts), budget, rows)


def chosen(words: Sequence[str]) -> tuple[set[int], tuple[str, ...]]:
    """Numbers of whole chapters, and single rows. No word: all chapters.

    >>> chosen(["5", "w58"]), chosen(["4.2"])
    (({5}, ('W58',)), (set(), ('E28', 'E29')))
    >>> chosen(["E999"])
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: the book has no row 'E999'
      figures are W1 to W196, claims E1 to E176, chapters 1 to 14, experiments such as 4.1
    """
    if not words:
        return {chapter.number for chapter in CHAPTERS}, ()
    known = {fact.row for facts in all_facts().values() for fact in facts} | set(claims())
    numbers, rows = set(), []
    for word in words:
        name = word.strip().upper()
        of_experiment = [row for row, claim in claims().items() if claim.experiment == name]
        if name.isdecimal() and name.isascii() and 1 <= int(name) <= len(CHAPTERS):
            numbers.add(int(name))
        elif name in known:
            rows.append(name)
        elif of_experiment:
            rows += of_experiment
        else:
            kind = "chapter" if name.isdecimal() else "row"
            raise UsageError(
                f"the book has no {kind} {word!r}",
                hint="figures are W1 to W196, claims E1 to E176, chapters 1 to 14, experiments such as 4.1",
            )
    return numbers, tuple(dict.fromkeys(rows))


def _experiments(rows: Sequence[str], full: bool) -> list[Experiment]:
    """Those that settle the rows within the budget, in the order of the book."""
    numbers = {settled()[row] for row in rows if row in settled()}
    return [each for each in all_experiments().values() if each.number in numbers and (full or each.quick is not None)]


def _settle(asked: Sequence[Row], runs: Sequence[Run]) -> Iterator[Claimed]:
    found = {row: finding for run in runs for row, finding in run.outcome.findings.items()}
    for claim in asked:
        if claim.row in found:
            yield Claimed(claim, found[claim.row])
        elif claim.row in not_measured():
            yield Claimed(claim, Finding(not_measured()[claim.row], ""))
        else:
            yield Claimed(claim, Finding(ONLY_FULL, ""))


# ---- as text ---------------------------------------------------------------------------------------------------------


def _tally(chapter: ChapterRead) -> list[object]:
    verdicts = Counter(each.verdict for each in chapter.claims)
    title = f"{chapter.chapter.number}. {chapter.chapter.title}"
    return [title, len(chapter.facts), len(chapter.wrong), len(chapter.claims), *(verdicts[v] for v in MEASURED)]


def _told(book: Book) -> Iterator[str]:
    single = bool(book.rows) or len(book.chapters) == 1
    if single:
        for chapter in book.chapters:
            yield f"{chapter.chapter.number}. {chapter.chapter.title}"
            yield from _lines(book, chapter)
        return
    yield f"{'chapter':<34}{'figures':>8}{'wrong':>7}{'claims':>8}{'as told':>9}{'not so':>8}{'open':>6}"
    for chapter in book.chapters:
        title, facts, wrong, asked, told, differently, undecided = _tally(chapter)
        yield f"{title:<34}{facts:>8}{wrong:>7}{asked:>8}{told:>9}{differently:>8}{undecided:>6}"
    wrong_ones = [each for each in book.figures if not each.fact.right]
    unmeasured = sum(each.verdict not in MEASURED for each in book.claims)
    yield ""
    yield (
        f"{plural(len(book.figures), 'figure')}, {len(wrong_ones)} of them wrong in the lectures; "
        f"{plural(len(book.claims), 'claim')}, {unmeasured} not measured here"
    )
    if not book.rows and len(book.chapters) == len(CHAPTERS):
        yield f"{len(wordings())} loose wordings and {len(contradictions())} contradictions are in the errata"


def _lines(book: Book, chapter: ChapterRead) -> Iterator[str]:
    everything = bool(book.rows)
    for each in chapter.facts:
        fact = each.fact
        yield f"{fact.row:<5}{each.mark:<4}{fact.what}"
        yield f"         printed {written(fact.printed)} · counted {_counted(each)}"
        if fact.note or (fact.reason and everything):
            yield f"         {fact.note or fact.reason}"
        if everything:
            yield f"         lecture {deck(fact.row)}"
            if fact.command:
                yield f"         {fact.command}"
    for claimed in chapter.claims:
        yield f"{claimed.claim.row:<5}{VERDICTS[claimed.verdict]}"
        yield f"         {claimed.claim.says}"
        if claimed.finding.text:
            yield f"         {claimed.finding.text}"
        if other := book.in_full(claimed):
            yield f"         with --full: {VERDICTS[other]}"
        if everything:
            yield f"         lecture {claimed.claim.deck} · experiment {claimed.claim.experiment}"


def _counted(each: Counted) -> str:
    return written(each.value) if each.value is not None else f"no: {each.fact.reason}"
