"""Update rules against their papers' formulas, and how a net's parameters are put into groups."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from hubel.errors import UnknownName, UsageError
from hubel.nn.optimisers import Muon, build_optimiser, orthogonalise, parameter_groups

START = np.array([[1.0, -2.0], [0.5, 3.0]])


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    torch.manual_seed(0)


def gradient(w: np.ndarray) -> np.ndarray:
    """Of Σ w⁴ / 4 + w² / 2: not linear, so that history matters."""
    return w**3 + w


def run(name: str, steps: int = 6, **settings: float) -> np.ndarray:
    model = nn.ParameterList([nn.Parameter(torch.tensor(START))])
    optimiser = build_optimiser(name, model, **settings)
    for _ in range(steps):
        model[0].grad = model[0].detach() ** 3 + model[0].detach()
        optimiser.step()
    return model[0].detach().numpy()


def by_hand(rule: Callable[[np.ndarray, np.ndarray, dict, int], np.ndarray], steps: int = 6) -> np.ndarray:
    w, memory = START.copy(), {"v": 0.0, "s": 0.0, "u": 0.0, "m": 0.0}
    for t in range(1, steps + 1):
        w = w - rule(w, gradient(w), memory, t)
    return w


def momentum(w, g, k, t):
    k["v"] = 0.9 * k["v"] + g
    return 0.01 * k["v"]


def nesterov(w, g, k, t):
    k["v"] = 0.9 * k["v"] + g
    return 0.01 * (g + 0.9 * k["v"])


def adagrad(w, g, k, t):
    k["s"] = k["s"] + g**2
    return 0.01 * g / (np.sqrt(k["s"]) + 1e-10)


def adadelta(w, g, k, t):
    k["s"] = 0.9 * k["s"] + 0.1 * g**2
    change = np.sqrt(k["u"] + 1e-6) / np.sqrt(k["s"] + 1e-6) * g
    k["u"] = 0.9 * k["u"] + 0.1 * change**2
    return 0.01 * change


def rmsprop(w, g, k, t):
    k["s"] = 0.99 * k["s"] + 0.01 * g**2
    return 0.01 * g / (np.sqrt(k["s"]) + 1e-8)


def adam(w, g, k, t):
    k["m"], k["s"] = 0.9 * k["m"] + 0.1 * g, 0.999 * k["s"] + 0.001 * g**2
    return 0.01 * (k["m"] / (1 - 0.9**t)) / (np.sqrt(k["s"] / (1 - 0.999**t)) + 1e-8)


RULES = {
    "gd": lambda w, g, k, t: 0.01 * g, "sgd": lambda w, g, k, t: 0.01 * g, "momentum": momentum, "nesterov": nesterov,
    "adagrad": adagrad, "adadelta": adadelta, "rmsprop": rmsprop, "adam": adam, "adamw": adam,
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_six_steps_are_those_of_the_paper(name: str) -> None:
    np.testing.assert_allclose(run(name, lr=0.01), by_hand(RULES[name]), rtol=1e-9)


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_weight_decay_is_added_to_the_gradient(name: str) -> None:
    expected = by_hand(lambda w, g, k, t: RULES[name](w, g + 0.1 * w, k, t))
    np.testing.assert_allclose(run(name, lr=0.01, weight_decay=0.1), expected, rtol=1e-9)


def test_weight_decay_of_adamw_stands_beside_the_step() -> None:
    expected = by_hand(lambda w, g, k, t: adam(w, g, k, t) + 0.01 * 0.1 * w)
    np.testing.assert_allclose(run("adamw", lr=0.01, weight_decay=0.1), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("rate", "path"),
    [(0.5, [2, 0, 0]), (0.25, [2, 1, 0.5]), (1.0, [2, -2, 2]), (1.1, [2, -2.4, 2.88]), (0.1, [2, 1.6, 1.28])],
)
def test_gradient_descent_on_the_square_jumps_glides_swings_or_leaves(rate: float, path: list[float]) -> None:
    model = nn.ParameterList([nn.Parameter(torch.tensor(2.0, dtype=torch.float64))])
    optimiser = build_optimiser("gd", model, lr=rate)
    seen = [model[0].item()]
    for _ in range(2):
        optimiser.zero_grad()
        (model[0] ** 2).backward()
        optimiser.step()
        seen.append(model[0].item())
    assert seen == pytest.approx(path)


# ------------------------------------------------------------------------------------------------ Muon


@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (7, 7)])
def test_muon_takes_the_steps_of_torch_s_muon_on_matrices(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    ours, theirs = (
        nn.ParameterList([nn.Parameter(torch.linspace(-1, 1, shape[0] * shape[1]).reshape(shape))]) for _ in "ab"
    )
    one = build_optimiser("muon", ours, lr=0.02, weight_decay=0.1)
    other = torch.optim.Muon(
        theirs.parameters(), lr=0.02, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    for _ in range(3):
        g = torch.randn(shape)
        ours[0].grad, theirs[0].grad = g, g.clone()
        one.step()
        other.step()
    moved = (theirs[0] - torch.linspace(-1, 1, shape[0] * shape[1]).reshape(shape)).norm()
    assert (ours[0] - theirs[0]).norm() < 0.03 * moved  # theirs iterates in bfloat16


def test_muon_treats_a_filter_bank_as_a_matrix_and_equal_shapes_together() -> None:
    torch.manual_seed(0)
    banks = [nn.Parameter(torch.zeros(8, 3, 3, 3)) for _ in range(2)]
    flat = [nn.Parameter(torch.zeros(8, 27)) for _ in range(2)]
    optimisers = [build_optimiser("muon", nn.ParameterList(group), lr=0.1) for group in (banks, flat)]
    for bank, matrix in zip(banks, flat, strict=True):
        bank.grad = torch.randn(8, 3, 3, 3)
        matrix.grad = bank.grad.reshape(8, 27)
    for optimiser in optimisers:
        optimiser.step()
    for bank, matrix in zip(banks, flat, strict=True):
        torch.testing.assert_close(bank.reshape(8, 27), matrix)


def test_orthogonalising_keeps_directions_and_levels_lengths() -> None:
    torch.manual_seed(0)
    matrices = torch.randn(3, 12, 40)
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    out = orthogonalise(matrices)
    assert ((torch.linalg.svdvals(out) > 0.6) & (torch.linalg.svdvals(out) < 1.3)).all()
    inside = u.mT @ out @ v.mT
    off = inside - torch.diag_embed(torch.diagonal(inside, dim1=1, dim2=2))
    assert off.abs().max() < 1e-4
    torch.testing.assert_close(orthogonalise(matrices.mT), out.mT)


@pytest.mark.parametrize("shape", [(12, 12), (12, 20), (12, 100), (100, 12), (2, 12, 100), (1, 9)])
@pytest.mark.parametrize("fade", [0.0, 4.0])
def test_orthogonalising_applies_the_quintic_to_the_singular_values(shape: tuple[int, ...], fade: float) -> None:
    torch.manual_seed(0)
    u, s, v = torch.linalg.svd(torch.randn(shape, dtype=torch.float64), full_matrices=False)
    s = s * 10 ** -(
        fade * torch.linspace(0, 1, s.shape[-1], dtype=torch.float64)
    )  # the smallest ten thousand times less
    matrices = u @ torch.diag_embed(s) @ v
    s = s / s.norm(dim=-1, keepdim=True)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    expected = u @ torch.diag_embed(s) @ v
    torch.testing.assert_close(orthogonalise(matrices.float()).double(), expected, atol=5e-4, rtol=0)


def test_a_gradient_of_noughts_is_left_at_nought() -> None:
    assert not orthogonalise(torch.zeros(4, 30)).any()


@pytest.mark.parametrize("last", ["last", "head"])
def test_muon_leaves_head_biases_and_scales_to_adamw(last: str) -> None:
    net = nn.Sequential()
    net.stem, net.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
    net.add_module(last, nn.Linear(4, 2))
    if last != "head":
        net.head = last
    optimiser = build_optimiser("muon", net, lr=0.01)
    matrices = [p for group in optimiser.param_groups if group["matrices"] for p in group["params"]]
    assert [id(p) for p in matrices] == [id(net.stem.weight)]
    assert isinstance(optimiser, Muon)


# ------------------------------------------------------------------------------------------------ groups


class Staged(nn.Module):
    stages, head = ("one", "two"), "classify"

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)
        self.norm, self.classify = nn.BatchNorm2d(4), nn.Linear(4, 2)


def rates(model: nn.Module, **settings: object) -> dict[str, float]:
    groups = parameter_groups(model, lr=1.0, **settings)
    return {name: group["base_lr"] for group in groups for name in group["names"]}


def test_layer_decay_falls_by_stage_from_the_head_to_the_stem() -> None:
    found = rates(Staged(), layer_decay=0.5)
    weights = {name: found[f"{name}.weight"] for name in ("classify", "norm", "two", "one", "stem")}
    assert weights == {"classify": 1.0, "norm": 0.5, "two": 0.5, "one": 0.25, "stem": 0.125}


def test_the_longest_name_that_fits_decides_the_rate() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), nn.Linear(2, 2))
    found = rates(model, groups={"0": 0.1, "0.1": 0.5})
    assert found["0.0.weight"] == 0.1
    assert found["0.1.weight"] == 0.5
    assert found["1.weight"] == 1.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda net: build_optimiser("adan", net, lr=1), UnknownName, "did you mean 'adam'"),
        (lambda net: build_optimiser("sgd", net, lr=0), UsageError, "learning rate must be above 0, got 0"),
        (lambda net: build_optimiser("sgd", net, lr=1, weight_decay=-1), UsageError, "must not be negative"),
        (lambda net: build_optimiser("adam", net, lr=1, momentum=0.9), UsageError, "no setting 'momentum'"),
        (lambda net: build_optimiser("adam", net, lr=1, bettas=(0, 0)), UsageError, "did you mean 'betas'"),
        (lambda net: build_optimiser("adam", net, lr=1, betas=(0.9, 1.5)), UsageError, "refuses its settings"),
        (lambda net: build_optimiser("muon", net, lr=1, momentum=1.5), UsageError, "refuses its settings"),
        (lambda net: parameter_groups(net, lr=1, groups={"onne": 1}), UnknownName, "did you mean 'one'"),
        (lambda net: parameter_groups(net, lr=1, groups={"one": -1}), UsageError, "must not be negative"),
        (lambda net: parameter_groups(net, lr=1, layer_decay=0), UsageError, "above 0 and at most 1"),
        (lambda net: parameter_groups(net.requires_grad_(False), lr=1), UsageError, "no trainable parameter"),
    ],
)
def test_what_cannot_be_is_refused(call, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call(Staged())


def test_a_setting_that_is_none_has_its_usual_value() -> None:
    optimiser = build_optimiser("momentum", Staged(), lr=0.1, momentum=None)
    assert optimiser.param_groups[0]["momentum"] == 0.9


def test_muon_on_the_sphere_turns_banks_without_regard_to_their_scale() -> None:
    torch.manual_seed(0)
    small, images = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)), torch.randn(4, 3, 9, 9)
    large = copy.deepcopy(small)
    with torch.no_grad():
        large[0].weight.mul_(100)
    for net in (small, large):
        optimiser = build_optimiser("muon-sphere", net, lr=0.1)
        for _ in range(3):
            optimiser.zero_grad()
            net(images).square()[:, :, 0].sum().backward()
            optimiser.step()
    torch.testing.assert_close(small[0].weight, large[0].weight, rtol=0, atol=1e-2)


def test_muon_on_the_sphere_moves_a_bank_by_the_rate_times_an_orthogonal_matrix() -> None:
    conv = nn.Conv2d(3, 8, 3, bias=False)
    optimiser = build_optimiser("muon-sphere", conv, lr=0.1)
    before = conv.weight.detach().clone()
    before *= 8**0.5 / before.norm()
    conv(torch.randn(4, 3, 9, 9)).square().sum().backward()
    optimiser.step()
    turned = torch.linalg.svdvals((conv.weight.detach() - before).reshape(8, -1)) / 0.1
    assert turned.min() > 0.6
    assert turned.max() < 1.3
