"""Depthwise convolutions that learn quickly in bf16 on a CPU: the same numbers by another way."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hubel.assembly.begin import make_ready
from hubel.nn.depthwise import convolve, hastened
from hubel.recipes.schema import compose
from hubel.watching import SILENT

CASES = [((3, 3), (2, 2), (1, 1)), ((5, 5), (1, 1), (2, 2)), ((5, 3), (1, 2), (0, 1)), ((7, 7), (3, 2), (3, 0))]
"""Filter, stride, padding."""


@pytest.mark.parametrize(("size", "stride", "padding"), CASES)
def test_its_gradients_are_those_of_differences(
    size: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 3, 9, 8, dtype=torch.double, requires_grad=True)
    weight = torch.randn(3, 1, *size, dtype=torch.double, requires_grad=True)
    bias = torch.randn(3, dtype=torch.double, requires_grad=True)
    given = (images, weight, bias, stride, padding)
    assert torch.allclose(convolve(*given), F.conv2d(*given, groups=3), rtol=1e-12)
    assert torch.autograd.gradcheck(convolve, given)
    assert torch.autograd.gradgradcheck(convolve, given)


@pytest.mark.parametrize(("size", "stride", "padding"), CASES)
def test_a_hastened_layer_learns_what_the_plain_one_learns(
    size: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(4, 6, 1), nn.Conv2d(6, 6, size, stride, padding, groups=6))
    quick = copy.deepcopy(plain)
    assert hastened(quick) == 1
    images = torch.randn(3, 4, 12, 11).contiguous(memory_format=torch.channels_last)
    exact = [part.grad for part in _learnt(copy.deepcopy(plain), images, torch.float32)]
    for found, usual, true in zip(
        _learnt(quick, images, torch.bfloat16), _learnt(plain, images, torch.bfloat16), exact, strict=True
    ):
        assert found.grad is not None
        assert usual.grad is not None
        assert true is not None
        assert found.grad.dtype == torch.float32
        assert _apart(found.grad, true) < max(1.5 * _apart(usual.grad, true), 0.005)


def test_what_is_not_slow_and_what_is_not_training_stays_as_it_was() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(4, 4, 3, groups=4),  # has quick code
        nn.Conv2d(4, 8, 5, groups=4),  # two filters a map
        nn.Conv2d(8, 8, 5, groups=4),  # mixes pairs
        nn.Conv2d(8, 8, 3, groups=8, dilation=2, stride=2),
        nn.Conv2d(8, 8, 5, groups=8, padding="same"),
        nn.Conv2d(8, 8, 5, groups=8, padding=2, padding_mode="reflect"),
        nn.Conv2d(8, 8, 1, groups=8, stride=2),
        nn.Conv2d(8, 8, 5, groups=8, padding=2),
    )
    twin = copy.deepcopy(net)
    assert hastened(twin) == 1
    assert type(twin[7]) is not nn.Conv2d
    assert isinstance(copy.deepcopy(twin)[7], nn.Conv2d)
    assert repr(twin) == repr(net)
    assert list(twin.state_dict()) == list(net.state_dict())
    images = torch.randn(2, 4, 28, 28)
    assert torch.equal(net(images), twin(images))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(net(images), twin(images))


@pytest.mark.parametrize(("precision", "quick"), [("bf16", True), ("fp32", False)])
def test_a_training_in_bf16_on_a_cpu_hastens_its_net(precision: str, quick: bool) -> None:
    asked = {"data": "digits", "model": "mobilenet_v1", "model_options": {"width": 0.25}, "epochs": 1, "device": "cpu"}
    net = make_ready(compose(asked | {"precision": precision}), SILENT).training.model
    strided = [part for part in net.modules() if isinstance(part, nn.Conv2d) and part.groups > 1 and part.stride[0] > 1]
    assert strided
    assert all((type(part) is not nn.Conv2d) == quick for part in strided)


def _learnt(net: nn.Module, images: torch.Tensor, dtype: torch.dtype) -> list[nn.Parameter]:
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        answer = net(images)
    answer.float().square().sum().backward()
    return list(net.parameters())


def _apart(found: torch.Tensor, true: torch.Tensor) -> float:
    return float((found - true).norm() / true.norm())
