"""Folds and seeds: several runs in one folder, resumed wherever they were killed, with an honest interval."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import stats

import hubel
from hubel.cli import main
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.evaluation.spread import Difference
from hubel.events import EpochDone
from hubel.metrics.intervals import resampled_interval
from hubel.verbs.compare import weigh_series
from hubel.verbs.series import Series
from hubel.watching import Watcher

QUICK: dict[str, Any] = {"limit": 60, "epochs": 1, "model": "softmax_regression", "threads": 1}


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> Series:
    made = hubel.train("digits", folds=3, out=str(tmp_path_factory.mktemp("runs")), **QUICK)
    assert isinstance(made, Series)
    return made


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Series:
    made = hubel.train("digits", seeds=2, seed=5, out=str(tmp_path_factory.mktemp("runs")), **QUICK)
    assert isinstance(made, Series)
    return made


def weights(folder: Path) -> bytes:
    return (folder / "weights" / "best.safetensors").read_bytes()


def test_folds_test_every_picture_once_and_say_mean_deviation_and_interval(folds: Series) -> None:
    assert [run.recipe["data"]["fold"] for run in folds.runs] == ["1/3", "2/3", "3/3"]
    spread = folds.spread
    assert len(spread.values) == 3
    assert spread.mean == pytest.approx(np.mean(spread.values))
    assert spread.interval[0] < spread.mean < spread.interval[1]
    document = json.loads((folds.folder / "evaluation.json").read_text())
    assert document["samples"] == 1797
    assert "Over 3 folds" in str(folds)
    assert folds.to_dict()["status"] == "finished"
    page = folds.report.read_text()
    assert 'href="fold-2/report.html"' in page
    assert "Nadeau" in page


def test_the_corrected_interval_is_the_paper_s(folds: Series) -> None:
    values = np.array(folds.spread.values)
    tested, learnt = 599, 60
    half = stats.t.ppf(0.975, 2) * np.sqrt((1 / 3 + tested / learnt) * values.var(ddof=1))
    low, high = resampled_interval(values, tested / learnt)
    assert (high - low) / 2 == pytest.approx(half)
    assert folds.spread.interval == pytest.approx((low, high))


def test_the_plain_interval_covers_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    inside = [low < 0.9 < high for low, high in (resampled_interval(random.normal(0.9, 0.02, 5)) for _ in range(2000))]
    assert 0.935 < np.mean(inside) < 0.965


def test_seeds_differ_in_chance_alone_and_answer_together(seeds: Series, one_digit: Path) -> None:
    assert [run.recipe["train"]["seed"] for run in seeds.runs] == [5, 6]
    splits = [json.loads((run.folder / "split.json").read_text())["digest"] for run in seeds.runs]
    assert splits[0] == splits[1]
    assert weights(seeds.runs[0].folder) != weights(seeds.runs[1].folder)
    assert "All 2 together" in seeds.record.summary["together"]
    together = seeds.predict(str(one_digit))[0]
    single = [run.predict(str(one_digit))[0].probabilities for run in seeds.runs]
    assert together.probabilities["3"] == pytest.approx(np.mean([each["3"] for each in single]))
    assert hubel.predict(seeds.folder, str(one_digit))[0].probabilities == together.probabilities


@pytest.fixture(scope="session")
def one_digit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "3.png"
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 3).save(path)
    return path


class Dies(Watcher):
    """Breaks off like a power cut, after so many epochs of all runs."""

    def __init__(self, after: int) -> None:
        self.left = after

    def event(self, event: object) -> None:
        self.left -= isinstance(event, EpochDone)
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_a_series_that_was_killed_goes_on_to_the_same_bits(after: int, seeds: Series, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        hubel.train("digits", seeds=2, seed=5, out=str(tmp_path), watch=Dies(after), **QUICK)
    assert [row["status"] for row in hubel.runs(tmp_path)] == ["unfinished"]
    (folder,) = tmp_path.iterdir()
    again = hubel.train(resume=folder)
    assert isinstance(again, Series)
    assert again.record.finished
    assert [run.name for run in again.runs] == ["run-1", "run-2"]
    assert [weights(run.folder) for run in again.runs] == [weights(run.folder) for run in seeds.runs]


@pytest.mark.slow
def test_a_series_that_was_killed_inside_a_member_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    settings = QUICK | {"epochs": 3, "limit": 40}
    whole = hubel.train("digits", seeds=2, out=str(tmp_path / "a"), **settings)
    with pytest.raises(KeyboardInterrupt):
        hubel.train("digits", seeds=2, out=str(tmp_path / "b"), watch=Dies(5), **settings)
    again = hubel.train(resume=tmp_path / "b" / "digits-seeds-1")
    assert isinstance(whole, Series)
    assert isinstance(again, Series)
    assert [weights(run.folder) for run in again.runs] == [weights(run.folder) for run in whole.runs]


@pytest.mark.slow
def test_resume_auto_takes_the_unfinished_series_of_the_same_recipe_and_else_begins_one(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        hubel.train("digits", seeds=2, out=str(tmp_path), watch=Dies(1), **QUICK)
    other = hubel.train("digits", seeds=2, resume="auto", out=str(tmp_path), **QUICK | {"limit": 30})
    same = hubel.train("digits", seeds=2, resume="auto", out=str(tmp_path), **QUICK)
    assert isinstance(other, Series)
    assert isinstance(same, Series)
    assert (other.folder.name, same.folder.name) == ("digits-seeds-2", "digits-seeds-1")


@pytest.mark.parametrize("left", ["weights/best.safetensors.next", "thesis.docx"])
def test_a_member_that_was_begun_and_never_saved_is_begun_again(left: str, folds: Series, tmp_path: Path) -> None:
    copy = tmp_path / "digits-folds-1"
    shutil.copytree(folds.folder, copy)
    (copy / "summary.json").unlink()
    for name in ("state", "weights"):
        shutil.rmtree(copy / "fold-3" / name)
    (copy / "fold-3" / "summary.json").unlink()
    (copy / "fold-3" / left).parent.mkdir(exist_ok=True)
    (copy / "fold-3" / left).write_bytes(b"half of it")
    again = hubel.train(resume=copy)
    assert isinstance(again, Series)
    assert again.spread == folds.spread
    # What somebody else put there stays, and does not stand in the way of the run that was begun in its place.
    assert again.runs[2].folder.name == ("fold-4" if left == "thesis.docx" else "fold-3")
    assert (copy / "fold-3" / left).exists() == (left == "thesis.docx")


def test_a_series_is_listed_named_and_removed_as_one(folds: Series, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = list(hubel.runs(folds.folder.parent))
    assert (row["run"], row["model"], row["status"]) == (folds.folder.name, "3 folds", "finished")
    assert len(hubel.runs(folds.folder)) == 3
    with pytest.raises(ArtefactError) as error:
        hubel.Run(folds.folder)
    assert "series of 3 runs" in error.value.what


def test_runs_of_a_series_are_compared_and_where_one_net_is_needed_one_is_named(
    seeds: Series, folds: Series, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["compare", str(seeds.folder)])
    assert not end.value.code
    told = capsys.readouterr().out
    assert all(run.folder.name in told for run in seeds.runs)
    assert "McNemar" in told or "p = " in told
    with pytest.raises(SystemExit) as end:
        main(["compare", str(seeds.folder), str(folds.folder)])
    assert end.value.code == 2
    for ask, series, member in (
        (hubel.clean, seeds, "run-1"), (hubel.doctor, folds, "fold-1"), (hubel.evaluate, folds, "fold-1"),
    ):  # fmt: skip
        with pytest.raises(ArtefactError) as error:
            ask(str(series.folder))
        assert f"series of {len(series.runs)} runs" in error.value.what
        assert error.value.hint.startswith(f"name one of them: {series.folder / member}")


def test_two_series_are_compared_member_by_member(
    folds: Series, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Series(shutil.copytree(folds.folder, tmp_path / "better-folds-1"))
    for run, more in zip(other.runs, (0.05, 0.01, 0.03), strict=True):
        summary = run.summary
        summary["test"]["accuracy"] += more
        (run.folder / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(SystemExit) as end:
        main(["compare", str(folds.folder), str(other.folder), "--json"])
    assert not end.value.code
    told = json.loads(capsys.readouterr().out)["comparison"]
    apart = [0.05, 0.01, 0.03]
    assert told["differences"] == pytest.approx(apart)
    assert told["first"] == "better-folds-1"
    counts = [json.loads((run.folder / "data.json").read_text())["samples"] for run in folds.runs]
    ratio = np.mean([count["test"] / count["train"] for count in counts])
    half = stats.t.ppf(0.975, 2) * np.sqrt((1 / 3 + ratio) * np.var(apart, ddof=1))
    assert told["interval"][1] - told["mean"] == pytest.approx(half)


def test_removal_of_a_series_takes_all_of_it_and_nothing_else(folds: Series, tmp_path: Path) -> None:
    copy = tmp_path / "digits-folds-1"
    shutil.copytree(folds.folder, copy)
    (copy / "fold-1" / "thesis.docx").write_text("mine")
    with pytest.raises(SystemExit):
        main(["runs", "rm", str(copy), "--yes"])
    assert (copy / "fold-2").is_dir()
    (copy / "fold-1" / "thesis.docx").unlink()
    with pytest.raises(SystemExit) as end:
        main(["runs", "rm", str(copy), "--yes"])
    assert end.value.code == 0
    assert not copy.exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"folds": 1}, "folds must be from 2 to 100"),
        ({"folds": 3, "seeds": 3}, "two kinds of series"),
        ({"folds": 3, "fold": "1/3"}, "one of a series"),
        ({"folds": 3, "test_fraction": 0.3}, r"fold \(1/3\) exclude each other"),
        ({"seeds": 2, "compare_start": True}, "compare_start"),
        ({"fold": "6/5"}, "must be one of at least two folds"),
        ({"fold": "1/2", "val_fraction": 0.6}, "leave nothing to train on"),
        ({"train_fraction": 0.5}, "exclude each other"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    settings: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        hubel.train("digits", out=str(tmp_path / "runs"), **QUICK, **settings)
    assert not (tmp_path / "runs").exists()


def test_more_folds_than_pictures_of_a_class_leave_no_folder(tmp_path: Path) -> None:
    for name, count in (("oak", 3), ("elm", 12)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(count):
            level = np.random.default_rng(number + 100 * count).integers(0, 255, (8, 8), dtype=np.uint8)
            Image.fromarray(level).save(tmp_path / "data" / name / f"{number}.png")
    with pytest.raises(DataError, match="'oak' has 3 pictures: too few for 5 folds"):
        hubel.train(str(tmp_path / "data"), folds=5, out=str(tmp_path / "runs"), epochs=1, threads=1)
    assert not (tmp_path / "runs").exists()


def test_a_finished_series_is_not_altered(folds: Series) -> None:
    with pytest.raises(UsageError, match="epochs cannot be changed"):
        hubel.train(resume=folds.folder, epochs=9)
    with pytest.raises(UsageError, match="its number of runs"):
        hubel.train(resume=folds.folder, folds=4)
    with pytest.raises(UsageError, match="is one run"):
        hubel.train(resume=folds.runs[0].folder, folds=4)
    with pytest.raises(ArtefactError, match="there is no run"):
        hubel.train(resume=folds.folder.parent / "none", folds=4)
    again = hubel.train(resume=folds.folder)
    assert isinstance(again, Series)
    assert again.folder == folds.folder


def test_a_series_is_shown_where_a_run_is_and_one_net_is_asked_for_by_name(
    folds: Series, seeds: Series, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def typed(*words: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    code, shown, _ = typed("runs", "show", folds.folder)
    assert code == 0
    assert "Over 3 folds" in " ".join(shown.split())
    assert str(folds.report) in "".join(shown.split())
    assert max(len(line) for line in shown.splitlines() if str(folds.folder) not in line) <= 80
    (told,) = json.loads(typed("runs", "show", seeds.folder, "--json")[1])
    assert told == json.loads(json.dumps(seeds.to_dict()))
    assert typed("runs", seeds.folder)[:2] == typed("compare", seeds.folder)[:2]
    code, _, said = typed("summary", folds.folder)
    assert (code, "hubel runs show, compare and predict take the whole" in " ".join(said.split())) == (4, True)
    curve = tmp_path / "part-curve-1"
    (curve / "part-1").mkdir(parents=True)
    (curve / "part-1" / "config.yaml").write_text("")
    (curve / "series.json").write_text('{"kind": "curve"}')
    code, _, said = typed("summary", curve)
    assert (code, f"hubel curve {curve}" in " ".join(said.split()), "predict" in said) == (4, True, False)


def scans(folder: Path, count: int = 12) -> Path:
    """Light squares on dark, with their masks: images/ and masks/."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for row in range(count):
        pixels, mask = np.full((16, 16), 20 + row, np.uint8), np.zeros((16, 16), np.uint8)
        place = slice(row % 7, row % 7 + 8)
        pixels[place, place], mask[place, place] = 200 + row, 1
        Image.fromarray(pixels).save(folder / "images" / f"{row}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{row}.png")
    return folder


UNET: dict[str, Any] = {"batch_size": 4, "threads": 1, "model_options": {"maps": 2, "levels": 2}}


def test_other_tasks_spread_over_the_number_that_counts_for_them(tmp_path: Path) -> None:
    data = scans(tmp_path / "scans")
    first = hubel.train(data, folds=2, epochs=1, out=str(tmp_path / "runs"), **UNET)
    second = hubel.train(data, folds=2, epochs=2, lr=0.2, out=str(tmp_path / "runs"), **UNET)
    assert isinstance(first, Series)
    assert isinstance(second, Series)
    spread = first.spread
    assert spread.metric == "mean_iou"
    assert spread.values == tuple(run.summary["test"]["mean_iou"] for run in first.runs)
    assert "its mean IoU on the samples it has not seen is" in str(first)
    listed = str(hubel.runs(tmp_path / "runs"))
    assert f"{spread.mean:.2%}".replace("%", " %") + " mean IoU" in listed
    assert "mean IoU" in str(hubel.runs(first.folder))
    tested = [path for run in first.runs for path in json.loads((run.folder / "split.json").read_text())["test"]]
    assert len(set(tested)) == len(tested) == 12, "each sample is tested once"
    page = first.report.read_text()
    assert "mean mean IoU" not in page
    assert "mean IoU" in page
    assert "All runs together" not in page
    beside, found = weigh_series([first.folder, second.folder])
    assert found.metric == "mean_iou"
    gains = np.subtract(second.spread.values, first.spread.values)
    assert abs(found.mean) == pytest.approx(abs(gains.mean()))
    assert "points of mean IoU" in found.sentence
    assert "fold 2/2" in str(beside)


def test_what_leaves_nothing_to_test_by_is_no_series_and_leaves_no_folder(tmp_path: Path) -> None:
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(tmp_path / "one.png")
    out = tmp_path / "runs"
    with pytest.raises(UsageError, match="the task field learns every sample"):
        hubel.train(tmp_path / "one.png", task="field", seeds=2, epochs=1, out=str(out), threads=1)
    rows = [f"{name},{step},{step % 3}" for name in ("a", "b") for step in range(9)]
    (tmp_path / "alike.csv").write_text("\n".join(["series,time,load", *rows]) + "\n")
    with pytest.raises(DataError, match="is left to test by: those that are alike"):
        hubel.train(tmp_path / "alike.csv", task="sequence", seeds=2, epochs=1, out=str(out), threads=1)
    assert not out.exists()


@pytest.mark.parametrize(
    ("metric", "better"),
    [("mean_iou", "high"), ("psnr", "high"), ("skill", "high"), ("rmse", "low"), ("recall", "high")],
)
def test_the_better_of_two_series_is_the_one_with_more_of_what_is_good(metric: str, better: str) -> None:
    pairs = {"seed 0": (0.4, 0.6), "seed 1": (0.3, 0.7)}
    found = Difference.of("seeds", metric, ("low", "high"), pairs)
    assert found.first == better
    assert found.mean == pytest.approx(0.3)
