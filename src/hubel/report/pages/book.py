"""The pages of `hubel book`: an index, a page a chapter, the errata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from hubel.book.advisor import WORDS, methods
from hubel.book.chapters import CHAPTERS, LECTURES, contradictions, deck, timeline
from hubel.book.errata import Erratum, errata
from hubel.book.exercises import Exercise, exercises
from hubel.book.fact import MARKS, Counted, written
from hubel.book.glossary import terms
from hubel.book.measuring import Run
from hubel.book.notebooks import practical
from hubel.book.plots import Listing
from hubel.book.reading import Book, ChapterRead, Claimed
from hubel.book.verdicts import CONFIRMED, MEASURED, REFUTED, UNDECIDED, VERDICTS
from hubel.figures.theme import Figure
from hubel.report.drawings.book import draw_plot, draw_tally, draw_timeline
from hubel.report.page import page

BUDGETS = {"quick": "hubel book", "full": "hubel book --full", "facts": "hubel book --facts"}


LESSONS = {
    4: (("kernels", ""), ("windows", "")),
    5: (("windows", "max"),),
    6: (("curves", ""),),
    8: (("descent", ""),),
}
"""Chapter -> what can be tried in its page: the lesson, and the kind of window it begins with."""


def render_book(book: Book, lessons: tuple[str, str] | None = None) -> dict[str, str]:
    """File name -> page; all of them are self-contained, and link to each other by their names.

    `lessons`: script and sheet of parts that can be tried, which chapters of `LESSONS` then hold.
    """
    places = [(_file(chapter.chapter.number), chapter) for chapter in book.chapters]
    pages = {"index.html": _index(book, places)}
    for place, (name, chapter) in enumerate(places):
        before = places[place - 1] if place else None
        after = places[place + 1] if place + 1 < len(places) else None
        pages[name] = page(
            "book_chapter.html.j2", **_tried(chapter, lessons),
            title=f"{chapter.chapter.number}. {chapter.chapter.title}",
            chapter=chapter, runs=[_told(run, chapter) for run in chapter.runs],
            sentence=_sentence, in_full=book.in_full,
            rest=[each for each in chapter.claims if each.verdict not in MEASURED],
            facts=[_row(each) for each in chapter.facts], marks=MARKS, verdicts=VERDICTS, tiles=_tiles(chapter),
            before=before and (before[0], before[1].chapter.title), after=after and (after[0], after[1].chapter.title),
            command=f"{BUDGETS[book.budget].replace('book', f'book {chapter.chapter.number}', 1)}",
        )  # fmt: skip
    pages["errata.html"] = _errata(book)
    known = {chapter.chapter.number: name for name, chapter in places}
    pages["glossary.html"] = page(
        "book_glossary.html.j2", title="Glossary", terms=[(term, known.get(term.chapter, "")) for term in terms()]
    )
    pages["timeline.html"] = page(
        "book_timeline.html.j2", title="Timeline", events=timeline(), drawing=draw_timeline(timeline())
    )
    pages["exercises.html"] = render_exercises(exercises(), 0)
    pages["advice.html"] = page("book_advice.html.j2", title="Advice", methods=methods(), words=WORDS)
    pages["practical.html"] = page("book_practical.html.j2", title=practical()[0].title, steps=practical())
    return pages


def _tried(chapter: ChapterRead, lessons: tuple[str, str] | None) -> dict[str, object]:
    """Values of the part of a chapter's page that can be tried; without it `trying`, its script, is empty."""
    found = LESSONS.get(chapter.chapter.number, ())
    if lessons is None or not found:
        return {"trying": "", "lessons": ()}
    script, sheet = (Markup(text) for text in lessons)  # noqa: S704 - our own files
    return {"trying": script, "sheet": sheet, "lessons": found}


def render_exercises(found: Sequence[Exercise], seed: int, *, alone: bool = False) -> str:
    """Questions by chapter, each with its answer and the way to it folded away; `alone`: there is no index beside."""
    chapters = [
        (chapter, [each for each in found if each.chapter == chapter.number])
        for chapter in CHAPTERS
        if any(each.chapter == chapter.number for each in found)
    ]
    return page("book_exercises.html.j2", title="Exercises", chapters=chapters, seed=seed, alone=alone)


def figures_of(book: Book) -> dict[str, bytes]:
    """File name -> drawing of every experiment, as on the pages."""
    found: dict[str, bytes] = {}
    for chapter in book.chapters:
        for run in chapter.runs:
            for place, plot in enumerate(run.outcome.plots):
                drawing = draw_plot(plot)
                if drawing is not None:
                    found[f"{run.experiment.number}-{place + 1}.{drawing.kind}"] = drawing.data
    return found


def _file(number: int) -> str:
    return f"chapter-{number:02}.html"


def _index(book: Book, places: list[tuple[str, ChapterRead]]) -> str:
    verdicts = Counter(each.verdict for each in book.claims)
    wrong = sum(not each.fact.right for each in book.figures)
    counted = sum(each.fact.counted is not None for each in book.figures)
    return page(
        "book_index.html.j2", title="Five lectures, counted and measured", lectures=LECTURES,
        chapters=[(name, each, {v: each.count(v) for v in MEASURED}) for name, each in places],
        drawing=draw_tally(book.chapters) if any(verdicts[v] for v in MEASURED) else None,
        tiles=[
            ("figures", f"{len(book.figures):,}", f"{counted} of them counted here"),
            ("wrong in the lectures", f"{wrong}", "each with what is right"),
            ("claims", f"{len(book.claims)}", f"{sum(verdicts[v] for v in MEASURED)} of them measured"),
            ("as told", f"{verdicts[CONFIRMED]}", "95 % interval on the claim's side"),
            ("differently", f"{verdicts[REFUTED]}", "95 % interval on the other side"),
            ("undecided", f"{verdicts[UNDECIDED]}", "the interval allows both"),
        ],
        command=BUDGETS[book.budget],
    )  # fmt: skip


def _errata(book: Book) -> str:
    kinds = {
        "figure": "Figures that are wrong, by counting",
        "claim": "Claims that came out differently",
        "outside": "Wrong by outside knowledge",
        "wording": "Loose wordings",
    }
    found = errata(book)
    groups = [(title, [each for each in found if each.kind == kind]) for kind, title in kinds.items()]
    whole = not book.rows and len(book.chapters) == len(CHAPTERS)
    return page(
        "book_errata.html.j2", title="Errata", groups=[(title, entries) for title, entries in groups if entries],
        contradictions=contradictions() if whole else (), where=_where, lectures=LECTURES,
    )  # fmt: skip


def _where(entry: Erratum) -> str:
    return f"{entry.place} · {entry.row}" if entry.row else entry.place


def _tiles(chapter: ChapterRead) -> list[tuple[str, str, str]]:
    """Name, value, note; what there is none of is left out."""
    wrong = len(chapter.wrong)
    tiles = [("figures", str(len(chapter.facts)), f"{wrong} wrong in the lectures" if wrong else "none wrong")]
    tiles += [
        (title, str(chapter.count(verdict)), note)
        for verdict, title, note in (
            (CONFIRMED, "as told", "claims measured here"),
            (REFUTED, "differently", "see the boxes"),
            (UNDECIDED, "undecided", "the interval allows both"),
        )
        if chapter.count(verdict)
    ]
    open_ones = sum(each.verdict not in MEASURED for each in chapter.claims)
    return [
        *tiles[0 if chapter.facts else 1 :],
        *([("not measured", str(open_ones), "listed below")] if open_ones else []),
    ]


def _row(each: Counted) -> tuple[Counted, str, str, str]:
    """A fact, its place, its printed figure, its counted figure."""
    counted = written(each.value) if each.value is not None else ""
    return each, deck(each.fact.row), written(each.fact.printed), counted


def _sentence(text: str) -> str:
    """A finding as a sentence.

    >>> _sentence("errors are 0 and 2e-07"), _sentence("relu(x) is 0")
    ('Errors are 0 and 2e-07.', 'relu(x) is 0.')
    """
    first = text.partition(" ")[0]
    return f"{text[:1].upper() + text[1:] if first.isalpha() and first.islower() else text}."


def _told(run: Run, chapter: ChapterRead) -> tuple[Run, list[Claimed], list[Figure | Listing]]:
    claims = [each for each in chapter.claims if each.claim.row in run.experiment.rows]
    shown: list[Figure | Listing] = []
    for plot in run.outcome.plots:
        drawing = draw_plot(plot)
        shown.append(drawing if drawing is not None else plot)  # type: ignore[arg-type]  # a table
    return run, claims, shown
