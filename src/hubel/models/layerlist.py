"""A net as a list of layers, read like a recipe and checked before anything is built.

    layers: [conv 32 3x3, relu, maxpool 2, conv 64 3x3, relu, maxpool 2, flatten, dropout 0.5, dense 10]

A layer is a word, its values in order, and options as `name=value`; an activation is just its name. Layers that hold
layers are mappings: `residual: [...]`, `concat: [...]`, `branches: [[...], [...]]`, `repeat 3: [...]`. A size is `3` or
`3x5` (height x width); `K` stands for the number of classes. `parse` follows the shape C H W (F after flatten) from
layer to layer and answers a misfit with the layer, the shape that came and a way out.

>>> plan = parse(["conv 32 3x3", "relu", "maxpool 2", "flatten", "dense K"], in_shape=(1, 28, 28), num_classes=10)
>>> [(step.name, step.shape) for step in plan.steps][:3]
[('conv1', (32, 26, 26)), ('relu1', (32, 26, 26)), ('maxpool1', (32, 13, 13))]
>>> plan.stages, plan.head
(('maxpool1',), 'dense1')
>>> parse(["maxpool 2", "conv 8 5x5"], in_shape=(1, 8, 8), num_classes=10)
Traceback (most recent call last):
    ...
hubel.errors.UnfitLayer: layer 2 'conv 8 5x5': a window of 5x5 does not fit into maps of 4x4
  use padding=same, a smaller window, or less pooling before it
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from hubel.errors import UnfitLayer, UsageError, unknown
from hubel.models.layervalues import call, call_activation, check_affordable
from hubel.models.layerwords import HOLDERS, LAYERS, Misfit, Shape
from hubel.nn.activations import ACTIVATIONS
from hubel.words import plural

LARGEST_FILE = 1 << 18
"""Bytes of a layer list; a longer file is not one."""
DEEPEST = 8
"""Layers inside layers inside layers: more is a mistake, or an attack on the parser."""
MOST_STEPS = 10_000
"""Layers that a list may unfold to, those inside others counted."""


@dataclass(frozen=True)
class Step:
    """One layer with its place, its constructor and the shape it gives."""

    name: str
    """Name of the module in the net: the word and a running number."""
    text: str
    """What the list says."""
    cls: str
    """The class to build: "nn.Conv2d", the name of a part of hubel.models.layers, or "activation:NAME"."""
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...]
    branches: tuple[tuple[Step, ...], ...]
    """What it holds, for layers that hold layers."""
    shape: Shape
    """C H W or F that comes out, without the batch."""


@dataclass(frozen=True)
class Plan:
    """A whole net, checked."""

    in_shape: Shape
    num_classes: int
    steps: tuple[Step, ...]
    stages: tuple[str, ...]
    head: str


def read(path: str | Path) -> list[Any]:
    """The layers of a YAML file: a list, or a mapping whose key `layers` holds it.

    Raises UsageError for a file that is missing, too long, no YAML or no layer list.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"there is no layer list {str(path)!r}", hint="give a YAML file, or a name of: hubel models")
    if path.stat().st_size > LARGEST_FILE:
        raise UsageError(
            f"{str(path)!r} has {path.stat().st_size:,} bytes, a layer list at most {LARGEST_FILE:,}",
            hint="write what comes often as: repeat N: [...]",
        )
    return read_text(path.read_text(encoding="utf-8", errors="replace"), repr(str(path)))


def read_text(text: str, name: str = "the text") -> list[Any]:
    """The layers that a text of YAML holds; `name` is what errors call it. Raises UsageError for what is none.

    >>> read_text("layers: [flatten, dense K]")
    ['flatten', 'dense K']
    """
    if len(text) > LARGEST_FILE:
        raise UsageError(f"{name} has {len(text):,} letters, a layer list at most {LARGEST_FILE:,}")
    if re.search(r"(^|[\s,\[{])[&*]\w", text):
        raise UsageError(f"{name} uses YAML anchors", hint="write the layers out, or use 'repeat N: [...]'")
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{name} is not YAML: {str(error).splitlines()[0]}", hint=EXAMPLE) from None
    if isinstance(found, Mapping):
        for key in found:
            if key != "layers":
                raise UsageError(f"{name} has a key {key!r}; a layer list has only 'layers'", hint=EXAMPLE)
        found = found.get("layers")
    if not isinstance(found, list) or not found:
        raise UsageError(f"{name} holds no list of layers", hint=EXAMPLE)
    return found


EXAMPLE = "write for example: layers: [conv 32 3x3, relu, maxpool 2, flatten, dense K]"


def parse(layers: Sequence[Any], *, in_shape: Shape, num_classes: int | None) -> Plan:
    """The checked plan of a net that takes `in_shape` (C H W, or F for points) to logits.

    `num_classes` None takes what the last layer says. Raises UsageError that names the layer and a way out.
    """
    steps = follow(layers, in_shape=in_shape, num_classes=num_classes)
    last = steps[-1]
    if last.cls in ("activation:softmax", "activation:sigmoid", "activation:log-softmax"):
        raise UsageError(f"the last layer {last.text!r} is not needed: the loss applies it", hint="leave it out")
    if len(last.shape) != 1:
        raise UsageError(
            f"the last layer {last.text!r} gives maps of {'x'.join(map(str, last.shape))}, not a number per class",
            hint="end with 'flatten, dense K' or with 'conv K 1x1, globalpool'",
        )
    if num_classes is not None and last.shape != (num_classes,):
        raise UsageError(
            f"the net ends in {plural(last.shape[0], 'output')}, and {num_classes} classes are wanted",
            hint="write K where the last layer says how many: dense K",
        )
    weighted = [place for place, step in enumerate(steps) if _weighted(step)]
    if not weighted:
        raise UsageError(f"no layer of the list has weights, of {len(steps):,} in all", hint=EXAMPLE)
    return Plan(in_shape, last.shape[0], steps, _stages(steps, weighted), steps[weighted[-1]].name)


def follow(layers: Sequence[Any], *, in_shape: Shape, num_classes: int | None) -> tuple[Step, ...]:
    """The layers one after the other, whether or not they end as a net does.

    Raises UnfitLayer for the first that does not fit.
    """
    return _chain(layers, in_shape, num_classes, Counter(), where="layer ", at=())


def _weighted(step: Step) -> bool:
    return step.cls in _WEIGHTED or any(_weighted(inner) for branch in step.branches for inner in branch)


_WEIGHTED = {"nn.Linear", "nn.Conv2d", "nn.ConvTranspose2d", "Separable", "Spatial", "Standardised"}


def _stages(steps: tuple[Step, ...], weighted: list[int]) -> tuple[str, ...]:
    """A stage is a layer with weights and what follows it up to the next one; it is read at its last telling module."""
    telling = [step.cls not in ("nn.Flatten", "nn.Dropout", "nn.Dropout2d", "nn.AlphaDropout") for step in steps]
    ends = [max(place for place in range(start, stop) if telling[place]) for start, stop in pairwise(weighted)]
    return tuple(steps[end].name for end in ends) or (steps[0].name,)


def _chain(
    layers: Sequence[Any], shape: Shape, classes: int | None, counts: Counter[str], *, where: str, at: tuple[int, ...]
) -> tuple[Step, ...]:
    if len(at) // 2 > DEEPEST:
        raise _unfit(
            f"{where.strip()}: layers are nested more than {DEEPEST} deep",
            "write the inner layers one after another",
            at[:-1],
        )
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not layers:
        raise _unfit(f"{where.strip() or 'layers'}: a list of layers was expected, got {layers!r}", EXAMPLE, at[:-1])
    steps: list[Step] = []
    for number, layer in enumerate(layers, start=1):
        here, place = f"{where}{number}", (*at, number - 1)
        try:
            text, inside = opened(layer)
        except Misfit as misfit:
            raise _unfit(f"{here}: {misfit.what}", misfit.hint, place) from None
        word, *values = text.split()
        try:
            if word == "repeat":
                for _ in range(_times(values)):
                    steps += _chain(inside, shape, classes, counts, where=f"{here}.", at=(*place, 0))
                    shape = steps[-1].shape
            else:
                steps.append(_step(text, inside, shape, classes, counts, where=here, at=place))
                shape = steps[-1].shape
        except Misfit as misfit:
            raise _unfit(f"{here} {text!r}: {misfit.what}", misfit.hint, place) from None
        if counts.total() > MOST_STEPS:  # of the whole list: a thousand branches of a thousand layers hide in a line
            raise _unfit(f"{here}: the list unfolds to more than {MOST_STEPS:,} layers", "make it smaller", place)
    return tuple(steps)


def _unfit(what: str, hint: str, at: tuple[int, ...]) -> UnfitLayer:
    error = UnfitLayer(what, hint=hint)
    error.at = at
    return error


def opened(layer: Any) -> tuple[str, Any]:
    """The text of a layer, and the layers inside it (None for a plain one); raises Misfit for what is none."""
    if isinstance(layer, str) and layer.split():
        return layer, None
    if isinstance(layer, Mapping) and len(layer) == 1:
        ((text, inside),) = layer.items()
        if isinstance(text, str) and text.split():
            return text, inside
    raise Misfit(f"a layer is a text like 'conv 32 3x3', got {layer!r}", EXAMPLE)


def paths_of(word: str, inside: Any) -> list[Any]:
    """The lists of layers that a layer holds: those of branches, or its one."""
    return list(inside) if word == "branches" and isinstance(inside, list) else [inside]


def _times(values: list[str]) -> int:
    if len(values) != 1 or not values[0].isdigit() or not 1 <= int(values[0]) <= 1000:
        raise Misfit("repeat needs how often, 1 to 1000", "write 'repeat 3: [...]'")
    return int(values[0])


def _step(
    text: str, inside: Any, shape: Shape, classes: int | None, counts: Counter[str], *, where: str, at: tuple[int, ...]
) -> Step:
    word, *values = text.split()
    branches: tuple[tuple[Step, ...], ...] = ()
    if word in HOLDERS:
        if values:
            raise Misfit(f"{word} takes no values, got {' '.join(values)}")
        lists = inside if word == "branches" else [inside]
        if not isinstance(lists, Sequence) or isinstance(lists, str) or not lists:
            raise Misfit("it holds layers, and none came", f"write '{word}: [...]'")
        branches = tuple(
            _chain(one, shape, classes, counts, where=f"{where}.{word}.", at=(*at, path))
            for path, one in enumerate(lists)
        )
        made = HOLDERS[word]([shape, *(branch[-1].shape for branch in branches)])
    elif inside is not None:
        raise Misfit("it cannot hold other layers", f"layers that can: {', '.join([*HOLDERS, 'repeat'])}")
    elif word in LAYERS:
        made = call(LAYERS[word], word, shape, values, classes)
    elif word in ACTIVATIONS:
        made = call_activation(word, values, shape)
    else:
        words = [*LAYERS, *HOLDERS, "repeat", *ACTIVATIONS]
        raise Misfit(f"there is no layer {word!r}", unknown("layer", word, words).hint)
    cls, args, kwargs, out = made
    check_affordable(made, shape)
    counts[word] += 1
    name = f"{word.replace('-', '_')}{counts[word]}"  # checkpoints hold letters, digits and _ only
    return Step(name, text, cls, args, tuple(kwargs.items()), branches, out)
