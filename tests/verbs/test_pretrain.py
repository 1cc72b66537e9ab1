"""Learning without labels from Python: folders, runs, what is said of them, and who reads them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import hubel
from hubel.assembly.follow import Stopped
from hubel.data.splits import Splits
from hubel.errors import ArtefactError, DataError, HubelError, UsageError
from hubel.events import Collapsed, EpochDone
from hubel.verbs.activations import activations
from hubel.verbs.embed import embed
from hubel.verbs.features import features
from hubel.verbs.filters import filters
from hubel.verbs.neighbours import neighbours
from hubel.watching import Watcher
from trainers import fingerprint

NET: dict[str, Any] = {"model": "layers", "model_options": {"layers": [
    "conv 8 3x3", "batchnorm", "relu", "conv 16 3x3", "batchnorm", "relu", "globalpool", "dense K",
]}}  # fmt: skip
SMALL: dict[str, Any] = {"threads": 1, "device": "cpu", "epochs": 2, "batch_size": 32} | NET


class Said(Watcher):
    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


def pictures(folder: Path, count: int, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for row in range(first, first + count):
        Image.fromarray((load_digits().images[row] * 255 / 16).astype("uint8")).save(folder / f"{row:03}.png")
    return folder


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures without labels: loose ones, ones in folders of any depth, and one that is damaged."""
    folder = pictures(tmp_path_factory.mktemp("data") / "album", 60)
    pictures(folder / "2019" / "lake", 30, 60)
    (folder / "2019" / "broken.png").write_bytes(b"\x89PNG no more")
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def turned(album: Path, out: Path, picture_folder: Path) -> Any:
    return hubel.pretrain(album, out=out, probe=picture_folder, name="turned", **SMALL)


@pytest.fixture(scope="module")
def paired(album: Path, out: Path) -> Any:
    return hubel.pretrain(album, method="byol", out=out, name="paired", **SMALL)


@pytest.fixture(params=["turned", "paired"])
def run(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def test_a_folder_without_classes_is_learnt_from_whatever_lies_in_it(album: Path, turned: Any) -> None:
    data = json.loads((turned.folder / "data.json").read_text())
    assert sum(data["samples"].values()) == 90
    assert data["samples"]["test"] == 0 < data["samples"]["val"]
    assert [problem["path"] for problem in data["problems"] if problem["left_out"]] == ["2019/broken.png"]
    assert "2019/lake/060.png" in data["samples_by_name"]


def test_pictures_in_a_tar_need_no_labels_either(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "album", 40)
    with tarfile.open(tmp_path / "album.tar", "w") as archive:
        for place in sorted(folder.iterdir()):
            archive.add(place, place.name)
    runs = [
        hubel.pretrain(data, out=tmp_path / "runs", **(SMALL | {"epochs": 1}))
        for data in (folder, folder.parent / "album.tar")
    ]
    first, second = (fingerprint(run.folder)["state"] for run in runs)
    assert first == second


def test_a_rotation_run_is_a_classifier_of_four_turns_measured_on_held_out_pictures(turned: Any) -> None:
    assert turned.load().class_names == ("0°", "90°", "180°", "270°")
    val = json.loads((turned.folder / "split.json").read_text())["val"]
    assert turned.summary["val"]["split"] == "val"
    own = turned.evaluate(split="val")
    assert own.confusion.sum(axis=1).tolist() == [len(val)] * 4
    assert own.top1 == turned.summary["val"]["accuracy"] == pytest.approx(turned.summary["best"]["val_accuracy"])


def test_a_turned_picture_is_turned_as_its_label_says(turned: Any, album: Path) -> None:
    net = turned.load()
    picture = np.asarray(Image.open(album / "000.png"))
    upright, turned_by_hand = (net.predict(np.ascontiguousarray(np.rot90(picture, k)))[0] for k in (0, 1))
    first, second = (net.predict(Image.fromarray(np.ascontiguousarray(np.rot90(picture, k))))[0] for k in (0, 1))
    assert upright.probabilities == first.probabilities
    assert turned_by_hand.probabilities == second.probabilities != first.probabilities


def test_a_byol_run_says_how_many_it_finds_again_and_how_far_features_spread(paired: Any) -> None:
    assert all(0 < value <= 1.5 for value in paired.history["spread"])
    assert all(0 <= value <= 4 for value in paired.history["val_loss"])
    assert "train_accuracy" not in paired.history
    assert "finds another view of the same picture among" in paired.summary["pretext"]["task"]


def test_a_net_that_names_nothing_refuses_to(paired: Any, album: Path) -> None:
    for ask in (
        lambda: paired.predict(album / "000.png"),
        lambda: paired.evaluate(split="val"),
        lambda: paired.explain(album / "000.png"),
    ):
        with pytest.raises(ArtefactError, match="names no classes") as error:
            ask()
        assert "--from" in error.value.hint


def test_whoever_reads_a_trained_net_reads_one_that_learnt_without_labels(run: Any, album: Path) -> None:
    assert features(run.folder, split="val").values.shape[1] == 16
    assert len(embed(run.folder, split="val", method="pca").labels) == len(features(run.folder, split="val").values)
    assert "Nearest by features" in neighbours(run.folder, album / "000.png", k=3).sentence
    assert activations(run.folder, album / "000.png") is not None
    assert filters(run.folder) is not None
    assert f"{run.summary['parameters']:,}" in str(hubel.summary(run.folder))
    assert [row["run"] for row in hubel.runs(run.folder.parent)].count(run.name) == 1
    assert "learnt" in str(run)


def test_other_pictures_with_other_classes_are_mapped_too(run: Any, picture_folder: Path) -> None:
    found = embed(run.folder, picture_folder, method="pca")
    assert found.class_names == ("one", "two", "zero")
    assert not found.wrong.any()


def test_training_starts_from_what_was_learnt_with_a_new_head(run: Any, picture_folder: Path, tmp_path: Path) -> None:
    new = hubel.train(picture_folder, from_=run, unfreeze="head", head="linear", out=tmp_path, threads=1)
    before, after = run.load().model.state_dict(), new.load().model.state_dict()
    head = str(new.load().model.head)
    assert all(torch.equal(before[name], after[name]) for name in before if not name.startswith(f"{head}."))
    assert new.load().class_names == ("one", "two", "zero")
    assert new.summary["test"]["accuracy"] > 0.5


def test_labels_measure_the_features_and_are_not_learnt_from(turned: Any, paired: Any) -> None:
    probe = turned.summary["pretext"]["probe"]
    assert probe["classes"] == 3
    assert 0 <= probe["untrained"] <= 1
    assert f"{probe['pretrained']:.1%}" in turned.summary["pretext"]["sentence"]
    assert paired.summary["pretext"]["probe"] is None


def test_labelled_data_keep_the_test_that_training_would_have(tmp_path: Path) -> None:
    said = Said()
    settings = SMALL | {"epochs": 1, "out": tmp_path}
    bare = hubel.pretrain("digits", watch=said, **settings)
    usual = hubel.train("digits", **settings)
    parts = [Splits.from_dict(json.loads((run.folder / "split.json").read_text())) for run in (bare, usual)]
    assert parts[0].test.tolist() == parts[1].test.tolist()
    assert parts[0].val.tolist() == parts[1].val.tolist()
    assert any("10 classes, which are not learnt from" in text for text in said.remarks)
    assert bare.summary["pretext"]["probe"]["judged"] == len(parts[0].val)
    assert "test" not in bare.summary


def test_the_report_shows_what_was_asked_and_what_it_was_worth(run: Any) -> None:
    page = run.report.read_text()
    assert "What its features are worth" in page
    assert "What the net is asked" in page
    assert run.summary["pretext"]["task"] in page.replace("&#39;", "'")
    assert (run.folder / "figures" / "spread.svg").is_file() == (run.name == "paired-1")


def test_the_same_seed_gives_the_same_weights_and_another_other_ones(album: Path, tmp_path: Path) -> None:
    settings = SMALL | {"method": "byol", "epochs": 1, "out": tmp_path}
    first, again, other = (hubel.pretrain(album, seed=seed, **settings) for seed in (1, 1, 2))
    assert fingerprint(first.folder) == fingerprint(again.folder) != fingerprint(other.folder)


@pytest.mark.parametrize("method", ["rotation", "byol"])
def test_a_stopped_run_goes_on_to_the_same_bits(method: str, album: Path, tmp_path: Path) -> None:
    class Interrupt(Watcher):
        def event(self, event: Any) -> None:
            if isinstance(event, EpochDone) and event.epoch == 0:
                os.kill(os.getpid(), signal.SIGINT)

    settings = SMALL | {"method": method, "epochs": 3, "out": tmp_path}
    whole = hubel.pretrain(album, **settings)
    with pytest.raises(Stopped) as stopped:
        hubel.pretrain(album, watch=Interrupt(), **settings)
    went_on = hubel.pretrain(resume=stopped.value.folder)
    assert fingerprint(went_on.folder) == fingerprint(whole.folder)
    assert went_on.summary["pretext"]["method"] == method


def test_a_run_is_lengthened_and_keeps_its_method(paired: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(paired.folder, copy)
    longer = hubel.pretrain(resume=copy, epochs=3)
    assert len(longer.history["spread"]) == 3
    with pytest.raises(UsageError, match="keeps the method it was begun with"):
        hubel.pretrain(resume=copy, method="rotation")


def test_a_net_that_collapses_is_said_to(album: Path, tmp_path: Path) -> None:
    told: list[str] = []

    class Heard(Said):
        def event(self, event: Any) -> None:
            told.extend([event.told] if isinstance(event, Collapsed) else [])

    # Every layer decays to nought at once: what is left sees all pictures alike.
    said = Heard()
    settings = SMALL | {"method": "byol", "optimizer": "sgd", "lr": 1.0, "weight_decay": 1.0, "epochs": 4}
    run = hubel.pretrain(album, out=tmp_path, watch=said, **settings)
    assert run.history["spread"][-1] < 0.1
    assert len(told) == 1
    assert "collapses" in told[0]
    assert told[0] in said.remarks


def test_pictures_that_look_alike_in_every_turn_are_said_to(tmp_path: Path) -> None:
    folder = tmp_path / "rings"
    folder.mkdir()
    grid = np.hypot(*np.mgrid[-3.5:4, -3.5:4])
    for number in range(80):
        Image.fromarray((grid * (10 + number / 4) + number).clip(0, 255).astype("uint8")).save(folder / f"{number}.png")
    said = Said()
    run = hubel.pretrain(folder, out=tmp_path / "runs", augment="none", watch=said, **SMALL)
    assert run.summary["val"]["accuracy"] == pytest.approx(0.25, abs=0.1)
    assert any("look alike in every turn" in text for text in said.remarks)
    assert "look alike in every turn" in run.report.read_text()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"mixup": 0.2}, UsageError, "mixup needs labels"),
        ({"loss": "focal"}, UsageError, "loss needs labels"),
        ({"from_": "runs/some-1"}, UsageError, "from needs labels"),
        ({"augment": "quarter-turns"}, UsageError, "turns pictures"),
        ({"img_size": "8x12"}, UsageError, "a quarter turn needs a square"),
        ({"target_decay": 0.9}, UsageError, "no copy that follows"),
        ({"method": "byol", "compile": True}, UsageError, "which a compiled net does not show"),
        ({"method": "jigsaw"}, UsageError, "pretext.method must be 'rotation' or 'byol'"),
        ({"probe": "nowhere/at/all"}, UsageError, "does not exist"),
        ({"probe": "spirals"}, DataError, "has points"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_learnt(
    settings: dict[str, Any], error: type[HubelError], message: str, album: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        hubel.pretrain(album, out=tmp_path, **{**SMALL, **settings})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("few", "at least 32 training samples are needed, got"),
        ("none", "holds no pictures"),
        ("spirals", "holds no pictures"),
    ],
)
def test_data_that_teach_nothing_are_refused(place: str, message: str, tmp_path: Path) -> None:
    pictures(tmp_path / "few", 12)
    (tmp_path / "none").mkdir()
    data = place if place == "spirals" else tmp_path / place
    with pytest.raises(HubelError, match=message):
        hubel.pretrain(data, out=tmp_path / "runs", **SMALL)


def test_settings_of_learning_without_labels_are_not_taken_in_silence_with_labels(album: Path) -> None:
    with pytest.raises(UsageError, match="probe_data is for learning without labels"):
        hubel.train(album, probe_data="digits")


def test_a_recipe_file_may_say_the_method(album: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("pretext: {method: byol}\n")
    run = hubel.pretrain(album, config=recipe, out=tmp_path / "runs", **(SMALL | {"epochs": 1}))
    assert run.recipe["pretext"]["method"] == "byol"
