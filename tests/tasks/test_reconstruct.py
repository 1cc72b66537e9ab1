"""Pictures given back: an autoencoder and its variational kin, trained, measured and asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.distributions import Normal, kl_divergence

import hubel
from hubel.errors import ArtefactError, UsageError
from hubel.evaluation.reconstruction import Reconstruction
from hubel.models import create_model
from hubel.nn.losses import build_loss
from hubel.records.side_by_side import compare
from hubel.tasks.answers import Answers
from hubel.verbs.compare import weigh
from hubel.verbs.predict import save_answers

from .conftest import QUICK


def test_it_learns_to_give_pictures_back_and_the_report_shows_them_side_by_side(reconstruct_run: hubel.Run) -> None:
    history = reconstruct_run.history
    assert history["val_loss"][-1] < 0.8 * history["val_loss"][0]
    page = (reconstruct_run.folder / "report.html").read_text()
    assert "Given back worst" in page
    assert "no label is learnt" in page
    assert {"given_back.png", "worst.png", "by_class.svg"} <= {
        path.name for path in (reconstruct_run.folder / "figures").iterdir()
    }


def test_its_numbers_are_those_of_the_pictures(reconstruct_run: hubel.Run) -> None:
    found = reconstruct_run.evaluate()
    assert isinstance(found, Reconstruction)
    for shown in (*found.usual, *found.worst):
        error = np.square(shown.picture / 255 - shown.answer / 255).mean()
        assert shown.score == pytest.approx(error, abs=2e-3)  # the answer was rounded to bytes
    assert found.psnr == pytest.approx(float(np.mean(-10 * np.log10(found.errors))))
    assert sum(row[1] for row in found.by_class()) == found.samples
    assert found.worst[0].score == found.errors.max()
    stored = json.loads((reconstruct_run.folder / "evaluation.json").read_text())
    assert stored["task"] == "reconstruct"
    assert stored["mse"] == pytest.approx(found.mse)
    assert 0 < found.explained < 1
    assert "of what tells them from the mean picture" in found.sentence
    assert "the mean picture would be nearer" in replace(found, explained=-0.2).sentence


def test_predict_gives_pictures_back(reconstruct_run: hubel.Run, tmp_path: Path) -> None:
    pixels = np.zeros((8, 8), np.uint8)
    pixels[2:6, 3:5] = 255
    said = reconstruct_run.predict([pixels, pixels])
    assert isinstance(said, Answers)
    (first, off, second, _) = save_answers(said, tmp_path)
    with Image.open(first) as picture, Image.open(off) as errors:
        assert picture.size == errors.size == (8, 8)
        assert errors.mode == "L"
        squares = np.square(np.asarray(errors) / 255)
    assert off.parent.name == "errors"
    assert squares.mean() == pytest.approx(said[0].numbers["mse"], rel=0.05), "by how much each pixel is off"
    assert first != second
    assert said[0].numbers["mse"] == said[1].numbers["mse"] > 0


def test_any_folder_of_pictures_will_do(tmp_path: Path) -> None:
    (tmp_path / "pictures" / "deep").mkdir(parents=True)
    draw = np.random.default_rng(0)
    for row in range(24):
        folder = tmp_path / "pictures" / ("deep" if row % 2 else "")
        Image.fromarray(draw.integers(0, 255, (12, 12), dtype=np.uint8)).save(folder / f"{row}.png")
    run = hubel.train(tmp_path / "pictures", task="reconstruct", epochs=1, out=str(tmp_path / "runs"), **QUICK)
    found = run.evaluate()
    assert isinstance(found, Reconstruction)
    assert found.class_names == ()
    again = run.evaluate(tmp_path / "pictures")
    assert isinstance(again, Reconstruction)
    assert again.samples == 24


def test_the_variational_one_minimises_its_own_bound(tmp_path: Path) -> None:
    run = hubel.train("digits", model="vae", epochs=1, limit=100, out=str(tmp_path), **QUICK)
    assert run.recipe["loss"]["loss"] == "elbo"
    assert run.recipe["train"]["task"] == "reconstruct"
    assert isinstance(run.evaluate(), Reconstruction)
    mean, log_variance = torch.randn(3, 5), torch.randn(3, 5)
    given, pictures = torch.randn(3, 1, 4, 4), torch.randn(3, 1, 4, 4)
    kl = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1)
    costs = (given - pictures).square().flatten(1).sum(1) / 2 + kl
    torch.testing.assert_close(build_loss("elbo")(given, pictures, mean, log_variance), (costs / 16).mean())


def test_a_code_is_drawn_while_it_learns_and_is_the_mean_afterwards() -> None:
    net = create_model("vae", num_classes=2, in_chans=1, img_size=8)
    images = torch.rand(2, 1, 8, 8)
    assert not torch.equal(net.reconstruct_all(images)[0], net.reconstruct_all(images)[0])
    assert torch.equal(net.reconstruct(images), net.reconstruct(images))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"loss": "cross-entropy"}, "has no use for the loss 'cross-entropy'"),
        ({"loss": "dice"}, "has no use for the loss 'dice'"),
        ({"target": 0.9}, "target is a score to reach"),
        ({"model": "resnet20", "task": "reconstruct"}, "needs a net that gives pictures back"),
        ({"label_smoothing": 0.1}, "has no use for label_smoothing"),
        ({"views": "mirror"}, "has no use for views"),
    ],
)
def test_settings_without_use_are_refused(settings: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        hubel.train("digits", out=str(tmp_path), epochs=1, **{"model": "autoencoder", **settings}, **QUICK)


def test_it_is_no_start_for_a_classifier_and_is_not_compared_with_one(
    reconstruct_run: hubel.Run, digits_run: Path, tmp_path: Path
) -> None:
    with pytest.raises(ArtefactError, match="was trained for the task reconstruct"):
        hubel.train("digits", from_=reconstruct_run.folder, out=str(tmp_path), epochs=1, **QUICK)
    with pytest.raises(UsageError, match="runs of one kind, got classification and reconstruct"):
        weigh([digits_run, reconstruct_run.folder])
    beside = str(compare([reconstruct_run.folder]))
    assert "accuracy" not in beside
    assert f"test PSNR in dB  {reconstruct_run.summary['test']['psnr']:.2f}" in beside


def test_a_neural_process_completes_pictures_and_shows_what_it_saw_and_how_unsure_it_is(tmp_path: Path) -> None:
    run = hubel.train("digits", model="neural_process", epochs=12, limit=300, out=str(tmp_path), **QUICK)
    assert run.recipe["loss"]["loss"] == "gaussian-nll"
    assert run.history["val_loss"][-1] < run.history["val_loss"][0]
    found = run.evaluate()
    assert isinstance(found, Reconstruction)
    for shown in (*found.usual, *found.worst):
        assert list(shown.beside) == ["looked at", "unsure"]
        looked = shown.beside["looked at"]
        assert looked.shape == shown.picture.shape
        assert ((looked == shown.picture) | (looked == shown.picture.min())).all()
        assert (looked != shown.picture).sum() > 10
        assert 0 < (shown.beside["unsure"] == 255).mean() < 0.2, "white is where it is least sure"
    assert "made from nothing but the row" in (run.folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("model", "loss", "words"),
    [
        ("neural_process", "mse", "neural_process learns by the loss gaussian-nll, and mse is asked for"),
        ("vae", "gaussian-nll", "vae learns by the loss elbo, and gaussian-nll is asked for"),
        ("autoencoder", "elbo", "is for a net that answers with a distribution, and autoencoder does not"),
    ],
)
def test_a_loss_that_is_not_the_nets_own_is_refused(model: str, loss: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        hubel.train("digits", model=model, loss=loss, out=str(tmp_path), epochs=1, **QUICK)
