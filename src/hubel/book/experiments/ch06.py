"""Chapter 6, the bend: slopes through depth, dead units, outputs that fit, and curves of activations."""

from __future__ import annotations

import inspect
import math
import time
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.book.bench import digits, fit, mlp, right, scores
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.experiments.ch04 import photo
from hubel.book.plots import Bars, Lines, Listing, Pictures
from hubel.book.verdicts import compared, exact, more_in_mean, together
from hubel.lessons.arithmetic import softmax
from hubel.metrics.intervals import resampled_interval
from hubel.models import create_model
from hubel.nn.activations import ACTIVATIONS, build_activation
from hubel.runtime.seeds import seeded


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
                         f"second over last layer's gradient, 10 sigmoids: {curves['sigmoid'][2]:.0e}; 30 layers: "
                         f"tanh {ends['tanh']:.2g}, ReLU {ends['relu']:.2g}"),
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


def distributions(budget: Budget) -> Outcome:
    """Softmax against three sigmoids; extreme logits in single and double precision."""
    z = torch.tensor([5.0, 2.0, 1.0])
    soft, single = softmax([5, 2, 1]).result, torch.sigmoid(z)
    extreme = [14.45, 3.576, 44.43, 22.43, 440.2]
    narrow = torch.softmax(torch.tensor(extreme), 0)
    wide = torch.softmax(torch.tensor(extreme, dtype=torch.float64), 0)
    logs = torch.log_softmax(torch.tensor(extreme), 0)
    rows = [[x, f"{float(a):.4g}", f"{float(b):.4g}", f"{float(c):.2f}"] for x, a, b, c in
            zip(extreme, narrow, wide, logs, strict=True)]  # fmt: skip
    return Outcome(
        {
            "E79": exact(abs(sum(soft) - 1) < 1e-9 and float(single.sum()) > 2.5,
                         f"softmax of 5, 2, 1 sums to {sum(soft):.3f}, three sigmoids to {float(single.sum()):.2f}"),
            "E84": exact(int((narrow == 0).sum()) == 4 and bool((wide > 0).all()) and bool(logs.isfinite().all()),
                         "in single precision four of five are exactly 0; in double none is, and the logarithms are "
                         f"finite in both: {', '.join(f'{float(v):.1f}' for v in logs)}"),
        },
        (Listing("Five logits", ["logit", "softmax, single", "softmax, double", "log-softmax, single"], rows),),
    )  # fmt: skip


def heads(budget: Budget) -> Outcome:
    """y = 2x + 1 with a linear, a sigmoid and a tanh output."""
    x = torch.linspace(-2, 2, 81)[:, None]
    y = 2 * x + 1
    curves, error = {"wanted": y[:, 0].tolist()}, {}
    for name in ("identity", "sigmoid", "tanh"):
        with seeded(80, 0):
            net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1), build_activation(name))
        fit(net, x, y, steps=600, seed=80, batch=81, lr=0.02, loss=F.mse_loss)
        answer = scores(net, x)
        error[name] = float(((answer - y) ** 2).mean())
        curves["linear" if name == "identity" else name] = answer[:, 0].tolist()
    told = ", ".join(f"{name} {value:.2g}" for name, value in error.items())
    ok = error["identity"] < 0.01 and min(error["sigmoid"], error["tanh"]) > 1
    return Outcome(
        {"E80": exact(ok, f"squared error with each output: {told}")},
        (Lines("What each output can reach", x[:, 0].tolist(), curves, "x"),),
    )


def sines(budget: Budget) -> Outcome:
    """One photograph held by nets of coordinates."""
    side = 32
    picture = photo(side)[0, 0]
    line = torch.linspace(-1, 1, side)
    where = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    wanted = picture.reshape(-1, 1)
    shown, quality, seen = {"picture": picture.numpy()}, {}, {}
    for name in ("siren", "relu", "tanh", "sines, N(0, 1)"):
        values = []
        for seed in range(budget.seeds):
            with seeded(83, seed):
                net: nn.Module = mlp([2, 64, 64, 64, 1], "relu" if name == "relu" else "tanh")
                if name.startswith("si"):
                    net = create_model("siren", in_chans=2, num_classes=1, img_size=(1, 1), hidden=(64, 64, 64))
                    for each in net.parameters() if name.startswith("sines") else ():
                        nn.init.normal_(each)
            fit(net, where, wanted, steps=budget.steps, seed=seed, batch=side * side, lr=2e-3, loss=F.mse_loss)
            answer = scores(net, where, 4096)
            values.append(-10 * math.log10(float(F.mse_loss(answer, wanted))))
        quality[name], seen[name] = values, answer.reshape(side, side).clamp(0, 1).numpy()
    shown |= {f"{name} {np.mean(quality[name]):.0f} dB": seen[name] for name in quality}
    gain = [a - max(b, c) for a, b, c in zip(quality["siren"], quality["relu"], quality["tanh"], strict=True)]
    bad = [-v for v in quality["sines, N(0, 1)"]]
    return Outcome(
        {"E83": together([more_in_mean(gain, "dB of SIREN above the better of ReLU and tanh", by=10),
                          more_in_mean(bad, "dB below 0 with sines started from N(0, 1)")])},
        (Pictures("The flower, held by four nets", shown, side=150, columns=5),),
    )  # fmt: skip


def costs(budget: Budget) -> Outcome:
    """How long each activation takes on 256 x 1,024 values."""
    x = torch.randn(256, 1024)
    names = ["relu", "leaky-relu", "sigmoid", "tanh", "silu", "gelu", "elu", "softplus", "mish", "hard-swish"]
    taken: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(60):
        for name in names:
            module = build_activation(name)
            begun = time.perf_counter()
            module(x)
            if turn >= 10:
                taken[name].append(1e6 * (time.perf_counter() - begun))
    middle = {name: float(np.median(values)) for name, values in taken.items()}
    slower = np.log(np.array(taken["sigmoid"]) / np.array(taken["relu"]))
    low, high = resampled_interval(slower)
    told = f"sigmoid takes {math.exp(slower.mean()):.1f} times as long (95 % interval {math.exp(low):.1f} to "
    slope = [build_activation("softplus")(torch.tensor([v])).item() for v in (-1.0, 0.0, 1.0)]
    smooth = all(a < b for a, b in pairwise(slope))
    more = "negative_slope" in inspect.signature(ACTIVATIONS.get("leaky-relu").build).parameters
    settings = exact(more and smooth, "leaky ReLU has one more setting, and softplus bends without a corner")
    return Outcome(
        {"E76": together([compared((low, high), 0.0, f"{told}{math.exp(high):.1f}) as ReLU"), settings])},
        (Bars("Microseconds for 256 x 1,024 values", middle),),
        "Times are of this machine, and differ from run to run.",
    )


EXPERIMENTS = (
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
    Experiment(
        "6.4",
        "Scores into shares",
        ("E79", "E84"),
        "Computed.",
        distributions,
        Budget(1),
        Budget(1),
        "sums and zeros are as told",
    ),
    Experiment(
        "6.5",
        "Outputs that fit the task",
        ("E80",),
        "81 points of y = 2x + 1, 16 hidden units, 600 steps.",
        heads,
        Budget(4),
        Budget(4),
        "the linear output fits and the bounded ones cannot",
    ),
    Experiment(
        "6.6",
        "Sines",
        ("E83",),
        "The flower at 32 x 32, nets 2-64-64-64-1, 150 steps, 2 seeds (400, 3 in full).",
        sines,
        Budget(30, seeds=3, steps=400),
        Budget(14, seeds=2, steps=150),
        "SIREN is more than 10 dB above the others, and badly started sines are below 0 dB",
    ),
    Experiment(
        "6.7",
        "What a bend costs",
        ("E76",),
        "256 x 1,024 values, 50 calls each, one thread.",
        costs,
        Budget(4),
        Budget(4),
        "ReLU is not slower than a sigmoid",
    ),
)
