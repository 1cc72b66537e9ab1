"""Batch norm whose statistics are those of all processes that train together, on any device.

torch.nn.SyncBatchNorm does the same on GPUs only. Here sums are exchanged, forward and backward, so the
gradient is that of one process with the whole batch. Variance is summed about the common mean (two exchanges), because
E[x²] − E[x]² loses its digits in float32.

Peng et al., MegDet, arXiv:1711.07240, section 3.2 (cross-GPU batch normalisation).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["synchronised"]


def synchronised(model: nn.Module) -> int:
    """Let every batch norm in `model` use the statistics of all processes; how many there are.

    Names, parameters and weights files stay as they are; alone, or in evaluation, nothing changes.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    >>> synchronised(net), list(net.state_dict())[2:5]
    (1, ['1.weight', '1.bias', '1.running_mean'])
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        norm.__class__ = _together(type(norm))
    return len(norms)


class _Sum(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, part: torch.Tensor) -> torch.Tensor:
        whole = part.clone()
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        whole = gradients[0].contiguous().clone()
        dist.all_reduce(whole)
        return whole


def _summed(part: torch.Tensor) -> torch.Tensor:
    summed: torch.Tensor = _Sum.apply(part)
    return summed


_MADE: dict[type[_BatchNorm], type[_BatchNorm]] = {}


def _together(kind: type[_BatchNorm]) -> type[_BatchNorm]:
    if issubclass(kind, _Together):
        return kind
    if kind not in _MADE:
        # A subclass of what it was, so that whoever looks for an nn.BatchNorm2d still finds one.
        _MADE[kind] = type(f"Synchronised{kind.__name__}", (_Together, kind), {})
    return _MADE[kind]


class _Together(_BatchNorm):
    """Mixed into a batch norm."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """B C … -> B C …, normalised over all processes' B and …."""
        alone = not dist.is_initialized() or dist.get_world_size() == 1
        if alone or not (self.training or self.running_mean is None):
            return super().forward(images)
        self._check_input_dim(images)
        over = [0, *range(2, images.dim())]
        numbers = images.float()
        count = numbers.new_tensor([numbers.numel() / numbers.shape[1]])
        sums = _summed(torch.cat([numbers.sum(over), count]))
        total = sums[-1].detach()
        shape = (1, -1, *[1] * (images.dim() - 2))
        mean = sums[:-1] / total  # C
        centred = numbers - mean.view(shape)
        variance = _summed(centred.square().sum(over)) / total
        self._remember(mean.detach(), variance.detach(), float(total))
        scale = (variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight
        out = centred * scale.view(shape)
        return (out if self.bias is None else out + self.bias.view(shape)).to(images.dtype)

    @torch.no_grad()
    def _remember(self, mean: torch.Tensor, variance: torch.Tensor, count: float) -> None:
        if not self.track_running_stats or self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        unbiased = variance * (count / max(count - 1, 1))  # as torch keeps it
        self.running_var.lerp_(unbiased.to(self.running_var), share)
