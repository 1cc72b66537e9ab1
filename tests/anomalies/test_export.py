"""A detector as one ONNX file: pictures of any size in, score and map out, as hubel gives them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

import hubel
from anomalies.parts import good, scratched
from hubel.anomalies.artefact import Detector, save
from hubel.anomalies.detecting import Learnt, divide, learn
from hubel.anomalies.eyes import Eyes, chosen_stages
from hubel.anomalies.flat_graph import Forest
from hubel.anomalies.graph import Score, answered
from hubel.anomalies.methods import METHODS
from hubel.anomalies.patch_graph import TOGETHER
from hubel.anomalies.settings import Settings
from hubel.checkpoint import Classifier, ModelSpec, Provenance
from hubel.cli import main
from hubel.data.preprocessing import Preprocessing
from hubel.deploy.onnx import apart
from hubel.errors import ArtefactError, UsageError
from hubel.models import create_model
from hubel.runtime import seeded
from hubel.store import RunStore
from hubel.verbs.export_detector import ROUNDINGS, TOLERANCE, export_detector

SIZE = Preprocessing(height=32, width=32, channels=3, fit="pad", mean=(0.5, 0.4, 0.6), std=(0.2, 0.3, 0.25))
ON_FEATURES = [name for name in METHODS if not METHODS.get(name).pixels_only and name != "forest"]


def seen_through(preprocessing: Preprocessing) -> tuple[Eyes, Classifier]:
    """A small residual net, with weights that nobody trained but whose norms have seen numbers."""
    with seeded(0):
        net = create_model("resnet20", num_classes=3, in_chans=3, img_size=(32, 32))
        net.train()(torch.randn(64, 3, 32, 32))
    net.eval()
    eyes = Eyes(preprocessing=preprocessing, net=net, stages=chosen_stages(net, preprocessing), name="resnet20")
    spec = ModelSpec(architecture="resnet20", num_classes=3, in_chans=3, img_size=(32, 32))
    whole = Classifier(
        model=net,
        preprocessing=preprocessing,
        class_names=("a", "b", "c"),
        spec=spec,
        provenance=Provenance(source="test"),
    )
    return eyes, whole


def kept(learnt: Learnt, net: Classifier | None, folder: Path) -> Path:
    folder.mkdir()
    save(RunStore(folder), Detector(name="part", learnt=1, methods=(learnt,), usual_scores=np.array([0.0, 1.0])), net)
    return folder


@pytest.fixture(scope="module")
def photographs(photo_folder: Path) -> np.ndarray:
    """N C H W uint8: two crops of each of one hundred photographs, brought to size as hubel does."""
    files = sorted(photo_folder.glob("*.JPEG"))
    whole = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    parts = [part for one in whole for part in (one[: len(one) // 2], one[len(one) // 2 :])]
    return np.stack([SIZE.array(part) for part in parts])


@pytest.mark.parametrize("name", ON_FEATURES)
def test_a_detector_on_the_features_of_a_net_gives_its_scores_and_maps_elsewhere(
    name: str, photographs: np.ndarray, tmp_path: Path
) -> None:
    eyes, net = seen_through(SIZE)
    learnt = learn(name, eyes, photographs[:120], divide(eyes, photographs[:120], 0.1), 0.1, Settings(coreset=0.05))
    told = export_detector(kept(learnt, net, tmp_path / "d"), tmp_path / "d.onnx")
    assert told.difference <= TOLERANCE
    session = onnxruntime.InferenceSession(tmp_path / "d.onnx")
    # Among them those that were learnt from: of them patches lie next to, or upon, those that were kept.
    others = np.concatenate([photographs[:20], photographs[120:150]])
    ours, maps = learnt.look(others)
    alone = [session.run(None, {"images": others[row : row + 1]}) for row in range(3)]
    scores, where = session.run(None, {"images": others})
    assert apart(scores, ours) <= 1e-5
    assert apart(np.concatenate([one[0] for one in alone]), ours[:3]) <= 1e-5
    if maps is not None:
        assert where.shape == maps.shape
        assert apart(where, maps) <= 1e-5
    assert told.bytes == (tmp_path / "d.onnx").stat().st_size


@pytest.mark.parametrize(
    ("name", "side"), [("ocsvm", 24), ("ocsvm", 70), ("forest", 24), ("forest", 70), ("patchcore", 70), ("fpi", 24)]
)
def test_a_detector_on_pixels_gives_its_scores_and_maps_elsewhere(name: str, side: int, tmp_path: Path) -> None:
    eyes = Eyes(preprocessing=Preprocessing(height=side, width=side - 3, channels=1))
    normal = good(60, side=side)[..., 3:]
    settings = Settings(epochs=2, seconds=60, coreset=0.02)
    learnt = learn(name, eyes, normal, divide(eyes, normal, 0.1), 0.1, settings)
    told = export_detector(kept(learnt, None, tmp_path / "d"), tmp_path / "d.onnx")
    # FPI is a net: its rounding was measured on other pictures than these, so that twice as much may come.
    allowed = max(TOLERANCE, 2 * ROUNDINGS * (told.rounding or 0))
    assert allowed < 2e-4
    others = np.concatenate([normal[:10], scratched(good(10, seed=7, side=side))[0][..., 3:]])
    ours, maps = learnt.look(others)
    scores, where = onnxruntime.InferenceSession(tmp_path / "d.onnx").run(None, {"images": others})
    assert apart(scores, ours) <= allowed
    assert maps is None or apart(where, maps) <= allowed


@pytest.mark.parametrize("fit", ["pad", "crop", "squash"])
def test_pictures_of_other_sizes_are_brought_to_size_inside_the_file(fit: str, tmp_path: Path) -> None:
    eyes = Eyes(preprocessing=Preprocessing(height=24, width=20, channels=3, fit=fit, interpolation="bicubic"))
    normal = good(40, channels=3)[..., 4:]
    learnt = learn("pca", eyes, normal, divide(eyes, normal, 0.1), 0.1, Settings())
    folder = kept(learnt, None, tmp_path / "d")
    told = export_detector(folder, tmp_path / "d.onnx")
    assert told.takes == "images: N x 3 x H x W, bytes, of any size"
    session = onnxruntime.InferenceSession(tmp_path / "d.onnx")
    for height, width in ((24, 20), (7, 90), (130, 31), (60, 60)):
        pictures = np.random.default_rng(height).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
        ours = hubel.predict(folder, list(pictures))
        scores = session.run(None, {"images": pictures.transpose(0, 3, 1, 2)})[0]
        assert apart(scores, ours.scores) <= 1e-5  # type: ignore[union-attr]


def test_a_large_coreset_is_asked_a_part_at_a_time(photographs: np.ndarray) -> None:
    eyes, _ = seen_through(SIZE)
    learnt = learn("patchcore", eyes, photographs[:30], divide(eyes, photographs[:30], 0.1), 0.1, Settings())
    bank = learnt.state["bank"]
    rows = eyes.maps(photographs[150:154])
    flat = rows.reshape(*rows.shape[:2], -1).transpose(0, 2, 1).astype(np.float64)
    brute = np.sqrt(((flat[:, :, None] - bank[None, None].astype(np.float64)) ** 2).sum(-1).min(-1))
    assert len(bank) > TOGETHER
    with torch.inference_mode():
        _, maps = Score(learnt).raw(torch.from_numpy(photographs[150:154]))
    np.testing.assert_allclose(maps.flatten(1).numpy(), brute, rtol=1e-6)
    _, ours = learnt.look(photographs[150:154])
    assert ours is not None
    assert learnt.map_threshold is not None
    np.testing.assert_allclose(ours.reshape(4, -1), learnt.map_threshold.normalised(brute), rtol=1e-5, atol=1e-6)


def test_a_file_names_no_source_and_says_how_it_was_made(tmp_path: Path) -> None:
    eyes = Eyes(preprocessing=Preprocessing(height=24, width=24, channels=1))
    learnt = learn("knn", eyes, good(40), divide(eyes, good(40), 0.1), 0.1, Settings())
    export_detector(kept(learnt, None, tmp_path / "d"), tmp_path / "d.onnx")
    data = (tmp_path / "d.onnx").read_bytes()
    assert b".py" not in data
    facts = {entry.key: entry.value for entry in onnx.load_from_string(data).metadata_props}
    assert (facts["hubel"], facts["method"], facts["threshold"]) == ("detector", "knn", "1")
    assert json.loads(facts["preprocessing"])["height"] == 24


def test_a_score_that_a_net_rounds_coarsely_may_be_off_by_a_few_of_its_roundings_and_no_more(
    monkeypatch: pytest.MonkeyPatch, photographs: np.ndarray, tmp_path: Path
) -> None:
    eyes, net = seen_through(SIZE)
    learnt = learn("knn", eyes, photographs[:60], divide(eyes, photographs[:60], 0.1), 0.1, Settings())
    exact = answered(Score(learnt), photographs[60:90], double=True)[0]
    assert 0 < apart(exact, learnt.look(photographs[60:90])[0]) < 1e-5
    close = replace(learnt, threshold=replace(learnt.threshold, score=learnt.threshold.usual * (1 + 1e-6)))
    told = export_detector(kept(close, net, tmp_path / "close"), tmp_path / "close.onnx")
    assert told.rounding is not None
    assert told.difference <= max(TOLERANCE, ROUNDINGS * told.rounding)
    monkeypatch.setattr("hubel.anomalies.flat_graph.Neighbours.forward", lambda self, images: (
        self.sight.vectors(images).double().square().sum(dim=1).sqrt(), None
    ))  # fmt: skip
    with pytest.raises(ArtefactError, match="scores otherwise than hubel does"):
        export_detector(kept(learnt, net, tmp_path / "wrong"), tmp_path / "wrong.onnx")
    assert not (tmp_path / "wrong.onnx").exists()


def test_what_cannot_be_exported_says_why_and_what_can(
    photographs: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    eyes, net = seen_through(SIZE)
    learnt = learn("forest", eyes, photographs[:60], divide(eyes, photographs[:60], 0.1), 0.1, Settings())
    folder = kept(learnt, net, tmp_path / "d")
    with pytest.raises(UsageError, match="an isolation forest on resnet20 cannot be exported"):
        Forest(eyes, learnt.state)
    with pytest.raises(SystemExit) as end:
        main(["export", str(folder), "--out", str(tmp_path / "d.onnx")])
    heard = capsys.readouterr()
    assert (end.value.code, "--method knn --features resnet20" in heard.err.replace("\n ", "")) == (2, True)


def test_an_exported_detector_is_told_from_an_exported_net(tmp_path: Path) -> None:
    eyes = Eyes(preprocessing=Preprocessing(height=24, width=24, channels=1))
    learnt = learn("pca", eyes, good(40), divide(eyes, good(40), 0.1), 0.1, Settings())
    export_detector(kept(learnt, None, tmp_path / "d"), tmp_path / "d.onnx")
    with pytest.raises(ArtefactError, match="is an exported detector"):
        hubel.predict(tmp_path / "d.onnx", np.zeros((24, 24), np.uint8))


def test_a_detector_of_pixels_leaves_no_weights_of_the_one_that_it_replaces(tmp_path: Path) -> None:
    eyes, net = seen_through(Preprocessing(height=32, width=32, channels=3))
    pictures = np.random.default_rng(0).integers(0, 255, (24, 3, 32, 32)).astype(np.uint8)
    learnt = learn("pca", eyes, pictures, divide(eyes, pictures, 0.1), 0.1, Settings())
    store = RunStore(kept(learnt, net, tmp_path / "d"))
    assert store.names("weights")
    save(store, Detector(name="part", learnt=1, methods=(learnt,), usual_scores=np.zeros(2)), None)
    assert store.names("weights") == []
