"""How far each stage changes as the picture does, held against what theory knows exactly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from hubel.models import create_model
from hubel.robustness.equivariance import StageChange, stage_changes


def smooth(side: int) -> torch.Tensor:
    """Smooth noise: 8 1 side side, bytes."""
    coarse = torch.rand(8, 1, side // 8, side // 8, generator=torch.Generator().manual_seed(0))
    return (255 * functional.interpolate(coarse, side, mode="bicubic").clamp(0, 1)).round().to(torch.uint8)


def as_floats(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.float() / 255


class Net(nn.Module):
    """Stages one after another; the picture's middle lies on no place of the strided maps."""

    def __init__(self, **stages: nn.Module) -> None:
        super().__init__()
        self.stages = tuple(stages)
        for name, stage in stages.items():
            self.add_module(name, stage)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        for name in self.stages:
            images = self.get_submodule(name)(images)
        return images


def conv(*maps: int, **how: int) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(*maps, 3, **how)


def asked(net: nn.Module, side: int = 32, far: int = 4) -> dict[tuple[str, str], StageChange]:
    found = stage_changes(net.eval(), smooth(side), as_floats, far=far)
    return {(each.change, each.stage): each for each in found}


def test_stages_move_along_by_multiples_of_their_stride_alone() -> None:
    found = asked(Net(first=conv(1, 4), second=conv(4, 4, stride=2, padding=1), third=conv(4, 4, stride=2, padding=1)))
    strides = {"first": 1, "second": 2, "third": 4}
    for name, stride in strides.items():
        moved = found["shifted", name]
        assert moved.stride == stride, "what borders eat up is no part of a stride"
        exact = [step % stride == 0 for step in (1, 2, 3, 4)]
        assert [distance < 1e-5 for distance in moved.distance] == exact
        assert all(distance > 1e-3 for distance, same in zip(moved.distance, exact, strict=True) if not same)


@pytest.mark.parametrize("change", ["turned", "resized", "bent"])
def test_a_net_of_points_changes_along_with_everything_and_a_strided_one_knows_where_its_places_lie(
    change: str,
) -> None:
    points = asked(Net(points=nn.Sequential(nn.Conv2d(1, 3, 1), nn.Conv2d(3, 3, 1))))[change, "points"]
    assert max(points.distance) < 0.02, "a linear net of points: all that is left is the rounding to bytes"
    # Every second place of the same maps, the first of them at pixel 0: half a pixel beside their middle.
    thinned = asked(Net(points=nn.Conv2d(1, 3, 1, stride=2)), side=48)[change, "points"]
    assert max(thinned.distance) < 0.06


def test_plain_filters_do_not_turn_along_and_those_of_a_group_do_by_quarter_turns() -> None:
    plain = asked(Net(first=conv(1, 8)))["turned", "first"]
    assert plain.distance[-1] > 0.1
    for name in ("p4_cnn", "p4m_cnn"):
        net = create_model(name, num_classes=3, in_chans=1, img_size=28)
        found = asked(net, side=28)
        for stage in net.stages:
            turned = found["turned", stage]
            assert turned.at[-1] == 90
            assert turned.distance[-1] < 1e-4
            assert turned.distance[1] > 0.02, "30 degrees are no element of the group"


def test_the_phases_of_a_harmonic_net_turn_by_any_angle() -> None:
    found = asked(create_model("harmonic_net", num_classes=3, in_chans=1, img_size=28), side=28)
    assert max(found["turned", "stage1"].distance) < 0.03
    assert found["turned", "stage3"].distance[-1] < 1e-3
    plain = asked(Net(first=nn.Sequential(conv(1, 8), nn.ReLU(), conv(8, 8))), side=28)["turned", "first"]
    assert min(plain.distance) > max(found["turned", "stage1"].distance)


def test_outputs_without_places_and_maps_with_channels_last_are_compared_as_they_are() -> None:
    class Last(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.permute(0, 2, 3, 1)

    found = asked(Net(maps=conv(1, 4), last=Last(), flat=nn.Flatten()))
    assert found["shifted", "maps"].stride == 1
    assert found["shifted", "last"].stride == found["shifted", "flat"].stride == 0
    assert min(found["shifted", "flat"].distance) > 0.1


def test_a_net_that_cannot_be_followed_is_measured_all_the_same() -> None:
    class Asks(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if bool((x.sum() > -1e9).item()) else -x

    found = asked(Net(asks=Asks(), halved=nn.AvgPool2d(2)))
    assert found["shifted", "halved"].stride == 2
    assert found["shifted", "halved"].distance[1] < 1e-5


@pytest.mark.parametrize("how", [{"far": 0}, {"stages": ()}])
def test_nothing_is_measured_where_nothing_is_asked(how: dict[str, Callable[..., object]]) -> None:
    assert stage_changes(Net(first=conv(1, 4)), smooth(16), as_floats, **how) == ()
