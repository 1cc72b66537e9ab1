"""The book: five lectures whose every number is counted and whose claims are measured."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hubel.book.exercises import Exercise, check, exercises
from hubel.book.notebooks import notebooks
from hubel.book.reading import Book, chosen, read
from hubel.errors import UsageError
from hubel.faces.progress import shows_progress
from hubel.figures.theme import Figure
from hubel.report.drawings.book import draw_plot
from hubel.report.pages.book import figures_of, render_book, render_exercises
from hubel.watching import SILENT, Watcher

__all__ = [
    "Book", "Exercise", "check", "drawings_of", "exercise_page", "files_of", "list_exercises", "read_book",
    "write_notebooks",
]  # fmt: skip


@shows_progress
def read_book(
    rows: Sequence[str] = (), *, full: bool = False, facts_only: bool = False, workers: int | None = None,
    verbose: bool | None = None, watch: Watcher = SILENT,
) -> Book:  # fmt: skip
    """Count and measure the whole book, chapters ("5"), experiments ("5.2") or rows ("W58", "E36").

    `full` lets experiments use more seeds and samples; with `facts_only` none is run. They are measured in up to
    `workers` processes (None: one a core, at most four), with the same bits as in one. Experiments on digits take
    MNIST where HUBEL_DATA has it, and nothing is ever downloaded.
    Raises UsageError for what the book does not have.
    """
    return read(rows, full=full, facts_only=facts_only, workers=workers, watch=watch)


def drawings_of(book: Book) -> list[Figure]:
    """The drawings of its experiments, in their order; each shows itself in a notebook."""
    plots = [plot for chapter in book.chapters for run in chapter.runs for plot in run.outcome.plots]
    return [drawing for plot in plots if (drawing := draw_plot(plot)) is not None]


def write_notebooks(chapters: Sequence[str] = (), *, full: bool = False) -> dict[str, bytes]:
    """File name -> notebook that runs: the guided practical, and one a chapter (all of them without `chapters`).

    Raises UsageError for what is no chapter.
    """
    return notebooks(sorted(_numbers(chapters, "notebooks are", "hubel book 8 --notebook out")), full=full)


def _numbers(chapters: Sequence[str], what: str, hint: str) -> set[int]:
    """Numbers of the chapters asked for, none for all; single rows are refused."""
    numbers, rows = chosen(chapters)
    if rows:
        raise UsageError(f"{what} by chapter, got {rows[0]}", hint=hint)
    return numbers if chapters else set()


def files_of(book: Book, lessons: tuple[str, str] | None = None) -> dict[str, bytes]:
    """Name in the folder -> content: pages, `results.json`, and the drawings under figures/.

    `lessons`: script and sheet of what can be tried in the pages (`hubel.studio.loose.lessons()`).
    """
    files = {name: text.encode() for name, text in render_book(book, lessons).items()}
    files["results.json"] = (json.dumps(book.to_dict(), ensure_ascii=False, indent=1, default=list) + "\n").encode()
    return files | {f"figures/{name}": data for name, data in figures_of(book).items()}


def list_exercises(chapters: Sequence[str] = (), *, seed: int = 0) -> tuple[Exercise, ...]:
    """Questions made after the lectures' worked numbers, with answer and way; another `seed` has other numbers.

    Raises UsageError for a chapter that the book does not have, or that has no exercises.
    """
    return exercises(sorted(_numbers(chapters, "exercises are", "hubel book 8 --exercises")), seed=seed)


def exercise_page(found: Sequence[Exercise], seed: int) -> bytes:
    """The exercises as a page, answers folded away."""
    return render_exercises(found, seed, alone=True).encode()
