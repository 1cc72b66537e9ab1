"""Blocks: shapes, parameter counts from the papers' tables, and what they are made of."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hubel.nn import blocks
from hubel.nn.blocks import BLOCKS


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("in_maps", "columns", "maps", "thousands"),
    [  # table 1 of the GoogLeNet paper; its counts are without biases
        (192, (64, 96, 128, 16, 32, 32), 256, 159),
        (256, (128, 128, 192, 32, 96, 64), 480, 380),
        (480, (192, 96, 208, 16, 48, 64), 512, 364),
        (832, (384, 192, 384, 48, 128, 128), 1024, 1388),
    ],
)
def test_inception_blocks_have_the_paper_s_maps_and_parameters(
    in_maps: int, columns: tuple[int, ...], maps: int, thousands: int
) -> None:
    block = blocks.inception_block(in_maps, *columns)
    assert block(torch.zeros(1, in_maps, 7, 7)).shape == (1, maps, 7, 7)
    weights = sum(p.numel() for p in block.parameters() if p.ndim > 1)
    # The paper rounds to thousands of 1024 in one row and of 1000 in others.
    assert weights / 1024 == pytest.approx(thousands, rel=0.04)


def test_a_residual_block_with_a_silent_branch_is_the_identity() -> None:
    block = blocks.residual_block(4, 4).eval()
    with torch.no_grad():
        block.branch[1][1].weight.zero_()
    x = torch.rand(2, 4, 6, 6)
    assert torch.equal(block(x), x)
    assert isinstance(block.shortcut, nn.Identity)


def test_a_residual_block_that_changes_shape_projects_its_shortcut() -> None:
    block = blocks.residual_block(64, 128, stride=2)
    assert block(torch.zeros(1, 64, 8, 8)).shape == (1, 128, 4, 4)
    # ResNet-18, first block of conv3_x: two 3×3, one 1×1, three norms
    assert parameters(block) == 64 * 128 * 9 + 128 * 128 * 9 + 64 * 128 + 3 * 256


def test_a_dense_block_adds_growth_maps_a_layer_and_passes_on_what_came() -> None:
    block = blocks.DenseBlock(24, layers=4, growth=12, bottleneck=4).eval()
    x = torch.randn(1, 24, 5, 5)
    out = block(x)
    assert out.shape == (1, 72, 5, 5)
    assert block.out_maps == 72
    assert torch.equal(out[:, :24], x)
    assert blocks.transition(72, 36)(out).shape == (1, 36, 2, 2)


def test_a_vgg_block_halves_the_side_after_its_convolutions() -> None:
    block = blocks.vgg_block(3, 64, 2)
    assert block(torch.zeros(1, 3, 32, 32)).shape == (1, 64, 16, 16)
    assert parameters(block) == (3 * 9 + 1) * 64 + (64 * 9 + 1) * 64


def test_a_nin_block_is_a_small_dense_net_at_every_place() -> None:
    block = blocks.nin_block(3, 8, 5)
    images = torch.randn(1, 3, 9, 9)
    patch = images[:, :, 2:7, 3:8]
    assert parameters(block) == (75 + 1) * 8 + 2 * (8 + 1) * 8
    torch.testing.assert_close(block(images)[:, :, 2:3, 3:4], block(patch))


def test_the_auxiliary_head_has_the_paper_s_parameters() -> None:
    assert parameters(blocks.AuxiliaryHead(512, 1000)) == (512 + 1) * 128 + (2048 + 1) * 1024 + (1024 + 1) * 1000


def test_a_convolution_before_a_norm_has_no_bias() -> None:
    assert blocks.conv_norm_act(3, 4)[0].bias is None
    assert blocks.conv_norm_act(3, 4, norm=None)[0].bias is not None
    assert len(blocks.conv_norm_act(3, 4, norm=None, act=None)) == 1


@pytest.mark.parametrize("name", BLOCKS.names())
def test_every_block_says_what_it_is(name: str) -> None:
    entry = BLOCKS.get(name)
    assert entry.title
    assert entry.formula
    assert entry.source
