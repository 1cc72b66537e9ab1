"""How the numbers of a net lie in memory: channels last, where a convolution over pictures wants them so."""

from __future__ import annotations

import torch
from torch import nn


def arrange(model: nn.Module, layout: torch.memory_format) -> nn.Module:
    """Every weight with four dimensions O I h w in `layout`, in place; the net again. All others stay as they are.

    `model.to(memory_format=torch.channels_last)` also reaches for weights of five dimensions (volumes, planes of a
    group), which have no such layout, and raises.

    >>> net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv3d(2, 4, 3))
    >>> arrange(net, torch.channels_last)[0].weight.stride()
    (18, 1, 6, 2)
    """
    for parameter in model.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=layout)
    for module in model.modules():  # a buffer may belong to another net, too: it is exchanged, not changed
        for name, buffer in module._buffers.items():
            if buffer is not None and buffer.dim() == 4:
                module._buffers[name] = buffer.contiguous(memory_format=layout)
    return model
