"""The tape against autograd, and gradient flow on nets that are known to be ill."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hubel.anatomy.effective import effective_field
from hubel.errors import UsageError
from hubel.lessons.flow import flow
from hubel.lessons.tape import play
from hubel.models import create_model


def test_values_and_gradients_are_those_of_autograd() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4))
    images, labels = torch.rand(2, 1, 8, 8), torch.tensor([1, 3])
    tape = play(net, images, labels)
    x = images.clone().requires_grad_()
    hidden = net[0](x)
    hidden.retain_grad()
    loss = nn.functional.cross_entropy(net[3](net[2](net[1](hidden))), labels)
    loss.backward()
    conv = tape.notes[1]
    assert tape.loss == pytest.approx(loss.item())
    assert conv.value.mean == pytest.approx(hidden.mean().item(), rel=1e-5)
    assert conv.gradient is not None
    assert conv.gradient.norm == pytest.approx(float(hidden.grad.norm()), rel=1e-5)
    assert conv.weight_gradient is not None
    assert conv.weight_gradient.norm == pytest.approx(float(net[0].weight.grad.norm()), rel=1e-5)
    assert tape.notes[0].gradient.norm == pytest.approx(float(x.grad.norm()), rel=1e-5)


def test_branches_meet_in_one_note() -> None:
    net = create_model("resnet18", num_classes=10, img_size=32)
    tape = play(net, torch.rand(1, 3, 32, 32))
    joins = [note for note in tape.notes if note.operation in ("add", "iadd", "__iadd__", "__add__")]
    assert len(joins) == 8
    assert all(len(note.inputs) == 2 for note in joins)


def test_the_net_is_left_as_it_was() -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(108, 4))
    net[0].weight.grad = torch.ones_like(net[0].weight)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    play(net, torch.rand(4, 1, 8, 8), train=True)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert torch.equal(net[0].weight.grad, torch.ones_like(net[0].weight))
    assert net[3].weight.grad is None
    assert net.training


def deep(activation: type[nn.Module], scale: float) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(12):
        layer = nn.Linear(32, 32)
        nn.init.normal_(layer.weight, std=scale / 32**0.5)
        nn.init.zeros_(layer.bias)
        layers += [layer, activation()]
    return nn.Sequential(*layers, nn.Linear(32, 3))


@pytest.mark.parametrize(
    ("net", "word"),
    [(deep(nn.Sigmoid, 1.0), "vanishing"), (deep(nn.ReLU, 0.5), "vanishing"), (deep(nn.ReLU, 2**0.5), "")],
    ids=["sigmoid", "small weights", "He"],
)
def test_vanishing_gradients_are_named_and_healthy_ones_are_not(net: nn.Sequential, word: str) -> None:
    report = flow(play(net, torch.randn(64, 32), torch.arange(64) % 3))
    assert len(report.layers) == 13
    assert any(verdict.startswith(word) for verdict in report.verdicts) if word else not report.verdicts


def test_dead_units_are_counted() -> None:
    net = nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 2))
    with torch.no_grad():
        net[0].bias[:7] = -1e3
    report = flow(play(net, torch.rand(16, 4), torch.zeros(16, dtype=torch.long)))
    assert report.layers[0].dead >= 0.7
    assert any("dead: " in verdict and "behind 0" in verdict for verdict in report.verdicts)


def test_a_net_that_cannot_run_on_the_images_says_so() -> None:
    with pytest.raises(UsageError, match="cannot be run on images of shape"):
        play(nn.Linear(3, 2), torch.rand(1, 1, 8, 8))


def test_the_effective_field_lies_inside_the_theoretical_one_and_in_its_middle() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(*[nn.Conv2d(1 if i == 0 else 8, 8, 3, padding=1) for i in range(6)])
    found = effective_field(net, torch.rand(4, 1, 31, 31), "5")
    (top, bottom), (left, right) = found.window
    assert (bottom - top, right - left) == (13, 13)
    outside = found.map.copy()
    outside[top:bottom, left:right] = 0
    assert outside.sum() == 0
    assert found.map.sum() == pytest.approx(1)
    assert found.map[12:19, 12:19].sum() > 0.6
    assert found.area < 0.75


def test_a_layer_without_a_map_has_no_effective_field() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    with pytest.raises(UsageError, match="no map"):
        effective_field(net, torch.rand(1, 1, 4, 4), "1")
