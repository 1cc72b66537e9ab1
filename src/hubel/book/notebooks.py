"""Chapters and the practical as notebooks: plain data in the format of nbformat 4.5, which is a few keys of JSON."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from hubel.book.chapters import CHAPTERS, Chapter, claims, deck
from hubel.book.exercises import exercises
from hubel.book.experiments import all_experiments, not_measured
from hubel.book.fact import Fact, written
from hubel.book.facts import all_facts
from hubel.book.verdicts import VERDICTS

__all__ = ["Cell", "Step", "notebook", "notebooks", "practical"]


@dataclass(frozen=True, slots=True)
class Cell:
    """Words (markdown) or code."""

    text: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the practical."""

    title: str
    says: str
    code: str
    """"" where there is nothing to run."""


@cache
def practical() -> tuple[Step, ...]:
    """The guided practical, from an empty file to a trained net; its code runs as one program.

    >>> [step.title for step in practical()][7]
    '7. The loss at the start is ln 10'
    """
    text = resources.files("hubel.book").joinpath("practical.txt").read_text("utf-8")
    return tuple(_step(part) for part in re.split(r"(?m)^# %% ", text)[1:])


def _step(part: str) -> Step:
    title, _, rest = part.partition("\n")
    lines = rest.split("\n")
    count = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    words = "\n".join(line[1:].strip() for line in lines[:count])
    says = re.sub(r"(?<=\S)\n(?=\S)", " ", words)
    return Step(title, says, "\n".join(lines[count:]).strip())


def notebook(cells: Iterable[Cell]) -> bytes:
    """The bytes of an .ipynb file; the same cells give the same bytes.

    >>> json.loads(notebook([Cell("1 + 1", code=True)]))["cells"][0]["source"]
    ['1 + 1']
    """
    entries = []
    for place, cell in enumerate(cells):
        name = hashlib.sha256(f"{place} {cell.text}".encode()).hexdigest()[:12]
        entry: dict[str, object] = {"cell_type": "code" if cell.code else "markdown", "id": name, "metadata": {}}
        if cell.code:
            entry |= {"execution_count": None, "outputs": []}
        entries.append(entry | {"source": cell.text.splitlines(keepends=True)})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    whole = {"cells": entries, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return (json.dumps(whole, ensure_ascii=False, indent=1) + "\n").encode()


def notebooks(numbers: Sequence[int] = (), *, full: bool = False) -> dict[str, bytes]:
    """File name -> notebook: the practical, and a notebook a chapter (all without `numbers`)."""
    found = {"practical.ipynb": notebook(_practical())}
    for chapter in CHAPTERS:
        if not numbers or chapter.number in numbers:
            found[f"chapter-{chapter.number:02}.ipynb"] = notebook(_chapter(chapter, full=full))
    return found


def _practical() -> Iterator[Cell]:
    for place, step in enumerate(practical()):
        yield Cell(f"{'#' if place == 0 else '##'} {step.title}\n\n{step.says}")
        if step.code:
            yield Cell(step.code, code=True)


START = """from hubel.verbs.book import drawings_of, read_book


def show(row):
    found = read_book([row]{full})
    print(found)
    for each in drawings_of(found):
        display(each)"""


def _chapter(chapter: Chapter, *, full: bool) -> Iterator[Cell]:
    yield Cell(f"# {chapter.number}. {chapter.title}\n\n{chapter.lead}")
    yield Cell(START.replace("{full}", ", full=True" if full else ""), code=True)
    runs = [each for each in all_experiments().values() if each.chapter == chapter.number]
    if runs:
        yield Cell("## What is measured\n\nVerdicts come from 95 % intervals; each cell trains what it needs.")
    for each in runs:
        says = "\n".join(f"- **{row}** {claims()[row].says} ({claims()[row].deck})" for row in each.rows)
        rule = f"\n\nHolds if {each.rule}." if each.rule else ""
        yield Cell(f"### {each.number}. {each.title}\n\n{says}\n\n{each.setup}{rule}")
        yield Cell(f'show("{each.number}")', code=True)
    for row in not_measured():
        if claims()[row].chapter == chapter.number:
            yield Cell(f"**{row}** {claims()[row].says}: {VERDICTS[not_measured()[row]]}.")
    facts = all_facts().get(chapter.number, ())
    if facts:
        yield Cell("## The lectures' figures\n\nWhat the lecture prints, and what is counted.")
    rows = dict.fromkeys(fact.row for fact in facts)
    for row in rows:
        yield Cell("\n\n".join(_fact(fact) for fact in facts if fact.row == row))
        yield Cell(f'show("{row}")', code=True)
    asked = [each for each in exercises() if each.chapter == chapter.number]
    if asked:
        yield Cell("## Exercises")
    for question in asked:
        way = "\n".join([f"answer: {question.said}", *question.way])
        yield Cell(f"{question.question}\n\n<details><summary>the way</summary>\n\n```\n{way}\n```\n\n</details>")


def _fact(fact: Fact) -> str:
    command = f"\n\n`{fact.command}`" if fact.command else ""
    return f"**{fact.row}** {fact.what}: printed {written(fact.printed)} ({deck(fact.row)}){command}"
