"""Who looks at a training on the way, and what samples are without their augmentation."""

from __future__ import annotations

from collections.abc import Callable

import torch

from hubel.assembly.prepare import Prepared
from hubel.assembly.wire import augmentations
from hubel.data.batches import batches
from hubel.training.deeper import Deeper
from hubel.training.state import Training
from hubel.training.vitals import Looks
from hubel.types import Batch


def looks_at(training: Training, prepared: Prepared) -> Looks:
    """Takes looks at the net of a training, and asks it now and then about noise and augmentation."""
    return Looks(training.model, Deeper(training, unaugmented(prepared, training.device)))


def unaugmented(prepared: Prepared, device: torch.device) -> Callable[[torch.Tensor], Batch] | None:
    """Ids of samples -> the samples as they are; None where training shows them so anyway."""
    if augmentations(prepared.recipe) == ("none",) or prepared.recipe.pretext.method is not None:
        return None

    def clean(ids: torch.Tensor) -> Batch:
        return next(batches(
            prepared.decoded, ids.cpu().numpy(), preprocessing=prepared.preprocessing, batch_size=len(ids),
            device=device, channels_last=prepared.recipe.train.channels_last, ahead=0,
        ))  # fmt: skip

    return clean
