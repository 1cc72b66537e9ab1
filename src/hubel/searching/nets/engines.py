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
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge

from hubel.errors import UsageError, unknown
from hubel.searching.engines import Proposal
from hubel.searching.journal import Trial
from hubel.searching.nets.genes import DEEPEST, MAPS, SHALLOWEST, SMALLEST, WINDOWS, NetSpace, without_dense
from hubel.searching.nets.morphing import moved, moves
from hubel.searching.nets.one_shot import WEIGHTS, OneShot
from hubel.searching.nets.reinforce import Reinforce

HOW = (
    "random", "evolution", "hierarchical", "reinforce", "q-learning", "progressive", "morphism", "enas", "smash",
)  # fmt: skip
OF_CELLS = ("random", "evolution")
"""Ways that search cells, too; `hierarchical` has cells of its own."""
POPULATION, SAMPLE = 12, 4
"""Of evolution: how many live, and how many meet in a tournament (100 and 25 in the paper, of 20,000 nets)."""
EPSILON = ((8, 1.0), (8, 0.7), (8, 0.4), (10**9, 0.1))
"""Of Q-learning: (trials, share of random moves), one after the other (2,700 nets from 1.0 to 0.1 in the paper)."""
Q_RATE, REPLAYS = 0.1, 20
BEAM = 6
"""Of the progressive search: nets of each depth that are trained (256 in the paper)."""
END = "end"
STARTS = 3
"""Of morphism: small nets to begin with."""


class RandomNets:
    """Every net drawn by itself."""

    def __init__(self, space: NetSpace, seed: int) -> None:
        self.space, self.seed = space, seed

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """A draw that depends on nothing but its number."""
        return Proposal(self.space.draw(self._random(number, attempt)), "drawn at random")

    def smallest(self) -> dict[str, Any]:
        """The smallest net that may be proposed."""
        return self.space.smallest()

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
    A state is the depth, the layer before and the poolings so far.
    """

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """A walk, greedy but for a share of random moves that shrinks."""
        random, table = self._random(number, attempt), self._learnt(known(tried))
        epsilon = _epsilon(len(tried)) if attempt < 5 else 1.0
        genes: list[str] = []
        greedy = 0
        while len(genes) < DEEPEST:
            actions = self._actions(genes)
            values = table[_state(genes)]
            if random.random() < epsilon or not values:
                gene = random.choice(actions)
            else:
                gene = max((action for action in actions if action in values), key=lambda a: values[a], default="")
                gene, greedy = gene or random.choice(actions), greedy + 1
            if gene == END:
                break
            genes.append(gene)
        return Proposal({"net": genes}, f"ε = {epsilon:g}: {greedy} of {len(genes)} layers as learnt")

    def _learnt(self, tried: Sequence[Trial]) -> dict[tuple[Any, ...], dict[str, float]]:
        table: dict[tuple[Any, ...], dict[str, float]] = defaultdict(dict)
        shuffled = Random(self.seed)
        for _ in range(REPLAYS if tried else 0):
            for trial in shuffled.sample(list(tried), len(tried)):
                genes = list(trial.values["net"])
                steps = [*genes, *([END] if len(genes) < DEEPEST else [])]
                for place in reversed(range(len(steps))):
                    after = table.get(_state(genes[: place + 1]), {})
                    goal = float(trial.score or 0.0) if place == len(steps) - 1 else max(after.values(), default=0.5)
                    known_as = table[_state(genes[:place])]
                    old = known_as.get(steps[place], 0.5)
                    known_as[steps[place]] = old + Q_RATE * (goal - old)
        return table

    def _actions(self, genes: Sequence[str]) -> list[str]:
        may_pool = self.space.side >> (sum("pool" in gene for gene in genes) + 1) >= 4
        found = [f"{kind} {maps} {window}" for kind in ("conv", "sep", "res") for maps in MAPS for window in WINDOWS]
        return [*found, *(["maxpool 2", "avgpool 2"] if may_pool else []), *([END] if len(genes) >= SHALLOWEST else [])]


class Progressive(QLearning):
    """From shallow to deep: a predictor of accuracy picks which of the nets one layer deeper are worth training."""

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """The extension that the predictor expects most of; at random while there is nothing to learn from."""
        random, seen = self._random(number, attempt), known(tried)
        depth = SHALLOWEST + len(seen) // BEAM
        if depth == SHALLOWEST or attempt > 20:
            genes: list[str] = []
            while len(genes) < min(depth, DEEPEST):
                genes.append(random.choice([action for action in self._actions(genes) if action != END]))
            return Proposal({"net": genes}, f"depth {len(genes)}, drawn at random")
        depth = min(depth, DEEPEST)
        shallower = [trial for trial in seen if len(trial.values["net"]) == depth - 1] or seen
        best = sorted(shallower, key=lambda trial: (-(trial.score or 0.0), trial.number))[:BEAM]
        model = Ridge(alpha=1.0).fit([encoded(t.values["net"]) for t in seen], [t.score or 0.0 for t in seen])
        children = [
            [*trial.values["net"], action] for trial in best for action in self._actions(trial.values["net"])
            if action != END
        ]  # fmt: skip
        tried_already = {tuple(trial.values["net"]) for trial in seen}
        children = [child for child in children if tuple(child) not in tried_already and len(child) <= DEEPEST]
        if not children:
            return super().propose(tried, number, attempt + 6)
        expected = model.predict([encoded(child) for child in children])
        order = np.argsort(-expected, kind="stable")
        place = int(order[min(attempt, len(order) - 1)])
        return Proposal({"net": children[place]}, f"depth {len(children[place])}, expected {expected[place]:.1%}")


class Morphism(QLearning):
    """Hill climbing: the best net so far is made wider, deeper or further-sighted, and its child keeps its weights."""

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """A child of the best; small nets while there is none, and of one of the best where no step is left."""
        random, seen = self._random(number, attempt), known(tried)
        if len(seen) < STARTS:
            genes = self._start(random.choice(MAPS[:3]), random.choice(MAPS[:3]))
            return Proposal({"net": genes}, "a small net to begin with")
        best = sorted(seen, key=lambda trial: (-(trial.score or 0.0), trial.number))
        parent = best[0] if attempt < 20 else random.choice(best[:POPULATION])
        steps = moves(parent.values["net"])
        if not steps:
            return Proposal({"net": without_dense(self.space.draw(random)["net"])}, "drawn at random")
        move = random.choice(steps)
        kind, place, gene = move
        where = f"{gene} after {place + 1}" if kind == "deeper" else f"{gene} at {place + 1}"
        child = {"net": moved(parent.values["net"], move), "parent": parent.number}
        return Proposal(child, f"child of trial {parent.number}, with its weights: {kind}, {where}")

    def smallest(self) -> dict[str, Any]:
        """The smallest net to begin with; children are larger."""
        return {"net": self._start(MAPS[0], MAPS[0])}

    def _start(self, first: int, second: int) -> list[str]:
        pool = ["maxpool 2"] if self.space.side >> 1 >= SMALLEST else []
        return [f"conv {first} 3", *pool, f"conv {second} 3"]


def encoded(genes: Sequence[str]) -> list[float]:
    """A net as numbers: how often each kind, its mean logarithm of maps and window, by half of the depth."""
    found: list[float] = [float(len(genes))]
    half = (len(genes) + 1) // 2
    for part in (genes[:half], genes[half:]):
        for kind in ("conv", "sep", "res", "maxpool", "avgpool"):
            found.append(float(sum(gene.startswith(kind) for gene in part)))
        wide = [gene.split() for gene in part if "pool" not in gene]
        found.append(float(np.mean([np.log2(int(maps)) for _, maps, _ in wide])) if wide else 0.0)
        found.append(float(np.mean([int(window) for _, _, window in wide])) if wide else 0.0)
    return found


def known(tried: Sequence[Trial]) -> list[Trial]:
    """Nets with a result, in the order in which they were tried."""
    return [trial for trial in tried if trial.values and trial.score is not None and trial.status != "failed"]


def _state(genes: Sequence[str]) -> tuple[Any, ...]:
    return len(genes), genes[-1] if genes else "", sum("pool" in gene for gene in genes)


def _epsilon(number: int) -> float:
    for many, epsilon in EPSILON:
        if number < many:
            return epsilon
        number -= many
    return EPSILON[-1][1]


def net_engine(how: str, space: NetSpace, seed: int) -> RandomNets | OneShot | Reinforce:
    """The engine called `how`. Raises UnknownName; UsageError for one that cannot search this space."""
    if how not in HOW:
        raise unknown("way to search nets", how, HOW)
    if (how == "hierarchical") != (space.kind == "motifs"):
        raise UsageError("hierarchical searches cells of motifs, a space of its own", hint="leave --cells out")
    if how not in OF_CELLS and space.kind == "cells":
        raise UsageError(
            f"{how} lays layer upon layer: it searches no cells", hint=f"--nets evolution --cells, or --nets {how}"
        )
    if how in WEIGHTS:
        return OneShot(how, space.side, seed)
    if how == "reinforce":
        return Reinforce(space, seed)
    engine = {
        "random": RandomNets, "evolution": Evolution, "hierarchical": Hierarchical, "q-learning": QLearning,
        "progressive": Progressive, "morphism": Morphism,
    }[how]  # fmt: skip
    return engine(space, seed)
