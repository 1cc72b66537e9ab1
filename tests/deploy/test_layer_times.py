"""How long each layer takes: every layer once, shares that add up, and a table that fits."""

from __future__ import annotations

import json
import time

import pytest
import torch
from torch import nn

from hubel.cli import main
from hubel.deploy.layer_times import LayerTimes, layer_times, macs_of
from hubel.errors import UsageError
from hubel.models import create_model
from hubel.verbs.bench import bench_layers


class Sleeper(nn.Module):
    """A layer that takes its time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(self.seconds)
        return x


class Between(nn.Module):
    """A net whose own code takes half of the time, and which calls one layer twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = Sleeper(0.002)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer(self.layer(x))
        time.sleep(0.004)
        return x


def test_time_goes_to_the_layer_that_takes_it() -> None:
    net = nn.Sequential(Sleeper(0.001), nn.Sequential(Sleeper(0.004), nn.ReLU()), nn.Flatten(), nn.Linear(12, 3))
    found = layer_times(net, (3, 2, 2), seconds=0.01)
    assert [layer.name for layer in found.layers] == ["0", "1.0", "1.1", "2", "3"]
    assert found.layers[1].seconds > 2 * found.layers[0].seconds > 0
    assert sum(layer.share for layer in found.layers) + found.between == pytest.approx(1)
    assert found.kinds["Sleeper"] > 0.6
    assert next(iter(found.kinds)) == "Sleeper"


def test_what_no_layer_takes_lies_between_them_and_each_call_counts() -> None:
    found = layer_times(Between(), (1, 1, 1), seconds=0.01)
    assert [layer.name for layer in found.layers] == ["layer", "layer"]
    assert 0.3 < found.between < 0.7


def test_multiplications_are_those_of_the_formulas() -> None:
    net = create_model("lenet5_modern", num_classes=10, in_chans=1, img_size=(28, 28)).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = layer_times(net, (1, 28, 28), batch=3, seconds=0.01)
    convolution = next(layer for layer in found.layers if layer.kind == "Conv2d")
    weight = net.get_submodule(convolution.name).weight
    maps, high, wide = convolution.output
    assert convolution.macs == 3 * maps * high * wide * weight.shape[1] * weight.shape[2] * weight.shape[3]
    assert macs_of(nn.Conv2d(4, 8, 3, groups=4), (2, 8, 5, 5)) == 2 * 8 * 25 * 9
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not net.training


def test_the_table_fits_80_columns_and_json_has_every_layer(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "resnet18", "--input", "3x32x32", "--layers", "--seconds", "0.01", "--threads", "1"]
    with pytest.raises(SystemExit, match="0"):
        main(words)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["layer", "kind", "output", "ms", "share", "GMAC/s"]
    assert any("between layers" in line for line in lines)
    with pytest.raises(SystemExit, match="0"):
        main([*words, "--json"])
    said = json.loads(capsys.readouterr().out)
    assert len(said["layers"]) > 50
    assert isinstance(bench_layers("mnist_gap", seconds=0.01), LayerTimes)


@pytest.mark.parametrize("flag", [["--form", "eager"], ["--clients", "2"], ["--rate", "3"], ["--out", "x.svg"]])
def test_what_goes_with_whole_nets_only_is_refused(flag: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["bench", "mnist_gap", "--layers", *flag])
    assert flag[0] in capsys.readouterr().err


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        bench_layers("mnist_gap", batch=0)
