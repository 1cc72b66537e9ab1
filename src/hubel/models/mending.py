"""Ways out of a layer list that does not fit: small changes, each tried with the reader before it is offered.

>>> layers = ["conv 8 3x3", "relu", "dense K"]
>>> [mend.what for mend in mends(layers, in_shape=(1, 8, 8), num_classes=3)]
['put flatten before it', 'put globalpool before it']
>>> mends(layers, in_shape=(1, 8, 8), num_classes=3)[0].layers
['conv 8 3x3', 'relu', 'flatten', 'dense K']
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hubel.errors import UnfitLayer, UsageError, near
from hubel.models.layerlist import opened, parse, paths_of
from hubel.models.layerwords import HOLDERS, LAYERS, Misfit, Shape
from hubel.nn.activations import ACTIVATIONS
from hubel.registry import Registry

MOST = 4
"""Ways out that are offered."""
ENDS = (["flatten", "dense K"], ["globalpool", "dense K"], ["conv K 1x1", "globalpool"], ["dense K"])
"""What a list that makes no classes can end with."""


@dataclass(frozen=True)
class Mend:
    """One way out."""

    what: str
    """In words."""
    layers: list[Any]
    """The whole list after it."""


def mends(layers: Sequence[Any], *, in_shape: Shape, num_classes: int | None) -> tuple[Mend, ...]:
    """What would make the list fit, or at least let it get further; the ones that mend it altogether come first.

    Nothing for a list that fits, and nothing where no small change helps.
    """
    broken = _broken(layers, in_shape, num_classes)
    if broken is None:
        return ()
    whole, further = [], []
    for mend in _candidates(list(layers), broken.at if isinstance(broken, UnfitLayer) else ()):
        left = _broken(mend.layers, in_shape, num_classes)
        if left is None:
            whole.append(mend)
        elif isinstance(broken, UnfitLayer) and _past(left, broken.at, len(mend.layers) - len(layers)):
            further.append(mend)
    return (*whole, *further)[:MOST]


def _broken(layers: Sequence[Any], in_shape: Shape, num_classes: int | None) -> UsageError | None:
    try:
        parse(layers, in_shape=in_shape, num_classes=num_classes)
    except UsageError as error:
        return error
    return None


def _past(left: UsageError, at: tuple[int, ...], more: int) -> bool:
    """Does what is left stand behind the place that was broken?"""
    if not isinstance(left, UnfitLayer):
        return True
    first = (at[0] + more, *at[1:]) if len(at) == 1 else at
    return left.at > first


def _candidates(layers: list[Any], at: tuple[int, ...]) -> Iterator[Mend]:
    if not at:
        yield from _endings(layers)
        return
    for word in ("flatten", "globalpool"):
        yield _changed(layers, at, f"put {word} before it", before=word)
    try:
        text, inside = opened(_at(layers, at))
    except Misfit:
        yield _changed(layers, at, "leave it out")
        return
    word, *values = text.split()
    others = [value for value in values if not value.startswith("padding=")]
    yield _changed(layers, at, "keep the size: padding=same", text=" ".join([word, *others, "padding=same"]))
    if inside is None:
        for name in near(word, [*LAYERS, *_names(ACTIVATIONS)])[:2]:
            yield _changed(layers, at, f"write {name}", text=" ".join([name, *values]))
    if word in LAYERS and not values:
        for value in ("16", "2"):
            yield _changed(layers, at, f"write {word} {value}", text=f"{word} {value}")
    if word in HOLDERS and inside is not None:
        for number, path in enumerate(paths_of(word, inside)):
            if isinstance(path, list) and path:
                kept = [_same(layer) for layer in path]
                if kept != path:
                    yield _changed(layers, at, "keep the size inside: padding=same", path=(number, kept))
    if at != (len(layers) - 1,):  # how a list ends is another question
        yield _changed(layers, at, "leave it out")


def _endings(layers: list[Any]) -> Iterator[Mend]:
    for end in ENDS:
        yield Mend(f"end with {', '.join(end)}", [*layers, *end])
    yield Mend("leave the last layer out", layers[:-1])
    word = layers[-1].split()[0] if isinstance(layers[-1], str) else ""
    if word in ("dense", "conv"):
        values = layers[-1].split()[2:]
        yield Mend("let the last layer say K, the classes", [*layers[:-1], " ".join([word, "K", *values])])


def _changed(
    layers: list[Any], at: tuple[int, ...], what: str, *, before: str = "", text: str = "", path: Any = None
) -> Mend:
    """The list with the layer at a place changed, something before it, or, where nothing is said, without it."""
    made = copy.deepcopy(layers)
    chain = _at(made, at[:-1]) if len(at) > 1 else made
    number = at[-1]
    if before:
        chain.insert(number, before)
    elif text:
        inside = opened(chain[number])[1]
        chain[number] = text if inside is None else {text: inside}
    elif path is not None:
        (said, inside) = opened(chain[number])
        if said.split()[0] == "branches":
            inside[path[0]] = path[1]
        else:
            chain[number] = {said: path[1]}
    else:
        del chain[number]
    return Mend(what, made)


def _at(layers: Any, at: tuple[int, ...]) -> Any:
    """The layer at a place, or the list that a place without its last number means."""
    found = layers
    for depth in range(0, len(at), 2):
        found = found[at[depth]]
        if depth + 1 < len(at):
            text, inside = opened(found)
            found = paths_of(text.split()[0], inside)[at[depth + 1]]
    return found


def _same(layer: Any) -> Any:
    """A layer with a window, so padded that it keeps the size; any other as it is."""
    if not isinstance(layer, str):
        return layer
    word, *values = layer.split()
    if word not in ("conv", "depthwise", "separable", "standardised"):
        return layer
    return " ".join([word, *(value for value in values if not value.startswith("padding=")), "padding=same"])


def _names(registry: Registry[Any]) -> list[str]:
    return list(registry)
