"""Exercises: other numbers for each seed, the answer counted, the way shown."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pytest

from hubel.book.chapters import deck
from hubel.book.exercises import Exercise, check, exercises
from hubel.cli import main


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str, *words: str
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    with pytest.raises(SystemExit) as stop:
        main(["book", *words])
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


@pytest.mark.parametrize("seed", range(5))
def test_every_exercise_accepts_its_own_answer_and_no_other(seed: int) -> None:
    for each in exercises(seed=seed):
        assert deck(each.row)
        assert each.way
        assert check(each, each.said), each
        assert not check(each, " ".join(str(v + 1 + abs(v)) for v in each.answer)), each
        assert not check(each, "I do not know")


def test_the_same_seed_asks_the_same_and_another_seed_something_else() -> None:
    assert exercises(seed=3) == exercises(seed=3)
    assert [a.question for a in exercises(seed=3)] != [b.question for b in exercises(seed=4)]


def test_the_base_ten_logarithm_of_the_lecture_is_not_accepted() -> None:
    (entropy,) = [each for each in exercises(seed=1) if each.row == "W163"]
    assert not check(entropy, f"{entropy.answer[0] / math.log(10):.4f}")


def test_answers_are_numbers_in_any_notation() -> None:
    one = Exercise("W1", 6, "", (0.00390625,), ("",))
    assert check(one, "3.9e-3")
    assert check(one, ".0039")
    assert not check(one, "0.0049")


def test_the_prompt_checks_answers_shows_the_way_and_counts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = exercises([8], seed=2)
    code, out, _ = run(capsys, monkeypatch, f"{found[0].said}\nno idea\n", "8", "--exercises", "--seed", "2")
    assert code == 0
    assert "1 of 2 right" in out
    assert f"no: {found[1].said}" in out
    assert found[0].way[0] in out


def test_exercises_as_json_and_as_a_page(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, out, _ = run(capsys, monkeypatch, "", "4", "--exercises", "--json")
    assert {each["chapter"] for each in json.loads(out)} == {4}
    code, _, _ = run(capsys, monkeypatch, "", "4", "--exercises", "--out", str(tmp_path))
    assert code == 0
    text = (tmp_path / "exercises.html").read_text()
    assert "index.html" not in text, "there is no index beside it"
    assert text.count("<details>") == len(exercises([4]))


@pytest.mark.parametrize(
    "words",
    [["W3", "--exercises"], ["14", "--exercises"], ["--exercises", "--full"], ["3", "--seed", "1"],
     ["99", "--exercises"], ["--exercises", "--seed", "-1"]],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    code, _, err = run(capsys, monkeypatch, "", *words)
    assert code == 2
    assert err.startswith("error: ")
