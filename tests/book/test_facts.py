"""The lectures' numbers, row by row: what is printed, what is counted, and whether it is right."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from hubel.anatomy.summary import summarise
from hubel.book.chapters import claims, deck, wordings
from hubel.book.fact import REASONS, Counted, Fact, count, written
from hubel.book.facts import all_facts
from hubel.book.facts.workings import momentum
from hubel.cli import main
from hubel.errors import UsageError
from hubel.models import create_model

FACTS = [fact for facts in all_facts().values() for fact in facts]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact.row}: {fact.what}")
def test_the_lecture_s_figure(fact: Fact) -> None:
    if fact.counted is None:
        assert fact.reason in REASONS
        return
    value = count(fact).value
    assert value == fact.correct
    if not fact.right:
        assert fact.printed != value, "marked wrong, but it is what we count"
        assert fact.note
    elif type(fact.printed) is type(fact.correct):
        assert fact.printed == fact.correct, "marked right, but we count something else"


def test_every_row_of_the_lectures_has_a_fact_and_a_place() -> None:
    rows = {fact.row for fact in FACTS}
    assert rows == {f"W{number}" for number in range(1, 197)}
    assert all(deck(row)[3] == ":" for row in rows)


def test_what_is_wrong_says_so_in_few_words() -> None:
    wrong = [fact for fact in FACTS if not fact.right]
    assert len({fact.row for fact in wrong}) >= 45
    assert [fact.note for fact in wrong if not fact.note or len(fact.note.split()) > 20] == []


# Appendices A1 and A2 of the inventory: what the lectures have wrong.
WRONG = [
    31, 32, 35, 25, 7, 6, 42, 43, 12, 39, 37, 69, 70, 73, 56, 68, 81, 79, 66, 52,
    64, 100, 105, 106, 107, 132, 118, 120, 121, 122, 123, 140, 139, 143, 163, 164, 170, 173, 190, 195,
    157, 183, 54, 57, 72, 155, 156, 49,
]  # fmt: skip


def test_everything_known_to_be_wrong_is_named() -> None:
    wrong = {fact.row for fact in FACTS if not fact.right}
    assert {f"W{number}" for number in WRONG} - wrong == set()
    assert len(wordings()) == 12


def test_few_rows_are_not_counted() -> None:
    counted = {fact.row for fact in FACTS if fact.counted is not None}
    assert len(counted) >= 165


def test_a_wrong_count_is_noticed() -> None:
    conv4 = next(fact for fact in FACTS if fact.row == "W31" and not fact.right)
    assert count(conv4).holds
    assert not count(replace(conv4, correct=[73, 224, 112, 145, 100, 38, 17, 4])).holds
    assert not Counted(conv4, conv4.printed).holds, "marked wrong, and what is counted is what is printed"


def test_the_sign_of_momentum_matters() -> None:
    assert momentum(-1.0) > 4000
    assert abs(momentum(1.0)) < 2


@pytest.mark.parametrize(
    ("fact", "mark"),
    [
        (Fact("W1", "", 3, lambda: 3, 3), "="), (Fact("W1", "", "about 3", lambda: 3, 3), "≈"),
        (Fact("W1", "", 2, lambda: 3, 3, right=False), "≠"), (Fact("W1", "", None, lambda: 3, 3), "·"),
        (Fact("W1", "", 2, None, 3, reason="outside"), "ext"), (Fact("W1", "", None, None, None, reason="lost"), "?"),
        (Fact("W1", "", "n", None, "η", right=False, reason="wording"), "≠"),
    ],
)  # fmt: skip
def test_the_mark_says_how_printed_and_counted_agree(fact: Fact, mark: str) -> None:
    assert count(fact).mark == mark


def test_every_claim_has_one_experiment() -> None:
    assert list(claims()) == [f"E{number}" for number in range(1, 177)]
    assert {claim.chapter for claim in claims().values()} == set(range(1, 15))


def test_figures_are_written_for_readers() -> None:
    assert written(4294967296) == "4,294,967,296"
    assert written(["[0, 1]", "[−1, 1]"]) == "[0, 1], [−1, 1]"
    assert written((1, 5)) == "1 x 5"


COMMANDS = sorted({fact.command for fact in FACTS if fact.command and "mnist" not in fact.command})


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_beside_a_figure_runs(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(shlex.split(command)[1:])
    assert stop.value.code == 0, capsys.readouterr().err


def test_w122_a_net_that_cannot_run_is_refused_with_its_layer() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(51_200, 10))
    with pytest.raises(UsageError, match=r"module '2' \(Linear\): a dense layer for 51,200 features gets 144"):
        summarise(net, (3, 8, 8))


def test_w28_to_w31_are_what_torch_computes() -> None:
    x = torch.zeros(1, 3, 227, 227)
    sides = []
    for layer in create_model("alexnet", img_size=227).features:
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            sides.append(x.shape[-1])
    assert sides == [56, 27, 27, 13, 13, 13, 13, 6]
