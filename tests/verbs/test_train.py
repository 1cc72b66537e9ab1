"""The main job from Python: a source in, a run folder out."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import hubel
from hubel.cli import main
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.recipes.schema import compose, read_file
from hubel.store import RunStore
from hubel.watching import Watcher

SMALL: dict[str, Any] = {"epochs": 2, "limit": 300, "model_options": {"width": 0.1}, "threads": 1, "device": "cpu"}


def test_a_run_folder_holds_everything_that_is_promised(digits_run: Path) -> None:
    names = {str(path.relative_to(digits_run)) for path in digits_run.rglob("*") if path.is_file()}
    assert names >= {
        "config.yaml", "env.json", "data.json", "split.json", "metrics.csv", "events.jsonl", "summary.json",
        "weights/best.safetensors", "weights/best.json", "weights/last.safetensors", "weights/last.json",
        "evaluation.json", "predictions.csv", "per_class.csv", "confusion.csv", "report.html", "figures/loss.svg",
    }  # fmt: skip


def test_a_small_net_learns_the_digits_in_moments(digits_run: Path) -> None:
    run = hubel.Run(digits_run)
    assert run.summary["test"]["accuracy"] > 0.9
    assert run.history["train_loss"][-1] < run.history["train_loss"][0]
    assert "of the test samples correctly" in str(run)
    assert "<table>" in run._repr_html_()


def test_the_saved_recipe_has_every_choice_made_and_gives_the_same_run_again(digits_run: Path, tmp_path: Path) -> None:
    recipe = compose(read_file(digits_run / "config.yaml"))
    assert recipe.model.model == "quicknet"
    assert recipe.data.img_size == 8
    again = hubel.train(config=digits_run / "config.yaml", out=str(tmp_path))
    first = (digits_run / "weights" / "best.safetensors").read_bytes()
    assert (again.folder / "weights" / "best.safetensors").read_bytes() == first


def test_every_epoch_is_a_row_and_every_row_is_an_epoch(digits_run: Path) -> None:
    rows = list(csv.DictReader((digits_run / "metrics.csv").read_text().splitlines()))
    assert [float(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    events = [json.loads(line) for line in (digits_run / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events if event["event"] not in ("step", "pace", "vitals")] == ["epoch"] * 6 + [
        "finished"
    ]


def test_runs_are_numbered_and_never_overwrite_each_other(tmp_path: Path) -> None:
    first = hubel.train("digits", out=str(tmp_path), **SMALL)
    second = hubel.train("digits", out=str(tmp_path), **SMALL)
    assert [first.name, second.name] == ["digits-1", "digits-2"]
    listed = hubel.runs(tmp_path)
    assert [row["run"] for row in listed.rows] == ["digits-1", "digits-2"]
    assert "digits-2" in str(listed)


def test_a_folder_of_pictures_becomes_a_classifier(picture_folder: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in picture_folder.rglob("*.png")}
    run = hubel.train(picture_folder, out=str(tmp_path), **(SMALL | {"epochs": 25, "model_options": {"width": 0.3}}))
    found = run.predict([picture_folder / "zero" / "000.png", picture_folder / "two" / "003.png"])
    assert [prediction.label for prediction in found] == ["zero", "two"]
    assert sum(found[0].probabilities.values()) == pytest.approx(1)
    assert {path: path.read_bytes() for path in picture_folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("source", ["moons", "iris"])
def test_points_train_a_small_net(source: str, tmp_path: Path) -> None:
    run = hubel.train(source, out=str(tmp_path), epochs=20, threads=1, device="cpu")
    assert run.recipe["model"]["model"] == "mlp"
    assert run.summary["test"]["accuracy"] > 0.7


def test_numbers_as_targets_are_regression(picture_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(picture_folder, tmp_path / "pictures")
    files = sorted((tmp_path / "pictures").rglob("*.png"))
    rows = [f"{path.relative_to(tmp_path)},{index / len(files):.3f}" for index, path in enumerate(files)]
    table = tmp_path / "progress.csv"
    table.write_text("file_name,target\n" + "\n".join(rows) + "\n")
    run = hubel.train(table, out=str(tmp_path / "runs"), **SMALL)
    assert set(run.summary["test"]) >= {"rmse", "mae"}
    assert "val_accuracy" not in run.history


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "nesterov", "schedule": "step", "lr": 0.05},
        {"optimizer": "muon", "schedule": "exponential"},
        {"batch_size": "full", "optimizer": "sgd", "schedule": "1/t"},
        {"batch_size": 1, "limit": 40, "model": "mnist_gap", "model_options": {}, "img_size": 12},
        {"loss": "focal", "class_weights": "balanced", "label_smoothing": 0.0},
        {"mixup": 0.2, "augment": "translate=1,rotate=10", "ema": 0.9, "clip_grad": 1.0},
        {"img_size": "auto", "fit": "pad", "in_chans": "3", "weight_decay": "auto"},
        {"l1": 1e-4, "l2": 1e-4, "channels_last": False, "micro_batch": 16, "dropout": 0.1},
    ],
    ids=lambda settings: ",".join(settings),
)
def test_every_part_of_a_recipe_trains(settings: dict[str, Any], tmp_path: Path) -> None:
    run = hubel.train("digits", out=str(tmp_path), **(SMALL | settings))
    assert run.status == "finished"
    assert all(value == value for value in run.history["train_loss"])


def test_a_time_budget_chooses_how_many_epochs_fit(tmp_path: Path) -> None:
    settings = {key: value for key, value in SMALL.items() if key != "epochs"}
    run = hubel.train("digits", out=str(tmp_path), time="3s", **settings)
    reasons = json.loads((run.folder / "reasons.json").read_text())
    assert "fits into 3.0 s" in reasons["epochs"]


def test_a_target_ends_the_run_early(tmp_path: Path) -> None:
    run = hubel.train("digits", out=str(tmp_path), **(SMALL | {"epochs": 30, "target": 0.3}))
    assert run.summary["reason"] == "target"
    assert run.summary["epochs"] < 30


def test_settings_come_from_default_then_file_then_environment_then_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(
        yaml.safe_dump({"data": {"data": "digits"}, "train": {"epochs": 9, "seed": 1}, "lr": 0.02, **SMALL})
    )
    monkeypatch.setenv("HUBEL_EPOCHS", "1")
    monkeypatch.setenv("HUBEL_LR", "0.03")
    run = hubel.train(config=file, lr=0.04, out=str(tmp_path))
    train = run.recipe["train"]
    assert (train["epochs"], train["seed"], run.recipe["optimizer"]["lr"]) == (1, 1, 0.04)


def test_evaluating_a_run_again_gives_the_same_numbers(digits_run: Path) -> None:
    again = hubel.evaluate(digits_run)
    assert again.top1 == hubel.Run(digits_run).summary["test"]["accuracy"]


def test_predicting_a_file_gives_what_evaluating_it_gave(picture_folder: Path, tmp_path: Path) -> None:
    run = hubel.train(picture_folder, out=str(tmp_path), **SMALL)
    evaluated = hubel.evaluate(run.folder)
    assert evaluated.paths is not None
    predicted = run.predict([picture_folder / path for path in evaluated.paths])
    assert [p.label for p in predicted] == [evaluated.class_names[k] for k in evaluated.predicted]
    assert [p.probability for p in predicted] == pytest.approx(evaluated.confidence.tolist(), abs=1e-6)


def test_data_that_changed_since_the_training_is_not_measured_as_if_it_had_not(
    picture_folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "pictures"
    shutil.copytree(picture_folder, copy)
    run = hubel.train(copy, out=str(tmp_path / "runs"), **SMALL)
    (copy / "zero" / "000.png").unlink()
    with pytest.raises(DataError, match="is not what was split"):
        run.evaluate()


def test_pictures_that_were_only_added_leave_what_is_measured_as_it_was(picture_folder: Path, tmp_path: Path) -> None:
    class Hears(Watcher):
        def remark(self, text: str) -> None:
            heard.append(text)

    heard: list[str] = []
    copy = tmp_path / "pictures"
    shutil.copytree(picture_folder, copy)
    run = hubel.train(copy, out=str(tmp_path / "runs"), **SMALL)
    before = run.evaluate()
    (copy / "another").mkdir()
    for place, level in ((copy / "one" / "0.png", 7), (copy / "another" / "1.png", 8), (copy / "another" / "2.png", 9)):
        Image.fromarray(np.full((8, 8), level, np.uint8)).save(place)
    again = hubel.evaluate(run.folder, watch=Hears())
    assert heard == ["the data have got 3 samples since this run began: left out here"]
    assert isinstance(again, hubel.Evaluation)
    assert again.to_dict() == before.to_dict()
    assert again.paths == before.paths
    (copy / "zero" / "000.png").write_bytes((copy / "one" / "001.png").read_bytes())
    with pytest.raises(DataError, match="is not what was split"):
        run.evaluate()


def test_other_data_is_matched_by_class_name_and_never_renumbered(picture_folder: Path, tmp_path: Path) -> None:
    run = hubel.train(
        picture_folder, out=str(tmp_path / "runs"), **(SMALL | {"epochs": 25, "model_options": {"width": 0.3}})
    )
    part = tmp_path / "part"
    for name in ("two", "zero"):
        shutil.copytree(picture_folder / name, part / name)
    measured = run.evaluate(part)
    assert measured.top1 > 0.8
    (part / "zero").rename(part / "nought")
    with pytest.raises(ArtefactError, match="classes the model was not trained on: 'nought'"):
        run.evaluate(part)


def test_a_classifier_loads_with_its_classes_and_preprocessing(digits_run: Path) -> None:
    classifier = hubel.load(digits_run)
    assert classifier.class_names == tuple("0123456789")
    assert classifier.preprocessing is not None
    assert classifier.preprocessing.shape == (1, 8, 8)


def test_two_runs_are_compared_by_what_differs(tmp_path: Path) -> None:
    from hubel.records.side_by_side import compare

    first = hubel.train("digits", out=str(tmp_path), lr=0.01, **SMALL)
    second = hubel.train("digits", out=str(tmp_path), lr=0.02, **SMALL)
    table = str(compare([first.folder, second.folder]))
    assert "optimizer.lr" in table
    assert "weight_decay" not in table


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "resnet81"}, "unknown model 'resnet81'\n  did you mean 'resnet18'"),
        ({"optimizer": "adamm"}, "unknown optimiser 'adamm'"),
        ({"schedule": "cosin"}, "unknown schedule 'cosin'"),
        ({"augment": "flop"}, "flop"),
        ({"lr": -1}, "optimizer.lr must be above 0, got -1"),
        ({"epochs": 0}, "train.epochs must be at least 1, got 0"),
        ({"loss": "triplet-hard", "task": "classify"}, "takes embeddings, labels, and a classifier gives logits"),
        ({"loss": "contrastive", "task": "classify"}, "--loss cross-entropy"),
        ({"loss": "nll", "label_smoothing": 0.1}, "loss 'nll' has no option 'label_smoothing'"),
        ({"loss": "hinge", "mixup": 0.2}, "needs hard labels"),
        ({"loss": "mse", "class_weights": "balanced"}, "loss 'mse' has no option 'class_weights'"),
        (
            {"model": "autoencoder", "model_options": {}, "task": "classify"},
            "autoencoder needs the task reconstruct, and classify is asked for",
        ),
        ({"optimizer": "adamw", "momentum": 0.9}, "'adamw' has no momentum"),
        ({"threads": 100_000}, "threads must be at most the"),
        ({"initialise": "normal", "initialise_options": {"std": 1e-300}}, "makes every weight 0"),
        ({"initialise": "normal", "initialise_options": {"std": "wide"}}, "must be a number, got 'wide'"),
        ({"schedule": "cosine", "schedule_options": {"final": "low"}}, "final of schedule 'cosine' must be a number"),
        ({"model": "mobilenet_v2", "model_options": {}, "batch_size": 1}, "batch norm needs two values a channel"),
        ({"model": "mobilenet_v2", "model_options": {}, "batch_size": 9, "micro_batch": 1}, "--micro-batch 2"),
        ({"learning_rat": 1}, "a recipe has no setting 'learning_rat'\n  did you mean 'lr'"),
        ({"mixup": 0.2, "cutmix": 0.2}, "exclude each other"),
        ({"val_fraction": 0.6, "test_fraction": 0.5}, "must be below 1"),
        ({"time": "soon"}, "must be a duration such as 90s"),
        ({"device": "gpu"}, "device must be auto, cpu, cuda"),
        ({"model": "mnist_cnn", "img_size": 8, "model_options": {}}, "images of at least 10x10 pixels, got 8x8"),
        ({"model_options": {"widht": 2}}, "has no option 'widht'\n  did you mean 'width'"),
    ],
    ids=lambda value: "" if isinstance(value, str) else ",".join(value),
)
def test_an_impossible_recipe_is_refused_with_the_way_out(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        hubel.train("digits", out=str(tmp_path), **(SMALL | settings))
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir()), "a refused recipe leaves no run behind"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "cross-entropy"}, "loss 'cross-entropy' is made for classes\n  take mse, l1, smooth-l1, huber"),
        ({"class_weights": "balanced"}, "class weights need classes"),
    ],
    ids=["loss", "weights"],
)
def test_a_loss_for_classes_is_refused_where_the_target_is_a_number(
    settings: dict[str, Any], message: str, picture_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(picture_folder, tmp_path / "pictures")
    files = [f"pictures/{path.relative_to(picture_folder)}" for path in sorted(picture_folder.rglob("*.png"))]
    lines = [f"{file},{index / 7:.3f}" for index, file in enumerate(files)]
    (tmp_path / "numbers.csv").write_text("file,target\n" + "\n".join(lines) + "\n")
    with pytest.raises(UsageError, match=message):
        hubel.train(tmp_path / "numbers.csv", out=str(tmp_path / "runs"), **(SMALL | settings))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "settings", [{"mixup": 0.2}, {"augment": "flip"}, {"views": "mirror"}], ids=lambda s: next(iter(s))
)
def test_what_varies_pictures_is_refused_for_points(settings: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the data are no pictures, and .* for pictures"):
        hubel.train("iris", out=str(tmp_path), epochs=1, **settings)
    assert not list(tmp_path.iterdir())


def test_a_remainder_of_one_sample_joins_the_part_before_it(tmp_path: Path) -> None:
    settings = SMALL | {"model": "mobilenet_v2", "model_options": {}, "limit": 34, "epochs": 1}
    assert hubel.train("digits", out=str(tmp_path), batch_size=17, micro_batch=16, **settings).status == "finished"


def test_unusable_data_is_refused_before_a_run_folder_is_made(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        hubel.train(tmp_path / "empty", out=str(tmp_path / "runs"))
    with pytest.raises(UsageError, match=r"no source is called 'digitss'.*\n.*did you mean 'digits'"):
        hubel.train("digitss", out=str(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_a_checkpoint_of_another_architecture_is_refused(digits_run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(digits_run, copy)
    store = RunStore(copy)
    document = store.read_json("weights/best.json", sealed=True, limit=1 << 22)
    document["architecture"]["name"] = "mnist_cnn"
    document["architecture"]["options"] = {}
    store.write_json("weights/best.json", document, sealed=True, limit=1 << 22)
    with pytest.raises(ArtefactError):
        hubel.load(copy)


def test_two_processes_train_together_as_one_does(tmp_path: Path) -> None:
    words = [
        "train", "digits", "--quiet", "--epochs", "2", "--model", "mnist_gap", "--img-size", "12", "--batch-size", "64",
        "--lr", "0.01", "--augment", "none", "--device", "cpu", "--threads", "1",
    ]  # fmt: skip
    together = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "hubel"]
    done = subprocess.run(
        [*together, *words, "--out", str(tmp_path / "two")],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with pytest.raises(SystemExit) as end:
        main([*words, "--out", str(tmp_path / "one")])
    assert not end.value.code
    one, two = (hubel.Run(tmp_path / out / "digits-1") for out in ("one", "two"))
    # No batch norm in this net: the mean of two halves' gradients is the gradient of the whole, up to rounding.
    assert two.history["train_loss"] == pytest.approx(one.history["train_loss"][:2], rel=1e-3)
    assert two.summary["test"]["accuracy"] == pytest.approx(one.summary["test"]["accuracy"], abs=0.05)
    assert len(two.history["epoch"]) == 2


def test_training_leaves_the_threads_of_the_process_alone(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    hubel.train("digits", out=str(tmp_path), **SMALL)
    assert torch.get_num_threads() == before
