"""What may be said beside --resume, and by what two recipes are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hubel.errors import UsageError
from hubel.recipes.continuing import APART, HERE, LENGTH, PACE, asked, continued, unlike
from hubel.recipes.schema import SECTION_OF, compose

SAVED = compose({"data": "digits", "model": "mlp", "epochs": 2, "lr": 0.1, "batch_size": 64, "seed": 3})


def test_every_setting_is_of_one_kind_only() -> None:
    kinds = [*LENGTH, *PACE, *HERE, *APART]
    assert len(kinds) == len(set(kinds))
    assert set(kinds) < set(SECTION_OF)


def test_what_a_run_can_take_up_is_changed_and_named() -> None:
    segment = continued(SAVED, {"epochs": "8", "learning_rate": 0.01, "threads": 1})
    assert (segment.recipe.train.epochs, segment.recipe.optimizer.lr, segment.recipe.train.threads) == (8, 0.01, 1)
    assert str(segment) == "lr 0.1 → 0.01, epochs 2 → 8, threads None → 1"
    assert segment.learns_otherwise
    assert not continued(SAVED, {"threads": 1}).learns_otherwise


def test_what_is_said_as_it_was_or_left_open_is_no_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not continued(SAVED, {"model": "mlp", "epochs": "2", "lr": "auto", "out": "elsewhere"}).changed
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    assert not continued(SAVED.change(data=str(tmp_path / "photos")), {"data": "photos"}).changed


@pytest.mark.parametrize("given", [
    {"data": "moons"}, {"model": "resnet20"}, {"batch_size": 32}, {"seed": 4}, {"optimizer": "adam"}, {"ema": 0.9},
    {"img_size": 16}, {"val_fraction": 0.3}, {"model_options": {"width": 2}}, {"from": "runs/x-1"}, {"loss": "mse"},
], ids=lambda given: next(iter(given)))  # fmt: skip
def test_what_a_run_is_made_of_is_refused_by_name(given: dict[str, Any]) -> None:
    name = next(iter(given))
    with pytest.raises(UsageError, match=f"a run keeps the {name} it was begun with.*\n.*--from runs/a-1"):
        continued(SAVED, given, "runs/a-1")


def test_an_impossible_value_beside_resume_is_refused_as_always() -> None:
    with pytest.raises(UsageError, match=r"train\.epochs must be at least 1"):
        continued(SAVED, {"epochs": 0})


def test_recipes_are_the_same_by_what_was_said_and_not_by_where_or_how_it_is_computed() -> None:
    one = asked(compose({"data": "digits", "lr": 0.1, "threads": 1, "out": "a", "device": "cpu"}))
    assert one == {"data": "digits", "lr": 0.1}
    assert unlike(one, asked(compose({"data": "digits", "lr": 0.1, "save_every": 3, "name": "b"}))) == ()
    assert unlike(one, asked(compose({"data": "digits", "epochs": 3}))) == ("lr", "epochs")
