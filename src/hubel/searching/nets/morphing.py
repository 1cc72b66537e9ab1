"""Nets that grow without forgetting: a child that computes what its parent computed, wider, deeper or with more sight.

    wider     channels are copied, and what reads a channel is shared out among its copies: net to wider net
    deeper    a residual block whose last gain is 0, or a convolution that hands on what it gets: net to deeper net
    further   a window of 5 around one of 3, its rim zero

T. Chen, I. Goodfellow, J. Shlens, Net2Net: Accelerating Learning via Knowledge Transfer, arXiv:1511.05641. Two things
are done otherwise. Copies are not given equal shares with a little noise, but unequal shares of the whole: the function
stays, and no two copies stay alike. And a new batch norm begins with the mean and the variance that it will see, as its
own offset and gain, so that the function stays in training, too (H. Cai et al., arXiv:1707.04873, section 3.1).

The search is that of T. Elsken, J.-H. Metzen, F. Hutter, Simple and Efficient Architecture Search for Convolutional
Neural Networks, arXiv:1711.04528: the best net so far is changed by one step at random, and its child trains a little.

>>> space = LayerSpace.read({"layers": {"conv": {"filters": [16, 24], "kernel": [3, 5]}}})
>>> moves(["conv 16 3", "conv 16 3"], space)[:3]
[('wider', 0, 'conv 24 3'), ('wider', 1, 'conv 24 3'), ('further', 0, 'conv 16 5')]
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import cast

import torch
from torch import nn

from hubel.nn.modes import evaluating
from hubel.searching.nets.macro import CONVOLUTIONS, POOLS, STRIDED, LayerSpace, named, numbers_of

Move = tuple[str, int, str]
"""What is done (wider, further, deeper), where (for deeper: after which gene), and the gene that is there then."""
UNEQUAL = 0.5
"""The smallest share that a copy of a channel has, by the largest; between them they are spread evenly."""


def moves(genes: Sequence[str], space: LayerSpace) -> list[Move]:
    """All steps within a space that keep what a net computes."""
    return [*_wider(genes, space), *_further(genes, space), *_deeper(genes, space)]


def moved(genes: Sequence[str], move: Move) -> list[str]:
    """The genes after a step."""
    kind, place, gene = move
    cut = place + 1 if kind == "deeper" else place
    return [*genes[:cut], gene, *genes[place + 1 :]]


def step_between(before: Sequence[str], after: Sequence[str]) -> Move:
    """The step by which one net became the other.

    >>> step_between(["conv 16 3", "conv 8 3"], ["conv 16 3", "conv 16 3", "conv 8 3"])
    ('deeper', 0, 'conv 16 3')
    >>> step_between(["conv 16 3", "maxpool 2"], ["conv 16 5", "maxpool 2"])
    ('further', 0, 'conv 16 5')
    """
    places = range(len(before))
    if len(after) > len(before):
        steps: list[Move] = [("deeper", place, after[place + 1]) for place in places]
        return next(step for step in steps if moved(before, step) == list(after))
    place = next(place for place in places if before[place] != after[place])
    wider = numbers_of(before[place])[0] != numbers_of(after[place])[0]
    return "wider" if wider else "further", place, after[place]


def _wider(genes: Sequence[str], space: LayerSpace) -> list[Move]:
    found: list[Move] = []
    for place, gene in enumerate(genes):
        name = gene.split()[0]
        reader = next((other.split()[0] for other in genes[place + 1 :] if "pool" not in other), "dense")
        # What a residual block adds must be as wide as what it is added to: it would have to grow, too.
        if name in STRIDED and reader != "res":
            maps, window, stride = numbers_of(gene)
            if more := [wide for wide in space.kinds[name].filters if wide > maps]:
                found.append(("wider", place, named(name, more[0], window, stride)))
    return found


def _further(genes: Sequence[str], space: LayerSpace) -> list[Move]:
    found: list[Move] = []
    for place, gene in enumerate(genes):
        name = gene.split()[0]
        if name in CONVOLUTIONS:
            maps, window, stride = numbers_of(gene)
            if more := [side for side in space.kinds[name].windows if side > window]:
                found.append(("further", place, named(name, maps, more[0], stride)))
    return found


def _deeper(genes: Sequence[str], space: LayerSpace) -> list[Move]:
    found: list[Move] = []
    maps = 0
    for place, gene in enumerate(genes):
        maps = maps if gene.split()[0] in POOLS else numbers_of(gene)[0]
        if not maps or len(genes) >= space.depth[1]:
            continue
        for name in ("res", "conv"):  # what stands there is a rectifier's, never below 0
            kind = space.kinds.get(name)
            if kind and maps in kind.filters and 1 in kind.strides:
                found.append(("deeper", place, named(name, maps, kind.windows[0])))
    return found


@torch.no_grad()
def inherit(
    child: nn.Module, parent: nn.Module, genes: Sequence[str], move: Move, pictures: torch.Tensor, random: Random
) -> None:
    """Give `child`, built after `move`, the weights of `parent`, whose genes are `genes`: it computes the same then.

    `pictures` B C H W, as the nets see them: what a new batch norm begins with is measured on them.
    """
    kind, place, _ = move
    olds, news = parts(parent), parts(child)
    if kind == "deeper":
        new = news.pop(place + 1)
        for old, same in zip(olds, news, strict=True):
            _copy(same, old)
        _hand_on(child, new, pictures)
        return
    for number, (old, same) in enumerate(zip(olds, news, strict=True)):
        if number != place:
            reader = kind == "wider" and number == _reader(genes, place)
            if not reader:
                _copy(same, old)
    if kind == "further":
        _copy(news[place], olds[place])
        return
    shared = _widen(news[place], olds[place], random)
    reader_at = _reader(genes, place)
    _read_copies(news[reader_at], olds[reader_at], *shared)


def parts(net: nn.Module) -> list[list[nn.Module]]:
    """The layers of each gene in order, and of the head last."""
    found: list[list[nn.Module]] = []
    for name, module in net.named_children():
        begins = name.startswith(("conv", "separable", "residual", "maxpool", "avgpool", "globalpool"))
        if begins:
            found.append([])
        found[-1].append(module)
    return found


def _reader(genes: Sequence[str], place: int) -> int:
    """Which part reads the channels that `place` makes; that after the last gene is the head."""
    return next((p for p in range(place + 1, len(genes)) if "pool" not in genes[p]), len(genes))


def _copy(new: Sequence[nn.Module], old: Sequence[nn.Module]) -> None:
    """All numbers of a part, smaller windows in the middle of larger ones. Inside, layers are numbered otherwise."""
    for mine, theirs in zip(new, old, strict=True):
        for value, there in zip(mine.state_dict().values(), theirs.state_dict().values(), strict=True):
            if value.shape == there.shape:
                value.copy_(there)
            else:
                rim = (value.shape[-1] - there.shape[-1]) // 2
                value.zero_()
                value[..., rim : value.shape[-2] - rim, rim : value.shape[-1] - rim] = there


def _widen(new: Sequence[nn.Module], old: Sequence[nn.Module], random: Random) -> tuple[torch.Tensor, torch.Tensor]:
    """Copy channels of a convolution and its batch norm: of each new channel, which it copies, and its share."""
    mixing, before = _mixing(new), _mixing(old)
    many, few = mixing.out_channels, before.out_channels
    source = torch.tensor([*range(few), *(random.randrange(few) for _ in range(many - few))])
    share = torch.ones(many)
    for channel in range(few):
        copies = (source == channel).nonzero().flatten()
        weights = torch.linspace(1.0, UNEQUAL, len(copies))
        share[copies] = weights / weights.sum()
    if mixing is not new[0]:  # what stands before the mixing of a separable one is as it was
        _copy([_depthwise(new)], [_depthwise(old)])
    mixing.weight.copy_(before.weight[source])
    if mixing.bias is not None and before.bias is not None:
        mixing.bias.copy_(before.bias[source])
    for name, value in new[1].state_dict().items():
        there = old[1].state_dict()[name]
        value.copy_(there[source] if value.ndim else there)
    return source, share


def _read_copies(
    new: Sequence[nn.Module], old: Sequence[nn.Module], source: torch.Tensor, share: torch.Tensor
) -> None:  # fmt: skip
    """Let what read the channels read their copies, each by its share."""
    if isinstance(new[-1], nn.Linear):
        before = cast(nn.Linear, old[-1])
        new[-1].weight.copy_(before.weight[:, source] * share)
        new[-1].bias.copy_(before.bias)
        return
    mixing, was = _mixing(new), _mixing(old)
    if mixing is not new[0]:
        _depthwise(new).weight.copy_(_depthwise(old).weight[source])
    mixing.weight.copy_(was.weight[:, source] * share[:, None, None])
    if mixing.bias is not None and was.bias is not None:
        mixing.bias.copy_(was.bias)
    _copy(new[1:], old[1:])


def _mixing(part: Sequence[nn.Module]) -> nn.Conv2d:
    """The convolution that makes the channels of a part: itself, or the 1x1 of a separable one."""
    first = part[0]
    return first if isinstance(first, nn.Conv2d) else cast(nn.Conv2d, cast(nn.Sequential, first)[1])


def _depthwise(part: Sequence[nn.Module]) -> nn.Conv2d:
    return cast(nn.Conv2d, cast(nn.Sequential, part[0])[0])


def _hand_on(child: nn.Module, new: Sequence[nn.Module], pictures: torch.Tensor) -> None:
    """Let a new part give back what it gets."""
    if not isinstance(new[0], nn.Conv2d):
        norms = [module for module in new[0].modules() if isinstance(module, nn.BatchNorm2d)]
        norms[-1].weight.zero_()
        norms[-1].bias.zero_()
        return
    conv, norm = new[0], cast(nn.BatchNorm2d, new[1])
    nn.init.dirac_(conv.weight)
    if conv.bias is not None:
        conv.bias.zero_()
    seen: list[torch.Tensor] = []
    with evaluating(child):
        out = pictures
        for module in child.children():
            out = module(out)
            if module is conv:
                seen.append(out)
                break
    variance, mean = torch.var_mean(seen[0], dim=(0, 2, 3), correction=0)
    norm.running_mean = mean.clone()
    norm.running_var = variance.clone()
    norm.bias.copy_(mean)
    norm.weight.copy_((variance + norm.eps).sqrt())
