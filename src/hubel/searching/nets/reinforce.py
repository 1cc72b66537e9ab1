"""NAS: a recurrent controller lays layer upon layer, and is paid the accuracy of the finished net.

B. Zoph, Q. Le, Neural Architecture Search with Reinforcement Learning, arXiv:1611.01578 (ICLR 2017), section 3. A layer
is three words, its kind, its maps and its window, each said after all that was said before; the net ends where the
controller says so (in the paper all nets of a time are equally deep). Skip connections are the residual layers.

>>> words = ["conv", "16", "3", "maxpool 2", "res", "24", "5", "end"]
>>> genes_said(words)
['conv 16 3', 'maxpool 2', 'res 24 5']
>>> may_follow(words[:2], 28), may_follow(words[:4], 28)[-3:], may_follow(words, 28)
(('3', '5'), ('maxpool 2', 'avgpool 2', 'end'), ())
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import torch

from hubel.searching.engines import Proposal
from hubel.searching.journal import Trial
from hubel.searching.nets.controller import Controller, Reinforced
from hubel.searching.nets.genes import DEEPEST, MAPS, SHALLOWEST, SMALLEST, WINDOWS, NetSpace

KINDS, POOLS, END = ("conv", "sep", "res"), ("maxpool 2", "avgpool 2"), "end"
NUMBERS = tuple(map(str, MAPS))
SIDES = tuple(map(str, WINDOWS))
WORDS = (*KINDS, *POOLS, END, *NUMBERS, *SIDES)
RATE = 0.01
"""Of Adam (0.0006 in the paper, for 12,800 nets)."""
POWER = 3
"""The reward is the accuracy to this power, as in the paper."""


def may_follow(words: Sequence[str], side: int) -> tuple[str, ...]:
    """What may be said after some words, for pictures of `side` pixels."""
    last = words[-1] if words else ""
    if last in KINDS:
        return NUMBERS
    if last in NUMBERS:
        return SIDES
    depth = sum(word in KINDS or word in POOLS for word in words)
    if last == END or depth == DEEPEST:
        return ()
    pools = sum(word in POOLS for word in words)
    return (
        *KINDS, *(POOLS if side >> (pools + 1) >= SMALLEST else ()), *((END,) if depth >= SHALLOWEST else ()),
    )  # fmt: skip


def genes_said(words: Sequence[str]) -> list[str]:
    """The net that a sentence is."""
    genes: list[str] = []
    for word in words:
        if word in KINDS or word in POOLS:
            genes.append(word)
        elif word != END:
            genes[-1] += f" {word}"
    return genes


def words_of(genes: Sequence[str]) -> list[str]:
    """The sentence that a net is.

    >>> words_of(["conv 16 3", "maxpool 2"])
    ['conv', '16', '3', 'maxpool 2', 'end']
    """
    words = [word for gene in genes for word in ([gene] if gene in POOLS else gene.split())]
    return [*words, *([END] if len(genes) < DEEPEST else [])]


class Reinforce:
    """Proposes what the controller writes after it has learnt from all nets so far, one after the other."""

    def __init__(self, space: NetSpace, seed: int) -> None:
        self.space, self.seed = space, seed
        self._learnt: list[tuple[int, float]] = []
        """(trial, score) that the pupil has learnt from: a shorter way to what could be learnt anew."""
        self._pupil = self._new()

    def smallest(self) -> dict[str, Any]:
        """The smallest net that may be proposed."""
        return self.space.smallest()

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """A net that the controller writes; what it has learnt follows from `tried` alone."""
        known = [trial for trial in tried if trial.values and trial.score is not None and trial.status != "failed"]
        facts = [(trial.number, float(trial.score or 0.0)) for trial in known]
        if facts[: len(self._learnt)] != self._learnt:
            self._learnt, self._pupil = [], self._new()
        for trial, fact in zip(known[len(self._learnt) :], facts[len(self._learnt) :], strict=True):
            self._pupil.learn(words_of(trial.values["net"]), max(0.0, fact[1]) ** POWER)
        self._learnt = facts
        words = self._pupil.controller.write(self._grammar, Random(f"{self.seed}/{number}/{attempt}"))
        with torch.no_grad():
            chance = float(self._pupil.controller.judge(words, self._grammar)[0].exp())
        return Proposal({"net": genes_said(words)}, f"written by the controller, probability {chance:.2g}")

    def _new(self) -> Reinforced:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return Reinforced(Controller(WORDS), self._grammar, rate=RATE)

    def _grammar(self, words: Sequence[str]) -> tuple[str, ...]:
        return may_follow(words, self.space.side)
