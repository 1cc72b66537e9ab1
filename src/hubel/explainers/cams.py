"""Class activation maps: weigh the maps of one layer by how much they matter to the class, and add them up.

With A the maps of the layer (B C h w), y the score of the class and g = dy/dA, each method is a line:

    Grad-CAM     relu(sum_c mean_hw(g) A)               Selvaraju et al., ICCV 2017, arXiv 1610.02391, equations 1-2
    Grad-CAM++   relu(sum_c sum_hw(alpha relu(g)) A)    Chattopadhyay et al., WACV 2018, arXiv 1710.11063, eq. 10, 19
    HiResCAM     relu(sum_c g A)                        Draelos, Carin, 2020, arXiv 2011.08891, equation 3
    Layer-CAM    relu(sum_c relu(g) A)                  Jiang et al., IEEE TIP 2021, equations 5-6
    Score-CAM    relu(sum_c softmax_c(y(x M_c)) A)      Wang et al., CVPRW 2020, arXiv 1910.01279, algorithm 1

The first four share one forward pass and one backward pass that stops at the layer. HiResCAM equals Grad-CAM where a
global average follows the layer, and is the one that is faithful when something else follows.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from hubel.errors import UsageError
from hubel.explainers.attribution import Raw
from hubel.explainers.fast.forward import Fast
from hubel.nn.maps import as_maps, attends, cut, pick_layer
from hubel.nn.modes import evaluating, frozen
from hubel.nn.scores import pick
from hubel.runtime import memory_is_kept

Weigh = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(maps A, gradients g), both B C h w -> B h w before the ReLU."""


def grad_cam(model: nn.Module, images: torch.Tensor, targets: torch.Tensor, *, layer: str | None = None) -> Raw:
    """Maps weighed by their average gradient."""
    return _weighed(model, images, targets, layer, lambda a, g: (g.mean(dim=(2, 3), keepdim=True) * a).sum(dim=1))


def grad_cam_plus_plus(
    model: nn.Module, images: torch.Tensor, targets: torch.Tensor, *, layer: str | None = None
) -> Raw:
    """Like Grad-CAM with positive gradients weighed pixel by pixel: several objects of a class all count."""

    def weigh(a: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        # For the score exp(y) the second and third derivatives are powers of the first, and exp(y) cancels (eq. 19).
        square = g.square()
        below = 2 * square + (a * square * g).sum(dim=(2, 3), keepdim=True)
        alpha = torch.where(square > 0, square / torch.where(below != 0, below, torch.ones_like(below)), 0.0)
        return ((alpha * g.relu()).sum(dim=(2, 3), keepdim=True) * a).sum(dim=1)

    return _weighed(model, images, targets, layer, weigh)


def hires_cam(model: nn.Module, images: torch.Tensor, targets: torch.Tensor, *, layer: str | None = None) -> Raw:
    """Gradient times map, place by place: what the layer adds to the score at each place.

    Raises UsageError where the products cancel to rounding noise at every place: a normalisation that is all that
    reads the layer (before the blocks of a transformer) makes the score blind to the length of a token.
    """
    name, a, g = maps_and_gradients(model, images, targets, layer)
    products = g * a
    sums = products.sum(dim=1)
    if float(sums.abs().max()) <= 1e-4 * float(products.abs().sum(dim=1).max()) and bool(products.any()):
        raise UsageError(
            f"hires-cam cannot be used on layer {name!r}: a normalisation follows, so what the places add cancels to 0",
            hint="on this layer: layer-cam, grad-cam; for any net: integrated-gradients, occlusion",
        )
    return Raw(maps=sums.relu(), layer=name)


def layer_cam(model: nn.Module, images: torch.Tensor, targets: torch.Tensor, *, layer: str | None = None) -> Raw:
    """Positive gradient times map, place by place: sharp at early layers, too."""
    return _weighed(model, images, targets, layer, lambda a, g: (g.relu() * a).sum(dim=1))


def score_cam(
    model: nn.Module, images: torch.Tensor, targets: torch.Tensor, *, layer: str | None = None, batch_size: int = 0
) -> Raw:
    """Each map, stretched to [0, 1] and enlarged, masks the image; what score is left says how much the map counts.

    No gradients. One forward pass for each map that is not constant: constant maps all give the empty mask, whose score
    is computed once. `batch_size` masked images go through the net at a time; 0 takes what fits the processor's cache.
    """
    if batch_size < 1:
        # ResNet-18 at 224 x 224 on an EPYC. One core: 17.2 ms an image in batches of 8, 18.8 by 4 and 19.6 by 32. Two
        # cores, memory kept: 9.5 by 8, 8.8 by 16, 8.2 by 32. Where it is not kept, large maps are costly to ask for.
        share = 16 * torch.get_num_threads() if memory_is_kept() else 8
        batch_size = min(max(share * 224 * 224 // (images.shape[2] * images.shape[3]), 4), 64)
    fast = Fast(model)
    weights, cams, passes = [], [], 0
    name, a, _ = maps_and_gradients(model, images, targets, layer, gradients=False)
    for image, maps, target in zip(images, a, targets.tolist(), strict=True):
        low, high = maps.amin(dim=(1, 2)), maps.amax(dim=(1, 2))
        alive = torch.nonzero(high > low)[:, 0]
        stretched = (maps - low[:, None, None]) / (high - low).clamp_min(torch.finfo(maps.dtype).tiny)[:, None, None]
        empty = fast(torch.zeros_like(image)[None])[0, target]
        scores = empty.repeat(len(maps))
        for part in alive.split(batch_size):
            masks = F.interpolate(stretched[part][:, None], image.shape[1:], mode="bilinear", align_corners=False)
            scores[part] = fast(image * masks)[:, target]
        passes += len(alive) + 1
        weights.append(scores.softmax(dim=0))
        cams.append((weights[-1][:, None, None] * maps).sum(dim=0).relu())
    return Raw(maps=torch.stack(cams), layer=name, details={"passes": float(passes)})


def maps_and_gradients(
    model: nn.Module, images: torch.Tensor, targets: torch.Tensor, layer: str | None, *, gradients: bool = True
) -> tuple[str, torch.Tensor, torch.Tensor]:
    """The layer's name, its maps A, and the gradient of each image's score with respect to them (both B C h w).

    The graph begins at the layer, so nothing in front of it is kept or differentiated.
    """
    # A guess saves a pass over the net; where the guess has no maps, the net is traced and the user is told.
    stages: tuple[str, ...] = getattr(model, "stages", ())
    name = layer or (stages[-1] if stages else None)
    if name is None or name not in dict(model.named_modules()):
        name = pick_layer(model, images, layer)
    found = _through(model, images, targets, name, gradients)
    if found is None:
        name = pick_layer(model, images, layer)
        found = _through(model, images, targets, name, gradients)
    elif layer is None and found[2] and len(stages) > 1:
        # Behind the last block of a transformer only the class token is read: its patches have no influence there.
        name = stages[-2]
        found = _through(model, images, targets, name, gradients)
    assert found is not None
    return name, found[0], found[1]


def _through(
    model: nn.Module, images: torch.Tensor, targets: torch.Tensor, name: str, gradients: bool
) -> tuple[torch.Tensor, torch.Tensor, bool] | None:
    """Maps and gradients of a layer, and whether they are tokens; None if it has no maps."""
    with evaluating(model), frozen(model), torch.enable_grad(), cut(model, name) as leaves:
        logits = model(images)
        if not leaves or (maps := as_maps(leaves[-1])) is None or attends(maps.detach()):
            return None
        leaf = leaves[-1]
        tokens = leaf.ndim == 3
        if not gradients:
            return _as_maps(leaf.detach()), torch.empty(0), tokens
        (gradient,) = torch.autograd.grad(pick(logits, targets).sum(), leaf, allow_unused=True)
    if gradient is None:
        raise UsageError(
            f"the score does not depend on layer {name!r} through gradients", hint="choose another layer with --layer"
        )
    return _as_maps(leaf.detach()), _as_maps(gradient), tokens


def _as_maps(tensor: torch.Tensor) -> torch.Tensor:
    maps = as_maps(tensor)
    assert maps is not None
    return maps


def _weighed(model: nn.Module, images: torch.Tensor, targets: torch.Tensor, layer: str | None, weigh: Weigh) -> Raw:
    name, a, g = maps_and_gradients(model, images, targets, layer)
    return Raw(maps=weigh(a, g).relu(), layer=name)
