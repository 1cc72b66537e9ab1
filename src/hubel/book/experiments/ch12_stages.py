"""Chapter 12, what layers and units answer to: oriented edges, classes, marks nobody named, and dead filters."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.book.bench import digits, fit, right
from hubel.book.colours import Colours, colours
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.plots import Bars, Pictures
from hubel.book.verdicts import between, compared, more_right, percent, points, together
from hubel.metrics.intervals import mean_interval
from hubel.metrics.roc import auroc
from hubel.models import create_model
from hubel.nn.blocks import conv_norm_act
from hubel.nn.modes import evaluating
from hubel.runtime.seeds import generator, seeded


def net_a(stride: int = 2) -> nn.Sequential:
    """7 x 7 first, no norms: 16 maps, then 32, a pooling behind each, a dense head for 32 px."""
    side = math.ceil(32 / stride) // 4
    return nn.Sequential(
        nn.Conv2d(3, 16, 7, stride, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * side * side, 10),
    )  # fmt: skip


def net_b() -> nn.Sequential:
    """7 x 7 first, norms, strides in place of poolings: 24, 32, 64 maps and their means."""
    return nn.Sequential(
        conv_norm_act(3, 24, 7, stride=2), conv_norm_act(24, 32, stride=2), conv_norm_act(32, 64, stride=2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def _learnt(build: Callable[[], nn.Sequential], data: Colours, steps: int, seed: int = 0) -> tuple[nn.Sequential, ...]:
    """The net fresh, and trained."""
    nets = []
    for _ in range(2):
        with seeded(57, seed):
            nets.append(build())
    fit(nets[1], data.x - 0.5, data.y, steps=steps, seed=seed, batch=64, lr=2e-3)
    return nets[0], nets[1]


def gabors(side: int = 7) -> np.ndarray:
    """Waves under a bell: 12 directions, 4 lengths, 4 phases, 2 widths; each of mean 0 and length 1, G side²."""
    line = np.arange(side) - side // 2
    y, x = np.meshgrid(line, line, indexing="ij")
    bank = []
    for turn, length, phase, width in product(range(12), (3.0, 4.5, 6.5, 10.0), range(4), (1.4, 2.4)):
        angle = np.pi * turn / 12
        along = x * np.cos(angle) + y * np.sin(angle)
        wave = np.cos(2 * np.pi * along / length + np.pi * phase / 4) * np.exp(-(x**2 + y**2) / (2 * width**2))
        wave -= wave.mean()
        bank.append(wave.ravel() / np.linalg.norm(wave))
    return np.stack(bank)


def gabor_fit(filters: np.ndarray) -> np.ndarray:
    """Of each filter, K 3 h w, how well the best Gabor explains its strongest mixture of colours: 0 … 1.

    >>> bool(gabor_fit(np.tile(gabors()[5].reshape(1, 1, 7, 7), (1, 3, 1, 1)))[0] > 0.999)
    True
    """
    bank = gabors(filters.shape[-1])
    found = []
    for each in filters.reshape(len(filters), filters.shape[1], -1):
        mixed = np.linalg.svd(each - each.mean(1, keepdims=True), full_matrices=False)[2][0]
        found.append(float(np.abs(bank @ mixed).max()))
    return np.array(found)


def first_filters(budget: Budget) -> Outcome:
    """Two nets fresh and trained: which first filters are Gabors, and how pure the stages' best pictures are."""
    data = colours(budget.samples, 2000)
    shares, fresh_share, parts = {}, {}, []
    tiles: dict[str, np.ndarray] = {}
    for name, build in (("A", net_a), ("B", net_b)):
        before, after = _learnt(build, data, budget.steps)
        fits = [gabor_fit(_first(net).weight.detach().numpy()) for net in (before, after)]
        fresh_share[name], shares[name] = (float((fit > 0.7).mean()) for fit in fits)
        parts.append(more_right(fits[1] > 0.7, fits[0] > 0.7, f"filters of net {name} that a Gabor explains above 0.7, "
                                "trained beside fresh"))  # fmt: skip
        tiles |= {f"{name} {k}": _tile(_first(after).weight[k]) for k in np.argsort(-fits[1])[:9]}
    purity = _purity(after, data)
    early, late = (purity[i] for i in (0, -1))
    gap = float(late.mean() - early.mean())
    half = math.hypot(*(mean_interval(each)[1] - each.mean() for each in (early, late)))
    untrained = _purity(before, data)
    return Outcome(
        {
            "E57": together(parts),
            "E51": compared((gap - half, gap + half), 0.0, "share of the commonest class among a map's 20 best "
                            "pictures: "
                            + ", ".join(f"layer {i + 1} {percent(p.mean())}" for i, p in enumerate(purity))
                            + f"; last less first {points(gap)} points {between((gap - half, gap + half))}; fresh "
                            + ", ".join(percent(p.mean()) for p in untrained)),
        },
        (Pictures("First filters of both nets, best Gabors first", tiles, side=76, columns=9),
         Bars("Filters that a Gabor explains above 0.7", {**{f"{n} fresh": v for n, v in fresh_share.items()},
              **{f"{n} trained": v for n, v in shares.items()}}, share=True)),
        f"{data.note} {budget.steps} steps of 64. Chance for the commonest class of 20: about 22 %.", data.name,
    )  # fmt: skip


def _first(net: nn.Module) -> nn.Conv2d:
    return next(each for each in net.modules() if isinstance(each, nn.Conv2d))


def _tile(weight: torch.Tensor) -> np.ndarray:
    """A filter as a picture, grey where it is 0."""
    values = weight.detach().numpy()
    return np.clip(128 + 120 * values / np.abs(values).max(), 0, 255).astype(np.uint8)


@torch.no_grad()
def _purity(net: nn.Sequential, data: Colours, best: int = 20) -> list[np.ndarray]:
    """Layer by layer, of each map the share of the commonest class among the pictures on which it answers most."""
    x, found = data.test_x - 0.5, []
    with evaluating(net):
        for layer in net:
            x = layer(x)
            if x.dim() == 4 and (isinstance(layer, (nn.ReLU, nn.Sequential))):
                top = x.amax((2, 3)).topk(best, dim=0).indices  # best, K
                counts = F.one_hot(data.test_y[top], 10).sum(0)
                found.append((counts.amax(1).float() / best).numpy())
    return found


def smaller_stride(budget: Budget) -> Outcome:
    """A first layer with stride 4: what its filters look like, and the same with stride 2."""
    data = colours(budget.samples, 2000)
    hits, dead = {}, {}
    shown: dict[str, np.ndarray] = {}
    for stride in (4, 2):
        parts, silent = [], []
        for seed in range(budget.seeds):
            _, net = _learnt(lambda s=stride: net_a(s), data, budget.steps, seed)  # type: ignore[misc]
            parts.append(right(net, data.test_x - 0.5, data.test_y))
            with torch.no_grad():
                maps = F.relu(_first(net)(data.test_x[:500] - 0.5))
            silent.append(float((maps.amax((0, 2, 3)) == 0).float().mean()))
        hits[stride], dead[stride] = np.stack(parts), float(np.mean(silent))
        shown |= {f"stride {stride}, {k}": _tile(_first(net).weight[k]) for k in range(8)}
    return Outcome(
        {"E67": more_right(hits[2], hits[4], f"after a look at the filters ({percent(dead[4])} dead at stride 4, "
                           f"{percent(dead[2])} at 2), stride 2 beside 4; looking itself changes no weight; right")},
        (Pictures("First filters, stride 4 above and stride 2 below", shown, side=76, columns=8),),
        f"{data.note} {budget.steps} steps of 64, {budget.seeds} seeds.", data.name,
    )  # fmt: skip


def marked(budget: Budget) -> Outcome:
    """A mark that has nothing to do with the class: does a unit tell of it?"""
    data, draw = digits(budget.samples, 2000), generator(59, 0)

    def planted(x: torch.Tensor) -> tuple[torch.Tensor, np.ndarray]:
        with_mark = torch.rand(len(x), generator=draw) < 1 / 3
        board = (torch.arange(5)[:, None] + torch.arange(5)) % 2
        x = x.clone()
        for i in torch.nonzero(with_mark)[:, 0].tolist():
            top, left = (int(v) for v in torch.randint(0, 23, (2,), generator=draw))
            x[i, 0, top : top + 5, left : left + 5] = board.float()
        return x, with_mark.numpy()

    (x, _), (test, has) = planted(data.x), planted(data.test_x)
    half, told, area = len(test) // 2, {}, {}
    for name, steps in (("fresh", 0), ("trained", budget.steps)):
        with seeded(59, 0):
            net = create_model("mnist_cnn", in_chans=1, num_classes=10, img_size=28)
        fit(net, x, data.y, steps=steps, seed=59)
        with evaluating(net), torch.no_grad():
            maps = net.block2(net.block1(test)).amax((2, 3)).numpy()  # type: ignore[operator]
        chosen = max(range(maps.shape[1]), key=lambda k: auroc(maps[:half, k], has[:half])[0])
        value, ends = auroc(maps[half:, chosen], has[half:])
        area[name], told[name] = value, ends
    ink, _ = auroc(test[half:].flatten(1).sum(1).numpy(), has[half:])
    correct = float(right(net, test, data.test_y).mean())
    low, high = told["trained"]
    return Outcome(
        {"E59": compared((low, high), 0.8, "area under the curve of the best map for the mark, chosen on one half of "
                         f"the test digits and judged on the other: {area['trained']:.3f} (95 % interval {low:.3f} to "
                         f"{high:.3f}); fresh net {area['fresh']:.3f}, mere ink {ink:.3f}")},
        (Pictures("Digits, a third of them with the mark", {f"{i}": test[i, 0].numpy() for i in range(12)}, side=70,
                  columns=6),
         Bars("Area under the curve for the mark", area, told)),
        f"{data.note} The net learnt classes only; {percent(correct)} right.", data.name,
    )  # fmt: skip


EXPERIMENTS = (
    Experiment("12.1", "First filters and later ones", ("E51", "E57"), "Two nets with 7 x 7 filters on CIFAR-10 at 32 "
               "px (4,000 pictures and 120 steps; 15,000 and 900 in full), beside themselves before training.",
               first_filters, Budget(110, samples=15_000, steps=900, full=True), Budget(14, samples=4000, steps=120),
               "in both nets more filters are Gabors than before, and last maps answer to one class more than first "
               "ones, by interval"),
    Experiment("12.7", "A look that changes the net", ("E67",), "Net A with stride 4 and stride 2 in its first layer, "
               "CIFAR-10.", smaller_stride, Budget(90, seeds=2, samples=15_000, steps=500, full=True),
               Budget(10, seeds=1, samples=4000, steps=120), "the smaller stride is right more often by interval"),
    Experiment("12.8", "A mark nobody named", ("E59",), "A small chessboard in a third of the digits, whatever they "
               "are; the convnet learns digits.", marked, Budget(30, samples=10_000, steps=400, full=True),
               Budget(10, samples=3000, steps=60), "one map tells of the mark with an area above 0.8"),
)  # fmt: skip
