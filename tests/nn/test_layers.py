"""Layers of our own against brute force and against torch's where both exist."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hubel.errors import UsageError
from hubel.nn import layers
from hubel.nn.layers import LAYERS

X = torch.randn(2, 6, 9, 11, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "ceil_mode"),
    [c for c in itertools.product((7, 8, 13), (1, 2, 3, 5), (1, 2, 3), (0, 1), (1, 2), (False, True))
     if c[0] + 2 * c[3] > c[4] * (c[1] - 1) and c[3] <= c[1] / 2],
)  # fmt: skip
def test_the_arithmetic_of_sizes_is_torch_s(
    size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool
) -> None:
    pooled = F.max_pool2d(torch.zeros(1, 1, size, size), kernel, stride, padding, dilation, ceil_mode).shape[2]
    ours = layers.conv_size(size, kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    assert ours == pooled
    if not ceil_mode:
        layer = nn.ConvTranspose2d(1, 1, kernel, stride, padding, dilation=dilation)
        out = layer(torch.zeros(1, 1, size, size)).shape[2]
        assert layers.conv_transpose_size(size, kernel, stride=stride, padding=padding, dilation=dilation) == out


def test_the_lecture_s_sizes_come_out() -> None:
    assert layers.conv_size(227, 11, stride=4) == 55
    assert layers.conv_size(6, 3, stride=2, padding=1) == 3  # (6 + 2 − 3) / 2 + 1 = 3.5, floored
    assert [layers.same_padding(k) for k in (3, 5, 7)] == [1, 2, 3]


def test_a_window_that_does_not_fit_is_refused_with_a_way_out() -> None:
    with pytest.raises(UsageError, match="window of 5 does not fit into 4 pixels"):
        layers.conv_size(4, 5)
    with pytest.raises(UsageError, match="only an odd kernel"):
        layers.same_padding(4)


def test_min_pooling_is_the_smallest_of_each_window() -> None:
    found = layers.MinPool2d(3, stride=2)(X)
    windows = X.unfold(2, 3, 2).unfold(3, 3, 2)
    assert torch.equal(found, windows.amin(dim=(4, 5)))


@pytest.mark.parametrize(("size", "row"), [(2, [1, 1]), (3, [1, 2, 1]), (5, [1, 4, 6, 4, 1])])
def test_blur_pooling_is_a_binomial_filter_and_every_second_value(size: int, row: list[int]) -> None:
    layer = layers.BlurPool2d(size)
    kernel = np.outer(row, row) / sum(row) ** 2
    np.testing.assert_allclose(layer.kernel[0, 0].numpy(), kernel, rtol=1e-6)
    before = (size - 1) // 2
    padded = np.pad(X[0, 3].numpy(), (before, size - 1 - before), mode="reflect")
    expected = [[(padded[i : i + size, j : j + size] * kernel).sum() for j in range(0, 11, 2)] for i in range(0, 9, 2)]
    np.testing.assert_allclose(layer(X)[0, 3].numpy(), expected, atol=1e-5)


def test_blur_pooling_is_steadier_under_a_shift_than_a_stride() -> None:
    # a fine stripe: a stride sees one phase of it only, and the other after a shift by a pixel
    stripes = (torch.arange(32) % 2).float().expand(1, 1, 32, 32)
    shifted = stripes.roll(1, 3)
    blurred = (layers.BlurPool2d()(stripes) - layers.BlurPool2d()(shifted)).abs().mean()
    strided = (stripes[..., ::2, ::2] - shifted[..., ::2, ::2]).abs().mean()
    assert blurred < 0.2 * strided


def test_blur_pooling_takes_maps_smaller_than_its_rim() -> None:
    assert layers.BlurPool2d(5)(torch.ones(1, 2, 1, 1)).shape == (1, 2, 1, 1)


def test_local_response_norm_is_alexnet_s_formula() -> None:
    found = layers.local_response_norm(5, alpha=1e-2, beta=0.75, k=2.0)(X)
    for channel in range(6):
        low, high = max(0, channel - 2), min(5, channel + 2)
        total = X[:, low : high + 1].square().sum(dim=1)
        torch.testing.assert_close(found[:, channel], X[:, channel] / (2.0 + 1e-2 * total) ** 0.75)


def test_a_separable_convolution_in_depth_is_one_filter_a_channel_and_a_mix() -> None:
    layer = layers.SeparableConv2d(6, 10)
    filtered = torch.cat(
        [F.conv2d(X[:, c : c + 1], layer.depthwise.weight[c : c + 1], padding=1) for c in range(6)], dim=1
    )
    expected = torch.einsum("oc,bchw->bohw", layer.pointwise.weight[:, :, 0, 0], filtered)
    torch.testing.assert_close(layer(X), expected, atol=1e-5, rtol=1e-4)
    assert sum(p.numel() for p in layer.parameters()) == 9 * 6 + 6 * 10


def test_a_separable_convolution_in_space_is_a_full_one_of_rank_one() -> None:
    layer = layers.SpatiallySeparableConv2d(1, 1, 5, bias=False)
    full = layer.down.weight[0, 0] @ layer.across.weight[0, 0]  # 5×1 · 1×5
    torch.testing.assert_close(layer(X[:, :1]), F.conv2d(X[:, :1], full[None, None], padding=2), atol=1e-5, rtol=1e-4)


def test_layer_norm_of_images_normalises_each_pixel() -> None:
    out = layers.LayerNorm2d(6)(X)
    torch.testing.assert_close(out.mean(dim=1), torch.zeros(2, 9, 11), atol=1e-6, rtol=0)
    torch.testing.assert_close(out.var(dim=1, correction=0), torch.ones(2, 9, 11), atol=1e-3, rtol=0)


def test_squeeze_and_excite_scales_each_map_by_one_number_between_nought_and_one() -> None:
    ratio = layers.SqueezeExcite(6, 2)(X) / X
    torch.testing.assert_close(ratio, ratio[:, :, :1, :1].expand_as(ratio))
    assert ((ratio > 0) & (ratio < 1)).all()


@pytest.mark.parametrize("groups", [2, 3])
def test_a_channel_shuffle_is_torch_s_and_two_of_them_undo_each_other(groups: int) -> None:
    shuffled = layers.ChannelShuffle(groups)(X)
    assert torch.equal(shuffled, F.channel_shuffle(X, groups))
    assert torch.equal(layers.ChannelShuffle(6 // groups)(shuffled), X)


def test_standardised_filters_do_not_change_with_their_scale_and_mean() -> None:
    layer = layers.StandardisedConv2d(6, 4, 3)
    before = layer(X)
    with torch.no_grad():
        layer.weight.mul_(7).add_(0.5)
    torch.testing.assert_close(layer(X), before, atol=1e-3, rtol=1e-3)


def test_stochastic_depth_drops_whole_samples_in_training_only_and_keeps_the_mean() -> None:
    layer, ones = layers.DropPath(0.25), torch.ones(4000, 2, 1, 1)
    assert torch.equal(layer.eval()(ones), ones)
    torch.manual_seed(0)
    out = layer.train()(ones)
    torch.testing.assert_close(out.unique(), torch.tensor([0.0, 4 / 3]))
    assert torch.equal(out[:, 0], out[:, 1])
    assert out.mean().item() == pytest.approx(1, abs=0.03)


def test_global_pooling_gives_one_number_a_map() -> None:
    assert torch.equal(layers.GlobalAvgPool2d()(X), X.mean(dim=(2, 3)))
    assert torch.equal(layers.GlobalMaxPool2d()(X), X.flatten(2).max(dim=2).values)


@pytest.mark.parametrize("name", LAYERS.names())
def test_every_layer_says_what_it_is(name: str) -> None:
    entry = LAYERS.get(name)
    assert entry.title
    assert entry.formula
    assert entry.source


def test_the_largest_value_of_a_map_hands_its_gradient_to_one_place() -> None:
    # `amax` shares it out among all places that equal the maximum; compiled in bfloat16 that may be none: 0 / 0.
    x = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(1))
    for images in (x, x.contiguous(memory_format=torch.channels_last), torch.ones(2, 2, 3, 3)):
        leaf = images.clone().requires_grad_()
        found = layers.largest(leaf)
        assert torch.equal(found, images.amax(dim=(2, 3)))
        found.sum().backward()
        assert torch.equal(leaf.grad.flatten(2).ne(0).sum(2), torch.ones(found.shape, dtype=torch.long))


def test_nothing_that_learns_takes_its_maximum_by_amax() -> None:
    room = Path(layers.__file__).parent
    users = [
        path.name
        for path in [*room.glob("*.py"), *(room.parent / "models").rglob("*.py")]
        if re.search(r"\.amax\(dim|torch\.amax", path.read_text())
    ]
    assert users == []
