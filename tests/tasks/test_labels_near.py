"""`hubel neighbours` of a net of several labels: which pictures are near, with all their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

import hubel
from hubel.cli import main
from hubel.errors import DataError
from hubel.features.table import FeatureTable
from hubel.records.samples import samples_of
from hubel.verbs.features import read_features
from hubel.verbs.neighbours import agreement, neighbours


def table_of(run: hubel.Run, split: str) -> tuple[FeatureTable, np.ndarray]:
    samples = samples_of(run.folder, split=split, several=True)
    return read_features(samples), samples.pixels


def test_neighbours_are_told_with_all_their_labels(pairs_run: hubel.Run, pairs_folder: Path) -> None:
    found = neighbours(pairs_run.folder, pairs_folder / "000.png", k=6)
    cells = dict(line.split(",") for line in (pairs_folder / "labels.csv").read_text().splitlines()[1:])
    for part in found.lists:
        assert [cells[name] for name in part.names] == list(part.labels)
    assert any("|" in label for part in found.lists for label in part.labels)


def test_how_often_neighbours_have_the_labels_is_counted_label_by_label(pairs_run: hubel.Run) -> None:
    found = agreement(pairs_run.folder, k=5)
    asked, searched = table_of(pairs_run, "test")[0], table_of(pairs_run, "train")[0]
    assert asked.targets is not None
    assert searched.targets is not None
    near = NearestNeighbors(n_neighbors=5).fit(searched.values).kneighbors(asked.values, return_distance=False)
    have = [[searched.targets[rows, k].mean() for rows, own in zip(near, asked.targets, strict=True) if own[k]]
            for k in range(3)]  # fmt: skip
    assert found.by_features[0] == pytest.approx(np.mean([share for each in have for share in each]))
    votes = np.array([searched.targets[rows].mean(0) > 0.5 for rows in near])
    assert found.by_features[1] == pytest.approx((votes == (asked.targets > 0)).all(1).mean())
    lots = [searched.targets[:, k].mean() for own in asked.targets for k in range(3) if own[k]]
    assert found.chance == pytest.approx(np.mean(lots))
    assert found.by_features[0] > found.chance
    assert found.sentence.startswith("Neighbours that have a label of the sample")


def test_other_labels_are_not_compared(pairs_run: hubel.Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match="have other labels"):
        agreement(pairs_run.folder, "digits")
    with pytest.raises(SystemExit) as left:
        main(["features", str(pairs_run.folder)])
    assert left.value.code == 4
    assert "was trained for the task multilabel" in capsys.readouterr().err
