"""ResNet for ImageNet and for CIFAR."""

from hubel.models.cards import Card

_HE = "K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016, arXiv 1512.03385"
_NOVELTY = (
    "Blocks learn what to add to their input, so that nets of over a hundred layers train better than shallow ones."
)

# depth, parameters, multiply-accumulates, ImageNet top-1 of torchvision's first weights, further notes
_IMAGENET = (
    (18, 11_689_512, 1_814_073_344, "69.76", ()),
    (34, 21_797_672, 3_663_761_408, "73.31", ("The net of 38 layers that is sometimes drawn is this one.",)),
    (50, 25_557_032, 4_089_184_256, "76.13", ()),
    (101, 44_549_160, 7_801_405_440, "77.37", ()),
    (152, 60_192_808, 11_513_626_624, "78.31", ("The winner of 2015 has 152 layers, not 138.",)),
)
# depth, parameters (as counted; the paper rounds them), multiply-accumulates, CIFAR-10 test error of table 6
_CIFAR = (
    (20, 269_722, 40_551_040, "8.75"),
    (32, 464_154, 68_862_592, "7.51"),
    (44, 658_586, 97_174_144, "7.17"),
    (56, 853_018, 125_485_696, "6.97"),
    (110, 1_727_962, 252_887_680, "6.43 (best of 5; mean 6.61)"),
)

CARDS = tuple(
    Card(
        name=f"resnet{depth}",
        builder_at=f"resnet:resnet{depth}",
        title=f"ResNet-{depth}",
        year=2015,
        reference=_HE,
        novelty=_NOVELTY,
        min_size=8,
        params=params,
        macs=macs,
        accuracy=f"ImageNet top-1 {top1} % (torchvision weights)",
        notes=(
            *(
                ("The stride is in the 3x3 of a bottleneck, as in torchvision; in the paper in its first 1x1.",)
                * (depth > 34)
            ),
            "Images of up to 64 pixels get a 3x3 stem of stride 1 without pooling.",
            *notes,
        ),
        rows=("S43", "S44"),
        tags=("residual",),
    )
    for depth, params, macs, top1, notes in _IMAGENET
) + tuple(
    Card(
        name=f"resnet{depth}",
        builder_at=f"resnet_cifar:resnet{depth}",
        title=f"ResNet-{depth} for CIFAR",
        year=2015,
        reference=f"{_HE}, section 4.2",
        novelty="Thin residual nets for 32x32 pictures, with shortcuts that have no parameters (option A).",
        num_classes=10,
        img_size=32,
        min_size=4,
        params=params,
        macs=macs,
        accuracy=f"CIFAR-10 test error {error} %",
        notes=("--model-option shortcut=B projects where the shape changes, as the weights of some ports need.",),
        rows=("S43",),
        tags=("residual", "small"),
    )
    for depth, params, macs, error in _CIFAR
)
