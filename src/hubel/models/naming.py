"""Names that other libraries give to a family's tensors, put back into the order in which the net computes.

Where names differ altogether, weights are fitted one after the other (`fitting`), and that needs the author's order.
A .safetensors file has lost it: there, names stand in the order of the alphabet. For families whose names elsewhere are
known, the order is told by the names themselves, so that nothing is guessed:

    timm                              EfficientNet in PyTorch                what it is
    conv_stem, bn1                    _conv_stem, _bn0                       stage 1
    blocks.S.B.conv_pw, bn1           _blocks.N._expand_conv, _bn0           1x1, wider
    blocks.S.B.conv_dw, bn2           _blocks.N._depthwise_conv, _bn1        k x k of each map
    blocks.S.B.se.conv_reduce, …      _blocks.N._se_reduce, _se_expand       squeeze and excitation
    blocks.S.B.conv_pwl, bn3          _blocks.N._project_conv, _bn2          1x1, narrower
    conv_head, bn2                    _conv_head, _bn1                       the last 1x1
    classifier                        _fc                                    the head

timm counts batch norms by their place, so that in a block without expansion each stands a number earlier.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

__all__ = ["in_order"]

Tensors = Mapping[str, torch.Tensor]

_TIMM = {
    "wide": ("conv_pw", "bn1", "conv_dw", "bn2", "se.conv_reduce", "se.conv_expand", "conv_pwl", "bn3"),
    "plain": ("conv_dw", "bn1", "se.conv_reduce", "se.conv_expand", "conv_pw", "bn2"),
}  # fmt: skip
_PORT = ("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_se_reduce", "_se_expand", "_project_conv", "_bn2")
_ENDS = {
    "timm": (("conv_stem", "bn1"), ("conv_head", "bn2", "classifier")),
    "port": (("_conv_stem", "_bn0"), ("_conv_head", "_bn1", "_fc")),
}
_VALUES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_BLOCK = re.compile(r"(_?blocks(?:\.\d+)+)\.(.+)\.(\w+)")


def in_order(tensors: Tensors) -> dict[str, torch.Tensor] | None:
    """The tensors in the order in which their net computes, where their names tell it; None where they do not.

    >>> one = torch.zeros(1)
    >>> names = ["bn1.bias", "bn1.weight", "classifier.weight", "conv_stem.weight", "blocks.0.0.conv_dw.weight"]
    >>> list(in_order(dict.fromkeys(names, one)))
    ['conv_stem.weight', 'bn1.weight', 'bn1.bias', 'blocks.0.0.conv_dw.weight', 'classifier.weight']
    >>> in_order({"fc.weight": one}) is None
    True
    """
    style = next((style for style, (first, _) in _ENDS.items() if f"{first[0]}.weight" in tensors), None)
    if style is None:
        return None
    wide = {found[1] for name in tensors if (found := _BLOCK.fullmatch(name)) and found[2] == "conv_pwl"}
    places = {name: _place(name, style, wide) for name in tensors}
    known = {name: place for name, place in places.items() if place is not None}
    return {name: tensors[name] for name in sorted(known, key=known.__getitem__)} if len(known) == len(places) else None


def _place(name: str, style: str, wide: set[str]) -> tuple[int, ...] | None:
    """Where a tensor stands: its part of the net, its block, its layer, its role; None for a name that is not known."""
    inside = _BLOCK.fullmatch(name)
    layer, _, value = name.rpartition(".")
    if value not in _VALUES:
        return None
    role = _VALUES.index(value)
    if inside is None:
        for part, names in zip((0, 2), _ENDS[style], strict=True):
            if layer in names:
                return part, 0, 0, names.index(layer), role
        return None
    layers = _PORT if style == "port" else _TIMM["wide" if inside[1] in wide else "plain"]
    if inside[2] not in layers:
        return None
    numbers = [int(number) for number in inside[1].split(".")[1:]]
    return 1, *([0] * (2 - len(numbers))), *numbers, layers.index(inside[2]), role
