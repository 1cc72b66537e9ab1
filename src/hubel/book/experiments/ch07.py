"""Chapter 7, what to minimise: losses under outliers, saturation and imbalance, and losses that order a space."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.book.bench import Loss, batches, digits, fit, mlp, right, scores
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.plots import Bars, Lines, Listing
from hubel.book.verdicts import exact, more_in_mean, more_right, together
from hubel.features.space import nearest
from hubel.nn.losses import build_loss
from hubel.runtime.seeds import seeded
from hubel.words import magnitude


def outliers(budget: Budget) -> Outcome:
    """A line through points of which some are far off, by three losses."""
    names, seeds = ("mse", "smooth-l1", "l1"), 10
    off: dict[str, list[float]] = {}
    curves: dict[str, list[float]] = {}
    grid = np.linspace(0, 4, 50)
    for seed in range(seeds):
        random = np.random.RandomState(8500 + seed)
        x = np.linspace(0, 4, 60)
        y = 2 * x + 1 + 0.3 * random.randn(60)
        y[random.permutation(np.arange(30, 60))[:5]] -= 20
        for name in names:
            line = torch.zeros(2, dtype=torch.float64, requires_grad=True)
            steer = torch.optim.Adam([line], lr=0.05)
            loss = build_loss(name)
            design, wanted = torch.from_numpy(np.stack([x, np.ones(60)], 1)), torch.from_numpy(y)
            for _ in range(600):
                steer.zero_grad()
                loss(design @ line, wanted).backward()
                steer.step()
            slope, shift = line.detach().tolist()
            off.setdefault(name, []).append(abs(slope - 2))
            curves[name] = (slope * grid + shift).tolist()
    between = [a - b for a, b in zip(off["mse"], off["smooth-l1"], strict=True)]
    below = [a - b for a, b in zip(off["mse"], off["l1"], strict=True)]
    small = [0.2 - v for v in off["l1"]]
    rows = [[name, f"{np.mean(values):.3f}"] for name, values in off.items()]
    return Outcome(
        {"E85": together([more_in_mean(below, "error of the slope, squared less absolute"),
                          more_in_mean(between, "squared less smooth"),
                          more_in_mean(small, "0.2 less the error of the absolute loss")])},
        (Lines("Lines found, 5 of 60 points far below", grid.tolist(), {"true": (2 * grid + 1).tolist(), **curves},
               "x"),
         Listing("Mean error of the slope over 10 draws", ["loss", "|slope - 2|"], rows)),
    )  # fmt: skip


def sweeps(budget: Budget) -> Outcome:
    """Cross-entropy over p, binary losses at a logit of 100, KL between distributions."""
    p = np.linspace(0.02, 1, 50)
    natural = [float(build_loss("nll")(torch.tensor([[math.log(v), 0.0]]), torch.tensor([0]))) for v in p]
    falls = all(a > b for a, b in pairwise(natural))
    z, target = torch.tensor([[100.0]]), torch.tensor([[0.0]])
    by_logit = float(build_loss("bce-with-logits")(z, target))
    share = torch.sigmoid(z)
    by_hand = float(-torch.log(1 - share))
    names = {"fair": [0.5, 0.5], "0.7, 0.3": [0.7, 0.3], "0.9, 0.1": [0.9, 0.1]}
    loss = build_loss("kl")
    table = [[a, *(round(float(loss(torch.tensor([q]).log(), torch.tensor([t]))), 4) for q in names.values())]
             for a, t in names.items()]  # fmt: skip
    values = np.array([row[1:] for row in table], dtype=np.float64)
    zero = bool((np.diag(values) == 0).all() and (values[~np.eye(3, dtype=bool)] > 0.01).all())
    apart = float(np.abs(values - values.T).max())
    return Outcome(
        {
            "E86": exact(falls, f"falls all the way, from {natural[0]:.2f} at 0.02 to {natural[-1]:.2f} at 1"),
            "E88": exact(math.isfinite(by_logit) and not math.isfinite(by_hand) and by_logit == 100,
                         f"a logit of 100 for a 0: log(1 - sigmoid) gives {by_hand}, the loss on logits {by_logit:g}"),
            "E89": exact(zero and apart > 0.01, f"0 only for equal ones; both ways differ by up to {apart:.3f}"),
        },
        (Lines("Cross-entropy of the right class", p.tolist(), {
            "natural": natural, "base 10": [v / math.log(10) for v in natural]}, "probability", steep=False),
         Listing("KL divergence of column from row", ["", *names], table)),
    )  # fmt: skip


def rare(budget: Budget) -> Outcome:
    """3 against 8 with few eights, with and without weights; and what cross-entropy is made of."""
    data = digits(10_000 if budget.full else 4000, 2000)
    z = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(87))
    y = (torch.arange(50) % 2).long()
    same = float((F.cross_entropy(z, y) - F.nll_loss(F.log_softmax(z, 1), y)).abs())
    two = float((F.cross_entropy(z, y) - F.binary_cross_entropy_with_logits(z[:, 1] - z[:, 0], y.double())).abs())
    threes, eights = data.x[data.y == 3], data.x[data.y == 8]
    few = max(8, len(threes) // 30)
    test = [data.test_x[data.test_y == k] for k in (3, 8)]
    gains: list[float] = []
    recalls: dict[str, list[float]] = {"plain": [], "weighted": []}

    def weighed(weight: float) -> Loss:
        return lambda a, b: F.cross_entropy(a, b, weight=torch.tensor([1.0, weight]))

    for seed in range(budget.seeds):
        x = torch.cat([threes, eights[few * seed : few * (seed + 1)]])
        labels = torch.cat([torch.zeros(len(threes)), torch.ones(len(x) - len(threes))]).long()
        for name, weight in (("plain", 1.0), ("weighted", len(threes) / few)):
            with seeded(87, seed):
                net = mlp([784, 32, 2])
            fit(net, x, labels, steps=60, seed=seed, batch=64, loss=weighed(weight))
            recalls[name].append(float(right(net, test[1], torch.ones(len(test[1])).long()).mean()))
        gains.append(recalls["weighted"][-1] - recalls["plain"][-1])
    means = {name: float(np.mean(values)) for name, values in recalls.items()}
    return Outcome(
        {"E87": together([exact(max(same, two) < 1e-12, "equal to log-softmax with NLL, and for two classes to the "
                                f"binary loss of the difference of logits, to {magnitude(max(same, two))}"),
                          more_in_mean(gains, f"recall of the eights ({few} of {len(threes) + few}) won by weights")])},
        (Bars("Eights found", means, share=True),), data.note, data.name,
    )  # fmt: skip


def which_loss(budget: Budget) -> Outcome:
    """The same net by cross-entropy, and by squared errors of sigmoids and of logits."""
    data = digits(3000, 1000)
    ways = {
        "cross-entropy": (lambda a, b: F.cross_entropy(a, b)), "squared, sigmoids": (
            lambda a, b: F.mse_loss(torch.sigmoid(a), F.one_hot(b, 10).float())),
        "squared, logits": (lambda a, b: F.mse_loss(a, F.one_hot(b, 10).float())),
    }  # fmt: skip
    curves: dict[str, list[float]] = {name: [] for name in ways}
    hits = {}
    for name, loss in ways.items():
        with seeded(91, 0):
            net = mlp([784, 64, 10])
        for part in range(4):
            fit(net, data.x, data.y, steps=budget.steps // 4, seed=part, lr=0.1, loss=loss, optimiser=torch.optim.SGD)
            hits[name] = right(net, data.test_x, data.test_y)
            curves[name].append(float(hits[name].mean()))
    sure = torch.tensor([[-10.0, 10.0]], requires_grad=True)
    (ce,) = torch.autograd.grad(F.cross_entropy(sure, torch.tensor([0])), sure)
    (mse,) = torch.autograd.grad(F.mse_loss(torch.sigmoid(sure), torch.tensor([[1.0, 0.0]])), sure)
    ratio = float(ce.norm() / mse.norm())
    return Outcome(
        {"E91": together([more_right(hits["cross-entropy"], hits["squared, sigmoids"], "cross-entropy beside squared "
                                     "sigmoids"),
                          exact(ratio > 1000, f"on a sure mistake its gradient is {ratio:,.0f} times as long")])},
        (Lines("Right on test digits", [budget.steps * (i + 1) // 4 for i in range(4)], curves, "steps", share=True),),
        data.note, data.name,
    )  # fmt: skip


def embedding(budget: Budget) -> Outcome:
    """A triplet loss orders a space of 16 numbers."""
    data = digits(10_000 if budget.full else 3000, 1000)

    def unit(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return F.normalize(net(x), dim=1)

    with seeded(90, 0):
        net = nn.Sequential(nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 5, stride=2), nn.ReLU(),
                            nn.Flatten(), nn.Linear(512, 16))  # fmt: skip
    queries, answers = data.test_x, data.test_y
    spaces = {"pixels": (data.x.flatten(1), queries.flatten(1)),
              "untrained": (unit_of(net, data.x), unit_of(net, queries))}  # fmt: skip
    steer = torch.optim.Adam(net.parameters(), 1e-3)
    for rows in batches(len(data.x), 96, budget.steps, 90):
        z, y = unit(net, data.x[rows]), data.y[rows]
        far = 2 - 2 * z @ z.T
        same = y[:, None] == y[None]
        gap = far[:, :, None] - far[:, None, :] + 0.3  # anchor, positive, negative
        valid = (same & ~torch.eye(len(y), dtype=torch.bool))[:, :, None] & ~same[:, None, :]
        broken = F.relu(gap[valid])
        steer.zero_grad()
        (broken.sum() / (broken > 0).sum().clamp(min=1)).backward()
        steer.step()
    spaces["trained"] = (unit_of(net, data.x), unit_of(net, queries))
    hits = {}
    for name, (samples, asked) in spaces.items():
        near = nearest(asked.numpy(), samples.numpy(), k=1)
        hits[name] = data.y.numpy()[near.indices[:, 0]] == answers.numpy()
    shares = {name: float(h.mean()) for name, h in hits.items()}
    return Outcome(
        {"E90": together([more_right(hits["trained"], hits["untrained"], "nearest neighbour of its class, trained "
                                     "beside untrained"),
                          more_right(hits["trained"], hits["pixels"], "beside pixels")])},
        (Bars("Nearest neighbour is of the same class", shares, share=True),), data.note, data.name,
    )  # fmt: skip


def unit_of(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Outputs of unit length."""
    return F.normalize(scores(net, x), dim=1)


EXPERIMENTS = (
    Experiment(
        "7.1",
        "Outliers",
        ("E85",),
        "60 points on 2x + 1, five of them moved down by 20; 10 draws.",
        outliers,
        Budget(12),
        Budget(12),
        "the absolute loss is off by less than 0.2, the squared one by more, smooth between",
    ),
    Experiment("7.2", "Losses over probabilities", ("E86", "E88", "E89"), "Computed.", sweeps, Budget(1), Budget(1)),
    Experiment(
        "7.3",
        "A rare class",
        ("E87",),
        "3 against 8 at 30 to 1; 784-32-2, 60 steps, 4 seeds.",
        rare,
        Budget(12, seeds=5, full=True),
        Budget(6, seeds=4),
        "weights raise the recall of the rare class by interval",
    ),
    Experiment(
        "7.4",
        "Which loss for classes",
        ("E91",),
        "784-64-10 on 3,000 digits by SGD at 0.1, 120 steps (600 in full).",
        which_loss,
        Budget(12, steps=600),
        Budget(5, steps=120),
        "cross-entropy is ahead, and pulls a thousand times harder at a sure mistake",
    ),
    Experiment(
        "7.5",
        "A space in order",
        ("E90",),
        "A small convnet to 16 numbers, triplets, margin 0.3, 80 steps (300 in full).",
        embedding,
        Budget(40, steps=300, full=True),
        Budget(12, steps=80),
        "nearest neighbours are of the same class more often than by pixels and by the untrained net",
    ),
)
