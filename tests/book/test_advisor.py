"""Advice rests on what was measured, names commands that exist, and refuses what it does not understand."""

from __future__ import annotations

import json
import shlex

import pytest

from hubel.book.advisor import WORDS, advise, methods
from hubel.book.chapters import claims
from hubel.book.reading import recorded
from hubel.cli import main
from hubel.errors import UsageError


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["ask", *words])
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


def test_every_strength_and_weakness_is_what_the_book_recorded() -> None:
    rows = [one for each in methods() for one in (*each.strengths, *each.weaknesses) if one.row]
    assert len(rows) > 20
    for one in rows:
        assert one.row in claims()
        assert one.verdict in recorded()["quick"][one.row].values(), one
        assert one.row in one.source


def test_every_word_is_of_use_to_some_method() -> None:
    used = {word for each in methods() for word in (*each.what, *each.suits)}
    assert used == set(WORDS)


@pytest.mark.parametrize("command", [each.command for each in methods()])
def test_the_commands_are_commands(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, verb, *words = shlex.split(command)
    assert name == "hubel"
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help-all" if verb in ("train", "search") else "--help"])
    assert stop.value.code in (0, None)
    text = capsys.readouterr().out
    assert all(word in text for word in words if word.startswith("--"))


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["turned"], "hubel train photos/ --model p4_cnn"),
        (["strange"], "hubel anomaly good/ --test mixed/"),
        (["table", "60"], "hubel baseline table.csv"),
        (["table", "many"], "hubel train table.csv"),
        (["pictures", "50,000"], "hubel train photos/ --from none"),
        (["doubtful", "900"], "hubel clean photos/"),
    ],
)
def test_what_one_has_decides_what_comes_first(words: list[str], first: str) -> None:
    assert advise(words).methods[0].command == first


def test_few_samples_leave_out_what_needs_many() -> None:
    commands = {each.command for each in advise(["pictures", "100"], most=None).methods}
    assert "hubel train photos/ --from none" not in commands
    assert "hubel baseline photos/" in commands


@pytest.mark.parametrize("words", [["cats"], ["pictures", "10", "20"], ["-5"], ["1e3"], ["٣"]])
def test_what_is_not_understood_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError):
        advise(words)


def test_advice_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--advise", "pictures", "300", "tiny")
    assert code == 0
    assert out.startswith("For pictures, tiny, 300 samples:")
    assert max(map(len, out.splitlines())) <= 80
    code, out, _ = run(capsys, "--advise")
    assert code == 0
    assert all(word in out for word in WORDS)
    code, out, _ = run(capsys, "--advise", "turned", "--json")
    assert json.loads(out)["methods"][0]["command"] == "hubel train photos/ --model p4_cnn"
    code, _, err = run(capsys, "--advise", "tinny")
    assert code == 2
    assert "did you mean tiny?" in err
