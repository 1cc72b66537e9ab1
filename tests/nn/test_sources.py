"""Source code is read, too, where the parser trips over another thread."""

from __future__ import annotations

import inspect

import pytest

from hubel.models.layerlist import parse
from hubel.models.layers import to_code
from hubel.nn.sources import TRIES, again


def test_code_is_written_though_the_parser_trips_over_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = parse(["conv 4 3x3", "relu", "globalpool", "dense K"], in_shape=(1, 8, 8), num_classes=3)
    expected = to_code(plan)
    left, real = [3], inspect.getsource

    def trips(cls: type) -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise SystemError("AST constructor recursion depth mismatch (before=45, after=38)")
        return real(cls)

    monkeypatch.setattr(inspect, "getsource", trips)
    assert to_code(plan) == expected
    assert left[0] < 0


def test_what_goes_wrong_each_time_is_not_hidden() -> None:
    tried = []

    def broken() -> None:
        tried.append(1)
        raise SystemError("broken")

    with pytest.raises(SystemError, match="broken"):
        again(broken)
    assert len(tried) == TRIES
