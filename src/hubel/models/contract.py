"""What every net of hubel promises, tried on a net of one's own before anything is trained: images in, logits out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from hubel.errors import UsageError
from hubel.nn.modes import evaluating

__all__ = ["check"]


def check(net: nn.Module, shape: Sequence[int], outputs: int, *, name: str) -> None:
    """Raise UsageError unless `net` maps two blank images (2, *shape) to logits 2 K; it is left as it was found.

    >>> check(nn.Sequential(nn.Flatten(), nn.Linear(64, 7)), (1, 8, 8), 10, name="mynet")
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: the model 'mynet' must map images (2, 1, 8, 8) to logits (2, 10), and gives (2, 7)
      use num_classes for the size of its last layer
    """
    asked = f"the model {name!r} must map images {(2, *shape)} to logits {(2, outputs)}"
    parameter = next(net.parameters(), None)
    try:
        with evaluating(net), torch.no_grad():
            found = net(torch.zeros(2, *shape, device=None if parameter is None else parameter.device))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        first = str(error).partition("\n")[0]
        hint = "use in_chans and img_size for what depends on the pictures' size, or give --img-size"
        raise UsageError(f"{asked}, and fails: {first}", hint=hint) from error
    if not isinstance(found, torch.Tensor):
        raise UsageError(f"{asked}, and gives a {type(found).__name__}", hint="return one tensor from forward")
    if tuple(found.shape) != (2, outputs):
        raise UsageError(
            f"{asked}, and gives {tuple(found.shape)}", hint="use num_classes for the size of its last layer"
        )
