"""Chapter 9, training that holds: dropout, normalisation, penalties, modes, inputs and honest choosing."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.svm import SVC
from torch import nn

from hubel.anatomy.memory import measure
from hubel.book.bench import Digits, digits, fit, mlp, right, scores
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.plots import Bars, Lines, Listing, Pictures
from hubel.book.verdicts import Finding, exact, more_in_mean, more_right, paired, percent, share_above, together
from hubel.nn.losses import l1_penalty
from hubel.runtime.seeds import seeded


def layered(sizes: list[int], *, norm: bool = False, drop: tuple[float, float] | None = None) -> nn.Sequential:
    """Dense layers with ReLUs, and with normalisation or dropout (of the input, of hidden units) where wanted."""
    layers: list[nn.Module] = [nn.Flatten(), *([nn.Dropout(drop[0])] if drop else [])]
    for place, (a, b) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(a, b))
        if place + 2 < len(sizes):
            layers += [nn.BatchNorm1d(b)] if norm else []
            layers += [nn.ReLU(), *([nn.Dropout(drop[1])] if drop else [])]
    return nn.Sequential(*layers)


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
                net = layered([784, 256, 256, 10], **options)
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
    pooled = {name: np.concatenate(h) for name, h in hits.items()}
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
                net = layered([784, *[100] * 4, 10], norm=name == "normalised")
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
            net = layered([784, *[100] * 4, 10], norm=name != "plain")
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


def batches_of_norm(budget: Budget) -> Outcome:
    """Normalisation with batches of 2 to 512, at equally many samples seen."""
    data = digits(2000, 1000)
    at = [2, 8, 32, 128, 512]
    hits: dict[int, list[np.ndarray]] = {size: [] for size in at}
    for seed in range(budget.seeds):
        for size in at:
            with seeded(118, seed):
                net = layered([784, 64, 64, 10], norm=True)
            fit(net, data.x, data.y, steps=budget.samples // size, seed=seed, batch=size)
            hits[size].append(right(net, data.test_x, data.test_y))
    pooled = {size: np.concatenate(h) for size, h in hits.items()}
    small = max((8, 32), key=lambda s: pooled[s].mean())
    told = [more_right(pooled[128], pooled[size], f"batches of 128 beside {size}") for size in (2, small, 512)]
    return Outcome(
        {"E118": together(told)},
        (Lines("Right after the same number of samples", at, {"normalised": [float(pooled[s].mean()) for s in at]},
               "batch", share=True),),
        f"{data.note} {budget.samples:,} samples seen by each.", data.name,
    )  # fmt: skip


def modes(budget: Budget) -> Outcome:
    """Training and evaluation mode, sorted batches, a batch of one; memory over the batch and without gradients."""
    data = digits(2000, 1000)
    with seeded(107, 0):
        net = layered([784, 128, 128, 10], norm=True, drop=(0.0, 0.5))
    fit(net, data.x, data.y, steps=120, seed=107)
    sound = right(net, data.test_x, data.test_y)
    order = data.test_y.argsort()
    net.train()
    with torch.no_grad(), seeded(107, 1):
        wrong = (net(data.test_x[:1000]).argmax(1) == data.test_y[:1000]).numpy()
        batches = [(net(data.test_x[rows]).argmax(1) == data.test_y[rows]).numpy() for rows in order.split(50)]
    try:
        net(data.test_x[:1])
        refused = ""
    except ValueError as error:
        refused = str(error)
    net.eval()
    sizes = (16, 64, 256)
    needs = [measure(net, (784,), batch=size) for size in sizes]
    kept = [m.peak_training for m in needs]
    with torch.no_grad():
        free = net(data.test_x[:10]).grad_fn is None
    told = f"{kept[0] / 2**20:.1f}, {kept[1] / 2**20:.1f}, {kept[2] / 2**20:.1f} MiB"
    return Outcome(
        {
            "E106": exact(kept[0] < kept[1] < kept[2], f"memory of a step with batches of 16, 64, 256: {told}"),
            "E107": together([more_right(sound, wrong, "evaluation mode beside training mode"),
                              share_above(int((~np.concatenate(batches)).sum()), len(order), 0.5,
                                          "wrong in training mode where each batch holds one or two classes"),
                              exact("more than 1 value" in refused, f"a batch of one is refused: {refused[:50]}")]),
            "E108": exact(free and needs[-1].peak_inference < needs[-1].peak_training,
                          f"a batch of 256 needs {needs[-1].peak_inference / 2**20:.1f} MiB without gradients, "
                          f"{needs[-1].peak_training / 2**20:.1f} MiB with them"),
        },
        (Bars("Right on test digits", {"evaluation mode": float(sound.mean()), "training mode": float(wrong.mean()),
              "training mode, sorted": float(np.concatenate(batches).mean())}, share=True),),
        data.note, data.name,
    )  # fmt: skip


def inputs(budget: Budget) -> Outcome:
    """Pixels of 0 to 255, of 0 to 1, and standardised, into sigmoids."""
    data = digits(2000, 1000)
    mean, std = float(data.x.mean()), float(data.x.std())
    ways = {"0 to 255": (255.0, 0.0), "0 to 1": (1.0, 0.0), "standardised": (1 / std, -mean / std)}
    best: dict[str, np.ndarray] = {}
    full = {}
    for name, (factor, shift) in ways.items():
        x, test = factor * data.x + shift, factor * data.test_x + shift
        with seeded(122, 0), torch.no_grad():
            first = mlp([784, 64, 10], "sigmoid")[:3](x)
        full[name] = float(((first < 0.01) | (first > 0.99)).float().mean())
        for rate in (0.01, 0.1, 0.5, 2.0):
            with seeded(122, 0):
                net = mlp([784, 64, 10], "sigmoid")
            fit(net, x, data.y, steps=budget.steps, seed=0, lr=rate, optimiser=torch.optim.SGD)
            hits = right(net, test, data.test_y)
            if name not in best or hits.mean() > best[name].mean():
                best[name] = hits
    return Outcome(
        {"E122": together([exact(full["0 to 255"] > 0.5 and full["standardised"] < 0.05,
                                 f"sigmoids at their ends: {percent(full['0 to 255'])} raw, "
                                 f"{percent(full['standardised'])} standardised"),
                           more_right(best["standardised"], best["0 to 255"], "at its best rate, standardised beside "
                                      "raw")])},
        (Bars("Right at the best of four rates", {n: float(h.mean()) for n, h in best.items()}, share=True),),
        data.note, data.name,
    )  # fmt: skip


def split_batches(budget: Budget) -> Outcome:
    """A batch in two shares: own statistics, and common ones."""
    x = torch.cat([torch.randn(32, 5), 3 + 2 * torch.randn(32, 5)])
    with torch.no_grad():
        whole = nn.BatchNorm1d(5)(x)
        own = torch.cat([nn.BatchNorm1d(5)(part) for part in x.split(32)])
        sums = [(part.sum(0), (part**2).sum(0), len(part)) for part in x.split(32)]
        count = sum(s[2] for s in sums)
        mean = torch.stack([s[0] for s in sums]).sum(0) / count
        var = torch.stack([s[1] for s in sums]).sum(0) / count - mean**2
        common = (x - mean) / (var + 1e-5).sqrt()
    gaps = float((own - whole).abs().max()), float((common - whole).abs().max())
    told = f"each share by itself is off by up to {gaps[0]:.2f}, with sums that are shared by {gaps[1]:.0e}"
    return Outcome({"E120": exact(gaps[0] > 0.1 and gaps[1] < 1e-4, told)})


def choosing(budget: Budget) -> Outcome:
    """Settings chosen on the test set; and how much a rate and a width matter."""
    random = np.random.RandomState(166)
    gaps = []
    for _ in range(20):
        x, y = random.randn(100, 5), random.randint(0, 2, 100)
        test, labels = random.randn(60, 5), random.randint(0, 2, 60)
        fresh, truth = random.randn(400, 5), random.randint(0, 2, 400)
        tried = []
        for c in (0.1, 1.0, 10.0, 100.0):
            for gamma in (0.01, 0.1, 1.0, 10.0):
                model = SVC(C=c, gamma=gamma).fit(x, y)
                tried.append((model.score(test, labels), model.score(fresh, truth)))
        best = max(tried)
        gaps.append(best[0] - best[1])
    data = digits(1000, 1000)
    table: list[list[object]] = []
    values = []
    for rate in (1e-4, 1e-3, 1e-2, 1.0):
        row: list[object] = [f"{rate:g}"]
        for width in (4, 32, 128):
            with seeded(170, width):
                net = mlp([784, width, 10])
            fit(net, data.x, data.y, steps=60, seed=170, lr=rate)
            values.append(float(right(net, data.test_x, data.test_y).mean()))
            row.append(percent(values[-1]))
        table.append(row)
    return Outcome(
        {
            "E166": more_in_mean(gaps, "accuracy where it was chosen less on fresh samples, labels being noise",
                                 by=0.02),
            "E170": exact(max(values) - min(values) > 0.5, f"from {percent(min(values))} to {percent(max(values))}"),
        },
        (Listing("Right after 60 steps of Adam", ["rate", "4 units", "32", "128"], table),), data.note, data.name,
    )  # fmt: skip


EXPERIMENTS = (
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
    Experiment(
        "9.4", "Batches under normalisation", ("E118",), "784-64-64-10, 20,000 samples seen, 3 seeds.", batches_of_norm,
        Budget(60, seeds=3, samples=20_000), None,
        "batches of 128 beat those of 2, of 8 to 32 and of 512 by interval",
    ),
    Experiment(
        "9.5", "Modes and memory", ("E106", "E107", "E108"), "784-128-128-10, normalisation and dropout, 120 steps.",
        modes, Budget(6), Budget(6), "the wrong mode costs accuracy and memory grows with the batch",
    ),
    Experiment(
        "9.6", "Inputs", ("E122",), "784-64-10 with sigmoids by SGD, four rates.", inputs, Budget(10, steps=300),
        Budget(5, steps=100), "raw inputs saturate, and cost accuracy even at the best rate",
    ),
    Experiment("9.7", "Normalisation in shares", ("E120",), "Two shares of 32 of different spread.", split_batches,
               Budget(1), Budget(1), "common sums give what the whole batch gives"),
    Experiment(
        "9.8", "Choosing", ("E166", "E170"), "20 draws of noise labels, 16 settings each; a grid of rates and widths.",
        choosing, Budget(12), Budget(12), "what was chosen on the test set is worse elsewhere, and settings matter",
    ),
)  # fmt: skip
