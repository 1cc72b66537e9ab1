"""What the pages show runs: Python in them compiles, and every name of ours that they use is there."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import hubel

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("[A-Z]*.md"))]
FENCE = re.compile(r"^```(?:python|py)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILES = {"hubel.def"}
NAMED = re.compile(r"`(hubel(?:\.[A-Za-z_]\w*)+)")


def blocks() -> Iterator[tuple[str, str]]:
    """(where, code) of every block of Python that doctest does not run, and of the package's own example."""
    for page in dict.fromkeys(PAGES):
        text = page.read_text("utf-8")
        for found in FENCE.finditer(text):
            if ">>>" not in found[1]:
                yield f"{page.name}:{text.count(chr(10), 0, found.start()) + 2}", found[1]
    example = "\n".join(line[4:] for line in str(hubel.__doc__).splitlines() if line.startswith("    "))
    yield "hubel/__init__.py", f"import hubel\n{example}"


def used(code: str) -> set[str]:
    """Dotted names of ours in some code: what it imports, and what it reaches through `hubel`.

    >>> sorted(used("from hubel.errors import near\\nhubel.load('x').predict(1)"))
    ['hubel.errors.near', 'hubel.load']
    """
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "hubel":
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.partition(".")[0] == "hubel"}
        elif isinstance(node, ast.Attribute) and ast.unparse(node).replace(".", "").isidentifier():
            path = ast.unparse(node)
            found |= {path} if path.startswith("hubel.") else set()
    return found


def there(name: str) -> bool:
    """Is there something of this dotted name?"""
    words = name.split(".")
    for cut in range(len(words), 0, -1):
        try:
            thing: object = importlib.import_module(".".join(words[:cut]))
        except ImportError:
            continue
        for number, word in enumerate(words[cut:]):
            fields = getattr(thing, "__dataclass_fields__", {}) | getattr(thing, "__annotations__", {})
            if not hasattr(thing, word):
                return word in fields and number == len(words) - cut - 1
            thing = getattr(thing, word)
        return True
    return False


def test_the_finder_of_names_can_fail() -> None:
    assert there("hubel.train")
    assert there("hubel.Run.predict_proba")
    assert there("hubel.errors.HubelError")
    assert not there("hubel.fit")
    assert not there("hubel.Run.fit")


@pytest.mark.parametrize(("where", "code"), [pytest.param(*block, id=block[0]) for block in blocks()])
def test_python_in_the_pages_compiles_and_names_only_what_is_there(where: str, code: str) -> None:
    lost = [name for name in used(code) if not there(name)]
    assert not lost, f"{where} uses {', '.join(lost)}"


@pytest.mark.parametrize("page", dict.fromkeys(PAGES), ids=lambda page: page.name)
def test_names_in_the_text_of_the_pages_are_there(page: Path) -> None:
    if page.name == "CHANGELOG.md":  # it also tells of what is gone
        return
    lost = [name for name in set(NAMED.findall(page.read_text("utf-8"))) - FILES if not there(name)]
    assert not lost, f"{page.name} names {', '.join(sorted(lost))}"


def test_names_in_docstrings_and_comments_are_there() -> None:
    lost = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "src").rglob("*.py"))
        for name in NAMED.findall(path.read_text("utf-8"))
        if not there(name)
    ]
    assert not lost


SLOW, QUICK = 'model="resnet18", epochs=20', 'epochs=1, model_options={"width": 0.1}, threads=1, device="cpu"'


@pytest.mark.parametrize("page", ["README.md", "hubel/__init__.py"])
def test_the_first_example_does_what_it_says(
    page: str, picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = next(code for where, code in blocks() if where.startswith(page))
    assert SLOW in code
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").symlink_to(picture_folder)
    for name in ("cat.jpg", "dog.jpg"):
        Image.open(picture_folder / "two" / "000.png").save(name)
    exec(compile(code.replace(SLOW, QUICK), page, "exec"), {"__name__": "example"})
    assert (tmp_path / "runs" / "photos-1" / "report.html").is_file()
