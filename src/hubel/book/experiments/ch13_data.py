"""Chapter 13, how much to keep and how much to learn: middle-sized data, cuts, and descriptions made by hand."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from hubel.book.bench import digits, fit, right
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.plots import Bars, Lines
from hubel.book.verdicts import more_right
from hubel.models import create_model
from hubel.nn.hog import hog
from hubel.runtime.seeds import seeded

KEPT = {"all new": (), "first block kept": ("block1",), "both blocks kept": ("block1", "block2")}


def cuts(budget: Budget) -> Outcome:
    """A net that knows 0 to 4 learns 5 to 9: what is kept, what is learnt slowly, what is new."""
    data = digits(10_000 if budget.full else 3000, 2000)
    old, new, test = data.y < 5, data.y >= 5, data.test_y >= 5
    with seeded(161, 0):
        base = create_model("mnist_cnn", in_chans=1, num_classes=10, img_size=28)
    fit(base, data.x[old], data.y[old], steps=3 * budget.steps, seed=161)
    x, y, test_x, test_y = data.x[new][: budget.samples], data.y[new][: budget.samples], data.test_x[test], data.test_y
    test_y = test_y[test]
    hits: dict[str, list[np.ndarray]] = {}
    for seed in range(budget.seeds):
        for name, kept in KEPT.items():
            with seeded(162, seed):
                net = create_model("mnist_cnn", in_chans=1, num_classes=10, img_size=28)
            for part in kept:
                _block(net, part).load_state_dict(_block(base, part).state_dict())
                _block(net, part).requires_grad_(requires_grad=False)
            fit(net, x, y, steps=budget.steps, seed=seed, batch=32)
            hits.setdefault(name, []).append(right(net, test_x, test_y))
        hits.setdefault("second block slowly", []).append(_slowly(base, x, y, budget, seed, test_x, test_y))
    found = {name: np.stack(parts) for name, parts in hits.items()}
    slow = "second block slowly"
    return Outcome(
        {
            "E161": more_right(found[slow], found["all new"],
                               f"{len(x)} samples, first block kept and second at a tenth of the rate ("
                               f"both kept {found['both blocks kept'].mean():.1%}), beside all new"),
            "E162": more_right(found["first block kept"], found["both blocks kept"],
                               f"{len(x)} samples, first block kept beside both kept"),
        },
        (Bars("Right on 5 to 9", {name: float(h.mean()) for name, h in found.items()}, share=True),),
        f"{data.note} {budget.steps} steps of 32, {budget.seeds} seeds.", data.name,
    )  # fmt: skip


def _block(net: nn.Module, name: str) -> nn.Module:
    found = net.get_submodule(name)
    assert isinstance(found, nn.Module)
    return found


def _slowly(
    base: nn.Module, x: torch.Tensor, y: torch.Tensor, budget: Budget, seed: int, test: torch.Tensor,
    truth: torch.Tensor,
) -> np.ndarray:  # fmt: skip
    """First block as it was, second from where it was at a tenth of the rate, a new head."""
    with seeded(162, seed):
        net = create_model("mnist_cnn", in_chans=1, num_classes=10, img_size=28)
    for part in ("block1", "block2"):
        _block(net, part).load_state_dict(_block(base, part).state_dict())
    _block(net, "block1").requires_grad_(requires_grad=False)

    def steer(_: object, lr: float) -> torch.optim.Optimizer:
        slow = [p for p in _block(net, "block2").parameters() if p.requires_grad]
        others = [p for name, p in net.named_parameters() if p.requires_grad and not name.startswith("block2")]
        return torch.optim.Adam([{"params": slow, "lr": lr / 10}, {"params": others, "lr": lr}])

    fit(net, x, y, steps=budget.steps, seed=seed, batch=32, optimiser=steer)
    return right(net, test, truth)


def by_hand(budget: Budget) -> Outcome:
    """Histograms of gradients with a linear classifier, pixels with the same, and a convnet, over samples."""
    data = digits(budget.samples, 2000)
    at = [n for n in (200, 1000, 3000, 10_000) if n <= len(data.x)]
    described, asked = hog(data.x.numpy()), hog(data.test_x.numpy())
    truth = data.test_y.numpy()
    hits: dict[str, list[np.ndarray]] = {"gradients": [], "pixels": [], "convnet": []}
    for count in at:
        y = data.y[:count].numpy()
        for name, samples, queries in (
            ("gradients", described, asked),
            ("pixels", data.x.flatten(1).numpy(), data.test_x.flatten(1).numpy()),
        ):
            line = LogisticRegression(max_iter=400, C=0.1 if name == "pixels" else 1.0).fit(samples[:count], y)
            hits[name].append(line.predict(queries) == truth)
        parts = []
        for seed in range(budget.seeds):
            with seeded(168, seed):
                net = create_model("mnist_cnn", in_chans=1, num_classes=10, img_size=28)
            fit(net, data.x[:count], data.y[:count], steps=budget.steps, seed=seed, batch=64)
            parts.append(right(net, data.test_x, data.test_y))
        hits["convnet"].append(np.stack(parts))
    curves = {name: [float(h.mean()) for h in found] for name, found in hits.items()}
    return Outcome(
        {"E168": more_right(hits["convnet"][-1], hits["gradients"][-1], f"{at[-1]:,} samples, convnet beside "
                            "histograms of gradients")},
        (Lines("Right, over training samples", at, curves, "samples", share=True),),
        f"{data.note} The convnet took {budget.steps} steps of 64, {budget.seeds} seeds.", data.name,
    )  # fmt: skip


EXPERIMENTS = (
    Experiment("13.5", "What to keep", ("E161", "E162"), "The convnet on 0 to 4, then some samples of 5 to 9 (400; "
               "1,000 in full).", cuts, Budget(130, seeds=3, samples=1000, steps=300, full=True),
               Budget(8, seeds=1, samples=400, steps=30),
               "learning the second block slowly beats starting anew, and keeping the first block beats keeping both, "
               "by interval"),
    Experiment("13.6", "Made by hand", ("E168",), "Histograms of oriented gradients and logistic regression, beside "
               "the convnet, on 200 to 1,000 digits (to 10,000 in full).", by_hand,
               Budget(130, seeds=2, samples=10_000, steps=300, full=True), Budget(12, seeds=1, samples=1000, steps=80),
               "the convnet is right more often at the largest number of samples, by interval"),
)  # fmt: skip
