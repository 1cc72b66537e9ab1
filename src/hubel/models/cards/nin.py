"""Network in Network."""

from hubel.models.cards import Card

_LIN = "M. Lin, Q. Chen, S. Yan, Network In Network, ICLR 2014, arXiv 1312.4400"
_NOVELTY = "1x1 convolutions as a dense net at every position, and a global average in place of dense layers."

CARDS = (
    Card(
        name="nin",
        builder_at="nin:nin",
        title="Network in Network (CIFAR)",
        year=2013,
        reference=_LIN,
        novelty=_NOVELTY,
        num_classes=10,
        img_size=32,
        min_size=8,
        params=966_986,
        macs=222_486_528,
        accuracy="CIFAR-10 test error 10.41 %, 8.81 % with augmentation",
        notes=("No ReLU after the last map: logits may be negative.",),
        rows=("S37",),
        tags=("fully convolutional",),
    ),
    Card(
        name="nin_imagenet",
        builder_at="nin:nin_imagenet",
        title="Network in Network (ImageNet)",
        year=2013,
        reference=_LIN,
        novelty=_NOVELTY,
        min_size=67,
        params=7_595_176,
        macs=969_460_864,
        accuracy="ImageNet top-1 about 59.4 % (the authors' public model)",
        notes=("For small images there is nin.",),
        rows=("S37",),
        tags=("fully convolutional",),
    ),
)
