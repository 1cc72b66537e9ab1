"""The book: five lectures whose every number is counted and whose claims are measured."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hubel.book.exercises import Exercise, check, exercises
from hubel.book.reading import Book, chosen, read
from hubel.errors import UsageError
from hubel.faces.progress import shows_progress
from hubel.report.pages.book import figures_of, render_book, render_exercises
from hubel.watching import SILENT, Watcher

__all__ = ["Book", "Exercise", "check", "exercise_page", "files_of", "list_exercises", "read_book"]


@shows_progress
def read_book(
    rows: Sequence[str] = (), *, full: bool = False, facts_only: bool = False, verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Book:  # fmt: skip
    """Count and measure the whole book, chapters ("5"), experiments ("5.2") or rows ("W58", "E36").

    `full` lets experiments use more seeds and samples; with `facts_only` none is run. Experiments on digits take
    MNIST where HUBEL_DATA has it, and nothing is ever downloaded.
    Raises UsageError for what the book does not have.
    """
    return read(rows, full=full, facts_only=facts_only, watch=watch)


def files_of(book: Book) -> dict[str, bytes]:
    """Name in the folder -> content: pages, `results.json`, and the drawings under figures/."""
    files = {name: text.encode() for name, text in render_book(book).items()}
    files["results.json"] = (json.dumps(book.to_dict(), ensure_ascii=False, indent=1, default=list) + "\n").encode()
    return files | {f"figures/{name}": data for name, data in figures_of(book).items()}


def list_exercises(chapters: Sequence[str] = (), *, seed: int = 0) -> tuple[Exercise, ...]:
    """Questions made after the lectures' worked numbers, with answer and way; another `seed` has other numbers.

    Raises UsageError for a chapter that the book does not have, or that has no exercises.
    """
    numbers, rows = chosen(chapters)
    if rows:
        raise UsageError(f"exercises are by chapter, got {rows[0]}", hint="hubel book 8 --exercises")
    return exercises(sorted(numbers) if chapters else (), seed=seed)


def exercise_page(found: Sequence[Exercise], seed: int) -> bytes:
    """The exercises as a page, answers folded away."""
    return render_exercises(found, seed, alone=True).encode()
