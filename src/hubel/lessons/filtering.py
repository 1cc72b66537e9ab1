"""A picture under fixed kernels: edges, blurs, sharpening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hubel.nn.kernels import KERNELS, apply_kernel
from hubel.views import Viewed


@dataclass(frozen=True)
class FilteredPicture(Viewed):
    """A picture, and what each kernel makes of it."""

    picture: np.ndarray
    """H W C in 0..1."""
    answers: dict[str, np.ndarray]
    """Kernel -> H W, the mean over the channels of what came out."""
    views: dict[str, np.ndarray]
    """Kernel -> H W C in 0..1: answers of edge kernels around mid-grey, blurs and sharpening as pictures."""


def filter_picture(image: torch.Tensor, names: Sequence[str] = ()) -> FilteredPicture:
    """An image C H W in 0..1 under each kernel (all, if none is named). Raises UnknownName.

    >>> filter_picture(torch.ones(3, 8, 8), ["identity"]).answers["identity"].shape
    (8, 8)
    """
    for name in names:
        KERNELS.get(name)
    images = image[None]
    grey = images.mean(1, keepdim=True)
    answers, views = {}, {}
    for name in names or KERNELS:
        weights = KERNELS[name].weights
        around_zero = abs(float(weights.sum())) < 1e-9
        answer = apply_kernel(grey if around_zero else images, name)[0]
        scale = float(np.abs(weights).sum()) if abs(float(weights.sum())) > 1.5 else 1.0
        view = answer / 2 + 0.5 if around_zero else answer / scale
        answers[name] = answer.mean(0).numpy()
        views[name] = view.clamp(0, 1).numpy().transpose(1, 2, 0)
    return FilteredPicture(image.numpy().transpose(1, 2, 0), answers, views)
