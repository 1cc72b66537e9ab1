"""Nets trained for a few seconds, once for all tests of explanations."""

from __future__ import annotations

import pytest

from explainers.nets import Box, Trained, convnet, fit, planted, small_digits
from hubel.runtime import seeded


@pytest.fixture(scope="session")
def digits() -> Trained:
    """The small convnet of the catalogue on scikit-learn's digits, enlarged to 16 x 16."""
    return small_digits()


@pytest.fixture(scope="session")
def marked() -> tuple[Trained, list[Box]]:
    """A net that can know class 1 only by the mark, and 40 pictures with the mark's box each."""
    images, labels, _ = planted(600, seed=1)
    with seeded(3):
        net = fit(convnet(), images, labels, epochs=8)
    test, test_labels, boxes = planted(80, seed=2)
    kept = [row for row in range(80) if test_labels[row] == 1]
    return Trained(net, test[kept], test_labels[kept], images, labels), [boxes[row] for row in kept]
