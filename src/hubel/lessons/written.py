"""One number of a net's pass written out: the window it looked through, each product, the sum, and where every number
of it came from.

The calculation is done again in double precision from what the operation took, so that `Written.result` and
`Written.value`, which torch gave, are two answers to one question.

>>> from torch import nn
>>> from hubel.lessons.scene import observe
>>> net = nn.Sequential(nn.Conv2d(1, 1, 2, bias=False), nn.ReLU())
>>> _ = net[0].weight.data.copy_(torch.tensor([[[[1.0, 2], [3, 4]]]]))
>>> scene = observe(net, torch.arange(9.0).view(1, 1, 3, 3))
>>> print(write_out(scene, 0, (0, 0, 0)).lines[-1])
sum of 4 products = 27
>>> print(write_out(scene, 1, (0, 1, 1)).text)
relu(67) = 67
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from hubel.lessons.carrying import PAIRS, joined, moved, padded, pair, single
from hubel.lessons.gathering import (
    MEANS,
    adaptive,
    batch_norm,
    group_norm,
    layer_norm,
    length,
    pool,
    reduced,
    softmax,
)  # fmt: skip
from hubel.lessons.products import attention, convolution, dense, in_a_row, in_a_volume, product, transposed
from hubel.lessons.scene import Scene
from hubel.lessons.working import Working, Written

MOVES = frozenset({
    "flatten", "reshape", "view", "_unsafe_view", "permute", "transpose", "t", "chunk", "split", "narrow", "slice",
    "select", "unsqueeze", "squeeze", "expand", "expand_as", "contiguous", "channel_shuffle", "pixel_shuffle",
    "pixel_unshuffle", "roll", "upsample_nearest2d", "unflatten", "dropout", "feature_dropout", "alpha_dropout",
    "flip", "index", "repeat", "to", "unbind", "split_with_sizes", "clone", "reflection_pad2d", "replication_pad2d",
    "movedim", "native_dropout", "index_select", "swapaxes", "as_strided", "squeeze_copy", "type_as",
})  # fmt: skip
"""Operations that carry numbers to other places and change none."""
KINDS: dict[str, Callable[[Working], Written]] = {
    "conv2d": convolution, "conv1d": in_a_row, "conv3d": in_a_volume, "conv_transpose2d": transposed,
    "linear": dense,
    "batch_norm": batch_norm, "layer_norm": layer_norm, "group_norm": group_norm,
    "instance_norm": group_norm, "max_pool2d": pool, "avg_pool2d": pool,
    "max_pool1d": pool, "max_pool3d": pool, "avg_pool1d": pool, "avg_pool3d": pool,
    "linalg_vector_norm": length,
    "adaptive_avg_pool2d": adaptive, "adaptive_max_pool2d": adaptive,
    "softmax": softmax, "log_softmax": softmax,
    "_softmax": softmax, "_log_softmax": softmax, "cat": joined, "stack": joined,
    "scaled_dot_product_attention": attention, "mm": product, "bmm": product,
    "matmul": product, "addmm": product, "pad": padded, "constant_pad_nd": padded,
    "rms_norm": layer_norm,
}  # fmt: skip
"""Operation -> how a number of it is written out; those of `PAIRS`, `MEANS` and `MOVES` are alike among themselves."""


def write_out(scene: Scene, part: int, place: Sequence[int]) -> Written:
    """The number of a part at a place (channel, row, column, or as many as its shape has).

    Raises UsageError for a part or a place that is not there.
    """
    found, whole = scene.find(part, place)
    here = Working(scene, found, whole, float(found.output[whole]))
    name = found.name
    if name in KINDS:
        return KINDS[name](here)
    if name in PAIRS:
        return pair(here)
    if name in MEANS and isinstance(here.given.get("self"), torch.Tensor):
        return reduced(here)
    return moved(here) if name in MOVES else single(here)
