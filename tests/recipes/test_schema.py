"""One name per setting, everywhere; layers that override each other; messages that show the way out."""

from __future__ import annotations

import math
import time
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubel.errors import UsageError
from hubel.recipes.schema import (
    SECTION_OF,
    SECTIONS,
    _kinds,
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
        ({"epochs": None, "dropout": 1.5}, "model.dropout must be below 1, got 1.5"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)
def test_an_impossible_value_is_refused_with_what_must_hold_and_what_came(
    layer: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        compose(layer)
    assert message in str(caught.value)


NUMBERS = [
    name
    for name in SECTION_OF
    if {float, int} & _kinds(SECTIONS[SECTION_OF[name]].model_fields[name])
]  # fmt: skip
HUGE = ["lr", "weight_decay", "clip_grad", "warmup_epochs", "penalty", "l1", "l2", "mixup", "mean", "std", "time"]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, "inf", "nan", True, 1 << 60], ids=str)
def test_what_is_no_number_is_taken_for_none(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=rf"^{SECTION_OF[name]}\.{name} must"):
        compose({name: value})


@pytest.mark.parametrize("name", HUGE)
def test_a_number_beyond_all_sense_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} must"):
        compose({name: 1e38})


@pytest.mark.parametrize("name", ["model_options", "initialise_options", "schedule_options"])
@pytest.mark.parametrize("value", [math.nan, math.inf, 1 << 60, {"a"}, b"x", date(2024, 1, 1), "a\0b"], ids=str)
def test_options_hold_only_what_a_file_gives_back(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=rf"{name} must"):
        compose({name: {"first": [1, {"second": value}]}, "initialise": "normal"})


def test_a_seed_that_a_file_would_round_is_refused_as_text_too() -> None:
    assert compose({"seed": (1 << 53) - 1}).train.seed == (1 << 53) - 1
    with pytest.raises(UsageError, match=r"train\.seed must be at most 9007199254740991"):
        compose({"seed": "9007199254740993"})


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"mean": "124,117,104"}, "divide by 255"),
        ({"mean": "0.5,0.5"}, "one number or three"),
        ({"std": "0,1,1"}, "from 1e-6 to 10"),
        ({"mean": "0.5", "in_chans": 3}, "a value for each of 3 channels, got 1"),
        ({"augment": ["flip"] * 1000}, "at most 32 augmentations"),
        ({"model_options": {"layers": ["relu"] * 30_000}}, "at most 20,000 values"),
        ({"out": "a\0b"}, "must not hold the character NUL"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_values_that_no_run_could_use_are_refused(layer: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        compose(layer)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300, "what came is cut short"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train:\n", "the section 'train' .* is empty"),
        ("optimizer: {}\n", "the section 'optimizer' .* is empty"),
        ("augment: !!set {flip, translate=2}\n", "augment.augment must be text, a number, a list"),
        ("name: 2024-01-31\n", "run.name must be text, .*\n  write it in quotes"),
        ("name: !!binary aGk=\n", "run.name must be text"),
        ("lr: true\n", "optimizer.lr must not be true or false, got True"),
        ("optimizer: {lr: .inf}\n", "optimizer.lr must be a finite number"),
    ],
    ids=lambda text: text.partition("\n")[0],
)
def test_what_a_recipe_file_says_by_mistake_is_refused_by_name(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_file(tmp_path / "recipe.yaml")


def test_a_recipe_of_nearly_a_megabyte_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("model_options: {layers: [" + "relu, " * 150_000 + "]}")
    started = time.process_time()
    with pytest.raises(UsageError, match="at most 256 KiB"):
        read_file(tmp_path / "recipe.yaml")
    assert time.process_time() - started < 1


def test_a_run_may_be_called_by_a_date() -> None:
    assert compose(parse_assignments(["name=2024-01-31"])).run.name == "2024-01-31"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(layer=st.dictionaries(st.sampled_from([*SECTION_OF, *SECTIONS, "from", "x", ""]), JUNK, max_size=5))
def test_whatever_a_layer_holds_it_makes_a_recipe_or_a_usage_error(layer: dict[str, object]) -> None:
    try:
        recipe = compose(layer)
    except UsageError:
        return
    assert compose(flatten(recipe)) == recipe
    assert to_yaml(recipe)


@settings(max_examples=200, deadline=None)
@given(text=st.text("ab:-,[]{}!&*?|>#'\"% \n0123456789.einf~_truesl", max_size=60))
def test_whatever_text_is_assigned_is_read_or_refused(text: str) -> None:
    for name in ("lr", "augment", "model_options", "time", "img_size", "unfreeze"):
        try:
            compose(parse_assignments([f"{name}={text}"]))
        except UsageError:
            continue


def test_several_faults_are_named_together() -> None:
    with pytest.raises(UsageError) as caught:
        compose({"lr": -1, "epochs": 0, "device": 5})
    assert len(caught.value.what.splitlines()) == 3
    assert "hubel train --help-all" in caught.value.hint


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


@settings(deadline=None)
@given(
    lr=st.floats(1e-8, 10),
    epochs=st.integers(1, 10_000),
    augment=st.lists(st.sampled_from(["flip", "translate=2", "rotate=5"]), min_size=1, max_size=3),
    name=st.text(st.characters(exclude_characters="\0"), max_size=20),
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
