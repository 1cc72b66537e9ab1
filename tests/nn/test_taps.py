"""Hooks are hung up in one place, tell what they should, and are gone afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from hubel.nn import taps
from hubel.nn.fuse import hooked
from hubel.nn.taps import module_calls, watch


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU())


def test_what_comes_back_takes_the_place_of_the_output() -> None:
    model = net()
    with watch({"dense": model[0]}, lambda name, module, inputs, output: output * 0 + 7):
        assert model(torch.ones(1, 2)).tolist() == [[7, 7, 7]]
    assert model(torch.ones(1, 2)).tolist() != [[7, 7, 7]]


def test_hooks_are_gone_also_after_an_exception() -> None:
    model = net()

    def fail(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"), watch(dict(model.named_modules()), fail):
        model(torch.ones(1, 2))
    assert not hooked(model)


def test_calls_are_told_in_the_order_of_the_pass() -> None:
    told: list[str] = []
    model = net()
    with module_calls(
        model, lambda name, module, inputs, keywords: told.append(f"+{name}"), lambda output: told.append("-")
    ):
        model(torch.ones(1, 2))
    assert told == ["+", "+0", "-", "+1", "-", "-"]
    assert not hooked(model)


def test_no_other_module_of_ours_hangs_hooks_up() -> None:
    source = Path(taps.__file__).parents[1]
    users = [path.name for path in source.rglob("*.py") if ".register_forward" in path.read_text()]
    assert users == ["taps.py"]
