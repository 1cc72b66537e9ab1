"""Steps in, an answer after each: classes of series, classes and numbers step by step, and what comes next."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hubel
from hubel.checkpoint import load
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.evaluation.sequences import SequenceClasses, SequenceNumbers
from hubel.models import create_model
from hubel.nn.stepwise import StepLoss
from hubel.tasks.answers import Answers

from .conftest import QUICK, waves


def table(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_class_is_told_at_the_end_of_series_of_unequal_lengths(waves_run: hubel.Run) -> None:
    found = waves_run.evaluate()
    assert isinstance(found, SequenceClasses)
    assert found.whole
    assert found.accuracy >= 0.9
    assert found.asked == found.samples
    assert 0.4 < found.usual < 0.7
    assert "always saying the most frequent class" in found.sentence
    stored = json.loads((waves_run.folder / "evaluation.json").read_text())
    assert stored["task"] == "sequence"
    assert stored["accuracy"] == pytest.approx(found.accuracy)
    assert waves_run.recipe["model"]["model"] == "lstm_rows"
    page = (waves_run.folder / "report.html").read_text()
    assert "Step by step" in page
    assert "gradients run through every step" in page


def test_what_stands_behind_the_end_of_a_series_changes_no_answer_before_it() -> None:
    torch.manual_seed(0)
    for name in ("rnn_rows", "lstm_rows", "gru_rows"):
        net = create_model(name, num_classes=3, in_chans=3, img_size=(1, 1), units=8).eval()
        short = torch.cat([torch.randn(1, 2, 5), torch.ones(1, 1, 5)], dim=1)
        padded = torch.cat([short, torch.zeros(1, 3, 4)], dim=2)
        torch.testing.assert_close(net.steps(padded)[:, :5], net.steps(short))
        torch.testing.assert_close(net(padded), net(short))
        torch.testing.assert_close(net(short), net.steps(short)[:, -1])


def test_padding_changes_neither_loss_nor_gradient() -> None:
    torch.manual_seed(0)
    net = create_model("gru_rows", num_classes=2, in_chans=2, img_size=(1, 1), units=4)
    loss = StepLoss("cross-entropy")
    lengths = (3, 6)
    series = [torch.cat([torch.randn(1, 1, n), torch.ones(1, 1, n)], dim=1) for n in lengths]
    targets = [torch.randint(0, 2, (1, n, 1)).float() for n in lengths]
    one_by_one = torch.stack([loss(net.steps(x), y) for x, y in zip(series, targets, strict=True)]).mean()
    net.zero_grad()
    one_by_one.backward()
    alone = [p.grad.clone() for p in net.parameters()]
    batch = torch.cat([torch.nn.functional.pad(x, (0, 6 - x.shape[2])) for x in series])
    asked = torch.cat([torch.nn.functional.pad(y, (0, 0, 0, 6 - y.shape[1]), value=torch.nan) for y in targets])
    net.zero_grad()
    together = loss(net.steps(batch), asked)
    together.backward()
    torch.testing.assert_close(together, one_by_one)
    for found, wanted in zip([p.grad for p in net.parameters()], alone, strict=True):
        torch.testing.assert_close(found, wanted)


def test_numbers_are_compared_only_where_they_are_asked() -> None:
    answers, targets = torch.zeros(2, 3, 2), torch.full((2, 3, 2), torch.nan)
    targets[0, 0], targets[1, 2, 1] = torch.tensor([1.0, 3.0]), 2.0
    assert StepLoss("mse")(answers, targets).item() == pytest.approx(((1 + 9) / 2 + 4) / 2)
    assert StepLoss("l1")(answers, targets).item() == pytest.approx(((1 + 3) / 2 + 2) / 2)


def test_predict_names_the_class_of_every_series_of_a_new_table(waves_run: hubel.Run, tmp_path: Path) -> None:
    new = waves(tmp_path / "new.csv", 6)
    said = waves_run.predict(new)
    assert isinstance(said, Answers)
    assert [each.name for each in said] == [f"w{k}" for k in range(6)]
    assert all(sum(each.numbers.values()) == pytest.approx(1) for each in said)
    found = waves_run.evaluate()
    assert isinstance(found, SequenceClasses)
    again = waves_run.predict(Path(waves_run.recipe["data"]["data"]))
    answers = {each.name: each.labels for each in again}
    last = (found.said >= 0).sum(1) - 1
    for row, title in enumerate(found.titles):
        assert answers[title] == (found.class_names[found.said[row, last[row]]],)
    bare = table(tmp_path / "bare.csv", ["series,time,height", "a,0,1"])
    with pytest.raises(DataError, match="has no column 'side', which the net was trained on"):
        waves_run.predict(bare)
    with pytest.raises(UsageError, match="takes tables"):
        waves_run.predict(tmp_path / "x.png")


def test_other_series_are_measured_by_the_columns_of_the_run(waves_run: hubel.Run, tmp_path: Path) -> None:
    whole = Path(waves_run.recipe["data"]["data"])
    found = waves_run.evaluate(whole)
    assert isinstance(found, SequenceClasses)
    assert found.samples == 60
    assert found.accuracy >= 0.9
    own = waves_run.evaluate()
    said = dict(zip(found.titles, found.said[np.arange(60), (found.said >= 0).sum(1) - 1], strict=True))
    for title, row in zip(own.titles, own.said, strict=True):
        assert said[title] == row[(row >= 0).sum() - 1]
    for one, other in (("fast", "slow"), ("slow", "fast")):  # one class is enough, and keeps the run's number
        rows = [row for row in whole.read_text().splitlines() if not row.endswith(other)]
        alone = waves_run.evaluate(table(tmp_path / f"{one}.csv", rows))
        assert isinstance(alone, SequenceClasses)
        assert alone.samples == 30
        assert {alone.class_names[k] for k in alone.truth[alone.truth >= 0]} == {one}
        assert alone.accuracy == pytest.approx(
            np.mean([said[title] == alone.class_names.index(one) for title in alone.titles])
        )
    bare = table(tmp_path / "bare.csv", ["series,time,height,side", "a,0,1,left", "a,1,2,left"])
    with pytest.raises(DataError, match="the table has no label to measure the answers by"):
        waves_run.evaluate(bare)
    odd = table(tmp_path / "odd.csv", ["series,time,height,side,label", "a,0,1,left,medium", "a,1,2,left,medium"])
    with pytest.raises(ArtefactError, match="classes the model was not trained on: 'medium'"):
        waves_run.evaluate(odd)
    with pytest.raises(UsageError, match="learnt from the rows of a table"):
        waves_run.evaluate(tmp_path)


def test_what_a_table_of_series_holds_is_told(waves_table: Path, tmp_path: Path) -> None:
    from hubel.verbs.data import scan

    text = str(scan(waves_table))
    assert "60 series in 2 classes" in text
    assert "seen       3: height, side=left, side=right" in text
    assert "12 to 23 steps" in text
    assert "asked      a class at the end" in text
    rows = [f"{hour + 5 * (hour > 400)},{hour % 7}" for hour in range(900)]
    long = str(scan(table(tmp_path / "load.csv", ["time,load", *rows])))
    assert "asked      the next step of load" in long
    assert "about 5 steps of time are missing" in long
    assert "number to predict" not in long


def test_every_task_says_in_what_it_counts(waves_table: Path, photo: Path) -> None:
    from hubel.assembly.requests import requested
    from hubel.records.own_data import open_data
    from hubel.tasks import TASKS

    for settings, unit in (
        ({"data": str(waves_table), "task": "sequence"}, "series"),
        ({"data": "digits", "task": "sequence"}, "images"),
        ({"data": str(photo), "task": "field"}, "pixels"),
        ({"data": "digits", "task": "classify"}, "images"),
        ({"data": "moons", "task": "classify"}, "points"),
    ):
        assert TASKS.get(settings["task"]).unit(open_data(requested(settings))) == unit


def test_columns_and_their_scale_are_kept_with_the_weights(waves_run: hubel.Run) -> None:
    columns = load(waves_run.folder).columns
    assert columns is not None
    assert columns.features == ["height", "side=left", "side=right"]
    assert columns.columns[0].mean == pytest.approx(5, abs=0.5)
    assert columns.columns[1].words == ("left", "right")


def test_it_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "task": "sequence", "model": "gru", "model_options": {"units": 6}, "schedule": "constant", "clip_grad": 0.5,
        **QUICK,
    }  # fmt: skip
    few = waves(tmp_path / "few.csv", 24)
    whole = hubel.train(few, epochs=2, out=str(tmp_path / "a"), **settings)
    half = hubel.train(few, epochs=1, out=str(tmp_path / "b"), **settings)
    hubel.train(resume=half.folder, epochs=2)
    assert half.history["train_loss"] == whole.history["train_loss"]
    assert half.history["val_accuracy"] == whole.history["val_accuracy"]


def test_states_are_told_step_by_step(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    rows = ["unit,time,current,state"]
    for unit in range(30):
        state = 0
        for step in range(14):
            state = 1 - state if draw.random() < 0.2 else state
            rows.append(f"u{unit},{step},{2 * state + draw.normal(0, 0.3):.3f},{('off', 'on')[state]}")
    run = hubel.train(table(tmp_path / "states.csv", rows), task="sequence", epochs=16, lr=0.02, out=str(tmp_path),
                      model_options={"units": 8}, **QUICK)  # fmt: skip
    found = run.evaluate()
    assert isinstance(found, SequenceClasses)
    assert not found.whole
    assert found.asked == 14 * found.samples
    assert found.accuracy > 0.8
    assert len(found.tables()["predictions.csv"].splitlines()) == 1 + found.asked


def test_the_next_step_of_one_long_series_is_foretold_and_the_end_is_the_test(tmp_path: Path) -> None:
    rows = ["hour,load,heat", *(f"{k},{10 + 3 * np.sin(0.5 * k):.4f},{np.cos(0.5 * k):.4f}" for k in range(900))]
    path = table(tmp_path / "load.csv", rows)
    run = hubel.train(
        path, task="sequence", model="gru", columns={"time": "hour"}, epochs=15, lr=0.02, out=str(tmp_path),
        model_options={"units": 16}, **QUICK,
    )  # fmt: skip
    found = run.evaluate()
    assert isinstance(found, SequenceNumbers)
    assert found.foretold
    assert found.names == ("load", "heat")
    assert found.skill > 0.5
    assert "that the next step is like this one" in found.sentence
    lines = [int(title.rpartition(" ")[2]) for title in found.titles]
    assert min(lines) > 700
    step = found.truth[0, :-1, 0]
    np.testing.assert_allclose(found.simple[0, 1:-1, 0], step[:-1], rtol=1e-4)  # this step was asked for by the last
    assert "True and told" in (run.folder / "report.html").read_text()
    (said,) = run.predict(path)
    assert said.numbers["load"] == pytest.approx(10 + 3 * np.sin(0.5 * 900), abs=1.5)
    data = json.loads((run.folder / "data.json").read_text())
    assert any("the last ones, in time, are the test" in problem["reason"] for problem in data["problems"])


def test_a_target_is_told_in_the_units_of_the_table(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    rows = ["series,time,a,target"]
    for row in range(40):
        values = draw.normal(0, 1, 8)
        rows += [f"s{row},{k},{value:.3f},{1000 + 50 * total:.3f}"
                 for k, (value, total) in enumerate(zip(values, values.cumsum(), strict=True))]  # fmt: skip
    run = hubel.train(table(tmp_path / "sums.csv", rows), task="sequence", epochs=25, lr=0.02, out=str(tmp_path),
                      model_options={"units": 12}, **QUICK)  # fmt: skip
    found = run.evaluate()
    assert isinstance(found, SequenceNumbers)
    assert not found.foretold
    assert found.skill > 0.5
    assert 900 < np.nanmean(found.truth) < 1100
    assert 5 < found.rmse[0] < found.simple_rmse[0]


def test_a_column_that_never_changes_is_no_gain_and_no_loss() -> None:
    draw = np.random.default_rng(0)
    truth = np.stack([draw.normal(0, 1, (4, 6)), np.full((4, 6), 7.0)], axis=2)
    found = SequenceNumbers(
        split="test", samples=4, asked=24, ids=np.arange(4), titles=("a", "b", "c", "d"), names=("x", "still"),
        foretold=True, truth=truth, said=truth / 2 + [0, 3.6], simple=truth * [0, 1],
    )  # fmt: skip
    assert found.skill == pytest.approx(0.75)
    assert found.skill_interval == pytest.approx((0.75, 0.75))
    still = replace(found, truth=np.full((4, 6, 2), 7.0), simple=np.full((4, 6, 2), 7.0))
    assert still.skill == 0
    assert "no better than by a simple rule" in still.sentence
    far = replace(found, said=truth + 3 * (truth * [0, 1] - truth))
    assert far.rows()[0][:2] == ("squared error", "9 times")
    assert far.rows()[0][2].endswith("times a simple rule's")


def test_pictures_are_read_row_by_row(tmp_path: Path) -> None:
    run = hubel.train("digits", task="sequence", model="lstm", epochs=2, limit=300, out=str(tmp_path), **QUICK)
    found = run.evaluate()
    assert isinstance(found, SequenceClasses)
    assert found.whole
    shares = found.by_step()
    assert len(shares) == 8
    assert shares[-1] == pytest.approx(found.accuracy)
    assert shares[0] < shares[-1]
    (said,) = run.predict(np.zeros((8, 8), np.uint8))
    assert said.labels is not None
    assert said.labels[0] in found.class_names
    with pytest.raises(ArtefactError, match="was trained for the task sequence"):
        run.explain(np.zeros((8, 8), np.uint8))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model": "resnet18"}, "reads no series step by step"),
        ({"loss": "mse"}, "here classes are asked, and the loss 'mse' is made for numbers"),
        ({"augment": ("flip",)}, "the data are no pictures"),
        ({"images": "pics"}, "--images has no meaning for a table of series"),
        ({"label_smoothing": 0.1}, "has no use for label_smoothing"),
        ({"columns": {"tme": "time"}}, "a column of such a table is one of"),
    ],
)
def test_settings_without_use_are_refused(
    settings: dict[str, Any], words: str, waves_table: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        hubel.train(waves_table, task="sequence", epochs=1, out=str(tmp_path), **settings, **QUICK)


def test_pictures_without_classes_are_no_sequence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the task sequence needs rows in time"):
        hubel.train("iris", task="sequence", out=str(tmp_path), **QUICK)
