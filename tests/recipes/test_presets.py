"""Presets: a few settings under one word."""

from __future__ import annotations

from typing import Any

import pytest

from hubel.assembly.checks import check_names
from hubel.assembly.choices import Facts, complete
from hubel.errors import UsageError
from hubel.models import CARDS
from hubel.recipes.chosen import Chosen
from hubel.recipes.presets import PAPERS
from hubel.recipes.schema import Recipe, compose, flatten
from hubel.training.schedules import build_schedule


def completed(**settings: Any) -> tuple[Recipe, dict[str, str]]:
    facts = Facts(kind="images", task="classify", samples=45_000, classes=10, side=32, channels=3, accelerator=False)
    full = complete(Chosen(recipe=compose({"data": "cifar10"}, settings)), facts)
    return full.recipe, dict(full.reasons)


def test_fast_is_what_is_chosen_without_a_preset() -> None:
    usual, fast = completed()[0], completed(preset="fast")[0]
    assert flatten(usual) | {"preset": "fast"} == flatten(fast)
    assert usual.optimizer.optimizer == "muon-sphere"


def test_accurate_takes_a_wider_net_and_more_time() -> None:
    usual, (accurate, reasons) = completed()[0], completed(preset="accurate")
    assert accurate.model.model_options == {"width": 1.5}
    assert accurate.train.epochs == 3 * (usual.train.epochs or 0)
    assert "erase=12" in (accurate.augment.augment or ())
    assert reasons["model_options"] == "preset accurate"


def test_tiny_takes_a_small_net_and_refuses_one_that_was_asked_for() -> None:
    assert completed(preset="tiny")[0].model.model_options == {"width": 0.25}
    with pytest.raises(UsageError, match="chooses the net"):
        completed(preset="tiny", model="resnet18")


@pytest.mark.parametrize("name", PAPERS)
def test_every_papers_recipe_names_its_source_and_can_be_run(name: str) -> None:
    recipe, reasons = completed(preset="paper", model=name)
    assert name in CARDS
    assert reasons["lr"] == PAPERS[name].source
    assert any(word in PAPERS[name].source for word in ("arXiv:", "NIPS"))
    check_names(recipe)
    build_schedule(str(recipe.schedule.schedule), total_steps=100, **recipe.schedule.schedule_options)


def test_the_residual_nets_of_the_first_paper_are_trained_as_it_says() -> None:
    recipe, _ = completed(preset="paper", model="resnet56")
    assert (recipe.optimizer.optimizer, recipe.optimizer.lr, recipe.train.batch_size) == ("momentum", 0.1, 128)
    schedule = build_schedule("step", total_steps=64_000, **recipe.schedule.schedule_options)
    assert [round(schedule(step), 6) for step in (0, 31_999, 32_000, 47_999, 48_000)] == [1, 1, 0.1, 0.1, 0.01]


def test_what_the_user_says_stands_above_a_preset() -> None:
    recipe, reasons = completed(preset="paper", model="resnet20", epochs=3, lr=0.02)
    assert (recipe.train.epochs, recipe.optimizer.lr, recipe.optimizer.weight_decay) == (3, 0.02, 1e-4)
    assert "lr" not in reasons


def test_a_net_without_a_papers_recipe_is_told_what_to_do() -> None:
    with pytest.raises(UsageError, match="no paper's recipe is known for 'quicknet'"):
        completed(preset="paper", model="quicknet")
    with pytest.raises(UsageError, match="needs a net"):
        completed(preset="paper")
    with pytest.raises(UsageError, match="such as resnet20"):
        completed(preset="paper", model="resnet200")
