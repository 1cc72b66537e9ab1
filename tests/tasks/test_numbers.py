"""A number for each picture, in whatever unit: ages, prices, years."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import hubel

QUIET = {"threads": 1, "device": "cpu", "verbose": False, "model_options": {"width": 0.25}}


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits, and with each a year that grows with it: 1200, 1433, …"""
    folder = tmp_path_factory.mktemp("years")
    digits = load_digits()
    lines = ["file,target"]
    for row in range(600):
        Image.fromarray((digits.images[row] * 255 / 16).astype(np.uint8)).save(folder / f"{row:03}.png")
        lines.append(f"{row:03}.png,{1200 + 233 * int(digits.target[row])}")
    (folder / "years.csv").write_text("\n".join(lines) + "\n")
    return folder / "years.csv"


@pytest.fixture(scope="module")
def run(years: Path, tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    return hubel.train(years, epochs=12, out=tmp_path_factory.mktemp("runs"), **QUIET)


def test_years_are_learnt_from_pictures_in_their_own_unit(run: hubel.Run) -> None:
    assert run.summary["test"]["rmse"] < 400  # always the mean: some 670; before a net knew the scale: 2,300
    mean, deviation = run.load().spec.options["scale"]
    assert 2000 < mean < 2500
    assert 500 < deviation < 800


def test_a_run_on_numbers_is_read_again_and_exported_with_its_scale(
    run: hubel.Run, years: Path, tmp_path: Path
) -> None:
    files = [str(years.with_name(f"{row:03}.png")) for row in range(3)]
    said = [one.value for one in run.predict(files)]
    again = [one.value for one in hubel.load(run.folder).predict(files)]
    assert said == again
    made = hubel.export(run.folder, out=tmp_path / "years.onnx")
    assert [one.value for one in hubel.predict(str(made.path), files)] == pytest.approx(said, rel=1e-4)


def test_what_starts_from_a_run_on_numbers_finds_a_scale_of_its_own(
    run: hubel.Run, years: Path, tmp_path: Path
) -> None:
    quiet = {key: value for key, value in QUIET.items() if key != "model_options"}
    after = hubel.train(years, from_=run.folder, epochs=2, out=tmp_path, **quiet)
    assert "scale" not in after.load().spec.options
    assert after.summary["test"]["rmse"] < 600, "always the mean has some 670"
