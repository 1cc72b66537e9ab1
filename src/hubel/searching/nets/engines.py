"""Who proposes nets: at random, by evolution, by Q-learning, or step by step. Each a function of what was tried so far.

random        C. Sciuto et al., Evaluating the Search Phase of Neural Architecture Search, arXiv:1902.08142: the
              baseline that many a method does not beat
evolution     E. Real, A. Aggarwal, Y. Huang, Q. Le, Regularized Evolution for Image Classifier Architecture Search
              (AmoebaNet), arXiv:1802.01548
hierarchical  H. Liu, K. Simonyan, O. Vinyals, C. Fernando, K. Kavukcuoglu, Hierarchical Representations for Efficient
              Architecture Search, arXiv:1711.00436
q-learning    B. Baker, O. Gupta, N. Naik, R. Raskar, Designing Neural Network Architectures using Reinforcement
              Learning (MetaQNN), arXiv:1611.02167
progressive   C. Liu et al., Progressive Neural Architecture Search (PNAS), arXiv:1712.00559
morphism      T. Elsken, J.-H. Metzen, F. Hutter, Simple and Efficient Architecture Search for Convolutional Neural
              Networks, arXiv:1711.04528; H. Cai et al., arXiv:1707.04873
reinforce     B. Zoph, Q. Le, Neural Architecture Search with Reinforcement Learning (NAS), arXiv:1611.01578
enas          H. Pham et al., Efficient Neural Architecture Search via Parameter Sharing, arXiv:1802.03268
smash         A. Brock et al., SMASH: One-Shot Model Architecture Search through HyperNetworks, arXiv:1708.05344
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

import numpy as np
from sklearn.linear_model import Ridge

from hubel.errors import UsageError, unknown
from hubel.searching.engines import Proposal
from hubel.searching.journal import Trial
from hubel.searching.nets.genes import USUAL, NetSpace, without_dense
from hubel.searching.nets.macro import CONVOLUTIONS, KINDS, LAST, LayerSpace, named, numbers_of, shrinkage
from hubel.searching.nets.morphing import moved, moves
from hubel.searching.nets.one_shot import OneShot
from hubel.searching.nets.reinforce import Reinforce
from hubel.searching.nets.spaces import usual_nets, usual_text

POPULATION, SAMPLE = 12, 4
"""Of evolution: how many live, and how many meet in a tournament (100 and 25 in the paper, of 20,000 nets)."""
EPSILON = ((8, 1.0), (8, 0.7), (8, 0.4), (10**9, 0.1))
"""Of Q-learning: (trials, share of random moves), one after the other (2,700 nets from 1.0 to 0.1 in the paper)."""
Q_RATE, REPLAYS = 0.1, 20
BEAM = 6
"""Of the progressive search: nets of each depth that are trained (256 in the paper)."""
STARTS = 3
"""Of morphism: small nets to begin with."""


class NetEngine(Protocol):
    """Proposes nets, as `hubel.searching.engines.Engine` has it, and knows the smallest."""

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """The net to try as trial `number`; another one at each further attempt."""
        ...

    def small_nets(self) -> Iterator[dict[str, Any]]:
        """Nets of which one is the smallest that may be proposed."""
        ...


class RandomNets:
    """Every net drawn by itself."""

    def __init__(self, space: NetSpace, seed: int) -> None:
        self.space, self.seed = space, seed

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """A draw that depends on nothing but its number."""
        return Proposal(self.space.draw(self._random(number, attempt)), "drawn at random")

    def small_nets(self) -> Iterator[dict[str, Any]]:
        """Nets of which one is the smallest that may be proposed."""
        return self.space.small_nets()

    def _random(self, number: int, attempt: int) -> Random:
        return Random(f"{self.seed}/{number}/{attempt}")


class Evolution(RandomNets):
    """Ageing evolution: the best of a few of the youngest is changed in one place; the oldest dies, however good."""

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """A child of the winner of a tournament, once the first population is there."""
        random = self._random(number, attempt)
        living = known(tried)[-POPULATION:]
        if len(living) < POPULATION:
            return Proposal(self.space.draw(random), "the first population")
        parent = max(random.sample(living, SAMPLE), key=lambda trial: (trial.score or 0.0, -trial.number))
        child, changed = self.space.mutate(parent.values, random)
        return Proposal(child, f"child of trial {parent.number}: {changed}")


class Hierarchical(RandomNets):
    """Evolution of motifs of motifs: the best of a few of all so far is changed at one edge of one level; none dies."""

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """A child of the winner of a tournament among all, once the first population is there."""
        random = self._random(number, attempt)
        living = known(tried)
        if len(living) < POPULATION:
            return Proposal(self.space.draw(random), "the first population")
        parent = max(random.sample(living, SAMPLE), key=lambda trial: (trial.score or 0.0, -trial.number))
        child, changed = self.space.mutate(parent.values, random)
        return Proposal(child, f"child of trial {parent.number}: {changed}")


class QLearning(RandomNets):
    """An agent lays layer upon layer; what a net reaches in the end is the reward of every choice that led there.

    Q(s, a) moves by 0.1 towards max_a' Q(s', a') (the last choice: towards the accuracy), replayed over all nets tried.
    A state is the depth, the layer before and how many have made the maps smaller.
    """

    space: LayerSpace

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """A walk, greedy but for a share of random moves that shrinks."""
        random, table = self._random(number, attempt), self._learnt(known(tried))
        epsilon = _epsilon(len(tried)) if attempt < 5 else 1.0
        genes: list[str] = []
        greedy = 0
        while len(genes) < self.space.depth[1]:
            actions = self.space.actions(genes)
            values = table[_state(genes)]
            if random.random() < epsilon or not values:
                gene = random.choice(actions)
            else:
                gene = max((action for action in actions if action in values), key=lambda a: values[a], default="")
                gene, greedy = gene or random.choice(actions), greedy + 1
            if gene == LAST:
                break
            genes.append(gene)
        return Proposal({"net": genes}, f"ε = {epsilon:g}: {greedy} of {len(genes)} layers as learnt")

    def _learnt(self, tried: Sequence[Trial]) -> dict[tuple[Any, ...], dict[str, float]]:
        table: dict[tuple[Any, ...], dict[str, float]] = defaultdict(dict)
        shuffled = Random(self.seed)
        for _ in range(REPLAYS if tried else 0):
            for trial in shuffled.sample(list(tried), len(tried)):
                genes = list(trial.values["net"])
                steps = [*genes, *([LAST] if len(genes) < self.space.depth[1] else [])]
                for place in reversed(range(len(steps))):
                    after = table.get(_state(genes[: place + 1]), {})
                    goal = float(trial.score or 0.0) if place == len(steps) - 1 else max(after.values(), default=0.5)
                    known_as = table[_state(genes[:place])]
                    old = known_as.get(steps[place], 0.5)
                    known_as[steps[place]] = old + Q_RATE * (goal - old)
        return table


class Progressive(QLearning):
    """From shallow to deep: a predictor of accuracy picks which of the nets one layer deeper are worth training."""

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """The extension that the predictor expects most of; at random while there is nothing to learn from."""
        random, seen = self._random(number, attempt), known(tried)
        depth = self.space.depth[0] + len(seen) // BEAM
        if depth == self.space.depth[0] or attempt > 20:
            genes: list[str] = []
            while len(genes) < min(depth, self.space.depth[1]):
                genes.append(random.choice([action for action in self.space.actions(genes) if action != LAST]))
            return Proposal({"net": genes}, f"depth {len(genes)}, drawn at random")
        depth = min(depth, self.space.depth[1])
        shallower = [trial for trial in seen if len(trial.values["net"]) == depth - 1] or seen
        best = sorted(shallower, key=lambda trial: (-(trial.score or 0.0), trial.number))[:BEAM]
        model = Ridge(alpha=1.0).fit([self._encoded(t.values["net"]) for t in seen], [t.score or 0.0 for t in seen])
        children = [
            [*trial.values["net"], action] for trial in best for action in self.space.actions(trial.values["net"])
            if action != LAST
        ]  # fmt: skip
        tried_already = {tuple(trial.values["net"]) for trial in seen}
        children = [
            child for child in children if tuple(child) not in tried_already and len(child) <= self.space.depth[1]
        ]
        if not children:
            return super().propose(tried, number, attempt + 6)
        expected = model.predict([self._encoded(child) for child in children])
        order = np.argsort(-expected, kind="stable")
        place = int(order[min(attempt, len(order) - 1)])
        return Proposal({"net": children[place]}, f"depth {len(children[place])}, expected {expected[place]:.1%}")

    def _encoded(self, genes: Sequence[str]) -> list[float]:
        return [*encoded(genes), *([float(sum(map(_strided, genes)))] if self.space.strided else [])]


class Morphism(QLearning):
    """Hill climbing: the best net so far is made wider, deeper or further-sighted, and its child keeps its weights."""

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """A child of the best; small nets while there is none, and of one of the best where no step is left."""
        random, seen = self._random(number, attempt), known(tried)
        if len(seen) < STARTS:
            narrow = self.space.kinds["conv"].filters[:3]
            genes = self._start(random.choice(narrow), random.choice(narrow))
            return Proposal({"net": genes}, "a small net to begin with")
        best = sorted(seen, key=lambda trial: (-(trial.score or 0.0), trial.number))
        parent = best[0] if attempt < 20 else random.choice(best[:POPULATION])
        steps = moves(parent.values["net"], self.space)
        if not steps:
            return Proposal({"net": without_dense(self.space.draw(random)["net"])}, "drawn at random")
        move = random.choice(steps)
        kind, place, gene = move
        where = f"{gene} after {place + 1}" if kind == "deeper" else f"{gene} at {place + 1}"
        child = {"net": moved(parent.values["net"], move), "parent": parent.number}
        return Proposal(child, f"child of trial {parent.number}, with its weights: {kind}, {where}")

    def small_nets(self) -> Iterator[dict[str, Any]]:
        """The smallest net to begin with; children are larger."""
        maps = self.space.kinds["conv"].filters[0]
        yield {"net": self._start(maps, maps)}

    def _start(self, first: int, second: int) -> list[str]:
        """Two convolutions around a pooling; one, or more of the second, where nets must be so shallow or deep."""
        shallow, deep = self.space.depth
        pools = [gene for gene in self.space.actions([]) if gene.startswith("maxpool")] if deep > 2 else []
        window = self.space.kinds["conv"].windows[0]
        begun, more = [named("conv", first, window), *pools[:1]], named("conv", second, window)
        return [*begun, *[more] * (max(shallow, min(deep, len(begun) + 1)) - len(begun))]


def encoded(genes: Sequence[str]) -> list[float]:
    """A net as numbers: how often each kind, its mean logarithm of maps and window, by half of the depth."""
    found: list[float] = [float(len(genes))]
    half = (len(genes) + 1) // 2
    for part in (genes[:half], genes[half:]):
        for kind in KINDS:
            found.append(float(sum(gene.startswith(kind) for gene in part)))
        wide = [numbers_of(gene) for gene in part if gene.split()[0] in CONVOLUTIONS]
        found.append(float(np.mean([np.log2(maps) for maps, _, _ in wide])) if wide else 0.0)
        found.append(float(np.mean([window for _, window, _ in wide])) if wide else 0.0)
    return found


def _strided(gene: str) -> bool:
    return gene.split()[0] in CONVOLUTIONS and shrinkage(gene) > 1


def known(tried: Sequence[Trial]) -> list[Trial]:
    """Nets with a result, in the order in which they were tried."""
    return [trial for trial in tried if trial.values and trial.score is not None and trial.status != "failed"]


def _state(genes: Sequence[str]) -> tuple[Any, ...]:
    return len(genes), genes[-1] if genes else "", sum(shrinkage(gene) > 1 for gene in genes)


def _epsilon(number: int) -> float:
    for many, epsilon in EPSILON:
        if number < many:
            return epsilon
        number -= many
    return EPSILON[-1][1]


def refuse_dense(how: str, space: NetSpace) -> None:
    """Raise UsageError for a dense layer, which a way lays none of."""
    if isinstance(space, LayerSpace) and space.dense:
        raise UsageError(
            f"--nets {how} lays no dense layer before the last, as its paper has it, and the space has dense",
            hint="take dense out of the space; random and evolution search it",
        )


def refuse_for_morphism(how: str, space: NetSpace) -> None:
    """Raise UsageError for a space in which no net grows without forgetting."""
    refuse_dense(how, space)
    assert isinstance(space, LayerSpace)
    conv, style = space.kinds.get("conv"), space.style
    if style != USUAL:
        raise UsageError(
            f"--nets {how} puts in layers that change nothing, which are known with batchnorm and relu alone, and the "
            f"space has norm: {style.norm}, activation: {style.activation}",
            hint="leave norm and activation out, or --nets evolution",
        )
    if conv is None or 1 not in conv.strides:
        raise UsageError(
            f"--nets {how} begins with small nets of conv, and the space has none with a stride of 1",
            hint="put it in: conv: {filters: [8, 16], kernel: [3]}, or --nets evolution",
        )


@dataclass(frozen=True)
class Way:
    """A way of searching nets."""

    engine: Callable[[Any, int], NetEngine]
    """What proposes, of a space and a seed."""
    does: str
    """How, in a few words, where it is asked for what it cannot do."""
    spaces: Mapping[str, tuple[str, ...]]
    """The kinds of spaces that it searches, the usual one first -> the files of that."""
    check: Callable[[str, NetSpace], None] = lambda how, space: None
    """Raises UsageError for what it cannot express of a space of that kind."""


_LAYERS = {"layers": ("layers",)}
_MORE = {"layers": ("layers", "dense"), "cells": ("cells",)}
_PATHS = {"paths": ("paths",)}
WAYS = {
    "random": Way(RandomNets, "draws each net by itself", _MORE),
    "evolution": Way(Evolution, "changes nets in one place", _MORE),
    "hierarchical": Way(Hierarchical, "joins motifs to cells, a space of its own", {"motifs": ("motifs",)}),
    "reinforce": Way(Reinforce, "lays layer upon layer", _LAYERS, refuse_dense),
    "q-learning": Way(QLearning, "lays layer upon layer", _LAYERS, refuse_dense),
    "progressive": Way(Progressive, "lays layer upon layer", _LAYERS, refuse_dense),
    "morphism": Way(Morphism, "makes layers grow", _LAYERS, refuse_for_morphism),
    "enas": Way(lambda space, seed: OneShot("enas", space, seed), "chooses paths through one net", _PATHS),
    "smash": Way(lambda space, seed: OneShot("smash", space, seed), "chooses paths through one net", _PATHS),
}
HOW = tuple(WAYS)


def way_of(how: str) -> Way:
    """The way called `how`. Raises UnknownName."""
    if how not in WAYS:
        raise unknown("way to search nets", how, HOW)
    return WAYS[how]


def usual_files(how: str, *, cells: bool = False) -> tuple[str, ...]:
    """Of which files the usual space of a way is. Raises UnknownName; UsageError for a way that searches no cells."""
    spaces = way_of(how).spaces
    if cells:
        _check_kind(how, "cells")
    return spaces["cells"] if cells else next(iter(spaces.values()))


def usual_space_of(how: str, *, cells: bool = False) -> NetSpace:
    """What `how` searches where no space is given. Raises UnknownName, UsageError."""
    return usual_nets(*usual_files(how, cells=cells))


def usual_text_of(how: str, *, cells: bool = False) -> str:
    """The same in YAML. Raises UnknownName, UsageError."""
    return usual_text(*usual_files(how, cells=cells))


def check_space(how: str, space: NetSpace) -> None:
    """Raise UsageError for a space that a way cannot search. Raises UnknownName, too."""
    _check_kind(how, space.kind)
    way_of(how).check(how, space)


def net_engine(how: str, space: NetSpace, seed: int) -> NetEngine:
    """The engine called `how`. Raises UnknownName; UsageError for one that cannot search this space."""
    check_space(how, space)
    return way_of(how).engine(space, seed)


def _check_kind(how: str, kind: str) -> None:
    way = way_of(how)
    if kind not in way.spaces:
        able = [name for name, other in WAYS.items() if kind in other.spaces]
        raise UsageError(
            f"--nets {how} {way.does}: it searches no {kind}, but {' and '.join(way.spaces)}",
            hint=f"{kind} are searched by {', '.join(able)}; hubel search --nets {how} --print-space prints what {how} "
            "searches",
        )
