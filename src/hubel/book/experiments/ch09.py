"""Chapter 9, training that holds: dropout, normalisation and penalties."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.book.bench import Digits, digits, fit, mlp, right, scores
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.experiments.ch09_batches import EXPERIMENTS as BATCHES
from hubel.book.plots import Bars, Listing, Pictures
from hubel.book.verdicts import Finding, exact, more_in_mean, more_right, paired, percent, share_above, together
from hubel.nn.losses import l1_penalty
from hubel.runtime.seeds import seeded


def regular(budget: Budget) -> Outcome:
    """R-E: an MLP plain, with dropout, with normalisation, with both."""
    data = digits(budget.samples, 2000)
    ways: dict[str, dict[str, Any]] = {
        "plain": {}, "dropout": {"drop": (0.2, 0.5)}, "norm": {"norm": True},
        "both": {"norm": True, "drop": (0.2, 0.5)},
    }  # fmt: skip
    hits: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    losses: dict[str, list[float]] = {name: [] for name in ways}
    halves: dict[str, list[float]] = {"plain": [], "dropout": []}
    tiles: dict[str, np.ndarray] = {}
    rough: dict[str, list[float]] = {"plain": [], "dropout": []}
    for seed in range(budget.seeds):
        for name, options in ways.items():
            with seeded(113, seed):
                net = mlp([784, 256, 256, 10], **options)
            fit(net, data.x, data.y, steps=budget.steps, seed=seed, batch=100)
            hits[name].append(right(net, data.test_x, data.test_y))
            losses[name].append(float(F.cross_entropy(scores(net, data.test_x), data.test_y)))
            if name in halves:
                halves[name].append(float(hits[name][-1].mean()) - _half_removed(net, data, seed))
                first = (
                    next(m for m in net if isinstance(m, nn.Linear)).weight.detach().reshape(-1, 28, 28)[:, 4:24, 4:24]
                )
                flat = first / first.flatten(1).std(1)[:, None, None]
                rough[name].append(float(flat.diff(dim=2).abs().mean()))
                tiles |= {f"{name} {i}": first[i].numpy() for i in range(6)}
    pooled = {name: np.stack(h) for name, h in hits.items()}
    fewer = more_right(pooled["dropout"], pooled["plain"], "dropout beside plain")
    calmer = more_in_mean([a - b for a, b in zip(losses["plain"], losses["dropout"], strict=True)],
                          "test loss, plain less dropout")  # fmt: skip
    low, high = paired(pooled["both"], pooled["norm"])
    needed = Finding("refuted" if low > 0 else "confirmed" if high < 0.005 else "undecided",
                     f"normalisation {percent(pooled['norm'].mean())}, with dropout as well "
                     f"{percent(pooled['both'].mean())}, difference {100 * low:+.1f} to {100 * high:+.1f}")  # fmt: skip
    return Outcome(
        {
            "E113": together([fewer, calmer]),
            "E114": more_in_mean([a - b for a, b in zip(rough["plain"], rough["dropout"], strict=True)],
                                 "roughness of first weights, plain less dropout"),
            "E115": more_in_mean([a - b for a, b in zip(halves["plain"], halves["dropout"], strict=True)],
                                 "accuracy lost without half of the units, plain less dropout"),
            "E117": needed,
        },
        (Bars("Right on test digits", {n: float(h.mean()) for n, h in pooled.items()}, share=True),
         Pictures("First weights of six units each", tiles, side=90, columns=6)),
        data.note, data.name,
    )  # fmt: skip


@torch.no_grad()
def _half_removed(net: nn.Sequential, data: Digits, seed: int) -> float:
    """Accuracy with half of the first hidden units set to 0 and the others doubled."""
    gone = (torch.rand(256, generator=torch.Generator().manual_seed(seed)) < 0.5).float() * 2
    x, done = data.test_x, False
    for layer in net:
        x = layer(x)
        if isinstance(layer, nn.ReLU) and not done:
            x, done = x * gone, True
    return float((x.argmax(1) == data.test_y).float().mean())


def normalised(budget: Budget) -> Outcome:
    """Four hidden layers with and without normalisation, from four starts; noise behind it; which layers move."""
    data = digits(2000, 1000)
    starts = {"usual": 0.0, "0.01": 0.01, "0.05": 0.05, "0.5": 0.5}
    ends: dict[str, dict[str, float]] = {"plain": {}, "normalised": {}}
    hits = {}
    for name in ends:
        for start, spread in starts.items():
            with seeded(116, 0):
                net = mlp([784, *[100] * 4, 10], norm=name == "normalised")
                for layer in net:
                    if spread and isinstance(layer, nn.Linear):
                        nn.init.normal_(layer.weight, std=spread)
            way = fit(net, data.x, data.y, steps=budget.steps, seed=0, lr=0.1, batch=100, optimiser=torch.optim.SGD)
            ends[name][start] = float(np.mean(way[-10:]))
            hits[name, start] = right(net, data.test_x, data.test_y)
    noisy, drift = _noisy(data, budget)
    moves = _moves(data, budget)
    worst = min(starts, key=lambda start: hits["plain", start].mean())
    learns = [share_above(int(hits["normalised", s].sum()), len(data.test_y), 0.5, f"normalised, start {s}")
              for s in starts]  # fmt: skip
    rows = [[start, *(round(ends[name][start], 2) for name in ends)] for start in starts]
    told = ", ".join(f"{name} {drift[name]:.2f}" for name in drift)
    return Outcome(
        {
            "E116": together([*learns, more_right(hits["normalised", worst], hits["plain", worst],
                                                  f"from the start {worst}, with beside without")]),
            "E119": together([exact(drift["noise"] > drift["plain"], f"drift of the activations: {told}"),
                              more_right(noisy, hits["plain", "0.05"], "with noise behind the normalisation, beside "
                                         "the plain net")]),
            "E121": exact(moves[0] < moves[-1] / 10, "change of the weights after 20 steps, first to last of five "
                          "layers with sigmoids: " + ", ".join(f"{m:.3f}" for m in moves)),
        },
        (Listing("Loss at the end", ["start of the weights", *ends], rows),), data.note, data.name,
    )  # fmt: skip


class _Noise(nn.Module):
    """A random scale and shift a unit, drawn anew each step (Santurkar et al., arXiv:1805.11604)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        return x * (1 + 0.5 * torch.randn(x.shape[1])) + 0.5 * torch.randn(x.shape[1])


def _noisy(data: Digits, budget: Budget) -> tuple[np.ndarray, dict[str, float]]:
    drift, hits = {}, np.zeros(0)
    for name in ("plain", "normalised", "noise"):
        with seeded(119, 0):
            net = mlp([784, *[100] * 4, 10], norm=name != "plain")
            if name == "noise":
                parts = [p for m in net for p in ([m, _Noise()] if isinstance(m, nn.BatchNorm1d) else [m])]
                net = nn.Sequential(*parts)
        place = [i for i, m in enumerate(net) if isinstance(m, nn.ReLU)][1]
        means = []
        for part in range(budget.steps // 10):
            fit(net, data.x, data.y, steps=10, seed=part, lr=0.1, batch=100, optimiser=torch.optim.SGD)
            with torch.no_grad():
                net.train()
                x = data.x[:500]
                for layer in list(net)[:place]:
                    x = layer(x)
                means.append(x.mean(0) / (x.std() + 1e-6))
                net.eval()
        drift[name] = float(torch.stack(means).diff(dim=0).abs().mean())
        hits = right(net, data.test_x, data.test_y)
    return hits, drift


def _moves(data: Digits, budget: Budget) -> list[float]:
    with seeded(121, 0):
        net = mlp([784, *[100] * 4, 10], "sigmoid")
    layers = [m for m in net if isinstance(m, nn.Linear)]
    before = [m.weight.detach().clone() for m in layers]
    fit(net, data.x, data.y, steps=20, seed=0, lr=0.1, batch=100, optimiser=torch.optim.SGD)
    return [float((m.weight.detach() - b).norm() / b.norm()) for m, b in zip(layers, before, strict=True)]


def penalties(budget: Budget) -> Outcome:
    """Weights without a penalty, under L2 and under L1."""
    data = digits(2000, 1000)
    live = (data.x.amax((0, 1)) > 0).flatten()
    found: dict[str, list[float]] = {}
    norms: dict[str, list[float]] = {}
    losses: dict[str, list[float]] = {}
    for seed in range(budget.seeds):
        for name in ("none", "l2", "l1"):
            with seeded(123, seed):
                net = mlp([784, 64, 10])

            def penalty(kind: str = name, of: nn.Sequential = net) -> torch.Tensor:
                if kind == "l1":
                    return l1_penalty(of, 3e-4)
                square = sum((p**2).sum() for n, p in of.named_parameters() if n.endswith("weight"))
                return 1e-3 * torch.as_tensor(square)

            fit(net, data.x, data.y, steps=budget.steps, seed=seed, batch=100,
                penalty=None if name == "none" else penalty)  # fmt: skip
            first = next(m for m in net if isinstance(m, nn.Linear)).weight.detach()[:, live]
            found.setdefault(name, []).append(float((first.abs() < 1e-3).float().mean()))
            norms.setdefault(name, []).append(float(first.norm()))
            losses.setdefault(name, []).append(float(F.cross_entropy(scores(net, data.test_x), data.test_y)))
    sparse = [a - 2 * b for a, b in zip(found["l1"], found["none"], strict=True)]
    smaller = [a - b for a, b in zip(norms["none"], norms["l2"], strict=True)]
    best = [a - min(b, c) for a, b, c in zip(losses["none"], losses["l1"], losses["l2"], strict=True)]
    rows = [[n, f"{100 * np.mean(found[n]):.0f} %", f"{np.mean(norms[n]):.1f}", f"{np.mean(losses[n]):.3f}"]
            for n in found]  # fmt: skip
    return Outcome(
        {"E123": together([more_in_mean(smaller, "norm of the first weights, none less L2"),
                           more_in_mean(sparse, "share of weights near 0, L1 less twice none"),
                           more_in_mean(best, "test loss, none less the better penalty")])},
        (Listing("First layer", ["penalty", "near 0", "norm", "test loss"], rows),), data.note, data.name,
    )  # fmt: skip


EXPERIMENTS = (
    *BATCHES,
    Experiment(
        "9.1", "Dropout and normalisation", ("E113", "E114", "E115", "E117"),
        "784-256-256-10 on 1,000 digits, 150 steps, 2 seeds (5,000, 1,000 steps, 3 seeds in full).", regular,
        Budget(120, seeds=3, samples=5000, steps=1000), Budget(16, seeds=2, samples=1000, steps=150),
        "errors and losses differ by interval; dropout is unnecessary if normalisation alone is as good",
    ),
    Experiment(
        "9.2", "What normalisation does", ("E116", "E119", "E121"), "784-100-100-100-100-10 by SGD at 0.1, 60 steps.",
        normalised, Budget(12, steps=150), Budget(7, steps=60),
        "it learns from all starts; noise behind it drifts more than the plain net and learns better all the same",
    ),
    Experiment(
        "9.3", "Penalties", ("E123",), "784-64-10 on 2,000 digits, 40 epochs, 3 seeds (5 in full).", penalties,
        Budget(40, seeds=5, steps=800), Budget(20, seeds=3, steps=800), "by interval over seeds",
    ),
)  # fmt: skip
