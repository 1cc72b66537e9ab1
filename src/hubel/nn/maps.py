"""Which layer has maps: spatial outputs found by running the net once, and the default one for the CAM family.

Letters: B batch, C channels, h w height and width of a layer's maps, T tokens, D width of a token.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from hubel.errors import UsageError, near
from hubel.nn.modes import evaluating
from hubel.nn.taps import watch


def spatial_layers(model: nn.Module, images: torch.Tensor) -> dict[str, tuple[int, int, int]]:
    """Name -> (C, h, w) of every module with maps as output, in the order in which they run.

    Tokens B T D that form a square grid, with or without class token, count as maps of D channels.

    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    >>> spatial_layers(net, torch.zeros(1, 1, 8, 8))
    {'0': (4, 6, 6), '1': (4, 6, 6)}
    """
    found: dict[str, tuple[int, int, int]] = {}

    def measure(name: str, module: nn.Module, inputs: object, output: object) -> None:
        maps = as_maps(output)
        if maps is not None and not attends(maps):
            found.pop(name, None)
            found[name] = (int(maps.shape[1]), int(maps.shape[2]), int(maps.shape[3]))

    inside = {name: module for name, module in model.named_modules() if name}
    with watch(inside, measure), evaluating(model), torch.no_grad():
        model(images[:1])
    return found


def narrowest(model: nn.Module, image: torch.Tensor) -> tuple[str, ...]:
    """The stages of a net as far as the last of those with the smallest maps of an image C H W: where a place has seen
    most of the picture. All of them where none has maps.
    """
    stages: tuple[str, ...] = getattr(model, "stages", ())
    found = spatial_layers(model, image[None])
    sizes = {name: found[name][1] * found[name][2] for name in stages if name in found}
    last = [name for name, size in sizes.items() if size == min(sizes.values())]
    return stages[: stages.index(last[-1]) + 1] if last else stages


def as_maps(output: object) -> torch.Tensor | None:
    """B C h w for maps or for tokens on a square grid, if that is larger than 1 x 1; None for anything else."""
    if not isinstance(output, torch.Tensor):
        return None
    if output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
        return output
    if output.ndim == 3 and output.shape[1] > 4:
        side = int(output.shape[1] ** 0.5)
        extra = output.shape[1] - side * side  # class token (and the like) stand in front of the patches
        if side > 1 and extra in (0, 1, 2):
            return output[:, extra:].transpose(1, 2).unflatten(2, (side, side))
    return None


def attends(maps: torch.Tensor) -> bool:
    """Are these B A T T weights of attention, whose rows sum to 1, and no maps of places?

    >>> attends(torch.rand(1, 3, 5, 5).softmax(dim=-1)), attends(torch.rand(1, 3, 5, 5))
    (True, False)
    """
    if maps.shape[2] != maps.shape[3] or not maps.is_floating_point() or bool((maps < 0).any()):
        return False
    sums = maps.sum(dim=-1)
    return torch.allclose(sums, torch.ones_like(sums), atol=1e-3)


def pick_layer(model: nn.Module, images: torch.Tensor, layer: str | None) -> str:
    """The layer asked for, or the deepest one that still has maps; raises UsageError that lists those that have.

    A net of hubel names its stages, and the last stage with maps is taken; of any other net, the last module with maps.
    """
    found = spatial_layers(model, images)
    if not found:
        raise UsageError(
            "no layer of this net has maps (outputs B C h w larger than 1 x 1), so nothing can be located in it",
            hint="methods without a layer can be used: saliency, integrated-gradients, occlusion, rise",
        )
    if layer is None:
        return ([name for name in getattr(model, "stages", ()) if name in found] or list(found))[-1]
    if layer not in found:
        known = dict(model.named_modules())
        listing = ", ".join(found) if len(found) <= 24 else ", ".join([*list(found)[:8], "...", *list(found)[-8:]])
        if layer in known and layer:
            raise UsageError(f"layer {layer!r} has no maps to look at", hint=f"layers with maps: {listing}")
        close = near(layer, found)
        meant = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
        raise UsageError(f"unknown layer {layer!r}", hint=f"{meant}layers with maps: {listing}")
    return layer


@contextmanager
def cut(model: nn.Module, layer: str) -> Iterator[list[torch.Tensor]]:
    """Inside the block the output of `layer` is a leaf that asks for a gradient: the graph begins there.

    The list receives that leaf at each call of the layer. Whoever comes next gets a clone, so that an in-place
    activation leaves the leaf alone. The hook is removed on exit, also after an exception.
    """
    leaves: list[torch.Tensor] = []

    def begin(name: str, module: nn.Module, inputs: object, output: object) -> torch.Tensor | None:
        if not isinstance(output, torch.Tensor):
            return None
        leaf = output.detach().clone().requires_grad_()
        leaves.append(leaf)
        return leaf.clone()

    with watch({layer: dict(model.named_modules())[layer]}, begin):
        yield leaves
