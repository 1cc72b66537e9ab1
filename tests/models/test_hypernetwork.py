"""A net whose weights another net computes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hubel.models import create_model


@pytest.mark.parametrize(("blocks", "size"), [(1, 28), (2, 9)])
def test_computed_weights_in_plain_convolutions_give_the_same_answers(blocks: int, size: int) -> None:
    torch.manual_seed(0)
    net = create_model("hypernetwork", num_classes=3, in_chans=1, img_size=size, blocks=blocks).eval()
    images = torch.randn(2, 1, size, size)
    kernels = [kernel.detach() for kernel in net.kernels()]
    x = net.stem(images)
    for row, block in enumerate(net.blocks):
        first, second = kernels[2 * row : 2 * row + 2]
        one = nn.Conv2d(first.shape[1], first.shape[0], 3, stride=block.stride, padding=1, bias=False)
        two = nn.Conv2d(second.shape[1], second.shape[0], 3, padding=1, bias=False)
        one.weight.data, two.weight.data = first, second
        beside = torch.zeros(len(x), first.shape[0], *one(x).shape[2:])
        beside[:, : x.shape[1]] = x[:, :, :: block.stride, :: block.stride]
        x = two(F.relu(block.bn2(one(F.relu(block.bn1(x)))))) + beside
    assert torch.allclose(net.fc(F.relu(net.bn(x)).mean((2, 3))), net(images), atol=1e-5)


def test_a_kernel_is_the_papers_two_equations_tile_by_tile() -> None:
    torch.manual_seed(0)
    net = create_model("hypernetwork", num_classes=3, in_chans=1, img_size=8, code=5)
    conv, hyper = net.convolutions()[-2], net.hyper  # 64 maps of 32
    nn.init.normal_(hyper.inner.bias)
    nn.init.normal_(hyper.outer.bias)
    kernel = conv.weight(hyper)
    assert kernel.shape == (64, 32, 3, 3)
    for out, into in [(0, 0), (3, 1), (2, 0)]:
        for i in range(16):
            rows = slice(5 * i, 5 * i + 5)
            a = 4 * (hyper.inner.weight[rows] @ (4 * conv.codes[out, into]) + hyper.inner.bias[rows])
            made = 4 * (hyper.outer.weight @ a + hyper.outer.bias).view(16, 3, 3)
            expected = made * (2 / 144) ** 0.5 / 2**0.5  # two tiles are added up
            torch.testing.assert_close(kernel[16 * out : 16 * out + 16, 16 * into + i], expected)


def test_depth_costs_it_a_few_numbers_a_kernel() -> None:
    sizes = [sum(p.numel() for p in create_model("hypernetwork", blocks=n).parameters()) for n in (1, 2)]
    norms = 2 * 2 * (16 + 32 + 64)
    assert sizes[1] - sizes[0] == 16 * 2 * (1 + 4 + 16) + norms
