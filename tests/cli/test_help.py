"""Help: short first, in eighty columns, no name cut; one name a meaning, and the names that others are used to."""

from __future__ import annotations

import importlib
import io
from contextlib import redirect_stderr, redirect_stdout

import pytest

from hubel.cli import COMMANDS, main
from hubel.cli.command import Command, as_command, page
from hubel.cli.options import SHORT
from hubel.recipes.form import BEGINNER, fields
from hubel.recipes.schema import SPELLINGS, setting_name


def command(name: str) -> Command:
    module, text = {each: (module, text) for _, group in COMMANDS for each, module, text in group}[name]
    return as_command(name, importlib.import_module(f"hubel.cli.{module}").command, text)


NAMES = [name for _, group in COMMANDS for name, _, _ in group]


@pytest.mark.parametrize("name", NAMES)
def test_help_fits_a_screen_and_cuts_no_name(name: str) -> None:
    short, everything = list(page(command(name))), list(page(command(name), everything=True))
    assert len(short) <= 60
    assert max(map(len, short + everything)) <= 80
    assert not any("…" in line.split("  ")[1] for line in everything if line.startswith("  -"))
    said = "\n".join(everything)
    for option in command(name).params:
        if option.param_type_name == "option":
            flags = option.secondary_opts if option.default is True else option.opts
            assert all(flag in said for flag in flags if flag.startswith("--")), option.opts


@pytest.mark.parametrize("name", NAMES)
def test_a_letter_means_the_same_in_all_commands(name: str) -> None:
    for option in command(name).params:
        first = option.opts[0]
        shown = [line for line in page(command(name)) if line.startswith(f"  {first}")]
        letters = {line.split(",")[1].split()[0] for line in shown if f"{first}, -" in line}
        assert letters <= {SHORT.get(first), *option.secondary_opts}, (name, first)


def test_the_first_page_of_train_is_what_a_beginner_needs() -> None:
    said = "\n".join(page(command("train")))
    assert all(field.flag in said for field in fields() if field.name in BEGINNER)
    assert "--weight-decay" not in said
    assert "--help-all" in said
    assert "--weight-decay" in "\n".join(page(command("train"), everything=True))


def test_no_spelling_means_two_settings() -> None:
    flags = [flag for field in fields() for flag in (field.flag, *field.spellings)]
    assert len(flags) == len(set(flags))
    for spelling, meant in SPELLINGS.items():
        assert setting_name(spelling) == meant


@pytest.mark.parametrize(
    ("words", "setting", "value"),
    [
        (["--learning-rate", "0.3"], "lr", "0.3"),
        (["--lr0", "0.3"], "lr", "0.3"),
        (["--learning_rate=0.3"], "lr", "0.3"),
        (["--output-dir", "x"], "out", "x"),
        (["--project", "x"], "out", "x"),
        (["--batch", "8"], "batch_size", "8"),
        (["--imgsz", "32"], "img_size", "32"),
        (["--val", "0.2"], "val_fraction", "0.2"),
        (["--val-fraction", "0.2"], "val_fraction", "0.2"),
        (["-m", "mlp"], "model", "mlp"),
    ],
)
def test_the_fields_habits_are_understood(
    words: list[str], setting: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}

    def train(data: str, **settings: object) -> str:
        seen.update(settings, data=data)
        return ""

    monkeypatch.setattr("hubel.verbs.train.train", train)
    with redirect_stdout(io.StringIO()), pytest.raises(SystemExit) as stop:
        main(["train", "--data", "digits", *words])
    assert not stop.value.code
    assert (seen["data"], seen[setting]) == ("digits", value)


def test_two_data_sets_are_one_too_many() -> None:
    with redirect_stderr(io.StringIO()) as said, pytest.raises(SystemExit) as stop:
        main(["train", "digits", "--data", "mnist"])
    assert stop.value.code == 2
    assert "'digits' and 'mnist'" in said.getvalue()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "photos", "--group", "camera"], "--column group=NAME"),
        (["curve", "photos", "--group", "auto"], "hubel clean DATA --group auto"),
        (["predict", "run", "new.jpg", "--risk", "0.01"], "hubel evaluate RUN --risk 0.01"),
    ],
)
def test_an_option_that_another_place_has_is_named_there(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_what_is_not_taken_is_said_with_its_value() -> None:
    for words, wanted in (
        (["train", "digits", "--epochs", "x"], "--epochs must be a whole number, got 'x'"),
        (["predict", "run", "x.png", "--format", "yaml"], "--format must be table or json or csv, got 'yaml'"),
        (["evaluate"], "hubel evaluate needs RUN"),
        (["train", "digits", "--lrate", "1"], "did you mean --lr"),
    ):
        with redirect_stderr(io.StringIO()) as said, pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 2
        assert wanted in " ".join(said.getvalue().split())
