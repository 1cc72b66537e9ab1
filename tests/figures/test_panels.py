"""A grid of small drawings: one style, straight stretches cost no bytes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from hubel.errors import DataError
from hubel.figures.panels import panels

X = np.linspace(-1, 1, 401)


def test_every_panel_is_named_and_the_lines_are_explained_once() -> None:
    figure = panels({"a": [(X, X), (X, X**2)], "b": [(X, -X), (X, X**3)]}, title="Two", names=("value", "slope"))
    text = figure.data.decode()
    assert all(f">{word}<" in text for word in ("a", "b", "value", "slope"))
    assert text.count(">value<") == 1
    assert figure.alt == "Two: 2 small drawings: a, b."


def test_straight_stretches_are_drawn_with_two_points() -> None:
    corner = np.maximum(X, 0)
    straight, bent = (panels({"a": [(X, y)]}, title="one") for y in (corner, np.sin(20 * X)))
    (path,) = re.findall(r'<path d="(M[^"]*)" clip-path[^>]*stroke: #0072b2', straight.data.decode())
    assert path.count("L") == 2
    assert len(straight.data) < len(bent.data) - 1000


def test_the_same_arrays_give_the_same_bytes() -> None:
    one, other = (panels({"a": [(X, X**2)]}, title="one") for _ in range(2))
    assert one.data == other.data


def test_a_logarithmic_axis_is_labelled_with_plain_numbers() -> None:
    text = panels({"a": [(X, 10 ** (4 * X))]}, title="one", log=True).data.decode()
    assert ">0.001<" in text
    assert ">1000<" in text
    assert "mathdefault" not in text


def test_a_grid_without_panels_is_refused() -> None:
    with pytest.raises(DataError, match="at least one"):
        panels({}, title="none")
