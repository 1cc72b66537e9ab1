"""The program of a net: a layer list said in plain PyTorch, or the page on which an architecture is written."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from hubel.models import card, resolve
from hubel.models.files import known_as
from hubel.models.layerlist import parse
from hubel.models.layers import to_code


def code(
    layers: str | Sequence[Any],
    *,
    num_classes: int | None = None,
    in_chans: int | None = None,
    img_size: int | tuple[int, int] | None = None,
) -> str:
    """The layer list (a .yaml file or a Python list) as a program; sizes not given are those of the MNIST digits.

    For a name of the catalogue: the source of its file. Raises UsageError that names the layer that does not fit.
    """
    name, options = resolve(known_as(layers) if isinstance(layers, str) else layers, {})
    entry = card(name)
    if "layers" not in options:
        return inspect.getsource(entry.module)
    size = img_size or entry.img_size or 28
    height, width = (size, size) if isinstance(size, int) else size
    in_shape = (in_chans or entry.in_chans, height, width)
    listed = options["layers"]
    if num_classes is None and "K" in str(listed).replace("'", " ").split():
        num_classes = entry.num_classes
    return to_code(parse(listed, in_shape=in_shape, num_classes=num_classes))
