"""Multilayer perceptrons: dense layers with an activation between them, for pictures and for points.

    name                layers                 parameters
    mlp                 in-256-128-64-K        `hidden` sets depth and widths
    softmax_regression  in-K                   no hidden layer: the linear classifier
    mnist_mlp           784-256-128-64-10      200,960 + 32,896 + 8,256 + 650 = 242,762
    mlp_8_32_32_2       8-32-32-2              288 + 1,056 + 66 = 1,410
    toy_3_2_1           2-3-2-1                9 + 8 + 3 = 20: one sigmoid unit, also for two classes
    toy_3_2_3           2-3-2-3                9 + 8 + 9 = 26

The output is a logit per class: the sigmoid or softmax drawn at the end of such nets belongs to the loss, which is
stabler when it computes both at once. With `one_unit` and two classes the logits are 0 and what the one unit says.
Letters: B batch, F input features (C·H·W for pictures), K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import nn

from hubel.errors import UsageError
from hubel.nn.activations import build_activation

LARGEST = 1_000_000_000
"""Weights beyond which a net is a description only (4 GB in float32): to be built on the meta device."""


class MLP(nn.Module):
    """y = W_n a(… a(W_1 x + b_1) …) + b_n, for x: B F, or B C H W flattened.

    Without hidden layers the one stage is the flattened input itself.

    >>> net = MLP(4, 3, hidden=(5, 6))
    >>> net.stages, net.head, net(torch.zeros(2, 1, 2, 2)).shape
    (('hidden1', 'hidden2'), 'classify', torch.Size([2, 3]))
    """

    head = "classify"

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        hidden: Sequence[int] = (256, 128, 64),
        activation: str = "relu",
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        one_unit: bool = False,
    ) -> None:
        super().__init__()
        widths = (in_features, *hidden)
        self.flatten = nn.Sequential(nn.Flatten(), nn.Dropout(input_dropout))
        for depth, (before, after) in enumerate(pairwise(widths), start=1):
            unit = build_activation(activation)
            lines = getattr(unit, "pieces", 1)  # maxout takes several sums for each value it gives
            layer = nn.Sequential(nn.Linear(before, lines * after), unit, nn.Dropout(dropout))
            self.add_module(f"hidden{depth}", layer)
        self.one_unit = one_unit and num_classes == 2
        self.classify = nn.Linear(widths[-1], 1 if self.one_unit else num_classes)
        self.hidden = tuple(f"hidden{depth}" for depth in range(1, len(widths)))
        self.stages = self.hidden or ("flatten",)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits B K of pictures B C H W or points B F."""
        x = self.flatten(images)  # B F
        for name in self.hidden:
            x = self.get_submodule(name)(x)  # B width
        logits = self.classify(x)  # B K
        # Against a first class that always says 0, softmax is the sigmoid of the one unit.
        return torch.cat([torch.zeros_like(logits), logits], dim=1) if self.one_unit else logits


def mlp(
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int | None, int | None],
    hidden: Sequence[int] = (256, 128, 64),
    activation: str = "relu",
    dropout: float = 0.0,
    input_dropout: float = 0.0,
    one_unit: bool = False,
) -> MLP:
    """A perceptron of any depth: pictures C H W when `img_size` is known, else points of `in_chans` features.

    `dropout` acts after each hidden layer, `input_dropout` on the input (0.5 and 0.2 are the rates of Srivastava
    et al. 2014), `one_unit` lets one sigmoid unit answer for two classes. Raises UsageError for a
    width below 1, or for a net too large to be anything but a description.
    """
    height, width = img_size
    in_features = in_chans * height * width if height and width else in_chans
    widths = (in_features, *hidden, num_classes)
    if min(widths) < 1:
        raise UsageError(
            f"every layer of an MLP needs at least 1 unit, got {'-'.join(map(str, widths))}",
            hint="give every hidden layer a width: hidden=(64, 32)",
        )
    weights = sum(before * after for before, after in pairwise(widths))
    if weights > LARGEST and torch.get_default_device().type != "meta":
        raise UsageError(
            f"an MLP {'-'.join(f'{w:,}' for w in widths)} has {weights:,} weights, {weights * 4 / 1e9:.1f} GB",
            hint='look at it inside `with torch.device("meta"):`, or train a convolutional net: hubel models',
        )
    return MLP(
        in_features,
        num_classes,
        hidden=hidden,
        activation=activation,
        dropout=dropout,
        input_dropout=input_dropout,
        one_unit=one_unit,
    )


# The named nets are the same function with other widths.
softmax_regression = partial(mlp, hidden=())
mlp_8_32_32_2 = partial(mlp, hidden=(32, 32))
toy = partial(mlp, hidden=(3, 2))
toy_sigmoid = partial(mlp, hidden=(3, 2), one_unit=True)
iris = partial(mlp, hidden=(10,))
approximator = partial(mlp, hidden=(8,))
glasses = partial(mlp, hidden=(65_536,))
megapixel = partial(mlp, hidden=(100,))
