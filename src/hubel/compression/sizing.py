"""How many bytes a net takes, in four ways of keeping it, and how much of it may stay within a number of bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from hubel.checkpoint.huffman import coded_bytes
from hubel.checkpoint.packed import sparse_bytes
from hubel.compression.pruning import Ranking
from hubel.compression.sharing import MOST_BITS, MOST_STEPS, Bits, bits_for, cluster
from hubel.errors import UsageError
from hubel.words import amount, parse_amount

TRIES = 14
"""Halvings until the share that stays is known well enough."""
ROUGH = 8
"""Steps of k-means while sizes are only foreseen."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """What the filters and matrices take, the rest of the net left aside."""

    pruned: int
    """Zeros left out: places in Huffman's code, weights as float32."""
    shared: int
    """Values that are shared too: their tables, and a number of a few bits a weight."""
    coded: int
    """These numbers in Huffman's code, too."""


def bytes_of(weights: Mapping[str, torch.Tensor], bits: Bits, *, steps: int) -> Bytes:
    """Of weights as they are, once they share values; `steps` of k-means foresee that."""
    pruned = shared = coded = 0
    for weight in weights.values():
        flat = weight.detach().cpu().reshape(-1).numpy()
        place = np.flatnonzero(flat)
        centroids, which = cluster(flat[place], 1 << bits_for(weight, bits), steps=steps)
        places, table = sparse_bytes(place), 4 * len(centroids)
        pruned += places + 4 * len(place)
        shared += places + table + len(place) * bits_for(weight, bits) // 8
        coded += places + table + coded_bytes(np.bincount(which, minlength=max(1, len(centroids))))
    return Bytes(pruned, shared, coded)


def share_within(
    ranking: Ranking, weights: Mapping[str, torch.Tensor], bits: Bits, most: int, *, steps: int = ROUGH
) -> float:
    """The largest share of weights that takes at most `most` bytes in Huffman's code.

    Raises UsageError, with the least that is possible, where nothing does.
    """

    def taken(share: float) -> int:
        masks = ranking.keep(share)
        return bytes_of({name: weight * masks[name] for name, weight in weights.items()}, bits, steps=steps).coded

    high = ranking.present / ranking.total
    if taken(high) <= most:
        return high
    low = 0.0
    for _ in range(TRIES):
        middle = (low + high) / 2
        low, high = (middle, high) if taken(middle) <= most else (low, middle)
    if low * ranking.total < 2 * len(weights):
        raise UsageError(
            f"within so few bytes next to nothing of this net would stay: {amount(max(0, most))} are left for its "
            f"{ranking.total:,} weights",
            hint="--to 20x is much; take a smaller net for less: hubel models",
        )
    return low


def finest_within(weights: Mapping[str, torch.Tensor], bits: Bits, most: int) -> Bits:
    """The most bits a weight, none less than `bits`, with which all weights take at most `most` bytes.

    For nets that need not be pruned: what the values lose is least where there are most of them.
    """
    finer = [(max(bits[0], each), max(bits[1], each)) for each in range(MOST_BITS, min(bits), -1)]
    fits = (each for each in finer if bytes_of(weights, each, steps=MOST_STEPS).coded <= most)
    return next(fits, bits)


def wanted_bytes(to: str, raw: int) -> int:
    """Bytes that "10x" (of `raw` bytes) or "200kB" stand for; UsageError for anything else.

    >>> wanted_bytes("10x", 1_000_000), wanted_bytes("200kB", 1_000_000), wanted_bytes("2.5×", 1000)
    (100000, 200000, 400)
    """
    bare = to.strip().lower()
    times = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*[x×]", bare)
    try:
        found = raw / float(times[1]) if times else float(parse_amount(bare))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise UsageError(
            f"--to must be how many times smaller, or a size, got {to!r}", hint="--to 10x, or --to 200kB"
        ) from None
    if found < 1 or found > raw or bare.isdigit():
        raise UsageError(
            f"--to {to} would be {amount(found)}, and the net's weights have {amount(raw)}"
            if not bare.isdigit()
            else f"--to {to} is neither how many times smaller nor a size",
            hint="--to 10x, or --to 200kB",
        )
    return int(found)
