"""Chapter 1, One neuron: what the lectures print, and what is counted."""

# ruff: noqa: E501 (one row of the table, one line)

from __future__ import annotations

import torch
from torch import nn

from hubel.book.fact import Fact
from hubel.book.facts.counting import at, weights_only
from hubel.lessons.arithmetic import dense
from hubel.lessons.descent import descend
from hubel.lessons.expression import evaluate, parse
from hubel.nn.activations import Step

FACTS: tuple[Fact, ...] = (
    Fact("W2", "slope of the sigmoid at 0", 0.25, lambda: evaluate(parse("sigmoid(x)"), {"x": 0}).gradients["x"], 0.25, command='hubel trace "sigmoid(x)" x=0'),
    Fact("W2", "and at 5", "tends to 0", lambda: round(evaluate(parse("sigmoid(x)"), {"x": 5}).gradients["x"], 5), 0.00665, command='hubel trace "sigmoid(x)" x=5'),
    Fact("W46", "w - rate · slope: from w = 2 on w², rate 0.25", "w_new = w - rate · slope", lambda: float(descend("w**2", {"w": 2}, rate=0.25, steps=1).points[1, 0]), 1.0, command='hubel descent "w**2" w=2 --lr 0.25 --steps 1'),
    Fact("W48", "neurons, synapses, speed of the card", "86 billion, over 100 trillion, 12.5 M MAC/s", None, None, reason="outside", note="figures of biology and of a machine of 1989"),
    Fact("W50", "y = W x + b for x = (1, 2), W = ((3, 4), (5, 6)), b = (0, 1)", "y = x Aᵀ + b", lambda: list(dense([1, 2], [[3, 4], [5, 6]], [0, 1]).result), [11.0, 18.0], command='hubel step dense --input "1 2" --kernel "3 4 / 5 6"'),
    Fact("W51", "years of the milestones", "1943, 1957, 1986, 1998, 2012, 2014, 2014, 2015", None, None, reason="outside", note="the usual dates"),
    Fact("W113", "output where 0, 1, 2, 3, 4 of four units reach their threshold of 2", None, lambda: [round(sum(float(Step(1.5)(torch.tensor(float(2 if unit < k else 1)))) for unit in range(4)) / 4, 2) for k in range(5)], [0.0, 0.25, 0.5, 0.75, 1.0], note="the pattern that was shown is lost"),
    Fact("W157", "output of a neuron whose weights are all 0", {"sigmoid": 0, "softplus": 0, "relu": 0, "tanh": 0}, lambda: {name: round(at(name, 0.0), 3) for name in ("sigmoid", "softplus", "relu", "tanh")}, {"sigmoid": 0.5, "softplus": 0.693, "relu": 0.0, "tanh": 0.0}, right=False, note="a(0) is 0 for some activations only: 0.5 for a sigmoid", command="hubel plot sigmoid softplus relu tanh"),
    Fact("W158", "4 inputs, 5 units", 20, lambda: weights_only(nn.Linear(4, 5)), 20),
)  # fmt: skip
