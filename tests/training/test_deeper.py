"""Noise of the gradient, and the loss of clean against augmented samples: against sums made by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from hubel.nn.optimisers import build_optimiser
from hubel.recipes.schema import compose
from hubel.training.deeper import Deeper
from hubel.training.loop import Training
from hubel.types import Batch


def training(net: nn.Module, loss: nn.Module) -> Training:
    return Training(
        recipe=compose({"epochs": 1}), model=net, optimiser=build_optimiser("sgd", net, lr=0.1), steps_per_epoch=1,
        schedule=lambda step, history: 1.0, loss=loss, batches=lambda epoch, start: iter(()), measure=lambda net: {},
    )  # fmt: skip


def batch(count: int, seed: int = 0, shift: float = 0.0) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 6, generator=draw) + shift
    return Batch(images, (images[:, 0] + torch.randn(count, generator=draw) > 0).long(), torch.arange(count))


def test_signal_and_noise_are_those_of_the_samples_in_the_mean() -> None:
    torch.manual_seed(0)
    net, loss = nn.Linear(6, 2), nn.CrossEntropyLoss()
    whole = batch(4000)
    each = []
    for image, label in zip(whole.images, whole.labels, strict=True):
        gradients = torch.autograd.grad(loss(net(image[None]), label[None]), net.parameters())
        each.append(torch.cat([g.flatten() for g in gradients]))
    samples = torch.stack(each)
    asked = Deeper(training(net, loss))
    told = [asked(Batch(*(part[s : s + 32] for part in (whole.images, whole.labels, whole.ids))))
            for s in range(0, 4000, 32)]  # fmt: skip
    signal, noise = (sum(one[key] for one in told) / len(told) for key in ("signal", "noise"))
    assert signal == pytest.approx(float(samples.mean(0).square().sum()), rel=0.2)
    assert noise == pytest.approx(float(samples.var(0).sum()), rel=0.05)
    assert told[0]["batch"] == 32


def test_asking_leaves_weights_gradients_statistics_modes_and_random_numbers() -> None:
    net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 2)).train()
    run = training(net, nn.CrossEntropyLoss())
    nn.CrossEntropyLoss()(net(batch(16).images), batch(16).labels).backward()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    gradients = [p.grad.clone() for p in net.parameters() if p.grad is not None]
    state = torch.get_rng_state()
    assert Deeper(run, lambda ids: batch(len(ids), 1))(batch(16)).keys() == {
        "signal", "noise", "batch", "augmented", "clean"
    }  # fmt: skip
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert all(torch.equal(a, p.grad) for a, p in zip(gradients, net.parameters(), strict=True) if p.grad is not None)
    assert torch.equal(state, torch.get_rng_state())
    assert net.training


def test_the_losses_are_those_of_the_same_samples_in_evaluation_mode() -> None:
    net = nn.Sequential(nn.Linear(6, 8), nn.Dropout(), nn.Linear(8, 2))
    loss = nn.CrossEntropyLoss()
    shown, plain = batch(24, 0, shift=2.0), batch(24, 0)
    asked: list[list[int]] = []

    def clean(ids: torch.Tensor) -> Batch:
        asked.append(ids.tolist())
        return plain

    told = Deeper(training(net, loss), clean)(shown)
    net.eval()
    with torch.no_grad():
        assert told["augmented"] == pytest.approx(float(loss(net(shown.images), shown.labels)))
        assert told["clean"] == pytest.approx(float(loss(net(plain.images), plain.labels)))
    assert asked == [list(range(24))]


def test_frozen_weights_small_batches_and_teachers_cost_nothing() -> None:
    net = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 2))
    net[0].requires_grad_(False)
    asked = Deeper(training(net, nn.CrossEntropyLoss()))
    assert all(math.isfinite(value) for value in asked(batch(16)).values())
    assert asked(batch(4)) == {}
    taught = Batch(*(getattr(batch(16), name) for name in ("images", "labels", "ids")), answers=torch.ones(16, 2) / 2)
    assert asked(taught) == {}
