"""A net answers for files such as it learnt from: sounds and pictures, signals, volumes and tables are told apart."""

from __future__ import annotations

import io
import pickle
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel.data.choose import choose_preprocessing
from hubel.data.sources import open_source
from hubel.errors import ArtefactError, DataError
from hubel.verbs.streaming import stream

from .conftest import QUICK


def sound(hertz: float) -> bytes:
    """A WAV file of a tenth of a second."""
    tone = np.sin(2 * np.pi * hertz * np.arange(800) / 8000)
    with wave.open(file := io.BytesIO(), "wb") as made:
        made.setparams((1, 2, 8000, 0, "NONE", ""))
        made.writeframes((20000 * tone).astype("<i2").tobytes())
    return file.getvalue()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sounds/ and pictures/, of the classes low and high, six files each."""
    root = tmp_path_factory.mktemp("kinds")
    for name, base in (("low", 300), ("high", 2000)):
        for kind in ("sounds", "pictures"):
            (root / kind / name).mkdir(parents=True)
        for k in range(6):
            (root / "sounds" / name / f"{k}.wav").write_bytes(sound(base + 20 * k))
            grey = np.full((8, 8), base // 10 + k, np.uint8)
            Image.fromarray(grey).save(root / "pictures" / name / f"{k}.png")
    return root


@pytest.fixture(scope="module")
def runs(folders: Path) -> dict[str, hubel.Run]:
    """A net of each."""
    return {
        kind: hubel.train(
            folders / kind, out=str(folders / "runs"), model="mlp", img_size=8, epochs=1, val_fraction=0.2,
            test_fraction=0.2, **QUICK,
        )
        for kind in ("sounds", "pictures")
    }  # fmt: skip


@pytest.mark.parametrize(
    ("learnt", "other", "file"), [("sounds", "pictures", "0.png"), ("pictures", "sounds", "0.wav")]
)
def test_a_file_of_the_other_kind_is_refused_and_the_rest_is_answered(
    runs: dict[str, hubel.Run], folders: Path, learnt: str, other: str, file: str
) -> None:
    strange = folders / other / "low" / file
    words = f"it is a {other[:-1]}, and this net learnt from {learnt}"
    with pytest.raises(DataError, match=words) as caught:
        runs[learnt].predict(strange)
    assert "give those" in caught.value.hint
    assert caught.value.reason == words
    found = runs[learnt].predict([*sorted((folders / learnt / "low").iterdir()), strange])
    assert (len(found), [problem.reason for problem in found.problems]) == (6, [words])
    with pytest.raises(DataError, match=words):
        runs[learnt].explain(strange)
    with pytest.raises(DataError, match=f"learnt from {learnt}, and .* holds 12 {other}; first: "):
        runs[learnt].evaluate(folders / other)
    assert len(runs[learnt].predict(np.zeros((8, 8), np.uint8))) == 1, "numbers are of no kind"


def test_of_both_kinds_both_are_taken(folders: Path, tmp_path: Path) -> None:
    for kind in ("sounds", "pictures"):
        file = folders / kind / "low" / ("0.wav" if kind == "sounds" else "0.png")
        (tmp_path / kind).mkdir()
        (tmp_path / kind / file.name).write_bytes(file.read_bytes())
    assert choose_preprocessing(open_source(tmp_path)).takes == ""
    assert choose_preprocessing(open_source(folders / "sounds")).takes == "sounds"


def test_a_stream_says_of_each_file_what_is_wrong_with_it(
    runs: dict[str, hubel.Run], folders: Path, tmp_path: Path
) -> None:
    good = (folders / "sounds" / "low" / "0.wav").read_bytes()
    for name, data in (("cut: a.wav", good[:-9]), ("good.wav", good), ("not.wav", b"a: b")):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "picture.png").write_bytes((folders / "pictures" / "low" / "0.png").read_bytes())
    found = {
        Path(one.name).name: one.problem for one in stream(runs["sounds"].folder, tmp_path, idle=0.6, device="cpu")
    }
    assert found == {
        "cut: a.wav": "1,591 bytes of sound, its header says 1,600",
        "good.wav": "",
        "not.wav": found["not.wav"],
        "picture.png": "it is a picture, and this net learnt from sounds",
    }
    assert found["not.wav"].startswith("it begins like none of JPEG")


def test_a_reason_travels_with_its_error() -> None:
    error = pickle.loads(pickle.dumps(DataError("a.png: it is empty", hint="another one", reason="it is empty")))
    assert (error.what, error.hint, error.reason) == ("a.png: it is empty", "another one", "it is empty")
    assert DataError("no data").reason == ""


def test_a_net_of_numbers_says_what_it_learnt_from(folders: Path, tmp_path: Path) -> None:
    picture = folders / "pictures" / "low" / "0.png"
    table, series = tmp_path / "t.csv", tmp_path / "s.csv"
    table.write_text("a,b,label\n" + "".join(f"{k},{-k},{'xy'[k % 2]}\n" for k in range(20)))
    series.write_text("time,a\n" + "".join(f"{k},{k % 5}\n" for k in range(80)))
    for name in ("up", "down"):
        (tmp_path / "waves" / name).mkdir(parents=True)
        for k in range(6):
            np.save(tmp_path / "waves" / name / f"{k}.npy", np.arange(16.0) * (k + 1) * (1 if name == "up" else -1))
    for data, more, words in (
        (table, {}, "the rows of a table"),
        (series, {"task": "sequence", "model": "tcn", "model_options": {"maps": 4, "levels": 2}}, "rows in time"),
        (tmp_path / "waves", {"model_options": {"channels": 4}}, "signals or volumes"),
    ):
        run = hubel.train(data, out=str(tmp_path / "runs"), epochs=1, **more, **QUICK)  # type: ignore[arg-type]
        with pytest.raises(DataError, match=rf"learnt from {words} \(.*, and '.*0.png' is another kind of file"):
            run.predict([str(picture)])
    with pytest.raises(DataError, match=r"pictures holds no \.npy files"):
        run.predict(folders / "pictures")
    with pytest.raises(DataError, match=r"pictures holds no \.npy files; 12 other files not usable") as caught:
        run.evaluate(folders / "pictures")
    assert "DATA/good/1.npy" in caught.value.hint


def test_a_folder_without_pictures_is_named(runs: dict[str, hubel.Run], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path.name} holds no pictures"):
        runs["pictures"].predict([str(tmp_path)])
    np.save(tmp_path / "a.npy", np.zeros(8))
    with pytest.raises(DataError, match="it is a NumPy file"):
        runs["pictures"].predict(tmp_path / "a.npy")


def test_a_detector_where_a_run_is_needed_is_called_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "detectors" / "parts-1").mkdir(parents=True)
    (tmp_path / "detectors" / "parts-1" / "detector.json").write_text("{}")
    for verb in (hubel.explain, hubel.robust, hubel.clean, hubel.evaluate):
        given = ("detectors/parts-1", "a.png") if verb is hubel.explain else ("detectors/parts-1",)
        with pytest.raises(ArtefactError, match="is a detector") as caught:
            verb(*given)
        assert "hubel predict and hubel export take detectors" in caught.value.hint
