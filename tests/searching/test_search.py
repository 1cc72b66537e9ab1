"""A search on real digits: within its budget, going on where it was killed, the test split for the winner."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hubel
from hubel.assembly.follow import Stopped
from hubel.checkpoint import ModelSpec
from hubel.cli import main
from hubel.recipes.continuing import asked
from hubel.recipes.schema import compose, read_file
from hubel.records.removal import remove
from hubel.records.searches import find_search, searches
from hubel.searching.axes import Axis, Space
from hubel.searching.found import read_search
from hubel.searching.importance import importances
from hubel.searching.journal import Journal, Point, Trial
from hubel.searching.limits import Cost, Limits, count
from hubel.searching.running import Running
from hubel.searching.standing import front, weigh
from hubel.store import RunStore
from hubel.training.resume import Signals

SETTINGS: dict[str, Any] = {"model": "mlp", "limit": 200, "device": "cpu", "threads": 1, "trial_epochs": 3}
SPACE = {"lr": "1e-3..1e-1:log", "mlp.hidden": [[16], [64]]}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> hubel.Search:
    return hubel.search("digits", epochs=24, space=SPACE, out=tmp_path_factory.mktemp("search"), **SETTINGS)


def test_the_budget_holds_and_the_defaults_come_first(found: hubel.Search) -> None:
    assert found.epochs <= 24
    assert found.trials[0].values == {}
    assert found.trials[0].epochs == 3
    done = sum(len(hubel.Run(found.folder / trial.folder).history["epoch"]) for trial in found.trials)
    assert done == found.epochs, "what is counted is what the runs say they did"


def test_only_the_winner_has_seen_the_test_split(found: hubel.Search) -> None:
    tested = [trial.folder for trial in found.trials if "test" in hubel.Run(found.folder / trial.folder).summary]
    assert tested == [found.winner]
    assert "test samples" in found.test


def test_a_search_stands_for_its_winner_wherever_a_run_is_asked_for(found: hubel.Search) -> None:
    assert hubel.Run(found.folder).folder == found.best
    assert len(hubel.predict(found.folder, np.zeros((8, 8), np.uint8))) == 1
    row = searches(found.folder.parent)[0]
    assert (row.status, row.winner, row.data) == ("finished", found.winner, "digits")
    assert find_search(found.folder) == found.folder
    with pytest.raises(hubel.ArtefactError, match="no search"):
        find_search(found.folder.parent / "digits-7")


def test_the_page_and_the_text_say_what_was_found(found: hubel.Search) -> None:
    page = found.report.read_text()
    for said in ("Finalists", "All trials", "hubel train digits", found.sentence[:30]):
        assert said in page
    assert "<script>alert" not in page
    assert "defaults" in " ".join(found.noise) + found.sentence
    assert json.loads(json.dumps(found.to_dict()))["winner"] == found.winner
    assert read_search(found.folder).facts() == found.facts()


def test_the_command_trains_the_winner_anew(found: hubel.Search) -> None:
    recipe = asked(compose(read_file(found.best / "config.yaml")))
    words = found.command.split()
    assert words[:3] == ["hubel", "train", "digits"]
    for name in ("lr", "epochs", "limit"):
        flag = f"--{name}"
        if flag in words:
            assert float(words[words.index(flag) + 1]) == pytest.approx(recipe[name])


def test_a_search_cut_anywhere_goes_on_to_the_same_trials(found: hubel.Search, tmp_path: Path) -> None:
    folder = tmp_path / "digits-1"
    shutil.copytree(found.folder, folder)
    (folder / "found.json").unlink()
    lines = (folder / "journal.jsonl").read_text().splitlines(keepends=True)
    kept = lines[: len(lines) // 2]
    (folder / "journal.jsonl").write_text("".join(kept))
    known = {json.loads(line)["folder"] for line in kept if '"trial"' in line and '"folder"' in line}
    for path in folder.glob("trial-*"):
        if path.name not in known:
            shutil.rmtree(path)
    again = hubel.search(resume=folder)
    assert [(t.values, t.seed, t.epochs) for t in again.trials] == [(t.values, t.seed, t.epochs) for t in found.trials]
    assert [t.score for t in again.trials] == pytest.approx([t.score for t in found.trials])
    assert again.winner == found.winner


def test_a_trial_killed_between_two_rungs_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = hubel.search("digits", trials=1, out=tmp_path, seed=3, **SETTINGS)
    folder = tmp_path / "killed"
    shutil.copytree(whole.folder, folder)
    first = (folder / "journal.jsonl").read_text().splitlines(keepends=True)[0]
    (folder / "journal.jsonl").write_text(first)  # begun, and nothing said of it since
    shutil.rmtree(folder / "trial-1" / "state")
    for name in ("summary.json", "report.html"):
        (folder / "trial-1" / name).unlink()
    again = hubel.search(resume=folder)
    assert again.trials[0].score == whole.trials[0].score
    assert hubel.Run(again.best).history["val_loss"] == hubel.Run(whole.best).history["val_loss"]


def test_limits_are_counted_before_a_trial_begins(tmp_path: Path) -> None:
    spec = ModelSpec(architecture="mlp", num_classes=10, in_chans=1, img_size=(8, 8), options={"hidden": [16]})
    most = count(spec).params
    space = {"mlp.hidden": [[16], [64], [128]], "lr": [0.01, 0.02]}
    done = hubel.search("digits", trials=2, space=space, max_params=most, out=tmp_path, **SETTINGS)
    assert {trial.params for trial in done.trials} == {most}
    assert done.refused["limit"] >= 1, "the defaults among them"
    assert done.winner
    with pytest.raises(hubel.UsageError, match=f"smallest is mlp.hidden=.16. with {most:,} parameters") as caught:
        hubel.search("digits", trials=2, space=space, max_params=most - 1, out=tmp_path / "none", **SETTINGS)
    assert f"allow it: --max-params {most};" in caught.value.hint, "what would be enough"
    assert not (tmp_path / "none").exists()


def test_what_contradicts_itself_is_never_tried_and_counted(tmp_path: Path) -> None:
    space = {"mixup": [0.0, 0.5], "cutmix": [0.0, 0.5], "model": ["quicknet"]}
    options = {**SETTINGS, "model": None, "trial_epochs": 1, "limit": 60}
    done = hubel.search("digits", trials=9, space=space, out=tmp_path, **options)
    assert done.refused["contradiction"] == 1
    assert all(not (t.values.get("mixup") and t.values.get("cutmix")) for t in done.trials)
    assert len([t for t in done.trials if not t.again]) == 4, "the defaults, and three that do not contradict"


def test_a_trial_that_diverges_is_written_down_and_the_search_goes_on(tmp_path: Path) -> None:
    space = {"lr": [1e6], "optimizer": ["sgd"]}
    done = hubel.search("digits", trials=2, space=space, out=tmp_path, **SETTINGS)
    lost = [trial for trial in done.trials if trial.status == "failed"]
    assert len(lost) == 1
    assert "not finite" in lost[0].reason or "nan" in lost[0].reason.lower()
    assert done.finalists[0].trial == 1


def test_who_stops_a_search_is_told_how_to_go_on_with_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(self: Running, **_: Any) -> None:
        raise Stopped(self.store.folder, Signals())

    with monkeypatch.context() as patch:
        patch.setattr(Running, "train", stopped)
        with pytest.raises(Stopped) as caught:
            hubel.search("digits", trials=1, out=tmp_path, **SETTINGS)
    assert caught.value.hint == f"go on: hubel search --resume {tmp_path / 'digits-1'}"
    assert hubel.search(resume=tmp_path / "digits-1").winner


def test_a_search_that_goes_on_refuses_what_would_have_no_effect(found: hubel.Search) -> None:
    for given in (
        {"max_params": 10},
        {"engine": "tpe"},
        {"trial_epochs": 9},
        {"seed": 1},
        {"cells": True},
        {"lr": 0.1},
    ):
        with pytest.raises(hubel.UsageError, match=f"and {next(iter(given))} is given anew") as caught:
            hubel.search(resume=found.folder, **given)
        assert "--time, --trials, --epochs" in caught.value.hint


def test_a_search_taken_up_counts_the_time_of_its_telling(found: hubel.Search) -> None:
    assert Journal(RunStore(found.folder)).spent == pytest.approx(found.seconds, abs=1.0)


def test_set_says_what_has_a_flag_of_its_own_or_which_flag(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def listens(*_: Any, **given: Any) -> None:
        asked.update(given)
        raise hubel.UsageError("heard")

    monkeypatch.setattr("hubel.verbs.search.search", listens)
    with pytest.raises(SystemExit):
        main(
            ["search", "digits", "--set", "seed=3", "--set", "name=abc", "--set", f"out={tmp_path}", "--set", "time=5m"]
        )
    assert (asked["seed"], asked["name"], asked["out"], asked["time"]) == (3, "abc", str(tmp_path), "5m")
    with pytest.raises(SystemExit) as stop:
        main(["search", "digits", "--set", "epochs=3"])
    assert stop.value.code == 2
    assert "--trial-epochs N" in capsys.readouterr().err


def test_columns_of_a_table_are_said_to_a_search_as_to_a_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{number % 7},{number % 5},{'ab'[number % 2]}" for number in range(80)]
    (tmp_path / "t.csv").write_text("one,two,grade\n" + "\n".join(rows))
    with pytest.raises(SystemExit) as stop:
        main(["search", str(tmp_path / "t.csv"), "--column", "label=grade", "--trials", "1", "--trial-epochs", "1",
              "--device", "cpu", "--threads", "1", "--out", str(tmp_path / "search"), "--quiet"])  # fmt: skip
    assert not stop.value.code
    assert "--column label=grade" in capsys.readouterr().out.replace("\n        ", " "), "the command says it, too"


def test_a_cluster_that_is_not_there_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(hubel.HubelError, match=r"hubel.cluster|no cluster answers"):
        hubel.search("digits", trials=1, on="ray://127.0.0.1:1", out=tmp_path / "search", **SETTINGS)
    assert not (tmp_path / "search").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"time": 0.5}, "epoch takes about"),
        ({"time": "soon"}, "duration"),
        ({"trials": 0}, "above 0"),
        ({"trials": 2, "engine": "bayes"}, "unknown engine"),
        ({"trials": 2, "max_params": -3}, "above 0"),
        ({"trials": 2, "space": {"lr": [0.1]}, "lr": 0.2}, "fixed"),
        ({"trials": 2, "val_fraction": 0.0}, "validation"),
        ({"trials": 2, "space": {"mlp.hiden": [3]}}, "hiden can be used"),
    ],
)
def test_what_cannot_be_searched_is_refused_and_leaves_nothing(
    settings: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(hubel.UsageError, match=said):
        hubel.search("digits", out=tmp_path / "search", **{**SETTINGS, **settings})
    assert not (tmp_path / "search").exists()


def test_a_start_from_a_trained_net_is_searched_around_and_survives_a_kill_before_anything_was_saved(
    digits_run: Path, picture_folder: Path, tmp_path: Path
) -> None:
    options = {"from_": str(digits_run), "device": "cpu", "threads": 1, "trial_epochs": 1, "verbose": False}
    done = hubel.search(picture_folder, trials=2, space={"label_smoothing": [0.0, 0.1]}, out=tmp_path, **options)
    assert [trial.status for trial in done.trials][:2] == ["finished", "finished"]
    assert (done.folder / "trial-1" / "transfer.json").is_file()
    folder = tmp_path / "killed"
    shutil.copytree(done.folder, folder)
    first = (folder / "journal.jsonl").read_text().splitlines(keepends=True)[0]
    (folder / "journal.jsonl").write_text(first)
    shutil.rmtree(folder / "trial-1" / "state")
    (folder / "trial-1" / "summary.json").unlink()
    again = hubel.search(resume=folder)
    assert again.trials[0].score == done.trials[0].score


@pytest.mark.parametrize("engine", ["tpe", "gp"])
def test_an_engine_learns_where_the_good_ones_are(engine: str) -> None:
    pytest.importorskip("optuna")
    from hubel.searching.engines import engine_of

    space = Space(axes=(Axis(name="lr", low=1e-4, high=1.0, log=True), Axis(name="fit", choices=("pad", "crop"))))
    trials: list[Trial] = []
    asker = engine_of(engine, space, 0, "mlp") if engine != "gp" or _has_gp() else None
    if asker is None:
        pytest.skip("the Gaussian process needs more than is installed")
    for number in range(1, 26):
        values = asker.propose(trials, number, 0).values
        score = 1 - abs(np.log10(values["lr"]) + 2) / 4 - (0.2 if values["fit"] == "pad" else 0)
        trials.append(_trial(number, values, float(score)))
    late = trials[-8:]
    assert np.mean([trial.score for trial in late]) > np.mean([trial.score for trial in trials[:8]]) + 0.1
    assert asker.propose(trials, 26, 0) == asker.propose(trials, 26, 0)


def _has_gp() -> bool:
    from hubel.errors import MissingExtra
    from hubel.searching.engines import Modelled

    try:
        Modelled("gp", Space(axes=(Axis(name="lr", low=0.1, high=1.0),)), 0, "")._sampler(1, 0)
    except MissingExtra:
        return False
    return True


def _trial(number: int, values: dict[str, Any], score: float) -> Trial:
    return Trial(
        number=number, values=values, origin="", cost=Cost(params=1, macs=1, megabytes=1.0), folder="",
        status="waiting", points=[Point(1, score, 1.0)],
    )  # fmt: skip


def test_importance_finds_the_setting_that_matters_and_knows_luck() -> None:
    random = np.random.default_rng(0)
    space = Space(axes=(Axis(name="lr", low=1e-3, high=1.0, log=True), Axis(name="fit", choices=("pad", "crop"))))
    trials = []
    for number in range(60):
        lr, fit = float(10 ** random.uniform(-3, 0)), str(random.choice(["pad", "crop"]))
        trials.append(_trial(number, {"lr": lr, "fit": fit}, -abs(np.log10(lr) + 1) + random.normal(0, 0.1)))
    first, second = importances(space, trials, 1)
    assert (first.setting, first.is_sure) == ("lr", True)
    assert first.share > 0.6
    assert second.share < 0.1
    assert importances(space, trials[:5], 1) == ()
    sure = 0
    for _ in range(12):  # where nothing matters, one in twenty seems to
        dealt = [_trial(n, {"fit": str(random.choice(["pad", "crop"]))}, random.normal()) for n in range(20)]
        sure += importances(Space(axes=space.axes[1:]), dealt, 1)[0].is_sure
    assert sure <= 3


def test_a_score_of_all_pictures_together_is_compared_by_seeds(tmp_path: Path) -> None:
    space = {"lr": [1e-5]}
    settings = {"limit": 60, "device": "cpu", "threads": 1, "trial_epochs": 1, "augment": "none", "batch_size": 60}
    done = hubel.search("digits", task="embed", trials=2, space=space, out=tmp_path, **settings)
    assert done.score == "recall"
    first, second = done.finalists
    assert done.beside[0].difference == pytest.approx(first.mean - second.mean)
    assert not done.beside[0].by_sample
    assert "% recall@1 on" in done.sentence
    assert "points of recall@1" in " ".join(done.noise)
    with pytest.raises(hubel.ArtefactError, match="of the task embed"):
        hubel.ensemble(done.folder)


def test_losses_are_compared_sample_by_sample_and_in_their_own_unit(tmp_path: Path) -> None:
    settings = {"limit": 60, "device": "cpu", "threads": 1, "trial_epochs": 1, "augment": "none"}
    done = hubel.search("digits", task="reconstruct", trials=2, space={"lr": [1e-5]}, out=tmp_path, **settings)
    first, second = done.finalists
    assert done.beside[0].difference == pytest.approx(first.mean - second.mean, rel=1e-3)
    assert "a loss smaller by" in " ".join(done.noise)
    assert "points" not in " ".join(done.noise)


def test_what_is_resumed_when_it_has_ended_has_nothing_left_to_do(tmp_path: Path) -> None:
    done = hubel.search("digits", trials=2, space={"lr": [1e-4]}, out=tmp_path, **SETTINGS)
    assert len(done.trials) == 4, "two, and both again"
    assert len(hubel.search(resume=done.folder).trials) == 4


def test_a_difference_counts_pictures_and_seeds() -> None:
    random = np.random.default_rng(1)
    inside = 0
    for _ in range(200):  # two equally good finalists; of three seeds a deviation is roughly known
        one, two = ((random.random((3, 400)) < 0.9 + random.normal(0, 0.03, (3, 1))).astype(float) for _ in range(2))
        inside += weigh(2, one, two).is_noise
    assert inside >= 165
    assert not weigh(2, np.ones((2, 100)), np.zeros((2, 100))).is_noise


def test_the_front_is_what_none_beats_in_both() -> None:
    random = np.random.default_rng(2)
    costs, scores = random.random(40), random.random(40)
    found = set(front(list(costs), list(scores)))
    for place in range(40):
        beaten = any(costs[o] <= costs[place] and scores[o] > scores[place] for o in range(40))
        assert (place in found) == (not beaten)


def test_a_limit_says_which_and_by_how_much() -> None:
    cost = Cost(params=2_000, macs=10**6, megabytes=3.0, milliseconds=4.0)
    assert Limits(params=2_000, macs=10**6).broken(cost) == ""
    assert "1M MACs, and 500k are allowed" in Limits(macs=500_000).broken(cost)
    assert "4 ms a picture" in Limits(milliseconds=2).broken(cost)
    assert Limits(megabytes=1).excess(cost) == 3.0


def test_who_throws_a_search_away_throws_all_of_it_away_and_nothing_else(
    found: hubel.Search, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "digits-1"
    shutil.copytree(found.folder, folder)
    (folder / "trial-2" / "thesis.tex").touch()
    with pytest.raises(hubel.ArtefactError, match=r"holds what is not of the run: thesis\.tex"):
        remove(folder)
    assert (folder / found.winner / "weights").is_dir()
    (folder / "trial-2" / "thesis.tex").unlink()
    assert remove(folder) == folder
    assert not folder.exists()
    with pytest.raises(SystemExit) as ended:
        main(["runs", "--out", str(found.folder.parent), "--json"])
    assert ended.value.code == 0
    assert [row["search"] for row in json.loads(capsys.readouterr().out)] == [str(found.folder)]
