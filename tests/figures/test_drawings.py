"""Every drawing: well-formed, repeatable, small, safe with any name, and gone without a trace."""

from __future__ import annotations

import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pytest

from hubel.figures.bars import bars, estimates, reliability
from hubel.figures.curves import curves
from hubel.figures.matrix import confusion, hardest
from hubel.figures.scatter import predicted_against_true
from hubel.figures.theme import Figure

MATRIX = np.random.default_rng(0).integers(0, 9, (30, 30))
DRAWINGS: dict[str, Callable[[list[str]], Figure]] = {
    "curves": lambda names: curves({name: [1.0, 0.5, np.nan, 0.2] for name in names}, title=names[0]),
    "confusion": lambda names: confusion(MATRIX[: len(names), : len(names)], names),
    "hardest": lambda names: hardest(MATRIX[: len(names), : len(names)], names, classes=3),
    "bars": lambda names: bars([0.5] * (len(names) - 1) + [np.nan], names, title=names[0], share=True),
    "estimates": lambda names: estimates(names, [0.5] * len(names), [(0.4, 0.6)] * len(names), title=names[0]),
    "reliability": lambda names: reliability(
        np.linspace(0, 1, 5), np.array([0, 1, 5, 9]), np.array([np.nan, 0.4, 0.7, 0.9]), np.array([np.nan, 0.5, 0.6, 1])
    ),
    "scatter": lambda names: predicted_against_true(np.arange(9.0), np.arange(9.0) + 0.1, unit=names[0]),
}
every = pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)
NAMES = ["cat", "dog", "owl", "newt"]


@every
def test_a_drawing_is_well_formed_and_needs_nothing_from_outside(draw: Callable[[list[str]], Figure]) -> None:
    figure = draw(NAMES)
    root = ET.fromstring(figure.data)
    assert root.tag.endswith("svg")
    assert (root.get("width"), root.get("height")) == (str(figure.width), str(figure.height))
    addresses = [value for element in root.iter() for key, value in element.attrib.items() if key.endswith("href")]
    assert all(address.startswith(("#", "data:image/png")) for address in addresses)
    assert len(figure.data) < 60_000
    assert figure.alt
    assert figure.caption


@every
def test_the_same_arrays_give_the_same_bytes(draw: Callable[[list[str]], Figure]) -> None:
    assert draw(NAMES).data == draw(NAMES).data


@every
def test_any_name_can_be_drawn(draw: Callable[[list[str]], Figure]) -> None:
    evil = ["<script>alert(1)</script>", "$x_{1}$ costs $5", "猫 и собака", '"&\x00\x1b' + "x" * 500, "\udcff"]
    figure = draw(evil)
    root = ET.fromstring(figure.data)
    assert not [element for element in root.iter() if element.tag.endswith("script")]
    assert b"<script" not in figure.data


@every
def test_the_users_own_style_is_left_alone(draw: Callable[[list[str]], Figure]) -> None:
    with mpl.rc_context({"font.size": 17, "lines.linewidth": 5}):
        before = dict(mpl.rcParams)
        draw(NAMES)
        assert dict(mpl.rcParams) == before


def test_two_threads_may_draw_at_once() -> None:
    expected = DRAWINGS["curves"](NAMES).data
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(DRAWINGS["curves"](NAMES).data)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def texts(figure: Figure) -> list[str]:
    return [
        "".join(element.itertext()) for element in ET.fromstring(figure.data).iter() if element.tag.endswith("text")
    ]


@pytest.mark.parametrize("K", [2, 10, 20, 21, 50, 51, 100, 300])
def test_a_confusion_matrix_stays_readable_and_small(K: int) -> None:
    matrix = np.diag(np.full(K, 7)) + np.eye(K, k=1, dtype=int)
    figure = confusion(matrix, [f"name-{k}" for k in range(K)])
    shown = texts(figure)
    assert shown.count("7") >= (K if K <= 20 else 0)
    assert ("name-1" in shown) == (K <= 50)
    assert figure.width <= 1000
    assert len(figure.data) < 60_000


def test_dollars_in_a_name_are_dollars_not_formulas() -> None:
    assert "$5 to $9" in texts(confusion(np.eye(2, dtype=int), ["$5 to $9", "more"]))


def test_the_hardest_part_keeps_the_sums_of_its_rows() -> None:
    matrix = np.diag(np.full(30, 5))
    matrix[3, 17], matrix[3, 20], matrix[17, 3] = 9, 2, 4
    figure = hardest(matrix, [f"name-{k}" for k in range(30)], classes=2)
    shown = texts(figure)
    assert {"name-3", "name-17", "others"} <= set(shown)
    assert "name-20" not in shown
    assert sorted(int(text) for text in shown if text.isdigit()) == [2, 4, 5, 5, 9]
    assert "name-3 called name-17, 9" in figure.alt


def test_a_matrix_without_mistakes_or_samples_is_drawn() -> None:
    assert "3 of 3 on the diagonal." in confusion(np.diag([1, 2]), ["a", "b"]).alt
    assert "0 of 0" in confusion(np.zeros((2, 2), dtype=int), ["a", "b"]).alt


def test_a_loss_that_falls_a_thousandfold_gets_a_logarithmic_axis() -> None:
    steep = curves({"loss": [10.0, 1.0, 0.1, 0.01]}, title="loss")
    gentle = curves({"loss": [10.0, 9.0, 8.0, 7.0]}, title="loss")
    assert {"0.01", "0.1", "1", "10"} <= set(texts(steep))
    assert "0.01" not in texts(gentle)
    assert steep.alt == "loss: loss from 10 to 0.01."


def test_curves_without_a_single_value_are_an_empty_frame() -> None:
    assert curves({"loss": [np.nan, np.nan]}, title="loss").alt == "loss: no values."


def test_a_notebook_gets_the_drawing_and_its_words() -> None:
    shown = DRAWINGS["bars"](NAMES)._repr_mimebundle_()
    assert set(shown) == {"image/svg+xml", "text/plain"}
