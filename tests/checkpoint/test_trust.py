"""What was learnt about a net's answers lies beside its weights, and counts for those weights alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hubel.checkpoint.trust import Trust, file_of, read_trust, save_trust
from hubel.errors import ArtefactError
from hubel.metrics.calibrators import Calibrator
from hubel.metrics.sets import Sets
from hubel.metrics.strangeness import familiar
from hubel.store import RunStore

WEIGHTS = "a" * 64


def learnt(labels: np.ndarray | None = None) -> Trust:
    draw = np.random.default_rng(0)
    labels = np.arange(40) % 3 if labels is None else labels
    seen = familiar(draw.normal(size=(40, 12)), labels, draw.normal(size=(40, 3)))
    return Trust(
        calibrator=Calibrator(temperature=0.7),
        sets=Sets(limit=0.2, sum=0.9, own=np.array([0.1, np.nan, 0.3])),
        scores={"energy": (1.5, 0.5), "neighbours": (0.1, 0.2)},
        usual=np.sort(draw.normal(size=50)),
        familiar=seen,
        facts={"samples": 40, "ece_before": 0.1},
    )


def saved(tmp_path: Path, trust: Trust) -> Path:
    store = RunStore.open(tmp_path)
    save_trust(store, "best", trust, WEIGHTS)
    return tmp_path / file_of("best")


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    trust = learnt()
    found = read_trust(saved(tmp_path, trust), WEIGHTS, classes=3)
    assert found is not None
    assert (found.calibrator.temperature, dict(found.scores), dict(found.facts)) == (0.7, trust.scores, trust.facts)
    assert (found.sets.limit, found.sets.sum) == (0.2, 0.9)
    np.testing.assert_equal(found.sets.own, trust.sets.own)
    draw = np.random.default_rng(1)
    logits, features = draw.normal(size=(9, 3)), draw.normal(size=(9, 12))
    np.testing.assert_allclose(found.strange(logits, features), trust.strange(logits, features), rtol=1e-4)
    np.testing.assert_allclose(found.familiarity(logits, features), trust.familiarity(logits, features), atol=0.03)


def test_a_class_without_samples_comes_back_as_one(tmp_path: Path) -> None:
    trust = learnt(np.arange(40) % 2)
    found = read_trust(saved(tmp_path, trust), WEIGHTS, classes=3)
    assert found is not None
    assert found.familiar is not None
    assert np.isnan(found.familiar.means[2]).all()
    assert np.isfinite(found.familiar.means[:2]).all()


def test_beside_other_weights_it_counts_as_absent(tmp_path: Path) -> None:
    assert read_trust(saved(tmp_path, learnt()), "b" * 64, classes=3) is None
    assert read_trust(tmp_path / "none.safetensors", WEIGHTS, classes=3) is None


@pytest.mark.parametrize("place", [4, 60, 200, -40])
def test_a_damaged_file_is_refused_in_words(tmp_path: Path, place: int) -> None:
    path = saved(tmp_path, learnt())
    data = bytearray(path.read_bytes())
    data[place:] = data[place + 8 :] if place > 0 else data[:place]
    path.write_bytes(bytes(data))
    with pytest.raises(ArtefactError):
        read_trust(path, WEIGHTS, classes=3)


def test_arrays_that_do_not_fit_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="arrays do not fit each other"):
        read_trust(saved(tmp_path, learnt()), WEIGHTS, classes=4)
    falling = Trust(scores={"energy": (0.0, 1.0)}, usual=np.array([1.0, 0.0]))
    with pytest.raises(ArtefactError, match="arrays do not fit each other"):
        read_trust(saved(tmp_path, falling), WEIGHTS, classes=3)
    unknown = Trust(scores={"charm": (0.0, 1.0)}, usual=np.array([0.0, 1.0]))
    with pytest.raises(ArtefactError, match="arrays do not fit each other"):
        read_trust(saved(tmp_path, unknown), WEIGHTS, classes=3)


def test_without_scores_nothing_is_called_strange() -> None:
    trust = Trust(calibrator=Calibrator(temperature=2.0))
    assert not trust.knows
    assert np.isnan(trust.familiarity(torch.zeros(2, 3).numpy(), None)).all()
