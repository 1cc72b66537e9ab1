"""What can be tried in the book's pages works in a real browser, from a file, and asks the network nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from chromium import Chromium
from hubel.book.reading import read
from hubel.report.pages.book import LESSONS, render_book
from hubel.studio.loose import lessons

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("book")
    words = [str(number) for number in LESSONS]
    for name, text in render_book(read(words, facts_only=True), lessons()).items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("number", LESSONS)
def test_lessons_stand_in_the_page_and_nothing_is_asked_or_complained_of(
    browser: Chromium, folder: Path, number: int
) -> None:
    browser.open(f"file://{folder}/chapter-{number:02}.html")
    held = browser.until(
        "[...document.querySelectorAll('[data-lesson]')].map((place) => place.querySelectorAll('canvas, table').length)"
    )
    assert len(held) == len(LESSONS[number])
    assert min(held) > 0
    assert browser.requests == []
    assert browser.complaints == []


def test_a_kernel_changes_the_picture_and_a_window_the_sum(browser: Chromium, folder: Path) -> None:
    browser.open(f"file://{folder}/chapter-04.html")
    sum_of = "document.querySelector('[data-lesson=kernels] .sum').textContent"
    before = browser.until(sum_of)
    browser.evaluate(
        "{ const which = document.querySelector('[data-lesson=kernels] select'); which.value = 'sharpen';"
        " which.dispatchEvent(new Event('change', { bubbles: true })); }"
    )
    assert browser.until(sum_of, lambda text: text != before)
    assert "·5" in browser.evaluate(sum_of)
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
