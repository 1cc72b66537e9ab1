"""Ways out of a layer list that does not fit: each was tried, and says no more than it does."""

from __future__ import annotations

from typing import Any

import pytest

from hubel.errors import UnfitLayer
from hubel.models.layerlist import parse
from hubel.models.mending import mends

BROKEN: dict[str, tuple[list[Any], str]] = {
    "maps before a dense layer": (["conv 8 3x3", "dense K"], "put flatten before it"),
    "a window that is too large": (["maxpool 2", "conv 8 5x5", "flatten", "dense K"], "keep the size: padding=same"),
    "no classes at the end": (["conv 8 3x3", "relu"], "end with flatten, dense K"),
    "a vector at the end": (["flatten", "dense 7"], "let the last layer say K, the classes"),
    "softmax at the end": (["flatten", "dense K", "softmax"], "leave the last layer out"),
    "a slip of the pen": (["flaten", "dense K"], "write flatten"),
    "a value that is missing": (["conv", "flatten", "dense K"], "write conv 16"),
    "pooling behind flatten": (["flatten", "maxpool 2", "dense K"], "leave it out"),
    "a layer that is none": ([3, "flatten", "dense K"], "leave it out"),
    "paths of several sizes": (
        [{"branches": [["conv 4 1x1"], ["conv 4 3x3"]]}, "globalpool", "dense K"],
        "keep the size inside: padding=same",
    ),
    "inside another": ([{"residual": ["conv 4 9x9"]}, "globalpool", "dense K"], "keep the size: padding=same"),
    "in the second path": (
        [{"branches": [["conv 4 1x1"], ["conv 4 9x9", "relu"]]}, "globalpool", "dense K"],
        "keep the size: padding=same",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_way_out_leads_to_a_net(name: str) -> None:
    layers, what = BROKEN[name]
    found = mends(layers, in_shape=(1, 8, 8), num_classes=3)
    (mend,) = [mend for mend in found if mend.what == what]
    assert parse(mend.layers, in_shape=(1, 8, 8), num_classes=3).num_classes == 3
    assert layers == BROKEN[name][0], "the list itself stays"


def test_a_list_that_fits_needs_none() -> None:
    assert mends(["flatten", "dense K"], in_shape=(1, 8, 8), num_classes=3) == ()


def test_where_two_layers_are_wrong_a_way_out_of_the_first_is_offered() -> None:
    layers = ["conv 8 3x3", "dense 4", "conv 8 3x3", "dense K"]
    found = {mend.what: mend.layers for mend in mends(layers, in_shape=(1, 8, 8), num_classes=3)}
    with pytest.raises(UnfitLayer) as raised:
        parse(found["put flatten before it"], in_shape=(1, 8, 8), num_classes=3)
    assert raised.value.at == (3,)


@pytest.mark.parametrize(
    ("layers", "at"),
    [
        (["relu", "conv 8 9x9"], (1,)),
        ([{"residual": ["relu", "conv 8 9x9"]}], (0, 0, 1)),
        (["relu", {"branches": [["relu"], ["relu", "conv 8 9x9"]]}], (1, 1, 1)),
        ([{"repeat 2": [{"residual": ["conv 8 9x9"]}]}], (0, 0, 0, 0, 0)),
        ([{"residual": "relu"}], (0,)),
        ([{"residual": ["flatten"]}], (0,)),
    ],
)
def test_the_place_of_the_layer_that_does_not_fit_is_known(layers: list[Any], at: tuple[int, ...]) -> None:
    with pytest.raises(UnfitLayer) as raised:
        parse(layers, in_shape=(1, 8, 8), num_classes=3)
    assert raised.value.at == at
