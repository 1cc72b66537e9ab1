"""The field's interchangeable terms."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from hubel.book.glossary import ask, terms
from hubel.cli import main
from hubel.errors import UsageError
from hubel.lessons.parts import listed


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["ask", *words])
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


def test_no_word_stands_for_two_terms() -> None:
    words = Counter(name.casefold() for term in terms() for name in (term.term, *term.also))
    assert [word for word, count in words.items() if count > 1] == []
    assert len(terms()) > 80


def test_every_other_name_leads_to_its_term() -> None:
    for term in terms():
        assert all(ask(name) is term for name in (term.term, *term.also))


def test_components_chapters_and_places_exist() -> None:
    parts = {part.name for part in listed()}
    assert [term.component for term in terms() if term.component and term.component not in parts] == []
    assert all(1 <= term.chapter <= 14 for term in terms())
    assert [term.deck for term in terms() if not re.fullmatch(r"00[0-4]:[\d-]+(; 00[0-4]:[\d-]+)*", term.deck)] == []


@pytest.mark.parametrize("word", ["dense layer", "Fully-Connected", "FC layers", "linear  LAYER", "dense_layer"])
def test_case_dashes_and_plurals_do_not_matter(word: str) -> None:
    assert ask(word).term == "dense layer"


def test_a_component_without_a_term_is_shown_with_its_formula() -> None:
    assert ask("gelu").formula == "x Φ(x)"


@pytest.mark.parametrize("word", ["denze layer", "zzz", "", "<script>"])
def test_an_unknown_term_names_near_ones(word: str) -> None:
    with pytest.raises(UsageError, match="the glossary has no term") as refused:
        ask(word)
    assert "all of them: hubel ask" in str(refused.value)
    assert word != "denze layer" or "did you mean dense layer" in str(refused.value)


def test_the_command_answers_within_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    for term in terms():
        code, out, _ = run(capsys, *term.term.split())
        assert code == 0
        assert max(map(len, out.splitlines())) <= 80, term.term
    code, out, _ = run(capsys)
    assert len(out.splitlines()) == len(terms())
    assert max(map(len, out.splitlines())) <= 100
    code, out, _ = run(capsys, "kernels", "--json")
    assert json.loads(out)["component"] == "conv"
    assert run(capsys, "nothing", "such")[0] == 2
