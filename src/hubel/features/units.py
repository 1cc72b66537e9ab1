"""What single units look for: their kernels, their maps, the patches that excite them most, and what would most.

Letters: N samples, B batch, C channels, H W of the image, h w of a map, U units (channels of a layer), k patches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hubel.anatomy import receptive
from hubel.data.preprocessing import Preprocessing
from hubel.errors import UsageError
from hubel.nn.maps import as_maps, pick_layer
from hubel.nn.modes import evaluating, frozen
from hubel.nn.scores import checked_images, device_of
from hubel.nn.taps import find_module, record
from hubel.runtime import generator
from hubel.types import Batch
from hubel.views import Viewed

Boxes = np.ndarray
"""... 4: top, left, bottom, right in pixels, the last two not included."""


@dataclass(frozen=True)
class Filters(Viewed):
    """The kernels of one convolution."""

    layer: str
    weights: np.ndarray
    """U C/groups k k, float32."""

    @property
    def coloured(self) -> bool:
        """Can they be shown as RGB pictures? Only where they read three channels."""
        return self.weights.shape[1] == 3


def filters(model: nn.Module, layer: str | int | None = None) -> Filters:
    """The kernels of a two-dimensional convolution: by name, by its place in the net (from 0), or the first one.

    >>> filters(nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU(), nn.Conv2d(8, 4, 3)), 1).weights.shape
    (4, 8, 3, 3)
    """
    convolutions = {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    if not convolutions:
        raise UsageError(
            f"this {type(model).__name__} has no two-dimensional convolution, so it has no filters to show",
            hint="hubel summary NET lists its layers",
        )
    names = list(convolutions)
    if isinstance(layer, int):
        if not 0 <= layer < len(names):
            raise UsageError(
                f"this net has {len(names)} convolutions, from 0 to {len(names) - 1}; got {layer}",
                hint=f"the first is called {names[0]!r}, the last {names[-1]!r}",
            )
        name = names[layer]
    else:
        name = names[0] if layer is None else layer
        if name not in convolutions:
            kind = type(find_module(model, name)).__name__
            shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            raise UsageError(f"layer {name!r} is no convolution but {kind}", hint=f"convolutions: {shown}")
    return Filters(name, convolutions[name].weight.detach().float().cpu().numpy())


@dataclass(frozen=True)
class Activations(Viewed):
    """The maps of one layer for one image."""

    layer: str
    maps: np.ndarray
    """U h w, float32, strongest channel first."""
    units: np.ndarray
    """U: which channel each map is."""
    strength: np.ndarray
    """U: the mean absolute value of each map."""


def activations(model: nn.Module, image: torch.Tensor, layer: str | None = None) -> Activations:
    """The maps of a layer for one image C H W, strongest first; the last layer with maps unless one is named."""
    images = checked_images(model, image)
    name = pick_layer(model, images, layer)
    with evaluating(model), torch.no_grad(), record(model, name, copy=True) as seen:
        model(images)
    maps = as_maps(seen[name])
    assert maps is not None
    found = maps[0].float().cpu().numpy()
    strength = np.abs(found).mean(axis=(1, 2))
    order = np.argsort(-strength, kind="stable")
    return Activations(name, found[order], order, strength[order])


@dataclass(frozen=True)
class TopPatches:
    """For each unit of a layer, the places of a data set that excite it most; one place an image."""

    layer: str
    values: np.ndarray
    """U k, falling; -inf where there were fewer than k images."""
    ids: np.ndarray
    """U k sample numbers (-1 where there is none)."""
    boxes: Boxes
    """U k 4: what the unit sees there, in pixels of the image as the net gets it."""


def top_patches(model: nn.Module, batches: Iterable[Batch], layer: str | None = None, *, k: int = 9) -> TopPatches:
    """One pass over the data; only U x k values, places and sample numbers are kept."""
    if k < 1:
        raise UsageError(f"k must be at least 1, got {k}", hint="9 is usual")
    name = layer
    best: dict[str, torch.Tensor] = {}
    size = (0, 0)
    for batch in batches:
        images = checked_images(model, batch.images)
        if not best:
            name, size = layer or pick_layer(model, images, None), (images.shape[2], images.shape[3])
        assert name is not None
        with evaluating(model), torch.inference_mode(), record(model, name, copy=True) as seen:
            model(images)
        maps = _unit_maps(seen[name])
        values, places = maps.float().flatten(2).max(dim=2)  # B U
        found = {
            "values": values.T.cpu(),
            "places": places.T.cpu(),
            "ids": batch.ids.cpu().expand(values.shape[1], -1),
        }
        if best:
            found = {key: torch.cat([best[key], found[key]], dim=1) for key in found}
        order = found["values"].argsort(dim=1, descending=True, stable=True)[:, :k]
        best = {key: value.gather(1, order) for key, value in found.items()}
        grid = (maps.shape[2], maps.shape[3])
        sample = images[:1]
    if not best or name is None:
        raise UsageError(
            f"the units of {name or 'a layer'} are looked for in images, got none",
            hint="choose another split, or raise --limit",
        )
    missing = max(0, k - best["values"].shape[1])
    highest = np.pad(best["values"].numpy(), ((0, 0), (0, missing)), constant_values=-np.inf)
    ids = np.pad(best["ids"].numpy(), ((0, 0), (0, missing)), constant_values=-1)
    where = np.pad(best["places"].numpy(), ((0, 0), (0, missing)))
    boxes = seen_boxes(model, sample, name, grid, size)
    return TopPatches(name, highest, ids, boxes[where // grid[1], where % grid[1]])


def _unit_maps(output: torch.Tensor) -> torch.Tensor:
    """B U h w, also for a dense layer B U or a last map of 1 x 1."""
    maps = as_maps(output)
    if maps is not None:
        return maps
    if output.ndim == 3:  # tokens without a grid: the units are the last axis
        return output.transpose(1, 2)[..., None]
    return output[..., None, None] if output.ndim == 2 else output


def seen_boxes(
    model: nn.Module, images: torch.Tensor, layer: str, grid: tuple[int, int], size: tuple[int, int]
) -> Boxes:
    """h w 4: what each place of a layer sees, clipped to the image.

    Deep units see more than half of the image, but hang on the middle of what they see (W. Luo et al., NeurIPS 2016,
    arXiv 1701.04128): a wider field is cut to half the image around its place.
    """
    field = receptive.field(model, tuple(images.shape[1:]), layer)
    boxes = np.empty((*grid, 4), dtype=np.int64)
    for row, column in np.ndindex(*grid):
        if len(field.shape) != 4:  # tokens and dense layers may see everything; the widest part is cut below
            spans: tuple[tuple[int, int], ...] = ((0, size[0]), (0, size[1]))
        else:
            spans = field.window(row, column)
        for axis, ((first, last), length, place, count) in enumerate(
            zip(spans, size, (row, column), grid, strict=True)
        ):
            widest = max(length // 2, 1)
            if last - first > widest:
                middle = round((place + 0.5) / count * length)
                first = min(max(middle - widest // 2, 0), length - widest)
                last = first + widest
            boxes[row, column, axis], boxes[row, column, axis + 2] = max(first, 0), min(max(last, first + 1), length)
    return boxes


def maximise(
    model: nn.Module,
    layer: str,
    units: Sequence[int],
    *,
    size: tuple[int, int, int],
    steps: int = 128,
    rate: float = 0.05,
    decay: float = 1e-3,
    smooth: float = 0.05,
    shift: int = 4,
    seed: int = 0,
) -> np.ndarray:
    """Images U C H W (normalised) that excite the units of a layer as much as can be, one for each unit.

    Gradient ascent on the mean of the unit's map, from faint noise. Three habits keep the result from being noise: the
    image is shifted by up to `shift` pixels at each step, large pixels cost `decay` and differences of neighbours cost
    `smooth`. (C. Olah, A. Mordvintsev, L. Schubert, Feature Visualization, Distill 2017, doi 10.23915/distill.00007.)
    """
    device = device_of(model)
    probe = torch.zeros(1, *size, device=device)
    with evaluating(model), torch.no_grad(), record(model, layer, copy=True) as seen:
        model(probe)
    width = _unit_maps(seen[layer]).shape[1]
    for unit in units:
        if not 0 <= unit < width:
            raise UsageError(f"layer {layer!r} has units 0 to {width - 1}, got {unit}", hint="units are counted from 0")
    source = generator(seed, *units)
    x = (0.1 * torch.randn(len(units), *size, generator=source)).to(device).requires_grad_()
    optimiser = torch.optim.Adam([x], lr=rate)
    rows = torch.arange(len(units), device=device)
    index = torch.tensor(list(units), device=device)
    with evaluating(model), frozen(model), torch.enable_grad(), record(model, layer, copy=True) as seen:
        for _ in range(steps):
            down, right = (int(torch.randint(-shift, shift + 1, (1,), generator=source)) for _ in range(2))
            model(x.roll((down, right), dims=(2, 3)))
            excited = _unit_maps(seen[layer]).mean(dim=(2, 3))[rows, index]
            rough = (x[..., 1:, :] - x[..., :-1, :]).square().mean() + (x[..., 1:] - x[..., :-1]).square().mean()
            loss = -excited.sum() + len(units) * (decay * x.square().mean() + smooth * rough)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return x.detach().cpu().numpy()


@dataclass(frozen=True, kw_only=True)
class Units(Viewed):
    """What some units of a layer look for."""

    top: TopPatches
    """Of all units of the layer."""
    units: tuple[int, ...]
    """Those that are shown: the first ones, or those asked for."""
    patches: tuple[tuple[np.ndarray, ...], ...]
    """For each shown unit, its k patches as C h w uint8, most exciting first."""
    names: tuple[tuple[str, ...], ...]
    """For each shown unit, the samples the patches are from."""
    maximal: np.ndarray | None
    """For each shown unit, a picture C H W uint8 that was made to excite it; None if none was asked for."""


def show_units(
    model: nn.Module,
    top: TopPatches,
    which: Sequence[int],
    *,
    pictures: np.ndarray,
    name: Callable[[int], str],
    made: Preprocessing | None = None,
    steps: int = 128,
) -> Units:
    """The patches of the units `which` (the first twelve unless given), cut out of the pictures N C H W uint8.

    `name`: what a row of the pictures is called; `made`: how the net's pictures are normalised, for a picture that is
    made for each unit; None makes none.
    """
    chosen = tuple(which) or tuple(range(min(12, len(top.values))))
    maximal = None
    if made is not None:
        found = maximise(model, top.layer, chosen, size=made.shape, steps=steps)
        maximal = np.clip(np.asarray(made.denormalise(found)) * 255, 0, 255).round().astype(np.uint8)
    patches, names = [], []
    for unit in chosen:
        real = [(int(row), box) for row, box in zip(top.ids[unit], top.boxes[unit], strict=True) if row >= 0]
        patches.append(tuple(pictures[row][:, t:b, left:r] for row, (t, left, b, r) in real))
        names.append(tuple(name(row) for row, _ in real))
    return Units(top=top, units=chosen, patches=tuple(patches), names=tuple(names), maximal=maximal)
