"""Chapter 6, The bend: what the lectures print, and what is counted."""

# ruff: noqa: E501 (one row of the table, one line)

from __future__ import annotations

import math

import torch

from hubel.book.fact import Fact
from hubel.book.facts.counting import at
from hubel.lessons.arithmetic import softmax
from hubel.lessons.expression import evaluate, parse
from hubel.nn.activations import ACTIVATIONS

FACTS: tuple[Fact, ...] = (
    Fact("W1", "0.05 four times", 6.25e-6, lambda: round(evaluate(parse("x**4"), {"x": 0.05}).value, 12), 6.25e-6, command='hubel trace "x**4" x=0.05'),
    Fact("W3", "values a sigmoid and a tanh can take", ["[0, 1]", "[−1, 1]"], lambda: [ACTIVATIONS.get(name).range for name in ("sigmoid", "tanh")], ["(0, 1)", "(−1, 1)"], right=False, note="the ends are never reached, but for rounding", command="hubel components sigmoid"),
    Fact("W147", "tanh(x) = 2 sigmoid(2x) - 1, largest difference below 4e-16", True, lambda: all(abs(at("tanh", x / 10) - (2 * at("sigmoid", x / 5) - 1)) < 4e-16 for x in range(-50, 51)), True),
    Fact("W148", "SELU: scale, and scale · α", None, lambda: [round(at("selu", 1.0), 5), round(-at("selu", -50.0), 5)], [1.0507, 1.7581]),
    Fact("W148", "α", 1.67326, lambda: round(-at("selu", -50.0) / at("selu", 1.0), 5), 1.67326),
    Fact("W148", "SELU(-1)", None, lambda: round(at("selu", -1.0), 6), -1.111331),
    Fact("W149", "softmax of 14.45, 3.576, 44.43, 22.43, 440.2", "1.2564e-185, 2.3802e-190, 1.316e-172, 3.6711e-182, 1.00000", lambda: [float(f"{p:.5e}") for p in softmax([14.45, 3.576, 44.43, 22.43, 440.2]).result], [1.25639e-185, 2.38016e-190, 1.31605e-172, 3.67108e-182, 1.0], note="in double precision; single precision gives zeros", command='hubel step softmax --input "14.45 3.576 44.43 22.43 440.2"'),
    Fact("W149", "the same in single precision", None, lambda: torch.softmax(torch.tensor([14.45, 3.576, 44.43, 22.43, 440.2]), 0).tolist(), [0.0, 0.0, 0.0, 0.0, 1.0]),
    Fact("W150", "slope of a leaky ReLU below 0", 0.1, lambda: round(-at("leaky-relu", -1.0), 6), 0.01, right=False, note="the lectures say 0.01 and 0.1; it is a setting, 0.01 as a rule", command="hubel components leaky-relu"),
    Fact("W151", "ELU, SiLU, GELU, softplus at -1, as the formulas give them", "formulas", lambda: [round(at(name, -1.0), 6) for name in ("elu", "silu", "gelu", "softplus")], [-0.632121, -0.268941, -0.158655, 0.313262], command="hubel plot elu silu gelu softplus"),
    Fact("W151", "ReLU6(7), log-sigmoid(0), PReLU(-1), CELU(-1)", "formulas", lambda: [round(at("relu6", 7.0), 6), round(at("log-sigmoid", 0.0), 6), round(at("prelu", -1.0), 6), round(at("celu", -1.0), 6)], [6.0, -0.693147, -0.25, -0.632121]),
    Fact("W161", "sum of three sigmoid outputs of 0.99", "not good", lambda: round(3 * at("sigmoid", math.log(99)), 2), 2.97, note="outputs of sigmoids need not sum to 1"),
    Fact("W162", "softmax of 5, 2, 1", [0.936, 0.047, 0.017], lambda: [round(p, 3) for p in softmax([5, 2, 1]).result], [0.936, 0.047, 0.017], command='hubel step softmax --input "5 2 1"'),
    Fact("W178", "0.05 five times", 3.125e-7, lambda: round(evaluate(parse("x**5"), {"x": 0.05}).value, 14), 3.125e-7, command='hubel trace "x**5" x=0.05'),
    Fact("W179", "15 five times", 759_375, lambda: int(evaluate(parse("x**5"), {"x": 15}).value), 759_375, command='hubel trace "x**5" x=15'),
)  # fmt: skip
