"""Several nets that answer together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel.cli import main
from hubel.errors import ArtefactError, DataError, UsageError


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[hubel.Run]:
    out = str(tmp_path_factory.mktemp("several"))
    more = {"device": "cpu", "threads": 1, "out": out, "limit": 300}
    wide = {"model": "mlp", "model_options": {"hidden": [16]}, "img_size": 6}
    return [hubel.train("digits", epochs=2, seed=1, **more), hubel.train("digits", epochs=3, seed=2, **wide, **more)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(6):
        noise = np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    return folder


def test_together_they_say_the_mean_of_what_each_says(runs: list[hubel.Run], pictures: Path) -> None:
    together = hubel.predict(runs, pictures)
    each = [run.predict(pictures) for run in runs]
    np.testing.assert_allclose(together.probabilities, np.mean([e.probabilities for e in each], axis=0), atol=1e-12)
    for answer, row in zip(together, together.probabilities, strict=True):
        assert answer.label == list(answer.probabilities)[row.argmax()]
        assert answer.plausible == (), "sets of single nets promise nothing for several"


def test_their_disagreement_is_the_information_between_answer_and_member(runs: list[hubel.Run], pictures: Path) -> None:
    together = hubel.predict(runs, pictures)
    shares = np.stack([run.predict(pictures).probabilities for run in runs])  # M N K
    joint = shares / len(runs)
    independent = joint.sum(axis=0) * joint.sum(axis=2, keepdims=True)
    information = np.where(joint > 0, joint * np.log(joint / independent), 0).sum(axis=(0, 2))
    np.testing.assert_allclose([answer.disagreement for answer in together], information, atol=1e-9)
    twice = hubel.predict([runs[0], runs[0]], pictures)
    assert max(answer.disagreement for answer in twice) < 1e-9
    assert np.isnan(runs[0].predict(pictures)[0].disagreement)


def test_the_command_takes_several_runs_before_the_pictures(
    runs: list[hubel.Run], pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["predict", *(str(run.folder) for run in runs), str(pictures), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 6
    assert all(row["disagreement"] >= 0 for row in found)
    with pytest.raises(SystemExit, match="0"):
        main(["predict", *(str(run.folder) for run in runs), str(pictures)])
    assert "they disagree by" in capsys.readouterr().out


def test_a_table_has_a_column_for_it(runs: list[hubel.Run], pictures: Path) -> None:
    assert hubel.predict(runs, pictures).to_csv().splitlines()[0].endswith(",disagreement")


def test_what_one_of_them_cannot_read_is_answered_by_none(
    runs: list[hubel.Run], pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "whole.png").write_bytes((pictures / "0.png").read_bytes())
    (tmp_path / "cut.png").write_bytes((pictures / "1.png").read_bytes()[:60])
    found = hubel.predict(runs, tmp_path)
    assert [Path(answer.name).name for answer in found] == ["whole.png"]
    assert [Path(problem.path).name for problem in found.problems] == ["cut.png"]
    (tmp_path / "whole.png").unlink()
    with pytest.raises(DataError):
        hubel.predict(runs, tmp_path)


def test_nets_of_other_classes_do_not_answer_together(runs: list[hubel.Run], pictures: Path, tmp_path: Path) -> None:
    other = hubel.train("moons", epochs=1, out=str(tmp_path), device="cpu", threads=1)
    with pytest.raises(ArtefactError, match="net 2 of 2 nets"):
        hubel.predict([runs[0], other], pictures)
    with pytest.raises(UsageError, match="no net was given"):
        hubel.predict([], pictures)
