"""The one forward loop for reading: logits or features of a whole data set, with the model left as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hubel.errors import unknown
from hubel.nn.modes import evaluating
from hubel.nn.taps import record
from hubel.types import Batch, Predictions

VIEWS = {"none": 1, "mirror": 2, "shift": 3, "mirror-shift": 6}
"""Ways to look at a picture more than once, and how many forward passes each takes."""


def with_views(model: Callable[[torch.Tensor], torch.Tensor], views: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """A forward pass (B C H W -> B K) that averages the logits of several views of each picture.

    `mirror`: as it is, and left to right. `shift`: as it is (half the weight), and moved by a 32nd of its sides up left
    and down right, the rim reflected. `mirror-shift`: both mirrored too (Jordan, arXiv:2404.00498, section 3.6).

    >>> row = torch.tensor([[[[1.0, 2.0, 6.0]]]])
    >>> with_views(lambda images: images[:, 0, 0, :1], "mirror")(row)
    tensor([[3.5000]])
    """
    if views not in VIEWS:
        raise unknown("kind of views", views, VIEWS)
    if views == "none":
        return model

    def both_sides(images: torch.Tensor) -> torch.Tensor:
        return (model(images) + model(images.flip(3))) / 2

    look = both_sides if views.startswith("mirror") else model

    def forward(images: torch.Tensor) -> torch.Tensor:
        centre = look(images)
        if views == "mirror":
            return centre
        height, width = images.shape[2:]
        dy, dx = max(1, round(height / 32)), max(1, round(width / 32))
        wide = functional.pad(images, (dx, dx, dy, dy), mode="reflect" if min(height, width) > 1 else "replicate")
        moved = look(wide[:, :, :height, :width]) + look(wide[:, :, 2 * dy :, 2 * dx :])
        return centre / 2 + moved / 4

    return forward


def predict(
    model: nn.Module, batches: Iterable[Batch], *, forward: Callable[[torch.Tensor], torch.Tensor] | None = None
) -> Predictions:
    """Logits of every batch, in order, as plain arrays (N K float32). `forward` replaces the plain call.

    >>> import torch
    >>> batch = Batch(images=torch.eye(2), labels=torch.tensor([0, 1]), ids=torch.tensor([7, 8]))
    >>> predict(nn.Identity(), [batch]).predicted
    array([0, 1])
    """
    forward = forward or model
    logits: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    ids: list[np.ndarray] = []
    with evaluating(model), torch.inference_mode():
        for batch in batches:
            logits.append(forward(batch.images).float().cpu().numpy())
            labels.append(batch.labels.cpu().numpy())
            ids.append(batch.ids.cpu().numpy())
    if not logits:
        return Predictions(np.zeros((0, 0), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64))
    return Predictions(np.concatenate(logits), np.concatenate(labels), np.concatenate(ids))


def features(model: nn.Module, batches: Iterable[Batch], stage: str, *, pool: bool = True) -> np.ndarray:
    """What the module `stage` puts out for every sample: N F; maps B C H W are averaged over H W, or flattened.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten())
    >>> batch = Batch(images=torch.ones(2, 1, 5, 5), labels=torch.zeros(2), ids=torch.arange(2))
    >>> features(net, [batch], "0").shape
    (2, 4)
    """
    found: list[np.ndarray] = []
    with evaluating(model), torch.inference_mode(), record(model, stage, copy=True) as seen:
        for batch in batches:
            model(batch.images)
            output = seen[stage].float()
            if output.dim() == 4:
                output = output.mean(dim=(2, 3)) if pool else output.flatten(1)
            elif output.dim() == 3:  # B T F, the tokens of a sequence
                output = output.mean(dim=1) if pool else output.flatten(1)
            found.append(output.cpu().numpy())
    return np.concatenate(found) if found else np.zeros((0, 0), np.float32)
