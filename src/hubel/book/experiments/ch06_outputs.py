"""Chapter 6, outputs: distributions, heads that fit what is wanted, pictures held by sines, and what bends cost."""

from __future__ import annotations

import inspect
import math
import time
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.book.bench import fit, mlp, scores
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.experiments.ch04 import photo
from hubel.book.plots import Bars, Lines, Listing, Pictures
from hubel.book.verdicts import compared, exact, more_in_mean, together
from hubel.lessons.arithmetic import softmax
from hubel.metrics.intervals import resampled_interval
from hubel.models import create_model
from hubel.nn.activations import ACTIVATIONS, build_activation
from hubel.runtime.seeds import seeded


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
