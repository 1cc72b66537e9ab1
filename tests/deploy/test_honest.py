"""Every form of a net makes its logits honest as numpy does: as a layer, as a program, as nodes of ONNX."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import hubel
from hubel.checkpoint import Classifier
from hubel.checkpoint.trust import Trust
from hubel.deploy import onnx_graph
from hubel.deploy.exporting import FORMS
from hubel.deploy.wanted import Wanted, reference_of
from hubel.metrics.calibrators import Calibrator, fit_isotonic
from hubel.metrics.probability import log_softmax
from hubel.metrics.sets import Sets
from hubel.nn.calibrated import Calibrated

_DRAW = np.random.default_rng(0)
HONEST = (
    Calibrator(temperature=0.6),
    Calibrator(scales=np.array([0.3, 0.5, 1.0, 1.5]), shifts=np.array([1.0, 0.0, -1.0, 0.5])),
    fit_isotonic(_DRAW.normal(size=(500, 4)) * 3, _DRAW.integers(0, 4, 500)),
)
"""One of each kind, for four classes."""


@pytest.mark.parametrize("how", HONEST, ids=lambda how: how.kind)
@pytest.mark.parametrize(("kind", "most"), [(torch.float64, 1e-6), (torch.float32, 2e-5)])
def test_the_layer_says_what_numpy_says(how: Calibrator, kind: torch.dtype, most: float) -> None:
    logits = np.random.default_rng(1).normal(size=(300, 4)) * 6
    found = torch.softmax(Calibrated(how)(torch.tensor(logits, dtype=kind)), dim=1).double().numpy()
    assert np.abs(found - np.exp(log_softmax(how(logits)))).max() < most


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    run = hubel.train(
        "digits", limit=300, epochs=1, out=str(tmp_path_factory.mktemp("honest")), device="cpu", threads=1
    )
    return hubel.load(run.folder)


@pytest.mark.parametrize("how", HONEST, ids=lambda how: how.kind)
def test_the_nodes_say_what_numpy_says(how: Calibrator) -> None:
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    nodes = onnx_graph.Nodes("answer")
    nodes.last("Softmax", onnx_graph._honest(nodes, "logits", how), output="shares", axis=1)
    ends = [onnx.helper.make_tensor_value_info(name, 1, ["N", 4]) for name in ("logits", "shares")]
    graph = onnx.helper.make_graph(nodes.nodes, "answer", ends[:1], ends[1:], nodes.initializers)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    logits = np.random.default_rng(1).normal(size=(300, 4)) * 6
    (found,) = session.run(None, {"logits": logits.astype(np.float32)})
    assert np.abs(found - np.exp(log_softmax(how(logits)))).max() < 2e-5


@pytest.mark.parametrize("form", ["page", "onnx", pytest.param("program", marks=pytest.mark.slow)])
def test_every_file_answers_as_the_net_does(net: Classifier, form: str) -> None:
    if form == "onnx":
        pytest.importorskip("onnxruntime")
    draw = np.random.default_rng(2)
    how = fit_isotonic(draw.normal(size=(600, 10)) * 3, draw.integers(0, 10, 600))
    wanted = Wanted(classifier=net, views="none", calibrator=how, card={})
    pictures = [draw.integers(0, 256, (8, 8, 1), dtype=np.uint8) for _ in range(12)]
    own = reference_of(wanted, pictures)
    plain = reference_of(replace(wanted, calibrator=Calibrator()), pictures)
    assert np.abs(own - plain).max() > 0.01, "the map does nothing"
    assert np.abs(FORMS[form].make(wanted).answer(pictures) - own).max() < FORMS[form].tolerance


def test_predict_evaluate_and_explain_use_whatever_map_the_run_has(net: Classifier) -> None:
    how = Calibrator(scales=np.linspace(0.2, 2, 10), shifts=np.linspace(-1, 1, 10))
    odd = replace(net, trust=Trust(calibrator=how, sets=Sets()))
    picture = np.random.default_rng(3).integers(0, 256, (8, 8), dtype=np.uint8)
    assert net.preprocessing is not None
    image = net.preprocessing.normalise(torch.from_numpy(picture[None, None]))
    with torch.no_grad():
        logits = net.model(image).numpy()
    said = np.exp(log_softmax(how(logits)))[0]
    np.testing.assert_allclose(hubel.predict(odd, picture).probabilities[0], said, atol=1e-6)
    np.testing.assert_allclose(odd.look()(image).softmax(1).detach()[0], said, atol=1e-5)
    seen = hubel.explain(odd, picture, method="saliency")
    assert seen.probability == pytest.approx(said.max(), abs=1e-5)
