"""Other heads for any net of the catalogue: over all stages, with a hidden layer, on an earlier stage."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from hubel.errors import UsageError
from hubel.models import create_model
from hubel.models.heads import MLPHead, over_stages, trunk
from hubel.nn.fuse import fused, pairs


def test_a_head_over_all_stages_sees_the_mean_of_each_and_what_the_plain_head_saw() -> None:
    net = create_model("resnet18", num_classes=5, img_size=32, all_stages=True).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        maps, means = images, []
        for name, module in trunk(net).named_children():
            if name == "avgpool":
                break
            maps = module(maps)
            if name.startswith("layer"):
                means.append(maps.mean((2, 3)))
        torch.testing.assert_close(net(images), net.fc(torch.cat(means, 1)))
    assert net.stages == ("body.layer1", "body.layer2", "body.layer3", "body.layer4")


@pytest.mark.parametrize(
    ("name", "channels", "side", "features"),
    [
        ("vit_tiny", 1, 28, 6 * 96),  # tokens
        ("harmonic_net", 1, 28, 32 + 64 + 35),  # maps with axes for the orders of rotation and for both parts
        ("googlenet", 3, 64, 64 + 192 + 256 + 480 + 3 * 512 + 528 + 2 * 832 + 1024),  # auxiliary heads
    ],
)
def test_stages_of_any_shape_become_one_vector_a_picture(name: str, channels: int, side: int, features: int) -> None:
    net = create_model(name, num_classes=3, in_chans=channels, img_size=side, all_stages=True).eval()
    assert net.fc.in_features == features
    with torch.no_grad():
        assert net(torch.randn(2, channels, side, side)).shape == (2, 3)


class Preactivated(nn.Sequential):
    """Its second stage begins with a ReLU, which may overwrite what the first one put out."""

    stages, head = ("0", "2"), "5"

    def __init__(self, inplace: bool) -> None:
        super().__init__(
            nn.Conv2d(1, 4, 3), nn.ReLU(inplace), nn.Conv2d(4, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(6, 2),
        )  # fmt: skip


def test_what_a_later_layer_changes_in_place_is_read_before() -> None:
    nets = []
    for inplace in (False, True):
        torch.manual_seed(0)
        nets.append(over_stages(Preactivated(inplace), (1, 8, 8)).eval())
    images = torch.randn(1, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(nets[0](images), nets[1](images))


def test_a_copy_has_its_own_stages() -> None:
    net = create_model("resnet20", num_classes=2, all_stages=True).eval()
    twin = copy.deepcopy(net)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        before = net(images)
        for parameter in twin.parameters():
            parameter.zero_()
        assert torch.equal(net(images), before)
        assert twin(images).abs().max() == 0


def test_norms_can_be_folded_below_a_head_over_all_stages() -> None:
    net = create_model("resnet20", num_classes=2, all_stages=True).eval()
    images = torch.randn(2, 3, 32, 32)
    found = pairs(net, images)
    assert len(found) > 15
    with torch.no_grad():
        torch.testing.assert_close(fused(net, found)(images), net(images), rtol=1e-4, atol=1e-5)


def test_heads_combine() -> None:
    net = create_model("resnet20", num_classes=2, cut="layer2", all_stages=True, head_hidden=8)
    assert isinstance(net.fc, MLPHead)
    assert net.fc.hidden.in_features == 16 + 32
    assert net.stages == ("body.layer1", "body.layer2")


@pytest.mark.parametrize(("name", "word"), [("squeezenet1_1", "Conv2d"), ("softmax_regression", "two stages")])
def test_a_net_without_such_a_head_says_so(name: str, word: str) -> None:
    with pytest.raises(UsageError, match=word) as refused:
        create_model(name, num_classes=2, all_stages=True)
    assert "--head linear" in refused.value.hint
