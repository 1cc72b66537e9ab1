"""Options of nets as people write them: several spellings of one thing, and words for what cannot be."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from hubel.errors import UsageError
from hubel.models import create_model


@pytest.mark.parametrize("hidden", [(8, 8), [8, 8], "8,8", "(8,8)", "[8, 8]"])
def test_several_numbers_may_be_written_in_several_ways(hidden: Any) -> None:
    assert create_model("mlp", in_chans=4, hidden=hidden).hidden == ("hidden1", "hidden2")


@pytest.mark.parametrize(("hidden", "layers"), [(16, 1), ("16", 1), ((), 0), ("()", 0)])
def test_one_number_is_one_layer_and_none_is_none(hidden: Any, layers: int) -> None:
    assert len(create_model("mlp", in_chans=4, hidden=hidden).hidden) == layers


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mlp", {"hidden": "x"}, "must be whole numbers of at least 1, got 'x'"),
        ("mlp", {"hidden": 0}, "must be whole numbers of at least 1, got 0"),
        ("mlp", {"hidden": True}, "got True"),
        ("mlp", {"hidden": [8.5]}, "got .8.5."),
        ("mlp", {"hidden": {"a": 1}}, "must be whole numbers"),
        ("mlp", {"dropout": 2}, "a number from 0 to below 1, got 2"),
        ("mlp", {"dropout": float("nan")}, "got nan"),
        ("mlp", {"activation": 3}, "must be a word, got 3"),
        ("mlp", {"activation": "rellu"}, "unknown activation 'rellu'"),
        ("neocognitron", {"planes": "4,5"}, "must be 3 whole numbers of at least 1, got '4,5'"),
        ("googlenet", {"aux": 1}, "must be true or false, got 1"),
        ("siren", {"omega": "a"}, "a number of at least 0, got 'a'"),
        ("p4_cnn", {"maps": -1}, "a whole number of at least 1, got -1"),
        ("resnet18", {"stem": None}, "must be a word, got None"),
        ("resnet18", {"stm": "full"}, "did you mean 'stem'"),
    ],
)
def test_what_an_option_cannot_be_is_said_with_its_value(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught, torch.device("meta"):
        create_model(name, **options)
    assert re.search(message, f"{caught.value} {caught.value.hint}")


def test_an_option_that_may_be_open_may_be_said_to_be() -> None:
    assert create_model("quicknet", img_size=8, width=None).groups[0].conv1.out_channels == 32
