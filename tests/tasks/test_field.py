"""One picture as a function: a net of sines knows it by heart, with slopes and bends that no loss has named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import hubel
from hubel.data.one_picture import grid, open_picture
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.evaluation.fields import PictureField, derived
from hubel.models import create_model
from hubel.tasks.answers import Answers
from hubel.verbs.predict import save_answers

from .conftest import QUICK, photograph


def test_the_net_holds_the_picture_its_slopes_and_its_bends(field_run: hubel.Run, photo: Path) -> None:
    found = field_run.evaluate()
    assert isinstance(found, PictureField)
    assert found.psnr > 30
    assert found.slopes > 0.85
    truth = np.asarray(Image.open(photo))
    assert (found.picture == truth).all()
    mse = np.square(found.answer / 255 - truth / 255).mean()
    assert found.psnr == pytest.approx(-10 * np.log10(mse), abs=0.2)  # the answer was rounded to bytes
    stored = json.loads((field_run.folder / "evaluation.json").read_text())
    assert stored["task"] == "field"
    assert stored["psnr"] == pytest.approx(found.psnr)
    assert field_run.summary["train"]["psnr"] == pytest.approx(found.psnr)
    assert "The net holds the picture of 16x12 pixels" in str(field_run)
    assert len(found.tables()["predictions.csv"].splitlines()) == 1 + truth.shape[0] * truth.shape[1]


def test_the_report_shows_picture_gradient_and_laplacian_beside_those_of_the_net(field_run: hubel.Run) -> None:
    page = (field_run.folder / "report.html").read_text()
    assert "The picture and the function" in page
    assert "every sample is learnt" in page
    assert {"field.png", "off.png"} <= {path.name for path in (field_run.folder / "figures").iterdir()}


def test_derivatives_are_those_of_differences() -> None:
    torch.manual_seed(0)
    net = create_model("siren", num_classes=3, in_chans=2, hidden=(16, 16), omega=3.0).double()
    at = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    said, slope, bend = derived(net, at, torch.device("cpu"), reach=2)

    def light(points: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return ((net(torch.from_numpy(points)).numpy() + 1) / 2) @ [0.299, 0.587, 0.114]

    near = 1e-3
    steps = [np.eye(2)[axis] * near for axis in range(2)]
    differences = np.stack([(light(at + step) - light(at - step)) / (2 * near) for step in steps], axis=1)
    curved = sum((light(at + step) - 2 * light(at) + light(at - step)) / near**2 for step in steps)
    np.testing.assert_allclose(slope, differences, atol=1e-4)
    np.testing.assert_allclose(bend, curved, atol=1e-2)
    np.testing.assert_allclose(said @ [0.299, 0.587, 0.114], 2 * light(at) - 1, atol=1e-6)


def test_a_net_of_relus_has_slopes_and_no_bends(photo: Path, tmp_path: Path) -> None:
    run = hubel.train(
        photo, task="field", model="mlp", model_options={"hidden": [16]}, epochs=2, out=str(tmp_path), **QUICK
    )
    found = run.evaluate()
    assert isinstance(found, PictureField)
    assert np.isnan(found.bends)
    assert not found.laplacians[1].any()
    assert found.gradients[1].any()
    assert "bends to none" in found.sentence
    assert "bends" not in found.headline
    assert "one of both is flat" in (run.folder / "report.html").read_text()


def test_a_linear_net_of_constants_has_neither() -> None:
    class Same(nn.Module):
        def forward(self, points: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(points), 1)

    _, slope, bend = derived(Same(), grid(4, 4), torch.device("cpu"), reach=3)
    assert not slope.any()
    assert not bend.any()


def test_predict_paints_it_at_any_size_and_names_colours_at_points(field_run: hubel.Run, tmp_path: Path) -> None:
    said = field_run.predict(["32x24", "0,0", [[0.5, -0.5], [0.1, 0.2]]])
    assert isinstance(said, Answers)
    assert [each.name for each in said] == ["32x24", "point 1", "point 1", "point 2"]
    (path,) = save_answers(said, tmp_path)
    with Image.open(path) as picture:
        assert picture.size == (32, 24)
    again = field_run.predict("16x12")
    found = field_run.evaluate()
    assert isinstance(found, PictureField)
    assert np.abs(again[0].picture.transpose(1, 2, 0).astype(int) - found.answer).max() <= 1
    assert set(said[1].numbers) == {"y", "x", "red", "green", "blue"}


def test_it_goes_on_to_the_same_bits(photo: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"task": "field", "batch_size": 64, "model_options": {"hidden": [8]}, **QUICK}
    whole = hubel.train(photo, epochs=4, schedule="constant", out=str(tmp_path / "a"), **settings)
    half = hubel.train(photo, epochs=2, schedule="constant", out=str(tmp_path / "b"), **settings)
    hubel.train(resume=half.folder, epochs=4)
    assert half.history["train_loss"] == whole.history["train_loss"]


def test_a_grey_picture_has_one_channel_and_a_large_one_is_made_smaller(tmp_path: Path) -> None:
    Image.new("RGB", (600, 300), (90, 90, 90)).save(tmp_path / "grey.png")
    found = open_picture(tmp_path / "grey.png")
    assert found.targets is not None
    assert found.targets.shape == (128 * 256, 1)
    assert (found.targets == 90).all()
    longer = open_picture(tmp_path / "grey.png", img_size=48).targets
    assert longer is not None
    assert len(longer) == 24 * 48, "a number is the longer side: nothing is squashed"
    asked = open_picture(tmp_path / "grey.png", img_size=(10, 20), channels=3)
    assert asked.targets is not None
    assert asked.targets.shape == (200, 3)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"test_fraction": 0.2}, "has no use for test_fraction, since every pixel is learnt"),
        ({"limit": 20}, "has no use for limit"),
        ({"loss": "cross-entropy"}, "has no use for the loss 'cross-entropy'"),
        ({"columns": {"label": "x"}}, "--column has no meaning for one picture"),
        ({"model": "resnet18"}, "takes pictures, and these are points"),
        ({"augment": ("flip",)}, "the data are no pictures"),
        ({"target": 0.9}, "target is a score to reach"),
    ],
)
def test_settings_without_use_are_refused(settings: dict[str, Any], words: str, photo: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        hubel.train(photo, task="field", epochs=1, out=str(tmp_path), **settings, **QUICK)


def test_what_is_no_picture_is_refused_by_name(tmp_path: Path, photo: Path) -> None:
    with pytest.raises(UsageError, match=r"is a folder\n  give one of its pictures"):
        open_picture(tmp_path)
    with pytest.raises(UsageError, match=r"there is no file 'gone.jpg'"):
        open_picture("gone.jpg")
    (tmp_path / "words.jpg").write_text("no picture")
    with pytest.raises(DataError, match=r"words\.jpg cannot be read"):
        open_picture(tmp_path / "words.jpg")
    with pytest.raises(DataError, match="at least 8 pixels a side, got 4x4"):
        open_picture(photograph(tmp_path / "tiny.png", 4, 4))
    with pytest.raises(DataError, match="one file") as refused:
        hubel.train(photo, out=str(tmp_path), **QUICK)
    assert "--task field" in refused.value.hint


def test_what_has_no_meaning_for_it_says_what_has(field_run: hubel.Run, photo: Path) -> None:
    with pytest.raises(UsageError, match="asked for a size or for points, got"):
        field_run.predict(photo)
    with pytest.raises(UsageError, match="must be from 1x1 to 4096x4096"):
        field_run.predict("9000x9000")
    with pytest.raises(ArtefactError, match="was trained for the task field"):
        field_run.explain(photo)
