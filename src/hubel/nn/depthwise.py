"""Depthwise convolutions whose gradient in bf16 is as quick on a CPU as their answer.

A depthwise convolution has one small filter for each map. oneDNN, with which PyTorch computes on CPUs, answers it
quickly in bf16, but falls back to slow general code for two of its three gradients: that of the weights where the
filter is larger than 3 x 3, and that of the input where the stride is more than 1. In a net of such layers (MobileNets,
EfficientNets) these took three quarters of a training step. Both are sums that quick code can do:

    ∂L/∂w[c, i, j] = Σ_nhw g[n, c, h, w] x[n, c, sh + i, sw + j]      a 5 x 5 filter is four of 3 x 3, laid over a
                                                                     moved input, a 7 x 7 one nine
    ∂L/∂x, stride s                                                  the same as at stride 1, of a gradient with
                                                                     s − 1 zeros between its places

so PyTorch's own kernels are called on the parts. `python benchmarks/depthwise.py` times both ways.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["convolve", "hastened"]

QUICK = 3
"""Side of the largest filter whose weights' gradient has code of its own in bf16."""


def hastened(model: nn.Module) -> int:
    """Let the depthwise convolutions in `model` that are slow in bf16 on a CPU learn quickly; how many there are.

    Names, parameters and weights files stay as they are. Nothing changes but where gradients are wanted, on a CPU,
    under autocast to bf16, for inputs B C H W, whose answer has channels last then.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 5, groups=8), nn.Conv2d(8, 8, 3, groups=8))
    >>> hastened(net), hastened(net)  # twice is once
    (1, 1)
    """
    convs = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    for conv in convs:
        if _is_slow(conv):
            conv.__class__ = _quick(type(conv))
    return sum(isinstance(conv, _Quick) for conv in convs)


def convolve(
    images: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
) -> torch.Tensor:
    """`torch.nn.functional.conv2d` with one filter for each map: B C H W, C 1 h w -> B C H' W'; h and w at least 3.

    >>> images, weight = torch.rand(2, 4, 9, 9), torch.rand(4, 1, 5, 5)
    >>> torch.equal(convolve(images, weight, None, (2, 2)), F.conv2d(images, weight, None, 2, groups=4))
    True
    """
    out: torch.Tensor = _Depthwise.apply(images, weight, stride, padding)
    return out if bias is None else out + bias.view(1, -1, 1, 1)


def _is_slow(conv: nn.Conv2d) -> bool:
    """One filter for each map, of a size and stride for which oneDNN has no quick gradient in bf16."""
    if type(conv)._conv_forward is not nn.Conv2d._conv_forward:
        return False  # somebody else's own way, or already ours
    one_each = conv.groups == conv.in_channels == conv.out_channels and conv.groups > 1
    plain = conv.dilation == (1, 1) and not isinstance(conv.padding, str) and conv.padding_mode == "zeros"
    return one_each and plain and min(conv.kernel_size) >= QUICK and max(*conv.kernel_size, *conv.stride) > _least(conv)


def _least(conv: nn.Conv2d) -> int:
    """What neither side of the filter may exceed to be quick: 3 at stride 1, nothing at larger strides."""
    return QUICK if max(conv.stride) == 1 else 1


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: torch.Tensor, weight: torch.Tensor, stride: tuple[int, int], padding: tuple[int, int]
    ) -> torch.Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(images, weight, None, stride, padding, groups=images.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None]:
        images, weight = ctx.saved_tensors
        for_images, for_weight = ctx.needs_input_grad[:2]
        given = gradients[0], images, weight, ctx.stride, ctx.padding
        return _of_images(*given) if for_images else None, _of_weight(*given) if for_weight else None, None, None


def _of_images(
    gradient: torch.Tensor, images: torch.Tensor, weight: torch.Tensor, stride: tuple[int, int],
    padding: tuple[int, int],
) -> torch.Tensor:  # fmt: skip
    if stride != (1, 1):
        high, wide = (
            side + 2 * edge - filtered + 1
            for side, edge, filtered in zip(images.shape[2:], padding, weight.shape[2:], strict=True)
        )
        spread = gradient.new_zeros(len(gradient), high, wide, gradient.shape[1]).permute(0, 3, 1, 2)
        spread[:, :, :: stride[0], :: stride[1]] = gradient
        gradient = spread
    return _backward(gradient, images, weight, (1, 1), padding, (True, False, False))[0]


def _of_weight(
    gradient: torch.Tensor, images: torch.Tensor, weight: torch.Tensor, stride: tuple[int, int],
    padding: tuple[int, int],
) -> torch.Tensor:  # fmt: skip
    if weight.shape[2:] == (QUICK, QUICK):
        return _backward(gradient, images, weight, stride, padding, (False, True, False))[1]
    padded = F.pad(images, (padding[1], padding[1], padding[0], padding[0])) if any(padding) else images
    high, wide = ((side - 1) * step + QUICK for side, step in zip(gradient.shape[2:], stride, strict=True))
    part = weight[:, :, :QUICK, :QUICK].contiguous()
    found = torch.zeros_like(weight)
    for top, left in product(*map(_starts, weight.shape[2:])):
        moved = padded[:, :, top : top + high, left : left + wide].contiguous(memory_format=torch.channels_last)
        ninth = _backward(gradient, moved, part, stride, (0, 0), (False, True, False))[1]
        found[:, :, top : top + QUICK, left : left + QUICK] = ninth
    return found


def _starts(side: int) -> list[int]:
    """Where filters of three lie so that they cover one of `side`; the last may overlap the one before.

    >>> _starts(3), _starts(5), _starts(7)
    ([0], [0, 2], [0, 3, 4])
    """
    return sorted({*range(0, side - QUICK, QUICK), side - QUICK})


def _backward(
    gradient: torch.Tensor, images: torch.Tensor, weight: torch.Tensor, stride: tuple[int, int],
    padding: tuple[int, int], wanted: tuple[bool, bool, bool],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """PyTorch's own gradient of a convolution, those parts of it that are `wanted`: of input, weight and bias."""
    found: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = torch.ops.aten.convolution_backward(
        gradient, images, weight, None, stride, padding, (1, 1), False, (0, 0), images.shape[1], wanted
    )
    return found


_MADE: dict[type[nn.Conv2d], type[nn.Conv2d]] = {}


def _quick(kind: type[nn.Conv2d]) -> type[nn.Conv2d]:
    if kind not in _MADE:
        # A subclass of what it was, with its name: whoever looks for such a layer, or tells what it is, finds it.
        _MADE[kind] = type(kind.__name__, (_Quick, kind), {})
    return _MADE[kind]


class _Quick(nn.Conv2d):
    """Mixed into a depthwise convolution."""

    def _conv_forward(self, images: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        half = images.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        coarse = half and torch.get_autocast_dtype("cpu") == torch.bfloat16
        if not (coarse and torch.is_grad_enabled() and images.dim() == 4):
            return super()._conv_forward(images, weight, bias)
        coarsened, filters = (
            value.to(torch.bfloat16).contiguous(memory_format=torch.channels_last) for value in (images, weight)
        )
        stride, padding = (self.stride[0], self.stride[1]), (int(self.padding[0]), int(self.padding[1]))
        return convolve(coarsened, filters, None if bias is None else bias.to(torch.bfloat16), stride, padding)
