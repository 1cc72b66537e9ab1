"""ResNeXt: the 3x3 of each bottleneck split into groups, many thin paths instead of one wide one.

S. Xie, R. Girshick, P. Dollár, Z. Tu, K. He, Aggregated Residual Transformations for Deep Neural Networks, CVPR 2017,
arXiv 1611.05431, table 1. A block of stage s with cardinality G and base width d ("G x d d"):

    1x1, d·G·2^s   3x3, d·G·2^s, G groups   1x1, 256·2^s        s = 0, 1, 2, 3

                     blocks        G    d
    50, 32x4d        3 4 6 3       32   4
    101, 32x8d       3 4 23 3      32   8
    101, 64x4d       3 4 23 3      64   4

The rest is resnet.py, module names included.
"""

from __future__ import annotations

from functools import partial

from hubel.models.architectures.resnet import Block, Bottleneck, resnet


def grouped(cardinality: int, width: int) -> Block:
    """Builder of bottlenecks with `cardinality` groups of `width` maps in the first stage.

    >>> grouped(32, 4)(64, 64, 1).conv2
    Conv2d(128, 128, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), groups=32, bias=False)
    """

    def block(in_maps: int, maps: int, stride: int) -> Bottleneck:
        return Bottleneck(in_maps, maps, stride, width=cardinality * width * maps // 64, groups=cardinality)

    return block


# 50 or 101 layers; cardinality groups of so many maps. The stem is as in resnet18.
resnext50_32x4d = partial(resnet, grouped(32, 4), (3, 4, 6, 3))
resnext101_32x8d = partial(resnet, grouped(32, 8), (3, 4, 23, 3))
resnext101_64x4d = partial(resnet, grouped(64, 4), (3, 4, 23, 3))
