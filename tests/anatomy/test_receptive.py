"""Receptive fields against brute force: which pixels have a gradient, for every unit of random graphs."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from hubel.anatomy.abstract import build
from hubel.anatomy.graph import record
from hubel.anatomy.receptive import ReceptiveField, field, fields
from hubel.errors import UnknownName, UsageError
from hubel.models import create_model


def support(net: nn.Module, size: int, unit: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Rows and columns (first, last + 1) of the pixels on which one unit's gradient is not zero; None if none.

    All weights are positive and the input is, so nothing cancels and no ReLU closes; averages stand in for maxima.
    """
    images = torch.rand(1, 2, size, size, dtype=torch.float64).add_(0.5).requires_grad_()
    (gradient,) = torch.autograd.grad(net(images)[0, :, unit[0], unit[1]].sum(), images)
    seen = gradient[0].ne(0).any(dim=0)
    rows, columns = seen.any(dim=1).nonzero().flatten().tolist(), seen.any(dim=0).nonzero().flatten().tolist()
    return ((rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)) if rows else None


class Branches(nn.Module):
    """Two paths that meet again, by sum or side by side."""

    def __init__(self, left: nn.Module, right: nn.Module, join: str) -> None:
        super().__init__()
        self.left, self.right, self.join = left, right, join

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = self.left(x), self.right(x)
        rows, columns = min(a.shape[2], b.shape[2]), min(a.shape[3], b.shape[3])
        a, b = a[:, :, :rows, :columns], b[:, :, :rows, :columns]
        return a + b if self.join == "sum" else nn.functional.conv2d(torch.cat([a, b], 1), torch.ones(2, 4, 1, 1).to(a))


def random_layer(rng: random.Random, size: int, depth: int = 0) -> nn.Module:
    """A layer with 2 channels in and out, of any kind whose field we claim to know."""
    pick = rng.random()
    k, s, p, d = rng.choice((1, 2, 3, 5)), rng.choice((1, 1, 2, 3)), rng.choice((0, 1, 2)), rng.choice((1, 1, 2))
    if pick < 0.35:
        return nn.Conv2d(2, 2, (k, rng.choice((1, 3))), stride=s, padding=p, dilation=d, groups=rng.choice((1, 2)))
    if pick < 0.5:
        k = max(2, k)
        return nn.AvgPool2d(
            k, stride=rng.choice((1, 2, 3)), padding=rng.choice((0, k // 2)), ceil_mode=rng.random() < 0.3
        )
    if pick < 0.6:
        k = rng.choice((2, 3, 4))
        return nn.ConvTranspose2d(2, 2, k, stride=rng.choice((1, 2, 3)), padding=rng.choice((0, 1)), dilation=d)
    if pick < 0.67:
        return nn.Upsample(scale_factor=2, mode=rng.choice(("nearest", "bilinear")))
    if pick < 0.72:
        return nn.AdaptiveAvgPool2d(rng.choice((3, 4, 5)))
    if pick < 0.78:
        return rng.choice((nn.ReflectionPad2d(1), nn.ZeroPad2d((1, 2, 0, 1)), nn.CircularPad2d(1)))
    if pick < 0.82:
        return rng.choice((nn.ReLU(), nn.BatchNorm2d(2), nn.Identity()))
    if depth == 0:
        left = nn.Sequential(*(random_layer(rng, size, 1) for _ in range(rng.choice((1, 2)))))
        right = nn.Sequential(*(random_layer(rng, size, 1) for _ in range(rng.choice((0, 1)))))
        return Branches(left, right, rng.choice(("sum", "cat")))
    return nn.Conv2d(2, 2, 3, padding=1)


def random_net(seed: int) -> tuple[nn.Module, int]:
    """The first net of this seed's sequence that fits its image."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    while True:
        size = rng.choice((13, 16, 21))
        net = nn.Sequential(*(random_layer(rng, size) for _ in range(rng.choice((2, 3, 4))))).double().eval()
        for parameter in net.parameters():
            nn.init.uniform_(parameter, 0.5, 1.0)
        try:
            out = net(torch.ones(1, 2, size, size, dtype=torch.float64))
        except RuntimeError:
            continue
        if 1 < out.shape[2] <= 40 and 1 <= out.shape[3] <= 40:
            return net, size


@pytest.mark.parametrize("block", range(10))
def test_every_window_is_the_support_of_the_gradient_on_200_random_graphs(block: int) -> None:
    for seed in range(block * 20, block * 20 + 20):
        net, size = random_net(seed)
        seen = fields(record(net, (2, size, size)))[""]
        rows, columns = seen.shape[2:]
        rng = random.Random(seed)
        corners = {(0, 0), (rows - 1, columns - 1), (rows // 2, columns // 2)}
        for unit in sorted(corners | {(rng.randrange(rows), rng.randrange(columns)) for _ in range(3)}):
            found = support(net, size, unit)
            claimed = seen.window(*unit)
            if found is None:
                assert any(a >= b for a, b in claimed), (
                    f"seed {seed} unit {unit}: {claimed} of a unit that sees nothing\n{net}"
                )
            else:
                assert claimed == found, f"seed {seed} unit {unit}: {claimed} for {found}\n{net}"


@pytest.mark.parametrize("seed", range(40))
def test_size_jump_and_start_hold_in_the_middle_of_a_large_image(seed: int) -> None:
    rng = random.Random(1000 + seed)
    layers = [
        nn.Conv2d(
            2,
            2,
            rng.choice((1, 2, 3)),
            stride=rng.choice((1, 2)),
            padding=rng.choice((0, 1)),
            dilation=rng.choice((1, 2)),
        )
        if rng.random() < 0.7
        else nn.AvgPool2d(rng.choice((2, 3)), stride=rng.choice((1, 2)), padding=1)
        for _ in range(4)
    ]
    net = nn.Sequential(*layers).double()
    for parameter in net.parameters():
        nn.init.uniform_(parameter, 0.5, 1.0)
    seen = fields(record(net, (2, 160, 160)))[""]
    middle = seen.shape[2] // 2
    first = int(seen.start[0] + middle * seen.jump[0])
    (top, bottom), _ = seen.window(middle, middle)
    assert (top, bottom - top) == (first, seen.size[0])
    assert support(net, 160, (middle, middle)) == seen.window(middle, middle)


def test_a_small_residual_net_joins_its_branches() -> None:
    net = Branches(nn.Conv2d(2, 2, 3, padding=1), nn.Identity(), "sum")
    seen = fields(record(net, (2, 9, 9)))[""]
    assert (seen.size, seen.jump, seen.start, seen.context) == ((3, 3), (1, 1), (-1, -1), False)


def test_a_gate_sees_the_whole_image_and_the_local_path_is_still_told() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.local, self.gate = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.local(x)
            return x * self.gate(x.mean((2, 3), keepdim=True)).sigmoid()

    seen = field(Gate(), (2, 20, 20), "")
    assert seen.whole
    assert seen.context
    assert (seen.size, str(seen)) == ((3, 3), "3 + all")
    assert seen.window(0, 0) == ((0, 20), (0, 20))


def test_a_gate_of_one_pixel_runs_along_nothing() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.local, self.pool, self.gate = (
                nn.Conv2d(2, 2, 3, padding=1),
                nn.AdaptiveAvgPool2d(1),
                nn.Conv2d(2, 2, 1),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.local(x)
            return x * self.gate(self.pool(x)).sigmoid()

    seen = field(nn.Sequential(Gate(), Gate()), (2, 20, 20), "1")
    assert str(seen) == "5 + all"
    assert seen.jump == (1, 1)


def test_a_vision_transformer_sees_its_patch_before_attention_and_everything_after_it() -> None:
    net = build(lambda: create_model("vit_b_16"))
    found = fields(record(net, (3, 224, 224)))
    patch, first, last = found["conv_proj"], found["encoder.layers.encoder_layer_0"], found["heads"]
    assert (patch.size, patch.jump, patch.whole) == ((16, 16), (16, 16), False)
    assert (first.size, first.whole) == ((224, 224), True)
    assert last.size == (224, 224)


def test_windowed_attention_sees_its_window_and_global_attention_everything() -> None:
    class Windows(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            b, c, h, w = x.shape
            tokens = x.view(b, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, c)
            tokens = (tokens @ tokens.transpose(1, 2)).softmax(-1) @ tokens
            return tokens.view(b, h // 4, w // 4, 4, 4, c).permute(0, 5, 1, 3, 2, 4).reshape(b, c, h, w)

    seen = field(Windows(), (2, 12, 12), "")
    assert [seen.window(i, j) for i, j in ((0, 0), (3, 5), (11, 11))] == [
        ((0, 4), (0, 4)),
        ((0, 4), (4, 8)),
        ((8, 12), (8, 12)),
    ]

    class All(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = x.flatten(2).transpose(1, 2)
            return nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)

    assert field(All(), (2, 12, 12), "").whole


def test_a_change_in_place_through_a_view_is_seen_by_the_whole() -> None:
    class Sly(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = x * 1
            y[:, :1].add_(self.conv(x)[:, :1])
            return y

    seen: ReceptiveField = field(Sly(), (2, 8, 8), "")
    assert seen.window(4, 4) == ((3, 6), (3, 6))


def test_stacked_maps_keep_their_fields() -> None:
    class Stack(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([x, self.conv(x)], dim=1).flatten(1, 2)

    seen = field(Stack(), (2, 8, 8), "")
    assert (seen.size, seen.jump) == ((3, 3), (1, 1))
    assert seen.window(4, 4) == ((3, 6), (3, 6))


def test_unknown_and_uncalled_layers_are_named() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU())
    net.spare = nn.Linear(2, 2)
    net.forward = net[0].forward  # type: ignore[method-assign]
    with pytest.raises(UnknownName, match="unknown layer"):
        field(net, (1, 8, 8), "3")
    with pytest.raises(UsageError, match="not called in the forward pass"):
        field(net, (1, 8, 8), "spare")


def test_windows_of_units_that_see_only_padding_are_empty() -> None:
    seen = field(nn.Sequential(nn.ZeroPad2d(3), nn.Conv2d(1, 1, 1)), (1, 4, 4), "1")
    (top, bottom), _ = seen.window(0, 5)
    assert bottom <= top
    assert np.all(seen.first[0][0, 0, 3:7, 4] == np.arange(4))


def test_behind_the_last_map_the_field_is_the_whole_input_and_no_larger() -> None:
    class Branches(nn.Module):
        """Channels whose windows differ, pooled to one pixel: as GoogLeNet ends."""

        def __init__(self) -> None:
            super().__init__()
            self.small, self.large = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(1, 4, 7, padding=3)
            self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(7, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.pool(torch.cat([self.small(x), self.large(x)], dim=1)).flatten(1))

    found = fields(record(Branches(), (1, 12, 12)))
    assert found["large"].size == (7, 7)
    for name in ("pool", "fc"):
        assert (found[name].size, found[name].capped, str(found[name])) == ((12, 12), True, "all"), name
    exact = fields(record(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(200, 2)), (1, 12, 12)))
    assert (exact["2"].size, exact["2"].capped) == ((12, 12), False)
