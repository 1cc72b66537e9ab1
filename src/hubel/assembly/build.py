"""The net of a recipe, with its initial weights, and its description as data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from hubel import runtime
from hubel.assembly.prepare import Prepared
from hubel.checkpoint import ModelSpec
from hubel.checkpoint.published import load_published
from hubel.checkpoint.sizing import check_memory, sized
from hubel.data.batches import epoch_order
from hubel.models import card, contract, require_signals, require_steps, resolve, size_for_points
from hubel.models.heads import with_scale
from hubel.models.preparing import Prepares
from hubel.nn.init import initialise, zero_residuals


def described(prepared: Prepared) -> ModelSpec:
    """The net of the recipe before these data, as data; nothing is built."""
    recipe, manifest = prepared.recipe, prepared.manifest
    options = dict(recipe.model.model_options)
    if recipe.model.dropout is not None:
        options["dropout"] = recipe.model.dropout
    assert recipe.model.model is not None
    name, options = resolve(recipe.model.model, options)
    img_size: tuple[int, int] | None
    if prepared.preprocessing is not None:
        in_chans = prepared.preprocessing.channels
        img_size = (prepared.preprocessing.height, prepared.preprocessing.width)
    elif prepared.decoded.images.ndim == 3:  # series: a step is read as a row of one pixel
        (require_signals if prepared.task.labels else require_steps)(name)
        in_chans, img_size = prepared.decoded.images.shape[1], (1, 1)
    elif prepared.decoded.images.ndim == 4:  # volumes: their slices are the channels of a picture
        _, in_chans, height, width = prepared.decoded.images.shape
        img_size = (height, width)
    else:
        in_chans, img_size = prepared.decoded.images.shape[1], size_for_points(name, options)
    return ModelSpec(
        architecture=name,
        num_classes=prepared.task.outputs(manifest),
        in_chans=in_chans,
        img_size=img_size,
        options=options,
    )


def build(prepared: Prepared) -> tuple[nn.Module, ModelSpec]:
    """The net of the recipe with its initial weights, a function of the seed, and its description as data."""
    recipe = prepared.recipe
    assert recipe.model.model is not None
    spec = described(prepared)
    name, in_chans, img_size = spec.architecture, spec.in_chans, spec.img_size
    own = not name.startswith("timm/") and card(name).find is not None
    if not own:  # weighed before it is built; a net of one's own may need real numbers to be built at all
        check_memory(sized(spec)[1], training=True)
    runtime.seed_all(recipe.train.seed, runtime.Stream.WEIGHTS)
    model = spec.build()
    if own:
        contract.check(model, (in_chans, *(img_size or ())), spec.num_classes, name=name)
    if recipe.model.initialise is not None:
        initialise(model, recipe.model.initialise, **recipe.model.initialise_options)
    if recipe.model.zero_residuals:
        zero_residuals(model, torch.zeros(2, in_chans, *(img_size or ())))
    if recipe.model.pretrained:
        load_published(model, recipe.model.model)
    elif recipe.transfer.from_ is None and isinstance(model, Prepares) and prepared.preprocessing is not None:
        # Drawn by the split's seed, not the run's: the same start for every seed of a comparison.
        rows = epoch_order(prepared.ids("train"), seed=recipe.data.split_seed, epoch=0)[: model.prepares_from]
        pictures = torch.from_numpy(np.ascontiguousarray(prepared.decoded.images[np.sort(rows)]))
        model.prepare_from(prepared.preprocessing.normalise(pictures))
    return _in_units(model, spec, prepared)


def _in_units(model: nn.Module, spec: ModelSpec, prepared: Prepared) -> tuple[nn.Module, ModelSpec]:
    """With the mean and the deviation of the numbers that are learnt from pictures.

    Rows of a table have their scale from `hubel.data.columns`; a head that is fitted to features finds it by itself.
    """
    if prepared.preprocessing is None or prepared.recipe.transfer.from_ is not None or "scale" in spec.options:
        return model, spec
    scale = prepared.task.scale(prepared.decoded.labels[prepared.ids("train")])
    if scale is None:
        return model, spec
    return with_scale(model, scale), replace(spec, options={**spec.options, "scale": list(scale)})
