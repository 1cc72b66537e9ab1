"""Video: every frame of a clip is changed alike, and time can be changed."""

from __future__ import annotations

import pytest
import torch

from hubel.data.augment import build_augment
from hubel.data.augment_video import augment_clips, change_speed, crop_time, reverse_time
from hubel.errors import UsageError

IDS = torch.tensor([4, 9, 2])


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    torch.manual_seed(0)


def clock() -> torch.Tensor:
    """Three clips of ten frames whose pixels say which frame it is: B T C H W."""
    return torch.arange(10.0)[None, :, None, None, None].expand(3, 10, 1, 2, 2) / 10


@pytest.mark.parametrize("chain", ["flip,translate=3", "affine,colour=0.5", "erase=4,noise=0.1", "trivial"])
def test_frames_that_were_equal_stay_equal(chain: str) -> None:
    still = torch.rand(3, 1, 3, 12, 12).expand(3, 6, 3, 12, 12)
    out = augment_clips(still, build_augment(chain), IDS, seed=0, epoch=1)
    for frame in range(1, 6):
        torch.testing.assert_close(out[:, frame], out[:, 0])


def test_clips_are_changed_differently() -> None:
    still = torch.rand(1, 1, 3, 12, 12).expand(3, 6, 3, 12, 12)
    out = augment_clips(still, build_augment("rotate=30"), IDS, seed=0, epoch=1)
    assert not torch.allclose(out[0], out[1])


def test_speed_keeps_the_middle_and_the_order_of_time() -> None:
    out = change_speed(clock(), IDS, by=1.0, seed=0, epoch=0)[:, :, 0, 0, 0] * 10
    assert (out.diff(dim=1) >= 0).all()
    assert (out[:, 4:6].mean(dim=1) - 4.5).abs().max() <= 1
    assert not torch.equal(out[0], out[1])


def test_some_clips_run_backwards_and_the_others_as_they_were() -> None:
    clips = torch.arange(8.0)[None, :, None, None, None].expand(64, 8, 1, 1, 1)
    out = reverse_time(clips, torch.arange(64), seed=0, epoch=0)
    backwards = torch.tensor([torch.equal(a, b.flip(0)) for a, b in zip(out, clips, strict=True)])
    assert 20 < backwards.sum() < 44
    assert torch.equal(out[~backwards], clips[~backwards])


def test_a_crop_in_time_is_a_run_of_neighbours() -> None:
    out = crop_time(clock(), IDS, frames=4, seed=0, epoch=0)[:, :, 0, 0, 0] * 10
    torch.testing.assert_close(out.diff(dim=1), torch.ones(3, 3))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="clips must be B T C H W"):
        reverse_time(torch.zeros(2, 3, 4, 4), IDS, seed=0, epoch=0)
    with pytest.raises(UsageError, match="from 1 to the clip's 10"):
        crop_time(clock(), IDS, frames=11, seed=0, epoch=0)
    with pytest.raises(UsageError, match="speed must not be negative"):
        change_speed(clock(), IDS, by=-1, seed=0, epoch=0)
