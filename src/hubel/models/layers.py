"""Nets from layer lists: the plan of `layerlist` becomes a module, or the text of a program that makes the same module.

>>> net = layers(num_classes=3, in_chans=1, img_size=(8, 8), layers=["conv 4 3x3", "relu", "flatten", "dense K"])
>>> net.stages, net.head
(('relu1',), 'dense1')
>>> print(to_code(net.plan))
import torch
from collections import OrderedDict
from torch import nn
<BLANKLINE>
net = nn.Sequential(OrderedDict([
    ("conv1", nn.Conv2d(1, 4, kernel_size=3)),
    ("relu1", nn.ReLU()),
    ("flatten1", nn.Flatten()),
    ("dense1", nn.Linear(144, 3)),
]))
<BLANKLINE>
print(net(torch.zeros(2, 1, 8, 8)).shape)  # 2 3
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from hubel.models.layerlist import Plan, Step, parse
from hubel.nn.activations import ACTIVATIONS, build_activation
from hubel.nn.layers import (
    GlobalAvgPool2d,
    GlobalMaxPool2d,
    LayerNorm2d,
    MinPool2d,
    SpatiallySeparableConv2d,
    StandardisedConv2d,
)
from hubel.nn.sources import source_of

DIGITS = ("conv 32 3x3", "relu", "maxpool 2", "conv 64 3x3", "relu", "maxpool 2", "flatten", "dropout 0.5", "dense K")

# --- parts torch.nn does not have; their source is printed by `to_code`, so each stands on its own --------------------


class Residual(nn.Module):
    """x + f(x); `project` (channels in, channels out, stride) puts a 1x1 convolution on the shortcut."""

    def __init__(self, body: nn.Module, *, project: tuple[int, int, Any] | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = nn.Conv2d(project[0], project[1], 1, stride=project[2]) if project else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """B C H W, the sum."""
        return self.shortcut(x) + self.body(x)


class Concat(nn.Module):
    """[x, f(x)] along the channels."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """B C+C' H W."""
        return torch.cat([x, self.body(x)], dim=1)


class Branches(nn.Module):
    """Paths side by side, joined along the channels."""

    def __init__(self, *paths: nn.Module) -> None:
        super().__init__()
        self.paths = nn.ModuleList(paths)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """B, the sum of the paths' channels, H W."""
        return torch.cat([path(x) for path in self.paths], dim=1)


class Separable(nn.Sequential):
    """A filter per channel, then a 1x1 convolution that mixes the channels."""

    def __init__(self, channels: int, maps: int, **window: Any) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, groups=channels, bias=False, **window), nn.Conv2d(channels, maps, 1)
        )


class SqueezeExcite(nn.Module):
    """x · sigmoid(W2 relu(W1 mean(x))): each channel scaled by what all channels say."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """B C H W, scaled."""
        scale = self.squeeze(x.mean((2, 3), keepdim=True)).relu()  # B C/r 1 1
        return x * self.excite(scale).sigmoid()


PARTS: dict[str, type[nn.Module]] = {
    **{part.__name__: part for part in (Residual, Concat, Branches, Separable, SqueezeExcite)},
    "GlobalPool": GlobalAvgPool2d,
    "GlobalMax": GlobalMaxPool2d,
    "MinPool": MinPool2d,
    "PixelNorm": LayerNorm2d,
    "Spatial": SpatiallySeparableConv2d,
    "Standardised": StandardisedConv2d,
}
"""Word of a plan -> the class; those of `nn.layers` are written so that their source stands on its own, too."""

# --- the net ----------------------------------------------------------------------------------------------------------


class LayerNet(nn.Sequential):
    """The modules of a plan in a row, under the plan's names."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(_modules(plan.steps))
        self.plan = plan
        self.stages = plan.stages
        self.head = plan.head


def layers(
    *,
    num_classes: int | None,
    in_chans: int,
    img_size: tuple[int | None, int | None],
    layers: Sequence[Any] = DIGITS,
) -> LayerNet:
    """The net of a layer list (see `hubel.models.layerlist`); `num_classes` None takes what its last layer says.

    Raises UsageError that names the layer that does not fit, and a way out.
    """
    height, width = img_size
    in_shape = (in_chans, height, width) if height and width else (in_chans,)
    return LayerNet(parse(layers, in_shape=in_shape, num_classes=num_classes))


def _modules(steps: Iterable[Step]) -> OrderedDict[str, nn.Module]:
    return OrderedDict((step.name, _module(step)) for step in steps)


def _module(step: Step) -> nn.Module:
    if step.cls.startswith(_ACTIVATION):
        return build_activation(step.cls.removeprefix(_ACTIVATION), **dict(step.kwargs))
    inside = [nn.Sequential(_modules(branch)) for branch in step.branches]
    cls, args, kwargs = _constructor(step)
    return cls(*inside, *args, **kwargs)


_ACTIVATION = "activation:"

# --- the program ------------------------------------------------------------------------------------------------------


def to_code(plan: Plan) -> str:
    """A program in plain PyTorch that builds the same net, with the same names of parameters, and runs it once."""
    used = {_constructor(step)[0] for step in _all(plan.steps)}
    ours = sorted((cls for cls in used if not cls.__module__.startswith("torch.")), key=lambda cls: str(cls.__name__))
    sources = "".join(f"\n\n{source_of(cls)}" for cls in ours)
    head = ["import torch", "from collections import OrderedDict", "from torch import nn"]
    if "Any" in sources:
        head.insert(2, "from typing import Any")
    if "UsageError" in sources:
        head += ["", "UsageError = ValueError"]
    shape = ", ".join(map(str, plan.in_shape))
    return (
        "\n".join(head)
        + (f"\n{sources}\n\n" if sources else "\n\n")
        + f"net = {_sequence(plan.steps, indent='')}\n\n"
        + f"print(net(torch.zeros(2, {shape})).shape)  # 2 {plan.num_classes}"
    )


def _all(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        for branch in step.branches:
            yield from _all(branch)


def _sequence(steps: Iterable[Step], *, indent: str) -> str:
    deeper = indent + "    "
    lines = "".join(f'{deeper}("{step.name}", {_call(step, indent=deeper)}),\n' for step in steps)
    return f"nn.Sequential(OrderedDict([\n{lines}{indent}]))"


def _call(step: Step, *, indent: str) -> str:
    cls, args, kwargs = _constructor(step)
    name = f"nn.{cls.__name__}" if cls.__module__.startswith("torch.") else cls.__name__
    parts = [_sequence(branch, indent=indent) for branch in step.branches]
    parts += [repr(value) for value in args]
    parts += [f"{key}={value!r}" for key, value in kwargs.items()]
    return f"{name}({', '.join(parts)})"


def _constructor(step: Step) -> tuple[type[nn.Module], tuple[Any, ...], dict[str, Any]]:
    """The class of a step and what it is called with."""
    if not step.cls.startswith(_ACTIVATION):
        name = step.cls.removeprefix("nn.")
        return PARTS[name] if name in PARTS else getattr(nn, name), step.args, dict(step.kwargs)
    build = ACTIVATIONS.get(step.cls.removeprefix(_ACTIVATION)).build
    if isinstance(build, partial):
        return cast(type[nn.Module], build.func), build.args, {**build.keywords, **dict(step.kwargs)}
    # A function names its options as the class it makes does.
    return build if isinstance(build, type) else type(build()), (), dict(step.kwargs)
