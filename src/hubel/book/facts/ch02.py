"""Chapter 2, Layers of neurons: what the lectures print, and what is counted."""

# ruff: noqa: E501 (one row of the table, one line)

from __future__ import annotations

import torch
from torch import nn

from hubel.book.fact import Fact
from hubel.book.facts.counting import keras_dense, message, params, sequence
from hubel.lessons.expression import evaluate, parse

FACTS: tuple[Fact, ...] = (
    Fact("W6", "the class as printed", "a working model", lambda: message("class Net:\n    def forward(self, x):\n        out = x\n    return out\n"), "SyntaxError: 'return' outside function", right=False, note="`return out` stands one level too far left, three times"),
    Fact("W6", "the same, return indented", None, lambda: message("class Net:\n    def forward(self, x):\n        out = x\n        return out\n"), "compiles"),
    Fact("W8", "rank and elements of a 4 x 4 x 2 tensor", [3], lambda: [torch.zeros(4, 4, 2).ndim], [3]),
    Fact("W8", "its elements", None, lambda: torch.zeros(4, 4, 2).numel(), 32),
    Fact("W47", "slope of (3x + 1)² at x = 1: f'(g(x)) g'(x) = 2 · 4 · 3", 24.0, lambda: evaluate(parse("(3*x+1)**2"), {"x": 1}).gradients["x"], 24.0, command='hubel trace "(3*x+1)**2" x=1'),
    Fact("W146", "slope of y = 2x", 2.0, lambda: evaluate(parse("2*x"), {"x": 7}).gradients["x"], 2.0, command='hubel trace "2*x" x=7'),
    Fact("W4", "Linear 8-32-32-2", 1410, lambda: sequence(nn.Linear(8, 32), nn.Linear(32, 32), nn.Linear(32, 2), shape=(8,)).params, 1410),
    Fact("W4", "row by row", [288, 1056, 66], lambda: params(sequence(nn.Linear(8, 32), nn.Linear(32, 32), nn.Linear(32, 2), shape=(8,))), [288, 1056, 66]),
    Fact("W5", "shapes (N, 1, 32), (N, 1, 32), (N, 1, 2)", [(1, 32), (1, 32), (1, 2)],
         lambda: [r.output for r in sequence(nn.Linear(8, 32), nn.Linear(32, 32), nn.Linear(32, 2), shape=(1, 8)).rows], [(1, 32), (1, 32), (1, 2)]),
    Fact("W23", "784-256-128-64-10", [200_960, 32_896, 8_256, 650], lambda: params(keras_dense()), [200_960, 32_896, 8_256, 650]),
    Fact("W23", "total and KB", (242_762, 948.29), lambda: (keras_dense().params, round(keras_dense().weight_bytes / 1024, 2)), (242_762, 948.29)),
    Fact("W160", "3-2-1 behind 2 inputs", None, lambda: sequence(nn.Linear(2, 3), nn.Linear(3, 2), nn.Linear(2, 1), shape=(2,)).params, 20),
)  # fmt: skip
