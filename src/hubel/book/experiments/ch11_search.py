"""Chapter 11, searching for nets: shared weights, evolution, what a search costs, and what work says of time."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.book.bench import Digits, batches, digits, fit, right
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.plots import Bars, Lines, Listing
from hubel.book.racing import cost
from hubel.book.verdicts import Finding, compared, exact, more_right, percent, together
from hubel.metrics.intervals import bootstrap
from hubel.models import create_model
from hubel.nn.modes import evaluating
from hubel.runtime.seeds import seeded

MAPS = 8
OPERATIONS = ("identity", "1x1", "3x3", "5x5", "maximum")
Path = tuple[int, int, int]
"""The operation of each of three cells."""


def operation(name: str) -> nn.Module:
    """A way through a cell that keeps the number and size of the maps."""
    if name == "identity":
        return nn.Identity()
    if name == "maximum":
        return nn.MaxPool2d(3, stride=1, padding=1)
    kernel = int(name[0])
    return nn.Sequential(nn.Conv2d(MAPS, MAPS, kernel, padding=kernel // 2), nn.BatchNorm2d(MAPS), nn.ReLU())


class Cells(nn.Module):
    """Stem, three cells of five ways each, a pooling behind every cell, classes; `path` says which way is taken."""

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        self.path = path
        self.stem = nn.Sequential(nn.Conv2d(1, MAPS, 3, padding=1), nn.ReLU())
        self.cells = nn.ModuleList(
            nn.ModuleDict(
                {name: operation(name) for i, name in enumerate(OPERATIONS) if path is None or path[cell] == i}
            )
            for cell in range(3)
        )
        self.head = nn.Linear(MAPS * 4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of the path, B K."""
        assert self.path is not None
        x = self.stem(x)
        for cell, way in zip(self.cells, self.path, strict=True):
            x = F.max_pool2d(cell[OPERATIONS[way]](x), 2, ceil_mode=True)  # type: ignore[index]
        return self.head(x.flatten(1))


def _alone(path: Path, data: Digits, steps: int, seed: int) -> np.ndarray:
    with seeded(155, seed):
        net = Cells(path)
    fit(net, data.x, data.y, steps=steps, seed=seed, batch=64, lr=2e-3)
    return right(net, data.test_x, data.test_y)


def _shared(data: Digits, steps: int, seed: int) -> Cells:
    """All ways at once: every step trains one path drawn at random."""
    with seeded(155, seed):
        net = Cells()
    steer, draw = torch.optim.Adam(net.parameters(), lr=2e-3), np.random.RandomState(seed)
    net.train()
    for rows in batches(len(data.x), 64, steps, seed):
        net.path = tuple(int(way) for way in draw.randint(0, len(OPERATIONS), 3))  # type: ignore[assignment]
        steer.zero_grad()
        F.cross_entropy(net(data.x[rows]), data.y[rows]).backward()
        steer.step()
    return net


@torch.no_grad()
def _judged(net: Cells, path: Path, x: torch.Tensor, y: torch.Tensor) -> float:
    """Right with shared weights, each norm by the statistics of these pictures, as the path changes them."""
    net.path = path
    net.train()
    kept = {name: value.clone() for name, value in net.state_dict().items()}
    share = float((net(x).argmax(1) == y).float().mean())
    net.load_state_dict(kept)
    return share


def _ranks(values: Sequence[float]) -> np.ndarray:
    return np.argsort(np.argsort(np.asarray(values), kind="stable"), kind="stable").astype(float)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    one, two = _ranks(first), _ranks(second)  # type: ignore[arg-type]
    return float(np.corrcoef(one, two)[0, 1]) if one.std() and two.std() else 0.0


def cell_search(budget: Budget) -> Outcome:
    """25 of 125 paths trained alone and judged with shared weights; evolution beside drawing at random."""
    whole = digits(2000, 1500)
    data = Digits(whole.name, F.avg_pool2d(whole.x, 2), whole.y, F.avg_pool2d(whole.test_x, 2), whole.test_y)
    everything = list(product(range(len(OPERATIONS)), repeat=3))
    drawn = [everything[i] for i in np.random.RandomState(155).permutation(len(everything))[:25]]
    begun = time.process_time()
    alone = {path: _alone(path, data, budget.steps, 0) for path in drawn}
    taken = time.process_time() - begun
    begun = time.process_time()
    net = _shared(data, 4 * budget.steps, 0)
    guessed = [_judged(net, path, data.x[:1000], data.y[:1000]) for path in drawn]
    spent = time.process_time() - begun
    truth, guess = np.array([hits.mean() for hits in alone.values()]), np.array(guessed)
    interval = bootstrap(lambda rows: _correlation(truth[rows], guess[rows]), len(drawn))
    first, last, best = [], [], []
    for seed in range(budget.seeds):
        history = _evolved(data, budget.steps, seed)
        first += [hits for _, hits in history[5:9]]
        last += [hits for _, hits in history[-4:]]
        best.append(max(float(hits.mean()) for _, hits in history))
    order = np.argsort(truth)
    later = more_right(np.stack(last), np.stack(first), "last four children beside the first four")
    return Outcome(
        {
            "E155": together([
                compared(interval, 0.5, f"rank correlation of 25 cells, alone and with shared weights, "
                         f"{_correlation(truth, guess):.2f} (95 % interval {interval[0]:.2f} to {interval[1]:.2f})"),
                exact(spent < taken / 2, f"all 25 took {taken / max(spent, 1e-9):.1f} times as long as one shared")]),
            "E157": Finding(later.verdict, f"{later.text}; best of 17 {percent(float(np.mean(best)))}, best of 25 "
                            f"drawn at random {percent(float(truth.max()))}"),
        },
        (Lines("25 cells, from worst to best", list(range(1, 26)),
               {"alone": truth[order].tolist(), "shared weights": guess[order].tolist()}, "cell", share=True),),
        f"{data.note} At 14 px, {budget.steps} steps of 64 a net; shared weights are judged on training digits.",
        data.name,
    )  # fmt: skip


def _evolved(data: Digits, steps: int, seed: int) -> list[tuple[Path, np.ndarray]]:
    """Five drawn, then twelve children of the better of two, each with one cell changed; the oldest dies.

    E. Real et al., Regularized Evolution for Image Classifier Architecture Search, arXiv:1802.01548. Parents are chosen
    on training digits, children are compared on test digits.
    """
    draw = np.random.RandomState(157 + seed)
    history: list[tuple[Path, np.ndarray]] = []
    alive: list[tuple[Path, float]] = []
    for born in range(17):
        if born < 5:
            path = tuple(int(way) for way in draw.randint(0, len(OPERATIONS), 3))
        else:
            one, two = draw.choice(len(alive), 2, replace=False)
            genes = list(max(alive[one], alive[two], key=lambda each: each[1])[0])
            genes[draw.randint(3)] = int(draw.randint(len(OPERATIONS)))
            path = tuple(genes)
        with seeded(157, seed, born):
            net = Cells(path)  # type: ignore[arg-type]
        fit(net, data.x[:1500], data.y[:1500], steps=steps, seed=seed, batch=64, lr=2e-3)
        history.append((path, right(net, data.test_x, data.test_y)))  # type: ignore[arg-type]
        alive.append((path, float(right(net, data.x[1500:], data.y[1500:]).mean())))  # type: ignore[arg-type]
        alive = alive[-5:]
    return history


WATTS = 10.0
"""Assumed for one busy core; only ratios enter the verdict."""


def energy(budget: Budget) -> Outcome:
    """What one training, a search of 25 trainings and one of 12,800 take, by time and assumed power."""
    data = digits(1000, 1)
    begun = time.process_time()
    with seeded(156, 0):
        net = create_model("mnist_cnn", in_chans=1, num_classes=10, img_size=28)
    fit(net, data.x, data.y, steps=budget.steps, seed=156, batch=64)
    one = time.process_time() - begun
    rows = [[name, count, f"{one * count:,.0f}", f"{WATTS * one * count / 3.6e6:.2g}"] for name, count in
            (("one training", 1), ("a search of 25 nets", 25), ("a search of 12,800 nets", 12_800))]  # fmt: skip
    macs = {side: _macs(side) for side in (28, 56)}
    return Outcome(
        {"E156": exact(macs[56] > 3.5 * macs[28], f"a training took {one:.1f} s, at an assumed {WATTS:.0f} W "
                       f"{WATTS * one:.0f} J; a search that trains every candidate takes that as many times as it has "
                       f"candidates, 12,800 of them {12_800 * one / 3600:.0f} hours and "
                       f"{WATTS * one * 12_800 / 3.6e6:.2g} kWh; twice the side takes {macs[56] / macs[28]:.1f} times "
                       "the products")},
        (Listing("Time and energy of this net", ["what", "trainings", "seconds", "kWh"], rows),),
        f"{data.note} Times and power are of this machine; {WATTS:.0f} W a busy core is assumed, not measured.",
    )  # fmt: skip


def _macs(side: int) -> int:
    return cost(nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3)), side).macs


NETS = (
    "resnet18",
    "mobilenet_v2",
    "squeezenet1_1",
    "shufflenet_v2_x1_0",
    "alexnet",
    "vgg11",
    "densenet121",
    "googlenet",
)


@torch.no_grad()
def latency(budget: Budget) -> Outcome:
    """One picture of 64 px through eight nets, turn by turn, and their work."""
    side, turns = 64, budget.steps
    nets = {}
    for name in NETS:
        with seeded(158, 0):
            nets[name] = create_model(name, num_classes=10, img_size=side).eval()
    macs = {name: cost(net, side).macs for name, net in nets.items()}
    x = torch.rand(1, 3, side, side)
    taken: dict[str, list[float]] = {name: [] for name in NETS}
    for turn in range(turns + 3):
        for name, net in nets.items():
            with evaluating(net):
                begun = time.perf_counter()
                net(x)
                if turn >= 3:
                    taken[name].append(time.perf_counter() - begun)
    middle = {name: float(np.median(values)) for name, values in taken.items()}
    pairs = [(a, b) for a in NETS for b in NETS if macs[a] < macs[b]]
    swapped = []
    for less, more in pairs:
        gaps = np.log(np.array(taken[less]) / np.array(taken[more]))
        low = bootstrap(lambda rows, g=gaps: float(np.median(g[rows])), turns, level=1 - 0.05 / len(pairs))[0]  # type: ignore[misc]
        if low > 0:
            swapped.append((macs[more] / macs[less], less, more))
    told = "none of the pairs is slower with less work"
    if swapped:
        times, less, more = max(swapped)
        told = (f"{less} takes {middle[less] / middle[more]:.1f} times as long as {more}, which works {times:.1f} "
                f"times as much; so in {len(swapped)} of {len(pairs)} pairs")  # fmt: skip
    order = sorted(NETS, key=lambda name: macs[name])
    return Outcome(
        {"E158": exact(bool(swapped), f"{told} (intervals that hold together at 95 %)")},
        (Bars("Milliseconds a picture, least work first",
              {f"{name}, {macs[name] / 1e6:.0f}M": 1e3 * middle[name] for name in order}),),
        f"Times of this machine, one thread, {turns} turns, {side} px, one picture at a time. "
        f"Logarithms correlate at {_log_correlation(macs, middle):.2f}.",
    )  # fmt: skip


def _log_correlation(macs: dict[str, int], taken: dict[str, float]) -> float:
    pairs = np.array([[math.log(macs[name]), math.log(taken[name])] for name in macs])
    return float(np.corrcoef(pairs.T)[0, 1])


EXPERIMENTS = (
    Experiment("11.8", "Searching for a block", ("E155", "E157"), "Three cells of five operations on 2,000 digits at "
               "14 px: 25 trained alone, one net of shared weights, evolution of 5 and 12 children.", cell_search,
               Budget(120, seeds=3, steps=80, full=True), None,
               "ranks correlate above 0.5 at less than half of the time, and the last four children are above the "
               "first four, by interval"),
    Experiment("11.9", "What a search costs", ("E156",), "A small training, timed; power is assumed.", energy,
               Budget(8, steps=60), Budget(4, steps=15), "cost is in proportion to candidates and grows with size"),
    Experiment("11.12", "Work and time", ("E158",), "Eight nets of the catalogue at 64 px, one picture at a time.",
               latency, Budget(25, steps=60), None,
               "somewhere less work takes longer, by intervals that allow for all pairs"),
)  # fmt: skip
