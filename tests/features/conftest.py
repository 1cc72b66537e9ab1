"""The small net that the tests of explanations use, too."""

from __future__ import annotations

import pytest

from explainers.nets import Trained, small_digits


@pytest.fixture(scope="session")
def digits() -> Trained:
    """The small convnet of the catalogue on scikit-learn's digits, enlarged to 16 x 16."""
    return small_digits()
