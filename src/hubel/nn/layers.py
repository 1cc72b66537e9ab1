"""Layers that torch does not have, and the arithmetic of sizes. What torch has (dense, convolutions, max and average
pooling, batch, layer and group norm, dropout, alpha dropout) is used as it is: `nn.Conv2d`, never a wrapper of it.

Letters: B batch, C channels, H W height and width, k kernel, s stride, p padding, d dilation, g groups.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from hubel.errors import UsageError
from hubel.registry import Component, Registry

__all__ = [
    "LAYERS",
    "BlurPool2d",
    "ChannelShuffle",
    "DepthwiseConv2d",
    "DropPath",
    "GlobalAvgPool2d",
    "GlobalMaxPool2d",
    "LayerNorm2d",
    "MinPool2d",
    "SeparableConv2d",
    "SpatiallySeparableConv2d",
    "SqueezeExcite",
    "StandardisedConv2d",
    "conv_size",
    "conv_transpose_size",
    "largest",
    "local_response_norm",
    "same_padding",
]


def conv_size(
    size: int, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1, ceil_mode: bool = False
) -> int:
    """The side of a convolution's or pooling's output: floor((n + 2p − d(k − 1) − 1) / s) + 1.

    With `ceil_mode` (pooling) the division is rounded up, unless the last window would start in the padding.

    >>> conv_size(227, 11, stride=4), conv_size(13, 3, stride=2), conv_size(112, 3, stride=2, ceil_mode=True)
    (55, 6, 56)
    """
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if room < 0:
        raise UsageError(
            f"a window of {dilation * (kernel - 1) + 1} does not fit into {size} pixels with padding {padding}",
            hint="use larger images, a smaller kernel or more padding",
        )
    out = -(-room // stride) + 1 if ceil_mode else room // stride + 1
    return out - 1 if ceil_mode and (out - 1) * stride >= size + padding else out


def conv_transpose_size(
    size: int, kernel: int, *, stride: int = 1, padding: int = 0, output_padding: int = 0, dilation: int = 1
) -> int:
    """The side of a transposed convolution's output: (n − 1)s − 2p + d(k − 1) + output padding + 1.

    >>> conv_transpose_size(7, 4, stride=2, padding=1)
    14
    """
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1


def same_padding(kernel: int, dilation: int = 1) -> int:
    """The padding that keeps the size at stride 1: d(k − 1) / 2; the kernel must be odd.

    >>> same_padding(3), same_padding(7), same_padding(3, dilation=2)
    (1, 3, 2)
    """
    if kernel % 2 == 0:
        raise UsageError(f"only an odd kernel can be padded alike on both sides, got {kernel}", hint="use 3, 5 or 7")
    return dilation * (kernel - 1) // 2


class DepthwiseConv2d(nn.Conv2d):
    """One filter per channel, no mixing: groups = channels. B C H W -> B (C·multiplier) H' W'.

    >>> DepthwiseConv2d(8, 3)(torch.zeros(1, 8, 5, 5)).shape
    torch.Size([1, 8, 5, 5])
    """

    def __init__(
        self, maps: int, kernel: int, *, stride: int = 1, dilation: int = 1, multiplier: int = 1, bias: bool = True
    ) -> None:
        padding = same_padding(kernel, dilation)
        super().__init__(
            maps, maps * multiplier, kernel, stride=stride, padding=padding, dilation=dilation, groups=maps, bias=bias
        )


class SeparableConv2d(nn.Sequential):
    """Separable in depth: each channel filtered by itself, then mixed by a 1×1. k²C + CC' weights in place of k²CC'.

    Chollet, arXiv:1610.02357. B C H W -> B C' H' W'.
    """

    def __init__(
        self, in_maps: int, maps: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1, bias: bool = False
    ) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv2d(in_maps, kernel, stride=stride, dilation=dilation, bias=bias)
        self.pointwise = nn.Conv2d(in_maps, maps, 1, bias=bias)


class SpatiallySeparableConv2d(nn.Sequential):
    """A k×k window as 1×k and then k×1: 2k weights a pair of channels in place of k². Szegedy et al., arXiv:1512.00567.

    >>> SpatiallySeparableConv2d(4, 8, 7)(torch.zeros(1, 4, 9, 9)).shape
    torch.Size([1, 8, 9, 9])
    """

    def __init__(self, in_maps: int, maps: int, kernel: int, *, between: int | None = None, bias: bool = True) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise UsageError(
                f"only an odd kernel can be padded alike on both sides, got {kernel}",
                hint=f"take {kernel + 1}",
            )
        p = kernel // 2
        between = maps if between is None else between
        self.across = nn.Conv2d(in_maps, between, (1, kernel), padding=(0, p), bias=bias)
        self.down = nn.Conv2d(between, maps, (kernel, 1), padding=(p, 0), bias=bias)


class StandardisedConv2d(nn.Conv2d):
    """A convolution whose filters have mean 0 and variance 1 whenever they are used. Qiao et al., arXiv:1903.10520."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), keepdim=True, correction=0)
        weight = (self.weight - mean) * torch.rsqrt(variance + 1e-5)
        return self._conv_forward(images, weight, self.bias)


class MinPool2d(nn.MaxPool2d):
    """The smallest value of each window: minus the maximum of minus the values.

    >>> MinPool2d(2)(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).item()
    1.0
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return -super().forward(-images)


class GlobalAvgPool2d(nn.Module):
    """The mean of each map: B C H W -> B C. Lin, Chen, Yan, arXiv:1312.4400, section 3.2."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(2, 3))


def largest(images: torch.Tensor) -> torch.Tensor:
    """The largest value of each map: B C H W -> B C, as `GlobalMaxPool2d`.

    Not `amax`: compiled in bfloat16 its gradient is 0/0 (it shares itself out among all places that equal the maximum,
    which after rounding may be none).

    >>> largest(torch.tensor([[[[1.0, 4.0], [3.0, 2.0]]]]))
    tensor([[4.]])
    """
    return F.adaptive_max_pool2d(images, 1).flatten(1)


class GlobalMaxPool2d(nn.Module):
    """The largest value of each map: B C H W -> B C."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.adaptive_max_pool2d(images, 1).flatten(1)


class BlurPool2d(nn.Module):
    """Low-pass, then subsample: what a stride should have been. Zhang, arXiv:1904.11486. B C H W -> B C H/s W/s.

    The filter is binomial (1 2 1, 1 4 6 4 1, …, outer product, sum 1); the rim is mirrored, as in the paper's code.

    >>> BlurPool2d()(torch.ones(1, 3, 8, 8)).shape
    torch.Size([1, 3, 4, 4])
    """

    kernel: torch.Tensor

    def __init__(self, size: int = 3, stride: int = 2) -> None:
        super().__init__()
        if size < 2:
            raise UsageError(f"the blur needs at least 2 taps, got {size}", hint="3 is usual")
        row = torch.ones(1, dtype=torch.float64)
        for _ in range(size - 1):
            row = F.pad(row, (0, 1)) + F.pad(row, (1, 0))  # Pascal's triangle
        kernel = torch.outer(row, row) / row.sum() ** 2
        self.register_buffer("kernel", kernel.float()[None, None], persistent=False)
        self.size, self.stride = size, stride
        before = (size - 1) // 2
        self.padding = (before, size - 1 - before, before, size - 1 - before)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        channels = images.shape[1]
        enough = min(images.shape[2:]) > max(self.padding)  # a mirror needs something to show
        padded = F.pad(images, self.padding, mode="reflect" if enough else "replicate")
        weight = self.kernel.to(images.dtype).expand(channels, 1, self.size, self.size)
        return F.conv2d(padded, weight, stride=self.stride, groups=channels)

    def extra_repr(self) -> str:
        return f"size={self.size}, stride={self.stride}"


def local_response_norm(size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> nn.LocalResponseNorm:
    """AlexNet's b = a / (k + α Σ a²)^β over `size` neighbouring channels (section 3.3), with the paper's α.

    torch divides the sum by `size`, the paper does not; so torch gets α · size.
    """
    return nn.LocalResponseNorm(size, alpha=alpha * size, beta=beta, k=k)


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of each pixel: B C H W -> the same. Liu et al., arXiv:2201.03545."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SqueezeExcite(nn.Module):
    """Each map times a factor between 0 and 1 that a small net reads from all maps' means. Hu et al., arXiv:1709.01507.

    B C H W -> the same. `squeezed` maps in between (the paper: C/16); the gate is a sigmoid or a hard one.

    >>> SqueezeExcite(32, 2)(torch.zeros(1, 32, 4, 4)).shape
    torch.Size([1, 32, 4, 4])
    """

    def __init__(
        self,
        maps: int,
        squeezed: int,
        *,
        activation: Callable[[], nn.Module] = nn.ReLU,
        gate: Callable[[], nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        # torchvision's names, so that its weights fit one to one
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(maps, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, maps, 1)
        self.activation = activation()
        self.scale_activation = gate()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        means = self.avgpool(images)  # B C 1 1
        return images * self.scale_activation(self.fc2(self.activation(self.fc1(means))))


class ChannelShuffle(nn.Module):
    """Channels dealt out, so that the next grouped convolution sees every group. Zhang et al., arXiv:1707.01083.

    >>> ChannelShuffle(2)(torch.arange(6.0).reshape(1, 6, 1, 1)).flatten().tolist()
    [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class DropPath(nn.Module):
    """A residual branch left out for some samples in training: stochastic depth. Huang et al., arXiv:1603.09382.

    What remains is divided by the probability to remain, so that evaluation needs no change.
    """

    def __init__(self, probability: float = 0.0) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise UsageError(
                f"the probability to drop must be from 0 to below 1, got {probability}",
                hint="0.1 is usual, 0 drops nothing",
            )
        self.probability = probability

    def forward(self, branch: torch.Tensor) -> torch.Tensor:
        if not self.training or self.probability == 0:
            return branch
        kept = 1 - self.probability
        mask = branch.new_empty(branch.shape[0], *[1] * (branch.ndim - 1)).bernoulli_(kept)
        return branch * mask / kept

    def extra_repr(self) -> str:
        return f"probability={self.probability}"


Build = Callable[..., nn.Module]
LAYERS: Registry[Component[Build]] = Registry("layer", listing="hubel components layers")
for name, build, title, formula, source, rows in (
    ("dense", nn.Linear, "Fully connected", "y = W x + b; C·C' + C' parameters", "folklore", ("C1",)),
    ("flatten", nn.Flatten, "Flatten", "B C H W -> B CHW", "folklore", ("C2",)),
    ("conv", nn.Conv2d, "Convolution 2-D", "y(i,j) = Σ W(c,u,v) x(c, si+du−p, sj+dv−p) + b; a cross-correlation",
     "Fukushima 1980; LeCun et al. 1989", ("C3", "C6", "C7", "C8", "C9", "C10", "C24")),
    ("conv1d", nn.Conv1d, "Convolution 1-D", "the same along one axis", "Waibel et al. 1989", ("C4",)),
    ("conv3d", nn.Conv3d, "Convolution 3-D", "the same along three axes", "Ji et al. 2010", ("C4",)),
    ("conv-transpose", nn.ConvTranspose2d, "Transposed convolution", "H' = (H − 1)s − 2p + k + output padding",
     "Zeiler et al., CVPR 2010", ("C11",)),
    ("depthwise", DepthwiseConv2d, "Depthwise convolution", "one k×k filter per channel; k²C weights",
     "Sifre 2014", ("C14", "C15")),
    ("separable", SeparableConv2d, "Depthwise separable convolution", "depthwise k×k, then 1×1; k²C + CC' weights",
     "Chollet, arXiv:1610.02357", ("C14",)),
    ("separable-space", SpatiallySeparableConv2d, "Spatially separable convolution", "1×k, then k×1; 2k weights for k²",
     "Szegedy et al., arXiv:1512.00567", ("C12", "C13")),
    ("conv-standardised", StandardisedConv2d, "Weight-standardised convolution", "W ← (W − mean) / std per filter",
     "Qiao et al., arXiv:1903.10520", ()),
    ("maxpool", nn.MaxPool2d, "Max pooling", "the largest of each window", "Weng et al. 1992; Scherer et al. 2010",
     ("C31", "C34", "C37")),
    ("avgpool", nn.AvgPool2d, "Average pooling", "the mean of each window", "LeCun et al. 1989", ("C32",)),
    ("minpool", MinPool2d, "Min pooling", "the smallest of each window", "folklore", ("C33",)),
    ("adaptive-avgpool", nn.AdaptiveAvgPool2d, "Adaptive average pooling", "windows chosen for a given output size",
     "torch.nn.AdaptiveAvgPool2d", ("C30", "C32")),
    ("global-avgpool", GlobalAvgPool2d, "Global average pooling", "B C H W -> B C, means",
     "Lin et al., arXiv:1312.4400",
     ("C30",)),
    ("global-maxpool", GlobalMaxPool2d, "Global max pooling", "B C H W -> B C, maxima", "Oquab et al., CVPR 2015",
     ("C30",)),
    ("blurpool", BlurPool2d, "Blur pooling", "binomial low-pass, then every s-th value", "Zhang, arXiv:1904.11486",
     ("C36",)),
    ("batch-norm", nn.BatchNorm2d, "Batch normalisation",
     "γ (x − μ) / √(σ² + ε) + β, μ and σ per channel over the batch",
     "Ioffe & Szegedy, arXiv:1502.03167", ("C97",)),
    ("layer-norm", LayerNorm2d, "Layer normalisation", "the same per pixel over the channels",
     "Ba et al., arXiv:1607.06450",
     ()),
    ("group-norm", nn.GroupNorm, "Group normalisation", "the same per sample over groups of channels",
     "Wu & He, arXiv:1803.08494", ()),
    ("instance-norm", nn.InstanceNorm2d, "Instance normalisation", "the same per sample and channel",
     "Ulyanov et al., arXiv:1607.08022", ()),
    ("lrn", local_response_norm, "Local response normalisation", "a / (k + α Σ a²)^β over neighbouring channels",
     "Krizhevsky et al., NIPS 2012, section 3.3", ()),
    ("squeeze-excite", SqueezeExcite, "Squeeze-and-excitation", "x · σ(W₂ relu(W₁ mean(x)))",
     "Hu et al., arXiv:1709.01507",
     ("C21",)),
    ("channel-shuffle", ChannelShuffle, "Channel shuffle", "channel i·n + j -> j·g + i",
     "Zhang et al., arXiv:1707.01083",
     ("C16",)),
    ("dropout", nn.Dropout, "Dropout", "x · mask / (1 − p)", "Srivastava et al., JMLR 15, 2014", ("C89",)),
    ("dropout2d", nn.Dropout2d, "Spatial dropout", "whole maps at a time", "Tompson et al., CVPR 2015", ("C89",)),
    ("alpha-dropout", nn.AlphaDropout, "Alpha dropout", "dropped values are −1.7581; mean and variance kept",
     "Klambauer et al., arXiv:1706.02515", ("C49", "C89")),
    ("drop-path", DropPath, "Stochastic depth", "a whole residual branch at a time", "Huang et al., arXiv:1603.09382",
     ()),
    ("rnn", nn.RNN, "Recurrent layer", "h ← tanh(W x + U h + b)", "Elman 1990", ("C29",)),
    ("lstm", nn.LSTM, "Long short-term memory", "gates i f o on a cell c", "Hochreiter & Schmidhuber 1997", ("C29",)),
    ("gru", nn.GRU, "Gated recurrent unit", "gates r z on a state h", "Cho et al., arXiv:1406.1078", ("C29",)),
    ("attention", nn.MultiheadAttention, "Multi-head attention", "softmax(Q Kᵀ / √d) V",
     "Vaswani et al., arXiv:1706.03762",
     ("C28",)),
):  # fmt: skip
    LAYERS.add(name, Component(title=title, build=build, formula=formula, source=source, rows=rows))
