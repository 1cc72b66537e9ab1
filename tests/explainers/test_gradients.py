"""Gradient methods against Captum, against differences, and in nets that spell their ReLUs in every way."""

from __future__ import annotations

import pytest
import torch
from captum.attr import DeepLift, GuidedBackprop, IntegratedGradients, Saliency
from torch import nn
from torch.nn import functional as F

from explainers.nets import Trained
from hubel.errors import UsageError
from hubel.explainers import attribute
from hubel.explainers.fast.forward import Fast
from hubel.explainers.gradients import deeplift_values, guided_gradient, integrated, pixel_gradient
from hubel.models import create_model
from hubel.runtime import seeded

# Captum's own remarks, where it is the oracle.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Setting forward, backward hooks"),
    pytest.mark.filterwarnings("ignore:Setting backward hooks"),
    pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients"),
]


def test_saliency_and_integrated_gradients_equal_captum(digits: Trained) -> None:
    images, targets = digits.images[:3], digits.labels[:3]
    found = pixel_gradient(digits.model, images, targets).abs()
    assert torch.allclose(found, Saliency(digits.model).attribute(images.clone(), targets), atol=1e-5)
    values, error = integrated(digits.model, images, targets, steps=50, baseline=-0.3)
    wanted = IntegratedGradients(digits.model).attribute(images, -0.3, targets, n_steps=50)
    assert torch.allclose(values, wanted, atol=1e-5)
    assert error.max() < 0.05


def test_integrated_gradients_are_complete_and_say_how_nearly(digits: Trained) -> None:
    images, labels = digits.images[:4], digits.labels[:4]
    found = attribute(digits.model, images, method="integrated-gradients", target=labels, steps=400)
    grey = digits.model(torch.zeros(1, 1, 16, 16))[0].detach()
    for map_, score, target in zip(found.maps, found.scores, found.targets, strict=True):
        assert abs(map_.sum() - (score - float(grey[target]))) < 0.02 * abs(score - float(grey[target]))
    assert found.details["completeness error"] < 0.02
    rough = attribute(digits.model, images, method="integrated-gradients", target=labels, steps=1)
    assert rough.details["completeness error"] > 0.05
    assert "take more than 1 step" in rough.note


class Spelled(nn.Module):
    """One and the same function, its ReLUs written in different ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.a, self.b = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 6, 3)
        self.relu_a, self.relu_b = nn.ReLU(), nn.ReLU()
        self.overwriting = nn.ReLU(inplace=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = {
            "modules": (self.relu_a, self.relu_b),
            "shared and in place": (self.overwriting, self.overwriting),
            "functions": (F.relu, torch.relu),
            "methods": (torch.Tensor.relu_, lambda x: x.relu()),
        }[self.how]
        return self.head(second(self.b(first(self.a(x)))).mean((2, 3)))


@pytest.mark.parametrize("how", ["modules", "shared and in place", "functions", "methods"])
def test_guided_backprop_equals_captum_however_the_relus_are_written(how: str) -> None:
    with seeded(0):
        plain, images = Spelled("modules").eval(), torch.randn(2, 1, 9, 9)
    net = Spelled(how).eval()
    net.load_state_dict(plain.state_dict())
    targets = torch.tensor([0, 2])
    wanted = GuidedBackprop(plain).attribute(images.clone(), targets)
    assert torch.allclose(guided_gradient(net, images, targets), wanted, atol=1e-6)
    assert not torch.allclose(pixel_gradient(net, images, targets), wanted, atol=1e-4)


def test_deeplift_equals_captum_and_is_complete() -> None:
    with seeded(0):
        net, images = Spelled("modules").eval(), torch.randn(2, 1, 9, 9)
    targets = torch.tensor([1, 1])
    wanted = DeepLift(net).attribute(images.clone(), torch.zeros_like(images), targets)
    assert torch.allclose(deeplift_values(net, images, targets), wanted.detach(), atol=1e-5)
    assert attribute(net, images, method="deeplift", target=1).details["completeness error"] < 1e-3


def test_methods_say_why_they_do_not_apply_and_which_do() -> None:
    shared = Spelled("shared and in place")
    with pytest.raises(UsageError, match=r"overwriting \(ReLU\) is called 2 times") as caught:
        attribute(shared, torch.rand(1, 9, 9), method="deeplift")
    assert "integrated-gradients" in caught.value.hint
    smooth = create_model("vit_tiny", num_classes=10, in_chans=1, img_size=28)
    with pytest.raises(UsageError, match="this net has none"):
        attribute(smooth, torch.rand(1, 28, 28), method="guided-backprop")
    with pytest.raises(UsageError, match="no rule for LayerNorm"):
        attribute(smooth, torch.rand(1, 28, 28), method="deeplift")
    with pytest.raises(UsageError, match="no module of this net gives out attention"):
        attribute(shared, torch.rand(1, 9, 9), method="attention-rollout")


def test_smoothgrad_depends_on_the_image_and_the_seed_only(digits: Trained) -> None:
    alone = attribute(digits.model, digits.images[5], method="smoothgrad", target=3).map
    among = attribute(digits.model, digits.images[3:8], method="smoothgrad", target=3, batch_size=5).maps[2]
    other = attribute(digits.model, digits.images[5], method="smoothgrad", target=3, seed=1).map
    assert torch.allclose(torch.tensor(alone), torch.tensor(among), atol=1e-5)
    assert not torch.allclose(torch.tensor(alone), torch.tensor(other), atol=1e-3)
    without = attribute(digits.model, digits.images[5], method="smoothgrad", target=3, noise=0).map
    plain = attribute(digits.model, digits.images[5], method="saliency", target=3).map
    assert torch.allclose(torch.tensor(without), torch.tensor(plain), atol=1e-5)


class Tight(nn.Module):
    """A net whose memory holds a few pictures at once, on the CPU's allocator's own words."""

    def __init__(self, model: nn.Module, most: int) -> None:
        super().__init__()
        self.model, self.most = model, most
        self.largest = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > self.most:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        self.largest = max(self.largest, len(x))
        return self.model(x)


@pytest.mark.parametrize("method", ["smoothgrad", "integrated-gradients", "rise", "score-cam", "occlusion"])
def test_where_memory_runs_out_smaller_parts_give_the_same_map(digits: Trained, method: str) -> None:
    """W22."""
    settings: dict[str, int] = {"masks": 40} if method == "rise" else {}
    tight = Tight(digits.model, 5)
    wide = Tight(digits.model, 10**6)
    maps = [attribute(net, digits.images[:1], method=method, target=1, **settings).map for net in (tight, wide)]
    assert torch.allclose(*map(torch.from_numpy, maps), atol=1e-4)
    assert tight.largest <= 5 < wide.largest
    assert Fast(digits.model)(digits.images[:0]).shape == (0, 10), "no pictures, no logits"
