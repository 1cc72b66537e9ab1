"""Classical baselines: one interface, features by hand and by nets, and only what is plain is saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from hubel.errors import ArtefactError, DataError, UnknownName, UsageError
from hubel.models import create_model
from hubel.models.baselines import METHODS, baseline, hog, load_linear, net_features

DIGITS = load_digits()
IMAGES, LABELS = (DIGITS.images[:, None] * 15).astype(np.uint8), DIGITS.target


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_digits(method: str) -> None:
    model = baseline(method).fit(IMAGES[::4], LABELS[::4])
    found = model.predict_proba(IMAGES[1::8])
    assert found.shape == (len(IMAGES[1::8]), 10)
    assert np.allclose(found.sum(1), 1)
    assert model.score(IMAGES[1::8], LABELS[1::8]) > 0.85


@pytest.mark.parametrize("turn", range(4))
def test_hog_says_which_way_an_edge_runs(turn: int) -> None:
    edge = np.zeros((1, 1, 16, 16))
    edge[..., 8:] = 1
    edge = np.rot90(edge, turn, (2, 3))
    bins = hog(edge).reshape(-1, 9).sum(0)
    lit = set(np.nonzero(bins > 1e-6)[0].tolist())
    assert lit == ({0} if turn % 2 == 0 else {4, 5})  # 90 degrees lies between the fifth and the sixth bin


def test_hog_does_not_mind_brightness_and_contrast() -> None:
    assert np.allclose(hog(IMAGES[:5].astype(float)), hog(IMAGES[:5] * 0.5 + 20.0), atol=1e-3)


def test_features_of_a_net_beat_nothing_but_work() -> None:
    torch.manual_seed(0)
    net = create_model("mnist_cnn", in_chans=1, img_size=(28, 28)).train()
    images = np.repeat(np.repeat(IMAGES[:300] / 255.0, 3, axis=2), 3, axis=3)
    images = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))
    model = baseline("linear", net_features(net)).fit(images[:200], LABELS[:200])
    assert model.score(images[200:], LABELS[200:300]) > 0.5
    assert net.training, "the net is left in the mode it had"


def test_a_linear_baseline_survives_saving_and_the_others_say_why_not(tmp_path: Path) -> None:
    model = baseline("linear", "hog").fit(IMAGES[:200], LABELS[:200])
    model.save(tmp_path / "linear.npz")
    back = load_linear(tmp_path / "linear.npz")
    assert np.allclose(back.predict_proba(IMAGES[200:300]), model.predict_proba(IMAGES[200:300]), atol=1e-5)
    with pytest.raises(UsageError, match="a 'forest' baseline over pixels cannot be saved without a pickle"):
        baseline("forest").fit(IMAGES[:50], LABELS[:50]).save(tmp_path / "forest.npz")
    (tmp_path / "other.npz").write_bytes(b"PK nothing")
    with pytest.raises(ArtefactError, match="is not a saved linear baseline"):
        load_linear(tmp_path / "other.npz")


def test_two_classes_are_a_sigmoid_and_survive_saving(tmp_path: Path) -> None:
    two = LABELS < 2
    model = baseline("linear").fit(IMAGES[two][:100], LABELS[two][:100])
    model.save(tmp_path / "two.npz")
    found = load_linear(tmp_path / "two.npz").predict_proba(IMAGES[two])
    assert np.allclose(found, model.predict_proba(IMAGES[two]), atol=1e-5)


def test_misuse_is_told() -> None:
    with pytest.raises(UnknownName, match="did you mean 'forest'"):
        baseline("forrest")
    with pytest.raises(UsageError, match="has not learned yet"):
        baseline("linear").predict(IMAGES[:2])
    with pytest.raises(DataError, match="N C H W with N labels"):
        baseline("linear").fit(IMAGES[:5, 0], LABELS[:5])
    with pytest.raises(DataError, match="at least two classes"):
        baseline("linear").fit(IMAGES[:5], np.zeros(5))
