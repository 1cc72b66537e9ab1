"""`hubel curve` where pictures have several labels: how many have all of theirs right, and mAP, against pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import hubel
from hubel.evaluation.growing import doubts_before

from .conftest import QUICK, pairs


def test_a_curve_counts_pictures_of_which_all_labels_are_right_and_ranks_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pairs(tmp_path / "pairs", 400)
    table = folder / "labels.csv"
    table.write_text(table.read_text().replace("digit 0", "right"))  # a label may be called as a column is
    found = hubel.curve(
        folder, seeds=2, epochs=2, lr=0.01, model="softmax_regression", augment="none", test_fraction=0.25,
        out=str(tmp_path), verbose=False, **QUICK,
    )  # fmt: skip
    parts = sorted((tmp_path / "pairs-curve-1").glob("part-*"))
    judged = [json.loads((part / "evaluation.json").read_text()) for part in parts]
    sizes = [json.loads((part / "data.json").read_text())["samples"]["train"] for part in parts]
    for place, size in enumerate(found.sizes):
        own = [each for each, of in zip(judged, sizes, strict=True) if of == size]
        assert sorted(found.accuracies[place]) == pytest.approx(sorted(each["exact"] for each in own))
        assert sorted(found.mean_aps[place]) == pytest.approx(sorted(each["mean_ap"] for each in own))
    assert found.now == pytest.approx(np.mean(found.accuracies[-1]))
    assert (found.classes, found.advice) == ((), "")
    assert "ll labels of " in found.sentence
    page = (tmp_path / "pairs-curve-1" / "curve.html").read_text()
    assert '<th class="number">all labels right</th>' in page
    assert '<th class="number">mAP</th>' in page
    assert hubel.curve(tmp_path / "pairs-curve-1") == found


def test_a_label_of_too_few_pictures_is_named_before_anything_is_trained() -> None:
    there = np.zeros((40, 2), np.uint8)
    there[:, 0] = 1
    there[:3, 1] = 1
    assert doubts_before(there, 40, ["cat", "dog"]) == [
        "the smallest part, 1/8, would hold fewer than 2 pictures of 'dog', which has 3"
    ]
