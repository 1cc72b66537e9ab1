"""The book as notebooks: they are valid, they run, and the practical's checks notice what goes wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hubel.book.bench import _all_digits
from hubel.book.chapters import CHAPTERS
from hubel.book.experiments import all_experiments
from hubel.book.notebooks import notebooks, practical
from hubel.cli import main


@pytest.fixture(scope="module")
def made() -> dict[str, dict[str, object]]:
    return {name: json.loads(data) for name, data in notebooks().items()}


def cells(book: dict[str, object], kind: str) -> list[str]:
    found = book["cells"]
    assert isinstance(found, list)
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


def test_there_is_a_notebook_a_chapter_and_the_practical(made: dict[str, dict[str, object]]) -> None:
    assert set(made) == {"practical.ipynb", *(f"chapter-{chapter.number:02}.ipynb" for chapter in CHAPTERS)}
    shown = {
        name for book in made.values() for code in cells(book, "code") for name in re.findall(r'show\("(\S+)"\)', code)
    }
    assert set(all_experiments()) <= shown
    assert {f"W{number}" for number in range(1, 197)} <= shown


def test_notebooks_keep_to_the_format(made: dict[str, dict[str, object]]) -> None:
    """The keys that nbformat 4.5 requires, and no others (jupyter.org, nbformat.v4.5.schema.json)."""
    for book in made.values():
        assert set(book) == {"cells", "metadata", "nbformat", "nbformat_minor"}
        assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
        found = book["cells"]
        assert isinstance(found, list)
        names = [cell["id"] for cell in found]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in names)
        for cell in found:
            code = {"outputs", "execution_count"} if cell["cell_type"] == "code" else set()
            assert set(cell) == {"cell_type", "id", "metadata", "source"} | code
            assert all(line.endswith("\n") for line in cell["source"][:-1])


def test_nbformat_itself_finds_them_valid(made: dict[str, dict[str, object]]) -> None:
    nbformat = pytest.importorskip("nbformat")
    for book in made.values():
        nbformat.validate(book)


def test_the_same_book_gives_the_same_bytes() -> None:
    assert notebooks([4]) == notebooks([4])


def test_a_chapter_s_notebook_runs(made: dict[str, dict[str, object]], capsys: pytest.CaptureFixture[str]) -> None:
    drawn: list[object] = []
    space: dict[str, object] = {"display": drawn.append}
    wanted = ('show("4.2")', 'show("W58")')
    first, *rest = cells(made["chapter-04.ipynb"], "code")
    for code in [first, *(code for code in rest if code in wanted)]:
        exec(compile(code, "cell", "exec"), space)
    out = capsys.readouterr().out
    assert "E28" in out
    assert "W58" in out
    assert drawn


def run_practical(changes: dict[str, str]) -> None:
    """All code of the practical as one program, with parts of it replaced."""
    code = "\n\n".join(step.code for step in practical())
    for old, new in {"SAMPLES, EPOCHS, SEED = 4000, 3, 0": "SAMPLES, EPOCHS, SEED = 400, 2, 0", **changes}.items():
        assert old in code, old
        code = code.replace(old, new)
    exec(compile(code, "practical", "exec"), {"__name__": "practical"})


@pytest.fixture
def without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUBEL_DATA", raising=False)
    _all_digits.cache_clear()


@pytest.mark.slow
@pytest.mark.usefixtures("without_data")
def test_the_practical_runs_from_the_first_line_to_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    run_practical({})
    _all_digits.cache_clear()
    out = capsys.readouterr().out
    assert "CIFAR-10 is not in HUBEL_DATA" in out
    assert out.rstrip().endswith("the same bits")


@pytest.mark.parametrize(
    ("old", "new", "notices"),
    [
        ("nn.Conv2d(16, 32, 3, padding=1, bias=False)", "nn.Conv2d(16, 32, 3, padding=1)", "weights == by_hand"),
        ("return self.head(x.flatten(1))", "return self.head(x.flatten(1)) * 40", "start - math.log"),
        ("F.relu(self.norm2(self.conv2(x)))", "F.relu(self.norm2(self.conv2(x))).detach()", "gets no gradient"),
        ("    loss.backward()\n    optimiser.step()", "    loss.backward()", "then < before"),
        ("data.x[hold:], data.y[hold:]", "data.x[:-hold], data.y[:-hold]", "the same picture stands in two parts"),
    ],
)
@pytest.mark.usefixtures("without_data")
def test_the_practical_s_checks_notice_the_fault(old: str, new: str, notices: str) -> None:
    with pytest.raises((AssertionError, ValueError)) as stop:
        run_practical({old: new})
    _all_digits.cache_clear()
    line = stop.traceback[-1].lineno  # of the practical itself
    code = "\n\n".join(step.code for step in practical()).replace(old, new).splitlines()
    assert notices in f"{stop.value} {code[line]}"


def test_the_command_writes_notebooks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["book", "4", "--notebook", str(tmp_path / "out")])
    assert stop.value.code in (0, None)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"practical.ipynb", "chapter-04.ipynb"}
    assert "practical.ipynb" in capsys.readouterr().err


@pytest.mark.parametrize("more", [["--facts"], ["--check"], ["--json"], ["--exercises"], ["--out", "x"], ["E36"]])
def test_what_does_not_go_with_notebooks_is_refused(more: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["book", "--notebook", str(tmp_path / "out"), *more])
    assert stop.value.code == 2
    assert not (tmp_path / "out").exists()
