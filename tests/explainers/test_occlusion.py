"""The fast occlusion map is the naive one, whatever the net is built of."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from explainers.nets import Trained, naive_occlusion
from hubel.errors import UsageError
from hubel.explainers import attribute
from hubel.explainers.fast.forward import Fast
from hubel.explainers.fast.winograd import Winograd
from hubel.explainers.occlusion import coarse_to_fine, grid
from hubel.models import create_model
from hubel.nn.padding import EvenPad
from hubel.runtime import seeded


class Odd(nn.Module):
    """What nets do to their maps: functional and in-place operations, pools, branches, gates, dense layers."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.stem = nn.Conv2d(3, 8, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm2d(8)
        self.side = nn.Conv2d(8, 8, 1, stride=2)
        self.deep = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=2)
        self.wide = nn.Conv2d(8, 8, 3, padding=2, dilation=2)
        self.act = nn.ReLU(inplace=True)
        self.gate = nn.Linear(8, 8)
        self.head = nn.Linear(8 * 6 * 7 if kind == "dense" else 8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.norm(self.stem(x)))
        f = F.silu(self.deep(x))
        if self.kind == "reused":
            f = self.act(self.wide(f) - 0.1)
        f = self.wide(f)
        f += self.side(x)
        if self.kind == "gate":
            f = f * torch.sigmoid(self.gate(f.mean((2, 3))))[:, :, None, None]
        if self.kind == "pools":
            f = F.max_pool2d(f, 3, 1, 1) + F.avg_pool2d(f, 3, stride=1, padding=1)
            f = torch.cat([f[:, :4].relu(), F.relu(f)], dim=1)[:, 4:]
        f = torch.relu(f)
        x = f.reshape(f.size(0), -1) if self.kind == "dense" else f.mean(dim=(2, 3))
        return self.head(x)


@pytest.mark.parametrize("kind", ["plain", "reused", "gate", "pools", "dense"])
@pytest.mark.parametrize(("patch", "stride"), [(4, 2), (5, 3), (7, 7)])
def test_exact_occlusion_equals_the_naive_loop(kind: str, patch: int, stride: int) -> None:
    with seeded(0):
        net = Odd(kind).eval()
        nn.init.uniform_(net.norm.running_mean)
        image = torch.randn(3, 23, 26)
    found = attribute(net, image, method="occlusion", target=2, patch=patch, stride=stride)
    wanted = naive_occlusion(copy.deepcopy(net).double(), image, 2, patch, stride)
    assert np.abs(found.map - wanted).max() <= 1e-4 * np.ptp(wanted)
    assert found.note == ""


@pytest.mark.parametrize(
    "name",
    [
        "resnet20", "mobilenet_v2", "squeezenet1_1", "shufflenet_v2_x0_5", "se_resnet18", "efficientnet_lite0",
        "blur_mobilenet_v2",
    ],
)  # fmt: skip
def test_exact_occlusion_equals_the_naive_loop_on_nets_of_the_zoo(name: str) -> None:
    """In double precision, since the scores of some fresh nets hardly move: what is left is no rounding."""
    with seeded(0):
        net = create_model(name, num_classes=10, img_size=32).eval().double()
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1)).double() - 0.5
    found = attribute(net, image, method="occlusion", target=1, patch=8, stride=8)
    wanted = naive_occlusion(net, image, 1, 8, 8)
    assert np.abs(found.map - wanted).max() <= 1e-6 * np.ptp(wanted)
    assert found.note == ""
    assert attribute(net, image, method="occlusion-fast", target=1, patch=8, stride=8).note == ""


@pytest.mark.parametrize("size", [3, 9, 11, 16, 17])
@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (2, 0)])
def test_a_convolution_several_rows_at_a_time_is_the_convolution(size: int, padding: tuple[int, int]) -> None:
    source = torch.Generator().manual_seed(size)
    maps, kernel = torch.randn(3, 16, size, 5, generator=source), torch.randn(8, 16, 3, 3, generator=source)
    bias = torch.randn(8, generator=source)
    wanted = F.conv2d(maps.double(), kernel.double(), bias.double(), padding=padding)
    found = Winograd(kernel, bias)(maps, padding)
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() <= 1e-4 * wanted.std()


@pytest.mark.parametrize("name", ["resnet18", "vgg11"])
def test_exact_occlusion_equals_the_naive_loop_on_wide_nets_in_single_precision(name: str) -> None:
    """Their convolutions are computed several rows at a time, which rounds more."""
    with seeded(0):
        net = create_model(name, num_classes=10, img_size=64).eval()
    image = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert any(isinstance(slide.apply, Winograd) for slide in Fast(net).slides.values())
    around = Fast(net).around(image)
    corners = np.array([0, 24, 48])
    windows = torch.zeros(3, 3, 16, 16)
    found = around.windows(windows, corners, corners)
    covered = image.repeat(3, 1, 1, 1)
    for one, corner in zip(covered, corners.tolist(), strict=True):
        one[:, corner : corner + 16, corner : corner + 16] = 0
    with torch.no_grad():
        wanted = copy.deepcopy(net).double()(covered.double())
    assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max()


@pytest.mark.parametrize("method", ["occlusion", "occlusion-fast"])
def test_occlusion_tells_how_far_it_is(method: str) -> None:
    with seeded(0):
        net, images = Odd("plain").eval(), torch.randn(2, 3, 23, 26)
    told: list[tuple[int, int]] = []
    attribute(
        net, images, method=method, target=2, patch=4, stride=2, batch_size=9, progress=lambda *now: told.append(now)
    )
    assert len(told) > 2
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


def test_a_net_that_branches_on_values_takes_whole_passes_and_says_so() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 3, 3)
            nn.init.constant_(self.conv.bias, 1.0)  # the mean of a batch is positive, whoever is in it

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            return (x.relu() if x.mean() > 0 else x.abs()).mean((2, 3))

    with seeded(0):
        net, image = Branching(), torch.rand(1, 9, 9)
    found = attribute(net, image, method="occlusion", target=0, patch=3)
    assert "cannot be read as a graph" in found.note
    assert attribute(net, image, method="occlusion-fast", target=0, patch=3).note == found.note
    wanted = naive_occlusion(copy.deepcopy(net).double(), image, 0, 3, 1)
    assert np.abs(found.map - wanted).max() <= 1e-4 * np.ptp(wanted)


@pytest.mark.parametrize(("height", "width", "kernel"), [(24, 24, 3), (25, 31, 5), (26, 23, 3)])
def test_windows_pass_zeros_that_are_uneven(height: int, width: int, kernel: int) -> None:
    with seeded(0):
        net = nn.Sequential(
            EvenPad(kernel, 2), nn.Conv2d(3, 6, kernel, 2), nn.ReLU(), EvenPad(3, 2), nn.Conv2d(6, 8, 3, 2), nn.SiLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3),
        ).eval().double()  # fmt: skip
        image = torch.randn(3, height, width).double()
    found = attribute(net, image, method="occlusion", target=1, patch=6, stride=5)
    assert np.abs(found.map - naive_occlusion(net, image, 1, 6, 5)).max() <= 1e-6 * np.ptp(found.map)
    around = Fast(net).around(image)
    assert around.slope(1, 6) is not None  # a change stays a window behind the zeros, too


def test_occlusion_equals_captum(digits: Trained) -> None:
    from captum.attr import Occlusion

    images = digits.images[:2]
    found = attribute(digits.model, images, method="occlusion", target=[3, 5], patch=3, stride=2)
    wanted = Occlusion(digits.model).attribute(
        images, sliding_window_shapes=(1, 3, 3), strides=(1, 2, 2), target=torch.tensor([3, 5]), baselines=0
    )
    assert np.abs(found.maps - wanted[:, 0].numpy()).max() <= 1e-5


def test_coarse_to_fine_ends_in_the_exact_map_and_is_close_early(digits: Trained) -> None:
    from scipy.stats import spearmanr

    image, target = digits.images[4], int(digits.labels[4])
    exact = attribute(digits.model, image, method="occlusion", target=target, patch=4, stride=1).map
    steps = list(coarse_to_fine(digits.model, image, torch.tensor(target), patch=4, stride=1))
    shares = [step.share for step in steps]
    assert shares == sorted(shares)
    assert shares[0] < 0.1
    assert np.allclose(steps[-1].map, exact, atol=1e-6)
    early = next(step for step in steps if step.share > 0.2)
    assert spearmanr(early.map.ravel(), exact.ravel()).statistic > 0.95


def slightly_moved(net: nn.Module, image: torch.Tensor, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Drops under a hardly visible change inside two windows: as the slope foresees them, and as they are."""
    around = Fast(net).around(image)
    slope = around.slope(1, size)
    assert slope is not None
    far = image.shape[1] - size
    places = np.array([0, far]), np.array([far // 2, far])
    windows = torch.stack([image[:, y : y + size, x : x + size] for y, x in zip(*places, strict=True)])
    windows = windows + 1e-6 * torch.randn(windows.shape, generator=torch.Generator().manual_seed(2)).double()
    wanted = around.logits[0, 1] - around.windows(windows, *places)[:, 1]
    return around.first_order(slope, windows, *places).numpy(), wanted.numpy()


@pytest.mark.parametrize("kind", ["plain", "reused", "gate", "pools", "dense"])
def test_the_slope_foresees_small_changes_whatever_the_net_is_built_of(kind: str) -> None:
    with seeded(0):
        net = Odd(kind).eval().double()
        nn.init.uniform_(net.norm.running_mean)
        image = torch.randn(3, 23, 26).double()
    found, wanted = slightly_moved(net, image, 3)
    assert np.abs(found - wanted).max() <= 1e-3 * np.abs(wanted).max()


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2", "vgg11", "googlenet", "densenet_bc100_k12"])
def test_the_slope_foresees_small_changes_on_nets_of_the_zoo(name: str) -> None:
    with seeded(0):
        net = create_model(name, num_classes=10, img_size=32).eval().double()
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1)).double()
    found, wanted = slightly_moved(net, image, 3)
    assert np.abs(found - wanted).max() <= 1e-2 * np.abs(wanted).max()


def test_the_slope_alone_is_exact_where_the_rest_of_the_net_is_a_straight_line() -> None:
    with seeded(0):
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
        image = torch.randn(1, 40, 40)
    first = next(iter(coarse_to_fine(net.eval(), image, torch.tensor(2), patch=4, stride=2)))
    exact = attribute(net, image, method="occlusion", target=2, patch=4, stride=2).map
    assert first.share < 0.1
    assert np.abs(first.map - exact).max() <= 1e-4 * np.ptp(exact)


COARSE = [
    "resnet18", "preact_resnet110", "densenet121", "googlenet", "mobilenet_v3_small", "shufflenet_v2_x0_5", "vgg11",
    "squeezenet1_1", "se_resnet18", "alexnet",
]  # fmt: skip


@pytest.mark.parametrize("name", COARSE)
def test_convolutions_in_bfloat16_answer_nearly_the_same(name: str) -> None:
    with seeded(0):
        net = create_model(name, num_classes=10, img_size=64).eval()
    image = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(1))
    corners = np.arange(0, 49, 16)
    windows = torch.zeros(len(corners), 3, 16, 16)
    fine, coarse = (Fast(net, arithmetic=kind).around(image) for kind in (None, torch.bfloat16))
    wanted, found = (around.windows(windows, corners, corners[::-1].copy()) for around in (fine, coarse))
    assert found.dtype == torch.float32
    assert 0 < (found - wanted).abs().max() <= 0.05 * wanted.abs().max()


def test_the_last_patch_is_cut_off_at_the_border() -> None:
    places = grid(10, 10, patch=4, stride=3)
    assert places.tops.tolist() == [0, 3, 6]
    assert grid(11, 10, patch=4, stride=3).tops.tolist() == [0, 3, 6, 9]


@pytest.mark.parametrize(("patch", "stride"), [(0, 1), (9, 2), (3, 4), (4, 0)])
def test_impossible_patches_are_refused(patch: int, stride: int) -> None:
    with pytest.raises(UsageError, match="1 <= stride <= patch <= 8"):
        grid(8, 8, patch=patch, stride=stride)
