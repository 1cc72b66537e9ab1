"""The bench of a run or an architecture: numbers, a picture, and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hubel.errors import UnknownName, UsageError
from hubel.records.nets import load
from hubel.report.drawings.timing import draw_latency
from hubel.runtime import pick_device
from hubel.verbs.bench import bench, bench_server, sizes_up_to
from hubel.verbs.predict import predict
from hubel.verbs.summary import summary
from hubel.verbs.train import train


def test_an_architecture_is_timed_by_its_name() -> None:
    found = bench("mnist_cnn", batches=[1, 2], forms=["eager", "ready"], seconds=0.01, device="cpu", threads=1)
    assert (found.title, found.shape) == ("mnist_cnn, fresh weights", (1, 28, 28))
    assert found.environment["threads"] == 1
    facts = json.loads(found.to_json())
    assert [row["agrees"] for row in facts["forms"]] == [True, True]
    assert facts["timings"][3]["batch"] == 2
    figure = draw_latency(found)
    assert figure.kind == "svg"
    assert "ms at batch 1" in figure.alt


def test_what_could_not_be_made_is_null_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    found = bench("two_conv", batches=[1], forms=["compiled"], seconds=0.01, device="cpu")
    assert json.loads(found.to_json())["forms"][0]["difference"] is None


def test_points_and_other_sizes_are_timed_too() -> None:
    assert bench("toy_3_2_1", batches=[1], forms=["eager"], seconds=0.01, device="cpu").shape == (2,)
    wide = bench("mnist_cnn", batches=[1], forms=["ready"], shape=(3, 32, 32), seconds=0.01, device="cpu")
    assert wide.shape == (3, 32, 32)


def test_a_layer_list_that_leaves_its_classes_open_gets_ten_or_what_is_said(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("layers: [flatten, dense K]")
    quick: dict[str, Any] = {"batches": [1], "forms": ["eager"], "shape": (1, 4, 4), "seconds": 0.01, "device": "cpu"}
    ten = bench(tmp_path / "net.yaml", **quick)
    assert (ten.title, ten.parameters) == (f"{tmp_path / 'net.yaml'} (K = 10), fresh weights", 17 * 10)
    assert bench(tmp_path / "net.yaml", num_classes=3, **quick).parameters == 17 * 3
    assert summary(str(tmp_path / "net.yaml"), (1, 4, 4), num_classes=3).params == 17 * 3
    assert summary("resnet18", num_classes=7).params == summary("resnet18").params - 993 * 513
    (tmp_path / "net.yaml").write_text("layers: [flatten, dense 10]")
    with pytest.raises(UsageError, match="ends in 10 outputs, and 3 classes are wanted"):
        bench(tmp_path / "net.yaml", num_classes=3, **quick)
    with pytest.raises(UsageError, match="a module has its own outputs, and 3 are asked for"):
        summary(torch.nn.Linear(2, 2), (2,), num_classes=3)


def test_a_net_that_is_not_there_is_not_timed() -> None:
    with pytest.raises(UnknownName, match="unknown model 'resnet81'"):
        bench("resnet81")
    with pytest.raises(UsageError, match="channels x height x width"):
        bench("mnist_cnn", shape=(3, 2))
    with pytest.raises(UsageError, match="at least 1"):
        sizes_up_to(0)


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    return train("digits", epochs=1, out=str(out), device="cpu").folder


def test_a_run_is_timed_with_its_own_input(digits_run: Path) -> None:
    found = bench(digits_run, batches=[1], forms=["eager", "ready"], seconds=0.01, device="cpu")
    assert found.shape == (1, 8, 8)
    assert found.forms[1].agrees
    with pytest.raises(UsageError, match="its own input shape"):
        bench(digits_run, shape=(3, 32, 32))
    with pytest.raises(UsageError, match="its own outputs, and 3 are asked for"):
        bench(digits_run, num_classes=3)


def test_fast_predictions_are_the_plain_ones_and_leave_the_classifier_as_it_is(
    digits_run: Path, picture_folder: Path
) -> None:
    classifier = load(digits_run)
    before = {key: value.clone() for key, value in classifier.model.state_dict().items()}
    layers = [type(module) for module in classifier.model.modules()]
    plain = predict(classifier, picture_folder / "zero", fast=False)
    fast = predict(classifier, picture_folder / "zero", fast=True)
    assert [p.label for p in fast] == [p.label for p in plain]
    # A GPU computes convolutions in TF32, which rounds folded filters elsewhere than plain ones.
    allowed = 1e-5 if pick_device().type == "cpu" else 2e-3
    for ours, theirs in zip(fast, plain, strict=True):
        assert list(ours.probabilities.values()) == pytest.approx(list(theirs.probabilities.values()), abs=allowed)
    assert [type(module) for module in classifier.model.modules()] == layers, "what explains sees the net as trained"
    assert all((value.cpu() == before[key]).all() for key, value in classifier.model.state_dict().items())


def test_a_server_is_timed_with_one_client_and_with_several(digits_run: Path) -> None:
    found = bench_server(digits_run, clients=3, rates=[60.0], seconds=0.3, device="cpu", threads=1)
    assert [(each.load.clients, each.load.rate) for each in found.loads] == [(1, 0.0), (3, 0.0), (3, 60.0)]
    assert all(each.load.answers and not each.load.refused for each in found.loads)
    assert all(each.load.p50 <= each.load.p99 and each.batch >= 1 for each in found.loads)
    facts = json.loads(found.to_json())
    assert facts["loads"][1]["load"]["per_second"] == pytest.approx(found.loads[1].load.per_second)
    assert facts["picture"].startswith("JPEG of 256 x 256 pixels")
