"""An exported file says whether it knows a picture, as its run does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hubel
from hubel.checkpoint.trust import Trust
from hubel.deploy.parity import told_otherwise
from hubel.metrics.strangeness import NAMES, OF_LOGITS, familiar, strangeness

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from hubel.deploy.onnx_graph import Nodes  # noqa: E402
from hubel.deploy.onnx_known import FAMILIARITY, familiarity  # noqa: E402

K, F = 4, 12


def trusting(names: tuple[str, ...]) -> tuple[Trust, np.ndarray, np.ndarray]:
    """What was learnt of these scores, and logits and features of pictures, familiar ones and strange ones."""
    draw = np.random.default_rng(0)
    labels = np.arange(120) % K
    features = draw.normal(size=(120, F)) + 3 * np.eye(F)[labels]
    logits = features[:, :K] + draw.normal(size=(120, K))
    seen = familiar(features, labels, logits)
    scales = {name: (float(np.median(v)), float(v.std())) for name, v in strangeness(logits, features, seen).items()}
    trust = Trust(scores={name: scales[name] for name in names}, usual=np.zeros(1), familiar=seen)
    usual = np.sort(trust.strange(logits, features))[::3]
    trust = Trust(scores=trust.scores, usual=usual, familiar=seen)
    odd = draw.normal(size=(60, F)) * np.linspace(0.1, 6, 60)[:, None]
    return trust, np.concatenate([logits, odd[:, :K]]), np.concatenate([features, odd])


def in_runtime(trust: Trust, logits: np.ndarray, features: np.ndarray) -> np.ndarray:
    """The graph at work."""
    nodes, kinds = Nodes("known"), onnx.TensorProto
    familiarity(nodes, "logits", "features", trust)
    graph = onnx.helper.make_graph(
        nodes.nodes, "known",
        [onnx.helper.make_tensor_value_info("logits", kinds.FLOAT, ["N", K]),
         onnx.helper.make_tensor_value_info("features", kinds.FLOAT, ["N", F])],
        [onnx.helper.make_tensor_value_info(FAMILIARITY, kinds.FLOAT, ["N"])], nodes.initializers,
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, {"logits": logits, "features": features})[0]
    return found


@pytest.mark.parametrize("names", [*((name,) for name in NAMES), OF_LOGITS, NAMES], ids=", ".join)
def test_the_graph_computes_what_trust_does(names: tuple[str, ...]) -> None:
    trust, logits, features = trusting(names)
    logits, features = logits.astype(np.float32), features.astype(np.float32)
    wanted = trust.familiarity(logits, features)
    found = in_runtime(trust, logits, features)
    assert 0.01 < (wanted < 0.05).mean() < 0.9, "some are strange"
    steps = np.abs(found - wanted) * len(trust.usual)
    assert steps.max() < 1.01
    assert (steps > 0.5).mean() < 0.02, "rounding moves hardly any by a step"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    out = str(tmp_path_factory.mktemp("known"))
    return hubel.train("digits", epochs=4, out=out, device="cpu", threads=1, baseline=False, model="mlp")


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    noise = np.random.default_rng(3)
    digits = hubel.scan("digits")
    assert digits is not None
    from sklearn.datasets import load_digits

    real = [(16 * each).clip(0, 255).astype(np.uint8) for each in load_digits().images[:20]]
    return [*real, *(noise.integers(0, 256, (8, 8), dtype=np.uint8) for _ in range(10))]


def test_a_file_says_of_each_picture_what_its_run_says(
    run: hubel.Run, pictures: list[np.ndarray], tmp_path: Path
) -> None:
    assert run.load().trust is not None
    found = run.export(out=tmp_path / "net.onnx", pictures=40)
    assert found.parity.known_differ == 0
    assert "Whether a picture is known is told alike of all." in found.parity.sentence
    by_run, by_file = run.predict(pictures, device="cpu"), hubel.predict(found.path, pictures)
    for one, other in zip(by_run, by_file, strict=True):
        assert (one.known, one.plausible) == (other.known, other.plausible)
        assert other.familiarity == pytest.approx(one.familiarity, abs=0.0051)
    assert {each.known for each in by_file} == {True, False}, "noise is not known"
    session = onnxruntime.InferenceSession(str(found.path), providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_outputs()] == ["probabilities", "familiarity"]


def test_a_file_that_tells_otherwise_is_not_written(
    run: hubel.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubel.deploy.onnx_known.CALM", 50.0)
    with pytest.raises(hubel.ArtefactError, match="told otherwise whether they are known"):
        run.export(out=tmp_path / "net.onnx", pictures=40)
    assert not list(tmp_path.iterdir())


def test_of_whole_numbers_it_is_said_that_they_do_not_tell(run: hubel.Run, tmp_path: Path) -> None:
    said: list[str] = []

    class Listening(hubel.Watcher):
        def remark(self, text: str) -> None:
            said.append(text)

    found = run.export(out=tmp_path / "net.onnx", int8=True, accept_loss=100, pictures=20, watch=Listening())
    assert any("does not say whether a picture is known" in text for text in said)
    assert hubel.predict(found.path, np.zeros((8, 8), np.uint8))[0].known is None


def test_a_step_beside_the_threshold_is_a_tie() -> None:
    assert told_otherwise(np.array([0.05, 0.2]), np.array([0.045, 0.04]), 0.05) == 1
