"""VGG."""

from hubel.models.cards import Card

# layers, configuration, parameters, parameters with batch normalisation, top-1 of torchvision's weights for both
_NETS = (
    (11, "A", 132_863_336, 132_868_840, "69.02", "70.37"),
    (13, "B", 133_047_848, 133_053_736, "69.93", "71.59"),
    (16, "D", 138_357_544, 138_365_992, "71.59", "73.36"),
    (19, "E", 143_667_240, 143_678_248, "72.38", "74.22"),
)
_MACS = {11: 7_609_090_048, 13: 11_308_466_176, 16: 15_470_264_320, 19: 19_632_062_464}

CARDS = tuple(
    Card(
        name=f"vgg{layers}{suffix}",
        builder_at=f"vgg:vgg{layers}{suffix}",
        title=f"VGG-{layers}{' with batch normalisation' if suffix else ''}",
        year=2014,
        reference="K. Simonyan, A. Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, "
        f"ICLR 2015, arXiv 1409.1556, configuration {configuration}",
        novelty="Only 3x3 convolutions, stacked: two see what one 5x5 sees, with 18 instead of 25 weights a pair "
        "of maps.",
        params=normed if suffix else plain,
        macs=_MACS[layers],
        accuracy=f"ImageNet top-1 {top1_bn if suffix else top1} % (torchvision weights)",
        notes=(
            "The dense layers hold 123,642,856 of the parameters (102,764,544 + 16,781,312 + 4,097,000).",
            "The maps double after each pool but the last: 64, 128, 256, 512, 512.",
            "Images of up to 64 pixels get an average and dense layers of 512, as in the usual VGGs for CIFAR.",
        ),
        rows=("S34", "S35", "S36"),
        tags=("batch normalisation",) if suffix else (),
    )
    for layers, configuration, plain, normed, top1, top1_bn in _NETS
    for suffix in ("", "_bn")
)
