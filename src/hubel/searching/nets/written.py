"""A net that was found, as its finder takes it home: a layer list in YAML, and plain PyTorch; its space."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from hubel.errors import HubelError
from hubel.models.layerlist import parse
from hubel.models.layers import to_code
from hubel.searching.nets.genes import NetSpace


def as_yaml(layers: Sequence[Any]) -> str:
    """A file that `hubel train DATA --model FILE` takes: what comes twice is written twice, and no anchor.

    >>> print(as_yaml(["conv 8 3x3", {"residual": ["conv 8 3x3 padding=same"]}, "globalpool", "dense K"]), end="")
    layers:
    - conv 8 3x3
    - residual:
      - conv 8 3x3 padding=same
    - globalpool
    - dense K
    """
    apart = json.loads(json.dumps(list(layers)))  # YAML would name what is the same object, such as a repeated cell
    return yaml.safe_dump({"layers": apart}, sort_keys=False, width=120)


def space_as_yaml(space: NetSpace) -> str:
    """A file that `hubel search DATA --nets WAY --space FILE` takes.

    >>> from hubel.searching.nets.spaces import usual_nets
    >>> print(space_as_yaml(usual_nets("paths")).splitlines()[1])
    stages: [16, 32, 48]
    """
    return yaml.safe_dump(space.plain(), sort_keys=False, width=100, default_flow_style=None)


def as_code(layers: Sequence[Any], shape: tuple[int, ...], classes: int) -> str:
    """The net as PyTorch without hubel; "" for what cannot be written so. `shape` C H W."""
    try:
        return to_code(parse(layers, in_shape=shape, num_classes=classes))
    except HubelError:
        return ""
