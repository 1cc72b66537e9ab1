"""Chapter 3, A picture is a long vector: what the lectures print, and what is counted."""

# ruff: noqa: E501 (one row of the table, one line)

from __future__ import annotations

import math

from torch import nn

from hubel.anatomy.summary import summarise
from hubel.book.fact import Fact
from hubel.book.facts.counting import RING, big, sequence, weights_only
from hubel.book.facts.workings import permuted_iris_is_equal
from hubel.lessons.dimensions import ball_volume, samples_per_cell, samples_power

FACTS: tuple[Fact, ...] = (
    Fact("W52", "pixels of the ring, and of the ring moved right", [12, 10], lambda: [int(RING.sum()), int(RING[:, :-1].sum())], [12, 10]),
    Fact("W52", "places where both are on; places that differ", None, lambda: [int((RING[:, 1:] & RING[:, :-1]).sum()), int(RING[:, 0].sum() + (RING[:, 1:] != RING[:, :-1]).sum())], [2, 18], note="moved back, 10 of 10 fit"),
    Fact("W52", "pixels on in the first printing of the moved glyph's row 4", 0, lambda: int(RING[3, 0]), 1, right=False, note="the last 1 of row 4 is missing in the first printing"),
    Fact("W83", "iris columns in another order, weights alike: the same output?", True, lambda: permuted_iris_is_equal(), True),
    Fact("W86", "inputs of a 1000 x 1000 colour picture", None, lambda: math.prod((1000, 1000, 3)), 3_000_000, note="the lecture's own numbers are lost"),
    Fact("W92", "inputs of 224 x 224 x 3", 150_528, lambda: sequence(nn.Flatten(), shape=(3, 224, 224)).rows[0].output[0], 150_528),
    Fact("W100", "remainder of 7⁵ by 5: \"always a\"", 7, lambda: pow(7, 5, 5), 2, right=False, note="a mod p, which is a only where a < p; an aside of the lecture"),
    Fact("W100", "remainder of 2⁵ by 5", 2, lambda: pow(2, 5, 5), 2),
    Fact("W102", "10 samples in 5, 25, 125 cells: samples per cell", [2, 0.4, 0.08], lambda: [samples_per_cell(10, d) for d in (1, 2, 3)], [2.0, 0.4, 0.08]),
    Fact("W102", "share of a cube of edge 0.2, 0.45, 0.58 in 1, 2, 3 dimensions, in %", "20 %", lambda: [round(100 * edge**d, 1) for d, edge in ((1, 0.2), (2, 0.45), (3, 0.58))], [20.0, 20.2, 19.5]),
    Fact("W103", "share of the disc in its square", 0.785, lambda: round(ball_volume(2), 3), 0.785),
    Fact("W104", "share of the ball in its cube", 0.52, lambda: round(ball_volume(3), 2), 0.52),
    Fact("W105", "the same in 10 dimensions", 0.0159, lambda: round(ball_volume(10), 5), 0.00249, right=False, note="0.0159 belongs to 8 dimensions"),
    Fact("W105", "and in 8", None, lambda: round(ball_volume(8), 4), 0.0159),
    Fact("W106", "the printed factor 2^d, in 10 dimensions", 2611.4, lambda: round(ball_volume(10), 5), 0.00249, right=False, note="for diameter 1 the factor is 2^-d; with 2^d the volume grows"),
    Fact("W107", "power of ten of eps^-d, eps 0.1, d 36 million", 360, lambda: int(samples_power(36_000_000, eps=0.1)), 36_000_000, right=False, note="0.1^-36,000,000 = 10^36,000,000, not 10^(36/0.1)"),
    Fact("W107", "atoms in the universe", "10^28 to 10^32", None, "10^78 to 10^82", right=False, reason="outside", note="the usual estimate, which the repeated slide has"),
    Fact("W108", "values of 12 megapixels in colour", 36_000_000, lambda: math.prod((3000, 4000, 3)), 36_000_000),
    Fact("W110", "weights of a layer from all to all", "36M²", lambda: 36_000_000**2, 1_296_000_000_000_000),
    Fact("W111", "with three neighbours each", "3 · 36M", lambda: 3 * 36_000_000, 108_000_000),
    Fact("W112", "with shared weights", 3, lambda: weights_only(nn.Conv1d(1, 1, 3)), 3),
    Fact("W9", "hidden layer as wide as a 256x256 image", "about 4.3 billion",
         lambda: summarise(big(lambda: nn.Linear(65536, 65536))[0], (65536,)).params, 4_294_967_296 + 65_536),
    Fact("W86", "1000x1000 RGB", None, lambda: summarise(big(lambda: nn.Linear(3_000_000, 3_000_000, bias=False))[0], (3_000_000,)).params, 9_000_000_000_000),
    Fact("W92", "224x224x3 to 256 neurons", 38_535_424, lambda: summarise(nn.Linear(150_528, 256), (150_528,)).params, 38_535_424),
    Fact("W109", "36M inputs, 100 hidden", 3_600_000_000, lambda: summarise(big(lambda: nn.Linear(36_000_000, 100, bias=False))[0], (36_000_000,)).params, 3_600_000_000),
    Fact("W117", "32x32x3 flattened", 3072, lambda: sequence(nn.Flatten(), shape=(3, 32, 32)).rows[0].output[0], 3072),
    Fact("W159", "65,536 inputs, 1,024 hidden", "67 M", lambda: summarise(big(lambda: nn.Linear(65536, 1024, bias=False))[0], (65536,)).params, 67_108_864),
)  # fmt: skip
