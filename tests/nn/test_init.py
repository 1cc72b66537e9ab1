"""Initialisations: what they keep as signals pass through depth, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hubel.errors import UnknownName, UsageError
from hubel.models import create_model
from hubel.nn.activations import build_activation
from hubel.nn.init import fans, initialise, zero_residuals

PICTURES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def spread_after(name: str, activation: str, depth: int = 20, **options: float) -> float:
    torch.manual_seed(0)
    act = {"omega": 30.0} if activation == "sine" else {}
    net = nn.Sequential(*(p for _ in range(depth) for p in (nn.Linear(200, 200), build_activation(activation, **act))))
    return initialise(net, name, **options)(torch.randn(300, 200)).std().item()


@pytest.mark.parametrize(
    ("name", "activation"), [("he-normal", "relu"), ("he-uniform", "relu"), ("lecun-normal", "selu")]
)
def test_twenty_layers_keep_the_signal_with_the_initialisation_made_for_them(name: str, activation: str) -> None:
    assert 0.3 < spread_after(name, activation) < 1.5


@pytest.mark.parametrize("name", ["xavier-normal", "pytorch", "normal"])
def test_others_let_a_deep_relu_net_fade(name: str) -> None:
    assert spread_after(name, "relu") < 0.002


def test_siren_keeps_the_spread_of_its_sines() -> None:
    # sin of a normal variable of variance 2v has variance (1 − e^−4v) / 2, which is v again for v = 0.3984
    assert spread_after("siren", "sine") == pytest.approx(0.3984**0.5, abs=0.02)
    assert spread_after("siren", "sine", omega=300.0) < 0.5


@pytest.mark.parametrize("layer", [nn.Linear(12, 30), nn.Conv2d(4, 50, 3), nn.Conv2d(8, 5, 3)])
def test_orthogonal_rows_or_columns_have_length_one_and_right_angles(layer: nn.Module) -> None:
    matrix = initialise(layer, "orthogonal").weight.detach().flatten(1)
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    torch.testing.assert_close(gram, torch.eye(len(gram)), atol=1e-5, rtol=0)


def test_dirac_starts_as_the_identity() -> None:
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(initialise(nn.Conv2d(4, 4, 3, padding=1), "dirac")(x), x)
    torch.testing.assert_close(initialise(nn.Linear(6, 6), "dirac")(x), x)


def test_nothing_beyond_two_deviations_in_a_truncated_normal() -> None:
    assert initialise(nn.Linear(300, 300), "truncated-normal").weight.abs().max() <= 0.04


def test_fan_out_keeps_the_gradient_instead() -> None:
    torch.manual_seed(0)
    layer = initialise(nn.Linear(100, 900), "he-normal", fan="out")
    assert layer.weight.std().item() == pytest.approx((2 / 900) ** 0.5, rel=0.03)
    assert fans(layer.weight) == (100, 900)


def test_a_resnet_with_silent_branches_starts_with_every_block_as_its_shortcut() -> None:
    net = zero_residuals(create_model("resnet18", num_classes=10, in_chans=3, img_size=32), PICTURES).eval()
    block = net.layer1[1]
    x = torch.rand(1, 64, 8, 8)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(
    "name", ["resnet20", "se_resnet18", "resnext50_32x4d", "blur_resnet18", "resnet110_relu_preact"]
)
def test_where_a_scale_ends_the_branch_every_branch_still_learns(name: str) -> None:
    net = zero_residuals(create_model(name, num_classes=10, in_chans=3, img_size=32), PICTURES)
    silent = [w for key, w in net.named_parameters() if key.endswith("weight") and w.dim() == 1 and not w.any()]
    assert len(silent) >= 8
    net(PICTURES).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in silent)


@pytest.mark.parametrize(
    "name", ["preact_resnet18", "wrn_16_4", "resnet110_bn_after_add", "resnet110_relu_before_add", "plain20"]
)
def test_where_it_would_silence_the_branch_for_ever_it_is_refused_and_nothing_changes(name: str) -> None:
    net = create_model(name, num_classes=10, in_chans=3, img_size=32)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    state = torch.get_rng_state()
    with pytest.raises(UsageError, match=r"would never learn, '.*' for one"):
        zero_residuals(net, PICTURES)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: initialise(nn.Linear(2, 2), "he-norml"), UnknownName, "did you mean 'he-normal'"),
        (lambda: initialise(nn.ReLU(), "he-normal"), UsageError, "no dense or convolution layer"),
        (lambda: initialise(nn.Linear(2, 2), "he-normal", fan="sideways"), UsageError, "fan must be in or out"),
        (lambda: initialise(nn.Linear(2, 2), "he-normal", slop=1), UsageError, "did you mean 'slope'"),
        (lambda: zero_residuals(nn.Linear(2, 2), torch.zeros(1, 2)), UsageError, "no residual branch"),
    ],
)
def test_what_cannot_be_is_refused(call, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
