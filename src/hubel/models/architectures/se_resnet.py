"""SE nets: a residual block that weighs its maps by what the whole picture shows.

J. Hu, L. Shen, G. Sun, Squeeze-and-Excitation Networks, CVPR 2018, arXiv 1709.01507, figure 3 and table 1. At the end
of each residual branch: average every map (squeeze), dense C/16, ReLU, dense C, sigmoid (excite), times the maps.

The rest is resnet.py and resnext.py. Letters: C maps of the branch.
"""

from __future__ import annotations

from torch import nn

from hubel.models.architectures.resnet import BasicBlock, Block, Bottleneck, ResNet
from hubel.models.architectures.resnext import grouped
from hubel.models.shared import is_small
from hubel.nn.layers import SqueezeExcite

REDUCTION = 16


def excited(block: Block) -> Block:
    """The same block with squeeze and excitation behind the last normalisation of its branch."""

    def build(in_maps: int, maps: int, stride: int) -> nn.Module:
        built = block(in_maps, maps, stride)
        assert isinstance(built, (BasicBlock, Bottleneck))
        gate = SqueezeExcite(built.out_maps, built.out_maps // REDUCTION)
        if isinstance(built, Bottleneck):
            built.bn3 = nn.Sequential(built.bn3, gate)  # type: ignore[assignment]
        else:
            built.bn2 = nn.Sequential(built.bn2, gate)  # type: ignore[assignment]
        return built

    return build


def _build(
    block: Block, blocks: tuple[int, ...], num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str
) -> ResNet:
    small = is_small(img_size, stem)
    return ResNet(excited(block), blocks, num_classes=num_classes, in_chans=in_chans, small=small)


def se_resnet18(*, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto") -> ResNet:
    """ResNet-18 with squeeze and excitation; `stem` as in resnet18."""
    return _build(BasicBlock, (2, 2, 2, 2), num_classes, in_chans, img_size, stem)


def se_resnet34(*, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto") -> ResNet:
    """ResNet-34 with squeeze and excitation; `stem` as in resnet18."""
    return _build(BasicBlock, (3, 4, 6, 3), num_classes, in_chans, img_size, stem)


def se_resnet50(*, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto") -> ResNet:
    """ResNet-50 with squeeze and excitation; `stem` as in resnet18."""
    return _build(Bottleneck, (3, 4, 6, 3), num_classes, in_chans, img_size, stem)


def se_resnet101(*, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto") -> ResNet:
    """ResNet-101 with squeeze and excitation; `stem` as in resnet18."""
    return _build(Bottleneck, (3, 4, 23, 3), num_classes, in_chans, img_size, stem)


def se_resnet152(*, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto") -> ResNet:
    """ResNet-152 with squeeze and excitation; `stem` as in resnet18."""
    return _build(Bottleneck, (3, 8, 36, 3), num_classes, in_chans, img_size, stem)


def se_resnext50_32x4d(*, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto") -> ResNet:
    """ResNeXt-50 32x4d with squeeze and excitation; `stem` as in resnet18."""
    return _build(grouped(32, 4), (3, 4, 6, 3), num_classes, in_chans, img_size, stem)
