"""Chapter 6, the bend: slopes through depth, ways to bend, and dead units."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.book.bench import digits, fit, mlp, right, scores
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.experiments.ch06_outputs import EXPERIMENTS as OUTPUTS
from hubel.book.plots import Lines
from hubel.book.verdicts import exact, more_in_mean, together
from hubel.nn.activations import build_activation
from hubel.runtime.seeds import seeded
from hubel.words import magnitude


def through_depth(budget: Budget) -> Outcome:
    """First over last gradient of nets of 2 to 30 layers."""
    data = digits(128, 1)
    at = [2, 5, 10, 20, 30]
    curves: dict[str, list[float]] = {}
    ways = {"sigmoid": ("sigmoid", "xavier", 1.0), "tanh": ("tanh", "xavier", 1.0), "relu": ("relu", "he", 1.0),
            "relu, 2.5 times": ("relu", "he", 2.5)}  # fmt: skip
    for name, (activation, start, gain) in ways.items():
        curves[name] = []
        for depth in at:
            with seeded(69, depth):
                net = mlp([784, *[64] * depth, 10], activation)
                layers = [m for m in net if isinstance(m, nn.Linear)]
                for layer in layers:
                    (nn.init.xavier_normal_ if start == "xavier" else nn.init.kaiming_normal_)(layer.weight)
                    with torch.no_grad():
                        layer.weight.mul_(gain), layer.bias.zero_()
            F.cross_entropy(net(data.x), data.y).backward()
            norms = [float(layer.weight.grad.norm()) for layer in layers if layer.weight.grad is not None]
            curves[name].append(max(norms[1] / norms[-1], 1e-30))
    curves["0.25^n"] = [0.25**depth for depth in at]
    ends = {name: values[-1] for name, values in curves.items()}
    loud = curves["relu, 2.5 times"]
    return Outcome(
        {
            "E69": exact(curves["sigmoid"][2] < 1e-4 and all(1e-2 < ends[n] < 100 for n in ("tanh", "relu")),
                         f"second over last layer's gradient, 10 sigmoids: {magnitude(curves['sigmoid'][2])}; "
                         f"30 layers: tanh {ends['tanh']:.2g}, ReLU {ends['relu']:.2g}"),
            "E70": together([exact(15**5 == 759_375, "15 five times is 759,375"),
                             exact(_norm_grows(data.x), "with weights 2.5 times too large the outputs grow by "
                                   f"2.5 a layer; the ratio of gradients stays at {loud[-1]:.2g}")]),
        },
        (Lines("Gradient, second over last layer", at, curves, "hidden layers"),),
        data.note, data.name,
    )  # fmt: skip


def _norm_grows(x: torch.Tensor) -> bool:
    """Do the gradients at the input grow by more than a hundredfold from 2 to 12 layers of too large weights?"""
    found = []
    for depth in (2, 12):
        with seeded(70, depth):
            net = mlp([784, *[64] * depth, 10])
            for layer in net:
                if isinstance(layer, nn.Linear):
                    nn.init.kaiming_normal_(layer.weight)
                    with torch.no_grad():
                        layer.weight.mul_(2.5)
        given = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(net(given).sum(), given)
        found.append(float(slope.norm()))
    return found[1] > 100 * found[0]


def bends(budget: Budget) -> Outcome:
    """The same net with six bends (three in quick); the mean of an activation; what rebuilds pictures best."""
    data = digits(budget.samples, 1000)
    names = ["sigmoid", "tanh", "relu", "leaky-relu", "silu"]
    losses: dict[str, list[float]] = {}
    gains: dict[str, list[float]] = {"relu": [], "tanh": [], "silu": []}
    slower, curves = [], {}
    for seed in range(budget.seeds):
        for name in names:
            with seeded(71, seed):
                net = mlp([784, *[128] * 4, 10], name)
            told = fit(net, data.x, data.y, steps=budget.steps, seed=seed)
            losses[name] = [*losses.get(name, []), float(np.mean(told[-20:]))]
            curves[name] = told[::5]
        gains["relu"].append(losses["sigmoid"][-1] - losses["relu"][-1])
        gains["tanh"].append(losses["tanh"][-1] - losses["relu"][-1])
        gains["silu"].append(losses["relu"][-1] - losses["silu"][-1])
        with seeded(74, seed):
            centred, raised = mlp([784, *[128] * 4, 10], "tanh"), _raised()
            raised.load_state_dict(centred.state_dict())
        ends = [float(np.mean(fit(n, data.x, data.y, steps=budget.steps, seed=seed)[-20:])) for n in (centred, raised)]
        slower.append(ends[1] - ends[0])
    rebuilt = _rebuild(data.x, data.test_x, budget)
    mean = float(torch.sigmoid(torch.randn(10_000)).mean())
    return Outcome(
        {
            "E71": together([more_in_mean(gains["relu"], "loss with sigmoid less loss with ReLU"),
                             more_in_mean(gains["tanh"], "loss with tanh less loss with ReLU")]),
            "E74": together([exact(0.45 < mean < 0.55, f"a sigmoid's mean output is {mean:.2f}, tanh's 0"),
                             more_in_mean(slower, "loss with tanh + 1 less loss with tanh")]),
            "E75": more_in_mean(gains["silu"], "loss with ReLU less loss with SiLU"),
            "E81": more_in_mean([a - b for a, b in zip(rebuilt["relu"], rebuilt["tanh"], strict=True)],
                                "error of pictures rebuilt with ReLU less with tanh"),
        },
        (Lines("Loss over steps", list(range(1, budget.steps + 1, 5)), curves, "step", steep=False),),
        f"{data.note} Losses are means of the last 20 of {budget.steps} steps.", data.name,
    )  # fmt: skip


class _Plus(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x) + 1


def _raised() -> nn.Sequential:
    layers = [_Plus() if isinstance(m, nn.Tanh) else m for m in mlp([784, *[128] * 4, 10], "tanh")]
    return nn.Sequential(*layers)


def _rebuild(x: torch.Tensor, test: torch.Tensor, budget: Budget) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"relu": [], "tanh": []}
    for seed in range(budget.seeds):
        for name, errors in found.items():
            with seeded(81, seed):
                net = mlp([784, 64, 16, 64, 784], name)
            fit(net, x, x.flatten(1), steps=budget.steps, seed=seed, loss=F.mse_loss, lr=2e-3)
            errors.append(float(F.mse_loss(scores(net, test), test.flatten(1))))
    return found


def dead_units(budget: Budget) -> Outcome:
    """A rate that kills units, then a mild one; and outputs through eight layers."""
    data = digits(2000, 1000)
    share: dict[str, list[float]] = {}
    hits = {}
    for name in ("relu", "leaky-relu"):
        with seeded(72, 0):
            net = mlp([784, 128, 128, 10], name)
        share[name] = [_dead(net, data.x)]
        for steps, rate in ((15, 1.0), (100, 0.1), (100, 0.1)):
            fit(net, data.x, data.y, steps=steps, seed=72, lr=rate, optimiser=torch.optim.SGD)
            share[name].append(_dead(net, data.x))
        hits[name] = right(net, data.test_x, data.test_y)
    largest = {}
    for name in ("relu", "relu6"):
        values, x = [], data.x[:64].flatten(1)
        with seeded(73, 0), torch.no_grad():
            for width in [784, *[128] * 7]:
                weight = torch.randn(128, width) * 2.5 * math.sqrt(2 / width)
                x = build_activation(name)(x @ weight.T)
                values.append(float(x.max()))
        largest[name] = values
    relu, leaky = share["relu"], share["leaky-relu"]
    return Outcome(
        {
            "E72": exact(relu[1] > relu[0] and relu[3] >= 0.8 * relu[1] and max(leaky) < 0.02,
                         f"dead ReLUs: {relu[0]:.0%} fresh, {relu[1]:.0%} after 15 steps at rate 1, {relu[3]:.0%} "
                         f"after 200 more at 0.1; leaky ones {max(leaky):.0%}"),
            "E73": exact(largest["relu"][-1] > 100 * largest["relu"][0] and max(largest["relu6"]) <= 6,
                         f"largest value through 8 layers: {largest['relu'][0]:.1f} to {largest['relu'][-1]:.0f} with "
                         f"ReLU, at most {max(largest['relu6']):.0f} with ReLU6"),
        },
        (Lines("Hidden units that answer no digit", [0, 15, 115, 215], share, "steps", share=True),
         Lines("Largest value, weights 2.5 times too big", list(range(1, 9)), largest, "layer")),
        f"{data.note} At the end {hits['relu'].mean():.1%} are right with ReLU, {hits['leaky-relu'].mean():.1%} with "
        "leaky ReLU.", data.name,
    )  # fmt: skip


@torch.no_grad()
def _dead(net: nn.Sequential, x: torch.Tensor) -> float:
    """Share of hidden units whose slope is exactly 0 on every sample."""
    dead = []
    for layer in net:
        x = layer(x)
        if not isinstance(layer, nn.Linear | nn.Flatten):
            dead.append((x == 0).all(0))
    return float(torch.cat(dead).float().mean())


EXPERIMENTS = (
    *OUTPUTS,
    Experiment(
        "6.1",
        "Slopes through depth",
        ("E69", "E70"),
        "One backward pass on 128 digits, 64 units a layer, no training.",
        through_depth,
        Budget(5),
        Budget(5),
        "ten sigmoids shrink the gradient below 1e-4, tanh and ReLU stay within "
        "a hundredfold at 30 layers, and too large weights make outputs and gradients grow",
    ),
    Experiment(
        "6.2",
        "Which bend learns fastest",
        ("E71", "E74", "E75", "E81"),
        "MLP 784-128-128-128-128-10 on 2,000 digits, 60 steps, 3 seeds (10,000, 300 steps, 5 seeds in full).",
        bends,
        Budget(90, seeds=5, samples=10_000, steps=300, full=True),
        Budget(16, seeds=3, samples=2000, steps=60),
        "losses differ by interval over seeds",
    ),
    Experiment(
        "6.3",
        "Units that die",
        ("E72", "E73"),
        "784-128-128-10 on 2,000 digits by SGD; 8 random layers.",
        dead_units,
        Budget(8),
        Budget(8),
        "dead ReLUs stay dead, leaky ones never die, and only ReLU6 is bounded",
    ),
)
