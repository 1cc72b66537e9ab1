"""A word of a layer list with its values and options as a layer: too many, too few, or more than any machine holds."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from typing import Any

from hubel.errors import UsageError
from hubel.models.layerwords import LAYERS, Made, Misfit, Shape
from hubel.nn.activations import build_activation
from hubel.registry import check_options

MOST_WEIGHTS = 1 << 37
"""Numbers that one layer may learn (half a terabyte): more is a slip of the pen, or an attack."""
MOST_VALUES = 1 << 36
"""Numbers that one layer may make of one picture."""


def call(layer: Callable[..., Made], word: str, shape: Shape, values: list[str], classes: int | None) -> Made:
    """What a word makes with the values that stand behind it. Raises Misfit for values that it does not take."""
    places, options = _options(values, classes)
    parameters = _parameters(layer)
    ordered = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    try:
        check_options("it", options, [p.name for p in parameters])
    except UsageError as error:
        raise Misfit(error.what, error.hint if error.hint.startswith("did") else f"write: {usage(word)}") from None
    needed = [p.name for p in ordered[len(places) :] if p.default is p.empty and p.name not in options]
    if len(places) > len(ordered) or needed or any(p.name in options for p in ordered[: len(places)]):
        raise Misfit(f"{'it lacks ' + needed[0] if needed else 'too many values'}", f"write: {usage(word)}")
    return layer(shape, *places, **options)


def _parameters(layer: Callable[..., Made]) -> list[inspect.Parameter]:
    return list(inspect.signature(layer).parameters.values())[1:]


def usage(word: str) -> str:
    """How a layer is written.

    >>> usage("transposed"), usage("flatten")
    ('transposed MAPS [size] [stride=] [padding=]', 'flatten')
    """
    parameters = _parameters(LAYERS[word])
    shown = [
        f"[{p.name}=]" if p.kind is p.KEYWORD_ONLY else p.name.upper() if p.default is p.empty else f"[{p.name}]"
        for p in parameters
    ]
    return " ".join([word, *shown])


def call_activation(word: str, values: list[str], shape: Shape) -> Made:
    """An activation with its options. Raises Misfit for one that is none, or cannot be learnt through."""
    places, options = _options(values, None)
    if places:
        raise Misfit(f"values of an activation are written name=value, got {places[0]!r}")
    if word == "step":
        raise Misfit("its derivative is 0, so no layer before it would ever learn", "use sigmoid or relu")
    try:
        build_activation(word, **options)
    except UsageError as error:
        raise Misfit(error.what, error.hint) from None
    return f"activation:{word}", (), options, shape


def _options(values: list[str], classes: int | None) -> tuple[list[Any], dict[str, Any]]:
    places = [_value(value, classes) for value in values if "=" not in value]
    options = {}
    for name, _, value in (value.partition("=") for value in values if "=" in value):
        options[name] = _value(value, classes)
    return places, options


def _value(text: str, classes: int | None) -> Any:
    """A number, a size, yes or no, or a word: "3" 3, "0.5" 0.5, "3x5" (3, 5), "no" False, "K" the classes."""
    if text == "K":
        if classes is None:
            raise Misfit("K stands for the number of classes, which is not known", "give num_classes, or a number")
        return classes
    if text in ("yes", "true", "no", "false"):
        return text in ("yes", "true")
    if re.fullmatch(r"\d{1,9}", text):
        return int(text)
    if re.fullmatch(r"\d{1,4}x\d{1,4}", text):
        height, width = map(int, text.split("x"))
        return height if height == width else (height, width)
    try:
        return float(text)
    except ValueError:
        return text


def check_affordable(made: Made, shape: Shape) -> None:
    """Raise Misfit for a layer that no machine could hold, before anything is built."""
    learned, values = _learned(made, shape), math.prod(made[3])
    if learned > MOST_WEIGHTS:
        raise Misfit(f"it would learn {learned:,} numbers, and {MOST_WEIGHTS:,} are the most", "make it smaller")
    if values > MOST_VALUES:
        told = "x".join(map(str, made[3]))
        raise Misfit(
            f"it would make {told} values of one picture, and {MOST_VALUES:,} are the most",
            "use fewer channels, or less enlarging before it",
        )


def _learned(made: Made, shape: Shape) -> int:
    """How many numbers a layer learns, biases left out."""
    cls, args, kwargs, out = made
    window = kwargs.get("kernel_size", 1)
    area = window * window if isinstance(window, int) else math.prod(window)
    if cls in ("nn.Conv2d", "nn.ConvTranspose2d", "Standardised"):
        return int(args[0]) * int(args[1]) // int(kwargs.get("groups", 1)) * int(area)
    if cls == "Separable":
        return int(args[0]) * (int(area) + int(args[1]))
    if cls == "Spatial":
        return int(args[2]) * int(args[1]) * (int(args[0]) + int(args[1]))
    if cls in ("nn.Linear", "SqueezeExcite"):
        return int(args[0]) * int(args[1])
    if cls == "Residual" and "project" in kwargs:
        return shape[0] * out[0]
    return math.prod(out) if cls == "nn.LayerNorm" else 0
