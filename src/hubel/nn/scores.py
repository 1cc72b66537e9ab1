"""Which class is explained, and with what score: the questions every explainer asks first.

Letters: B batch, C channels, H W height and width, K classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import nn

from hubel.errors import UsageError
from hubel.nn.modes import evaluating

Target = int | Sequence[int] | torch.Tensor | None


def device_of(model: nn.Module) -> torch.device:
    """Where the model's parameters (or buffers) are; the CPU for a model that has none."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def checked_images(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The images B C H W, detached, on the model's device; C H W becomes a batch of one. Raises UsageError."""
    if images.ndim == 3:
        images = images[None]
    if images.ndim != 4 or not images.is_floating_point() or min(images.shape) == 0:
        raise UsageError(
            f"images must be floats of shape B C H W, got {images.dtype} of shape {tuple(images.shape)}",
            hint="normalise them as for the model: classifier.preprocessing.normalise(image)",
        )
    return images.detach().to(device_of(model))


def logits_of(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """B K, in evaluation mode, without a graph."""
    with evaluating(model), torch.no_grad():
        logits = model(images)
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2:
        shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise UsageError(f"the model must answer with logits B K, got {shape}", hint="wrap it in a module that does")
    return logits


def chosen(logits: torch.Tensor, target: Target) -> torch.Tensor:
    """B class indices: the given ones, or the most likely class of each image when `target` is None.

    >>> chosen(torch.tensor([[0.0, 2.0], [3.0, 1.0]]), None), chosen(torch.zeros(2, 5), 4)
    (tensor([1, 0]), tensor([4, 4]))
    >>> chosen(torch.zeros(2, 5), 5)
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: a target must be a class index from 0 to 4, got 5
      leave the target out to explain the predicted class
    """
    count, classes = logits.shape
    if target is None:
        return logits.argmax(dim=1)
    wanted = torch.as_tensor(target, dtype=torch.long, device=logits.device).reshape(-1)
    if len(wanted) not in (1, count):
        raise UsageError(
            f"one target, or one for each of the {count} images, is needed; got {len(wanted)}",
            hint="leave the target out to explain the predicted classes",
        )
    for value in wanted.tolist():
        if not 0 <= value < classes:
            raise UsageError(
                f"a target must be a class index from 0 to {classes - 1}, got {value}",
                hint="leave the target out to explain the predicted class",
            )
    return wanted.expand(count)


def probabilities_of(logits: torch.Tensor, *, several: bool = False) -> torch.Tensor:
    """B K: the softmax of logits B K, or, where `several` labels may hold of a picture, the sigmoid of each.

    >>> probabilities_of(torch.zeros(1, 4)), probabilities_of(torch.zeros(1, 4), several=True)
    (tensor([[0.2500, 0.2500, 0.2500, 0.2500]]), tensor([[0.5000, 0.5000, 0.5000, 0.5000]]))
    """
    return logits.sigmoid() if several else logits.softmax(dim=1)


def pick(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """B: the logit of its target for each image."""
    return logits.gather(1, targets[:, None])[:, 0]


def digest(image: torch.Tensor) -> int:
    """A number that stands for the image's content, whatever its precision."""
    blob = image.detach().float().cpu().contiguous().numpy().tobytes()
    return int.from_bytes(hashlib.sha256(blob).digest()[:8], "big")
