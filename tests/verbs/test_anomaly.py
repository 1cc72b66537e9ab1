"""`hubel anomaly`, and `hubel predict` with the detector that it leaves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import hubel
from anomalies.parts import good, scratched, write
from hubel.anomalies.artefact import load
from hubel.cli import main
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.runtime import pick_device
from hubel.verbs.export_detector import ROUNDINGS, export_detector

SETTINGS = {"time": 20.0, "epochs": 6, "device": "cpu", "verbose": False}


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """good/ with a strange one among them, mixed/good, mixed/scratch."""
    root = tmp_path_factory.mktemp("part")
    normal = good(60)
    normal[59] = 255 - normal[59]
    write(normal, root / "good")
    write(good(12, seed=4), root / "mixed" / "good")
    write(scratched(good(12, seed=5))[0], root / "mixed" / "scratch")
    return root


@pytest.fixture(scope="module")
def found(part: Path, tmp_path_factory: pytest.TempPathFactory) -> hubel.Anomalies:
    out = tmp_path_factory.mktemp("detectors") / "part"
    return hubel.anomaly(part / "good", part / "mixed", method="padim", features="pixels", out=out, **SETTINGS)


def test_strange_pictures_come_first_and_simple_methods_stand_beside(found: hubel.Anomalies) -> None:
    assert [one.method for one in found.judged] == ["padim", "pca", "knn"]
    assert found.first.auroc > 0.9
    assert found.kinds[found.order()[0]] == "scratch"
    assert [name for name, _ in found.suspicious] == ["059.png"]
    assert "should be looked at: 059.png" in " ".join(found.sentences)
    assert max(map(len, str(found).splitlines())) <= 80
    assert found.to_dict()["methods"]
    assert "differ from those" not in " ".join(found.sentences)


def test_normal_pictures_of_another_kind_than_those_learnt_from_are_told(part: Path, tmp_path: Path) -> None:
    write(np.clip(good(12, seed=4).astype(int) + 60, 0, 255).astype(np.uint8), tmp_path / "mixed" / "good")
    write(scratched(good(12, seed=5))[0], tmp_path / "mixed" / "scratch")
    said = hubel.anomaly(part / "good", tmp_path / "mixed", method="pca", out=tmp_path / "found", **SETTINGS).sentences
    assert any("100.0 % pass it" in each and "differ from those that were learnt" in each for each in said)


def test_the_detector_says_the_same_of_the_same_pictures(found: hubel.Anomalies, part: Path) -> None:
    again = hubel.predict(found.folder, part / "mixed")
    assert np.allclose(sorted(again.scores), sorted(found.first.scores), rtol=1e-5, atol=1e-6)  # type: ignore[union-attr]
    one = hubel.predict(found.folder, part / "mixed" / "scratch" / "000.png")[0]
    assert one.strange  # type: ignore[union-attr]
    assert 0 < one.rarity <= 1  # type: ignore[union-attr]
    assert one.map is not None  # type: ignore[union-attr]
    assert set(one.beside) == {"pca", "knn"}  # type: ignore[union-attr]


def test_the_report_shows_the_strangest_first(found: hubel.Anomalies) -> None:
    page = Path(found.folder, "anomaly.html").read_text()
    assert page.index("scratch/") < page.index("Suspicious among the normal pictures")
    assert "059.png" in page
    lines = Path(found.folder, "scores.csv").read_text().splitlines()
    assert lines[0].startswith("file,kind,truth,score,strange,score_pca")
    assert len(lines) == 25


def test_a_net_is_kept_with_the_detector(part: Path, tmp_path: Path, tiny_run: Path) -> None:
    made = hubel.anomaly(
        part / "good", part / "mixed", method="patchcore", features=tiny_run, out=tmp_path / "d", **SETTINGS
    )
    assert made.first.features == tiny_run.name
    again = hubel.predict(tmp_path / "d", part / "mixed")
    exact = pick_device("auto").type == "cpu"  # a GPU's TF32 rounds batches of other sizes otherwise
    close = {"rtol": 1e-4, "atol": 1e-5} if exact else {"rtol": 2e-2, "atol": 2e-2}
    assert np.allclose(sorted(again.scores), sorted(made.first.scores), **close)  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    write(good(20, side=32), root / "data" / "a")
    write(255 - good(20, side=32), root / "data" / "b")
    settings = {"model": "mnist_gap", "epochs": 1, "threads": 1, "device": "cpu", "img_size": 32, "in_chans": 1}
    return hubel.train(root / "data", out=root / "out", verbose=False, **settings).folder


def test_a_damaged_detector_is_refused(found: hubel.Anomalies, tmp_path: Path) -> None:
    for name in ("detector.json", "detector.safetensors"):
        (tmp_path / name).write_bytes(Path(found.folder, name).read_bytes())
    assert len(load(tmp_path).methods) == 3
    arrays = bytearray((tmp_path / "detector.safetensors").read_bytes())
    arrays[-1] ^= 1
    (tmp_path / "detector.safetensors").write_bytes(arrays)
    with pytest.raises(ArtefactError, match="sha-256 differs"):
        load(tmp_path)
    about = json.loads((tmp_path / "detector.json").read_text())
    (tmp_path / "detector.json").write_text(json.dumps({**about, "learnt": 7}))
    with pytest.raises(ArtefactError):
        load(tmp_path)
    with pytest.raises(ArtefactError, match="there is no detector"):
        load(tmp_path / "elsewhere")


def test_the_command_and_predict_work_together(part: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(list(words))
        shown = capsys.readouterr()
        return int(end.value.code or 0), shown.out, shown.err

    out = str(tmp_path / "made")
    code, text, _ = run("anomaly", str(part / "good"), "--method", "pca", "--features", "pixels", "--out", out)
    assert code == 0
    assert "pass the threshold" in text
    code, text, _ = run("predict", out, str(part / "mixed" / "scratch"))
    assert code == 0
    assert text.count("strange") >= 10
    code, text, _ = run("predict", out, str(part / "mixed"), "--json")
    assert {"file", "score", "strange", "rarity", "scores"} == set(json.loads(text)[0])
    code, text, _ = run("predict", out, str(part / "mixed" / "scratch"), "--out", str(tmp_path / "maps"))
    assert code == 0
    assert len(list((tmp_path / "maps").glob("*-0*.png"))) == 12
    assert run("predict", out, str(part / "mixed" / "scratch"), "--out", str(tmp_path / "maps"))[0] == 2
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.png").write_text("no")
    assert run("predict", out, str(tmp_path / "new"))[0] == 3
    assert run("predict", out)[0] == 2
    code, _, said = run("predict", out, str(part / "mixed"), "--top", "2")
    assert (code, "--top has no meaning for a detector" in said) == (2, True)
    code, text, _ = run("anomaly", "--list")
    assert {line.split()[0] for line in text.splitlines()} >= {"pca", "padim", "fpi"}
    code, _, said = run("anomaly", str(part / "good"), "--method", "pcaa")
    assert (code, "did you mean 'pca'" in said) == (2, True)


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"false_alarms": 0}, UsageError, "lies between 0 and 1"),
        ({"time": 0}, UsageError, "time must be above 0"),
        ({"features": "nothing"}, ArtefactError, "'nothing' is none of them"),
        ({"out": "{}/good"}, UsageError, "among the pictures"),
        ({"out": "{}/mixed/x"}, UsageError, "among the pictures"),
        ({"method": "pca", "test": "{}/nowhere"}, DataError, "there is no such folder"),
    ],
)
def test_what_cannot_be_is_said(part: Path, settings: dict[str, object], error: type, said: str) -> None:
    given = {key: str(v).format(part) if isinstance(v, str) else v for key, v in settings.items()}
    test = given.pop("test", part / "mixed")
    with pytest.raises(error, match=said):
        hubel.anomaly(part / "good", test, **{"method": "pca", **SETTINGS, **given})


def test_the_detector_is_written_over_nothing_else(part: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "keep.txt").write_text("mine")
    with pytest.raises(UsageError, match="--out must name a new folder"):
        hubel.anomaly(part / "good", method="pca", features="pixels", out=tmp_path / "notes", **SETTINGS)
    assert (tmp_path / "notes" / "keep.txt").read_text() == "mine"


def test_pictures_of_other_sizes_and_colours_are_looked_at_too(found: hubel.Anomalies, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((50, 90, 3), np.uint8)).save(tmp_path / "wide.png")
    (one,) = hubel.predict(found.folder, tmp_path / "wide.png")
    assert np.isfinite(one.score)  # type: ignore[union-attr]


def test_pictures_that_arrive_are_answered_one_by_one(
    found: hubel.Anomalies,
    part: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tiny_run: Path,
) -> None:
    monkeypatch.setattr("hubel.data.arriving.EVERY", 0.01)
    (part / "camera").mkdir()
    write(scratched(good(3, seed=8))[0], part / "camera")
    (part / "camera" / "z.png").write_text("no")
    for answers, more in ((found.folder, ["--window", "2"]), (str(tiny_run), [])):
        with pytest.raises(SystemExit) as end:
            main(["predict", answers, "--stream", str(part / "camera"), "--idle", "1s", "--json", *more])
        assert end.value.code == 3
        shown = capsys.readouterr()
        lines = [json.loads(line) for line in shown.out.splitlines()]
        assert [Path(line["file"]).name for line in lines] == ["000.png", "001.png", "002.png"]
        assert "z.png" in shown.err
        with pytest.raises(SystemExit):
            main(["predict", answers, lines[0]["file"], "--json"])
        (whole,) = json.loads(capsys.readouterr().out)
        assert whole.items() <= lines[0].items(), "a stream leaves out nothing"
    with pytest.raises(SystemExit) as end:
        main(["predict", found.folder, "--window", "3", str(part / "camera")])
    assert end.value.code == 2


@pytest.mark.parametrize("method", ["pca", "knn", "mahalanobis", "padim", "autoencoder", "anogan"])
def test_an_exported_score_is_that_of_hubel(method: str, part: Path, tmp_path: Path) -> None:
    hubel.anomaly(part / "good", method=method, features="pixels", out=tmp_path / "d", **SETTINGS)
    found = export_detector(tmp_path / "d", tmp_path / "d.onnx")
    # Nets round in single precision, and every program in another order: what that comes to is allowed, and no more.
    near = max(1e-5, ROUNDINGS * (found.rounding or 0))
    assert found.difference <= near < 1e-4
    pictures = scratched(good(4, seed=7))[0]
    session = onnxruntime.InferenceSession(str(tmp_path / "d.onnx"))
    scores, maps = session.run(None, {"images": pictures})
    ours = hubel.predict(tmp_path / "d", list(pictures.transpose(0, 2, 3, 1)))
    np.testing.assert_allclose(scores, ours.scores, rtol=near, atol=near)  # type: ignore[union-attr]
    assert maps.shape[0] == 4


def test_an_export_goes_into_a_file_of_its_kind(found: hubel.Anomalies, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ends in"):
        export_detector(found.folder, tmp_path / "d.txt")
