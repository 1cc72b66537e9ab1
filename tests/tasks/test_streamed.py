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
