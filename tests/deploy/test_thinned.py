"""One net asked many times with some of it dropped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import hubel
from hubel.cli import main
from hubel.errors import ArtefactError, UsageError
from hubel.nn.dropping import dropping


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    out = str(tmp_path_factory.mktemp("dropping"))
    return hubel.train("digits", limit=300, epochs=2, seed=1, dropout=0.4, device="cpu", threads=1, out=out)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)


def test_it_is_the_mean_of_thinned_nets_and_their_mutual_information(run: hubel.Run, pictures: np.ndarray) -> None:
    found = run.predict(pictures, dropout_samples=400)
    net = hubel.load(run.folder)
    assert net.preprocessing is not None
    inputs = net.preprocessing.normalise(torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy()))
    torch.manual_seed(99)  # other thinned nets, one at a time: the same up to chance
    with dropping(net.model), torch.no_grad():
        shares = np.stack([net.honest(net.model(inputs)).softmax(1).numpy() for _ in range(400)])
    np.testing.assert_allclose(found.probabilities, shares.mean(axis=0), atol=0.06)
    mean = shares.mean(axis=0)
    information = -(mean * np.log(mean)).sum(1) + (shares * np.log(shares)).sum(2).mean(0)
    np.testing.assert_allclose([answer.disagreement for answer in found], information, atol=0.05)
    whole = run.predict(pictures)
    assert [a.familiarity for a in found] == pytest.approx([a.familiarity for a in whole], abs=0.02)
    assert all(a.plausible == () for a in found)


def test_what_is_said_of_a_picture_hangs_on_nothing_beside_it(run: hubel.Run, pictures: np.ndarray) -> None:
    before = torch.random.get_rng_state()
    together = run.predict(pictures, dropout_samples=8)
    alone = run.predict(pictures[3], dropout_samples=8)
    np.testing.assert_allclose(together.probabilities[3], alone.probabilities[0], atol=1e-6)
    assert torch.equal(torch.random.get_rng_state(), before), "the caller's own chance was touched"


def test_the_command_tells_the_disagreement(
    run: hubel.Run, pictures: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(pictures[0, :, :, 0]).save(tmp_path / "a.png")
    with pytest.raises(SystemExit, match="0"):
        main(["predict", str(run.folder), str(tmp_path / "a.png"), "--dropout-samples", "16", "--json"])
    answer = json.loads(capsys.readouterr().out)[0]
    assert answer["disagreement"] > 0
    with pytest.raises(SystemExit, match="0"):
        main(["predict", str(run.folder), str(tmp_path / "a.png"), "--dropout-samples", "16"])
    assert "they disagree by" in capsys.readouterr().out


def test_a_net_that_drops_nothing_is_refused_with_what_would_do(tmp_path: Path, pictures: np.ndarray) -> None:
    plain = hubel.train(
        "digits", limit=60, epochs=1, model="mlp", dropout=0.0, device="cpu", threads=1, out=str(tmp_path)
    )
    with pytest.raises(ArtefactError, match="drops nothing") as refused:
        plain.predict(pictures, dropout_samples=4)
    assert "--dropout 0.2" in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"dropout_samples": 1}, "2 to 1,000"), ({"dropout_samples": 4, "sets": "aps"}, "--sets is for the whole net"),
     ({"dropout_samples": 4, "fast": True}, "--fast is for the whole net"), ({"sets": "apps"}, "apps")],
)  # fmt: skip
def test_what_does_not_go_together_is_told(
    run: hubel.Run, pictures: np.ndarray, settings: dict[str, object], why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        run.predict(pictures, **settings)


def test_several_nets_take_no_kind_of_sets(run: hubel.Run, pictures: np.ndarray) -> None:
    with pytest.raises(UsageError, match="--sets is for one net"):
        hubel.predict([run, run], pictures, sets="aps")
