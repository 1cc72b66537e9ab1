"""Chapter 8, downhill: rates, graphs, landscapes, momentum, decay and batches."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.book.bench import digits, fit, mlp
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.plots import Lines, Listing
from hubel.book.verdicts import exact, more_in_mean, together
from hubel.lessons.descent import SURFACES, descend, race
from hubel.lessons.expression import evaluate, parse, trace
from hubel.metrics.intervals import wilson
from hubel.runtime.seeds import seeded
from hubel.training.schedules import build_schedule


def rates(budget: Budget) -> Outcome:
    """w² with six rates; a bent valley with a fixed and a decayed rate; arrows uphill."""
    paths = {f"{rate:g}": descend("w**2", {"w": 2}, rate=rate, steps=12) for rate in (0.1, 0.25, 0.5, 1.0, 1.1)}
    told = {name: path.verdict for name, path in paths.items()}
    wanted = {"0.1": "converges", "0.25": "converges", "0.5": "converges", "1": "oscillates", "1.1": "diverges"}
    at_once = abs(float(paths["0.5"].points[1, 0])) == 0
    ends = {}
    for name, rate in (("small, fixed", 0.002), ("large, fixed", 0.022), ("decayed", 0.022)):
        x, y = -4.0, 1.0
        for step in range(200):
            now = rate if name != "decayed" else rate * (1 - step / 220)
            x, y = x - now * x, y - now * 94 * y
        ends[name] = (x * x + 94 * y * y) / 2
    arrows = evaluate(parse("w1**2 + 3*w2**2"), {"w1": 1.0, "w2": -1.0}).gradients
    here = 1.0 + 3.0
    up = [(1 + s * arrows["w1"]) ** 2 + 3 * (-1 + s * arrows["w2"]) ** 2 for s in (0.01, -0.01)]
    twice = evaluate(parse("w1**2 + 3*w2**2"), {"w1": 2.0, "w2": -2.0}).gradients
    return Outcome(
        {
            "E92": exact(told == wanted and at_once, "; ".join(f"{name} {verdict}" for name, verdict in told.items())),
            "E93": exact(ends["decayed"] < min(ends["small, fixed"], ends["large, fixed"]),
                         "height left after 200 steps in a valley 94 times as steep as it is long: "
                         + ", ".join(f"{name} {value:.2g}" for name, value in ends.items())),
            "E96": exact(up[0] > here > up[1] and twice["w1"] == 2 * arrows["w1"],
                         f"a step along the gradient gives {up[0]:.2f}, against it {up[1]:.2f}, from {here:g}; "
                         "twice as far from the minimum it is twice as long"),
        },
        (Lines("w on w² from 2", list(range(13)), {f"rate {name}": [float(p) for p in path.points[:, 0]]
               for name, path in paths.items()}, "step", steep=False),),
    )  # fmt: skip


def graphs(budget: Budget) -> Outcome:
    """The board's graph, the sigmoid circuit, and what autograd keeps."""
    rounds = trace("w3*(w1+w2)", {"w1": -2, "w2": 5, "w3": -4}, steps=2, rate=1.0)
    w = torch.tensor([-2.0, 5.0, -4.0], requires_grad=True)
    (slope,) = torch.autograd.grad(w[2] * (w[0] + w[1]), w)
    step = 1e-6
    nudged = [(_board([-2 + step * (i == 0), 5 + step * (i == 1), -4 + step * (i == 2)]) + 12) / step for i in range(3)]
    circuit = evaluate(parse("sigmoid(a*x+b*y+c)"), {"a": 2, "x": -1, "b": -3, "y": -2, "c": -3})
    local = circuit.value * (1 - circuit.value)
    v = torch.tensor(2.0, requires_grad=True)
    seen: list[float | None] = [None if v.grad is None else float(v.grad)]
    for clear in (False, False, True):
        if clear:
            v.grad = None
        (v**2).backward()
        assert v.grad is not None
        seen.append(float(v.grad))
    data = torch.tensor(3.0)
    (v * data).backward()
    return Outcome(
        {
            "E97": exact(slope.tolist() == [-4, -4, 3] and rounds[1].value == -77 and
                         np.allclose(nudged, [-4, -4, 3], atol=1e-4),
                         f"by hand {rounds[0].gradients}, by autograd {slope.tolist()}, by small steps "
                         f"{[round(n, 3) for n in nudged]}; L goes from {rounds[0].value:g} to {rounds[1].value:g}"),
            "E98": exact(abs(circuit.gradients["a"] - local * -1) < 1e-12 and abs(circuit.value - 0.731) < 1e-3,
                         f"output {circuit.value:.3f}; the weight's gradient {circuit.gradients['a']:.3f} is the "
                         f"sigmoid's {local:.3f} times the input's -1"),
            "E109": exact(seen[0] is None and seen[1] == 4 and data.grad is None,
                          "None before the backward pass, 4 after it, and none for the data"),
            "E110": exact(seen == [None, 4.0, 8.0, 4.0], f"gradient after each call: {seen}"),
        },
        (Listing("The board's graph", ["step", "w1", "w2", "w3", "L"],
                 [[r.number, *r.variables.values(), r.value] for r in rounds]),),
    )  # fmt: skip


def _board(w: list[float]) -> float:
    return w[2] * (w[0] + w[1])


def landscapes(budget: Budget) -> Outcome:
    """Wells and bowls from many starts; optimisers in a race."""
    starts = np.linspace(-6, 6, 61)
    ends: dict[str, set[float]] = {}
    for name, formula, rate in (("wells", "0.05*x**2 - cos(3*x)", 0.1), ("bowl", "0.05*x**2", 2.0)):
        ends[name] = set()
        for start in starts:
            path = descend(formula, {"x": float(start)}, rate=rate, steps=400)
            ends[name].add(round(float(path.points[-1, 0]), 1) + 0.0)
    makers = {
        "gd": lambda m: torch.optim.SGD(m.parameters(), 0.02), "momentum": lambda m: torch.optim.SGD(
            m.parameters(), 0.02, momentum=0.9), "rmsprop": lambda m: torch.optim.RMSprop(m.parameters(), 0.05),
        "adam": lambda m: torch.optim.Adam(m.parameters(), 0.1), "adagrad": lambda m: torch.optim.Adagrad(
            m.parameters(), 0.5), "adadelta": lambda m: torch.optim.Adadelta(m.parameters(), 1.0),
    }  # fmt: skip
    paths = {path.name: path for path in race(SURFACES["valley"], makers, steps=120)}
    apart = {name: float(np.abs(p.points[:40] - paths["gd"].points[:40]).max()) for name, p in paths.items()}
    values = {name: [max(v, 1e-12) for v in p.values] for name, p in paths.items()}
    few = min(d for name, d in apart.items() if name != "gd")
    return Outcome(
        {
            "E100": exact(len(ends["wells"]) > 3 and len(ends["bowl"]) == 1,
                          f"from 61 starts {len(ends['wells'])} ends in the wells, {len(ends['bowl'])} in the bowl"),
            "E101": exact(few > 0.1, f"in 40 steps every other path leaves that of plain descent by {few:.2f} or more"),
        },
        (Lines("Height over steps in a long valley", list(range(121)), values, "step"),),
    )  # fmt: skip


def toy(budget: Budget) -> Outcome:
    """Eight numbers x, w, t, mean((x w - t)²): which rates converge, and when to stop."""
    draws, found, curves = 4000, [], {}
    random = np.random.RandomState(94)
    x, w0, t = random.randn(3, draws, 8)
    good = True
    for rate in (0.01, 1.0, 10.0):
        w, told = w0.copy(), []
        with np.errstate(over="ignore", invalid="ignore"):  # at rate 10 most leave the numbers: that is the point
            for _ in range(100):
                told.append(((x * w - t) ** 2).mean(1))
                w = w - rate * 2 * x * (x * w - t) / 8
        stable = int((np.abs(1 - rate * x**2 / 4) < 1).all(1).sum())
        wanted = math.erf(math.sqrt(8 / rate) / math.sqrt(2)) ** 8
        low, high = wilson(stable, draws)
        good = good and low - 0.005 <= wanted <= high + 0.005
        found.append([rate, f"{stable / draws:.4f}", f"{wanted:.4f}", f"{np.median(told[-1]):.3g}"])
        if rate < 10:
            curves[f"rate {rate:g}"] = [float(np.median(v)) for v in told[::10]]
    first = ((x[:200] * w0[:200] - t[:200]) ** 2).mean(1)
    next_w = w0[:200] - 0.01 * 2 * x[:200] * (x[:200] * w0[:200] - t[:200]) / 8
    fell = int((((x[:200] * next_w - t[:200]) ** 2).mean(1) < first).sum())
    stops = _stops(x[0], w0[0], t[0])
    end = curves["rate 1"][-1]
    return Outcome(
        {
            "E94": exact(good, "share of 4,000 draws that converge at rates 0.01, 1, 10: " + ", ".join(
                f"{row[1]} (by the formula {row[2]})" for row in found)),
            "E95": exact(fell == 200, f"the first step at rate 0.01 lowers the loss in {fell} of 200 draws"),
            "E111": exact(0 < stops[0] < 20_000 and 0 < stops[1] < 20_000,
                          f"the loss stands still after {stops[0]} steps, the weights after {stops[1]}"),
            "E112": exact(end < 0.1 * curves["rate 1"][0], "median loss at rate 1 falls from "
                          f"{curves['rate 1'][0]:.2f} to {end:.3f} in 90 steps"),
        },
        (Listing("Rates", ["rate", "drawn", "erf(√(8 / rate) / √2)⁸", "median loss after 100"], found),
         Lines("Median loss", list(range(0, 100, 10)), curves, "step", steep=False)),
    )  # fmt: skip


def _stops(x: np.ndarray, w: np.ndarray, t: np.ndarray) -> tuple[int, int]:
    """Steps until the loss falls by less than 1e-5, and until no weight moves by more than 1e-3."""
    before, by_loss, by_move = math.inf, 0, 0
    for step in range(1, 20_000):
        gradient = 2 * x * (x * w - t) / 8
        w = w - 0.1 * gradient
        now = float(((x * w - t) ** 2).mean())
        by_loss = by_loss or (step if before - now < 1e-5 else 0)
        by_move = by_move or (step if np.abs(0.1 * gradient).max() < 1e-3 else 0)
        before = now
        if by_loss and by_move:
            break
    return by_loss, by_move


def momenta(budget: Budget) -> Outcome:
    """A valley 50 times as steep as long under momentum; a barrier; features of very different scale."""
    steps = {}
    for beta in (0.0, 0.5, 0.9, 0.99):
        place, speed, count = np.array([5.0, 1.0]), np.zeros(2), 0
        while count < 5000:
            count += 1
            speed = beta * speed - 0.02 * np.array([1.0, 50.0]) * place
            place = place + speed
            if np.abs(place).max() < 1e-3 and np.abs(speed).max() < 1e-3:
                break
        steps[f"{beta:g}"] = count
    crossed = {}
    for beta in (0.0, 0.5, 0.9, 0.95):
        x, v = -2.0, 0.0
        for _ in range(400):
            v = beta * v - 0.01 * (4 * x * (x * x - 1) * 0.5 - 0.35)
            x += v
        crossed[f"{beta:g}"] = x > 0
    random = np.random.RandomState(103)
    design = torch.from_numpy(random.randn(200, 10) * np.logspace(-2, 1, 10))
    wanted = design @ torch.ones(10, dtype=torch.float64)
    best = {}
    for name, make in (("sgd", torch.optim.SGD), ("adam", torch.optim.Adam)):
        ends = []
        for rate in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3):
            w = torch.zeros(10, dtype=torch.float64, requires_grad=True)
            steer = make([w], lr=rate)
            for _ in range(500):
                steer.zero_grad()
                ((design @ w - wanted) ** 2).mean().backward()
                steer.step()
            far = float((w.detach() - 1).abs().max())
            ends.append(far if math.isfinite(far) else math.inf)
        best[name] = min(ends)
    told = ", ".join(f"{beta}: {count}" for beta, count in steps.items())
    return Outcome(
        {
            "E102": exact(steps["0.9"] < steps["0"] and steps["0.99"] > steps["0.9"] and not crossed["0"] and
                          crossed["0.9"], f"steps in the valley by β: {told}; the barrier is crossed from β "
                          f"{next((b for b, c in crossed.items() if c), 'none')} on"),
            "E103": exact(best["adam"] < best["sgd"] / 10, "largest error of a weight at the best of six rates, "
                          f"features of scale 0.01 to 10: SGD {best['sgd']:.2g}, Adam {best['adam']:.1g}"),
        },
        (Listing("Steps in a valley 50 times as steep as long", ["β", "steps", "crosses the barrier"],
                 [[b, c, "yes" if crossed.get(b) else "no" if b in crossed else ""] for b, c in steps.items()]),),
    )  # fmt: skip


def decay(budget: Budget) -> Outcome:
    """One sample a step with a fixed rate and with four that fall."""
    found: dict[str, list[float]] = {}
    for seed in range(5):
        random = np.random.RandomState(10_500 + seed)
        for name in ("fixed", "inverse-time", "exponential", "cosine"):
            options: dict[str, Any] = {"inverse-time": {"decay": 0.02}, "exponential": {"decay": 0.002}}.get(name, {})
            schedule = build_schedule(name, total_steps=3000, **options)
            w = np.zeros(5)
            for step in range(3000):
                x = random.randn(5)
                w -= 0.15 * schedule(step) * x * (x @ w - x @ np.ones(5) - random.randn())
            found.setdefault(name, []).append(float(np.linalg.norm(w - 1)))
    better = {name: [a - b for a, b in zip(found["fixed"], values, strict=True)] for name, values in found.items()
              if name != "fixed"}  # fmt: skip
    rows = [[name, f"{np.mean(v):.3f}", f"{np.mean(v) * 5 / np.mean(found['fixed']):.2f}"] for name, v in found.items()]
    return Outcome(
        {"E105": together([more_in_mean(values, f"distance with a fixed rate less {name}") for name, values in
                           better.items()])},
        (Listing("Distance from the optimum after 3,000 single samples", ["rate", "distance", "x 5 / fixed"], rows),),
    )  # fmt: skip


def batch_sizes(budget: Budget) -> Outcome:
    """Variance of the gradient over the batch; loss over samples seen."""
    data = digits(2000, 1)
    with seeded(104, 0):
        net = mlp([784, 32, 10])
    random = np.random.RandomState(104)
    spread, sizes = {}, (1, 8, 64, 512)
    whole = _gradient(net, data.x, data.y)
    for size in sizes:
        values = []
        for _ in range(60):
            rows = torch.from_numpy(random.randint(0, len(data.x), size))
            values.append(float(((_gradient(net, data.x[rows], data.y[rows]) - whole) ** 2).sum()))
        spread[size] = float(np.mean(values))
    product = [size * value for size, value in spread.items()]
    ends = {}
    for size in (1, 32, 2000):
        losses = []
        for seed in range(3):
            with seeded(104, seed + 1):
                small = mlp([784, 32, 10])
            fit(small, data.x, data.y, steps=max(1, 4000 // size), seed=seed, batch=size, lr=0.1 if size > 1 else 0.01,
                optimiser=torch.optim.SGD)  # fmt: skip
            with torch.no_grad():
                losses.append(float(F.cross_entropy(small(data.x), data.y)))
        ends[size] = losses
    even = max(product) / min(product)
    costly = [a - b for a, b in zip(ends[2000], ends[32], strict=True)]
    return Outcome(
        {"E104": together([
            exact(even < 1.6, "variance times batch size: " + ", ".join(f"{p:.2f}" for p in product)),
            more_in_mean(costly, "loss after 4,000 samples, whole batch less batches of 32")])},
        (Listing("Gradient and batch", ["batch", "variance", "times batch"],
                 [[s, f"{spread[s]:.4f}", f"{s * spread[s]:.2f}"] for s in sizes]),
         Listing("Loss after 4,000 samples", ["batch", "mean of 3 seeds"],
                 [[s, f"{np.mean(v):.2f}"] for s, v in ends.items()])),
        data.note, data.name,
    )  # fmt: skip


def _gradient(net: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    slopes = torch.autograd.grad(F.cross_entropy(net(x), y), list(net.parameters()))
    return torch.cat([s.flatten() for s in slopes])


EXPERIMENTS = (
    Experiment("8.1", "Rates", ("E92", "E93", "E96"), "w² from 2; a long valley; a slope at one point.", rates,
               Budget(1), Budget(1), "five verdicts are as told"),
    Experiment("8.2", "Graphs and gradients", ("E97", "E98", "E109", "E110"), "Computed.", graphs, Budget(1), Budget(1),
               "three ways give the same gradients"),
    Experiment("8.3", "Landscapes", ("E100", "E101"), "0.05x² - cos 3x from 61 starts; six optimisers in a valley.",
               landscapes, Budget(20), Budget(20), "wells have several ends, a bowl one, and paths differ"),
    Experiment("8.4", "The toy of eight numbers", ("E94", "E95", "E111", "E112"), "4,000 draws of x, w and t.", toy,
               Budget(3), Budget(3), "shares agree with the formula within the interval"),
    Experiment("8.5", "Momentum and scale", ("E102", "E103"), "A quadratic, two wells, features of scale 0.01 to 10.",
               momenta, Budget(8), Budget(8), "β 0.9 is fastest and crosses the barrier; Adam errs a tenth of SGD"),
    Experiment("8.6", "Falling rates", ("E105",), "A noisy linear fit, 3,000 single samples, 5 seeds.", decay,
               Budget(6), Budget(6), "each falling rate ends nearer by interval"),
    Experiment("8.7", "Batches", ("E104",), "784-32-10 on 2,000 digits.", batch_sizes, Budget(10), Budget(10),
               "variance falls as one over the batch, and for the same samples a whole batch learns least"),
)  # fmt: skip
