"""Weights of other libraries find their places by name, also where the file has lost their order."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from hubel.checkpoint import load
from hubel.cli import main
from hubel.models import create_model
from hubel.models.fitting import fit_weights

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")

LITE0 = [[False]] + [[True] * count for count in (2, 2, 3, 3, 4, 1)]
"""Its blocks, stage by stage: only the first does not widen."""


def timm_names(blocks: list[list[bool]]) -> list[str]:
    """timm's names of an EfficientNet without squeezing, in its own order; `blocks`: stage by stage, is it wider?"""
    layers = ["conv_stem", "bn1"]
    for stage, wides in enumerate(blocks):
        for block, wide in enumerate(wides):
            inside = (
                ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3")
                if wide
                else ("conv_dw", "bn1", "conv_pw", "bn2")
            )
            layers += [f"blocks.{stage}.{block}.{layer}" for layer in inside]
    return spelled([*layers, "conv_head", "bn2"], "classifier")


def port_names(blocks: list[list[bool]]) -> list[str]:
    """The same as the usual port of EfficientNet to PyTorch has them."""
    layers = ["_conv_stem", "_bn0"]
    for number, wide in enumerate(itertools.chain(*blocks)):
        inside = ["_depthwise_conv", "_bn1", "_project_conv", "_bn2"]
        layers += [f"_blocks.{number}.{layer}" for layer in (["_expand_conv", "_bn0", *inside] if wide else inside)]
    return spelled([*layers, "_conv_head", "_bn1"], "_fc")


def spelled(layers: list[str], head: str) -> list[str]:
    norm = [name.rpartition(".")[2].lstrip("_").startswith("bn") for name in layers]
    values = (
        [f"{name}.{v}" for v in (NORM if is_norm else ("weight",))] for name, is_norm in zip(layers, norm, strict=True)
    )
    return [*itertools.chain(*values), f"{head}.weight", f"{head}.bias"]


@pytest.mark.parametrize("names_of", [timm_names, port_names])
def test_an_efficientnet_lite_of_another_library_is_fitted_by_its_names_in_any_order(names_of: object) -> None:
    theirs = create_model("efficientnet_lite0", num_classes=7, img_size=(64, 64))
    with torch.no_grad():
        for value in theirs.state_dict().values():
            if value.is_floating_point():
                value.uniform_(0.1, 1)
    state = theirs.state_dict()
    named = dict(zip(names_of(LITE0), state.values(), strict=True))  # type: ignore[operator]
    ours = create_model("efficientnet_lite0", num_classes=7, img_size=(64, 64))
    fit = fit_weights(ours, {name: named[name] for name in sorted(named)})
    assert fit.complete
    assert fit.by_names
    assert fit.alike == 0  # the names say where each stands, not the order of the file alone
    for name, value in ours.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_a_file_without_order_stays_a_net_for_colour_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the alphabet, filters of a depthwise convolution (one channel in) stand before those of the first layer."""
    theirs = create_model("efficientnet_lite0", num_classes=7, img_size=(32, 32)).eval()
    save_file(dict(zip(timm_names(LITE0), theirs.state_dict().values(), strict=True)), tmp_path / "net.safetensors")
    command = ["import-weights", str(tmp_path / "net.safetensors"), "--as", "efficientnet_lite0", "--img-size", "32"]
    with pytest.raises(SystemExit, match="0"):
        main([*command, "--out", str(tmp_path)])
    said = capsys.readouterr()
    assert "colour pictures of 32x32" in said.out
    assert "0 adapted; all tensors fit" in said.out
    assert "the names are another library's: they say which tensor is which" in said.err
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(load(tmp_path / "efficientnet_lite0-1").model(x), theirs(x))


def test_a_name_that_does_not_belong_leaves_the_order_of_the_file_as_it_is() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
    strange = {"conv_stem.weight": torch.ones(4, 3, 3, 3), "another.weight": torch.ones(4, 4, 3, 3)}
    with pytest.raises(Exception, match="none of the 2 tensors fits"):
        fit_weights(net, strange)
