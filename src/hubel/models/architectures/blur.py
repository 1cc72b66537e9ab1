"""Anti-aliased nets: blur before every subsampling, so that a shifted picture gives shifted maps.

R. Zhang, Making Convolutional Networks Shift-Invariant Again, ICML 2019, arXiv 1904.11486. The three replacements of
its section 3.2, where blur_s is a binomial filter with stride s:

    max-pool k, stride s           max-pool k, stride 1        then blur_s
    convolution stride s, ReLU     convolution stride 1, ReLU  then blur_s
    average-pool stride s          blur_s

A strided convolution without ReLU of its own (a shortcut 1x1) blurs before it convolves. As in the author's nets the
stem's convolution keeps its stride, for the sake of time. Blurs have no parameters: counts and state dicts are those
of the usual net.

>>> from hubel.models import create_model
>>> net = create_model("blur_resnet18", num_classes=10, img_size=32)
>>> net.layer2[0].conv1.stride, type(net.layer2[0].relu1[1]).__name__
((1, 1), 'BlurPool2d')
"""

from __future__ import annotations

import torch
from torch import nn

from hubel.models.architectures.alexnet import AlexNet, alexnet
from hubel.models.architectures.mobilenet import MobileNetV2, mobilenet_v2
from hubel.models.architectures.resnet import BasicBlock, Bottleneck, ResNet, resnet18, resnet50
from hubel.models.architectures.vgg import Vgg, vgg16_bn
from hubel.models.shared import is_small
from hubel.nn.layers import BlurPool2d

TAPS = 4
"""Size of the blur: Bin-4, with which the paper reports most of its nets."""


class BlurredPool(nn.Module):
    """Max-pooling of stride 1, then the blur with the stride that the pool had.

    A pool that rounded sizes up keeps the size before the blur, so that as small images pass as did before.
    """

    def __init__(self, pool: nn.MaxPool2d, taps: int) -> None:
        super().__init__()
        assert isinstance(pool.stride, int)
        assert isinstance(pool.kernel_size, int)
        self.pool = nn.MaxPool2d(pool.kernel_size, 1, pool.padding)
        rest = pool.kernel_size - 1 if pool.ceil_mode else 0
        self.rim = nn.ReplicationPad2d((0, rest, 0, rest)) if rest else nn.Identity()
        self.blur = BlurPool2d(taps, pool.stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.blur(self.pool(self.rim(x)))


def blur_pools(layers: nn.Sequential, taps: int) -> None:
    """Replace the max-pools of a chain of layers."""
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.MaxPool2d):
            layers[index] = BlurredPool(layer, taps)


def unstride(conv: nn.Conv2d) -> int:
    """Take the stride away from a convolution, and say what it was."""
    stride = int(conv.stride[0])
    conv.stride = (1, 1)
    return stride


def blur_block(block: nn.Module, taps: int) -> None:
    """The two ways round a residual block that halves the size."""
    if isinstance(block, BasicBlock) and block.conv1.stride != (1, 1):
        block.relu1 = nn.Sequential(nn.ReLU(), BlurPool2d(taps, unstride(block.conv1)))  # type: ignore[assignment]
    elif isinstance(block, Bottleneck) and block.conv2.stride != (1, 1):
        block.relu2 = nn.Sequential(nn.ReLU(), BlurPool2d(taps, unstride(block.conv2)))  # type: ignore[assignment]
    else:
        return
    assert isinstance(block.downsample, nn.Sequential)
    project = block.downsample[0]
    assert isinstance(project, nn.Conv2d)
    block.downsample = BlurredShortcut(BlurPool2d(taps, unstride(project)), block.downsample)


class BlurredShortcut(nn.Sequential):
    """Blur, then the projection, under the projection's own names ("0", "1") so that state dicts fit."""

    def __init__(self, blur: BlurPool2d, projection: nn.Sequential) -> None:
        super().__init__(*projection)
        self.blur = blur

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blur(x)
        return self[1](self[0](x))


def blur_resnet(net: ResNet, taps: int) -> ResNet:
    """Blur the pool and the three halvings of a ResNet."""
    if isinstance(net.maxpool, nn.MaxPool2d):
        net.maxpool = BlurredPool(net.maxpool, taps)  # type: ignore[assignment]
    for name in net.stages:
        for block in net.get_submodule(name).children():
            blur_block(block, taps)
    return net


def blur_resnet18(
    *, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto", taps: int = TAPS
) -> ResNet:
    """ResNet-18 with blurs of `taps` taps; `stem` as in resnet18."""
    net = resnet18(num_classes=num_classes, in_chans=in_chans, img_size=img_size, stem=stem)
    return blur_resnet(net, taps)


def blur_resnet50(
    *, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto", taps: int = TAPS
) -> ResNet:
    """ResNet-50 with blurs of `taps` taps; `stem` as in resnet18."""
    net = resnet50(num_classes=num_classes, in_chans=in_chans, img_size=img_size, stem=stem)
    return blur_resnet(net, taps)


def blur_vgg16_bn(
    *, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto", taps: int = TAPS
) -> Vgg:
    """VGG-16 with batch normalisation and blurred pools; `stem` as in vgg16_bn."""
    net = vgg16_bn(num_classes=num_classes, in_chans=in_chans, img_size=img_size, stem=stem)
    blur_pools(net.features, taps)
    return net


def blur_alexnet(
    *, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto", taps: int = TAPS
) -> AlexNet:
    """AlexNet with blurred pools, and a stem of stride 2 with a blur of 2 in place of 4; `stem` as in alexnet."""
    net = alexnet(num_classes=num_classes, in_chans=in_chans, img_size=img_size, stem=stem)
    if not is_small(img_size, stem):
        first = net.features[0]
        assert isinstance(first, nn.Conv2d)
        first.stride = (2, 2)
        net.features[1] = nn.Sequential(nn.ReLU(), BlurPool2d(taps, 2))
    blur_pools(net.features, taps)
    return net


def blur_mobilenet_v2(
    *, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto", taps: int = TAPS
) -> MobileNetV2:
    """MobileNet v2 whose depthwise strides are blurs; `stem` as in mobilenet_v2."""
    net = mobilenet_v2(num_classes=num_classes, in_chans=in_chans, img_size=img_size, stem=stem)
    for part in list(net.features[1:-1].modules()):
        # conv_norm_act gives convolution, normalisation, ReLU6: the blur goes behind the ReLU6.
        if isinstance(part, nn.Sequential) and len(part) == 3 and isinstance(part[0], nn.Conv2d):
            stride = unstride(part[0])
            if stride > 1:
                part.append(BlurPool2d(taps, stride))
    return net
