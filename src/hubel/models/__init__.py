"""The catalogue of nets. One architecture is one file here; its facts (paper, counts) are a card in `cards/`.

Listing and describing load no torch; building imports the one file that is asked for.

>>> list_models("resnet5*")
['resnet50', 'resnet56']
>>> card("lenet5").year
1998
>>> net = create_model("mnist_cnn", num_classes=10, in_chans=1)
>>> sum(p.numel() for p in net.parameters())
34826

A net can also be a list of layers, in Python or in a YAML file (`hubel.models.layerwords` has the words), a class in a
Python file of one's own (`hubel.models.files`), or one of timm's, called timm/NAME:

>>> create_model(["conv 8 3x3", "relu", "flatten", "dense K"], num_classes=2, in_chans=1, img_size=8).stages
('relu1',)
"""

from __future__ import annotations

import fnmatch
import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hubel.errors import UsageError
from hubel.models import files, own
from hubel.models.cards import CARDS, Card
from hubel.models.files import load_nets
from hubel.models.own import register_model

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "CARDS",
    "Card",
    "card",
    "create_model",
    "list_models",
    "load_nets",
    "register_model",
    "require_signals",
    "require_steps",
    "resolve",
    "size_for_points",
]

TIMM = "timm/"
LISTS = (".yaml", ".yml")


def list_models(match: str = "*") -> list[str]:
    """Names of the architectures whose name fits the shell pattern `match`, sorted."""
    return sorted(name for name in CARDS if fnmatch.fnmatchcase(name, match))


def card(name: str) -> Card:
    """The card of an architecture; raises UnknownName with near names.

    A layer list has the card of "layers"; timm/NAME has a card with what can be said without timm.
    """
    if name.startswith(TIMM):
        net = name.removeprefix(TIMM)
        return Card(
            name=name,
            builder_at=f".foreign:timm/{net}",
            title=f"{net} (timm)",
            year=2019,
            reference="R. Wightman, PyTorch Image Models, 2019",
            novelty="A net of timm, built by timm.",
        )
    if name.endswith(LISTS):
        return CARDS["layers"]
    away = files.unread(name)
    if away is not None:
        raise UsageError(away[0], hint=away[1])
    return CARDS.get(name)


def resolve(name: str | Sequence[Any], options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A catalogue name and its options, which say the same as `name`: a layer list, or a file of one, becomes "layers".

    What a checkpoint stores must not depend on a file that may change, so it stores the resolved pair.

    >>> resolve(["flatten", "dense K"], {})
    ('layers', {'layers': ['flatten', 'dense K']})
    """
    if not isinstance(name, str):
        return "layers", {**options, "layers": list(name)}
    if name.endswith(LISTS):
        return "layers", {**options, "layers": importlib.import_module("hubel.models.layerlist").read(name)}
    return name, dict(options)


def create_model(
    name: str | Sequence[Any],
    *,
    num_classes: int | None = None,
    in_chans: int = 3,
    img_size: int | tuple[int, int] | None = None,
    **options: Any,
) -> nn.Module:
    """Build the net called `name` with fresh random weights (from torch's global generator).

    `num_classes` K: outputs (None: as published); `in_chans` C: input channels; `img_size`: H and W in pixels, None for
    the size of the paper. Small sizes get the stem that is right for the family. `options` are the builder's keywords.
    Four options every net takes: `head_hidden`, units of a hidden layer in the head, `cut`, a stage after which the
    head follows at once, `all_stages`, which lets the head see the means of all stages, and `scale`, mean and deviation
    of the numbers that it answers with (see `hubel.models.heads`).
    The result maps images B C H W to logits B K and has the attributes `stages` and `head` (names of modules).

    Raises UnknownName for a name that is not in the catalogue, UsageError for options or sizes the net cannot take.
    """
    name, options = resolve(name, options)
    entry = card(name)
    cut, hidden, staged, scale = (options.pop(option, None) for option in ("cut", "head_hidden", "all_stages", "scale"))
    if num_classes is None and "layers" not in options:  # a layer list of one's own says it itself
        num_classes = entry.num_classes
    builder = entry.builder
    if entry.find is None and not name.startswith(TIMM):  # the others know their own options
        options = importlib.import_module("hubel.models.options").read_options(name, builder, options)
    points = img_size is None and _starts_dense(options.get("layers"))
    height, width = (None, None) if points else _pair(img_size) or _pair(entry.img_size) or (None, None)
    if height and width and min(height, width) < entry.min_size:
        raise UsageError(
            f"model {name!r} needs images of at least {entry.min_size}x{entry.min_size} pixels, got {height}x{width}",
            hint=f"use --img-size {entry.min_size} or more, or another model: hubel models",
        )
    sizes = {"num_classes": num_classes, "in_chans": in_chans, "img_size": (height, width)}
    net: nn.Module = builder(**sizes, **options) if entry.find is None else own.build(name, builder, sizes, options)
    if cut is None and hidden is None and not staged and scale is None:
        return net
    heads = importlib.import_module("hubel.models.heads")
    shape = (in_chans,) if height is None else (in_chans, height, width)
    if cut is not None:
        net = heads.cut_after(net, str(cut), shape)
    if staged:
        net = heads.over_stages(net, shape)
    if hidden is not None:
        net = heads.with_hidden(net, hidden)
    return net if scale is None else heads.with_scale(net, scale)


def size_for_points(name: str, options: Mapping[str, Any]) -> tuple[int, int] | None:
    """The `img_size` with which a net is built for points B F in place of pictures (after `resolve`).

    None, or one pixel for nets that flatten what comes. Raises UsageError for a net that only takes pictures.

    >>> size_for_points("mlp", {}), size_for_points("mnist_mlp", {})
    (None, (1, 1))
    >>> size_for_points("resnet18", {})
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: model 'resnet18' takes pictures, and these are points
      nets for points: hubel models --tag points; a picture is channels x height x width: 3x224x224
    """
    entry = card(name)
    if entry.img_size is None or _starts_dense(options.get("layers")):
        return None
    if "points" in entry.tags or entry.find is not None:  # nets of one's own know themselves
        return (1, 1)
    raise UsageError(
        f"model {name!r} takes pictures, and these are points",
        hint="nets for points: hubel models --tag points; a picture is channels x height x width: 3x224x224",
    )


def require_steps(name: str) -> None:
    """Raise UsageError for a net that does not answer after each step of a series.

    >>> require_steps("resnet18")
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: model 'resnet18' reads no series step by step
      nets that do: hubel models --tag steps
    """
    entry = card(name)
    if "steps" not in entry.tags and entry.find is None:
        raise UsageError(f"model {name!r} reads no series step by step", hint="nets that do: hubel models --tag steps")


def require_signals(name: str) -> None:
    """Raise UsageError for a net that does not take signals B C T of unequal lengths."""
    entry = card(name)
    if "signals" not in entry.tags and entry.find is None:
        raise UsageError(f"model {name!r} takes no signals", hint="nets that do: hubel models --tag signals")


def _starts_dense(layers: Any) -> bool:
    """A layer list whose first layer is dense takes a vector, and so points."""
    first = layers[0] if isinstance(layers, Sequence) and layers and not isinstance(layers, str) else ""
    return isinstance(first, str) and first.split()[:1] == ["dense"]


def _pair(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    return (size, size) if isinstance(size, int) else size
