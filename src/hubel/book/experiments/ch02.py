"""Chapter 2, layers of neurons: what a bend, width and depth are worth."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.anatomy.summary import summarise
from hubel.book.bench import fit, mlp, moons, planes, points_of, right, scores
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.plots import Cut, Lines, Listing
from hubel.book.verdicts import exact, more_in_mean, together
from hubel.lessons.approximation import approximate
from hubel.runtime.seeds import seeded
from hubel.words import magnitude


def widths(budget: Budget) -> Outcome:
    """A stack without a bend, and how width and activation shape what is drawn."""
    test_x, test_y = moons(2000, 0.2, 99)
    gain, collapse, kept = [], 0.0, None
    for seed in range(budget.seeds):
        x, y = moons(400, 0.2, seed)
        hits = {}
        for activation in ("identity", "relu"):
            with seeded(4, seed):
                net = mlp([2, 8, 8, 2], activation)
            fit(net, x, y, steps=budget.steps, seed=seed, batch=400, lr=0.01)
            hits[activation] = right(net, test_x, test_y).mean()
            if activation == "identity":
                collapse = max(collapse, _collapse(net, test_x))
            else:
                kept = (net, x, y)
        gain.append(hits["relu"] - hits["identity"])
    accuracy, losses = _by_width(budget)
    middle = [acc[2] - max(acc[0], acc[4]) for acc in accuracy]
    worse = [math.log(loss[4] / loss[2]) for loss in losses]
    straight = {name: _straight(name, budget) for name in ("relu", "sigmoid")}
    assert kept is not None
    line, shares = planes(kept[0])
    at = [1, 2, 8, 64, 256]
    told = (
        f"straight stretches of the output along a line: ReLU {straight['relu']:.0%}, sigmoid {straight['sigmoid']:.0%}"
    )
    return Outcome(
        {
            "E4": together([exact(collapse < 1e-4, f"three layers equal their product to {magnitude(collapse)}"),
                            more_in_mean(gain, "accuracy won by ReLU", by=0.02)]),
            "E5": together([more_in_mean(middle, "accuracy of the middle width above the better of both ends"),
                            more_in_mean(worse, "log of the test loss, widest over middle")]),
            "E12": exact(straight["relu"] > 0.8 > straight["sigmoid"] + 0.1, told),
        },
        (Cut("Two layers of 8 ReLUs", line, line, shares, kept[1].numpy(), kept[2].numpy()),
         Lines("Test loss over width, on noisy moons", at, {f"seed {s}": loss for s, loss in enumerate(losses)},
               "units in a layer")),
    )  # fmt: skip


def _collapse(net: nn.Sequential, x: torch.Tensor) -> float:
    """The largest difference between layers without a bend and their product."""
    product, shift = torch.eye(2), torch.zeros(2)
    for layer in net:
        if isinstance(layer, nn.Linear):
            product, shift = layer.weight.detach() @ product, layer.weight.detach() @ shift + layer.bias.detach()
    return float((scores(net, x) - (x @ product.T + shift)).abs().max())


def _by_width(budget: Budget) -> tuple[list[list[float]], list[list[float]]]:
    test_x, test_y = moons(2000, 0.35, 98)
    accuracy: list[list[float]] = []
    losses: list[list[float]] = []
    for seed in range(budget.seeds):
        x, y = moons(100, 0.35, 50 + seed)
        accuracy.append([])
        losses.append([])
        for width in (1, 2, 8, 64, 256):
            with seeded(5, seed):
                net = mlp([2, width, width, 2])
            fit(net, x, y, steps=budget.steps, seed=seed, batch=100, lr=0.01)
            accuracy[-1].append(float(right(net, test_x, test_y).mean()))
            losses[-1].append(float(F.cross_entropy(scores(net, test_x), test_y)))
    return accuracy, losses


def _straight(activation: str, budget: Budget) -> float:
    x, y = moons(400, 0.2, 0)
    with seeded(12, 0):
        net = mlp([2, 8, 2], activation)
    fit(net, x, y, steps=budget.steps, seed=0, batch=400, lr=0.02)
    line = torch.stack([torch.linspace(-2, 2, 401, dtype=torch.float64) / k for k in (1, 2)], 1)
    values = scores(net.double(), line)[:, 0].numpy()
    bend = np.abs(np.diff(values, 2))
    return float((bend < 1e-6 * np.abs(np.diff(values)).max()).mean())


CURVES = {"sin(2x)": "sin(2*x)", "|x|": "abs(x)", "tanh(9x)": "tanh(9*x)"}


def approximation(budget: Budget) -> Outcome:
    """One hidden layer draws curves; the error over its width."""
    at = [2, 4, 8, 16, 32, 64, 128]
    placed = {name: [approximate(formula, width).error for width in at] for name, formula in CURVES.items()}
    smooth = placed["sin(2x)"]
    ratios = [a / b for a, b in pairwise(smooth[1:])]
    x = torch.linspace(-3, 3, 400)[:, None]
    tents = F.relu(x) - 2 * F.relu(x - 1) + F.relu(x - 2)
    bump = bool(tents[x < 0].abs().max() == 0 and tents.max() > 0.98 and tents[x > 2].abs().max() < 1e-6)
    told = "error of sin 2x with 2 … 128 units placed by hand: " + ", ".join(f"{e:.2g}" for e in smooth)
    return Outcome(
        {
            "E6": exact(min(ratios) >= 3 and all(errors[-1] < 0.1 for errors in placed.values()), told),
            "E78": exact(bump, "relu(x) - 2 relu(x - 1) + relu(x - 2) is 0, rises to 1 at x = 1, and is 0 again"),
        },
        (Lines("Largest error, units placed by hand", at, {n: [max(e, 1e-6) for e in v] for n, v in
               placed.items()}, "units"),
         Lines("A bump of three ReLUs", x[:, 0].tolist(), {"sum": tents[:, 0].tolist()}, "x")),
    )  # fmt: skip


def saw(budget: Budget) -> Outcome:
    """A saw of 2^d teeth: d layers of two units, or one layer of 2^d."""
    x = np.linspace(0, 1, 4097)
    table, deep_error, before, after = [], 0.0, 1.0, 0.0
    for depth in range(2, 7):
        wanted = np.abs((x * 2 ** (depth - 1) + 0.5) % 1 - 0.5) * 2
        deep = x
        for _ in range(depth):
            deep = 2 * np.maximum(deep, 0) - 4 * np.maximum(deep - 0.5, 0)
        deep_error = max(deep_error, float(np.abs(deep - wanted).max()))
        errors = {}
        for units in (2 ** (depth - 1), 2**depth):
            knots = np.arange(units) / units
            design = np.concatenate([np.ones((len(x), 1)), np.maximum(x[:, None] - knots, 0)], axis=1)
            fitted = design @ np.linalg.lstsq(design, wanted, rcond=None)[0]
            errors[units] = float(np.sqrt(((fitted - wanted) ** 2).mean()))
        first, second = errors.values()
        before, after = min(before, first), max(after, second)
        table.append([depth, 2 * depth, 2**depth, round(first, 3), magnitude(second)])
    told = (
        f"depth: error {magnitude(deep_error)}; one layer: at least {before:.2f} with half of 2^d units, "
        f"{magnitude(after)} with all"
    )
    head = ["layers of 2", "their units", "pieces", "error of half as many in one layer", "of as many"]
    return Outcome(
        {"E7": exact(deep_error < 1e-6 and before > 0.2 and after < 1e-6, told)},
        (Listing("A saw, wired by hand and in one layer", head, table),),
    )


def spirals(budget: Budget) -> Outcome:
    """The same number of weights, spread over one to four layers; and nets that grow."""
    x, y = points_of("spirals")
    x, y, test_x, test_y = x[:800], y[:800], x[800:], y[800:]
    shapes = {1: [2, 240, 2], 2: [2, 32, 32, 2], 3: [2, 23, 23, 23, 2], 4: [2, 18, 18, 18, 18, 2]}
    grown = {"2": [2, 2, 2], "8": [2, 8, 2], "32": [2, 32, 2], "32-32": [2, 32, 32, 2]}
    found: dict[str, list[float]] = {name: [] for name in [*map(str, shapes), *(f"grown {g}" for g in grown)]}
    cut = None
    for seed in range(budget.seeds):
        for name, sizes in [*((str(d), s) for d, s in shapes.items()), *((f"grown {g}", s) for g, s in grown.items())]:
            with seeded(8, seed):
                net = mlp(sizes, "tanh")
            fit(net, x, y, steps=budget.steps, seed=seed, batch=200, lr=0.01)
            on = (x, y) if name.startswith("grown") else (test_x, test_y)
            found[name].append(float(right(net, *on).mean()))
            cut = net if name == "3" else cut
    assert cut is not None
    line, shares = planes(cut)
    deeper = [a - b for a, b in zip(found["3"], found["1"], strict=True)]
    steps = [b - a for a, b in zip(found["grown 2"], found["grown 32-32"], strict=True)]
    rows = [[name.removeprefix("grown "), f"{100 * float(np.mean(v)):.1f} %"] for name, v in found.items()]
    told = "training accuracy, 32-32 less 2 units"
    return Outcome(
        {
            "E8": more_in_mean(deeper, "test accuracy, three layers less one, at about 1,200 weights"),
            "E13": more_in_mean(steps, told, by=0.1),
        },
        (Cut("Three layers on the spirals", line, line, shares, x.numpy(), y.numpy()),
         Listing("Hidden layers at about 1,200 weights (tested), and growing nets (training)", ["net", "right"], rows)),
    )  # fmt: skip


def squares(budget: Budget) -> Outcome:
    """Weights over the number of neurons."""
    table, hidden = [], []
    for width in (64, 128, 256, 512):
        net = mlp([64, width, width, 10])
        hidden.append(sum(p.numel() for p in net[3].parameters()))
        table.append([width, hidden[-1], summarise(net, (64,)).params])
    ratios = [b / a for a, b in pairwise(hidden)]
    told = f"weights between the hidden layers grow {', '.join(f'{r:.2f}' for r in ratios)} times with each doubling"
    return Outcome(
        {"E9": exact(all(3.9 < r <= 4 for r in ratios), told)},
        (Listing("64-n-n-10", ["n", "hidden to hidden", "all"], table),),
    )


def one_weight(budget: Budget) -> Outcome:
    """The output over one early weight, and over one late weight."""
    x, y = points_of("moons")
    with seeded(99, 0):
        net = mlp([2, 16, 16, 16, 2])
    fit(net, x, y, steps=budget.steps, seed=0, batch=200, lr=0.01)
    net.double()
    moved = np.linspace(-6, 6, 49)
    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    curves, bent = {}, {}
    for name, layer in (("early", layers[0]), ("late", layers[-1])):
        place = (int(layer.weight.detach().abs().sum(1).argmax()), 0)
        start = float(layer.weight.detach()[place])
        values = []
        for step in moved:
            with torch.no_grad():
                layer.weight[place] = start + step
            values.append(float(scores(net, x[:1].double())[0, 0 if name == "early" else place[0]]))
        with torch.no_grad():
            layer.weight[place] = start
        curves[name] = [v - values[24] for v in values]
        line = np.polyval(np.polyfit(moved, values, 1), moved)
        bent[name] = float(np.abs(np.array(values) - line).max())
    told = f"distance from a straight line: early weight {bent['early']:.2g}, late weight {magnitude(bent['late'])}"
    return Outcome(
        {"E99": exact(bent["late"] < 1e-6 < 1e-3 < bent["early"], told)},
        (Lines("An output over one weight", moved.tolist(), curves, "weight moved by"),),
    )


EXPERIMENTS = (
    Experiment(
        "2.1",
        "Bend and width",
        ("E4", "E5", "E12"),
        ("Two moons, 400 points (noise 0.2) and 100 (noise 0.35); 2-w-w-2, 300 Adam steps (800 in full)."),
        widths,
        Budget(60, seeds=5, steps=800),
        Budget(15, seeds=3, steps=300),
        (
            "layers equal their product and lose to ReLU; a middle width is best by interval; "
            "ReLU draws straight pieces, a sigmoid does not"
        ),
    ),
    Experiment(
        "2.2",
        "Drawing curves",
        ("E6", "E78"),
        "ReLUs placed by hand on sin 2x, |x| and a steep tanh.",
        approximation,
        Budget(2),
        Budget(2),
        "the error falls at least threefold with each doubling from 4 on",
    ),
    Experiment(
        "2.3",
        "Deep and narrow",
        ("E7",),
        "A saw of 2^d straight pieces, d from 2 to 6, by least squares.",
        saw,
        Budget(4),
        Budget(4),
        "depth draws it exactly and one layer cannot with half of the pieces",
    ),
    Experiment(
        "2.4",
        "Depth at equal weights",
        ("E8", "E13"),
        ("Spirals, 800 points, 200 to test; about 1,200 weights in 1 to 4 layers; 500 Adam steps (1,500 in full)."),
        spirals,
        Budget(60, seeds=4, steps=1500),
        Budget(24, seeds=3, steps=500),
        "by interval over seeds",
    ),
    Experiment(
        "2.5",
        "Weights over neurons",
        ("E9",),
        "64-n-n-10, counted.",
        squares,
        Budget(1),
        Budget(1),
        "hidden weights grow fourfold with each doubling",
    ),
    Experiment(
        "2.6",
        "One weight",
        ("E99",),
        "Moons, 2-16-16-16-2, 400 steps; one weight moved by -6 to 6.",
        one_weight,
        Budget(5, steps=400),
        Budget(5, steps=400),
        "a late weight acts in a straight line, an early one does not",
    ),
)
