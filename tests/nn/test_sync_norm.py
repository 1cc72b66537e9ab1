"""Batch norm across processes: alone it is the one it was; for several see tests/verbs/test_together.py."""

from __future__ import annotations

import copy

import torch
from torch import nn

from hubel.nn.sync_norm import synchronised


def test_alone_nothing_changes() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.BatchNorm1d(64))
    twin = copy.deepcopy(net)
    assert synchronised(twin) == 2
    assert synchronised(twin) == 2  # twice is once
    images = torch.randn(6, 3, 6, 6)
    for training in (True, False):
        assert torch.equal(net.train(training)(images), twin.train(training)(images))
    for name, value in net.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name]), name
    assert isinstance(twin[1], nn.BatchNorm2d)
    assert isinstance(copy.deepcopy(twin)[3], nn.BatchNorm1d)
