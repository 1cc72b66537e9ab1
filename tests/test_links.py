"""Links of the README and the pages lead somewhere, also where a package index shows the README alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REPOSITORY = "https://github.com/hubel/hubel/blob/main/"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)


def links(page: Path) -> list[str]:
    """Where the page's links lead, in the text and in the list at its end."""
    return [inline or listed for inline, listed in LINK.findall(page.read_text())]


def test_the_readme_stands_alone() -> None:
    relative = [link for link in links(ROOT / "README.md") if "://" not in link]
    assert not relative, "a package index does not know the folders of the repository"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_project_leads_to_a_file(page: Path) -> None:
    for link in links(page):
        path, _, _ = link.partition("#")
        if path.startswith(REPOSITORY):
            assert (ROOT / path.removeprefix(REPOSITORY)).exists(), link
        elif "://" not in path and path and not path.startswith("mailto:"):
            assert (page.parent / path).exists(), link


def test_every_page_is_in_the_index_of_pages() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"]({page.name})" in index, page.name
