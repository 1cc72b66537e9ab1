"""A space is read as it is written, and what no recipe takes is refused before anything is tried."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random

import pytest

from hubel.errors import UsageError
from hubel.searching.axes import Space, read_space, space_of


def test_a_range_is_drawn_evenly_on_its_axis() -> None:
    space = read_space(["lr=1e-4..1e-1:log", "weight_decay=0.0..1.0", "batch_size=4..7"])
    drawn = [space.draw(Random(seed)) for seed in range(600)]
    below = sum(each["lr"] < math.sqrt(1e-5) for each in drawn)
    assert 250 < below < 350, "half of the draws lie below the geometric mean"
    assert {each["batch_size"] for each in drawn} == {4, 5, 6, 7}
    assert all(0 <= each["weight_decay"] <= 1 for each in drawn)


def test_options_of_one_net_are_tried_with_that_net_only() -> None:
    space = read_space(["model=quicknet,mlp", "quicknet.width=0.25,0.5", "mlp.hidden=[16],[32, 16]"])
    for seed in range(20):
        drawn = space.draw(Random(seed))
        settings = space.settings(drawn, {"model_options": {"dropout": 0.1}})
        assert ("quicknet.width" in drawn) == (drawn["model"] == "quicknet")
        assert set(settings["model_options"]) == {"dropout", "width" if drawn["model"] == "quicknet" else "hidden"}


def test_a_file_says_the_same_as_words(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("lr: 1e-4..1e-1:log\nmodel: [resnet20, quicknet]\nbatch_size: {low: 8, high: 64, log: true}\n")
    said = read_space(["lr=1e-4..1e-1:log", "model=resnet20,quicknet", "batch_size=8..64:log"])
    assert read_space([str(path)]) == said
    assert Space.from_dict(said.to_dict()) == said


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("lr=5..1", "smaller to a larger"),
        ("lr=0..1:log", "begins above 0"),
        ("lr=a..b", "LOW..HIGH"),
        ("lr", "name=values"),
        ("lr=", "name=values"),
        ("learning_rat=0.1,0.2", "no setting"),
        ("epochs=3,4", "same length"),
        ("data=digits,mnist", "cannot hold"),
        ("seed=1,2", "cannot hold"),
        ("model=resnet2,resnet20", "unknown model"),
        ("optimizer=adamm,sgd", "unknown"),
        ("lr=-1,0.1", "above 0"),
        ("model_options=3", "option by option"),
        ("nosuch.yaml", "cannot be read: No such file"),
        ("mlp=3", "mlp is a net"),
    ],
)
def test_what_no_recipe_takes_is_refused(word: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_space([word])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lr: [0.1, 0.2]\nlr: [0.3]\n", "at line 2: 'lr' comes twice"),
        ("lr: &a [0.1]\nmomentum: *a\n", "at line 2: aliases"),
        ("", "got nothing"),
        ("- lr\n", "got a list"),
        ("1: 2\n", "the name 1, which is no text"),
    ],
)
def test_a_file_that_is_no_space_is_refused_with_the_place(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_space([str(path)])
    with pytest.raises(UsageError, match="a file holds the whole space"):
        read_space([str(path), "lr=0.1,0.2"])


def test_a_setting_may_be_given_once() -> None:
    with pytest.raises(UsageError, match="twice"):
        space_of({"lr": [0.1], "learning_rate": [0.2]})
    with pytest.raises(UsageError, match="twice"):
        read_space(["lr=0.1", "lr=0.2"])
