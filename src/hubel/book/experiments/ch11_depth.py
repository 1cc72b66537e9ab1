"""Chapter 11, depth: plain and residual nets of 20 and 56 layers, orders in a block, and a head in the middle."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.book.bench import digits, fit, right
from hubel.book.colours import colours
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.plots import Bars, Lines
from hubel.book.racing import raced
from hubel.book.verdicts import CONFIRMED, UNDECIDED, Finding, exact, more_right, percent, together
from hubel.metrics.intervals import mean_interval
from hubel.models import create_model
from hubel.runtime.seeds import seeded

STEEP = partial(torch.optim.SGD, momentum=0.9)
DEEP = ("plain20", "plain56", "resnet20", "resnet56")
ORDERS = {"original": "resnet20", "norm after the sum": "resnet110_bn_after_add",
          "ReLU before the sum": "resnet110_relu_before_add", "ReLU first": "resnet110_relu_preact",
          "norm and ReLU first": "preact_resnet110"}  # fmt: skip


def depth(budget: Budget) -> Outcome:
    """Plain and residual, 20 and 56 layers; five orders of 20 layers; the same without any norm."""
    data = colours(budget.samples, 2000, 16)
    learnt, tested, curves = {}, {}, {}
    for name in DEEP:
        on_train, on_test, told = [], [], []
        for seed in range(budget.seeds):
            with seeded(135, seed):
                net = create_model(name, num_classes=10, img_size=16)
            told.append(fit(net, data.x, data.y, steps=budget.steps, seed=seed, batch=64, lr=0.05, optimiser=STEEP))
            on_train.append(right(net, data.x[:2000], data.y[:2000]))
            on_test.append(right(net, data.test_x, data.test_y))
        learnt[name], tested[name] = np.stack(on_train), np.stack(on_test)
        curves[name] = np.mean(told, axis=0)[: budget.steps // 10 * 10].reshape(-1, 10).mean(1).tolist()
    values = {name: float(hits.mean()) for name, hits in learnt.items()}
    return Outcome(
        {
            "E135": together([
                more_right(learnt["plain20"], learnt["plain56"], "training pictures, plain 20 beside plain 56 layers"),
                more_right(learnt["resnet56"], learnt["plain56"], "residual 56 beside plain 56")]),
            "E141": more_right(tested["plain20"], tested["plain56"], "test pictures, plain 20 beside plain 56 layers; "
                               f"residual {percent(tested['resnet20'].mean())} and "
                               f"{percent(tested['resnet56'].mean())}; plain"),
        },
        (Lines("Loss while training, means of 10 steps", list(range(10, 10 * len(curves["plain20"]) + 1, 10)), curves,
               "step", steep=False),
         Bars("Right on training pictures", values, share=True)),
        f"{data.note} {budget.steps} steps of 64, {budget.seeds} seeds.", data.name,
    )  # fmt: skip


def orders(budget: Budget) -> Outcome:
    """Five orders of norm, ReLU and sum in nets of 20 layers."""
    data = colours(budget.samples, 5000, 16)

    def made(name: str) -> Callable[[], nn.Module]:
        small = {} if name == "resnet20" else {"n": 3}  # the others are named by their 110 layers, and are made of 20
        return lambda: create_model(name, num_classes=10, img_size=16, **small)

    done = raced({told: made(name) for told, name in ORDERS.items()}, data, seeds=budget.seeds, steps=budget.steps,
                 row=139)  # fmt: skip
    first = done["original"]
    apart = {name: _apart(each.hits, first.hits, len(ORDERS) - 1) for name, each in done.items() if name != "original"}
    text = "; ".join(f"{name} {100 * low:+.1f} to {100 * high:+.1f}" for name, (low, high) in apart.items())
    differs = any(low > 0 or high < 0 for low, high in apart.values())
    return Outcome(
        {"E139": Finding(CONFIRMED if differs else UNDECIDED, f"points beside the original order, four intervals that "
                         f"hold together at 95 %: {text}")},
        (Bars("Right on test pictures", {name: each.mean for name, each in done.items()}, share=True),),
        f"{data.note} {budget.steps} steps of 64, {budget.seeds} seeds. No interval can show that they do not differ.",
        data.name,
    )  # fmt: skip


def _apart(first: np.ndarray, second: np.ndarray, among: int) -> tuple[float, float]:
    """The paired interval, wide enough that `among` of them hold together (Bonferroni)."""
    return mean_interval(first.mean(0) - second.mean(0), level=1 - 0.05 / among)


class Deep(nn.Module):
    """15 tanh convolutions for 14 x 14; a second head behind the fifth, which training may use."""

    def __init__(self) -> None:
        super().__init__()
        self.early = nn.Sequential(*(self._layer(1 if i == 0 else 12) for i in range(5)))
        self.late = nn.Sequential(*(self._layer(12) for _ in range(10)))
        self.head, self.side = (nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(48, 10)) for _ in "ab")

    @staticmethod
    def _layer(before: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(before, 12, 3, padding=1), nn.Tanh())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of the last head; in training those of the side head behind them, B 2K."""
        maps = self.early(x)
        last = self.head(self.late(maps))
        return torch.cat([last, self.side(maps)], 1) if self.training else last


def _loss(weight: float) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    def loss(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        value = F.cross_entropy(out[:, :10], y)
        return value + weight * F.cross_entropy(out[:, 10:], y) if weight else value

    return loss


def second_head(budget: Budget) -> Outcome:
    """A deep tanh net with and without a head in its middle."""
    data = digits(3000, 2000)
    x, test = (F.avg_pool2d(part, 2) for part in (data.x, data.test_x))
    slope, hits, curves = {}, {}, {}
    for name, weight in (("one head", 0.0), ("two heads", 0.3)):
        with seeded(146, 0):
            net = Deep()
        net.train()
        _loss(weight)(net(x[:256]), data.y[:256]).backward()
        stem = net.early[0]
        assert isinstance(stem, nn.Sequential)
        grad = stem[0].weight.grad
        assert isinstance(grad, torch.Tensor)
        slope[name] = float(grad.norm())
        told, parts = [], []
        for seed in range(budget.seeds):
            with seeded(146, seed):
                net = Deep()
            told.append(fit(net, x, data.y, steps=budget.steps, seed=seed, batch=64, lr=2e-3, loss=_loss(weight)))
            parts.append(right(net, test, data.test_y))
        hits[name] = np.stack(parts)
        curves[name] = (np.mean(told, axis=0) / (1 + weight))[::5].tolist()
    times = slope["two heads"] / slope["one head"]
    return Outcome(
        {"E146": together([
            exact(times > 10, f"gradient of the first layer at the start {slope['one head']:.1e} with one head, "
                  f"{slope['two heads']:.1e} with two"),
            more_right(hits["two heads"], hits["one head"], "last head, trained with two beside with one")])},
        (Lines("Loss a head, while training", list(range(1, budget.steps + 1, 5)), curves, "step", steep=False),),
        f"{data.note} At 14 px, {budget.steps} steps of 64, {budget.seeds} seeds.", data.name,
    )  # fmt: skip


EXPERIMENTS = (
    Experiment("11.7", "A head in the middle", ("E146",), "15 tanh convolutions of 12 maps on 3,000 digits at 14 px; a "
               "second head behind the fifth, its loss weighed 0.3.", second_head,
               Budget(90, seeds=3, steps=200, full=True), Budget(7, seeds=1, steps=40),
               "the first layer's gradient is ten times larger, and the last head is right more often by interval"),
    Experiment("11.10", "Depth", ("E135", "E141"), "Plain and residual nets of 20 and 56 layers on 15,000 CIFAR-10 "
               "pictures at 16 px, SGD at 0.05 with momentum, 300 steps of 64, 2 seeds.", depth,
               Budget(330, seeds=2, samples=15_000, steps=300, full=True), None,
               "plain 56 is right less often than plain 20 and than residual 56, by interval"),
    Experiment("11.11", "Orders in a block", ("E139",), "The five published orders with 20 layers, CIFAR-10 at 16 px, "
               "200 steps of 64, 2 seeds.", orders, Budget(180, seeds=2, samples=15_000, steps=200, full=True), None,
               "an order lies apart from the original one by an interval that allows for four of them"),
)  # fmt: skip
