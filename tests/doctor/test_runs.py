"""The doctor on trainings by hubel: before them, beside them, and on what a run recorded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import hubel
from hubel.cli import main
from hubel.diagnosis.examining import examine_record
from hubel.diagnosis.record import Record

QUICK = {"threads": 1, "device": "cpu", "limit": 200}


def curve(
    losses: Sequence[float], *, val: Sequence[float] = (), lr: Sequence[float] = (), **more: object
) -> Record:  # fmt: skip
    """A run with these training losses, validation accuracies and rates."""
    rows = []
    for epoch, loss in enumerate(losses):
        row = {"epoch": epoch + 1.0, "train_loss": loss}
        row |= {"val_accuracy": val[epoch]} if val else {}
        row |= {"lr": lr[epoch]} if lr else {}
        rows.append(row)
    settings: dict[str, object] = {"name": "runs/x-1", "recipe": {"optimizer": {"lr": 0.1}}, "steps": 10} | more
    return Record(rows=rows, **settings)  # type: ignore[arg-type]


def table(right: np.ndarray) -> dict[str, object]:
    return {"confusion": right, "classes": tuple("abcdefghij"[: len(right)])}


def look(*, gradient: float = 0.1, **more: float) -> dict[str, dict[str, float]]:
    """What was seen of three parts; the first has these numbers."""
    usual = {"gradient": 0.1, "weight": 1.0, "update": 1e-3}
    return {"stem": usual | {"gradient": gradient} | more, "body": usual, "head": usual}


FAULTY: dict[str, tuple[str, Record]] = {
    "not finite": ("stopped-not-finite", curve(
        [2.3], summary={"status": "stopped", "reason": "at epoch 2, step 1: the loss is not finite; …"})),
    "steps left out": ("many-steps-left-out", curve([2.3, 2.0, 1.8], skipped=9)),
    "overflowing": ("scaler-skips", curve([2.3, 2.0, 1.8], overflows=[30, 1], steps=100)),
    "rising": ("loss-rises", curve([2.3, 2.0, 2.6, 4.9, 8.1])),
    "standing still (AUTOTRAINER: slow convergence)": ("never-learns", curve([2.303, 2.302, 2.303, 2.301, 2.302,
    2.302])),
    "swinging (AUTOTRAINER: oscillating loss)": ("oscillates", curve([2.3, 1.0, 2.1, 0.9, 2.2, 1.1, 2.0, 0.8, 1.9])),
    "validation lost": ("forgets", curve(
        np.geomspace(2.3, 0.01, 12).tolist(), samples={"val": 500},
        val=[0.5, 0.7, 0.8, 0.85, 0.8, 0.78, 0.75, 0.74, 0.7, 0.69, 0.68, 0.66])),
    "no rate left": ("rate-was-nothing", curve(
        np.geomspace(2.3, 1.0, 10).tolist(), lr=[0.1, 0.05, 0.01, 0.001, 1e-6, 1e-7, 1e-8, 1e-8, 1e-9, 1e-9])),
    "one class named": ("below-majority", curve(
        [2.3, 2.2, 2.1, 2.1, 2.0], **table(np.array([[30, 0, 0], [20, 0, 0], [20, 0, 0]])))),
    "other numbers": ("labels-renumbered", curve(
        [2.3, 1.0, 0.5, 0.2, 0.1], **table(np.array([[0, 30, 1], [1, 0, 29], [28, 2, 0]])))),
    "a class never named": ("class-never-named", curve(
        [2.3, 1.0, 0.5, 0.2, 0.1], **table(np.array([[30, 0, 0], [0, 30, 0], [9, 11, 0]])))),
    "another epoch kept": ("best-epoch-wrong", curve(
        [2.3, 1.0, 0.5], val=[0.5, 0.9, 0.8], summary={"status": "finished", "best": {"val_accuracy": 0.8}})),
    "test far below": ("test-far-below", curve(
        [2.3, 1.0, 0.5, 0.2, 0.1], samples={"val": 400}, summary={"best": {"val_accuracy": 0.99},
        "test": {"accuracy": 0.6}},
        **table(np.array([[60, 40], [40, 60]])))),
    "units at nought": ("parts-fall-silent", curve([2.3, 2.0], vitals=[look(silent=0.7), look(silent=0.9)])),
    "values at the ends": ("parts-saturated", curve([2.3, 2.0], vitals=[look(saturated=0.8), look(saturated=0.7)])),
    "hardly a gradient": ("parts-starve", curve([2.3, 2.2], vitals=[look(gradient=1e-7), look(gradient=2e-7)])),
    "damaged weights": ("answers-changed", curve([2.3, 1.0], unreadable="weights/best.safetensors has another digest")),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTY)
def test_a_faulty_record_is_named(name: str) -> None:
    right, record = FAULTY[name]
    found = examine_record(record)
    assert [one.id for one in found.findings if one.severity != "note"][:1] == [right]
    assert all(one.mend and one.evidence for one in found.findings)


FINE = {
    "falling": curve(np.geomspace(2.3, 0.05, 20).tolist(), val=np.linspace(0.5, 0.95, 20).tolist()),
    "a slow start": curve([2.303, 2.302, 2.301, 2.30, 2.25, 1.9, 1.2, 0.7]),
    "noisy": curve([2.3, 1.5, 1.2, 1.25, 1.0, 1.05, 0.8, 0.9, 0.7, 0.75]),
    "cosine": curve(np.geomspace(2.3, 0.1, 20).tolist(), lr=(0.05 * (1 + np.cos(np.linspace(0, np.pi, 20)))).tolist()),
    "settled": curve([2.3, 0.5, 0.1, *[0.02, 0.021, 0.019] * 4], val=[0.6, 0.8, 0.9, *[0.95, 0.94, 0.955] * 4]),
    "a scaler that finds its scale": curve([2.3, 1.0, 0.5], overflows=[14], steps=50),
    "restless at first": curve([2.3, 1.0], vitals=[look(silent=0.9), look(silent=0.1), look(silent=0.2)]),
    "one epoch": curve([2.3]),
    "nothing yet": curve([]),
    "one answer for nearly all, of which most are of one class": curve(
        [2.3, 2.2], **table(np.array([[2, 80, 10], [0, 2, 0], [0, 0, 3]]))
    ),
    "regression": curve([900.0, 300.0, 120.0, 80.0, 60.0, 50.0]),
}


@pytest.mark.parametrize("name", FINE)
def test_a_healthy_record_is_left_alone(name: str) -> None:
    assert [str(one) for one in examine_record(FINE[name]).findings if one.severity != "note"] == []


@pytest.mark.parametrize(("task", "words"), [("classify", "known to 15 points"), ("reconstruct", "partly luck")])
def test_few_validation_samples_are_told_in_the_terms_of_the_task(task: str, words: str) -> None:
    (told,) = examine_record(curve([2.3, 1.0], samples={"val": 40}, recipe={"train": {"task": task}})).findings
    assert told.id == "small-validation"
    assert words in str(told)


def exit_code(words: list[str]) -> int:
    with pytest.raises(SystemExit) as end:
        main(words)
    return int(end.value.code or 0)


def test_a_healthy_run_is_told_so_and_exits_with_0(digits_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["doctor", str(digits_run)]) == 0
    assert "error" not in capsys.readouterr().out
    assert exit_code(["doctor", str(digits_run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["healthy"] is True


def test_a_run_with_an_error_exits_with_1(digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(digits_run, tmp_path / "runs" / "digits-1")
    weights = folder / "weights" / "best.safetensors"
    weights.write_bytes(weights.read_bytes()[:-40])
    assert exit_code(["doctor", str(folder)]) == 1
    assert "[answers-changed]" in capsys.readouterr().out


def test_data_are_checked_before_a_training_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["doctor", "digits", "--model", "mnist_cnn", "--limit", "300", "--threads", "1"]
    assert exit_code(words) == 0
    assert "nothing was found" in capsys.readouterr().out
    assert exit_code([*words, "--optimizer", "sgd", "--lr", "1e6"]) == 1
    assert "--lr" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_near_copies_across_a_given_split_are_found(tmp_path: Path) -> None:
    raw = load_digits()
    for part, rows, change in (("train", range(300), 0), ("val", range(40), 1), ("test", range(400, 440), 0)):
        for row in rows:
            picture = (raw.images[row] * 15).astype(np.uint8)
            picture[4, 4] = min(255, int(picture[4, 4]) + change)
            folder = tmp_path / "digits" / part / str(raw.target[row])
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / f"{row:04}.png")
    found = hubel.doctor(tmp_path / "digits", model="mnist_cnn", threads=1, device="cpu", verbose=False)
    assert found.ids[0] == "near-leak"


def test_test_pictures_saved_anew_from_training_ones_are_named_by_every_training(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for part, count in (("train", 24), ("test", 10)):
        for row in range(count):
            folder = tmp_path / "photos" / part / "ab"[row % 2]
            folder.mkdir(parents=True, exist_ok=True)
            coarse = Image.fromarray(rng.integers(0, 255, (7, 7, 3), np.uint8))
            coarse.resize((48, 40), Image.Resampling.BICUBIC).save(folder / f"{row}.png")
    for row in (0, 2, 4):
        picture = Image.open(tmp_path / "photos" / "train" / "a" / f"{row}.png")
        changed = {0: picture.crop((1, 1, 46, 39)), 2: picture, 4: picture.point(lambda level: int(0.85 * level))}[row]
        changed.save(tmp_path / "photos" / "test" / "a" / f"{row}.jpg", quality=60)
    quick: dict[str, Any] = {"model": "softmax_regression", "epochs": 1, "threads": 1, "verbose": False}
    run = hubel.train(tmp_path / "photos", img_size=32, out=str(tmp_path / "runs"), **quick)
    (found,) = (one for one in run.findings if one["id"] == "near-leak")
    assert found["title"].startswith("3 of 13 test pictures are nearly pictures of training, such as test/a/")
    assert "hubel clean" in found["mend"]


def test_mirrored_digits_are_named_before_a_training() -> None:
    found = hubel.doctor("digits", model="mnist_cnn", augment=["flip"], verbose=False, **QUICK)
    assert found.ids == ("augmentation-destroys-labels",)


def test_what_a_run_or_data_do_not_take_is_refused(digits_run: Path) -> None:
    with pytest.raises(hubel.UsageError, match="a run has its own recipe, and lr is given"):
        hubel.doctor(digits_run, lr=0.1)
    with pytest.raises(hubel.UsageError, match="--try goes with a run"):
        hubel.doctor("digits", follow=True)
    with pytest.raises(hubel.UsageError, match="where val is given"):
        hubel.doctor("digits", val=[])
    with pytest.raises(hubel.UsageError, match="no setting"):
        hubel.doctor("digits", learning=3)


def test_a_training_with_a_check_up_has_the_bits_of_one_without(tmp_path: Path) -> None:
    more = {"model": "mnist_cnn", "epochs": 2, "augment": ["flip"], "out": str(tmp_path), **QUICK}
    plain, checked = hubel.train("digits", **more), hubel.train("digits", doctor=True, **more)
    assert plain.findings == []
    assert [one["id"] for one in checked.findings] == ["augmentation-destroys-labels"]
    both = [(run.folder / "weights" / "best.safetensors").read_bytes() for run in (plain, checked)]
    assert both[0] == both[1]
    assert "What the doctor says" in checked.report.read_text()
    assert "What the doctor says" not in plain.report.read_text()


def test_a_training_that_stands_still_is_told_so_without_being_asked_and_the_advice_is_tried(tmp_path: Path) -> None:
    told: list[str] = []

    class Listening(hubel.Watcher):
        def remark(self, text: str) -> None:
            told.append(text)

    run = hubel.train(
        "digits", model="mnist_cnn", lr=1e-5, epochs=6, augment=["none"], optimizer="sgd", schedule="constant",
        out=str(tmp_path), watch=Listening(), **QUICK,
    )  # fmt: skip
    assert [one["id"] for one in run.findings] == ["never-learns"]
    assert sum("[never-learns]" in text for text in told) == 1
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    found = hubel.doctor(run.folder, follow=True, verbose=False)
    assert found.trial is not None
    assert found.trial.advice == "never-learns"
    assert found.trial.settings["lr"] > 1e-5
    assert found.trial.followed.last < found.trial.as_it_was.last
    assert json.loads(json.dumps(found.to_dict()))["trial"]["followed"]["steps"] == 50
    assert {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()} == before


def test_a_series_is_not_checked_beforehand(tmp_path: Path) -> None:
    with pytest.raises(hubel.UsageError, match="--doctor goes with one run"):
        hubel.train("digits", seeds=2, doctor=True, out=str(tmp_path))


def coloured(folder: Path, names: Sequence[str], *, sides: Sequence[int] = (12, 12)) -> Path:
    """Two classes of forty pictures of noise, of these names and sides."""
    draw = np.random.default_rng(0)
    for place, (name, side) in enumerate(zip(names, sides, strict=True)):
        (folder / name).mkdir(parents=True)
        for row in range(40):
            board = draw.integers(0, 120, (side, side, 3), dtype=np.uint8)
            board[2:5, 2:5] = 250 * place
            Image.fromarray(board).save(folder / name / f"{row}.png")
    return folder


def test_sizes_that_give_classes_away_and_names_that_change_sides_are_told(tmp_path: Path) -> None:
    told = hubel.doctor(coloured(tmp_path / "a", ("cat", "dog"), sides=(12, 16)), seconds=2.0, **QUICK)
    assert next(one for one in told.findings if one.id == "shortcut").evidence["cue"] == "size"
    sides = coloured(tmp_path / "b", ("turn_left", "turn_right"))
    told = hubel.doctor(sides, augment="flip", seconds=2.0, **QUICK)
    assert "names-tell-sides" in told.ids
    assert "'turn_left' and 'turn_right'" in " ".join(str(told).split())
    told = hubel.doctor(sides, augment="translate=1", seconds=2.0, **QUICK)
    assert not {"shortcut", "names-tell-sides"} & set(told.ids)


def test_a_net_too_deep_for_its_pictures_is_told_so_before_it_trains(tmp_path: Path) -> None:
    run = hubel.train(
        "digits", model="vgg11", img_size=8, epochs=1, out=str(tmp_path), baseline=False, **QUICK | {"limit": 40}
    )
    assert [one["id"] for one in run.findings] == ["maps-fade"]
    assert "--img-size 32" in run.findings[0]["mend"]


def test_the_kept_epoch_is_held_against_whatever_number_the_task_compares() -> None:
    for score, values, kept in (("val_iou", (0.2, 0.8, 0.5), 0.5), ("val_loss", (0.9, 0.2, 0.4), 0.4)):
        rows = [{"epoch": e + 1.0, "train_loss": 1.0 / (e + 1), score: value} for e, value in enumerate(values)]
        wrong, right = (
            Record(name="runs/x", rows=rows, summary={"status": "finished", "best": {score: best}})
            for best in (kept, values[1])
        )
        assert "best-epoch-wrong" in examine_record(wrong).ids
        assert "best-epoch-wrong" not in examine_record(right).ids


def test_a_rate_that_is_far_too_high_is_mended_in_one_go() -> None:
    found = hubel.doctor("digits", lr=100.0, limit=300, model="mlp", device="cpu", verbose=False)
    mend = next(one.settings["lr"] for one in found.findings if one.id in ("diverges", "not-finite"))
    again = hubel.doctor("digits", lr=mend, limit=300, model="mlp", device="cpu", verbose=False)
    assert not {"diverges", "not-finite"} & set(again.ids)
    assert mend < 10  # a tenth was not enough


def test_a_check_up_that_cannot_be_made_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = str(tmp_path / "no-such-data")
    with pytest.raises(hubel.UsageError, match="made in one process"):
        hubel.train(nowhere, doctor=True, on="local", processes=2)
    for method in ("rotation", "byol"):
        with pytest.raises(hubel.UsageError, match=f"{method} learns from turns or views"):
            hubel.pretrain(nowhere, doctor=True, method=method)
    with pytest.raises(hubel.UsageError, match="learns by rotation"):
        hubel.doctor("digits", method="rotation", model="mnist_cnn", verbose=False, **QUICK)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    with pytest.raises(hubel.UsageError, match="made in one process"):
        hubel.train(nowhere, doctor=True)
