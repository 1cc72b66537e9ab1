"""Signals, volumes and sounds in folders: trained, measured, asked, and refused where that has no meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import hubel
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.evaluation.sequences import SequenceClasses
from hubel.models import create_model
from hubel.verbs.streaming import stream

from .conftest import QUICK

SMALL: dict[str, Any] = {"val_fraction": 0.2, "test_fraction": 0.2, **QUICK}


def signals(folder: Path, count: int = 24) -> Path:
    """Two channels of slow or fast waves, of unequal lengths."""
    draw = np.random.default_rng(0)
    for kind, pace in (("slow", 0.3), ("fast", 1.0)):
        (folder / kind).mkdir(parents=True)
        for row in range(count):
            at = pace * np.arange(draw.integers(16, 32)) + draw.uniform(0, 6)
            wave = np.stack([np.sin(at), np.cos(at)]) + 0.2 * draw.normal(size=(2, len(at)))
            np.save(folder / kind / f"{row:02}.npy", 50 + 20 * wave)
    return folder


def volumes(folder: Path, count: int = 16, side: int = 8) -> Path:
    """Rods that lie along one axis or another, in noise."""
    draw = np.random.default_rng(0)
    for kind, axis in (("flat", 2), ("upright", 0)):
        (folder / kind).mkdir(parents=True)
        for row in range(count):
            volume = np.zeros((side, side, side))
            y, x = draw.integers(2, side - 2, 2)
            volume[(slice(None), y, x) if axis == 0 else (y, x, slice(None))] = 100
            np.save(folder / kind / f"{row:02}.npy", volume + draw.normal(0, 15, volume.shape))
    return folder


@pytest.fixture(scope="module")
def waves_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return signals(tmp_path_factory.mktemp("signals") / "waves")


@pytest.fixture(scope="module")
def run(waves_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    return hubel.train(waves_folder, epochs=4, out=str(tmp_path_factory.mktemp("runs")), **SMALL)


def test_a_folder_of_signals_is_classified_by_convolutions_over_time(run: hubel.Run, waves_folder: Path) -> None:
    assert run.recipe["train"]["task"] == "classify"
    assert run.recipe["model"]["model"] == "signal_fcn"
    found = run.evaluate()
    assert found.top1 >= 0.9
    again = run.evaluate(waves_folder)
    assert again.samples == 48
    said = run.predict(waves_folder / "slow")
    assert [Path(each.name).name for each in said][:2] == ["00.npy", "01.npy"]
    assert np.mean([each.label == "slow" for each in said]) >= 0.9
    (one,) = run.predict(np.load(waves_folder / "slow" / "03.npy"))
    assert one.probabilities == pytest.approx(said[3].probabilities, abs=1e-5)  # longer ones beside it change nothing


def test_what_is_for_pictures_or_tables_says_so(run: hubel.Run, waves_folder: Path, tmp_path: Path) -> None:
    one = waves_folder / "slow" / "00.npy"
    with pytest.raises(ArtefactError, match="learnt from signals"):
        run.explain(one)
    with pytest.raises(ArtefactError, match="learnt from signals"):
        run.export(out=str(tmp_path / "x.onnx"))
    with pytest.raises(UsageError, match=r"takes \.npy files, got 'rows.csv'"):
        run.predict("rows.csv")
    with pytest.raises(DataError, match=r"its shape is \(9,\), and signals of 2 channels are needed"):
        run.predict(np.zeros(9))
    with pytest.raises(UsageError, match=r"learnt from folders of \.npy files, and rows\.csv is none"):
        run.evaluate("rows.csv")
    for settings, words in (
        ({"model": "resnet18"}, "model 'resnet18' takes no signals"),
        ({"model": "mlp"}, "model 'mlp' takes no signals"),
        ({"augment": ("flip",)}, "the data are no pictures"),
    ):
        with pytest.raises(UsageError, match=words):
            hubel.train(waves_folder, out=str(tmp_path), epochs=1, **settings, **QUICK)


def test_signals_are_read_step_by_step_as_a_sequence(waves_folder: Path, tmp_path: Path) -> None:
    run = hubel.train(
        waves_folder, task="sequence", model="tcn", model_options={"maps": 8, "levels": 4}, epochs=8, lr=0.01,
        out=str(tmp_path), **SMALL,
    )  # fmt: skip
    found = run.evaluate()
    assert isinstance(found, SequenceClasses)
    assert found.whole
    assert found.accuracy >= 0.8
    told = run.evaluate(waves_folder)
    assert told.samples == 48
    said = run.predict(waves_folder / "fast")
    assert np.mean([each.labels == ("fast",) for each in said]) >= 0.8


def test_volumes_are_classified_in_three_directions(tmp_path: Path) -> None:
    folder = volumes(tmp_path / "rods")
    run = hubel.train(folder, epochs=10, out=str(tmp_path / "runs"), **SMALL)
    assert run.recipe["model"]["model"] == "voxnet"
    assert run.evaluate().top1 >= 0.8
    assert run.evaluate(folder).samples == 32
    assert run.predict(folder / "flat" / "00.npy")[0].label in ("flat", "upright")
    with pytest.raises(DataError, match="volumes of 8 x 8 x 8 are needed"):
        run.predict(np.zeros((4, 8, 8)))
    larger = volumes(tmp_path / "larger", count=1, side=9)
    with pytest.raises(DataError, match="holds volumes of 9 x 9 x 9, and the run takes 8 x 8 x 8"):
        run.evaluate(larger)


def test_causal_convolutions_see_nothing_that_comes_later() -> None:
    torch.manual_seed(0)
    net = create_model("tcn", num_classes=3, in_chans=3, img_size=(1, 1), maps=8, levels=3).eval()
    short = torch.cat([torch.randn(1, 2, 20), torch.ones(1, 1, 20)], dim=1)
    longer = torch.cat([short, torch.zeros(1, 3, 4)], dim=2)
    torch.testing.assert_close(net.steps(longer)[:, :20], net.steps(short))
    torch.testing.assert_close(net(longer), net.steps(short)[:, -1])
    for weight in net.parameters():
        weight.data.abs_()  # so that no ReLU is closed
    reach = 1 + 2 * (3 - 1) * (2**3 - 1)
    long = torch.rand(1, 3, 40, requires_grad=True)
    net.steps(long)[0, -1].sum().backward()
    assert long.grad is not None
    there = long.grad[0].abs().sum(0) > 0
    assert there[-reach:].all()
    assert not there[:-reach].any()


def test_normalised_weights_are_those_of_torch() -> None:
    torch.manual_seed(0)
    from hubel.models.architectures.tcn import CausalConv

    ours = CausalConv(3, 4, 3, 2)
    with torch.no_grad():
        ours.gain.mul_(1.7)
    theirs = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv1d(3, 4, 3, dilation=2))
    with torch.no_grad():
        theirs.parametrizations.weight.original0.copy_(ours.gain[:, None, None])
        theirs.parametrizations.weight.original1.copy_(ours.weight)
        theirs.bias.copy_(ours.bias)
    x = torch.randn(2, 3, 9)
    torch.testing.assert_close(ours(x), theirs(torch.nn.functional.pad(x, (4, 0))))


def test_voxnet_computes_what_its_table_says() -> None:
    torch.manual_seed(0)
    net = create_model("voxnet", num_classes=3, in_chans=16, img_size=(17, 18)).eval()
    w = dict(net.named_parameters())
    x = torch.randn(2, 16, 17, 18)
    y = F.leaky_relu(F.conv3d(x[:, None], w["conv1.0.weight"], w["conv1.0.bias"], stride=2), 0.1)
    y = F.max_pool3d(F.leaky_relu(F.conv3d(y, w["conv2.0.weight"], w["conv2.0.bias"]), 0.1), 2).flatten(1)
    y = F.linear(y, w["hidden.1.weight"], w["hidden.1.bias"]).relu()
    torch.testing.assert_close(net(x), F.linear(y, w["classify.weight"], w["classify.bias"]))


def test_what_fills_up_a_signal_changes_neither_answer_nor_statistics() -> None:
    torch.manual_seed(0)
    net = create_model("signal_fcn", num_classes=2, in_chans=2, img_size=(1, 1))
    short = torch.cat([torch.randn(3, 1, 12), torch.ones(3, 1, 12)], dim=1)
    longer = torch.cat([short, torch.zeros(3, 2, 30)], dim=2)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    torch.testing.assert_close(net(longer), net(short), rtol=1e-4, atol=1e-5)
    after = {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(state)
    net(short)
    one_pass = dict(net.state_dict())
    net.load_state_dict(state)
    net(longer)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, one_pass[name], rtol=1e-4, atol=1e-5)
    assert not torch.equal(after["block1.2.running_mean"], state["block1.2.running_mean"])
    net.eval()
    torch.testing.assert_close(net(longer), net(short), rtol=1e-4, atol=1e-5)


def test_signals_are_answered_as_they_arrive(run: hubel.Run, waves_folder: Path, tmp_path: Path) -> None:
    some = sorted((waves_folder / "slow").glob("*.npy"))[0]
    (tmp_path / "1.npy").write_bytes(some.read_bytes())
    (tmp_path / "2.npy").write_bytes(some.read_bytes()[:-8])
    found = {Path(one.name).name: one for one in stream(run.folder, tmp_path, idle=0.6, device="cpu")}
    assert found["1.npy"].said["label"] == run.predict(some)[0].label
    assert "its header says" in found["2.npy"].problem
