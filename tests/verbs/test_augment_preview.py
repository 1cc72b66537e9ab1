"""`hubel data SOURCE --sheet FILE --augment CHAIN`: what an augmentation will do to one's own pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubel.cli import main
from hubel.errors import UnknownName, UsageError
from hubel.verbs.data import scan


def test_one_picture_a_class_is_shown_as_it_is_and_varied() -> None:
    figure = scan("digits").augmented("digits")
    assert figure.kind == "png"
    assert "120 pictures in 10 rows" in figure.alt  # each class: as it is, and eleven epochs
    plain = scan("digits").augmented("none")
    assert plain.data != figure.data


def test_a_chain_that_cannot_be_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'flip'"):
        scan("digits").augmented("flipp")


def test_points_have_no_sheet() -> None:
    with pytest.raises(UsageError, match="points, not pictures"):
        scan("moons").augmented("flip")


def test_the_command_writes_the_sheet_and_needs_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sheet.png"
    with pytest.raises(SystemExit) as done:
        main(["data", "digits", "--augment", "translate=1", "--sheet", str(path)])
    assert done.value.code == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit) as done:
        main(["data", "digits", "--augment", "translate=1"])
    assert done.value.code == 2
    assert "add --out FILE.png" in capsys.readouterr().err
