"""How weights lie in memory: channels last reaches what has channels, and nothing else."""

from __future__ import annotations

import torch
from torch import nn

from hubel.models import create_model
from hubel.nn.layout import arrange


def test_weights_of_volumes_and_groups_stay_as_they_are() -> None:
    net = arrange(nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv3d(2, 4, 3)), torch.channels_last)
    assert net[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert net[1].weight.is_contiguous()
    turned = create_model("p4_cnn", in_chans=1, img_size=16).eval()
    x = torch.randn(2, 1, 16, 16)
    before = turned(x)
    after = arrange(turned, torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(after, before)


def test_a_buffer_that_two_nets_share_is_not_touched() -> None:
    theirs = torch.randn(4, 2, 3, 3)
    net = nn.Module()
    net.register_buffer("window", theirs)
    arrange(net, torch.channels_last)
    assert theirs.is_contiguous()
    assert not net.window.is_contiguous()
