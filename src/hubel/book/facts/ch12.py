"""Chapter 12, Looking inside: what the lectures print, and what is counted."""

# ruff: noqa: E501 (one row of the table, one line)

from __future__ import annotations

from torch import nn

from hubel.book.fact import Fact
from hubel.book.facts.counting import weights_only

FACTS: tuple[Fact, ...] = (
    Fact("W196", "colours of the loss landscape", "bright is low", None, None, reason="lost", note="hubel's landscapes say their colours"),
    Fact("W67", "ConvNetJS weights", [2_352, 15_680, 19_600],
         lambda: [weights_only(c) for c in (nn.Conv2d(3, 16, 7), nn.Conv2d(16, 20, 7), nn.Conv2d(20, 20, 7))], [2_352, 15_680, 19_600]),
)  # fmt: skip
