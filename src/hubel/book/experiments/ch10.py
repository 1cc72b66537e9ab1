"""Chapter 10, data: how much of it, how it may be changed, and what noise does."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from hubel.book.bench import digits, fit, mlp, right, scores
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.experiments.ch10_means import EXPERIMENTS as MEANS
from hubel.book.plots import Lines, Listing
from hubel.book.shared import run_a
from hubel.book.verdicts import exact, more_in_mean, more_right, percent, together
from hubel.data.augment_ops import shifted
from hubel.models import create_model
from hubel.runtime.seeds import generator, seeded


def amount(budget: Budget) -> Outcome:
    """MLP and CNN over the number of samples, at equally many steps."""
    data = digits(budget.samples, 2000)
    at = [n for n in (100, 300, 1000, 3000, 10_000) if n <= len(data.x)]
    hits: dict[str, list[np.ndarray]] = {"MLP": [], "CNN": []}
    fitted: dict[str, list[float]] = {"MLP": [], "CNN": []}
    for count in at:
        for name, net_name in (("MLP", "mnist_mlp"), ("CNN", "mnist_cnn")):
            parts = []
            for seed in range(budget.seeds):
                with seeded(55, seed):
                    net = create_model(net_name, in_chans=1, num_classes=10, img_size=28)
                fit(net, data.x[:count], data.y[:count], steps=budget.steps, seed=seed, batch=64)
                parts.append(right(net, data.test_x, data.test_y))
                fitted[name].append(float(right(net, data.x[:count], data.y[:count]).mean()))
            hits[name].append(np.stack(parts))
    each = [more_right(c, m, f"{n} samples, CNN beside MLP") for n, c, m in
            zip(at, hits["CNN"], hits["MLP"], strict=True)]  # fmt: skip
    last, first = (more_right(h[-1], h[0], f"{name}, {at[-1]} beside {at[0]} samples") for name, h in hits.items())
    curves = {name: [float(h.mean()) for h in found] for name, found in hits.items()}
    return Outcome(
        {"E55": together(each), "E132": together([first, last])},
        (Lines("Right, over training samples", list(range(1, len(at) + 1)), curves,
               f"samples: {', '.join(map(str, at))}", share=True),),
        f"{data.note} {budget.steps} steps of 64 for each.", data.name,
    )  # fmt: skip


def changed_copies(budget: Budget) -> Outcome:
    """Moved copies for few samples; copies turned upside down."""
    data = digits(500, 2000)
    source = np.random.RandomState(124)

    def moved(x: torch.Tensor) -> torch.Tensor:
        return shifted(x, int(source.randint(-3, 4)), int(source.randint(-3, 4)))

    def turned(x: torch.Tensor) -> torch.Tensor:
        half = torch.from_numpy(source.rand(len(x)) < 0.5)
        return torch.where(half[:, None, None, None], x.flip((2, 3)), x)

    hits: dict[str, dict[str, np.ndarray]] = {}
    gap = {}
    six_nine = {}
    for name, change in (("none", None), ("moved", moved), ("half turns", turned)):
        with seeded(124, 0):
            net = create_model("mnist_cnn", in_chans=1, num_classes=10, img_size=28)
        fit(net, data.x, data.y, steps=budget.steps, seed=124, batch=50, change=change)
        test = right(net, data.test_x, data.test_y)
        hits[name] = {"test": test, "moved by 3": right(net, shifted(data.test_x, 0, 3), data.test_y)}
        gap[name] = float(right(net, data.x, data.y).mean() - test.mean())
        said = scores(net, data.test_x).argmax(1)
        pair = ((data.test_y == 6) & (said == 9)) | ((data.test_y == 9) & (said == 6))
        six_nine[name] = int(pair.sum())
    rows = [[name, percent(h["test"].mean()), percent(h["moved by 3"].mean()), f"{100 * gap[name]:.1f}",
             six_nine[name]] for name, h in hits.items()]  # fmt: skip
    return Outcome(
        {
            "E124": together([
                more_right(hits["moved"]["moved by 3"], hits["none"]["moved by 3"], "on moved digits, with moved "
                           "copies beside without"),
                exact(gap["moved"] < gap["none"], f"gap of training and test {100 * gap['none']:.1f} points without, "
                                                  f"{100 * gap['moved']:.1f} with")]),
            "E125": together([
                more_right(hits["none"]["test"], hits["half turns"]["test"], "without copies beside copies turned by "
                           "180°"),
                exact(six_nine["half turns"] > six_nine["none"], "6 taken for 9 or 9 for 6: "
                      f"{six_nine['none']} without, {six_nine['half turns']} with half turns")]),
        },
        (Listing("500 digits", ["copies", "test", "moved by 3", "gap, points", "6 and 9 exchanged"], rows),),
        data.note, data.name,
    )  # fmt: skip


def noise(budget: Budget) -> Outcome:
    """Noise on the input: pixels with a linear classifier, and features of a convnet with the same."""
    model, data = run_a("mnist_cnn", budget)
    at = [0.0, 0.2, 0.4, 0.6, 0.8]
    few = 1000
    source = generator(134, 0)
    body = nn.Sequential(model.block1, model.block2, nn.Flatten())  # type: ignore[arg-type]
    on_pixels = LogisticRegression(max_iter=200, C=0.1).fit(data.x[:few].flatten(1).numpy(), data.y[:few].numpy())
    on_maps = LogisticRegression(max_iter=200, C=0.1).fit(scores(body, data.x[:few]).numpy(), data.y[:few].numpy())
    hits: dict[str, list[np.ndarray]] = {"pixels": [], "features": []}
    for sigma in at:
        x = data.test_x[:1000] + sigma * torch.randn(data.test_x[:1000].shape, generator=source)
        y = data.test_y[:1000].numpy()
        hits["pixels"].append(on_pixels.predict(x.flatten(1).numpy()) == y)
        hits["features"].append(on_maps.predict(scores(body, x).numpy()) == y)
    each = [more_right(hits["features"][i], hits["pixels"][i], f"noise {at[i]}, features beside pixels") for i in
            (1, 2)]  # fmt: skip
    curves = {name: [float(h.mean()) for h in found] for name, found in hits.items()}
    return Outcome(
        {"E134": together(each)},
        (Lines("Right over the noise on the input", at, curves, "deviation of the noise", share=True),),
        f"{data.note} Chance is 10 %.", data.name,
    )  # fmt: skip


def more_data_or_another_bend(budget: Budget) -> Outcome:
    """What the number of samples changes, and what the activation changes."""
    data = digits(3000, 1000)
    names = ("relu", "tanh", "elu", "silu", "leaky-relu", "softplus")
    by_data, by_bend = [], []
    table: list[list[object]] = []
    counts = [n for n in (100, 1000, 3000) if n <= len(data.x)]
    for seed in range(budget.seeds):
        found = {}
        for name in names:
            for count in counts:
                with seeded(82, seed):
                    net = mlp([784, 64, 64, 10], name)
                fit(net, data.x[:count], data.y[:count], steps=budget.steps, seed=seed, batch=64)
                found[name, count] = float(right(net, data.test_x, data.test_y).mean())
        by_data.append(float(np.mean([found[n, counts[-1]] - found[n, counts[0]] for n in names])))
        last = [found[n, counts[-1]] for n in names]
        by_bend.append(max(last) - min(last))
        table = [[n, *(percent(found[n, c]) for c in counts)] for n in names]
    return Outcome(
        {"E82": more_in_mean([a - b for a, b in zip(by_data, by_bend, strict=True)],
                             "accuracy won by data less the spread of six activations")},
        (Listing("Right on test digits", ["activation", *(f"{c} samples" for c in counts)], table),),
        f"{data.note} {budget.steps} steps for each.", data.name,
    )  # fmt: skip


EXPERIMENTS = (
    *MEANS,
    Experiment(
        "10.1",
        "How many samples",
        ("E55", "E132"),
        "The MLP and the convnet of the first lecture on 100 to 3,000 digits, 60 steps (400, to 10,000, in full).",
        amount,
        Budget(150, seeds=2, samples=10_000, steps=400),
        Budget(20, seeds=1, samples=3000, steps=60),
        "the convnet is above the MLP at each number, and more samples help both",
    ),
    Experiment(
        "10.2",
        "Changed copies",
        ("E124", "E125"),
        "The convnet on 500 digits, 120 steps (600 in full).",
        changed_copies,
        Budget(60, steps=600),
        Budget(15, steps=120),
        "moved copies help on moved digits and shrink the gap; half turns cost accuracy and confuse 6 and 9",
    ),
    Experiment(
        "10.3",
        "Noise",
        ("E134",),
        "The trained digit convnet; logistic regression on 1,000 digits.",
        noise,
        Budget(40, full=True),
        Budget(15),
        "features are better at noise of 0.2 and 0.4",
    ),
    Experiment(
        "10.5",
        "Data or activation",
        ("E82",),
        "784-64-64-10, 60 steps, 3 seeds.",
        more_data_or_another_bend,
        Budget(40, seeds=5, steps=200),
        Budget(12, seeds=3, steps=60),
        "data change the accuracy by more than the choice of activation",
    ),
)
