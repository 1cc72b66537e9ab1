"""Chapter 9, Training that holds: what the lectures print, and what is counted."""

# ruff: noqa: E501 (one row of the table, one line)

from __future__ import annotations

import torch
from torch import nn

from hubel.book.fact import Fact
from hubel.book.facts.counting import sequence
from hubel.lessons.arithmetic import batch_norm

FACTS: tuple[Fact, ...] = (
    Fact("W77", "errors of 10,000 without and with dropout", "169, 99", None, None, reason="own draws", note="the net and its schedule are not given; E113 measures it"),
    Fact("W78", "batch normalisation of 1, 2, 3", "variance by 1/m, ε under the root", lambda: [round(v, 4) for v in batch_norm([1, 2, 3]).result], [-1.2247, 0.0, 1.2247], command='hubel step batchnorm --input "1 2 3"'),
    Fact("W101", "updates in 3 epochs of 5 batches", "n · m", lambda: sum(1 for _ in range(3) for _ in range(5)), 15),
    Fact("W142", "the same by PyTorch's layer", None, lambda: [round(float(v), 4) for v in nn.BatchNorm1d(1)(torch.tensor([[1.0], [2.0], [3.0]])).detach().flatten()], [-1.2247, 0.0, 1.2247]),
    Fact("W143", "scales of a normalisation behind a dense layer of 5", 1, lambda: nn.BatchNorm1d(5).weight.numel(), 5, right=False, note="one for each feature, not one for all"),
    Fact("W144", "best mini-batch for batch normalisation", "64 to 256", None, None, reason="wording", note="advice; E118 measures it"),
    Fact("W156", "arXiv number of the critique", "1805.10694", None, "1805.11604", right=False, reason="outside", note="1805.10694 is another article on batch normalisation"),
    Fact("W184", "scales and shifts for N x 5", "D each", lambda: [nn.BatchNorm1d(5).weight.numel(), nn.BatchNorm1d(5).bias.numel()], [5, 5]),
    Fact("W182", "3-2-3 behind 2 inputs", None, lambda: sequence(nn.Linear(2, 3), nn.Linear(3, 2), nn.Linear(2, 3), shape=(2,)).params, 26),
)  # fmt: skip
