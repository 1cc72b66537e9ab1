"""What every explainer promises, on every kind of net: shapes, signs, names, repeatability, and an untouched model."""

from __future__ import annotations

import contextlib
import copy
import re

import numpy as np
import pytest
import torch
from torch import nn

from hubel.errors import UnknownName, UsageError
from hubel.explainers import EXPLAINERS, attribute
from hubel.models import create_model
from hubel.runtime import seeded

NETS = {
    "mnist_cnn": (1, 28),
    "mnist_gap": (1, 28),
    "resnet20": (3, 32),
    "vit_tiny": (1, 28),
    "mobilenet_v2": (3, 32),
    "shufflenet_v2_x0_5": (3, 64),
}
# Methods that cannot be applied to every net: to which they can.
APPLIES = {
    "guided-backprop": {"mnist_cnn", "mnist_gap", "resnet20", "mobilenet_v2", "shufflenet_v2_x0_5"},
    "deeplift": {"mnist_cnn", "mnist_gap", "resnet20", "shufflenet_v2_x0_5"},
    "attention-rollout": {"vit_tiny"},
    "attention-raw": {"vit_tiny"},
    # A transformer's score does not see how long a token is, so gradient times token cancels.
    "hires-cam": set(NETS) - {"vit_tiny"},
}
QUICK = {
    "rise": {"masks": 20}, "smoothgrad": {"samples": 4}, "integrated-gradients": {"steps": 4},
    "occlusion": {"patch": 8, "stride": 8}, "occlusion-fast": {"patch": 8},
}  # fmt: skip


def state(model: nn.Module) -> tuple[object, ...]:
    """Everything about a model that an explanation could disturb."""
    return (
        [(name, module.training, getattr(module, "inplace", None)) for name, module in model.named_modules()],
        [(name, p.requires_grad, p.grad is None) for name, p in model.named_parameters()],
        [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()],
    )


# The many maps of a wide last stage would each take a pass.
EARLY = {"mobilenet_v2": "features.1", "shufflenet_v2_x0_5": "conv1"}


def settings(method: str, name: str = "") -> dict[str, object]:
    """Small numbers where a method has them."""
    return {"layer": EARLY[name]} if method == "score-cam" and name in EARLY else QUICK.get(method, {})


def a_net(name: str) -> tuple[nn.Module, torch.Tensor]:
    channels, size = NETS[name]
    try:
        with seeded(0):
            net = create_model(name, num_classes=5, in_chans=channels, img_size=size)
    except UnknownName:
        pytest.skip(f"{name} is not in the catalogue")
    images = torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0))
    # Odd flags, which must survive: the whole in training mode, one part frozen, one parameter without gradient.
    net.train()
    next(iter(net.children())).eval()
    next(iter(net.parameters())).requires_grad_(False)
    return net, images


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("method", EXPLAINERS)
def test_maps_are_finite_repeatable_and_leave_the_model_alone(method: str, name: str) -> None:
    net, images = a_net(name)
    before, weights = state(net), copy.deepcopy(net.state_dict())
    found = None
    cannot = pytest.raises(UsageError, match="cannot be")
    with contextlib.nullcontext() if name in APPLIES.get(method, NETS) else cannot:
        found = attribute(net, images, method=method, target=[1, 3], **settings(method, name))
    if found is not None:
        assert found.maps.shape == (2, *images.shape[2:])
        assert found.maps.dtype == np.float32
        assert np.isfinite(found.maps).all()
        assert found.signed or (found.maps >= -1e-6).all()
        assert found.targets == (1, 3)
        assert bool(found.layer) == EXPLAINERS.get(method).layer
        again = attribute(net, images, method=method, target=[1, 3], **settings(method, name))
        assert np.array_equal(found.maps, again.maps)
    assert state(net) == before
    assert all(torch.equal(weights[key], value) for key, value in net.state_dict().items())


class Failing(nn.Module):
    """Runs twice, then breaks in the middle of the net."""

    def __init__(self, runs: int) -> None:
        super().__init__()
        self.conv, self.act, self.head = nn.Conv2d(1, 3, 3), nn.ReLU(inplace=True), nn.Linear(3, 5)
        self.runs = runs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.conv(x))
        self.runs -= 1
        if self.runs < 0:
            raise RuntimeError("out of luck")
        return self.head(x.mean((2, 3)))


@pytest.mark.parametrize("runs", [0, 1, 2])
@pytest.mark.parametrize("method", EXPLAINERS)
def test_the_model_is_left_alone_also_after_an_exception(method: str, runs: int) -> None:
    net = Failing(runs).train()
    net.act.eval()
    net.head.weight.requires_grad_(False)
    before = state(net)
    # Fewer runs than the method needs: it breaks in the middle; otherwise it may end, or refuse.
    with contextlib.suppress(RuntimeError, UsageError):
        attribute(net, torch.rand(1, 1, 16, 16), method=method, target=0, **settings(method))
    assert state(net) == before


@pytest.mark.parametrize("method", EXPLAINERS)
def test_settings_and_targets_that_cannot_be_are_refused(method: str) -> None:
    net = create_model("mnist_cnn", num_classes=5, in_chans=1, img_size=28)
    with pytest.raises(UsageError, match=f"method {re.escape(repr(method))} has no setting 'stpes'"):
        attribute(net, torch.rand(1, 28, 28), method=method, stpes=3)
    with pytest.raises(UsageError, match="class index from 0 to 4, got 5"):
        attribute(net, torch.rand(1, 28, 28), method=method, target=5)
    with pytest.raises(UsageError, match="images must be floats of shape B C H W"):
        attribute(net, torch.zeros(28, 28, dtype=torch.uint8), method=method)


def test_unknown_methods_suggest_near_ones() -> None:
    with pytest.raises(UnknownName, match="unknown explainer 'gradcam'") as caught:
        attribute(nn.Identity(), torch.rand(1, 3, 8, 8), method="gradcam")
    assert "grad-cam" in caught.value.hint


class Constants(nn.Module):
    """Makes a tensor in its forward, which the reading of its graph must not leave behind."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.conv(x).relu() * torch.tensor([1.0, 2.0, 3.0])[:, None, None]).mean((2, 3))


@pytest.mark.parametrize("method", ["occlusion", "score-cam", "rise"])
def test_no_attribute_is_left_on_the_model(method: str) -> None:
    net = Constants()
    before = set(vars(net))
    attribute(net, torch.rand(1, 1, 9, 9), method=method, **({"patch": 3} if method == "occlusion" else {}))
    assert set(vars(net)) == before
