"""Folders named as ImageNet names its classes are told in words too."""

from __future__ import annotations

import shutil
from pathlib import Path

import hubel
from hubel.models.imagenet import class_names


def test_a_class_that_is_a_number_of_wordnet_is_told_with_its_word(photo_folder: Path, tmp_path: Path) -> None:
    for number, file in enumerate(sorted(photo_folder.glob("*.JPEG"))[:4]):
        for kind in ("n02119022", "toys"):
            (tmp_path / kind).mkdir(exist_ok=True)
        shutil.copy(file, tmp_path / ("n02119022", "toys")[number % 2])
    report = hubel.scan(tmp_path)
    assert "n02119022 red fox" in str(report)
    assert "n02119022 red fox" in report._repr_html_()
    assert report.summary.class_names == ("n02119022", "toys")


def test_a_thousand_names_are_a_thousand_classes() -> None:
    assert len({name.lower() for name in class_names()}) == 1000
