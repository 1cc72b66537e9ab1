"""NAS: a recurrent controller lays layer upon layer, and is paid the accuracy of the finished net.

B. Zoph, Q. Le, Neural Architecture Search with Reinforcement Learning, arXiv:1611.01578 (ICLR 2017), section 3. A layer
is three words, its kind, its maps and its window, each said after all that was said before; the net ends where the
controller says so (in the paper all nets of a time are equally deep). Skip connections are the residual layers.

>>> from dataclasses import replace
>>> kind = {"filters": [16, 24], "kernel": [3, 5]}
>>> space = LayerSpace.read({"depth": "2..9", "layers": {"conv": kind, "res": kind, "maxpool": {}}})
>>> space = replace(space, side=28)
>>> words = ["conv", "16", "3", "maxpool 2", "res", "24", "5", "end"]
>>> genes_said(words), words_of(genes_said(words), space) == words
(['conv 16 3', 'maxpool 2', 'res 24 5'], True)
>>> may_follow(words[:2], space), may_follow(words[:4], space), may_follow(words, space)
(('3', '5'), ('conv', 'res', 'maxpool 2', 'end'), ())
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import torch

from hubel.searching.engines import Proposal
from hubel.searching.journal import Trial
from hubel.searching.nets.controller import Controller, Reinforced
from hubel.searching.nets.macro import CONVOLUTIONS, LAST, POOLS, LayerSpace, numbers_of

RATE = 0.01
"""Of Adam (0.0006 in the paper, for 12,800 nets)."""
POWER = 3
"""The reward is the accuracy to this power, as in the paper."""


def words_in(space: LayerSpace) -> list[str]:
    """Every word of which the nets of a space are made."""
    kinds = {name: kind for name, kind in space.kinds.items() if name in CONVOLUTIONS}
    pools = [f"{name} {window}" for name in POOLS if name in space.kinds for window in space.kinds[name].windows]
    maps = sorted({maps for kind in kinds.values() for maps in kind.filters})
    windows = sorted({window for kind in kinds.values() for window in kind.windows})
    strides = sorted({stride for kind in kinds.values() for stride in kind.strides if kind.strides != (1,)})
    words = [*kinds, *pools, LAST, *map(str, maps), *map(str, windows), *(f"stride {stride}" for stride in strides)]
    return list(dict.fromkeys(words))


def may_follow(words: Sequence[str], space: LayerSpace) -> tuple[str, ...]:
    """What may be said after some words."""
    if words and words[-1] == LAST:
        return ()
    genes, begun = genes_said(words), _begun(words, space)
    if begun is not None:
        name, *numbers = begun
        kind = space.kinds[name]
        if not numbers:
            return tuple(map(str, kind.filters))
        if len(numbers) == 1:
            return tuple(map(str, kind.windows))
        return tuple(f"stride {stride}" for stride in space.strides(name, genes[:-1]))
    if len(genes) == space.depth[1]:
        return ()
    found, room = [], space.room(genes)
    for name in space.fitting(genes):
        windows = space.kinds[name].windows
        found += [f"{name} {window}" for window in windows if window <= room] if name in POOLS else [name]
    return (*found, *((LAST,) if len(genes) >= space.depth[0] else ()))


def genes_said(words: Sequence[str]) -> list[str]:
    """The net that a sentence is; its last layer may be one of which not all is said."""
    genes: list[str] = []
    for word in words:
        if word.split()[0] in (*CONVOLUTIONS, *POOLS):
            genes.append(word)
        elif word not in (LAST, "stride 1"):
            genes[-1] += f" {word.removeprefix('stride ')}"
    return genes


def words_of(genes: Sequence[str], space: LayerSpace) -> list[str]:
    """The sentence that a net is."""
    words: list[str] = []
    for gene in genes:
        name = gene.split()[0]
        if name in POOLS:
            words.append(gene)
            continue
        maps, window, stride = numbers_of(gene)
        words += [name, str(maps), str(window)]
        words += [f"stride {stride}"] if space.kinds[name].strides != (1,) else []
    return [*words, *([LAST] if len(genes) < space.depth[1] else [])]


def _begun(words: Sequence[str], space: LayerSpace) -> list[str] | None:
    """The words of a convolution of which not all is said; None where the last layer is whole."""
    place = next((at for at in reversed(range(len(words))) if words[at].split()[0] in space.kinds), None)
    if place is None or words[place] not in CONVOLUTIONS:
        return None
    said = list(words[place:])
    return said if len(said) < (3 if space.kinds[said[0]].strides == (1,) else 4) else None


class Reinforce:
    """Proposes what the controller writes after it has learnt from all nets so far, one after the other."""

    def __init__(self, space: LayerSpace, seed: int) -> None:
        self.space, self.seed = space, seed
        self._learnt: list[tuple[int, float]] = []
        """(trial, score) that the pupil has learnt from: a shorter way to what could be learnt anew."""
        self._pupil = self._new()

    def small_nets(self) -> Iterator[dict[str, Any]]:
        """Nets of which one is the smallest that may be proposed."""
        return self.space.small_nets()

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """A net that the controller writes; what it has learnt follows from `tried` alone."""
        known = [trial for trial in tried if trial.values and trial.score is not None and trial.status != "failed"]
        facts = [(trial.number, float(trial.score or 0.0)) for trial in known]
        if facts[: len(self._learnt)] != self._learnt:
            self._learnt, self._pupil = [], self._new()
        for trial, fact in zip(known[len(self._learnt) :], facts[len(self._learnt) :], strict=True):
            self._pupil.learn(words_of(trial.values["net"], self.space), max(0.0, fact[1]) ** POWER)
        self._learnt = facts
        words = self._pupil.controller.write(self._grammar, Random(f"{self.seed}/{number}/{attempt}"))
        with torch.no_grad():
            chance = float(self._pupil.controller.judge(words, self._grammar)[0].exp())
        return Proposal({"net": genes_said(words)}, f"written by the controller, probability {chance:.2g}")

    def _new(self) -> Reinforced:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return Reinforced(Controller(words_in(self.space)), self._grammar, rate=RATE)

    def _grammar(self, words: Sequence[str]) -> tuple[str, ...]:
        return may_follow(words, self.space)
