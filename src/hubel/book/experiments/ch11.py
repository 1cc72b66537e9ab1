"""Chapter 11, architectures: where weights and work are, what a residual branch does, heads and ensembles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.anatomy.summary import summarise
from hubel.book.bench import digits, fit, mlp, right, scores
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.experiments.ch11_blocks import EXPERIMENTS as BLOCKS
from hubel.book.experiments.ch11_depth import EXPERIMENTS as DEPTH
from hubel.book.experiments.ch11_family import EXPERIMENTS as FAMILY
from hubel.book.experiments.ch11_search import EXPERIMENTS as SEARCH
from hubel.book.facts.counting import alexnet, net, rows
from hubel.book.plots import Bars, Lines, Listing
from hubel.book.shared import run_a
from hubel.book.verdicts import exact, more_right, percent, together
from hubel.models import create_model
from hubel.runtime.seeds import generator, seeded


def first_nets(budget: Budget) -> Outcome:
    """The three nets of the first lecture: dense, convolutional, and without a dense layer."""
    hits, sizes = {}, {}
    for name in ("mnist_mlp", "mnist_cnn"):
        model, data = run_a(name, budget)
        hits[name] = right(model, data.test_x, data.test_y)
        sizes[name] = sum(p.numel() for p in model.parameters())
    with seeded(23, 0):
        gap = create_model("mnist_gap", in_chans=1, num_classes=10)
    curve = []
    for part in range(3):
        fit(gap, data.x, data.y, steps=budget.steps, seed=part, lr=2e-3)
        curve.append(right(gap, data.test_x, data.test_y))
    at = {}
    for side in (28, 32, 40):
        pad = (side - 28) // 2
        at[side] = right(gap, F.pad(data.test_x, (pad,) * 4), data.test_y)
    heads = {"dense head": summarise(create_model("mnist_cnn", in_chans=1, num_classes=10, img_size=28), (1, 28, 28)),
             "pooled head": summarise(gap, (1, 28, 28))}  # fmt: skip
    cost = more_right(hits["mnist_cnn"], curve[-1], "dense head beside pooled")
    return Outcome(
        {
            "E22": together([more_right(hits["mnist_cnn"], hits["mnist_mlp"], "CNN beside MLP"),
                             exact(sizes["mnist_mlp"] / sizes["mnist_cnn"] > 6.9,
                                   f"{sizes['mnist_mlp']:,} weights against {sizes['mnist_cnn']:,}")]),
            "E23": together([exact(len(at) == 3, f"it runs at 28, 32 and 40 px: right "
                                   f"{', '.join(percent(h.mean()) for h in at.values())}, worse off its size"), cost]),
            "E145": exact(heads["pooled head"].params < heads["dense head"].params,
                          f"{heads['dense head'].params:,} weights with a dense head, "
                          f"{heads['pooled head'].params:,} with a pooled one"),
        },
        (Bars("Right on test digits", {"MLP": float(hits["mnist_mlp"].mean()), "CNN": float(hits["mnist_cnn"].mean()),
              **{f"pooled head, {budget.steps * (i + 1)} steps": float(c.mean()) for i, c in enumerate(curve)}},
              share=True),),
        f"{data.note} The pooled head is still rising: much of its cost is too little training.", data.name,
    )  # fmt: skip


ERRORS = {2012: 16.4, 2013: 11.7, 2014: 6.7, 2015: 3.6, 2016: 2.99, 2017: 2.25}
"""Top-5 errors of the winners of ILSVRC, as the second lecture prints them; the next best of 2012 had 26.2 %."""


def where_the_work_is(budget: Budget) -> Outcome:
    """Profiles of published nets, the card of 1989, and the reduction before a wide kernel."""
    table = alexnet()
    convs, dense = rows(table, "Conv2d"), rows(table, "Linear")
    work = sum(r.macs for r in convs) / table.macs
    weights = sum(r.params for r in dense) / table.params
    early = sum(r.bytes for r in convs) / sum(r.bytes for r in rows(table, "Conv2d", "MaxPool2d", "Linear", "flatten"))
    macs = net("lenet1989", 16, in_chans=1).macs
    wide = 192 * 25 * 32 * 28 * 28
    reduced = (192 * 16 + 16 * 25 * 32) * 28 * 28
    sizes = {name: net(name).params / 1e6 for name in ("vgg16", "resnet152")}
    errors = [26.2, *ERRORS.values()]
    profile = [[r.name, f"{r.bytes / 1024:.0f}", f"{r.macs / 1e6:.0f}", f"{r.params / 1e3:.0f}"] for r in convs + dense]
    return Outcome(
        {
            "E142": exact(early > 0.5 and work > 0.9 and weights > 0.9,
                          f"convolutions hold {early:.0%} of the maps' memory and {work:.1%} of the work, dense layers "
                          f"{weights:.1%} of the weights"),
            "E143": exact(sizes["vgg16"] > 2 * sizes["resnet152"], f"VGG-16 has {sizes['vgg16']:.0f}M weights, "
                          f"ResNet-152 {sizes['resnet152']:.0f}M, and more than twice the error (7.3 % and 3.6 %)"),
            "E48": exact(reduced < wide / 5, f"5 x 5 from 192 to 32 maps at 28 px: {wide / 1e6:.0f}M MACs, "
                                             f"{reduced / 1e6:.0f}M behind a 1 x 1 to 16"),
            "E56": exact(12.5e6 / macs > 10, f"{macs:,} MACs a digit: 12.5 million a second are "
                                             f"{12.5e6 / macs:.0f} digits a second"),
            "E159": exact(all(a > b for a, b in pairwise(errors)) and errors[-1] == 2.25,
                          "the printed errors fall every year, from 26.2 % (next best of 2012) to 2.25 %"),
        },
        (Lines("Top-5 error of ILSVRC's winners", list(ERRORS), {"winner, %": errors[1:]}, "year",
               steep=False),
         Listing("AlexNet at 227 px", ["layer", "KB out", "MACs, millions", "weights, thousands"], profile)),
    )  # fmt: skip


def residual(budget: Budget) -> Outcome:
    """Zeroed branches, gradients through 56 layers, and a net that grows without forgetting."""
    with seeded(136, 0):
        nets = {name: create_model(name, num_classes=10) for name in ("plain56", "resnet56")}
    x = torch.randn(16, 3, 16, 16, generator=generator(137, 0))
    y = torch.arange(16) % 10
    ratio, norms = {}, {}
    for name, model in nets.items():
        model.train()
        F.cross_entropy(model(x), y).backward()
        slopes = [float(p.grad.norm() / p.detach().norm()) for n, p in model.named_parameters()
                  if p.dim() == 4 and p.grad is not None]  # fmt: skip
        norms[name] = slopes
        ratio[name] = max(slopes) / min(slopes)
    with seeded(136, 1):
        body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
        for p in body.parameters():
            nn.init.zeros_(p)
    maps = torch.randn(2, 8, 6, 6, generator=generator(136, 2))
    with torch.no_grad():
        same = bool((maps + body(maps) == maps).all())
    data = digits(2000, 1000)
    with seeded(138, 0):
        first = mlp([784, 64, 64, 10])
        extra, mixed = nn.Linear(64, 64), nn.Linear(64, 64)
    fit(first, data.x, data.y, steps=100, seed=138)
    with torch.no_grad():
        extra.weight.copy_(torch.eye(64))
        extra.bias.zero_()
    layers = list(first)
    kept = right(nn.Sequential(*layers[:-1], extra, nn.ReLU(), layers[-1]), data.test_x, data.test_y)
    lost = right(nn.Sequential(*layers[:-1], mixed, nn.ReLU(), layers[-1]), data.test_x, data.test_y)
    before = right(first, data.test_x, data.test_y)
    return Outcome(
        {
            "E136": exact(same, "a branch with all weights 0 added to its input is the input, exactly"),
            "E137": exact(ratio["plain56"] > 10 * ratio["resnet56"], "largest over smallest gradient (over weight) of "
                          f"the layers of 56: plain {ratio['plain56']:,.0f}, residual {ratio['resnet56']:.0f}"),
            "E138": together([exact(bool((kept == before).all()), f"one identity layer more: {percent(kept.mean())}"),
                              more_right(kept, lost, "beside a random layer more")]),
        },
        (Lines("Gradient over weight, 56 fresh layers",
               list(range(1, 1 + min(map(len, norms.values())))),
               {name: values[: min(map(len, norms.values()))] for name, values in norms.items()}, "layer"),),
        data.note, data.name,
    )  # fmt: skip


def ensemble(budget: Budget) -> Outcome:
    """Five nets, and the mean of their probabilities."""
    data = digits(3000, 2000)
    singles, shares = [], []
    for seed in range(5):
        with seeded(152, seed):
            model = mlp([784, 64, 10])
        fit(model, data.x, data.y, steps=150, seed=seed)
        out = scores(model, data.test_x)
        shares.append(out.softmax(1))
        singles.append((out.argmax(1) == data.test_y).numpy())
    joined = (torch.stack(shares).mean(0).argmax(1) == data.test_y).numpy()
    order = np.argsort([s.mean() for s in singles])
    middle = singles[int(order[2])]
    values = {f"net {i + 1}": float(s.mean()) for i, s in enumerate(singles)} | {"together": float(joined.mean())}
    return Outcome(
        {"E152": more_right(joined, middle, "five together beside the middle one")},
        (Bars("Right on test digits", values, share=True),), data.note, data.name,
    )  # fmt: skip


EXPERIMENTS = (
    *BLOCKS, *DEPTH, *FAMILY, *SEARCH,
    Experiment(
        "11.1", "Dense, convolutional, pooled", ("E22", "E23", "E145"),
        "Both trained digit nets, and the net with a pooled head, 60 steps a part (300 in full).", first_nets,
        Budget(120, steps=300, full=True), Budget(25, steps=60),
        "the convnet beats the MLP with a seventh of the weights, and the pooled head runs at every size and costs "
        "accuracy",
    ),
    Experiment("11.2", "Where weights and work are", ("E142", "E143", "E48", "E56", "E159"),
               "Counted; errors as printed.", where_the_work_is, Budget(6), Budget(6), "shares and costs are as told"),
    Experiment(
        "11.3", "Residual branches", ("E136", "E137", "E138"),
        "Fresh plain and residual nets of 56 layers on noise of 16 px; a dense net that grows.", residual, Budget(15),
        Budget(15), "zero means identity, gradients of the residual net are at least ten times more even, and an "
        "identity layer costs nothing",
    ),
    Experiment("11.6", "Several nets together", ("E152",), "Five 784-64-10 on 3,000 digits, 150 steps each.", ensemble,
               Budget(8), Budget(8), "together they beat the middle one by interval"),
)  # fmt: skip
