"""Several nets that say labels, asked together."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import hubel
from hubel.checkpoint.learnt import Learnt
from hubel.errors import ArtefactError, UsageError
from hubel.tasks.answers import Answers


def answers(found: object) -> Answers:
    assert isinstance(found, Answers)
    return found


def test_several_nets_say_the_mean_of_their_probabilities_by_the_mean_of_their_thresholds(
    pairs_run: hubel.Run, pairs_folder: Path
) -> None:
    first = hubel.load(pairs_run.folder)
    assert first.learnt is not None
    # The same net with its outputs in another order, and with thresholds that are never reached.
    turned = dataclasses.replace(
        first, class_names=first.class_names[::-1], learnt=Learnt(arrays={"thresholds": np.ones(3, np.float32)})
    )
    files = sorted(pairs_folder.glob("*.png"))[:30]
    together = answers(hubel.predict([first, turned], files))
    alone, other = answers(hubel.predict(first, files)), answers(hubel.predict(turned, files))
    limits = (first.label_thresholds + 1) / 2
    for all_, one, two in zip(together, alone, other, strict=True):
        mean = np.array([(one.numbers[name] + two.numbers[name]) / 2 for name in first.class_names])
        assert list(all_.numbers.values()) == pytest.approx(mean.tolist(), abs=1e-6)
        assert set(all_.labels or ()) == {n for n, p, limit in zip(first.class_names, mean, limits, strict=True)
                                          if p >= limit}  # fmt: skip
    assert {all_.labels for all_ in together} != {one.labels for one in alone}


def test_what_one_of_them_cannot_read_is_named_and_other_labels_are_refused(
    pairs_run: hubel.Run, pairs_folder: Path, digits_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "no.png").write_bytes(b"none")
    found = answers(hubel.predict([pairs_run.folder] * 2, [pairs_folder / "000.png", tmp_path / "no.png"]))
    assert (len(found), len(found.problems)) == (1, 1)
    first = hubel.load(pairs_run.folder)
    renamed = dataclasses.replace(first, class_names=("digit 0", "digit 1", "digit 8"))
    with pytest.raises(ArtefactError, match="net 2 of 2 nets has classes the model was not trained on: 'digit 8'"):
        hubel.predict([first, renamed], pairs_folder / "000.png")
    with pytest.raises(ArtefactError, match="of the task multilabel") as refused:
        hubel.ensemble([pairs_run.folder] * 2)
    assert "hubel predict RUN RUN PICTURES" in refused.value.hint
    with pytest.raises(UsageError, match="these nets were trained for different tasks: multilabel, classify"):
        hubel.predict([pairs_run.folder, digits_run], pairs_folder / "000.png")
