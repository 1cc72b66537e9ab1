"""SE nets: a residual block that weighs its maps by what the whole picture shows.

J. Hu, L. Shen, G. Sun, Squeeze-and-Excitation Networks, CVPR 2018, arXiv 1709.01507, figure 3 and table 1. At the end
of each residual branch: average every map (squeeze), dense C/16, ReLU, dense C, sigmoid (excite), times the maps.

The rest is resnet.py and resnext.py. Letters: C maps of the branch.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from hubel.models.architectures.resnet import BasicBlock, Block, Bottleneck, resnet
from hubel.models.architectures.resnext import grouped
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


# The nets of resnet.py and resnext.py with gates; the stem is as in resnet18.
se_resnet18 = partial(resnet, excited(BasicBlock), (2, 2, 2, 2))
se_resnet34 = partial(resnet, excited(BasicBlock), (3, 4, 6, 3))
se_resnet50 = partial(resnet, excited(Bottleneck), (3, 4, 6, 3))
se_resnet101 = partial(resnet, excited(Bottleneck), (3, 4, 23, 3))
se_resnet152 = partial(resnet, excited(Bottleneck), (3, 8, 36, 3))
se_resnext50_32x4d = partial(resnet, excited(grouped(32, 4)), (3, 4, 6, 3))
