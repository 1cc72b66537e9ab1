"""One name per setting, everywhere; layers that override each other; messages that show the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubel.errors import UsageError
from hubel.recipes.schema import (
    SECTION_OF,
    SECTIONS,
    compose,
    flatten,
    parse_assignments,
    read_environment,
    read_file,
    to_yaml,
)


def test_every_setting_has_a_name_of_its_own() -> None:
    names = [name for section in SECTIONS.values() for name in section.model_fields]
    assert len(names) == len(set(names)) == len(SECTION_OF)


@pytest.mark.parametrize("key", ["lr", "optimizer.lr", "learning_rate", "lr0"])
def test_a_setting_may_be_called_by_its_address_and_by_what_others_call_it(key: str) -> None:
    assert compose({key: 0.25}).optimizer.lr == 0.25


def test_sections_and_short_names_may_be_mixed() -> None:
    recipe = compose({"train": {"epochs": 3}, "seed": 7, "optimizer": {"lr": 0.1}})
    assert (recipe.train.epochs, recipe.train.seed, recipe.optimizer.lr) == (3, 7, 0.1)


def test_a_setting_in_the_wrong_section_is_told_where_it_belongs() -> None:
    with pytest.raises(UsageError, match="'lr' stands in section 'optimizer'"):
        compose({"train.lr": 0.1})


def test_later_layers_override_earlier_ones() -> None:
    assert compose({"epochs": 1, "lr": 0.1}, {"epochs": 2}, {"epochs": 3}).train.epochs == 3


def test_values_come_as_text_from_flags_and_the_environment() -> None:
    recipe = compose(
        read_environment({"HUBEL_EPOCHS": "4", "HUBEL_IN_CHANS": "1", "HUBEL_DATA": "/somewhere"}),
        parse_assignments(["img_size=96x128", "time=1h30m", "batch=full", "augment=flip,translate=2", "lr=1e-3"]),
        {"in_chans": "3", "momentum": "0.8", "batch_size": "32"},
    )
    assert recipe.train.epochs == 4
    assert recipe.data.img_size == (96, 128)
    assert recipe.data.in_chans == 3
    assert recipe.train.time == 5400
    assert recipe.train.batch_size == 32
    assert recipe.augment.augment == ("flip", "translate=2")
    assert (recipe.optimizer.lr, recipe.optimizer.momentum) == (0.001, 0.8)
    assert recipe.data.data == "", "HUBEL_DATA is the place of data sets, not the name of one"


def test_auto_leaves_a_setting_open() -> None:
    recipe = compose({"img_size": 64, "lr": 0.1}, {"img_size": "auto", "lr": "auto", "fit": "auto", "device": "auto"})
    assert (recipe.data.img_size, recipe.optimizer.lr, recipe.data.fit, recipe.train.device) == (
        None,
        None,
        None,
        "auto",
    )


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"img_size": 0}, "data.img_size must be between 1 and 4096 pixels, got 0"),
        ({"in_chans": 2}, "data.in_chans must be 1 or 3, got 2"),
        ({"fit": "strech"}, "data.fit must be 'pad', 'crop' or 'squash', got 'strech'"),
        ({"time": "5 parsecs"}, "train.time must be a duration such as 90s, 10m or 1h30m, got '5 parsecs'"),
        ({"batch_size": 0}, "train.batch_size must be at least 1, got 0"),
        ({"batch_size": 8, "micro_batch": 16}, "must not exceed train.batch_size"),
        ({"target": 0.9, "val_fraction": 0}, "target needs a validation split"),
        ({"epochs": None, "dropout": 1.5}, "model.dropout must be less than 1, got 1.5"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)
def test_an_impossible_value_is_refused_with_what_must_hold_and_what_came(
    layer: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        compose(layer)
    assert message in str(caught.value)


def test_several_faults_are_named_together() -> None:
    with pytest.raises(UsageError) as caught:
        compose({"lr": -1, "epochs": 0, "device": 5})
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "a: [", "\x00", "1: 2", "? {}\n: 1"])
def test_a_file_that_is_no_recipe_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(UsageError):
        read_file(path)


def test_a_recipe_file_can_never_build_an_object(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("lr: !!python/object/apply:os.system ['touch hacked']\n")
    with pytest.raises(UsageError, match="not valid YAML"):
        read_file(path)


@given(
    lr=st.floats(1e-8, 10),
    epochs=st.integers(1, 10_000),
    augment=st.lists(st.sampled_from(["flip", "translate=2", "rotate=5"]), min_size=1, max_size=3),
    name=st.text(max_size=20),
)
def test_a_recipe_written_to_yaml_reads_back_as_it_was(lr: float, epochs: int, augment: list[str], name: str) -> None:
    import tempfile

    recipe = compose({"lr": lr, "epochs": epochs, "augment": augment, "name": name or None})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        try:
            path.write_text(to_yaml(recipe), encoding="utf-8")
        except UnicodeEncodeError:
            return  # lone surrogates are no text
        assert compose(read_file(path)) == recipe


def test_even_a_next_line_character_survives_the_file(tmp_path: Path) -> None:
    recipe = compose({"name": "one\x85two"})
    (tmp_path / "recipe.yaml").write_text(to_yaml(recipe), encoding="utf-8")
    assert compose(read_file(tmp_path / "recipe.yaml")) == recipe


def test_flattening_a_recipe_and_composing_it_again_changes_nothing() -> None:
    recipe = compose({"data": "digits", "img_size": "20x30", "augment": "flip", "time": "10m"})
    assert compose(flatten(recipe)) == recipe
    assert recipe.change(lr=0.5).optimizer.lr == 0.5
