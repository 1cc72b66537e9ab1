"""Looks at a net while it learns: right numbers, no traces, and they stay cheap."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

import hubel
from hubel.models import create_model
from hubel.training import vitals
from hubel.training.vitals import Looks, parts_of
from hubel.types import Batch

FEW = {"limit": 300, "epochs": 3, "threads": 1, "device": "cpu"}


def batch_of(images: torch.Tensor) -> Batch:
    return Batch(images, torch.zeros(len(images), dtype=torch.long), torch.arange(len(images)))


def look_at(net: nn.Module, images: torch.Tensor, rate: float = 0.1) -> dict[str, dict[str, float]]:
    """One step of plain gradient descent on the sum of the outputs, looked at."""
    looks = Looks(net)
    net(images).sum().backward()
    assert looks.before()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter -= rate * parameter.grad
    return looks.after(batch_of(images), epoch=0, step=1, precision=torch.float32).parts


def test_gradient_and_update_are_those_of_the_step() -> None:
    torch.manual_seed(0)
    net, images = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), torch.randn(5, 3)
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    found = look_at(net, images)
    assert list(found) == ["0", "2"]
    for part in found:
        weights = torch.cat([value.flatten() for name, value in before.items() if name.startswith(part)])
        gradient = torch.cat([p.grad.flatten() for n, p in net.named_parameters() if n.startswith(part)])
        assert found[part]["gradient"] == pytest.approx(float(gradient.norm()), rel=1e-5)
        assert found[part]["weight"] == pytest.approx(float(weights.norm()), rel=1e-5)
        assert found[part]["update"] == pytest.approx(float(0.1 * gradient.norm() / weights.norm()), rel=1e-4)


def test_a_unit_that_is_nought_for_every_picture_is_silent() -> None:
    net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(4, 2))
        net[0].bias.copy_(torch.tensor([0.0, -0.5, -9.0, 1.0]))
    # The first and the fourth always speak, the second to one picture only, the third never.
    assert look_at(net, torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.9]]), rate=0.0)["0"]["silent"] == 0.25


def test_values_at_the_flat_ends_are_saturated() -> None:
    net = nn.Sequential(nn.Linear(1, 2, bias=False), nn.Sigmoid(), nn.Linear(2, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[50.0], [0.1]]))
    assert look_at(net, torch.tensor([[1.0], [-1.0], [2.0]]), rate=0.0)["0"]["saturated"] == 0.5


def test_the_drift_of_batch_norm_is_told_in_deviations() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, momentum=1.0), nn.Flatten(), nn.Linear(8, 2))
    looks = Looks(net)
    images = torch.randn(16, 1, 2, 2)
    net(images).sum().backward()
    looks.before()
    moved = ((net[1].running_mean - 0).abs() / (net[1].running_var + 1e-5).sqrt()).mean()
    found = looks.after(batch_of(images), epoch=0, step=1, precision=torch.float32).parts
    assert found["1"]["drift"] == pytest.approx(float(moved), rel=1e-5)


def test_every_part_of_a_net_is_named_once() -> None:
    for name in ("resnet20", "quicknet", "mobilenet_v2", "vit_tiny"):
        try:
            net = create_model(name, num_classes=10, in_chans=3, img_size=32)
        except hubel.HubelError:
            continue
        parts = parts_of(net)
        assert sum(len(part) for part in parts.values()) == len(list(net.parameters()))


def test_a_run_that_is_looked_at_has_the_bits_of_one_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vitals, "SHARE", 1.0)
    monkeypatch.setattr(vitals, "EVERY", 1)
    seen = hubel.train("digits", vitals=True, out=str(tmp_path / "a"), **FEW)
    unseen = hubel.train("digits", vitals=False, out=str(tmp_path / "a"), **FEW)
    tensors, others = (weights_of(run) for run in (seen, unseen))
    assert all(torch.equal(tensors[name], others[name]) for name in tensors)
    assert len(seen.vitals) > 5
    assert unseen.vitals == []
    assert all(math.isfinite(part["update"]) for look in seen.vitals for part in look["parts"].values())
    whole = [look["whole"] for look in seen.vitals if look["whole"]]
    assert len(whole) > 1
    assert all(look["noise"] > 0 and look["clean"] > 0 for look in whole)
    assert (seen.folder / "figures" / "augmentation.svg").is_file()
    assert "Inside the net while it learned" in (seen.folder / "report.html").read_text()
    assert "Inside the net" not in (unseen.folder / "report.html").read_text()


def weights_of(run: hubel.Run) -> dict[str, torch.Tensor]:
    return hubel.load(run.folder, which="last").model.state_dict()


def test_looks_wait_where_they_would_take_more_than_their_share() -> None:
    looks = Looks(nn.Linear(2, 2))
    assert looks.due(0)
    looks.next, looks.cost, looks.began = 20, 5.0, looks.began - 100.0
    assert not looks.due(19)
    assert not looks.due(20)
    looks.cost = 0.5
    assert looks.due(20)


def test_a_look_that_memory_has_no_room_for_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(nn.Linear(2, 2))

    def scarce(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.Tensor, "clone", scarce)
    assert not looks.before()
    assert not looks.due(10**9)
