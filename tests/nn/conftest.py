"""Fresh weights and random inputs are the same in every run and in any order of the tests."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    torch.manual_seed(0)
