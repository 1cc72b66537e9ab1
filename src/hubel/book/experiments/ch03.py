"""Chapter 3, a picture is a long vector: its size, its emptiness, and the order of its pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from hubel.anatomy.abstract import skeleton
from hubel.anatomy.summary import summarise
from hubel.book.bench import mlp, points_of, right, scores
from hubel.book.colours import colours
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.plots import Bars, Lines, Listing
from hubel.book.racing import raced
from hubel.book.shared import permuted, run_a
from hubel.book.verdicts import (
    Finding,
    denied,
    exact,
    more_right,
    paired,
    percent,
    together,
)
from hubel.data.augment_ops import shifted
from hubel.lessons.dimensions import ball_volume, samples_per_cell
from hubel.metrics.intervals import wilson
from hubel.models import create_model
from hubel.words import magnitude


def growth(budget: Budget) -> Outcome:
    """Weights of a first dense layer and of a first convolution, over the side of the picture."""
    sides, table = (28, 64, 224, 256, 1000), []
    for side in sides:
        with skeleton():
            dense, conv = nn.Linear(3 * side * side, 1024), nn.Conv2d(3, 64, 3)
        table.append([side, summarise(dense, (3 * side * side,)).params, summarise(conv, (3, side, side)).params])
    heads = []
    for classes in (10, 100, 1000, 10_000):
        with skeleton():
            dense, pooled = nn.Linear(512 * 7 * 7, classes), nn.Linear(512, classes)
        heads.append([classes, summarise(dense, (512 * 49,)).params, summarise(pooled, (512,)).params])
    by_area = [row[1] / row[0] ** 2 for row in table]
    told = f"dense: {table[0][1]:,} weights at 28 px, {table[-1][1]:,} at 1000; convolution: {table[0][2]:,} at both"
    memory = 4 * 4 * heads[-1][1] / 2**30
    return Outcome(
        {
            "E10": exact(max(by_area) / min(by_area) < 1.5 and len({row[2] for row in table}) == 1, told),
            "E21": exact(heads[-1][1] > 40 * heads[-1][2] and memory > 3,
                         f"a dense head on 7 x 7 x 512 for 10,000 classes needs {memory:.1f} GiB to train (weights, "
                         f"gradients, two moments of Adam), {heads[-1][1] / heads[-1][2]:.0f} times a pooled one"),
        },
        (Lines("Weights of the first layer", list(sides), {"dense, 1,024 units": [r[1] for r in table],
               "convolution, 64 maps": [r[2] for r in table]}, "side of the picture"),
         Listing("Weights of a head on 7 x 7 x 512", ["classes", "dense", "after pooling"], heads)),
    )  # fmt: skip


def emptiness(budget: Budget) -> Outcome:
    """Cells, balls, distances and errors in more and more dimensions."""
    random = np.random.RandomState(127)
    cells = [samples_per_cell(10, d) for d in (1, 2, 3)]
    at = [1, 2, 5, 10, 30, 100, 300]
    ratio = []
    for d in at:
        distance = np.linalg.norm(random.rand(400, d) - random.rand(d), axis=1)
        ratio.append(float(distance.min() / distance.max()))
    shares, close = [], True
    draws, of_ball = 200_000, np.random.RandomState(128)
    for d in (2, 3, 8, 10):
        inside = int(((of_ball.rand(draws, d) - 0.5) ** 2).sum(1).__le__(0.25).sum())
        wanted = ball_volume(d)
        spread = 3 * np.sqrt(wanted * (1 - wanted) / draws)
        close = close and abs(inside / draws - wanted) < spread
        shares.append([d, round(inside / draws, 5), round(wanted, 5)])
    slopes, random = [], np.random.RandomState(129)
    counts = [250, 500, 1000, 2000, 4000]
    for d in (1, 2, 3, 4):
        errors = []
        for count in counts:
            x, test = random.rand(count, d), random.rand(2000, d)
            near = KNeighborsClassifier(1).fit(x, np.zeros(count)).kneighbors(test)[1][:, 0]
            value = lambda p: np.abs(p - 0.5).sum(1)  # noqa: E731 - a Lipschitz function
            errors.append(np.abs(value(x[near]) - value(test)).mean())
        slopes.append(float(np.polyfit(np.log(counts), np.log(errors), 1)[0]))
    told = ", ".join(f"{s:.2f}" for s in slopes)
    return Outcome(
        {
            "E127": exact(cells == [2.0, 0.4, 0.08] and ratio[-1] > 0.8,
                          "10 samples over a line, a square, a cube of 5 cells a side: "
                          f"{', '.join(map(str, cells))} a cell; nearest over farthest distance {ratio[0]:.2f} in one "
                          f"dimension, {ratio[-1]:.2f} in 300"),
            "E128": exact(close, f"drawn share of the ball in 10 dimensions {shares[-1][1]}, by the formula "
                                 f"{shares[-1][2]} (the lecture prints 0.0159)"),
            "E129": exact(all(abs(s + 1 / d) < 0.15 / d for s, d in zip(slopes, (1, 2, 3, 4), strict=True)),
                          f"slopes of the log error over the log number of samples in 1 to 4 dimensions: {told}; "
                          "eps^-d means -1, -0.5, -0.33, -0.25"),
        },
        (Lines("Nearest over farthest of 400 points", at, {"ratio": ratio}, "dimensions", steep=False),
         Listing("Share of the cube that its ball fills", ["dimensions", "drawn", "formula"], shares)),
    )  # fmt: skip


def features(budget: Budget) -> Outcome:
    """Three neighbours on few pixels, on all, and on all with columns of noise."""
    found = load_digits()
    x, y = found.data / 16, found.target
    order = np.random.RandomState(130).permutation(len(y))
    train, test = order[:600], order[600:]
    random = np.random.RandomState(131)
    wide = x[train].var(0).argsort()[::-1]
    at, hits = [2, 4, 8, 16, 32, 64, 114, 264, 1064], []
    for count in at:
        data = x[:, random.permutation(wide)[:count]] if count < 64 else x
        if count > 64:
            data = np.concatenate([x, random.rand(len(y), count - 64)], axis=1)
        hits.append(KNeighborsClassifier(3).fit(data[train], y[train]).predict(data[test]) == y[test])
    best = int(np.argmax([h.mean() for h in hits]))
    first = more_right(hits[best], hits[0], f"{at[best]} features beside {at[0]}", by=0.1)
    last = more_right(hits[best], hits[-1], f"{at[best]} features beside {at[-1]}", by=0.1)
    shares = [float(h.mean()) for h in hits]
    return Outcome(
        {"E130": together([first, last])},
        (Lines("Right, by features; beyond 64: noise", at, {"3 neighbours": shares}, "features",
               share=True),),
        "The 8 x 8 digits of scikit-learn; chance is 10 %.",
    )  # fmt: skip


def order_of_pixels(budget: Budget) -> Outcome:
    """MLP and CNN on pictures, and on the same with their pixels in one fixed random order."""
    hits: dict[str, np.ndarray] = {}
    for net in ("mnist_mlp", "mnist_cnn"):
        for shuffled in (False, True):
            parts = []
            for seed in range(budget.seeds):
                model, data = run_a(net, budget, seed, shuffled=shuffled)
                x = permuted(data.test_x) if shuffled else data.test_x
                parts.append(right(model, x, data.test_y))
            hits[f"{net[6:].upper()}, {'shuffled' if shuffled else 'as it is'}"] = np.stack(parts)
    mlp, mlp_p, cnn, cnn_p = hits.values()
    low, high = paired(mlp, mlp_p)
    same = Finding(
        "confirmed" if max(-low, high) < 0.015 else "refuted" if low > 0.015 or high < -0.015 else "undecided",
        f"MLP: {percent(mlp.mean())} as it is, {percent(mlp_p.mean())} shuffled, difference between "
        f"{100 * low:+.1f} and {100 * high:+.1f} points (95 %)",
    )
    loses = more_right(cnn, cnn_p, "CNN, as it is beside shuffled", by=0.02)
    prior = more_right(cnn, mlp, "as it is, CNN beside MLP")
    gone = denied(more_right(cnn_p, mlp_p, "shuffled, CNN beside MLP", by=0.01))
    intervals = {name: wilson(round(h.shape[-1] * h.mean()), h.shape[-1]) for name, h in hits.items()}
    values = {name: float(h.mean()) for name, h in hits.items()}
    return Outcome(
        {"E14": together([same, loses]), "E18": together([same, loses]), "E131": together([prior, gone])},
        (Bars("Right on test digits", values, intervals, share=True),),
        data.note,
        data.name,
    )


def moved(budget: Budget) -> Outcome:
    """Digits moved to the right by up to 6 pixels, by nets that saw them centred."""
    at = [0, 1, 2, 3, 4, 6]
    curves, kept, far = {}, {}, {}
    for net in ("mnist_mlp", "mnist_cnn"):
        model, data = run_a(net, budget)
        hits = [right(model, shifted(data.test_x, 0, d), data.test_y) for d in at]
        curves[net[6:].upper()] = [float(h.mean()) for h in hits]
        kept[net] = hits
        far[net] = _change(model, data.test_x[:500])
    falls = more_right(kept["mnist_mlp"][0], kept["mnist_mlp"][2], "MLP, centred beside moved by 2", by=0.2)
    better = more_right(kept["mnist_cnn"][2], kept["mnist_mlp"][2], "moved by 2, CNN beside MLP")
    falls_too = more_right(kept["mnist_cnn"][0], kept["mnist_cnn"][4], "CNN, centred beside moved by 4", by=0.1)
    told = (f"change of the outputs under 2 px, in the mean distance of two pictures: MLP {far['mnist_mlp']:.2f}, "
            f"CNN {far['mnist_cnn']:.2f}")  # fmt: skip
    note = f"{data.note} The CNN falls, too: its dense head knows each map's places. {falls_too.text}."
    return Outcome(
        {"E16": together([falls, better]), "E17": exact(far["mnist_mlp"] > 0.3, told)},
        (Lines("Right, by how far the digit is moved", at, curves, "pixels to the right", share=True),),
        note,
        data.name,
    )


def _change(model: nn.Module, x: torch.Tensor) -> float:
    """How far 2 px move the outputs, in distances between one picture and another."""
    before, after = scores(model, x), scores(model, shifted(x, 0, 2))
    return float((before - after).norm(dim=1).mean() / (before - before.roll(1, 0)).norm(dim=1).mean())


def columns(budget: Budget) -> Outcome:
    """Columns of a table in another order, with the first layer's weights in the same order."""
    x, _ = points_of("iris")
    model = create_model("iris_mlp", img_size=(1, 4), in_chans=1, num_classes=3).eval()
    order = torch.tensor([1, 2, 0, 3])
    before = scores(model, x[:, None, None])
    first = next(m for m in model.modules() if isinstance(m, nn.Linear))
    with torch.no_grad():
        first.weight.copy_(first.weight[:, order].clone())
    after = scores(model, x[:, order][:, None, None])
    gap = float((before - after).abs().max())
    rows = [[*map(float, before[i].numpy().round(4)), "=", *map(float, after[i].numpy().round(4))] for i in range(3)]
    head = ["setosa", "versicolor", "virginica", "", "again", "again", "again"]
    return Outcome({"E15": exact(gap < 1e-6, f"largest difference of an output {magnitude(gap)}")},
                   (Listing("Outputs for three flowers, both ways", head, rows),))  # fmt: skip


def dense_on_pictures(budget: Budget) -> Outcome:
    """Two dense nets and a convnet on pictures in colour, at equally many steps."""
    data = colours(budget.samples, 3000)
    kinds: dict[str, Callable[[], nn.Module]] = {
        "dense, 3 layers": lambda: mlp([3072, 128, 64, 10]),
        "dense, 5 layers": lambda: mlp([3072, 128, 64, 64, 64, 10]),
        "convnet": lambda: nn.Sequential(
            nn.Conv2d(3, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 64, 10)),
    }  # fmt: skip
    done = raced(kinds, data, seeds=budget.seeds, steps=budget.steps, row=19, lr=1e-3)
    sizes = {name: sum(p.numel() for p in each.nets[0].parameters()) for name, each in done.items()}
    dense = [name for name in done if name != "convnet"]
    return Outcome(
        {"E19": together([more_right(done["convnet"].hits, done[name].hits, f"convnet beside {name}")
                          for name in dense])},
        (Bars("Right on test pictures",
              {f"{name}, {sizes[name] / 1e3:.0f}k": each.mean for name, each in done.items()}, share=True),),
        f"{data.note} {budget.steps} steps of 64, {budget.seeds} seeds. Chance is 10 %.", data.name,
    )  # fmt: skip


EXPERIMENTS = (
    Experiment(
        "3.1",
        "How weights grow with the picture",
        ("E10", "E21"),
        "A first layer of 1,024 units or 64 maps at 28 to 1000 px; heads for 10 to 10,000 classes. Counted.",
        growth,
        Budget(2),
        Budget(2),
        "dense layers grow with the area and convolutions do not",
    ),
    Experiment(
        "3.2",
        "Empty space",
        ("E127", "E128", "E129"),
        "Uniform points; 200,000 draws for the ball; the nearest of 250 to 4,000 samples as an answer.",
        emptiness,
        Budget(6),
        Budget(6),
        "distances become alike, the drawn share of the ball is the formula's within 3 standard errors, and the error "
        "falls as N^(-1/d)",
    ),
    Experiment(
        "3.3",
        "Too few and too many features",
        ("E130",),
        "600 digits to learn, 1,197 to test; 2 to 64 pixels, then 50 to 1,000 columns of noise.",
        features,
        Budget(4),
        Budget(4),
        "both ends lose more than 10 points against the middle",
    ),
    Experiment(
        "3.4",
        "Pixels in another order",
        ("E14", "E18", "E131"),
        "MLP and convnet of the first lecture on 3,000 digits, 3 epochs (in full 10,000, 6 epochs, 2 seeds).",
        order_of_pixels,
        Budget(120, seeds=2, full=True),
        Budget(25),
        "the MLP stays within 1.5 points and the CNN loses more than 2",
    ),
    Experiment(
        "3.5",
        "Moved digits",
        ("E16", "E17"),
        "Both trained digit nets; test digits moved to the right.",
        moved,
        Budget(60, full=True),
        Budget(15),
        "at 2 px the MLP loses more than 20 points and the CNN is above it",
    ),
    Experiment(
        "3.6",
        "Dense nets on pictures",
        ("E19",),
        "Dense nets of 3 and 5 layers and a convnet of fewer weights, CIFAR-10 at 32 px (3,000 pictures and 60 steps; "
        "15,000 and 600 in full).",
        dense_on_pictures,
        Budget(120, seeds=2, samples=15_000, steps=600, full=True),
        Budget(7, seeds=1, samples=3000, steps=60),
        "the convnet is right more often than both by interval",
    ),
    Experiment(
        "3.7",
        "Columns of a table",
        ("E15",),
        "Iris, a small net with fresh weights, columns in the order 2, 3, 1, 4.",
        columns,
        Budget(1),
        Budget(1),
        "outputs agree to 1e-6",
    ),
)
