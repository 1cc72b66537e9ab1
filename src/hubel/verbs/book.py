"""The book: five lectures whose every number is counted and whose claims are measured."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hubel.book.reading import Book, read
from hubel.faces.progress import shows_progress
from hubel.report.pages.book import figures_of, render_book
from hubel.watching import SILENT, Watcher

__all__ = ["Book", "files_of", "read_book"]


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
