"""Chapter 7, What to minimise: what the lectures print, and what is counted."""

# ruff: noqa: E501 (one row of the table, one line)

from __future__ import annotations

import math

import torch

from hubel.book.fact import Fact
from hubel.book.facts.workings import formulas_agree, penalty_gradient, summed_gradient
from hubel.lessons.arithmetic import cross_entropy
from hubel.nn.losses import build_loss

FACTS: tuple[Fact, ...] = (
    Fact("W97", "mean squared error of (1, 2, 3) for (1, 4, 0)", "(1/n) Σ (T - t)²", lambda: round(float(build_loss("mse")(torch.tensor([1.0, 2, 3]), torch.tensor([1.0, 4, 0]))), 6), 4.333333, command="hubel components mse"),
    Fact("W98", "cross-entropy of logits (2, 0) for class 0", "-(1/n) ΣΣ T log t", lambda: round(float(build_loss("cross-entropy")(torch.tensor([[2.0, 0.0]]), torch.tensor([0]))), 6), 0.126928, note="n and N are one number; the logarithm is natural", command="hubel components cross-entropy"),
    Fact("W152", "MSE, L1, smooth L1, BCE with logits agree with their formulas", "formulas", lambda: formulas_agree(), True),
    Fact("W153", "KL divergence of (½, ½) from (¼, ¾)", "Σ y (log y - x)", lambda: round(float(0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)), 6), 0.143841),
    Fact("W153", "the same by the loss", None, lambda: round(float(build_loss("kl")(torch.tensor([[0.25, 0.75]]).log(), torch.tensor([[0.5, 0.5]]))), 6), 0.143841, command="hubel components kl"),
    Fact("W154", "triplet loss, margin 1: anchor 0, positive 1, negative 3", "formulas", lambda: round(float(build_loss("triplet", margin=1.0)(torch.zeros(1, 2), torch.tensor([[1.0, 0]]), torch.tensor([[1.5, 0]]))), 4), 0.5, command="hubel components triplet"),
    Fact("W154", "1 - cos of unit vectors is half their squared distance", True, lambda: bool(abs((1 - math.cos(0.7)) - ((math.cos(0.7) - 1) ** 2 + math.sin(0.7) ** 2) / 2) < 1e-12), True),
    Fact("W163", "cross-entropy of [0.7, 0.1, 0.2] for class 1", 0.15, lambda: round(cross_entropy([1, 0, 0], [0.7, 0.1, 0.2]).result[0], 6), 0.356675, right=False, note="0.15 is the logarithm to base 10; libraries use the natural one", command='hubel step cross-entropy --target "1 0 0" --input "0.7 0.1 0.2"'),
    Fact("W164", "the same for [0.9, 0.1, 0]", 0.046, lambda: round(cross_entropy([1, 0, 0], [0.9, 0.1, 0.0]).result[0], 6), 0.105361, right=False, note="base 10 again; that the loss falls is right", command='hubel step cross-entropy --target "1 0 0" --input "0.9 0.1 0"'),
    Fact("W180", "how much longer a step is with the sum over 10 equal samples than with one", "Σ over samples", lambda: summed_gradient(10) / summed_gradient(1), 10.0, note="a sum grows with the number of samples; a mean does not"),
    Fact("W183", "gradient of the L2 penalty at w = (3, 4)", [0.6, 0.8], lambda: penalty_gradient(), [6.0, 8.0], right=False, note="weight decay is the squared norm: 2λw, not λw/‖w‖"),
)  # fmt: skip
