"""Chapter 11, blocks at equal cost: the same small net for 16 x 16 pictures, and what stands in its three places."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from hubel.anatomy.summary import summarise
from hubel.book.bench import scores
from hubel.book.colours import colours
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.plots import Bars, Listing
from hubel.book.racing import Cost, Make, between, cost, raced, widest
from hubel.book.verdicts import Finding, exact, more_right, percent, together
from hubel.nn.blocks import DenseBlock, Residual, conv_norm_act, inception_block
from hubel.nn.layers import ChannelShuffle, SeparableConv2d, SpatiallySeparableConv2d, SqueezeExcite
from hubel.nn.modes import evaluating
from hubel.runtime.seeds import generator


def square(kernel: int) -> Make:
    """One convolution."""
    return lambda before, maps: conv_norm_act(before, maps, kernel)


def stacked(count: int) -> Make:
    """Several 3 x 3 behind one another."""
    return lambda before, maps: nn.Sequential(*(conv_norm_act(maps if i else before, maps) for i in range(count)))


def separable(before: int, maps: int) -> nn.Module:
    """Each map by itself, then 1 x 1."""
    return nn.Sequential(SeparableConv2d(before, maps), nn.BatchNorm2d(maps), nn.ReLU())


def lying(kernel: int) -> Make:
    """1 x k, then k x 1."""

    def make(before: int, maps: int) -> nn.Module:
        across = SpatiallySeparableConv2d(before, maps, kernel, bias=False)
        return nn.Sequential(across, nn.BatchNorm2d(maps), nn.ReLU())

    return make


def grouped(groups: int, *, shuffled: bool) -> Make:
    """3 x 3 in groups, dealt out in between, then 1 x 1 in groups."""

    def make(before: int, maps: int) -> nn.Module:
        first = conv_norm_act(before, maps, groups=groups)
        deal = [ChannelShuffle(groups)] if shuffled and groups > 1 else []
        return nn.Sequential(first, *deal, conv_norm_act(maps, maps, 1, groups=groups))

    return make


def several(before: int, maps: int) -> nn.Module:
    """Four branches side by side, together as many maps."""
    q = maps // 4
    return inception_block(before, q, max(4, q), 2 * q - q // 2, max(4, q // 2), q // 2, q, norm=nn.BatchNorm2d)


def residual(*, weighed: bool) -> Make:
    """Two 3 x 3 and a shortcut; `weighed`: with squeeze and excitation before the sum."""

    def make(before: int, maps: int) -> nn.Module:
        layers = [conv_norm_act(before, maps), conv_norm_act(maps, maps, act=None)]
        return Residual(nn.Sequential(*layers, *([SqueezeExcite(maps, max(4, maps // 8))] if weighed else [])))

    return make


def dense(before: int, maps: int) -> nn.Module:
    """Six layers that see all maps before them, then 1 x 1 back to as many maps."""
    block = DenseBlock(before, layers=6, growth=6)
    return nn.Sequential(block, conv_norm_act(block.out_maps, maps, 1))


KINDS: dict[str, Make] = {
    "3x3": square(3), "5x5": square(5), "7x7": square(7), "3x3 twice": stacked(2), "3x3 thrice": stacked(3),
    "separable 3x3": separable, "1x3, 3x1": lying(3), "1x7, 7x1": lying(7),
    "4 branches": several, "dense": dense, "residual": residual(weighed=False), "with SE": residual(weighed=True),
    "groups 4": grouped(4, shuffled=False), "groups 4, shuffled": grouped(4, shuffled=True),
    "groups 1": grouped(1, shuffled=False),
}  # fmt: skip


def counted() -> tuple[dict[str, Cost], dict[str, Finding]]:
    """Cost of every kind, and the claims that counting settles."""
    table = {name: cost(between(make)) for name, make in KINDS.items()}
    c = 64
    thrice, seven, twice, five = 27 * c * c, 49 * c * c, 18 * c * c, 25 * c * c
    seen = {n: summarise(stacked(n)(c, c), (c, 16, 16)).rows for n in (2, 3)}
    views = {n: max(int(r.field) for r in rows if r.kind == "Conv2d") for n, rows in seen.items()}
    pairs = (("1x7, 7x1", "5x5"), ("1x3, 3x1", "3x3"))
    saved = {f"{thin} for {whole}": 1 - table[thin].macs / table[whole].macs for thin, whole in pairs}
    cheap = {name: table["3x3"].macs / table[name].macs for name in ("separable 3x3", "1x3, 3x1")}
    mixes = {shuffled: _reached(shuffled=shuffled) for shuffled in (False, True)}
    found = {
        "E41": exact(
            views[3] == 7 and round(100 * (1 - thrice / seven)) == 45,
            f"three 3 x 3 see {views[3]} pixels a side, as one 7 x 7, with {thrice:,} weights for {seven:,} at {c} "
            f"maps, {1 - thrice / seven:.0%} fewer, and with three bends for one",
        ),
        "E42": exact(
            views[2] == 5 and twice < five,
            f"two 3 x 3 see {views[2]} pixels a side, as one 5 x 5, with {twice:,} weights and as many products a "
            f"place for {five:,}",
        ),
        "E43": exact(
            min(cheap.values()) > 1,
            "products for one picture fall "
            + ", ".join(f"{value:.1f} times ({name})" for name, value in cheap.items()),
        ),
        "E149": exact(
            table["groups 4"].macs < table["groups 1"].macs / 2.5 and mixes[True] > mixes[False],
            f"four groups: {table['groups 4'].macs:,} products for {table['groups 1'].macs:,}; an output then hears of "
            f"{mixes[False]} of 16 inputs, {mixes[True]} when they are dealt out",
        ),
        "E154": exact(
            min(saved.values()) > 0,
            "products saved: " + ", ".join(f"{value:.0%} ({name})" for name, value in saved.items()),
        ),
    }
    return table, found


def _reached(*, shuffled: bool) -> int:
    """How many of 16 maps the first output of two grouped layers depends on."""
    net = grouped(4, shuffled=shuffled)(16, 16)
    with torch.no_grad():
        for weight in net.parameters():
            weight.abs_()  # so that no ReLU cuts a path
    x = torch.ones(1, 16, 5, 5, requires_grad=True)
    with evaluating(net):
        (slope,) = torch.autograd.grad(net(x)[:, 0].sum(), x)
    return int((slope.abs().sum((0, 2, 3)) > 0).sum())


def blocks(budget: Budget) -> Outcome:
    """Costs of all kinds; in full, accuracy of those of which more is claimed, beside their rival."""
    table, findings = counted()
    rows: list[list[object]] = [[name, each.params, f"{each.macs / 1e6:.2f}"] for name, each in table.items()]
    head = ["block", "weights", "MACs, millions"]
    if not budget.full:
        return Outcome(findings, (Listing("The same net with other blocks, 16 px", head, rows),),
                       "Counted; how well they learn is measured with --full.")  # fmt: skip
    data = colours(budget.samples, 4000, 16)

    def built(name: str) -> nn.Module:
        return between(KINDS[name], 24, 48)

    def alike(name: str, rival: str, measure: Callable[[nn.Module], int]) -> Callable[[], nn.Module]:
        width = widest(lambda maps: between(KINDS[name], 2 * maps, 4 * maps), measure(built(rival)), measure)
        return lambda: between(KINDS[name], 2 * width, 4 * width)

    def macs(net: nn.Module) -> int:
        return cost(net).macs

    def params(net: nn.Module) -> int:
        return cost(net).params

    kinds: dict[str, Callable[[], nn.Module]] = {
        name: partial(built, name) for name in ("3x3", "5x5", "7x7", "4 branches", "dense", "residual", "with SE")
    }
    kinds["3x3 thrice, as dear as 7x7"] = alike("3x3 thrice", "7x7", macs)
    kinds["residual, as heavy as dense"] = alike("residual", "dense", params)
    done = raced(kinds, data, seeds=budget.seeds, steps=budget.steps, row=1140)
    hits = {name: each.hits for name, each in done.items()}
    rows = [[name, cost(done[name].nets[0]).params, f"{cost(done[name].nets[0]).macs / 1e6:.2f}",
             percent(done[name].mean)] for name in done]  # fmt: skip
    thin = done["3x3 thrice, as dear as 7x7"]
    findings |= {
        "E140": more_right(thin.hits, hits["7x7"], "three 3 x 3 beside one 7 x 7 at equal work"),
        "E144": together([
            exact(table["4 branches"].macs < table["5x5"].macs, f"{table['4 branches'].macs:,} products for "
                  f"{table['5x5'].macs:,} of 5 x 5"),
            more_right(hits["4 branches"], hits["3x3"], "branches beside 3 x 3"),
            more_right(hits["4 branches"], hits["5x5"], "branches beside 5 x 5")]),
        "E147": more_right(hits["dense"], hits["residual, as heavy as dense"],
                           "dense beside residual connections at equal weights"),
        "E148": together([
            exact(_far(weighed=True) and not _far(weighed=False), "with SE a pixel changes the far corner, without it "
                  "none does"),
            more_right(hits["with SE"], hits["residual"], "with SE beside without")]),
    }  # fmt: skip
    return Outcome(
        findings,
        (Bars("Right on test pictures", {name: each.mean for name, each in done.items()}, share=True),
         Listing("The nets that were trained", [*head, "right"], rows)),
        f"{data.note} {budget.steps} steps of 64, {budget.seeds} seeds, the seeds' answers taken together.", data.name,
    )  # fmt: skip


def _far(*, weighed: bool) -> bool:
    """Does one corner of the input change the other corner behind the block?"""
    net = residual(weighed=weighed)(8, 8)
    x = torch.rand(1, 8, 16, 16, generator=generator(148, 0))
    other = x.clone()
    other[..., 0, 0] += 3
    return bool((scores(net, x)[..., -1, -1] != scores(net, other)[..., -1, -1]).any())


EXPERIMENTS = (
    Experiment(
        "11.4",
        "Blocks",
        ("E41", "E42", "E43", "E140", "E144", "E147", "E148", "E149", "E154"),
        "Stem of 32 maps, block, pooling, 1 x 1 to 64, block, pooling, block, mean; 16 px. Quick: counted. Full: nine "
        "of them on 15,000 CIFAR-10 pictures, stem of 24 maps, 250 steps, 2 seeds, 4,000 for testing.",
        blocks,
        Budget(380, seeds=2, samples=15_000, steps=250, full=True),
        Budget(6),
        "counts are as told, and where a block is said to be better it is by interval, at equal work or weights",
    ),
)
