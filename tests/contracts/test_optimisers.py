"""Every optimiser in the registry keeps these promises."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

from hubel.nn.optimisers import OPTIMISERS, build_optimiser

NAMES = OPTIMISERS.names()


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(216, 20), nn.ReLU(), nn.Linear(20, 10)
    )


@pytest.fixture(scope="module")
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    data = load_digits()
    images = torch.tensor(data.images[:256], dtype=torch.float32)[:, None] / 16
    return images, torch.tensor(data.target[:256])


def steps(
    model: nn.Module, optimiser: torch.optim.Optimizer, data: tuple[torch.Tensor, torch.Tensor], n: int
) -> list[float]:
    losses = []
    for _ in range(n):
        loss = F.cross_entropy(model(data[0]), data[1])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", NAMES)
def test_its_usual_rate_lowers_the_loss_on_digits(name: str, digits: tuple[torch.Tensor, torch.Tensor]) -> None:
    model = net()
    losses = steps(model, build_optimiser(name, model, lr=OPTIMISERS.get(name).lr), digits, 30)
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("name", NAMES)
def test_state_goes_through_a_copy_and_the_next_steps_have_the_same_bits(
    name: str, digits: tuple[torch.Tensor, torch.Tensor]
) -> None:
    model = net()
    optimiser = build_optimiser(name, model, lr=0.01, weight_decay=1e-3)
    steps(model, optimiser, digits, 3)
    other = copy.deepcopy(model)
    resumed = build_optimiser(name, other, lr=0.01, weight_decay=1e-3)
    resumed.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    assert steps(model, optimiser, digits, 3) == steps(other, resumed, digits, 3)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_its_state_is_tensors_and_numbers(name: str, digits: tuple[torch.Tensor, torch.Tensor]) -> None:
    model = net()
    optimiser = build_optimiser(name, model, lr=0.01)
    steps(model, optimiser, digits, 1)
    kept = [value for state in optimiser.state_dict()["state"].values() for value in state.values()]
    assert all(isinstance(value, (torch.Tensor, int, float, type(None))) for value in kept)


@pytest.mark.parametrize("name", NAMES)
def test_every_group_holds_its_base_rate_and_obeys_its_rate(
    name: str, digits: tuple[torch.Tensor, torch.Tensor]
) -> None:
    model = net()
    optimiser = build_optimiser(name, model, lr=0.02, groups={"0": 0.5})
    rest = getattr(optimiser, "rest", 1.0)  # what Muon leaves to AdamW may have a share of the rate
    rates = {round(group["base_lr"], 9) for group in optimiser.param_groups}
    assert rates == {0.01, 0.02, round(rest * 0.01, 9), round(rest * 0.02, 9)}
    for group in optimiser.param_groups:
        group["lr"] = 0.0
    before = [p.clone() for p in model.parameters()]
    steps(model, optimiser, digits, 2)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_every_trainable_parameter_is_in_exactly_one_group(name: str) -> None:
    model = net()
    model[0].weight.requires_grad_(False)
    groups = build_optimiser(name, model, lr=0.01, weight_decay=0.1, groups={"4": 0.1}).param_groups
    held = [id(p) for group in groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("name", NAMES)
def test_weight_decay_spares_biases_and_scales(name: str) -> None:
    groups = build_optimiser(name, net(), lr=0.01, weight_decay=0.1).param_groups
    for group in groups:
        assert all((p.ndim > 1) == (group["weight_decay"] == 0.1) for p in group["params"])


@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_without_gradient_stays(name: str) -> None:
    model = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
    optimiser = build_optimiser(name, model, lr=0.1, weight_decay=0.1)
    before = model[1].weight.clone()
    model[0](torch.ones(2, 3)).sum().backward()
    optimiser.step()
    assert torch.equal(model[1].weight, before)
