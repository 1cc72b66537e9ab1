"""Chapter 9, batches and inputs: sizes under normalisation, modes, memory, inputs, shares, and honest choosing."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.svm import SVC
from torch import nn

from hubel.anatomy.memory import measure
from hubel.book.bench import digits, fit, mlp, right
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.plots import Bars, Lines, Listing
from hubel.book.verdicts import exact, more_in_mean, more_right, percent, share_above, together
from hubel.runtime.seeds import seeded
from hubel.words import magnitude


def batches_of_norm(budget: Budget) -> Outcome:
    """Normalisation with batches of 2 to 512, at equally many samples seen."""
    data = digits(2000, 1000)
    at = [2, 8, 32, 128, 512]
    hits: dict[int, list[np.ndarray]] = {size: [] for size in at}
    for seed in range(budget.seeds):
        for size in at:
            with seeded(118, seed):
                net = mlp([784, 64, 64, 10], norm=True)
            fit(net, data.x, data.y, steps=budget.samples // size, seed=seed, batch=size)
            hits[size].append(right(net, data.test_x, data.test_y))
    pooled = {size: np.stack(h) for size, h in hits.items()}
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
        net = mlp([784, 128, 128, 10], norm=True, drop=(0.0, 0.5))
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
    told = f"each share by itself is off by up to {gaps[0]:.2f}, with sums that are shared by {magnitude(gaps[1])}"
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
