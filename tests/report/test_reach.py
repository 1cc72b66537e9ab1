"""The pages that hubel writes, for every person: axe-core has nothing to say of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import hubel
from axe import findings, needs_axe
from chromium import Chromium
from hubel.cli import main

pytestmark = pytest.mark.browser
SMALL = ("--model", "mlp", "--epochs", "2", "--device", "cpu", "--threads", "1")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, digits_run: Path) -> Path:
    """A folder with the same run twice, and three of another net."""
    folder = tmp_path_factory.mktemp("reach") / "runs"
    for name in ("one", "two"):
        shutil.copytree(digits_run, folder / name)
    for seed, name in enumerate(("three", "four", "five")):
        net = {"model": "mlp", "epochs": 2, "limit": 400, "seed": seed, "threads": 1, "device": "cpu"}
        hubel.train("digits", out=str(folder), **net).folder.rename(folder / name)  # type: ignore[arg-type]
    return folder


def done(*words: str) -> None:
    """A command that does what is asked."""
    with pytest.raises(SystemExit) as end:
        main(list(words))
    assert end.value.code in (0, None), words


MADE = {
    "training": ((), "report.html"),
    "comparison": (("compare", "{one}", "{two}", "--out", "{page}"), ""),
    "cleaning": (("clean", "{photos}", "--out", "{page}"), ""),
    "robustness": (("robust", "{one}", "--corruptions", "fog,blur", "--severities", "1,5", "--limit", "20",
                    "--out", "{page}"), ""),
    "baseline": (("baseline", "{photos}", "--learners", "knn", "--out", "{page}"), ""),
    "explanation": (("explain", "{one}", "digits:3", "--method", "grad-cam,saliency", "--out", "{page}"), ""),
    "export": (("export", "{one}", "--to", "page", "--out", "{page}"), ""),
    "search": (("search", "digits", "--trials", "3", "--epochs", "8", "--set", "limit=200", "--model", "mlp",
                "--out", "{out}"), "report.html"),
    "ensemble": (("ensemble", "{three}", "{four}", "{five}", "--out", "{out}"), "report.html"),
    "series": (("train", "digits", "--folds", "2", "--out", "{out}", *SMALL), "report.html"),
    "curve": (("curve", "digits", "--seeds", "2", "--out", "{out}", "--page", "{page}", *SMALL[:-2]), ""),
    "anomaly": (("anomaly", "{photos}/two", "--test", "{photos}/one", "--features", "pixels", "--method", "knn",
                 "--out", "{out}"), "anomaly.html"),
    "book": (("book", "--facts", "--out", "{out}"), "*.html"),
}  # fmt: skip
"""What is made -> (the command, the pages below its folder where the command does not name one)."""


@needs_axe
@pytest.mark.parametrize("kind", MADE)
def test_axe_has_nothing_to_say_of_a_page_that_is_written(
    browser: Chromium, runs: Path, picture_folder: Path, tmp_path: Path, kind: str
) -> None:
    words, below = MADE[kind]
    page, out = tmp_path / "page.html", tmp_path / "out"
    if words:
        places = {each.name: each for each in runs.iterdir()} | {"photos": picture_folder, "page": page, "out": out}
        done(*(word.format(**places) for word in words))
    pages = sorted((out if words else runs / "one").rglob(below), key=lambda path: len(path.parts)) if below else [page]
    assert pages
    for each in pages if "*" in below else pages[:1]:
        browser.open(each.as_uri())
        assert findings(browser) == [], each.name
