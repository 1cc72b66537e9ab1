"""The bench of a run or an architecture: numbers, a picture, and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubel.errors import UnknownName, UsageError
from hubel.records.nets import load
from hubel.report.drawings.timing import draw_latency
from hubel.verbs.bench import bench, sizes_up_to
from hubel.verbs.predict import predict
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


def test_fast_predictions_are_the_plain_ones_and_leave_the_classifier_as_it_is(
    digits_run: Path, picture_folder: Path
) -> None:
    classifier = load(digits_run)
    before = {key: value.clone() for key, value in classifier.model.state_dict().items()}
    layers = [type(module) for module in classifier.model.modules()]
    plain = predict(classifier, picture_folder / "zero", fast=False)
    fast = predict(classifier, picture_folder / "zero", fast=True)
    assert [p.label for p in fast] == [p.label for p in plain]
    for ours, theirs in zip(fast, plain, strict=True):
        assert list(ours.probabilities.values()) == pytest.approx(list(theirs.probabilities.values()), abs=1e-5)
    assert [type(module) for module in classifier.model.modules()] == layers, "what explains sees the net as trained"
    assert all((value == before[key]).all() for key, value in classifier.model.state_dict().items())
