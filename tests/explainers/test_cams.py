"""The CAM family against its formulas written out, against Captum, and on nets that overwrite what was recorded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn
from torch.nn import functional as F

from explainers.nets import Trained
from hubel.errors import UsageError
from hubel.explainers import attribute
from hubel.explainers.cams import grad_cam, grad_cam_plus_plus, hires_cam, layer_cam, score_cam
from hubel.models import create_model
from hubel.nn.taps import record
from hubel.runtime import seeded


def by_hand(model: nn.Module, image: torch.Tensor, target: int, layer: str) -> tuple[np.ndarray, np.ndarray]:
    """A and g of one image, C h w, in double precision: g by central differences of the net behind the layer."""
    model = model.double()
    with record(model, layer, copy=True) as seen, torch.no_grad():
        model(image[None].double())
    maps = seen[layer]
    gradient = torch.zeros_like(maps)

    def score(changed: torch.Tensor) -> float:
        handle = dict(model.named_modules())[layer].register_forward_hook(lambda *_: changed.clone())
        with torch.no_grad():
            value = float(model(image[None].double())[0, target])
        handle.remove()
        return value

    for place in np.ndindex(*maps.shape):
        step = torch.zeros_like(maps)
        step[place] = 1e-6
        gradient[place] = (score(maps + step) - score(maps - step)) / 2e-6
    model.float()
    return maps[0].numpy(), gradient[0].numpy()


class Tiny(nn.Module):
    """In-place ReLUs behind the layer, one of them used twice, and a head that is not an average."""

    stages = ("body",)

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(1, 4, 3)
        self.act = nn.ReLU(inplace=True)
        self.more = nn.Conv2d(4, 3, 2)
        self.head = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.act(self.more(self.act(self.body(x)))).flatten(1))


def test_each_method_is_its_formula() -> None:
    with seeded(0):
        net, images = Tiny().eval(), torch.randn(2, 1, 5, 5)
    targets = torch.tensor([2, 0])
    for row in range(2):
        a, g = by_hand(net, images[row], int(targets[row]), "body")
        wanted = {
            grad_cam: (g.mean((1, 2), keepdims=True) * a).sum(0),
            hires_cam: (g * a).sum(0),
            layer_cam: (np.maximum(g, 0) * a).sum(0),
        }
        below = 2 * g**2 + (a * g**3).sum((1, 2), keepdims=True)
        alpha = np.divide(g**2, below, out=np.zeros_like(g), where=(below != 0) & (g != 0))
        # With exp(y) as score, the third derivative is exp(y) g^3 and the formula keeps g^2 / (2 g^2 + sum(A g^3)).
        wanted[grad_cam_plus_plus] = ((alpha * np.maximum(g, 0)).sum((1, 2), keepdims=True) * a).sum(0)
        for method, map_ in wanted.items():
            found = method(net, images, targets, layer="body")
            assert found.layer == "body"
            assert np.allclose(found.maps[row], np.maximum(map_, 0), atol=1e-5), method.__name__


@pytest.mark.parametrize(("name", "layer"), [("resnet20", "layer2"), ("mnist_cnn", "block1"), ("mnist_gap", "block2")])
def test_grad_cam_equals_captum(name: str, layer: str) -> None:
    with seeded(1):
        net = create_model(name, num_classes=10, in_chans=1, img_size=28).eval()
        images = torch.randn(3, 1, 28, 28)
    targets = torch.tensor([0, 4, 9])
    found = grad_cam(net, images, targets, layer=layer).maps
    wanted = LayerGradCam(net, dict(net.named_modules())[layer]).attribute(images, targets, relu_attributions=True)
    assert torch.allclose(found, wanted[:, 0], atol=1e-5)


def test_score_cam_is_the_loop_of_its_paper(digits: Trained) -> None:
    image, target = digits.images[0], int(digits.labels[0])
    found = score_cam(digits.model, image[None], torch.tensor([target]), layer="block1").maps[0]
    with record(digits.model, "block1", copy=True) as seen, torch.no_grad():
        digits.model(image[None])
    maps, scores = seen["block1"][0], []
    with torch.no_grad():
        for channel in maps:
            spread = channel.max() - channel.min()
            stretched = (channel - channel.min()) / spread if spread > 0 else torch.zeros_like(channel)
            mask = F.interpolate(stretched[None, None], image.shape[1:], mode="bilinear", align_corners=False)[0]
            scores.append(digits.model((image * mask)[None])[0, target])
    wanted = (torch.stack(scores).softmax(0)[:, None, None] * maps).sum(0).relu()
    assert torch.allclose(found, wanted, atol=1e-5)


def test_hires_cam_sums_to_the_score_behind_a_dense_head(digits: Trained) -> None:
    """For one linear layer on top, the map (before the ReLU) adds up to score minus bias: that is its promise."""
    from hubel.explainers.cams import maps_and_gradients

    targets = digits.labels[:4]
    _, a, g = maps_and_gradients(digits.model, digits.images[:4], targets, "block2")
    scores = digits.model(digits.images[:4]).gather(1, targets[:, None])[:, 0]
    assert torch.allclose((a * g).sum((1, 2, 3)) + digits.model.dense.bias[targets], scores, atol=1e-4)


def test_the_layer_is_chosen_and_named() -> None:
    hubels = create_model("resnet20", num_classes=10, img_size=32)
    foreign = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 30), nn.Flatten(), nn.Linear(4, 2))
    transformer = create_model("vit_tiny", num_classes=10, in_chans=1, img_size=28)
    assert attribute(hubels, torch.rand(3, 32, 32)).layer == "layer3"
    assert attribute(foreign, torch.rand(3, 32, 32)).layer == "1"  # the layer behind it has a map of 1 x 1
    assert attribute(transformer, torch.rand(1, 28, 28)).layer == transformer.stages[-2]


@pytest.mark.parametrize(
    ("layer", "what", "hint"),
    [("1a", "unknown layer '1a'", "layers with maps: 0, 1"), ("3", "layer '3' has no maps", "layers with maps: 0, 1")],
)
def test_a_layer_that_cannot_be_is_answered_with_those_that_can(layer: str, what: str, hint: str) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2))
    with pytest.raises(UsageError, match=what) as caught:
        attribute(net, torch.rand(1, 8, 8), layer=layer)
    assert hint in caught.value.hint


def test_weights_of_attention_are_no_maps() -> None:
    one_patch = create_model("vit_b_32", num_classes=2, img_size=32).eval()  # a token of class and one of the picture
    with pytest.raises(UsageError, match="no layer of this net has maps"):
        attribute(one_patch, torch.randn(2, 3, 32, 32), method="grad-cam", target=0)
    net = create_model("vit_tiny", num_classes=2).eval()
    with pytest.raises(UsageError, match="has no maps to look at"):
        attribute(net, torch.randn(1, 3, 28, 28), method="grad-cam", target=0, layer=net.attention[0])


def test_a_net_without_maps_is_told_what_it_can_use() -> None:
    with pytest.raises(UsageError, match="no layer of this net has maps") as caught:
        attribute(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), torch.rand(1, 8, 8))
    assert "saliency" in caught.value.hint
