"""The Inception family."""

from hubel.models.cards import Card

_2014 = "C. Szegedy et al., Going Deeper with Convolutions, CVPR 2015, arXiv 1409.4842"
_2016 = (
    "C. Szegedy, S. Ioffe, V. Vanhoucke, A. Alemi, Inception-v4, Inception-ResNet and the Impact of Residual "
    "Connections "
    "on Learning, AAAI 2017, arXiv 1602.07261"
)
_SMALL = "Images of up to 64 pixels get a 3x3 stem without pooling."

CARDS = (
    Card(
        name="googlenet",
        builder_at="googlenet:googlenet",
        title="GoogLeNet (torchvision's)",
        year=2014,
        reference=_2014,
        novelty="Convolutions of several sizes side by side, an average instead of dense layers, help from "
        "half-way heads.",
        min_size=8,
        params=13_004_888,
        macs=1_498_376_192,
        accuracy="ImageNet top-1 69.78 % (torchvision weights)",
        notes=(
            "6,624,904 parameters without the two auxiliary heads (aux=False); 13M is with them, and is not "
            "Inception v3.",
            "torchvision normalises by batch and has 3x3 where the paper has 5x5; inception_v1 is the paper's net.",
            "Training adds 0.3 of each auxiliary loss (forward_all gives their logits).",
            _SMALL,
        ),
        rows=("S38", "S39"),
        tags=("inception",),
    ),
    Card(
        name="inception_v1",
        builder_at="googlenet:inception_v1",
        title="GoogLeNet (the paper's table)",
        year=2014,
        reference=_2014,
        novelty="Convolutions of several sizes side by side, an average instead of dense layers, help from "
        "half-way heads.",
        min_size=8,
        params=13_378_280,
        macs=1_582_671_872,
        accuracy="ImageNet top-5 error 10.07 % (one net, one crop), 6.67 % (seven nets, 144 crops)",
        notes=(
            "6,998,552 parameters without the two auxiliary heads (aux=False).",
            "Module 3a alone: 163,328 weights and 128,049,152 multiply-accumulates; one 3x3 of the same width "
            "442,368 and "
            "346,816,512, one 5x5 1,228,800 and 963,379,200.",
            _SMALL,
        ),
        rows=("S38", "S39"),
        tags=("inception",),
    ),
    Card(
        name="inception_v2",
        builder_at="inception_bn:inception_v2",
        title="Inception v2 (BN-Inception)",
        year=2015,
        reference="S. Ioffe, C. Szegedy, Batch Normalization: Accelerating Deep Network Training by Reducing Internal "
        "Covariate Shift, ICML 2015, arXiv 1502.03167",
        novelty="Batch normalisation: each map keeps mean 0 and variance 1 while it learns, so rates can be far "
        "higher.",
        min_size=8,
        params=11_194_984,
        macs=2_018_851_840,
        accuracy="ImageNet top-5 error 7.82 % (one net, one crop)",
        notes=(
            "Widths of figure 5; a well-known port has 128 instead of 96 in the projections of 4c and 4d (11.3M).",
            "Convolutions before batch normalisation have no bias.",
            _SMALL,
        ),
        rows=("S40",),
        tags=("inception", "batch normalisation"),
    ),
    Card(
        name="inception_v3",
        builder_at="inception_v3:inception_v3",
        title="Inception v3",
        year=2015,
        reference="C. Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016, "
        "arXiv 1512.00567",
        novelty="Large windows factored into small and flat ones: 7x7 as 1x7 after 7x1, 3x3 as 1x3 beside 3x1.",
        img_size=299,
        min_size=15,
        params=27_161_264,
        macs=5_713_216_096,
        accuracy="ImageNet top-1 77.29 % (torchvision weights)",
        notes=(
            "23,834,568 parameters without the auxiliary head (aux=False); 13M, which circulates, is GoogLeNet "
            "with its heads.",
            "1x7 after 7x1 covers 7x7 with 14 instead of 49 weights a pair of maps; it does not stand for a 5x5.",
            "Training adds 0.3 of the auxiliary loss (forward_all gives its logits).",
            "Images of up to 74 pixels get a stem that keeps their size.",
        ),
        rows=("S41",),
        tags=("inception", "batch normalisation"),
    ),
    Card(
        name="inception_v4",
        builder_at="inception_v4:inception_v4",
        title="Inception v4",
        year=2016,
        reference=_2016,
        novelty="The Inception modules made uniform and deeper, with a stem that itself has paths.",
        img_size=299,
        min_size=15,
        params=42_679_816,
        macs=12_253_974_624,
        accuracy="ImageNet top-1 80.0 % (one net, one crop)",
        notes=(
            "It has no residual connections, as is sometimes said: those are in Inception-ResNet, from the same paper.",
            "Images of up to 74 pixels get a stem that keeps their size.",
        ),
        rows=("S42",),
        tags=("inception", "batch normalisation"),
    ),
    Card(
        name="inception_resnet_v2",
        builder_at="inception_resnet:inception_resnet_v2",
        title="Inception-ResNet v2",
        year=2016,
        reference=_2016,
        novelty="Inception paths compute what a residual block adds; scaling it down keeps wide nets stable.",
        img_size=299,
        min_size=15,
        params=55_843_464,
        macs=13_155_794_016,
        accuracy="ImageNet top-1 80.1 % (one net, one crop)",
        notes=(
            "Widths of the released net, which differ from figures 16 to 19 in a few places (marked in the code).",
            "Images of up to 74 pixels get a stem that keeps their size.",
        ),
        rows=("S42", "S44"),
        tags=("inception", "residual", "batch normalisation"),
    ),
    Card(
        name="xception",
        builder_at="xception:xception",
        title="Xception",
        year=2016,
        reference="F. Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, CVPR 2017, arXiv "
        "1610.02357",
        novelty="Space and maps treated apart everywhere: separable convolutions with residual shortcuts.",
        img_size=299,
        min_size=8,
        params=22_855_952,
        macs=8_357_403_496,
        accuracy="ImageNet top-1 79.0 % (one net, one crop)",
        notes=("Images of up to 64 pixels get a stem of stride 1.",),
        rows=("S52", "S53"),
        tags=("separable", "residual"),
    ),
)
