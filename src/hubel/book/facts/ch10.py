"""Chapter 10, Data: what the lectures print, and what is counted."""

# ruff: noqa: E501 (one row of the table, one line)

from __future__ import annotations

from hubel.book.fact import Fact

FACTS: tuple[Fact, ...] = (
    Fact("W22", "MNIST: training, test, side", "60,000, 10,000, 28", None, None, reason="outside", note="`hubel data mnist` counts them in the files", command="hubel data mnist"),
    Fact("W27", "test accuracy of the three nets", "0.9787, 0.9882, 0.8432", None, None, reason="own draws", note="epochs, optimiser and seed are not given; E22 and E23 measure it"),
    Fact("W132", "training pictures of MNIST", 50_000, None, 60_000, right=False, reason="outside", note="60,000; 50,000 is what is left after 10,000 for validation"),
    Fact("W195", "pictures of ImageNet with 1000 classes", "14M", None, "1.28M", right=False, reason="outside", note="14M is the whole set with its 22,000 categories"),
)  # fmt: skip
