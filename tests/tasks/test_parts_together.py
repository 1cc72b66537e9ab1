"""Several nets that answer about pixels, steps or whole pictures, asked together or joined into one run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import entropy

import hubel
from hubel.data.masks import numbers_of
from hubel.errors import ArtefactError, UsageError
from hubel.evaluation.pairs import drawn_difference
from hubel.evaluation.reconstruction import Reconstruction
from hubel.evaluation.segmentation import Segmentation
from hubel.evaluation.sequences import SequenceClasses
from hubel.models import create_model
from hubel.models.ensemble import Ensemble, build_ensemble
from hubel.searching.ensembles import select_numbers
from hubel.tasks.answers import Answers
from hubel.verbs.predict import save_answers
from hubel.verbs.streaming import stream

from .conftest import QUICK


@pytest.fixture(scope="module")
def segment_runs(scans_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[hubel.Run]:
    """Two nets that have learnt the discs and squares for a moment, and are not sure of them yet."""
    out = str(tmp_path_factory.mktemp("runs"))
    return [
        hubel.train(
            scans_folder, out=out, epochs=9, batch_size=6, lr=0.1, model_options={"maps": 4, "levels": 2},
            val_fraction=0.2, test_fraction=0.3, seed=seed, **QUICK,
        )
        for seed in (1, 2)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def joined(segment_runs: list[hubel.Run], tmp_path_factory: pytest.TempPathFactory) -> hubel.Ensembled:
    """Both as one run."""
    return hubel.ensemble(segment_runs, out=tmp_path_factory.mktemp("joined"), device="cpu")


@pytest.fixture(scope="module")
def mean_run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Ensembled:
    """Two autoencoders of digits as one."""
    out = tmp_path_factory.mktemp("runs")
    runs = [
        hubel.train("digits", task="reconstruct", out=str(out), epochs=5, limit=200, seed=seed, **QUICK)
        for seed in (1, 2)
    ]
    return hubel.ensemble(runs, out=out, device="cpu")


def answers(found: object) -> Answers:
    assert isinstance(found, Answers)
    return found


def shares(net: hubel.Classifier, file: Path) -> np.ndarray:
    """K H W: what a net makes of a picture, at its own size."""
    seen = net.preprocessing
    assert seen is not None
    inputs = seen.normalise(torch.tensor(seen.image(Image.open(file)))[None])
    with torch.inference_mode():
        return np.asarray(net.model.segment(inputs).softmax(1)[0])  # type: ignore[operator]


def test_a_pixel_has_the_mean_of_the_probabilities_with_classes_matched_by_name(
    segment_runs: list[hubel.Run], scans_folder: Path, tmp_path: Path
) -> None:
    first, second = (hubel.load(run.folder) for run in segment_runs)
    turned = dataclasses.replace(second, class_names=("1", "2", "0"))  # its outputs mean other classes then
    files = sorted((scans_folder / "images").glob("*.png"))[:4]
    found = answers(hubel.predict([first, turned], files))
    for file, answer in zip(files, found, strict=True):
        one, other = shares(first, file), shares(turned, file)[[2, 0, 1]]
        mask = (one + other).argmax(0)
        assert answer.picture is not None
        assert np.array_equal(answer.picture, mask)
        apart = one.argmax(0) != other.argmax(0)
        assert answer.disagreement == {"pixels": pytest.approx(apart.mean())}
        votes = (one.argmax(0) != mask).astype(int) + (other.argmax(0) != mask)
        assert np.array_equal(answer.beside["disagreement"], np.round(127.5 * votes).astype(np.uint8))
    assert any(answer.beside["disagreement"].any() for answer in found)
    names = {str(path.relative_to(tmp_path)) for path in save_answers(found, tmp_path)}
    assert names == {f"{folder}{file.name}" for file in files for folder in ("", "disagreement/", "overlays/")}
    assert set(numbers_of((tmp_path / files[0].name).read_bytes()).ravel().tolist()) <= {0, 1, 2}


def test_nets_of_different_sizes_and_kinds_are_asked_each_at_its_own_and_answer_at_the_largest(
    segment_runs: list[hubel.Run], scans_folder: Path
) -> None:
    first = hubel.load(segment_runs[0].folder)
    assert first.preprocessing is not None
    torch.manual_seed(0)
    other = dataclasses.replace(
        first, preprocessing=dataclasses.replace(first.preprocessing, height=24, width=24),
        model=create_model("mnist_gap", num_classes=3, in_chans=1, img_size=24).eval(),
    )  # fmt: skip
    file = scans_folder / "images" / "003.png"
    (answer,) = answers(hubel.predict([first, other], file))
    small = torch.from_numpy(shares(first, file))[None]
    mean = torch.nn.functional.interpolate(small, (24, 24), mode="bilinear")[0].numpy() + shares(other, file)
    assert answer.picture is not None
    assert np.array_equal(answer.picture, mean.argmax(0))
    wide = dataclasses.replace(other, preprocessing=dataclasses.replace(first.preprocessing, height=24, width=48))
    with pytest.raises(ArtefactError, match="see other parts of a picture"):
        hubel.predict([first, wide], file)
    renamed = dataclasses.replace(first, class_names=("0", "1", "8"))
    with pytest.raises(ArtefactError, match="net 2 of 2 nets has classes the model was not trained on: '8'"):
        hubel.predict([first, renamed], file)


def test_segmenters_become_one_run_that_stands_beside_each_of_them(
    joined: hubel.Ensembled, segment_runs: list[hubel.Run], scans_folder: Path
) -> None:
    run = hubel.Run(joined.folder)
    judged = run.evaluate()
    assert isinstance(judged, Segmentation)
    last = joined.together[-1]
    assert (last.numbers["mean_iou"], joined.measure) == (judged.mean_iou, "mean_iou")
    assert {each.name: (each.numbers["iou"], each.numbers["dice"]) for each in last.classes} == {
        name: (overlap, both) for name, _, overlap, both, _ in judged.by_class()
    }
    for member in joined.members:  # each as it answers alone, on the same test pictures
        alone = hubel.evaluate(member.run)
        assert isinstance(alone, Segmentation)
        assert np.array_equal(alone.ids, judged.ids)
        assert member.measured[-1].numbers["mean_iou"] == pytest.approx(alone.mean_iou)
    assert "mean IoU" in joined.sentence
    said = (joined.folder / "report.html").read_text()
    assert "Class by class, beside each alone" in said
    assert "where the nets differ" in said
    written = json.loads((joined.folder / "ensemble.json").read_text())
    assert written["together"][-1]["per_class"].keys() == {"0", "1", "2"}
    assert all(member["alone"][-1]["per_class"] for member in written["members"])
    assert "hubel serve" not in said  # which takes no such run


def test_a_joined_run_gives_the_masks_of_its_members_and_says_how_often_it_is_wrong_where_they_differ(
    joined: hubel.Ensembled, scans_folder: Path
) -> None:
    net = hubel.load(joined.folder)
    options, members = net.spec.options, [hubel.load(member.run) for member in joined.members]
    files = sorted((scans_folder / "images").glob("*.png"))
    masks = {file.stem: numbers_of((scans_folder / "masks" / file.name).read_bytes()) for file in files}
    counts = np.zeros((2, 2))
    judged = hubel.evaluate(joined.folder)
    assert isinstance(judged, Segmentation)
    tested = {Path(path).stem for path in judged.paths}
    for file, answer in zip(files, answers(hubel.predict(net, files)), strict=True):
        logs = [
            np.log(p ** (1 / heat) / (p ** (1 / heat)).sum(0))
            for member, heat in zip(members, options["temperatures"], strict=True)
            for p in [shares(member, file).astype(np.float64)]
        ]
        parts = logs if options["space"] == "logit" else np.exp(logs)
        assert answer.picture is not None
        assert (answer.picture == np.average(parts, axis=0, weights=options["weights"]).argmax(0)).mean() > 0.99
        if file.stem in tested:
            differ, wrong = answer.beside["disagreement"] > 0, answer.picture != masks[file.stem]
            counts += np.histogram2d(differ.ravel(), wrong.ravel(), bins=[[0, 0.5, 1], [0, 0.5, 1]])[0]
    assert judged.disputed is not None
    assert np.array_equal(judged.disputed, counts)
    assert judged.dissent == pytest.approx(
        (counts[1].sum() / counts.sum(), counts[1, 1] / counts[1].sum(), counts[0, 1] / counts[0].sum())
    )


def test_a_difference_is_told_apart_by_drawing_the_same_samples_of_both_again() -> None:
    draw = np.random.default_rng(0)
    hard = draw.normal(0, 10, 40)  # what both find hard alike says nothing of the difference
    one, other = hard + 0.1 + draw.normal(0, 0.01, 40), hard
    ahead = one - other
    told = drawn_difference("one", "other", 40, lambda rows: float(ahead[rows].mean()), what="dB", scale=1)
    assert (
        told == "one is better than other: +0.10 dB (95 % interval +0.10 to +0.11, 40 samples drawn again, p = 0.002)."
    )
    told = drawn_difference("other", "one", 40, lambda rows: float(-ahead[rows].mean()), what="dB", scale=1)
    assert told.startswith("one is better than other: +0.10 dB (95 % interval +0.10 to +0.11"), "a lead is no loss"
    told = drawn_difference("one", "other", 4, lambda rows: 1.0, what="dB", unit="picture", scale=1)
    assert "cannot be told apart on 4 pictures, of which there must be 6" in told


def test_series_are_answered_with_the_mean_after_each_step(waves_run: hubel.Run, waves_table: Path) -> None:
    first = hubel.load(waves_run.folder)
    turned = dataclasses.replace(first, class_names=first.class_names[::-1])
    found = answers(hubel.predict([first, first, turned], waves_table))
    for answer, alone in zip(found, answers(hubel.predict(first, waves_table)), strict=True):
        mine = np.array([alone.numbers[name] for name in first.class_names])
        mean = (2 * mine + mine[::-1]) / 3
        assert [answer.numbers[name] for name in first.class_names] == pytest.approx(mean, abs=1e-5)
        apart = entropy(mean) - entropy(mine)
        assert (answer.disagreement or {})["answer"] == pytest.approx(apart, abs=1e-5)
    assert "they disagree by" in str(found[0])
    torch.manual_seed(0)
    nets = [create_model("lstm_rows", num_classes=2, in_chans=1, img_size=8, units=4).eval() for _ in range(2)]
    together, x = Ensemble(nets, weights=[3, 1], asks="steps"), torch.rand(3, 1, 8, 8)
    one, other = (net.steps(x).softmax(-1) for net in nets)  # type: ignore[operator]
    assert torch.allclose(together.steps(x).exp(), 0.75 * one + 0.25 * other, atol=1e-6)  # type: ignore[operator]


def test_series_that_name_a_class_become_one_run(tmp_path: Path) -> None:
    settings = {"task": "sequence", "model": "lstm_rows", "model_options": {"units": 16}, "lr": 0.02, "limit": 300}
    runs = [hubel.train("digits", out=str(tmp_path), epochs=6, seed=seed, **settings, **QUICK) for seed in (1, 2)]  # type: ignore[arg-type]
    made = hubel.ensemble(runs, out=tmp_path, device="cpu")
    judged = hubel.evaluate(made.folder)
    assert isinstance(judged, SequenceClasses)
    assert made.together[-1].numbers == {"accuracy": judged.accuracy}
    assert str(hubel.runs(tmp_path)).count("%") == 2 * 3, "the joined run is listed with validation and test, as others"
    alone = [hubel.evaluate(member.run) for member in made.members]
    assert [each.measured[-1].numbers["accuracy"] for each in made.members] == [
        each.accuracy for each in alone if isinstance(each, SequenceClasses)
    ]
    best = next(each for each, member in zip(alone, made.members, strict=True) if member.run == made.best)
    assert isinstance(best, SequenceClasses)
    wins, losses = ((one.said == one.truth)[:, -1] & (two.said != two.truth)[:, -1]
                    for one, two in ((judged, best), (best, judged)))  # fmt: skip
    assert f"{wins.sum()} against {losses.sum()} samples" in made.sentence


def test_pictures_are_given_back_as_the_mean_of_what_members_give_back(mean_run: hubel.Ensembled) -> None:
    net, members = hubel.load(mean_run.folder), [hubel.load(member.run) for member in mean_run.members]
    x = torch.rand(3, 1, 8, 8)
    with torch.inference_mode():
        each = [m.weight * net_.model.reconstruct(x) for m, net_ in zip(mean_run.members, members, strict=True)]  # type: ignore[operator]
        assert torch.allclose(net.model.reconstruct(x), sum(each), atol=1e-5)  # type: ignore[operator, arg-type]
    judged = hubel.evaluate(mean_run.folder)
    assert isinstance(judged, Reconstruction)
    assert mean_run.together[-1].numbers["psnr"] == judged.psnr
    assert mean_run.together[0].numbers["mse"] <= mean_run.single[0].numbers["mse"]
    (answer,) = answers(hubel.predict(mean_run.folder, np.full((8, 8), 90, np.uint8)))
    assert "their pixels differ by" in str(answer)


def test_numbers_of_which_not_all_are_asked_choose_members_by_those_that_are() -> None:
    targets = np.array([[1.0, np.nan], [3.0, 40.0], [np.nan, 20.0]])
    exact = np.where(np.isnan(targets), 9.0, targets)
    assert select_numbers(np.stack([exact - 1, exact, exact + 2]), targets, 2) == ({1: 1}, 0.0)
    assert select_numbers(np.stack([exact - 1, exact + 1]), targets, 2) == ({0: 1, 1: 1}, 0.0)


def test_answers_without_a_mean_are_refused_with_the_reason_and_what_to_do(
    field_run: hubel.Run, segment_run: hubel.Run, waves_run: hubel.Run, digits_run: Path
) -> None:
    held = hubel.load(field_run.folder)
    for refused in (lambda: hubel.predict([held, held], "8x8"), lambda: hubel.ensemble([field_run, field_run])):
        with pytest.raises(ArtefactError, match="nets of the task field have no mean: a net holds one picture") as told:
            refused()
        assert "--time" in str(told.value)
    recipe = {"train": {"task": "embed"}}
    near = dataclasses.replace(held, provenance=dataclasses.replace(held.provenance, recipe=recipe))
    with pytest.raises(ArtefactError, match="each net lays its points on a sphere of its own"):
        hubel.predict([near, near], "x.png")
    with pytest.raises(UsageError, match="these nets were trained for different tasks: segment, sequence"):
        hubel.predict([segment_run.folder, waves_run.folder], "x.png")
    with pytest.raises(UsageError, match="asked together by"):
        build_ensemble({"members": [{"name": "mlp", "options": {}}], "asks": "eval"}, num_classes=2, in_chans=1,
                       img_size=(8, 8))  # fmt: skip


def test_after_each_step_a_joined_run_says_how_far_its_nets_are_from_one_another(
    waves_run: hubel.Run, waves_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubel.data.growing.EVERY", 0.02)
    other = hubel.train(
        waves_table, task="sequence", model="lstm", out=str(tmp_path), epochs=3, seed=1, model_options={"units": 24},
        val_fraction=0.2, test_fraction=0.2, lr=0.01, **QUICK,
    )  # fmt: skip
    made = hubel.ensemble([waves_run, other], alike=True, out=tmp_path, device="cpu")
    ends = {answer.name: answer for answer in answers(hubel.predict(made.folder, waves_table))}
    last = {line.said["series"]: line for line in stream(made.folder, waves_table, idle=0.0, device="cpu")}
    assert set(last) == set(ends)
    assert any(answer.apart for answer in ends.values())
    for name, line in last.items():
        assert line.said["disagreement"] == {
            "answer": pytest.approx((ends[name].disagreement or {})["answer"], abs=1e-6)
        }
        assert line.told.endswith(ends[name].apart)
