"""Pillow's resampling in PyTorch's operations: to the byte, for every fit and filter, and as one exported program."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch

import hubel
from hubel.data.preprocessing import INTERPOLATIONS, Preprocessing
from hubel.deploy.odd import odd_pictures
from hubel.deploy.placing import Placing
from hubel.errors import ArtefactError
from hubel.verbs.export import export

SIZES = ((1, 1), (1, 400), (400, 1), (24, 32), (23, 31), (100, 37), (45, 40), (60, 45), (99, 201))


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_picture_of_any_size_is_fitted_as_pillow_fits_it_to_the_byte(fit: str, interpolation: str) -> None:
    seen = Preprocessing(
        height=24, width=32, fit=fit, interpolation=interpolation, crop_share=0.875 if fit == "crop" else 1.0
    ).with_statistics([0.5, 0.4, 0.3], [0.2, 0.3, 0.4])
    place = Placing(seen)
    random = np.random.default_rng(0)
    for size in SIZES:
        pictures = random.integers(0, 256, (2, *size, 3), dtype=np.uint8)
        fitted = np.stack([seen.array(picture) for picture in pictures])
        assert np.abs(place(torch.from_numpy(pictures)).numpy() - seen.normalise(fitted)).max() == 0, size


def test_a_program_answers_as_the_run_without_hubel_and_names_no_file_of_this_machine(
    digits_run: Path, tmp_path: Path
) -> None:
    found = export(digits_run, "program", out=tmp_path / "digits.pt2", pictures=10)
    assert found.parity.holds
    extra = {"card.json": "", "classes.json": ""}
    program = torch.export.load(BytesIO(found.path.read_bytes()), extra_files=extra).module()
    assert json.loads(extra["classes.json"]) == [str(number) for number in range(10)]
    assert json.loads(extra["card.json"]) == json.loads((tmp_path / "digits.pt2.card.json").read_text())
    pictures = np.random.default_rng(0).integers(0, 256, (3, 40, 17, 1), dtype=np.uint8)
    with torch.no_grad():
        by_program = program(torch.from_numpy(pictures)).numpy()
    by_run = hubel.predict(digits_run, pictures, device="cpu").probabilities
    assert np.abs(by_program - by_run).max() < 1e-5
    data = found.path.read_bytes()
    assert str(Path(hubel.__file__).parent).encode() not in data
    assert str(digits_run.parent).encode() not in data


def test_a_program_has_no_whole_numbers(digits_run: Path, tmp_path: Path) -> None:
    with pytest.raises(hubel.UsageError, match="--int8 is not offered for --to program"):
        export(digits_run, "program", int8=True, out=tmp_path / "digits.pt2")


def test_a_file_of_another_kind_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "a.pt2").write_bytes(b"PK\x03\x04")
    with pytest.raises(ArtefactError):
        hubel.predict(tmp_path / "a.pt2", [data for _, data in odd_pictures(1)])
