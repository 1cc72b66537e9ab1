"""The recipe as a form: one field a setting, plain data that any face can show."""

from __future__ import annotations

import json
from dataclasses import asdict

from hubel.recipes.form import BEGINNER, field_of, fields
from hubel.recipes.schema import SECTION_OF


def test_every_setting_is_a_field_once_and_plain_data() -> None:
    assert [field.name for field in fields()] == list(SECTION_OF)
    assert all(field.help and field.title and field.flag.startswith("--") for field in fields())
    json.dumps([asdict(field) for field in fields()])


def test_kinds_choices_and_bounds_come_from_the_schema() -> None:
    preset, limit, rate, options, compiled = map(field_of, ("preset", "limit", "lr", "model_options", "compile"))
    assert preset.choices == ("fast", "accurate", "tiny", "paper")
    assert (limit.kind, limit.least, limit.most) == ("whole number", 1.0, None)
    assert (rate.kind, rate.shape, rate.spellings) == ("number", "X", ("--learning-rate", "--lr0"))
    assert (options.kind, options.flag, options.shape) == ("names and values", "--model-option", "NAME=VALUE")
    assert (compiled.kind, compiled.shape, compiled.default) == ("yes or no", "", None)


def test_a_beginner_is_asked_for_few_things() -> None:
    assert {field.name for field in fields() if field.beginner} == set(BEGINNER)
    assert len(BEGINNER) <= 12
