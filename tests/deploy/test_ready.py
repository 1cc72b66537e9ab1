"""A net made ready to answer: as before, only faster; and as it was, where anything about it is in doubt."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import nn

from hubel.deploy.ready import PLAIN, kept, ready
from hubel.models import create_model


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    ).eval()


IMAGES = torch.randn(6, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def test_a_ready_net_gives_the_logits_of_the_plain_one() -> None:
    net = create_model("resnet18", num_classes=5, img_size=32).eval()
    images = torch.randn(3, 3, 32, 32)
    fast = ready(net, images)
    with torch.inference_mode():
        plain = net(images)
    assert torch.allclose(fast(images), plain, atol=1e-5)
    assert fast.difference <= 1e-5
    assert (fast.folded, fast.note) == (0 if fast.form == PLAIN else 20, "")


def test_a_net_in_training_answers_as_in_evaluation_and_stays_in_training() -> None:
    net = small()
    with torch.inference_mode():
        expected = net(IMAGES)
    net.train()
    assert torch.allclose(ready(net, IMAGES)(IMAGES), expected, atol=1e-5)
    assert all(module.training for module in net.modules())
    assert int(net[1].num_batches_tracked) == 0


def test_a_net_with_hooks_answers_itself_so_that_they_are_called() -> None:
    net, heard = small(), []
    net[1].register_forward_hook(lambda *_: heard.append(1))
    fast = ready(net, IMAGES)
    heard.clear()
    fast(IMAGES)
    assert (fast.model is net, heard) == (True, [1])
    assert "hooks" in fast.note


class Sly(nn.Module):
    """Looks for its norm, and answers differently without it."""

    def __init__(self) -> None:
        super().__init__()
        self.body = small()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        there = any(isinstance(module, nn.BatchNorm2d) for module in self.modules())
        return self.body(images) + (0.0 if there else 1.0)


def test_a_form_that_answers_differently_is_not_used_and_the_note_says_so() -> None:
    fast = ready(Sly().eval(), IMAGES)
    assert fast.form == PLAIN
    assert "logits differ by 1.0e+00" in fast.note


class Picky(nn.Module):
    """Reads the weights of its convolution, which a packed one has in no readable form."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 3, 3), nn.Linear(3, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert type(self.conv) is nn.Conv2d, "my convolution is gone"
        return self.head(self.conv(images).mean((2, 3)))


def test_a_form_that_fails_is_left_out_with_its_reason() -> None:
    fast = ready(Picky().eval(), IMAGES)
    assert fast.form in (PLAIN, "channels_last")
    assert fast.note == "packed filters: my convolution is gone"


def test_a_net_that_cannot_be_copied_answers_itself() -> None:
    class Rooted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def __deepcopy__(self, memo: object) -> nn.Module:
            raise TypeError("I am the only one")

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3)) * self.scale

    net = Rooted()
    fast = ready(net, IMAGES)
    assert (fast.model is net, fast.note) == (True, "the net cannot be copied: I am the only one")
    assert torch.equal(fast(IMAGES), IMAGES.mean((2, 3)))


def test_what_the_plain_net_raises_is_raised() -> None:
    with pytest.raises(RuntimeError, match="expected input"):
        ready(small(), torch.ones(1, 5, 12, 12))


def test_points_are_taken_as_they_are() -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)).eval()
    points = torch.randn(5, 4)
    assert torch.equal(ready(net, points)(points), net(points))


def test_readiness_is_kept_until_weights_hooks_or_the_shape_of_pictures_change() -> None:
    net = small()
    first = kept(net, IMAGES)
    assert kept(net, IMAGES[:1]) is first
    with torch.no_grad():
        net[0].weight.mul_(2)
    second = kept(net, IMAGES)
    assert second is not first
    assert torch.allclose(second(IMAGES), net(IMAGES), atol=1e-5)
    with torch.no_grad():
        net[1].running_mean.add_(1)
    assert torch.allclose(kept(net, IMAGES)(IMAGES), net(IMAGES), atol=1e-5)
    assert kept(net, IMAGES[:, :, :10]) is not second
    handle = net[0].register_forward_hook(lambda *_: None)
    assert kept(net, IMAGES).model is net
    handle.remove()


@pytest.mark.parametrize("heard", [False, True])
def test_what_is_kept_dies_with_its_net(heard: bool) -> None:
    net = small()
    if heard:
        net[0].register_forward_hook(lambda *_: None)
    kept(net, IMAGES)
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None
