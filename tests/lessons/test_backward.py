"""A gradient written out is torch's gradient: every kind of layer, and whole nets of the catalogue."""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn

from hubel.errors import UsageError
from hubel.lessons.backward import Backward, go_back, write_back
from hubel.lessons.scene import observe
from hubel.lessons.working import Written
from hubel.models import create_model
from hubel.nn.modes import evaluating
from hubel.nn.taps import record
from lessons.test_written import LAYERS, NETS, away


def behind(layer: nn.Module) -> nn.Module:
    """A layer with something before and behind it, so that what is asked is neither the first nor the last."""
    first, head = nn.Conv2d(4, 4, 1), nn.LazyLinear(3)
    return nn.Sequential(first, layer, nn.Flatten(), nn.Tanh(), head)


def written(back: Backward, each: int, draw: random.Random) -> list[Written]:
    """Gradients at places that are drawn, of every part that the answer depends on."""
    return [
        write_back(back, part.index, [draw.randrange(n) for n in part.shape])
        for part in back.scene.parts
        if back.gradients[part.index] is not None
        for _ in range(each)
    ]


@pytest.mark.parametrize("name", LAYERS)
def test_the_gradient_before_every_kind_of_layer_is_that_of_torch(name: str) -> None:
    torch.manual_seed(1)
    net = behind(LAYERS[name]())
    net(torch.randn(1, 4, 7, 7))
    back = go_back(observe(net.eval(), torch.randn(1, 4, 7, 7)), 2)
    found = written(back, 5, random.Random(2))
    assert len(found) >= 15
    for one in found:
        assert one.apart, one.text
        assert away(one) < 1e-5, f"{one.title}: {one.text} but torch gives {one.value}"


@pytest.mark.parametrize("name", NETS)
def test_gradients_in_whole_nets_are_those_of_torch(name: str) -> None:
    torch.manual_seed(0)
    net = create_model(name, num_classes=10, in_chans=3, img_size=(NETS[name], NETS[name])).eval()
    back = go_back(observe(net, torch.randn(1, 3, NETS[name], NETS[name])), 4)
    parts = [part for part in back.scene.parts if back.gradients[part.index] is not None]
    draw = random.Random(3)
    for part in draw.sample(parts, min(25, len(parts))):
        one = write_back(back, part.index, [draw.randrange(n) for n in part.shape])
        assert one.apart, one.text
        assert away(one) < 1e-5, f"{one.title}: {one.text} but torch gives {one.value}"


def test_gradients_are_those_that_hooks_at_the_modules_see() -> None:
    torch.manual_seed(0)
    net = create_model("resnet20", num_classes=10, in_chans=3, img_size=(32, 32)).eval()
    image = torch.randn(1, 3, 32, 32)
    back = go_back(observe(net, image), 7)
    closing = [part for part in back.scene.parts if part.closing and part.module]
    for part in closing[::6]:
        with evaluating(net), record(net, part.module, copy=True) as seen, torch.enable_grad():
            logit = net(image.clone().requires_grad_())[0, 7]
            (known,) = torch.autograd.grad(logit, seen[part.module])
        torch.testing.assert_close(back.gradients[part.index], known)
    given = image.clone().requires_grad_()
    (known,) = torch.autograd.grad(net(given)[0, 7], given)
    torch.testing.assert_close(back.picture, known)


def test_from_a_number_there_is_a_way_to_the_answer() -> None:
    torch.manual_seed(0)
    net = create_model("resnet20", num_classes=10, in_chans=3, img_size=(32, 32)).eval()
    back = go_back(observe(net, torch.randn(1, 3, 32, 32)), 7)
    part, place, steps = 0, (3, 5, 5), 0
    while part != back.answer:
        one = write_back(back, part, place)
        term = max(one.terms, key=lambda t: abs(t.value * (t.weight or 0)))
        assert term.source is not None
        assert term.source > part
        assert float(back.gradients[term.source][0][term.place]) == term.value  # type: ignore[index]
        part, place, steps = term.source, term.place, steps + 1
    assert steps > 20
    assert write_back(back, part, (7,)).result == 1.0
    assert write_back(back, part, (6,)).result == 0.0


def test_what_is_not_there_is_said_and_nothing_is_changed() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(8, 3)).train()
    scene = observe(net, torch.randn(1, 1, 3, 3))
    before = [part.output.clone() for part in scene.parts]
    back = go_back(scene, 0)
    assert all(torch.equal(part.output, value) for part, value in zip(scene.parts, before, strict=True))
    assert all(parameter.grad is None for parameter in net.parameters())
    assert net.training
    with pytest.raises(UsageError, match="no logit 3"):
        go_back(scene, 3)
    with pytest.raises(UsageError, match="no part 9"):
        write_back(back, 9, (0,))
    with pytest.raises(UsageError, match="there is no place"):
        write_back(back, 0, (0, 0))


def test_what_the_answer_does_not_depend_on_has_no_gradient() -> None:
    class Idle(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x.tanh()
            return x.flatten(1) * 2

    back = go_back(observe(Idle(), torch.randn(1, 1, 1, 3)), 0)
    with pytest.raises(UsageError, match="does not depend on"):
        write_back(back, 0, (0, 0, 0))


def test_a_net_that_gives_its_picture_back_has_no_way_back() -> None:
    with pytest.raises(UsageError, match="comes from no operation"):
        go_back(observe(nn.Identity(), torch.randn(1, 3)), 0)
