"""What a transformer looks at: its attention maps as they are, and rolled out through all layers.

S. Abnar, W. Zuidema, Quantifying Attention Flow in Transformers, ACL 2020, arXiv 2005.00928, section 3: attention of a
layer, averaged over the heads and mixed half and half with the identity that the residual connection is, multiplied
through the layers. Both maps say where information came from, not what it was used for: they are alike for all classes.

Letters: B batch, A heads, N tokens, L layers, s side of the grid of patches.
"""

from __future__ import annotations

import torch
from torch import nn

from hubel.errors import UsageError, unknown
from hubel.explainers.attribution import Raw
from hubel.nn.maps import attends
from hubel.nn.modes import evaluating
from hubel.nn.taps import watch


def attention_maps(model: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Name -> B A N N, rows sum to 1, for each attention layer in the order in which they run.

    Taken from the modules that the net names in `attention`, and in any other net from every module that gives out such
    maps (alone, or second to its result like nn.MultiheadAttention). Raises UsageError where there are none.
    """
    found: dict[str, torch.Tensor] = {}
    named = getattr(model, "attention", None)
    names = set(named) if isinstance(named, tuple) else {name for name, _ in model.named_modules() if name}

    def keep(name: str, module: nn.Module, inputs: object, output: object) -> None:
        maps = output[1] if isinstance(output, tuple) and len(output) == 2 else output
        if isinstance(maps, torch.Tensor) and (maps := _square(maps)) is not None:
            found[name] = maps

    known = {name: module for name, module in model.named_modules() if name in names}
    with watch(known, keep), evaluating(model), torch.no_grad():
        model(images)
    if not found:
        raise UsageError(
            "attention maps cannot be shown: no module of this net gives out attention",
            hint="methods for any net: integrated-gradients, occlusion, rise",
        )
    return found


def raw(model: nn.Module, images: torch.Tensor, targets: torch.Tensor, *, layer: str | None = None) -> Raw:
    """From the class token (without one: from all patches) to each patch in one layer, mean of the heads."""
    maps = attention_maps(model, images)
    name = list(maps)[-1] if layer is None else layer
    if name not in maps:
        raise unknown("attention layer", name, maps)
    return Raw(maps=to_patches(maps[name].mean(dim=1)), layer=name)


def rollout(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> Raw:
    """How much of each patch arrives at the class token after all layers."""
    maps = attention_maps(model, images)
    return Raw(maps=to_patches(rolled_out(list(maps.values()))), details={"layers": float(len(maps))})


def rolled_out(layers: list[torch.Tensor]) -> torch.Tensor:
    """B N N: the product of (attention + identity) / 2 over the layers, the first layer on the right.

    >>> rolled_out([torch.full((1, 2, 2, 2), 0.5)] * 2)[0]
    tensor([[0.6250, 0.3750],
            [0.3750, 0.6250]])
    """
    flow = torch.eye(layers[0].shape[-1], dtype=layers[0].dtype, device=layers[0].device)
    for attention in layers:
        mixed = (attention.mean(dim=1) + torch.eye(attention.shape[-1]).to(attention)) / 2
        flow = mixed / mixed.sum(dim=-1, keepdim=True) @ flow
    return flow


def to_patches(flow: torch.Tensor) -> torch.Tensor:
    """B s s: the row of the class token over the patches; the mean of all rows where there is no class token."""
    tokens = flow.shape[-1]
    side = int(tokens**0.5)
    extra = tokens - side * side
    if extra > 2:
        raise UsageError(
            f"attention over {tokens} tokens cannot be laid out: the patches do not form a square grid",
            hint="methods for any net: integrated-gradients, occlusion, rise",
        )
    row = flow[:, 0, extra:] if extra else flow.mean(dim=1)
    return row.unflatten(1, (side, side))


def _square(maps: torch.Tensor) -> torch.Tensor | None:
    if maps.ndim == 3:
        maps = maps[:, None]
    return maps if maps.ndim == 4 and maps.shape[2] >= 4 and attends(maps) else None
