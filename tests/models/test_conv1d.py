"""The net for signals."""

from __future__ import annotations

import torch

from hubel.models import create_model


def test_it_has_the_parameters_of_its_equations() -> None:
    by_hand = 128 * 8 + 256 * 128 * 5 + 128 * 256 * 3 + 2 * (128 + 256 + 128) + 128 * 2 + 2
    assert sum(p.numel() for p in create_model("signal_fcn", in_chans=128).parameters()) == by_hand == 264_450


def test_it_takes_tables_signals_with_channels_and_pictures() -> None:
    assert create_model("signal_fcn", in_chans=100)(torch.zeros(2, 100)).shape == (2, 2)
    assert create_model("signal_fcn", in_chans=100, channels=3)(torch.zeros(2, 3, 50)).shape == (2, 2)
    assert create_model("signal_fcn", in_chans=1, img_size=(8, 20))(torch.zeros(2, 1, 8, 20)).shape == (2, 2)


def test_each_block_keeps_the_length_and_a_shift_in_time_shifts_the_maps() -> None:
    net = create_model("signal_fcn", in_chans=64).eval()
    signal = torch.zeros(1, 1, 64)
    signal[0, 0, 30] = 1
    maps, moved = net.block1(signal), net.block1(signal.roll(5, -1))
    assert maps.shape == (1, 128, 64)
    assert torch.allclose(maps.roll(5, -1)[..., 10:-10], moved[..., 10:-10], atol=1e-6)
