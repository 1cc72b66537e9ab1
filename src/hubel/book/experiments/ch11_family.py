"""Chapter 11, one family: LeNet, a small AlexNet with and without its tricks, VGG, and fire modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hubel.book.bench import scores
from hubel.book.colours import colours
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.facts.counting import net
from hubel.book.plots import Bars
from hubel.book.racing import Trained, cost, raced
from hubel.book.verdicts import exact, more_right, together
from hubel.nn.activations import build_activation
from hubel.nn.blocks import Concatenate, conv_norm_act


@dataclass(frozen=True, slots=True)
class Small:
    """A small AlexNet for 32 px, three convolutions and two dense layers."""

    maps: Sequence[int] = (32, 64, 96)
    dense: int = 256
    bend: str = "relu"
    drop: float = 0.3

    def __call__(self) -> nn.Sequential:
        """The net, fresh."""
        layers: list[nn.Module] = []
        before = 3
        for maps, kernel in zip(self.maps, (5, 3, 3), strict=True):
            layers += [nn.Conv2d(before, maps, kernel, padding=kernel // 2), build_activation(self.bend),
                       nn.MaxPool2d(2)]  # fmt: skip
            before = maps
        return nn.Sequential(
            *layers, nn.Flatten(), nn.Dropout(self.drop), nn.Linear(16 * before, self.dense),
            build_activation(self.bend), nn.Dropout(self.drop), nn.Linear(self.dense, 10),
        )  # fmt: skip


def lenet() -> nn.Sequential:
    """LeNet-5 in its sizes, for three colours: tanh and mean pooling."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


def vgg() -> nn.Sequential:
    """3 x 3 twice before each pooling, with norms so that it learns in few steps."""
    layers: list[nn.Module] = []
    for before, maps in ((3, 32), (32, 64), (64, 96)):
        layers += [conv_norm_act(before, maps), conv_norm_act(maps, maps), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(96 * 16, 256), nn.ReLU(), nn.Linear(256, 10))


def fire(before: int, squeezed: int, maps: int) -> nn.Sequential:
    """1 x 1 to few maps, then 1 x 1 and 3 x 3 side by side."""
    sides = Concatenate(conv_norm_act(squeezed, maps // 2, 1), conv_norm_act(squeezed, maps // 2))
    return nn.Sequential(conv_norm_act(before, squeezed, 1), sides)


def squeezed() -> nn.Sequential:
    """Fire modules in place of convolutions, a mean in place of dense layers."""
    return nn.Sequential(
        conv_norm_act(3, 32, 5), nn.MaxPool2d(2), fire(32, 8, 32), nn.MaxPool2d(2), fire(32, 12, 48), fire(48, 12, 48),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 10),
    )  # fmt: skip


def moved(x: torch.Tensor) -> torch.Tensor:
    """Each batch mirrored or not, and shifted by up to two pixels."""
    down, across, mirrored = torch.randint(-2, 3, ()), torch.randint(-2, 3, ()), torch.rand(()) < 0.5
    rolled = torch.roll(x, (int(down), int(across)), (2, 3))
    return rolled.flip(3) if mirrored else rolled


def family(budget: Budget) -> Outcome:
    """The family by size, AlexNet's tricks one by one, and fire modules."""
    data = colours(budget.samples, 3000)
    kinds: dict[str, Callable[[], nn.Module]] = {
        "LeNet": lenet, "AlexNet, small": Small(), "VGG, small": vgg, "fire modules": squeezed,
        "tanh": Small(bend="tanh"), "no dropout": Small(drop=0.0), "half as wide": Small((16, 32, 48), 128),
    }  # fmt: skip
    given = {"seeds": budget.seeds, "steps": budget.steps, "row": 151, "lr": 1e-3}
    done: dict[str, Trained] = raced(kinds, data, **given)  # type: ignore[arg-type]
    done |= raced({"moved copies": Small()}, data, change=moved, **given)  # type: ignore[arg-type]
    base, hits = done["AlexNet, small"], {name: each.hits for name, each in done.items()}
    joined = _joined(base, data.test_x, data.test_y)
    tricks = [
        more_right(base.hits, hits["tanh"], "ReLU beside tanh"),
        more_right(base.hits, hits["no dropout"], "with dropout beside without"),
        more_right(hits["moved copies"], base.hits, "with moved copies beside without"),
        more_right(base.hits, hits["half as wide"], "beside half as wide"),
        more_right(joined, base.hits[0], f"{budget.seeds} nets together beside the first"),
    ]
    sizes = {name: cost(each.nets[0], 32).params for name, each in done.items()}
    published = {name: net(name).params for name in ("alexnet", "squeezenet1_0")}
    times = published["alexnet"] / published["squeezenet1_0"]
    values = {f"{name}, {sizes[name] / 1e3:.0f}k": each.mean for name, each in done.items()}
    return Outcome(
        {
            "E150": together([
                exact(times > 45, f"{published['alexnet']:,} weights in AlexNet for {published['squeezenet1_0']:,} in "
                      f"SqueezeNet; small here: {sizes['AlexNet, small']:,} for {sizes['fire modules']:,}"),
                more_right(hits["fire modules"], base.hits, "fire modules beside AlexNet, at most 5 points lower",
                           by=-0.05)]),
            "E151": together(tricks),
            "E153": together([more_right(base.hits, hits["LeNet"], "AlexNet beside LeNet"),
                              more_right(hits["VGG, small"], base.hits, "VGG beside AlexNet")]),
        },
        (Bars("Right on test pictures", values | {"together": float(joined.mean())}, share=True),),
        f"{data.note} {budget.steps} steps of 64, {budget.seeds} seeds: short, so that what fights learning by heart "
        "has little to fight.", data.name,
    )  # fmt: skip


def _joined(base: Trained, x: torch.Tensor, y: torch.Tensor) -> np.ndarray:
    mean = torch.stack([scores(each, x).softmax(1) for each in base.nets]).mean(0)
    return (mean.argmax(1) == y).numpy()


EXPERIMENTS = (
    Experiment(
        "11.5", "One family", ("E150", "E151", "E153"),
        "LeNet, a small AlexNet (32-64-96 maps, 256 dense), VGG and fire modules on 15,000 CIFAR-10 pictures, 300 "
        "steps of 64, 2 seeds; AlexNet without each of its tricks.", family,
        Budget(460, seeds=2, samples=15_000, steps=250, full=True), None,
        "AlexNet is above LeNet and VGG above AlexNet, each trick helps, and fire modules lose at most 5 points, by "
        "interval",
    ),
)  # fmt: skip
