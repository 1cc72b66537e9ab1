"""The book as a user makes it: chapters, rows, pages, and a check that notices."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from hubel.book.chapters import CHAPTERS, claims
from hubel.book.errata import errata
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.measuring import Run
from hubel.book.plots import Bars, Cut, Lines, Listing, Pictures
from hubel.book.reading import Book, ChapterRead, Claimed, chosen, read
from hubel.book.verdicts import CONFIRMED, REFUTED, Finding
from hubel.cli import main
from hubel.errors import UsageError
from hubel.report.page import script_hash
from hubel.report.pages.book import LESSONS, figures_of, render_book
from hubel.studio.loose import lessons


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["book", *words])
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


@pytest.fixture(scope="module")
def figures() -> Book:
    return read(facts_only=True)


def invented(verdict: str = REFUTED, seconds: float = 1.0) -> Book:
    """A chapter with one experiment, as it would be after running."""
    rows = ("E28", "E29")
    each = Experiment("4.2", "Borders", rows, "Ones.", lambda budget: Outcome({}), Budget(1.0))
    grid = np.linspace(0, 1, 5)
    plots = (
        Lines("a line", [1, 2, 3], {"one": [1, 2, 3]}, "step"), Bars("bars", {"a": 0.5}, {"a": (0.4, 0.6)}, share=True),
        Pictures("tiles", {"<b>": np.zeros((4, 4), np.uint8)}), Listing("a table", ["x", "y"], [["<i>", 12345]]),
        Cut("cut", grid, grid, np.full((5, 5, 2), 0.5), np.zeros((2, 2)), np.array([0, 1])),
    )  # fmt: skip
    findings = {row: Finding(verdict, "1 of 9 <em>") for row in rows}
    run = Run(each, Outcome(findings, plots, "A note."), seconds, 1.0)
    asked = tuple(Claimed(claims()[row], findings[row]) for row in rows)
    return Book((ChapterRead(CHAPTERS[3], (), asked, (run,)),), "quick")


def test_the_whole_book_counts_every_figure(figures: Book) -> None:
    assert [chapter.chapter.number for chapter in figures.chapters] == list(range(1, 15))
    assert {each.fact.row for each in figures.figures} == {f"W{number}" for number in range(1, 197)}
    assert len(figures.claims) == 176
    assert figures.problems() == []
    assert "14. What is not normal" in str(figures)


def test_a_chapter_alone_is_the_chapter_of_the_whole(figures: Book) -> None:
    alone = read(["3"], facts_only=True)
    assert [each.value for each in alone.chapters[0].facts] == [each.value for each in figures.chapters[2].facts]


def test_a_row_says_what_is_printed_counted_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "w163", "--facts")
    assert code == 0
    assert "≠" in out
    assert "printed 0.15 · counted 0.356675" in out
    assert "lecture 004:361-368" in out
    assert "hubel step cross-entropy" in out


@pytest.mark.parametrize("word", ["15", "0", "W197", "E0", "4.9", "", "five", "٣"])
def test_what_the_book_does_not_have_is_said(word: str) -> None:
    with pytest.raises(UsageError, match=r"the book has no (row|chapter)"):
        chosen([word])


def test_the_check_notices_a_figure_a_verdict_and_a_late_experiment(
    figures: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = figures.chapters[0]
    spoilt = replace(first.facts[0], value=7)
    book = replace(figures, chapters=(replace(first, facts=(spoilt, *first.facts[1:])), *figures.chapters[1:]))
    assert [problem.partition(" ")[0] for problem in book.problems()] == ["W2"]
    known = {"quick": {"E28": {"own": CONFIRMED}, "E29": {"own": REFUTED, "mnist": CONFIRMED}}}
    monkeypatch.setattr("hubel.book.reading.recorded", lambda: known)
    assert invented().problems() == ["E28: refuted, recorded confirmed"]
    assert invented(seconds=4.0).problems()[-1] == "4.2: took 4 s, its budget is 1 s"


def test_check_exits_with_one_where_something_differs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(capsys, "4", "--facts", "--check")[0] == 0
    monkeypatch.setattr("hubel.verbs.book.read", lambda *_, **__: invented(seconds=9.0))
    code, _, err = run(capsys, "4", "--check")
    assert code == 1
    assert "took 9 s" in err


def test_errata_are_made_from_facts_claims_and_wordings(figures: Book) -> None:
    found = errata(figures)
    assert len([each for each in found if each.kind == "figure"]) == len(
        [each for each in figures.figures if not each.fact.right and each.fact.reason != "outside"]
    )
    assert [each.place[:3] for each in found] == sorted(each.place[:3] for each in found)
    assert [each.row for each in errata(invented())] == ["E29", "E28"]
    assert errata(invented(CONFIRMED)) == []
    assert next(each for each in found if each.row == "W105").better == "0.00249"


def test_a_quick_verdict_that_the_full_run_does_not_share_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"full": {"E28": {"own": CONFIRMED}, "E29": {"own": REFUTED, "mnist": CONFIRMED}}}
    monkeypatch.setattr("hubel.book.reading.recorded", lambda: known)
    book = invented()
    assert [book.in_full(each) for each in book.claims] == [CONFIRMED, ""]
    assert str(book).count("with --full: as told") == 1
    assert render_book(book)["chapter-04.html"].count("<code>--full</code>: as told") == 1
    assert {each.row: each.note for each in errata(book)} == {"E28": "with --full: as told", "E29": ""}
    full = replace(book, budget="full")
    assert [full.in_full(each) for each in full.claims] == ["", ""]


class Page(HTMLParser):
    """Links, places, and whether every tag is closed."""

    VOID = ("meta", "br", "img", "link", "input", "hr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.links += [value for value in [known.get("href")] if value]
        self.places += [value for value in [known.get("id")] if value]
        if tag not in self.VOID and "svg" not in self.open:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "svg" or "svg" not in self.open:
            assert self.open.pop() == tag


def test_pages_link_to_each_other_and_nowhere_else(figures: Book) -> None:
    pages = render_book(figures)
    assert len(pages) == 21
    for name, text in pages.items():
        page = Page(text)
        assert page.open == [], name
        for link in page.links:
            target, _, place = link.partition("#")
            assert target in pages or target == "", (name, link)
            assert not place or place in (Page(pages[target]) if target else page).places, (name, link)
        assert "http" not in text.replace("http://www.w3.org", "").replace("http-equiv", ""), name


def test_chapters_hold_what_can_be_tried_and_allow_exactly_that_script(figures: Book) -> None:
    script, _ = lessons()
    pages = render_book(figures, lessons())
    for number, found in LESSONS.items():
        text = pages[f"chapter-{number:02}.html"]
        assert [f'data-lesson="{lesson}"' in text for lesson, _ in found] == [True] * len(found)
        assert script in text
        assert f"'{script_hash(script)}'" in text.partition("script-src")[2].partition(";")[0]
        assert "http" not in text.replace("http://www.w3.org", "").replace("http-equiv", "")
        assert Page(text.replace(script, "")).open == []
    without = [name for name in pages if name not in {f"chapter-{number:02}.html" for number in LESSONS}]
    assert not any("data-lesson" in pages[name] for name in without)


def test_a_page_shows_the_drawing_before_the_verdict_and_escapes_what_it_is_given() -> None:
    book = invented()
    text = render_book(book)["chapter-04.html"]
    assert text.index("<svg") < text.index("Here it came out differently") < text.index("A note.")
    assert "<em>" not in text
    assert "<i>" not in text.replace("<i></i>", "")
    assert "12,345" in text
    assert sorted(figures_of(book)) == ["4.2-1.svg", "4.2-2.svg", "4.2-3.png", "4.2-5.svg"]


def test_a_folder_of_pages_is_written_with_its_results(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "8", "--facts", "--out", str(tmp_path / "book"))
    assert code == 0
    assert "index.html" in err
    assert {path.name for path in (tmp_path / "book").iterdir()} == {
        "index.html", "chapter-08.html", "errata.html", "glossary.html",
        "exercises.html", "timeline.html", "practical.html", "advice.html", "results.json",
    }  # fmt: skip
    results = json.loads((tmp_path / "book" / "results.json").read_text())
    assert {each["mark"] for each in results["facts"]} >= {"=", "≠"}
    (tmp_path / "file").write_text("mine")
    code, _, err = run(capsys, "8", "--facts", "--out", str(tmp_path / "file"))
    assert (code, (tmp_path / "file").read_text()) == (2, "mine")
    assert "must name a folder" in err


def test_json_holds_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--facts", "--json")
    found = json.loads(out)
    assert code == 0
    assert len({each["row"] for each in found["facts"]}) == 196
    assert len(found["claims"]) == 176


def test_full_and_facts_do_not_go_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--full", "--facts")[0] == 2
