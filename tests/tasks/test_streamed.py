"""What is said of files as they arrive is what `hubel predict` says of them, all of it, whatever the task."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubel.cli import main


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints; it ends well."""
    with pytest.raises(SystemExit) as end:
        main(words)
    assert not end.value.code
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("which", "says"),
    [
        ("digits_run", {"probabilities", "known", "familiarity", "plausible"}),
        ("pairs_run", {"labels", "probabilities", "known", "familiarity"}),
        ("embed_run", {"distances", "nearest", "distance", "near"}),
        ("segment_run", {"shares"}),
        ("reconstruct_run", {"mse"}),
    ],
)
def test_a_stream_leaves_out_nothing_that_predict_says(
    which: str, says: set[str], request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("hubel.data.arriving.EVERY", 0.05)
    run = request.getfixturevalue(which)
    folder = str(getattr(run, "folder", run))
    (tmp_path / "camera").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)
    Image.fromarray(noise).save(tmp_path / "camera" / "noise.png")
    streamed = ["--stream", str(tmp_path / "camera"), "--idle", "0.1s"]
    asked = [str(tmp_path / "camera" / "noise.png")]
    (whole,) = json.loads(told(["predict", folder, *asked, "--json"], capsys))
    assert says <= set(whole)
    assert json.loads(told(["predict", folder, *streamed, "--json"], capsys)) == whole
    line, arrived = told(["predict", folder, *asked], capsys), told(["predict", folder, *streamed], capsys)
    words = line.removeprefix("noise.png").strip()
    assert arrived.rstrip().endswith(words)
    assert ("unknown: like nothing it was shown" in arrived) == (whole.get("known") is False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--stream new --on local", "--on has no meaning for --stream"),
        ("--stream new --threads 2", "--threads has no meaning for --stream"),
        ("--stream new --part-size 9", "--part-size has no meaning for --stream"),
        ("--stream new --window 3", "--window averages the scores of detectors"),
        ("{run} --stream new", "one run answers what arrives, and several are given"),
        ("new --on local --out parts --sets aps", "--sets has no meaning where answers go into parts"),
        ("new --on local --out parts --dropout-samples 3", "--dropout-samples has no meaning where answers go into"),
        ("{run} --boundary b.svg", "--boundary draws what the best weights of one run answer, and 2 runs are given"),
        ("--which last --boundary b.svg", "of one run answer, and --which last is asked for"),
    ],
)
def test_an_option_that_would_be_idle_is_refused(
    words: str, said: str, digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new").mkdir()
    given = [word.format(run=digits_run) for word in words.split()]
    with pytest.raises(SystemExit) as end:
        main(["predict", str(digits_run), *given, *(["--idle", "0.1s"] if "--stream" in given else [])])
    assert (end.value.code, said in " ".join(capsys.readouterr().err.split())) == (2, True)
