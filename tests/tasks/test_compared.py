"""Two runs of each task that names no class, held against each other from what their folders keep."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tasks.conftest import QUICK

import hubel
from hubel.cli import main
from hubel.evaluation import Drawn, Paired
from hubel.evaluation.fields import PictureField
from hubel.evaluation.metric_learning import MetricLearning
from hubel.evaluation.pairs import Whole
from hubel.evaluation.reconstruction import Reconstruction
from hubel.evaluation.sequences import SequenceClasses, SequenceNumbers
from hubel.metrics.intervals import mcnemar, redrawn
from hubel.verbs.compare import page, weigh


def briefly(run: hubel.Run, place: Path, **other: Any) -> hubel.Run:
    """The same training, which ends after an epoch."""
    recipe = run.recipe
    same = {
        "task": recipe["train"]["task"], "model": recipe["model"]["model"], "limit": recipe["data"]["limit"],
        "model_options": recipe["model"]["model_options"], "batch_size": recipe["train"]["batch_size"],
        "val_fraction": recipe["data"]["val_fraction"], "test_fraction": recipe["data"]["test_fraction"],
    }  # fmt: skip
    return hubel.train(
        recipe["data"]["data"], out=str(place), epochs=1, **({"name": "brief"} | same | other), **QUICK
    )  # fmt: skip


def drawn(good: np.ndarray, of: np.ndarray) -> np.ndarray:
    """D: a mean where samples are drawn again, each of a weight of its own."""
    weights = np.concatenate(list(redrawn(len(good))))
    return (weights @ good) / (weights @ of)


def test_pictures_given_back_are_compared_by_decibels_over_the_same_pictures_drawn_again(
    reconstruct_run: hubel.Run, tmp_path: Path
) -> None:
    brief, large = briefly(reconstruct_run, tmp_path), briefly(reconstruct_run, tmp_path, img_size=12, name="large")
    ours, theirs = reconstruct_run.evaluate(), brief.evaluate()
    assert isinstance(ours, Reconstruction)
    assert isinstance(theirs, Reconstruction)
    found = weigh([brief.folder, reconstruct_run.folder, large.folder])
    (test,) = found.tests
    assert isinstance(test, Drawn)
    assert (test.first, test.second, test.samples) == (reconstruct_run.name, brief.name, ours.samples)
    assert test.difference == pytest.approx(ours.psnr - theirs.psnr, abs=1e-4)
    ahead = drawn(ours.decibels - theirs.decibels, np.ones(ours.samples))
    assert test.interval == pytest.approx(np.quantile(ahead, [0.025, 0.975]), abs=1e-4)
    nought = next(each for each in test.classes if each.name == "0")
    assert nought.first == pytest.approx(ours.decibels[ours.labels == 0].mean(), abs=1e-4)
    assert f"{test.difference:+.2f} decibels of PSNR" in test.sentence
    # The same pictures at another size are other pictures, whose errors are not held against these.
    assert "gives back pictures of 12x12 pixels" in found.findings[-1]
    assert "no test is made" in found.findings[-1]
    assert max(map(len, str(found).splitlines())) <= 80
    assert f"{nought.first:.2f}" in page([brief.folder, reconstruct_run.folder])


def test_points_of_near_and_far_are_compared_by_whether_the_nearest_is_of_the_same_class(
    embed_run: hubel.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    brief = briefly(embed_run, tmp_path)
    ours, theirs = embed_run.evaluate(), brief.evaluate()
    assert isinstance(ours, MetricLearning)
    assert isinstance(theirs, MetricLearning)
    (test,) = weigh([brief.folder, embed_run.folder]).tests
    assert isinstance(test, Paired)
    wins, losses = int((ours.hit > theirs.hit).sum()), int((ours.hit < theirs.hit).sum())
    assert {test.wins, test.losses} == {wins, losses}
    assert test.p_value == pytest.approx(mcnemar(wins, losses))
    assert abs(test.difference) == pytest.approx(abs(ours.recall[1] - theirs.recall[1]))
    # A sample without another of its class asks nothing, and is none on which both agree.
    table = (brief.folder / "predictions.csv").read_text().splitlines()
    other = (embed_run.folder / "predictions.csv").read_text().splitlines()
    alone = [tmp_path / name for name in ("alone-1", "alone-2")]
    for folder, lines in zip(alone, (table, other), strict=True):
        folder.mkdir()
        for name in ("config.yaml", "evaluation.json"):
            (folder / name).write_bytes((brief.folder / name).read_bytes())
        asks = [line[: line.rfind(",") + 1] if row % 2 else line for row, line in enumerate(lines[1:])]
        (folder / "predictions.csv").write_text("\n".join([lines[0], *asks]))
    (test,) = weigh(alone).tests
    assert test.samples == len(ours.hit[::2])
    with pytest.raises(SystemExit) as end:
        main(["compare", str(brief.folder), str(embed_run.folder), "--out", str(tmp_path / "beside.html")])
    assert not end.value.code
    assert "By recall@1, " in capsys.readouterr().out
    text = (tmp_path / "beside.html").read_text()
    assert "Validation recall@1" in text
    assert "Test recall@1, with 95 % intervals" in text


def test_two_functions_of_one_picture_are_told_apart_pixel_by_pixel_without_an_interval(
    field_run: hubel.Run, photo: Path, tmp_path: Path
) -> None:
    brief, small = briefly(field_run, tmp_path), briefly(field_run, tmp_path, img_size=12, name="small")
    ours, theirs = field_run.evaluate(), brief.evaluate()
    assert isinstance(ours, PictureField)
    assert isinstance(theirs, PictureField)
    found = weigh([small.folder, field_run.folder, brief.folder])
    (test,) = (test for test in found.tests if test.second == brief.name)
    assert isinstance(test, Whole)
    assert math.isnan(test.p_value), "all pixels are there: nothing was drawn"
    assert test.difference == pytest.approx(ours.psnr - theirs.psnr)
    assert test.nearer == pytest.approx((ours.errors < theirs.errors).mean(), abs=0.01)
    assert any(words.startswith("All pixels of the picture are there") for words in found.findings)
    assert any(words.startswith(f"{small.name} learnt another picture than") for words in found.findings)
    assert "* p < 0.05" not in str(found)
    assert "p &lt; 0.05" not in page([field_run.folder, brief.folder])


def brief_and_long(table: Path, place: Path, test_fraction: float) -> list[hubel.Run]:
    """Two nets for the series of a table, after one epoch and after eight."""
    return [
        hubel.train(table, task="sequence", model="gru", out=str(place), epochs=epochs, lr=0.03, name="series",
                    model_options={"units": 8}, val_fraction=0.2, test_fraction=test_fraction, **QUICK)
        for epochs in (1, 8)
    ]  # fmt: skip


def test_classes_at_the_end_of_series_are_counted_and_those_of_steps_drawn_again_by_series(
    waves_run: hubel.Run, waves_table: Path, tmp_path: Path
) -> None:
    brief = briefly(waves_run, tmp_path)
    (test,) = weigh([waves_run.folder, brief.folder]).tests
    assert isinstance(test, Paired)
    assert abs(test.difference) == pytest.approx(abs(waves_run.evaluate().accuracy - brief.evaluate().accuracy))
    lines = waves_table.read_text().splitlines()
    states = tmp_path / "states.csv"  # left or right, told after each step
    states.write_text("\n".join(["series,time,height,label", *(
        f"{name},{time},{height},{side}" for name, time, height, side, _ in (line.split(",") for line in lines[1:])
    )]))  # fmt: skip
    runs = brief_and_long(states, tmp_path, test_fraction=0.3)
    results = [run.evaluate() for run in runs]
    (test,) = weigh([run.folder for run in runs]).tests
    assert isinstance(test, Drawn)
    parts = []
    for result in results:
        assert isinstance(result, SequenceClasses)
        asked = result.truth >= 0
        parts.append(drawn(((result.said == result.truth) & asked).sum(1), asked.sum(1)))
    first = [run.name for run in runs].index(test.first)
    assert test.interval == pytest.approx(np.quantile(parts[first] - parts[1 - first], [0.025, 0.975]))
    assert f"{test.samples} series drawn again" in test.sentence


def test_numbers_of_series_are_compared_by_what_is_gone_of_the_simple_rules_error(
    waves_table: Path, tmp_path: Path
) -> None:
    lines = [",".join(line.split(",")[:3]) for line in waves_table.read_text().splitlines()]
    bare = tmp_path / "bare.csv"
    bare.write_text("\n".join(lines))
    runs = brief_and_long(bare, tmp_path, test_fraction=0.2)
    results = [run.evaluate() for run in runs]
    (test,) = weigh([run.folder for run in runs]).tests
    assert isinstance(test, Drawn)
    first = [run.name for run in runs].index(test.first)
    for result in results:
        assert isinstance(result, SequenceNumbers)
    assert test.difference == pytest.approx(results[first].skill - results[1 - first].skill, abs=1e-4)
    low, high = test.interval
    assert low < test.difference < high
    assert "points of squared error less" in test.sentence
