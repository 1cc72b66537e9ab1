"""Every activation in the registry keeps these promises."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hubel.nn.activations import ACTIVATIONS, build_activation

NAMES = ACTIVATIONS.names()

# Written down from the papers, in float64 and by other means than the modules.
BY_HAND = {
    "identity": lambda x: x,
    "step": lambda x: torch.heaviside(x, torch.zeros((), dtype=x.dtype)),
    "threshold": lambda x: torch.where(x > 0, x, torch.zeros_like(x)),
    "sigmoid": lambda x: 1 / (1 + torch.exp(-x)),
    "tanh": lambda x: (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x)),
    "scaled-tanh": lambda x: 1.7159 * torch.tanh(2 * x / 3),
    "relu": lambda x: (x + x.abs()) / 2,
    "relu6": lambda x: x.clamp(0, 6),
    "leaky-relu": lambda x: torch.maximum(x, 0.01 * x),
    "prelu": lambda x: torch.maximum(x, 0.25 * x),
    "elu": lambda x: torch.where(x > 0, x, torch.exp(x) - 1),
    "celu": lambda x: torch.where(x > 0, x, torch.exp(x) - 1),
    "selu": lambda x: 1.0507009873554805 * torch.where(x > 0, x, 1.6732632423543772 * (torch.exp(x) - 1)),
    "gelu": lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + torch.exp(-x)),
    "mish": lambda x: x * torch.tanh(torch.log(1 + torch.exp(x))),
    "hard-sigmoid": lambda x: (x / 6 + 0.5).clamp(0, 1),
    "hard-swish": lambda x: x * (x / 6 + 0.5).clamp(0, 1),
    "hard-tanh": lambda x: x.clamp(-1, 1),
    "softsign": lambda x: x / (1 + x.abs()),
    "softplus": lambda x: torch.log(1 + torch.exp(x)),
    "log-sigmoid": lambda x: torch.log(1 / (1 + torch.exp(-x))),
    "sine": lambda x: torch.sin(30 * x),
    "softmax": lambda x: torch.exp(x) / torch.exp(x).sum(1, keepdim=True),
    "softmin": lambda x: torch.exp(-x) / torch.exp(-x).sum(1, keepdim=True),
    "log-softmax": lambda x: torch.log(torch.exp(x) / torch.exp(x).sum(1, keepdim=True)),
    "maxout": lambda x: torch.maximum(x[:, 0::2], x[:, 1::2]),
}


def values() -> torch.Tensor:
    return torch.linspace(-7, 7, 120, dtype=torch.float64).reshape(10, 12) + 0.013  # B 12; no value lies on a kink


@pytest.mark.parametrize("name", NAMES)
def test_it_computes_the_formula_of_its_paper(name: str) -> None:
    torch.testing.assert_close(build_activation(name).double()(values()), BY_HAND[name](values()))


@pytest.mark.parametrize("name", NAMES)
def test_its_gradient_is_that_of_finite_differences(name: str) -> None:
    x = values()[::3].clone().requires_grad_()
    assert torch.autograd.gradcheck(build_activation(name).double(), (x,))


@pytest.mark.parametrize("name", NAMES)
def test_it_takes_images_as_well_as_vectors_and_gives_no_nan_for_extreme_values(name: str) -> None:
    x = torch.tensor([-1e4, -50.0, 0.0, 50.0, 1e4]).repeat(8).reshape(2, 4, 5, 1)
    out = build_activation(name)(x)
    assert out.shape == (2, 4 if name != "maxout" else 2, 5, 1)
    assert not out.isnan().any()


@pytest.mark.parametrize("name", [name for name in NAMES if ACTIVATIONS.get(name).pointwise])
def test_a_pointwise_one_maps_each_value_by_itself(name: str) -> None:
    module, x = build_activation(name), torch.randn(3, 4)
    torch.testing.assert_close(module(x)[1:2, 2:3], module(x[1:2, 2:3]))


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    entry = ACTIVATIONS.get(name)
    assert entry.title
    assert entry.formula
    assert entry.source
    assert entry.range
    assert isinstance(entry(), nn.Module)


def test_a_threshold_unit_fires_above_its_threshold_and_not_at_it() -> None:
    assert build_activation("step", threshold=2.0)(torch.tensor([1.0, 2.0, 2.001])).tolist() == [0, 0, 1]


def test_prelu_can_have_a_slope_for_each_channel() -> None:
    module = build_activation("prelu", num_parameters=3)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([0.0, 0.5, 1.0]))
    assert module(-torch.ones(1, 3, 1, 1)).flatten().tolist() == [0.0, -0.5, -1.0]


def test_selu_keeps_mean_and_variance_through_twenty_layers_with_its_initialisation() -> None:
    from hubel.nn.init import initialise

    torch.manual_seed(0)
    layers = [part for _ in range(20) for part in (nn.Linear(256, 256), build_activation("selu"))]
    net = initialise(nn.Sequential(*layers), "lecun-normal")
    out = net(torch.randn(512, 256))
    assert abs(out.mean().item()) < 0.1
    assert 0.8 < out.var().item() < 1.2


def test_the_lecture_s_five_logits_underflow_in_softmax_but_not_in_log_softmax() -> None:
    logits = torch.tensor([[-200.0, 0.0, 1.0, 2.0, 3.0]])
    assert build_activation("softmax")(logits)[0, 0] == 0
    assert torch.isfinite(build_activation("log-softmax")(logits)).all()
    assert F.softmax(logits.double(), 1)[0, 0] > 0
