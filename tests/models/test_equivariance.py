"""Turns of the picture: exact in p4, p4m and, for quarter turns, in the harmonic net; not in a plain net."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from hubel.models import create_model
from hubel.models.architectures.group_equivariant import GroupConv, Lift, left_division, transform
from hubel.models.architectures.harmonic import HarmonicConv


def picture(side: int = 28) -> torch.Tensor:
    return torch.randn(2, 1, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("name", "turns"), [("p4_cnn", 4), ("p4m_cnn", 8), ("harmonic_net", 4)])
@pytest.mark.parametrize("side", [28, 16])
def test_the_answer_does_not_change_when_the_picture_turns(name: str, turns: int, side: int) -> None:
    torch.manual_seed(0)
    net = create_model(name, num_classes=10, in_chans=1, img_size=side).double().eval()
    with torch.no_grad():
        before = net(picture(side))
        for element in range(turns):
            assert torch.allclose(net(transform(picture(side), element)), before, atol=1e-9), element
        assert before.std() > 1e-3, "a constant answer would prove nothing"


def test_a_plain_net_does_change_its_answer() -> None:
    torch.manual_seed(0)
    net = create_model("mnist_cnn", num_classes=10, in_chans=1).double().eval()
    assert not torch.allclose(net(transform(picture(), 1)), net(picture()), atol=1e-2)


@pytest.mark.parametrize("order", [4, 8])
def test_maps_turn_and_their_planes_change_places(order: int) -> None:
    torch.manual_seed(0)
    layers = torch.nn.Sequential(Lift(1, 3, 3, order), GroupConv(3, 2, 3, order)).double()
    before = layers(picture(9))  # B C G H W
    for t in range(order):
        after = layers(transform(picture(9), t))
        expected = transform(before, t)[:, :, left_division(order)[t]]
        assert torch.allclose(after, expected, atol=1e-10), t


@pytest.mark.parametrize("order", [4, 8])
def test_the_table_of_the_group_is_a_group(order: int) -> None:
    table = left_division(order)
    assert torch.equal(table.diagonal(), torch.zeros(order, dtype=torch.long)), "t⁻¹t is the identity"
    assert torch.equal(table[0], torch.arange(order)), "the identity changes nothing"
    for row in table:
        assert sorted(row.tolist()) == list(range(order))


def test_group_convolution_is_equation_11_summed_by_hand() -> None:
    torch.manual_seed(0)
    layer, x = GroupConv(2, 1, 3, 4).double(), torch.randn(1, 2, 4, 3, 3, dtype=torch.float64)
    out = layer(x)[0, 0, :, 0, 0]
    for t in range(4):
        total = 0.0
        for k in range(2):
            for s in range(4):
                u = (s - t) % 4  # t⁻¹s in the group of turns
                total += float((x[0, k, s] * torch.rot90(layer.weight[0, k, u].detach(), t)).sum())
        assert abs(total - float(out[t].detach())) < 1e-10


def test_harmonic_maps_of_order_m_turn_their_phase_by_m_times_the_angle() -> None:
    torch.manual_seed(0)
    layer = HarmonicConv(1, 2, in_orders=1).double()
    x = torch.stack([picture(9), torch.zeros_like(picture(9))], dim=1)[:, None]
    real, imaginary = layer(x).unbind(2)
    turned = layer(torch.rot90(x, 1, (-2, -1)))
    for m in range(2):
        z = torch.complex(real[:, m], imaginary[:, m])
        z = torch.rot90(z, 1, (-2, -1))
        after = torch.complex(turned[:, m, 0], turned[:, m, 1])
        phase = torch.exp(1j * m * torch.tensor(torch.pi / 2, dtype=torch.float64))
        assert torch.allclose(after, z * phase, atol=1e-8) or torch.allclose(after, z / phase, atol=1e-8)


def test_magnitudes_follow_a_turn_by_any_angle_nearly() -> None:
    torch.manual_seed(0)
    layer = HarmonicConv(1, 4, in_orders=1).double()
    blob = F.interpolate(torch.randn(1, 1, 6, 6, dtype=torch.float64), size=33, mode="bicubic", align_corners=True)
    angle = torch.tensor(torch.pi / 6)
    matrix = torch.tensor([[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0]], dtype=torch.float64)[None]

    def turn(maps: torch.Tensor) -> torch.Tensor:
        lattice = F.affine_grid(matrix, list(maps.shape), align_corners=True)
        return F.grid_sample(maps, lattice, mode="bicubic", align_corners=True)

    def magnitude(image: torch.Tensor) -> torch.Tensor:
        maps = layer(torch.stack([image, torch.zeros_like(image)], dim=1)[:, None])
        return maps.square().sum(2).sqrt().flatten(1, 2)

    middle = (..., slice(10, 23), slice(10, 23))  # inside the disc that no turn moves out of the picture
    difference = (magnitude(turn(blob)) - turn(magnitude(blob)))[middle]
    assert difference.norm() < 0.05 * magnitude(blob)[middle].norm()


def test_counts_are_those_of_the_cards() -> None:
    assert sum(p.numel() for p in create_model("p4_cnn", in_chans=1).parameters()) == 24_620
    assert sum(p.numel() for p in create_model("p4m_cnn", in_chans=1).parameters()) == 26_757
    assert sum(p.numel() for p in create_model("harmonic_net", in_chans=1).parameters()) == 32_150
