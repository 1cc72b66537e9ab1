"""The registry that everything with a name leans on."""

from __future__ import annotations

import pytest

from hubel.errors import UnknownName
from hubel.registry import Registry


def test_an_entry_exists_inside_the_block_only_also_after_an_exception() -> None:
    shapes: Registry[int] = Registry("shape")
    shapes.add("square", 4)

    def fail_inside() -> None:
        with shapes.temporarily("triangle", 3):
            assert shapes.get("triangle") == 3
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail_inside()
    assert shapes.names() == ["square"]


def test_an_entry_is_replaced_for_the_block_and_then_what_it_was() -> None:
    shapes: Registry[int] = Registry("shape")
    shapes.add("square", 4)
    with shapes.temporarily("square", 5):
        assert shapes.get("square") == 5
    assert shapes.get("square") == 4


def test_a_name_that_is_taken_is_refused() -> None:
    shapes: Registry[int] = Registry("shape")
    shapes.add("square", 4)
    with pytest.raises(ValueError, match="'square' is registered twice"):
        shapes.add("square", 5)


def test_an_address_is_imported_when_it_is_asked_for() -> None:
    sums: Registry[object] = Registry("sum")
    sums.add("hypotenuse", "math:hypot")
    assert sums.get("hypotenuse")(3, 4) == 5  # type: ignore[operator]


def test_an_unknown_name_is_met_with_near_ones_and_the_command_that_lists_them() -> None:
    shapes: Registry[int] = Registry("shape", listing="hubel shapes")
    shapes.add("square", 4)
    with pytest.raises(UnknownName, match=r"unknown shape 'sqare'\n  did you mean 'square'\? .*hubel shapes"):
        shapes.get("sqare")
