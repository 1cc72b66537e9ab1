"""Batch norm's running statistics, held against fresh ones of the same net on the same batches."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hubel.diagnosis.patient import Pair
from hubel.diagnosis.untouched import reseeded


def running(model: nn.Module) -> dict[str, _BatchNorm]:
    """Batch norms with running statistics, by name."""
    kinds = ((name, module) for name, module in model.named_modules() if isinstance(module, _BatchNorm))
    return {name: module for name, module in kinds if module.running_mean is not None}


def losses_by_statistics(model: nn.Module, loss: Callable[..., Any], pairs: Sequence[Pair]) -> tuple[float, float]:
    """Mean loss in evaluation mode with the running statistics as they are, and with those of the batches.

    `model` is left in evaluation mode and otherwise as it was.
    """
    settled = copy.deepcopy(model)
    for module in running(settled).values():
        module.reset_running_stats()
        module.momentum = None
    with torch.no_grad(), reseeded(17):
        settled.train()
        for images, _ in pairs:
            settled(images)
        settled.eval()
        model.eval()
        own = float(np.mean([float(loss(model(images), labels)) for images, labels in pairs]))
        calm = float(np.mean([float(loss(settled(images), labels)) for images, labels in pairs]))
    return own, calm
