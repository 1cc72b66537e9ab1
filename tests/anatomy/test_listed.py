"""A layer list laid out: the numbers of each layer are those of the table of the whole net, and of torch."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hubel.anatomy.listed import lay_out
from hubel.anatomy.summary import summarise
from hubel.errors import UsageError
from hubel.models import create_model
from hubel.models.layerwords import HOLDERS
from hubel.studio.build import STARTS


@pytest.mark.parametrize("name", STARTS)
def test_numbers_of_the_layers_are_those_of_the_whole_net(name: str) -> None:
    layers = STARTS[name]
    found = lay_out(layers, in_shape=(1, 28, 28), num_classes=10)
    net = create_model(layers, num_classes=10, in_chans=1, img_size=28)
    table = summarise(net, (1, 28, 28))
    outer = [layer for layer in found.layers if len(layer.at) == 1]
    assert sum(layer.params or 0 for layer in outer) == found.params == sum(p.numel() for p in net.parameters())
    assert sum(layer.macs or 0 for layer in outer) == found.macs == table.macs
    assert outer[-1].shape == tuple(net(torch.zeros(2, 1, 28, 28)).shape[1:])
    for layer in found.layers:  # what holds layers has the numbers of those inside, and a projection of its own
        inside = [each for each in found.layers if each.at[:-2] == layer.at]
        if inside:
            times = int(layer.text.split()[1]) if layer.text.startswith("repeat") else 1
            assert (layer.params or 0) >= times * sum(each.params or 0 for each in inside)
            assert layer.text.split()[0] in {*HOLDERS, "repeat"}
    assert found.unfit is None
    scope: dict[str, Any] = {}
    exec(found.code, scope)
    assert sum(p.numel() for p in scope["net"].parameters()) == found.params


def test_layers_that_come_several_times_are_counted_each_time_and_once() -> None:
    block = {"residual": ["conv 4 3x3 padding=same", "relu", "conv 4 3x3 padding=same"]}
    layers = ["conv 4 3x3", {"repeat 3": [block, "conv 4 1x1"]}, "flatten", "dense K"]
    found = lay_out(layers, in_shape=(1, 6, 6), num_classes=2)
    repeated, *inside = [layer for layer in found.layers if layer.at[0] == 1]
    assert repeated.params == 3 * (2 * (4 * 4 * 9 + 4) + 4 * 4 + 4)
    assert repeated.macs == 3 * (2 * 4 * 4 * 9 + 4 * 4) * 16
    assert [layer.params for layer in inside if len(layer.at) == 3] == [2 * (4 * 4 * 9 + 4), 4 * 4 + 4]


def test_layers_before_the_one_that_does_not_fit_are_laid_out() -> None:
    found = lay_out(["conv 8 3x3", "relu", "dense 5", "relu"], in_shape=(1, 8, 8), num_classes=3)
    assert [layer.shape for layer in found.layers] == [(8, 6, 6), (8, 6, 6), None, None]
    assert found.params == 80
    assert found.unfit is not None
    assert (found.unfit.at, found.code) == ((2,), "")
    assert "layer 3 'dense 5'" in found.unfit.reason
    assert found.unfit.mends[0].what == "put flatten before it"


@pytest.mark.parametrize("layers", [[], None, "conv 8 3x3", 3])
def test_what_is_no_list_is_said(layers: Any) -> None:
    with pytest.raises(UsageError, match="a net is a list of layers"):
        lay_out(layers, in_shape=(1, 8, 8), num_classes=3)


@pytest.mark.parametrize("layers", [[3], [{}], [{"residual": 3}], [{"repeat x": ["relu"]}], [{"branches": []}], [None]])
def test_whatever_stands_in_a_list_is_answered(layers: list[Any]) -> None:
    found = lay_out([*layers, "flatten", "dense K"], in_shape=(1, 8, 8), num_classes=3)
    assert found.unfit is not None
    assert found.unfit.at == (0,)
    assert found.layers[0].shape is None
