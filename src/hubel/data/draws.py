"""Random numbers as functions: what sample `id` draws in epoch `e` of a run with `seed` is fixed, whoever asks.

A counter goes through the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), in whole numbers on tensors, so a
CPU and a GPU draw the same, in batches of any size and order, and nothing has to be saved to resume.

Letters: B batch, n numbers a sample.
"""

from __future__ import annotations

import math

import torch

from hubel.runtime import mix

__all__ = ["Draws"]


def _signed(word: int, bits: int = 64) -> int:
    return word - (1 << bits) if word >> (bits - 1) else word


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_FIRST, _SECOND = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)
_GOLDEN32, _FIRST32, _SECOND32 = _signed(0x9E3779B9, 32), _signed(0x85EBCA6B, 32), _signed(0xC2B2AE35, 32)


class Draws:
    """The numbers that each sample of a batch draws; every call gives fresh ones.

    `ids` (B, int64) name the samples; `words` (seed, epoch, place in the chain, ...) name the occasion.

    >>> ids = torch.tensor([7, 8, 9])
    >>> Draws(ids, 0, 1).uniform()
    tensor([0.8357, 0.7458, 0.0246])
    >>> Draws(ids.flip(0), 0, 1).uniform()
    tensor([0.0246, 0.7458, 0.8357])
    """

    def __init__(self, ids: torch.Tensor, *words: int) -> None:
        self.ids = ids
        self.words = words
        self._calls = 0

    def __len__(self) -> int:
        return len(self.ids)

    def bits(self) -> torch.Tensor:
        """B, int64: 64 random bits a sample."""
        x = self.ids * _GOLDEN + _signed(mix(*self.words, self._calls))
        self._calls += 1
        # >> copies the sign on signed numbers; the mask takes those copies away
        x = (x ^ ((x >> 30) & ((1 << 34) - 1))) * _FIRST
        x = (x ^ ((x >> 27) & ((1 << 37) - 1))) * _SECOND
        return x ^ ((x >> 31) & ((1 << 33) - 1))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        """B, float32: from `low` (included) to `high`, in steps of 2⁻²⁴ of the range, exact on any device."""
        return ((self.bits() >> 40) & 0xFFFFFF).float() * (2.0**-24 * (high - low)) + low

    def sign(self) -> torch.Tensor:
        """B, float32: −1 or 1."""
        return (self.bits() & 1).float() * 2 - 1

    def integer(self, low: int, high: int) -> torch.Tensor:
        """B, int64: from `low` to `high`, both included (ranges below 2¹⁶ or so: the bias is range / 2³¹)."""
        return ((self.bits() >> 33) & 0x7FFFFFFF) % (high - low + 1) + low

    def chance(self, p: float) -> torch.Tensor:
        """B, bool: true with probability `p`."""
        return self.uniform() < p

    def counts(self, *shape: int) -> torch.Tensor:
        """B × shape, int32: whole numbers from 0 to 2²⁴ − 1, e.g. one a pixel."""
        start = (self.bits() & 0x7FFFFFFF).int()
        x = torch.arange(math.prod(shape), dtype=torch.int32, device=self.ids.device) * _GOLDEN32 + start[:, None]
        # the finaliser of MurmurHash3, 32 bits: half the memory of the above, for many numbers
        x = (x ^ ((x >> 16) & 0xFFFF)) * _FIRST32
        x = (x ^ ((x >> 13) & 0x7FFFF)) * _SECOND32
        x = (x ^ ((x >> 16) & 0xFFFF)) >> 8
        return (x & 0xFFFFFF).reshape(len(self), *shape)

    def normal(self, *shape: int) -> torch.Tensor:
        """B × shape, float32: standard normal numbers, e.g. one a pixel (none beyond 5.4)."""
        u = self.counts(*shape).float().add_(0.5).mul_(2.0**-23).sub_(1)  # (−1, 1), never its ends
        return u.erfinv_().mul_(math.sqrt(2))

    def steady(self) -> Draws:
        """The same without the epoch: numbers that a sample keeps for the whole run."""
        seed, _, *place = self.words
        return Draws(self.ids, seed, -1, *place)
