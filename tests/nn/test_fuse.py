"""Batch norms folded into convolutions, and filters packed: the same answers, and never where it would be wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hubel.deploy.ready import PACKED, arranged
from hubel.models import CARDS, create_model
from hubel.nn.fuse import PackedConv2d, Pair, fused, hooked, packed, pairs

NO_PLAIN_PAIR = ("p4_cnn", "hypernetwork", "neural_process")
"""Nets with batch norm after something that is no plain convolution: turned copies of one filter bank, kernels that are
computed, a mean over pixels."""


def families() -> list[object]:
    """The smallest architecture of every file of the zoo, and of VGG one with batch norm; large ones run apart."""
    by_file: dict[str, str] = {}
    for name in sorted(CARDS, key=lambda name: CARDS[name].macs or 0):
        if name != "layers":
            by_file.setdefault(CARDS[name].builder_at.partition(":")[0], name)
    names = sorted([*by_file.values(), "vgg11_bn"])
    return [pytest.param(n, marks=pytest.mark.slow) if (CARDS[n].params or 0) > 20_000_000 else n for n in names]


def lived(model: nn.Module) -> nn.Module:
    """The net as if it had been trained: no statistics, scales and shifts at their initial values."""
    drawn = torch.Generator().manual_seed(3)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.normal_(0, 0.2, generator=drawn)
            module.running_var.uniform_(0.5, 1.5, generator=drawn)
            if module.weight is not None:
                with torch.no_grad():
                    module.weight.uniform_(0.5, 1.5, generator=drawn)
                    module.bias.normal_(0, 0.2, generator=drawn)
    return model.eval()


def built(name: str) -> tuple[nn.Module, torch.Tensor]:
    card = CARDS[name]
    side = card.img_size
    if isinstance(side, int):
        side = max(min(32, side), card.min_size)
    torch.manual_seed(0)
    net = create_model(name, num_classes=3, in_chans=card.in_chans, img_size=side)
    sides = side if isinstance(side, tuple) else (side, side) if side else ()
    images = torch.randn(2, card.in_chans, *sides, generator=torch.Generator().manual_seed(7))
    return lived(net), images


def away(plain: torch.Tensor, other: torch.Tensor) -> float:
    """Largest difference, as a share of the largest value."""
    return float((plain - other).abs().max()) / (float(plain.abs().max()) or 1.0)


@pytest.mark.parametrize("name", families())
def test_every_family_with_batch_norm_answers_the_same_fused_and_packed(name: str) -> None:
    net, images = built(name)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    found = pairs(net, images)
    folded = fused(net, found)
    tight, _ = packed(folded)
    with torch.inference_mode():
        plain = net(images)
        assert away(plain, folded(images)) < 1e-5
        assert away(plain, tight(arranged(images, PACKED))) < 1e-5
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    norms = [module for module in net.modules() if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))]
    assert bool(found) == bool(norms) or name in NO_PLAIN_PAIR


def test_a_pair_is_folded_as_torch_folds_it() -> None:
    torch.manual_seed(1)
    net = lived(nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6)))
    found = fused(net, pairs(net, torch.randn(1, 4, 5, 5)))
    theirs = fuse_conv_bn_eval(net[0], net[1])
    assert torch.allclose(found[0].weight, theirs.weight, atol=1e-6)
    assert torch.allclose(found[0].bias, theirs.bias, atol=1e-6)


class Uses(nn.Module):
    """A convolution, a norm, and a `tail` that says what is done with them."""

    def __init__(self, tail: Callable[[Uses, torch.Tensor], object]) -> None:
        super().__init__()
        self.conv, self.norm, self.tail = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), tail

    def forward(self, images: torch.Tensor) -> object:
        return self.tail(self, images)


WRONG: dict[str, Callable[[Uses, torch.Tensor], object]] = {
    "the maps go round the norm as well": lambda m, x: (y := m.conv(x)) + m.norm(y),
    "a view of the maps is used": lambda m, x: m.norm(y := m.conv(x)).sum() + y[:, :1].mean(),
    "the maps are changed in place": lambda m, x: m.norm(m.conv(x).relu_()),
    "the convolution is called twice": lambda m, x: m.norm(m.conv(m.conv(x))),
    "the norm is called twice": lambda m, x: m.norm(m.conv(x)) + m.norm(x),
    "the weights are looked at": lambda m, x: m.norm(m.conv(x)) * m.conv.weight.sum(),
    "something lies between": lambda m, x: m.norm(torch.relu(m.conv(x))),
}


@pytest.mark.parametrize("why", WRONG)
def test_nothing_is_folded_where(why: str) -> None:
    assert pairs(Uses(WRONG[why]).eval(), torch.ones(1, 3, 4, 4)) == ()


def test_what_may_be_folded_is_found_through_questions_about_shape() -> None:
    def tail(m: Uses, x: torch.Tensor) -> torch.Tensor:
        y = m.conv(x)
        assert y.shape[1] == y.size(1) == 3
        assert y.dtype is torch.float32
        return m.norm(y)

    assert pairs(Uses(tail).eval(), torch.ones(1, 3, 4, 4)) == (Pair("conv", "norm"),)


class Own(nn.Conv2d):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) * 2


def test_subclasses_shared_weights_and_norms_without_statistics_are_left_alone() -> None:
    images = torch.ones(1, 3, 4, 4)
    tied = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1))
    tied[2].weight = tied[0].weight
    for net in (
        nn.Sequential(Own(3, 3, 1), nn.BatchNorm2d(3)),
        nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)),
        nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 3, 1)), nn.BatchNorm2d(3)),
        tied,
    ):
        assert pairs(net.eval(), images) == ()


class Twice(nn.Module):
    """Two convolutions with one weight, of which the second is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)
        self.second.weight = self.first.weight

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.norm(self.first(images))


def test_a_weight_with_two_owners_is_left_alone_since_it_does_not_tell_which_was_called() -> None:
    assert pairs(Twice().eval(), torch.ones(1, 3, 4, 4)) == ()


def test_a_net_in_training_keeps_its_mode_and_its_statistics() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).train()
    net[2].eval()
    before = copy.deepcopy(net.state_dict())
    twin = fused(net, pairs(net, torch.randn(2, 3, 5, 5)))
    assert [module.training for module in net] == [True, True, False]
    assert not any(module.training for module in twin.modules())
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_a_net_with_a_hook_is_left_alone_and_its_hook_is_not_called() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    heard: list[str] = []
    net[1].register_forward_hook(lambda *_: heard.append("norm"))
    assert hooked(net)
    assert pairs(net, torch.ones(1, 3, 5, 5)) == ()
    assert heard == []


def test_a_fused_copy_shares_what_it_does_not_change() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 9)).eval()
    twin = fused(net, pairs(net, torch.ones(1, 3, 5, 5)))
    assert twin[3].weight is net[3].weight
    assert twin[0].weight is not net[0].weight


def test_packed_filters_take_pictures_of_any_size() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 8, (3, 5), stride=2, padding=(1, 2), dilation=1, groups=2)
    tight = PackedConv2d(conv)
    with torch.inference_mode():
        for shape in ((1, 4, 9, 9), (3, 4, 17, 12), (2, 4, 5, 64)):
            images = torch.randn(shape)
            assert torch.allclose(tight(images), conv(images), atol=1e-5)


def test_only_plain_float_convolutions_are_packed() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 3, 3, padding="same"), nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(3, 3, 3).double(), nn.Conv1d(3, 3, 3), Own(3, 3, 3), nn.Conv2d(3, 3, 3),
    )  # fmt: skip
    twin, count = packed(net)
    assert count == 1
    assert [type(module).__name__ for module in twin] == ["Conv2d"] * 3 + ["Conv1d", "Own", "PackedConv2d"]
