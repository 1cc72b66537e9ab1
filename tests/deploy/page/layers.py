"""Small nets that between them use every operation of a page, for the tests here and in the browser."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from hubel.nn.activations import ACTIVATIONS, build_activation


class Does(nn.Module):
    """A function as a net."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def attention(x: torch.Tensor) -> torch.Tensor:
    tokens = x.flatten(2).transpose(1, 2).unflatten(2, (2, 2)).transpose(1, 2)  # B 2 T 2
    return F.scaled_dot_product_attention(tokens, tokens, tokens)


def shuffled(x: torch.Tensor) -> torch.Tensor:
    return x.unflatten(1, (2, 2)).transpose(1, 2).flatten(1, 2)


def norm(maps: int) -> nn.BatchNorm2d:
    made = nn.BatchNorm2d(maps)
    made.running_mean = torch.linspace(-1, 1, maps)
    made.running_var = torch.linspace(0.5, 2, maps)
    nn.init.uniform_(made.weight, 0.5, 2)
    nn.init.uniform_(made.bias, -1, 1)
    return made


def conv(*sizes: int, **more: int | str) -> nn.Conv2d:
    return nn.Conv2d(*sizes, **more)  # type: ignore[arg-type]


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "1x1": lambda: conv(4, 5, 1),
    "1x1 on rows of eight": lambda: nn.Sequential(nn.Upsample(scale_factor=8), conv(4, 8, 1)),
    "3x3": lambda: conv(4, 6, 3, padding=1),
    "5x5 stride 2": lambda: conv(4, 6, 5, padding=2, stride=2),
    "stride beyond the kernel": lambda: conv(4, 3, 1, stride=3),
    "stride 3": lambda: conv(4, 3, 3, stride=3, padding=2),
    "dilated": lambda: conv(4, 3, 3, dilation=2, padding=2),
    "two groups": lambda: conv(4, 8, 3, groups=2),
    "depthwise": lambda: conv(4, 4, 3, groups=4, padding=1, stride=2),
    "depthwise, two each": lambda: conv(4, 8, 3, groups=4),
    "one row": lambda: nn.Sequential(nn.Flatten(2), nn.Conv1d(4, 3, 3, padding=1)),
    "kernel 1x3": lambda: nn.Conv2d(4, 3, (1, 3), padding=(0, 1)),
    "padded to the size": lambda: conv(4, 3, 3, padding="same"),
    "transposed": lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1),
    "transposed, in groups": lambda: nn.ConvTranspose2d(4, 6, 4, stride=3, padding=2, groups=2, dilation=2),
    "norm folded": lambda: nn.Sequential(conv(4, 6, 3), norm(6), nn.ReLU6()),
    "norm alone": lambda: nn.Sequential(norm(4), nn.ReLU()),
    "max pool": lambda: nn.MaxPool2d(3, 2, 1),
    "max pool, rounded up": lambda: nn.MaxPool2d(2, 2, ceil_mode=True),
    "mean pool": lambda: nn.AvgPool2d(3, 2, 1),
    "mean pool without the rim": lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "mean pool, rounded up": lambda: nn.AvgPool2d(2, 2, ceil_mode=True),
    "response norm": lambda: nn.LocalResponseNorm(3),
    "adaptive": lambda: nn.Sequential(nn.Upsample(scale_factor=2), nn.AdaptiveAvgPool2d((2, 5))),
    "largest": lambda: nn.AdaptiveMaxPool2d(1),
    "dense": lambda: nn.Sequential(nn.Flatten(), nn.Linear(140, 7), nn.ReLU()),
    "dense on tokens": lambda: Does(lambda x: x.flatten(2).transpose(1, 2), nn.Identity()),
    "layer norm": lambda: nn.Sequential(nn.Flatten(2), nn.LayerNorm(35), nn.Linear(35, 9)),
    "group norm": lambda: nn.GroupNorm(2, 4),
    "attention": lambda: Does(attention),
    "channel shuffle": lambda: Does(shuffled),
    "maps side by side": lambda: Does(lambda x: torch.cat([x, x[:, 1:3] * 2], 1)),
    "mean over maps": lambda: Does(lambda x: x.mean(1, keepdim=True) + x.amax((2, 3), keepdim=True)),
    "length": lambda: Does(lambda x: x / x.norm(dim=1, keepdim=True)),
    "gate": lambda: Does(lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True))),
    "number minus": lambda: Does(lambda x: 1 - x / 3 + (x - 2) * 0.5),
    "reflected": lambda: nn.ReflectionPad2d(2),
    "repeated": lambda: nn.ReplicationPad2d((1, 2, 0, 3)),
    "zeros around": lambda: nn.ZeroPad2d((1, 0, 2, 1)),
    "cut": lambda: Does(lambda x: x[:, :, ::2, 1:-1].flip(3)),
    "cropped by padding": lambda: nn.ConstantPad2d((-1, 1, 0, 0), 3.0),
    "turned": lambda: Does(lambda x: x.permute(0, 2, 3, 1)),
    "two of them": lambda: Does(lambda x: torch.stack(x.chunk(2, 1), 1).max(1).values.minimum(x[:, :2])),
    "prelu of each map": lambda: nn.PReLU(4),
    "softmax over maps": lambda: nn.Softmax(1),
    "celu": lambda: nn.CELU(2.0),
    "softplus": lambda: nn.Softplus(2.0),
    "gelu by tanh": lambda: nn.GELU("tanh"),
    **{name: lambda name=name: build_activation(name) for name in ACTIVATIONS},  # type: ignore[misc]
}


def shaped(name: str) -> tuple[nn.Module, torch.Tensor]:
    """(the net, a picture for it) with weights that are the same every time."""
    torch.manual_seed(0)
    return LAYERS[name]().eval(), torch.randn(1, 4, 5, 7) * 2
